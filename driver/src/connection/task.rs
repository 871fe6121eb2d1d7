//! The task of a connection: it moves bytes, tracks time, and runs the peer's requests.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::quantum::Quantum;
use super::read_half::ReadHalf;
use super::serve::Work;
use super::shared::{Connection, State};
use super::write_half::WriteHalf;
use crate::acceptor::AdmissionPermit;
use crate::contain::wake_all;
use crate::lock::lock;
use crate::trace::Noticed;
use crate::transport::{Timer, Transport};
use aiomas_core::connection::{CloseReason, Event};
use aiomas_core::internal::Step;

/// The time limit for ending a closed stream.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Drives a connection. In each turn it
///
/// 1. writes and reads, without the lock;
/// 2. takes the lock: passes input to the connection, takes its events and output;
/// 3. wakes callers and runs handlers, without the lock;
/// 4. takes the lock for the immediate answers, which join one write.
///
/// # Wakers
///
/// A command, such as a call, takes the waker out of [`State::task`] and wakes the task. When a turn made no progress,
/// the task stores its waker under the same lock under which it saw that, so no command slips in between. It stores
/// none while it continues by itself: commands need not wake it then, and a burst of calls costs one wake-up.
///
/// The transport holds a waker when a read or a write returned `Pending`. The task reads whether or not it can write:
/// two peers that both wait to write would wait for ever.
///
/// # Back pressure
///
/// A request of the peer does not run while the output is full, or while the previous request has not started.
///
/// # Yields
///
/// The task yields after a [`Quantum`] of work, if necessary in the middle of its input; and once before it writes, see
/// [`WriteHalf::take_output`].
pub(crate) struct ConnectionTask<T: Transport, M: Timer> {
    connection: Arc<Connection>,
    stream: Stream<T, M>,
    /// The permit on the listener. It is released after the stream is dropped, and the peer's calls have ended.
    _permit: Option<Arc<AdmissionPermit>>,
}

/// State of the task alone.
pub(super) struct Stream<T, M> {
    transport: T,
    pub(super) read: ReadHalf,
    pub(super) write: WriteHalf,
    alarm: Alarm<M>,
    /// How much of the connection's end the handler knows.
    pub(super) told: Told,
    pub(super) quantum: Quantum,
    pub(super) work: Work,
    pub(super) noticed: Noticed,
}

/// The handler's knowledge of the connection's end, and so the work left to the task.
pub(super) enum Told {
    /// Nothing: the connection is open.
    Nothing,
    /// The connection accepts no more calls.
    Closing,
    /// Everything. The stream must end by `until`.
    Closed { until: Instant },
}

/// The outcome of a turn.
enum Turn {
    Again,
    Wait,
    End,
}

/// The connection's answers under the lock, for the work without it.
pub(super) struct Asked {
    /// Whether requests of the peer may run.
    pub(super) runs: bool,
    /// Whether it accepts no more calls.
    pub(super) closing: bool,
    pub(super) closed: Option<CloseReason>,
}

// Nothing is pinned: transports and timers are polled by reference.
impl<T: Transport, M: Timer> Unpin for ConnectionTask<T, M> {}

impl<T: Transport, M: Timer> ConnectionTask<T, M> {
    pub(crate) fn new(
        connection: Arc<Connection>,
        transport: T,
        timer: M,
        permit: Option<AdmissionPermit>,
    ) -> Self {
        let permit = permit.map(Arc::new);
        if let Some(permit) = &permit {
            // A connection has one task.
            let _set = connection.permit.set(Arc::downgrade(permit));
        }
        let stream = Stream {
            transport,
            read: ReadHalf::default(),
            write: WriteHalf::default(),
            alarm: Alarm::new(timer),
            told: Told::Nothing,
            quantum: Quantum::new(connection.host.now()),
            work: Work::default(),
            noticed: Noticed::default(),
        };
        Self { connection, stream, _permit: permit }
    }
}

impl<T: Transport, M: Timer> Stream<T, M> {
    /// Runs one turn. `first`: the task has just been polled.
    fn turn(&mut self, connection: &Arc<Connection>, cx: &mut Context<'_>, first: bool) -> Turn {
        if let Told::Closed { until } = self.told {
            return self.shut_down(connection, cx, until);
        }
        self.write.write(&mut self.transport, cx);
        let more =
            self.read.fill(&mut self.transport, cx, &mut self.write.broken, &mut self.quantum);
        let blocked = self.write.has_output();
        let now = connection.host.now();
        self.quantum.begin_turn(now);
        let (asked, waits, timeout) = {
            let mut state = lock(&connection.state);
            if first {
                // Callers with answers from before this poll have run since: an answer not taken by now is unlikely to
                // be taken soon.
                state.slots.detach_waiting();
            }
            let asked = self.exchange(connection, &mut state, now);
            let coalesces = connection.coalesces && self.work.requests.is_empty();
            let yields = self.write.take_output(&mut state.machine, coalesces);
            let idle = !more && !self.read.behind && (blocked || !self.write.has_output());
            let waits = (idle || yields) && asked.closed.is_none() && self.work.is_none(asked.runs);
            if yields {
                // Queued behind the other tasks of the runtime. Commands need not wake this task meanwhile.
                cx.waker().wake_by_ref();
            } else if waits {
                // Most of the time the same waker is stored already.
                match &mut state.task {
                    Some(task) => task.clone_from(cx.waker()),
                    task => *task = Some(cx.waker().clone()),
                }
            }
            (asked, waits, state.machine.poll_timeout())
        };
        wake_all(self.work.wakers.drain(..));
        self.serve(connection, asked);
        if waits {
            self.read.input.shrink();
        }
        if waits && self.alarm.wait_until(cx, timeout) { Turn::Wait } else { Turn::Again }
    }

    /// Passes the results of the turn to the connection, and takes its events and output.
    fn exchange(&mut self, connection: &Connection, state: &mut State, now: Instant) -> Asked {
        state.now = state.now.max(now);
        let machine = &mut state.machine;
        let written = self.write.take_written();
        if written > 0 {
            machine.handle_transmitted(now, written);
        }
        let runs = !machine.keeps_requests();
        // The number of calls waiting for room that may try again.
        let mut ended = 0_usize;
        self.read.behind = loop {
            let waiting = if runs { self.work.requests.len() } else { 0 };
            if waiting >= self.quantum.frames() {
                break true;
            }
            machine.note_backlog(waiting > 0);
            let step = machine.step(now, &mut self.read.input.bytes);
            match step {
                Step::Event(Event::Request(request)) => {
                    self.work.requests.push_back(request);
                    continue;
                }
                Step::Event(Event::Answer { ctx, result, .. }) => {
                    // All of them may have been woken already.
                    ended = ended.saturating_add(1);
                    if let Some(waker) = state.slots.answer(ctx, result) {
                        self.work.wakers.push(waker);
                    }
                }
                Step::Event(Event::Cancelled { request, .. }) => self.work.cancelled.push(request),
                Step::Event(Event::Open { .. }) => {
                    if machine.codec_context().types() != connection.codec_context.types() {
                        // A connection has one Hello, so this is the first value.
                        let _set = connection.agreed.set(machine.codec_context().clone());
                    }
                }
                Step::Event(Event::Writable) => ended = usize::MAX,
                Step::Event(Event::Closed { .. }) => {
                    ended = usize::MAX;
                    connection.closing.take(&mut self.work.wakers);
                }
                Step::Taken => {}
                Step::Packed(packed) => self.work.packed = Some(packed),
                // All frames before the end are processed.
                Step::Empty if self.read.take_eof() => {
                    machine.handle_eof(now, self.read.input.bytes.len());
                }
                ref step @ (Step::Empty | Step::Stuck) => {
                    if !machine.has_input() {
                        // The read half no longer polls the stream.
                        self.read.end_broken(&mut self.write.broken);
                    }
                    match self.read.take_broken(machine.is_unpacking()) {
                        Some(why) => machine.handle_lost(now, why),
                        None if machine.poll_timeout().is_some_and(|at| at <= now) => {
                            machine.handle_timeout(now);
                            self.work.silent = machine.silent_timeouts();
                        }
                        // Requests that run make room for later ones.
                        None => break waiting > 0 && matches!(step, Step::Stuck),
                    }
                }
            }
            self.quantum.spend_frame();
        };
        self.noticed.look(machine);
        self.work.wakers.extend((0..ended).map_while(|_| state.sends.next()));
        if machine.has_room_for_answers() {
            // The woken task wakes the next one.
            self.work.wakers.extend(state.replies.next());
        }
        connection.format.store(machine.codec().format() as u8, Ordering::Relaxed);
        self.read.ask(machine);
        if connection.cancels_orphans && !machine.has_input() {
            // The peer is gone. Its later requests are cancelled as they come. A running method is stopped only once:
            // it leaves `running`.
            let read = self.work.requests.iter().map(|request| request.token.request());
            self.work.cancelled.extend(state.running.keys().copied().chain(read));
        }
        let closing = !machine.is_open();
        if closing && matches!(self.told, Told::Nothing) {
            connection.closing.take(&mut self.work.wakers);
        }
        let closed = machine.close_reason().cloned();
        Asked { runs: !machine.keeps_requests(), closing, closed }
    }

    /// Starts the shutdown of the stream of a connection that closed for `reason`.
    pub(super) fn begin_shutdown(&mut self, now: Instant, reason: &CloseReason) {
        let is_broken = matches!(reason, CloseReason::Broken(_));
        self.told = Told::Closed { until: if is_broken { now } else { now + SHUTDOWN } };
    }

    /// Ends the stream of a closed connection, within a time limit. The result no longer matters.
    fn shut_down(&mut self, connection: &Connection, cx: &mut Context<'_>, until: Instant) -> Turn {
        if connection.host.now() >= until || self.transport.poll_shutdown(cx).is_ready() {
            return Turn::End;
        }
        self.alarm.reset();
        if self.alarm.wait_until(cx, Some(until)) { Turn::Wait } else { Turn::Again }
    }
}

impl<T: Transport, M: Timer> Future for ConnectionTask<T, M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { connection, stream, .. } = &mut *self;
        stream.read.restart();
        stream.quantum.restart();
        let mut first = true;
        while !stream.quantum.is_over() {
            match stream.turn(connection, cx, std::mem::take(&mut first)) {
                Turn::Again => {}
                Turn::Wait => return Poll::Pending,
                Turn::End => return Poll::Ready(()),
            }
        }
        if !matches!(stream.told, Told::Closed { .. }) {
            // Available output is sent before the task yields.
            stream.write.write(&mut stream.transport, cx);
        }
        connection.host.defer(cx.waker());
        Poll::Pending
    }
}

impl<T: Transport, M: Timer> Drop for ConnectionTask<T, M> {
    /// Fails all calls if the runtime ends before the connection does. Without it, callers would wait for ever.
    fn drop(&mut self) {
        let Self { connection, stream, .. } = self;
        if matches!(stream.told, Told::Closed { .. }) {
            return;
        }
        let asked = {
            let mut state = lock(&connection.state);
            let now = state.now;
            stream.quantum.lift();
            // The received input comes first, including the end of the stream.
            stream.exchange(connection, &mut state, now);
            stream.read.end_broken(&mut Some(ErrorKind::NotConnected.into()));
            stream.exchange(connection, &mut state, now)
        };
        wake_all(stream.work.wakers.drain(..));
        stream.work.requests.clear();
        stream.work.packed = None;
        stream.serve(connection, asked);
    }
}
