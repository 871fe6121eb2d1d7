//! One shared connection for each address: its waiters, and the next attempt.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::actions::Actions;
use super::address::Address;
use super::config::ContainerConfig;
use super::error::{ContainerError, DialError};
use super::id::{ConnId, ConnectId, DialId};
use super::retry::{Backoff, Jitter};

/// The table of addresses. Each address has a connection or at least one waiter.
#[derive(Debug)]
pub(super) struct Dialler {
    links: BTreeMap<Address, Link>,
    /// The attempts under way.
    dials: BTreeMap<DialId, Address>,
    /// The connections of `links`.
    live: BTreeMap<ConnId, Address>,
    /// The times of `links`.
    due: BTreeSet<(Instant, Address)>,
    next_id: u64,
    failed: u64,
    jitter: Jitter,
    backoff: Backoff,
    dial_timeout: Duration,
    limit: usize,
}

#[derive(Debug)]
enum Link {
    Trying(Series),
    Live(ConnId, Setbacks),
}

/// Attempts to open a connection, one at a time.
#[derive(Debug)]
struct Series {
    waiters: BTreeSet<ConnectId>,
    /// The attempt under way; `None` during the wait before the next one.
    dial: Option<DialId>,
    /// The timeout of this attempt, or the start of the next one.
    due: Option<Instant>,
    setbacks: Setbacks,
}

/// The failures in a row.
///
/// A connection alone does not end the row: the peer may close it at once. Only an answer of the peer does.
#[derive(Clone, Debug, Default)]
struct Setbacks {
    attempts: u32,
    wait: Duration,
    last: Option<DialError>,
}

/// The waiters of an address that has lost its connection or attempt.
///
/// Waiters with time left are returned to [`Dialler::retry`].
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) address: Address,
    /// How many attempts have failed in a row.
    pub(super) attempts: u32,
    pub(super) error: DialError,
    /// The calls of `connect` that waited.
    pub(super) waiters: BTreeSet<ConnectId>,
    /// The wait before this attempt.
    wait: Duration,
}

impl Dialler {
    pub(super) fn new(config: &ContainerConfig, seed: u64) -> Self {
        Self {
            links: BTreeMap::new(),
            dials: BTreeMap::new(),
            live: BTreeMap::new(),
            due: BTreeSet::new(),
            next_id: 0,
            failed: 0,
            jitter: Jitter::new(seed),
            backoff: config.backoff,
            dial_timeout: config.dial_timeout.max(Duration::from_millis(1)),
            limit: config.max_dialled,
        }
    }

    /// Returns the connection to `address`, or adds the waiter to those of an attempt.
    ///
    /// A waiter whose limit would expire before the next attempt starts one at once.
    pub(super) fn join(
        &mut self,
        now: Instant,
        address: &Address,
        waiter: ConnectId,
        gives_up: Option<Instant>,
        actions: &mut Actions,
    ) -> Result<Option<ConnId>, ContainerError> {
        let full = self.links.len() >= self.limit;
        match self.links.get_mut(address) {
            Some(Link::Live(conn, _)) => return Ok(Some(*conn)),
            Some(Link::Trying(series)) => {
                series.waiters.insert(waiter);
                let too_late =
                    gives_up.is_some_and(|gives_up| series.due.is_none_or(|due| gives_up < due));
                if series.dial.is_some() || !too_late {
                    return Ok(None);
                }
            }
            None if full => return Err(ContainerError::TooManyDialled { limit: self.limit }),
            None => {
                let series = Series {
                    waiters: BTreeSet::from([waiter]),
                    dial: None,
                    due: None,
                    setbacks: Setbacks::default(),
                };
                self.links.insert(address.clone(), Link::Trying(series));
            }
        }
        self.dial(now, address, actions);
        Ok(None)
    }

    /// Starts the next attempt.
    fn dial(&mut self, now: Instant, address: &Address, actions: &mut Actions) {
        let Some(Link::Trying(series)) = self.links.get_mut(address) else { return };
        let id = DialId(self.next_id);
        self.next_id += 1;
        self.dials.insert(id, address.clone());
        actions.dial(id, address.clone());
        series.dial = Some(id);
        let old = std::mem::replace(&mut series.due, now.checked_add(self.dial_timeout));
        let new = series.due;
        self.reschedule(address, old, new);
    }

    fn reschedule(&mut self, address: &Address, old: Option<Instant>, new: Option<Instant>) {
        if let Some(old) = old {
            self.due.remove(&(old, address.clone()));
        }
        self.due.extend(new.map(|new| (new, address.clone())));
    }

    /// Removes a link, and cancels the attempt for it.
    fn unlink(&mut self, address: &Address, actions: &mut Actions) -> Option<Link> {
        let link = self.links.remove(address)?;
        match &link {
            Link::Trying(series) => {
                let &Series { dial, due, .. } = series;
                self.reschedule(address, due, None);
                if let Some(id) = dial {
                    self.dials.remove(&id);
                    actions.cancel_dial(id);
                }
            }
            Link::Live(conn, _) => {
                self.live.remove(conn);
            }
        }
        Some(link)
    }

    /// Removes a waiter; without waiters, the attempts end. Returns the failures so far.
    pub(super) fn release(
        &mut self,
        address: &Address,
        waiter: ConnectId,
        actions: &mut Actions,
    ) -> Option<(u32, DialError)> {
        let Some(Link::Trying(series)) = self.links.get_mut(address) else { return None };
        series.waiters.remove(&waiter);
        let Setbacks { attempts, last, .. } = series.setbacks.clone();
        if series.waiters.is_empty() {
            self.unlink(address, actions);
        }
        last.map(|last| (attempts, last))
    }

    /// Handles a successful attempt. Returns its waiters; `None` if it was cancelled.
    pub(super) fn dialled(&mut self, id: DialId, conn: ConnId) -> Option<BTreeSet<ConnectId>> {
        let address = self.dials.remove(&id)?;
        let Some(Link::Trying(series)) = self.links.remove(&address) else { return None };
        self.reschedule(&address, series.due, None);
        self.links.insert(address.clone(), Link::Live(conn, series.setbacks));
        self.live.insert(conn, address);
        Some(series.waiters)
    }

    /// Handles a failed attempt. `None` if it was cancelled.
    pub(super) fn failed(
        &mut self,
        id: DialId,
        error: DialError,
        actions: &mut Actions,
    ) -> Option<Broken> {
        let address = self.dials.get(&id)?.clone();
        let broken = self.broken(address, error, actions);
        actions.dial_ended(id);
        broken
    }

    /// Handles the end of a connection, which has no waiters. `None` if the table does not have it.
    pub(super) fn closed(
        &mut self,
        conn: ConnId,
        error: DialError,
        actions: &mut Actions,
    ) -> Option<Broken> {
        let address = self.live.get(&conn)?.clone();
        self.broken(address, error, actions)
    }

    fn broken(
        &mut self,
        address: Address,
        error: DialError,
        actions: &mut Actions,
    ) -> Option<Broken> {
        let (waiters, setbacks) = match self.unlink(&address, actions)? {
            Link::Trying(series) => {
                self.failed += 1;
                (series.waiters, series.setbacks)
            }
            Link::Live(_, setbacks) => (BTreeSet::new(), setbacks),
        };
        let attempts = setbacks.attempts.saturating_add(1);
        Some(Broken { address, attempts, error, waiters, wait: setbacks.wait })
    }

    /// Retries for the remaining waiters, after a wait.
    pub(super) fn retry(&mut self, now: Instant, broken: Broken) {
        let Broken { address, attempts, error, waiters, wait } = broken;
        if waiters.is_empty() {
            return;
        }
        let wait = self.backoff.after(wait);
        let due = now.checked_add(self.jitter.shorten(wait, self.backoff.jitter_percent));
        let setbacks = Setbacks { attempts, wait, last: Some(error) };
        self.reschedule(&address, None, due);
        self.links.insert(address, Link::Trying(Series { waiters, dial: None, due, setbacks }));
    }

    /// Records an answer of the peer, which ends the failures in a row.
    pub(super) fn proven(&mut self, conn: ConnId) {
        if let Some(address) = self.live.get(&conn)
            && let Some(Link::Live(_, setbacks)) = self.links.get_mut(address)
        {
            *setbacks = Setbacks::default();
        }
    }

    /// Starts the attempts that are due. Returns one that has timed out; call it until `None`.
    pub(super) fn overdue(&mut self, now: Instant, actions: &mut Actions) -> Option<Broken> {
        // Both branches move the time of the link ahead of `now`, or remove it.
        while let Some((due, address)) = self.due.first()
            && *due <= now
        {
            let address = address.clone();
            if let Some(Link::Trying(Series { dial: Some(_), .. })) = self.links.get(&address) {
                return self.broken(address, DialError::timed_out(self.dial_timeout), actions);
            }
            self.dial(now, &address, actions);
        }
        None
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Returns the connection to `address`, if one is open.
    pub(super) fn connection(&self, address: &Address) -> Option<ConnId> {
        match self.links.get(address)? {
            Link::Live(conn, _) => Some(*conn),
            Link::Trying(_) => None,
        }
    }

    /// Returns the number of attempts in a row for `address`, and its waiters.
    pub(super) fn dialling(&self, address: &Address) -> (u32, impl Iterator<Item = ConnectId>) {
        let series = match self.links.get(address) {
            Some(Link::Trying(series)) => Some(series),
            Some(Link::Live(..)) | None => None,
        };
        let attempts = series.map_or(0, |Series { dial, setbacks, .. }| {
            setbacks.attempts.saturating_add(dial.is_some().into())
        });
        (attempts, series.into_iter().flat_map(|series| series.waiters.iter().copied()))
    }

    /// Returns how many attempts were made, and how many of them failed.
    pub(super) const fn attempts(&self) -> (u64, u64) {
        (self.next_id, self.failed)
    }

    /// Returns when the next attempt is due, if one is pending.
    pub(super) fn retry_at(&self, address: &Address) -> Option<Instant> {
        match self.links.get(address)? {
            Link::Trying(Series { dial: None, due, .. }) => *due,
            Link::Trying(_) | Link::Live(..) => None,
        }
    }

    /// Returns all connections.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnId> {
        self.live.keys().copied()
    }

    pub(super) fn is_connection(&self, conn: ConnId) -> bool {
        self.live.contains_key(&conn)
    }

    /// Cancels all attempts. Connections stay.
    pub(super) fn cancel(&mut self, actions: &mut Actions) {
        self.links.retain(|_, link| matches!(link, Link::Live(..)));
        self.due.clear();
        while let Some((id, _)) = self.dials.pop_first() {
            actions.cancel_dial(id);
        }
    }
}
