//! One shared connection for each address: who waits for it, and when the next attempt is due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::actions::Actions;
use super::address::Address;
use super::config::ContainerConfig;
use super::error::{ContainerError, DialError};
use super::id::{ConnId, ConnectId, DialId};
use super::retry::{Backoff, Jitter};

/// The address table. Every address in it has a connection, or somebody waits for one.
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
    /// The attempt under way, if it is not time to wait.
    dial: Option<DialId>,
    /// When that attempt has failed, or when the next one is due.
    due: Option<Instant>,
    setbacks: Setbacks,
}

/// What has gone wrong in a row. A connection alone is no success: the peer may drop it at once, so
/// that only an answer from it ends the row.
#[derive(Clone, Debug, Default)]
struct Setbacks {
    attempts: u32,
    wait: Duration,
    last: Option<DialError>,
}

/// There is no connection to an address any more. Who still has patience is handed to
/// [`Dialler::retry`].
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) address: Address,
    /// How many attempts have failed in a row.
    pub(super) attempts: u32,
    pub(super) error: DialError,
    /// Who waited.
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

    /// The connection to `address`, if there is one; otherwise the waiter will be told. Whoever gives up
    /// before the next attempt would be due gets one at once.
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

    /// Forgets a link, and what was under way for it.
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

    /// The waiter waits no more; without waiters, the attempts end. Returns what has gone wrong so far.
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

    /// An attempt succeeded. Returns who waited for it; `None` if it has been given up.
    pub(super) fn dialled(&mut self, id: DialId, conn: ConnId) -> Option<BTreeSet<ConnectId>> {
        let address = self.dials.remove(&id)?;
        let Some(Link::Trying(series)) = self.links.remove(&address) else { return None };
        self.reschedule(&address, series.due, None);
        self.links.insert(address.clone(), Link::Live(conn, series.setbacks));
        self.live.insert(conn, address);
        Some(series.waiters)
    }

    /// An attempt failed. `None` if it has been given up.
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

    /// A connection is gone. `None` if it is none of these here. Nobody waits for it any more.
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

    /// Tries again, after a wait, for those who still wait.
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

    /// The peer has answered on this connection: it is as good as it gets.
    pub(super) fn proven(&mut self, conn: ConnId) {
        if let Some(address) = self.live.get(&conn)
            && let Some(Link::Live(_, setbacks)) = self.links.get_mut(address)
        {
            *setbacks = Setbacks::default();
        }
    }

    /// Starts the attempts that are due. Returns one that has taken too long; ask until there is none.
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

    /// The connection to `address`, if there is one.
    pub(super) fn connection(&self, address: &Address) -> Option<ConnId> {
        match self.links.get(address)? {
            Link::Live(conn, _) => Some(*conn),
            Link::Trying(_) => None,
        }
    }

    /// Who waits for a connection to `address`, and the number of attempts in a row.
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

    /// How many attempts there have been, and how many of them have failed.
    pub(super) const fn attempts(&self) -> (u64, u64) {
        (self.next_id, self.failed)
    }

    /// When the next attempt is due, if one is waited for.
    pub(super) fn retry_at(&self, address: &Address) -> Option<Instant> {
        match self.links.get(address)? {
            Link::Trying(Series { dial: None, due, .. }) => *due,
            Link::Trying(_) | Link::Live(..) => None,
        }
    }

    /// All connections.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnId> {
        self.live.keys().copied()
    }

    pub(super) fn is_connection(&self, conn: ConnId) -> bool {
        self.live.contains_key(&conn)
    }

    /// Gives up all attempts. Connections stay.
    pub(super) fn cancel(&mut self, actions: &mut Actions) {
        self.links.retain(|_, link| matches!(link, Link::Live(..)));
        self.due.clear();
        while let Some((id, _)) = self.dials.pop_first() {
            actions.cancel_dial(id);
        }
    }
}
