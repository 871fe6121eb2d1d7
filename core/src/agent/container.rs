//! The container: its agents, and connections to agents elsewhere.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::actions::{Action, Actions};
use super::address::{Address, AgentUrl};
use super::config::ContainerConfig;
use super::dial::{Broken, Dialler};
use super::error::{ConnectError, ContainerError, DialError, Stage, ValidateError};
use super::event::{ContainerEvent, Remote, Route};
use super::id::{ConnId, ConnectId, DialId, ValidateTicket};
use super::retry::RetryLimit;
use super::validate::Validator;
use super::waiters::Waiters;

/// A container's control plane: one shared connection for each address of another container.
///
/// It knows connections only by the key of its host. The host, a driver or an event loop, executes [`Action`]s: it
/// opens and closes connections, asks the peers for agents, and reports the results. The host also keeps the
/// container's own [`Agents`](super::Agents). `X` is the caller's context of a [`connect`](Self::connect), returned
/// with the outcome.
///
/// There are four kinds of methods: *getters*; *commands* of the application ([`connect`](Self::connect),
/// [`shutdown`](Self::shutdown), …); *inputs* from the host, `handle_*`; and *outputs*, `poll_*`. After each command or
/// input, the host polls actions and events until they return `None`, and arms its timer for
/// [`poll_timeout`](Self::poll_timeout).
///
/// # Contract
///
/// - All effects of an input or a command can be polled at once; `poll_timeout` concerns the future only. If it returns
///   `t`, `handle_timeout(t)` makes progress.
/// - Without input, polls return `None` after finitely many calls, and stay so.
/// - Time does not go back: a `now` before the last one counts as the last one.
/// - Each `connect` ends once: in a [`Connected`](ContainerEvent::Connected), a [`Failed`](ContainerEvent::Failed), or
///   a [`cancel`](Self::cancel) that returns its context.
/// - At most one attempt to open a connection is under way per address, and one question per agent on a connection.
/// - [`Stopped`](ContainerEvent::Stopped) comes once; only refusals come after it.
/// - The same inputs and the same seed give the same outputs.
/// - Spurious inputs change nothing: early timeouts, results of cancelled attempts and questions, ends of unknown
///   connections.
///
/// # How connecting works
///
/// An open connection is used; an attempt under way is joined; otherwise one is started. When it fails, the callers
/// whose [`RetryLimit`] has expired receive the error, and another attempt follows for the others after a wait: 0.5 s,
/// then half as much again each time, up to 30 s, as in aiomas. Any failure is retried (aiomas: only a refused
/// connection). A new caller whose limit would expire during the wait gets an attempt at once.
///
/// Then the peer is asked for the agent. The answer "no" ends all calls that wait for it, despite their limits, and is
/// not cached; "yes" is cached as long as the connection. A connection that is lost before the answer counts as a
/// failed attempt: [`RetryLimit::Once`] ends with [`ConnectError::Lost`], others are retried after the wait. So a peer
/// that closes each connection at once is not flooded with attempts either.
///
/// [`connect_here`](Self::connect_here) skips all of that: an agent of this container needs no connection.
pub struct Container<X> {
    config: ContainerConfig,
    base: Address,
    now: Option<Instant>,
    next_connect: u64,
    waiters: Waiters<X>,
    dialler: Dialler,
    validator: Validator,
    accepted: BTreeSet<ConnId>,
    /// Opened connections that accept no calls any more, but are not closed yet.
    closing: BTreeSet<ConnId>,
    lifecycle: Lifecycle,
    actions: Actions,
    events: VecDeque<ContainerEvent<X>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifecycle {
    Running,
    /// No new work; connections are being closed.
    Stopping,
    Stopped,
}

impl<X> Container<X> {
    /// Creates a container without connections, whose own address is `base`. The seed is for jitter.
    #[must_use]
    pub fn new(config: ContainerConfig, base: Address, seed: u64) -> Self {
        Self {
            dialler: Dialler::new(&config, seed),
            validator: Validator::new(config.max_known),
            config,
            base,
            now: None,
            next_connect: 0,
            waiters: Waiters::new(),
            accepted: BTreeSet::new(),
            closing: BTreeSet::new(),
            lifecycle: Lifecycle::Running,
            actions: Actions::default(),
            events: VecDeque::new(),
        }
    }

    /// Returns the address that the URLs of its agents begin with.
    #[must_use]
    pub const fn base(&self) -> &Address {
        &self.base
    }

    /// Returns the settings of the container.
    #[must_use]
    pub const fn config(&self) -> &ContainerConfig {
        &self.config
    }

    /// Returns the attempts in a row for `address`, and the contexts of the waiting callers.
    ///
    /// The number includes the attempt under way.
    pub fn dialling(&self, address: &Address) -> (u32, impl Iterator<Item = &X>) {
        let (attempts, waiters) = self.dialler.dialling(address);
        (attempts, waiters.filter_map(|id| Some(&self.waiters.get(id)?.ctx)))
    }

    /// Returns when the next attempt to connect to `address` is due, if one is pending.
    #[must_use]
    pub fn retry_at(&self, address: &Address) -> Option<Instant> {
        self.dialler.retry_at(address)
    }

    /// Returns the numbers of attempts to connect, and of attempts that failed or timed out.
    #[must_use]
    pub const fn attempts(&self) -> (u64, u64) {
        self.dialler.attempts()
    }

    /// Changes the container's own address, to replace the port 0 (aiomas leaves the 0).
    ///
    /// URLs of existing agents do not change: call it before the first agent is added.
    pub fn set_base(&mut self, base: Address) {
        self.base = base;
    }

    /// Connects to an agent of another container. The outcome is an event, with `ctx`.
    pub fn connect(&mut self, now: Instant, url: AgentUrl, limit: RetryLimit, ctx: X) -> ConnectId {
        let now = self.advance(now);
        let id = self.next_connect();
        if let Err(error) = self.may_connect() {
            self.events.push_back(ContainerEvent::Failed { id, ctx, error: error.into() });
        } else {
            let over = limit.over(now);
            match self.dialler.join(now, url.address(), id, over, &mut self.actions) {
                Ok(connection) => {
                    self.waiters.insert(id, url, limit, ctx);
                    if limit != RetryLimit::Once {
                        self.waiters.set_deadline(id, over);
                    }
                    if let Some(conn) = connection {
                        self.validate(now, id, conn);
                    }
                }
                Err(error) => {
                    self.events.push_back(ContainerEvent::Failed { id, ctx, error: error.into() });
                }
            }
        }
        id
    }

    /// Connects to an agent at this container's own [address](Self::base). `type_name` is its type, if the agent
    /// exists.
    pub fn connect_here(
        &mut self,
        url: AgentUrl,
        type_name: Option<Arc<str>>,
        ctx: X,
    ) -> ConnectId {
        let id = self.next_connect();
        self.events.push_back(match (self.may_connect(), type_name) {
            (Ok(()), Some(type_name)) => {
                let remote = Remote { route: Route::Local, url, type_name };
                ContainerEvent::Connected { id, ctx, remote }
            }
            (Ok(()), None) => {
                ContainerEvent::Failed { id, ctx, error: ConnectError::NoSuchAgent { url } }
            }
            (Err(error), _) => ContainerEvent::Failed { id, ctx, error: error.into() },
        });
        id
    }

    const fn next_connect(&mut self) -> ConnectId {
        let id = ConnectId(self.next_connect);
        self.next_connect += 1;
        id
    }

    fn may_connect(&self) -> Result<(), ContainerError> {
        if self.is_shut_down() {
            return Err(ContainerError::ShutDown);
        }
        let limit = self.config.max_waiters;
        if self.waiters.len() >= limit {
            return Err(ContainerError::TooManyWaiters { limit });
        }
        Ok(())
    }

    /// Cancels a [`connect`](Self::connect) and returns its context.
    ///
    /// `None`: it has ended, and its event is queued or was polled. An attempt without further callers is cancelled.
    pub fn cancel(&mut self, id: ConnectId) -> Option<X> {
        let waiter = self.waiters.remove(id)?;
        self.discard(&waiter.url, id);
        Some(waiter.ctx)
    }

    /// Shuts the container down. The host keeps its agents until calls have finished.
    ///
    /// It fails all pending calls of `connect`, cancels attempts, requests to close all connections, and refuses new work.
    pub fn shutdown(&mut self, now: Instant) {
        self.advance(now);
        if self.is_shut_down() {
            return;
        }
        self.lifecycle = Lifecycle::Stopping;
        for (id, waiter) in self.waiters.take() {
            let error = ContainerError::ShutDown.into();
            self.events.push_back(ContainerEvent::Failed { id, ctx: waiter.ctx, error });
        }
        self.dialler.cancel(&mut self.actions);
        for conn in self.dialler.connections() {
            self.validator.closed(conn, &mut self.actions);
            self.actions.close(conn);
        }
        for &conn in self.accepted.iter().chain(&self.closing) {
            self.actions.close(conn);
        }
        self.stop_if_idle();
    }

    /// Returns whether [`shutdown`](Self::shutdown) has been called.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.lifecycle != Lifecycle::Running
    }

    /// Handles the result of an [`Action::Dial`]: a connection with a key of the host's choice, or an error.
    ///
    /// If the attempt was cancelled before, the container requests to close the connection. A key that is in use counts
    /// as closed before.
    pub fn handle_dialled(
        &mut self,
        now: Instant,
        dial: DialId,
        result: Result<ConnId, DialError>,
    ) {
        let now = self.advance(now);
        match result {
            Ok(conn) => {
                self.free_key(now, conn);
                self.actions.dial_ended(dial);
                match self.dialler.dialled(dial, conn) {
                    Some(waiters) => {
                        for id in waiters {
                            self.validate(now, id, conn);
                        }
                    }
                    None => self.actions.close(conn),
                }
            }
            Err(error) => {
                self.actions.dial_ended(dial);
                if let Some(broken) = self.dialler.failed(dial, error, &mut self.actions) {
                    self.unreachable(now, broken);
                }
            }
        }
    }

    /// Handles a connection that a peer has opened and the host has [admitted](crate::connection::Admission).
    ///
    /// A key that is in use counts as closed before.
    ///
    /// # Errors
    /// The container is shut down. The host has to close the connection; the container does not know it.
    pub fn handle_accepted(&mut self, now: Instant, conn: ConnId) -> Result<(), ContainerError> {
        let now = self.advance(now);
        self.free_key(now, conn);
        if self.is_shut_down() {
            return Err(ContainerError::ShutDown);
        }
        self.accepted.insert(conn);
        Ok(())
    }

    /// Handles the answer to an [`Action::Validate`]: the name of the agent's type, `null`, or an error.
    ///
    /// The host need not bound the time until the answer.
    pub fn handle_validated(
        &mut self,
        now: Instant,
        conn: ConnId,
        ticket: ValidateTicket,
        result: Result<Option<String>, ValidateError>,
    ) {
        let now = self.advance(now);
        if !self.validator.awaits(conn, ticket) {
            return;
        }
        let (type_name, failure) = match result {
            Ok(type_name) => {
                self.dialler.proven(conn);
                (type_name, None)
            }
            Err(ValidateError::Failed(reason)) => (None, Some(reason)),
            Err(ValidateError::Lost(reason)) => return self.handle_closed(now, conn, reason),
        };
        let (waiters, type_name) = self.validator.answer(ticket, type_name.as_deref());
        for id in waiters {
            match (&type_name, &failure) {
                (Some(type_name), _) => self.connected(id, conn, Arc::clone(type_name)),
                (None, None) => self.fail(id, |url| ConnectError::NoSuchAgent { url }),
                (None, Some(reason)) => {
                    let reason = Arc::clone(reason);
                    self.fail(id, |url| ConnectError::NotValidated { url, reason });
                }
            }
        }
    }

    /// Handles the end of a connection, opened or accepted. `reason` is for people, such as "reset by peer".
    ///
    /// The next [`connect`](Self::connect) to its address opens another connection.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId, reason: impl Into<Arc<str>>) {
        let now = self.advance(now);
        self.accepted.remove(&conn);
        self.closing.remove(&conn);
        self.actions.closed(conn);
        self.give_up(now, conn, reason.into());
        self.stop_if_idle();
    }

    /// Handles a connection that accepts no more calls, but waits for answers of ours. The next
    /// [`connect`](Self::connect) opens another one, as after [`handle_closed`](Self::handle_closed).
    pub fn handle_closing(&mut self, now: Instant, conn: ConnId, reason: impl Into<Arc<str>>) {
        let now = self.advance(now);
        if self.dialler.is_connection(conn) {
            self.closing.insert(conn);
            self.give_up(now, conn, reason.into());
        }
    }

    fn give_up(&mut self, now: Instant, conn: ConnId, reason: Arc<str>) {
        let error = DialError::lost(&reason);
        if let Some(mut broken) = self.dialler.closed(conn, error, &mut self.actions) {
            broken.waiters = self.validator.closed(conn, &mut self.actions);
            self.retry(now, broken, |address| ConnectError::Lost {
                address: address.clone(),
                reason: Arc::clone(&reason),
            });
        }
    }

    /// Advances the time to `now`: see [`poll_timeout`](Self::poll_timeout). May be called at any time.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        while let Some(broken) = self.dialler.overdue(now, &mut self.actions) {
            self.unreachable(now, broken);
        }
        while let Some(id) = self.waiters.overdue(now) {
            let Some(waiter) = self.waiters.remove(id) else { break };
            let error = self.discard(&waiter.url, id);
            self.events.push_back(ContainerEvent::Failed { id, ctx: waiter.ctx, error });
        }
    }

    /// Returns the next action for the host.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop()
    }

    /// Returns the next event for the application.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<ContainerEvent<X>> {
        self.events.pop_front()
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout). It may change with any input or command.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiters.next_deadline().into_iter().chain(self.dialler.next_due()).min()
    }

    fn advance(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |last| last.max(now));
        self.now = Some(now);
        now
    }

    /// Returns whether the container opened this connection, and it is not closing.
    pub(super) fn has_dialled(&self, conn: ConnId) -> bool {
        self.dialler.is_connection(conn)
    }

    fn free_key(&mut self, now: Instant, conn: ConnId) {
        let others = [&self.accepted, &self.closing];
        if self.has_dialled(conn) || others.iter().any(|set| set.contains(&conn)) {
            self.handle_closed(now, conn, "its key was given to another connection");
        }
    }

    /// Asks the peer of the connection for the waiter's agent.
    fn validate(&mut self, now: Instant, id: ConnectId, conn: ConnId) {
        let Some(waiter) = self.waiters.get(id) else { return };
        let (aid, limit) = (waiter.url.shared_aid(), waiter.limit);
        match self.validator.ask(conn, &aid, id, &mut self.actions) {
            Some(type_name) => self.connected(id, conn, type_name),
            None if limit == RetryLimit::Once => {
                self.waiters.set_deadline(id, now.checked_add(self.config.validate_timeout));
            }
            None => {}
        }
    }

    fn connected(&mut self, id: ConnectId, conn: ConnId, type_name: Arc<str>) {
        if let Some(waiter) = self.waiters.remove(id) {
            let remote = Remote { route: Route::Connection(conn), url: waiter.url, type_name };
            self.events.push_back(ContainerEvent::Connected { id, ctx: waiter.ctx, remote });
        }
    }

    fn fail(&mut self, id: ConnectId, error: impl FnOnce(AgentUrl) -> ConnectError) {
        if let Some(waiter) = self.waiters.remove(id) {
            let error = error(waiter.url);
            self.events.push_back(ContainerEvent::Failed { id, ctx: waiter.ctx, error });
        }
    }

    /// Handles a failed attempt.
    fn unreachable(&mut self, now: Instant, broken: Broken) {
        let (attempts, last) = (broken.attempts, broken.error.clone());
        self.retry(now, broken, |address| ConnectError::Unreachable {
            address: address.clone(),
            attempts,
            last: last.clone(),
        });
    }

    /// Fails the waiters whose limits have expired, and retries for the others.
    fn retry(
        &mut self,
        now: Instant,
        mut broken: Broken,
        error: impl Fn(&Address) -> ConnectError,
    ) {
        let (patient, others): (BTreeSet<_>, BTreeSet<_>) =
            broken.waiters.into_iter().partition(|&id| self.waiters.is_patient(id, now));
        broken.waiters = patient;
        for id in others {
            self.fail(id, |_| error(&broken.address));
        }
        self.dialler.retry(now, broken);
    }

    /// Removes a waiter from all work under way. Returns why it had to wait.
    fn discard(&mut self, url: &AgentUrl, id: ConnectId) -> ConnectError {
        let address = url.address();
        if let Some(conn) = self.dialler.connection(address) {
            self.validator.release(conn, url.aid(), id, &mut self.actions);
            return ConnectError::TimedOut { url: url.clone(), stage: Stage::Validating };
        }
        match self.dialler.release(address, id, &mut self.actions) {
            Some((attempts, last)) => {
                ConnectError::Unreachable { address: address.clone(), attempts, last }
            }
            None => ConnectError::TimedOut { url: url.clone(), stage: Stage::Dialling },
        }
    }

    fn stop_if_idle(&mut self) {
        let idle = self.accepted.is_empty()
            && self.closing.is_empty()
            && self.dialler.connections().next().is_none();
        if idle && self.lifecycle == Lifecycle::Stopping {
            self.lifecycle = Lifecycle::Stopped;
            self.events.push_back(ContainerEvent::Stopped);
        }
    }
}

impl<X> fmt::Debug for Container<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("base", &self.base)
            .field("lifecycle", &self.lifecycle)
            .field("waiters", &self.waiters.len())
            .field("dialled", &self.dialler.connections().count())
            .field("accepted", &self.accepted.len())
            .finish_non_exhaustive()
    }
}
