//! The task of a connection: it moves bytes, tells the time, and runs what the peer calls.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Buf;

use super::input::Input;
use super::quantum::Quantum;
use super::serve::Work;
use super::shared::{Connection, State};
use crate::acceptor::AdmissionPermit;
use crate::contain::wake_all;
use crate::lock::lock;
use crate::trace::Noticed;
use crate::transport::{Timer, Transport};
use aiomas_core::connection::{CloseReason, Event, Transmit};
use aiomas_core::internal::Step;

/// How many pieces of output one system call takes.
const MAX_SLICES: usize = 32;
/// How long the end of a stream may take that is closed.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Drives a connection. In each turn it
///
/// 1. writes and reads, without the lock;
/// 2. takes the lock: gives what came to the connection, takes its events and output;
/// 3. wakes callers and runs handlers, without the lock;
/// 4. takes the lock for the answers that are there at once, which join one write.
///
/// When nothing has moved, it leaves its waker under the very lock under which it saw that. It reads
/// whether or not it can write: two peers that both wait to write would wait for ever. What the peer asks is not run
/// while the output is full, or the request before it has not begun.
///
/// After a [`Quantum`] of work, others are let run: in the middle of what has been read, if need be.
pub(crate) struct ConnectionTask<T: Transport, M: Timer> {
    connection: Arc<Connection>,
    stream: Stream<T, M>,
    /// Given back when the stream is closed, which is dropped before, and what the peer has called has ended.
    _permit: Option<Arc<AdmissionPermit>>,
}

/// What only the task knows.
pub(super) struct Stream<T, M> {
    transport: T,
    input: Input,
    /// There may be frames in it that have not been looked at, or events.
    pub(super) behind: bool,
    pub(super) transmit: Transmit,
    /// Bytes that have been written, and that the connection has not heard of.
    written: usize,
    flushed: bool,
    /// Nothing can be written any more.
    broken: Option<io::Error>,
    /// Whether there is anything to come, and whether it is worth reading now.
    has_input: bool,
    reads: bool,
    /// All has been read, or the stream is broken, and the connection has not heard of it.
    ended: bool,
    lost: Option<io::Error>,
    /// Nothing more had come, so the stream wakes the task: it is not asked again until then.
    dry: bool,
    /// The task has been polled again: callers whose answers have come before have had their turn.
    polled: bool,
    /// Output was seen, and others were let run first.
    yielded: bool,
    timer: M,
    /// When the timer ends, if it is set.
    due: Option<Instant>,
    /// The connection takes no calls any more.
    pub(super) closing: bool,
    pub(super) closing_told: bool,
    /// What the peer has called has been stopped.
    orphaned: bool,
    pub(super) closed: Option<CloseReason>,
    /// When we stop waiting for the stream to end.
    ends: Option<Instant>,
    pub(super) quantum: Quantum,
    /// Whether requests may be run now.
    pub(super) runs: bool,
    pub(super) work: Work,
    pub(super) noticed: Noticed,
}

enum Turn {
    Again,
    Wait,
    End,
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
            // There is one task for a connection.
            let _set = connection.permit.set(Arc::downgrade(permit));
        }
        let stream = Stream {
            transport,
            input: Input::default(),
            behind: false,
            transmit: Transmit::default(),
            written: 0,
            flushed: true,
            broken: None,
            has_input: true,
            reads: true,
            ended: false,
            lost: None,
            dry: false,
            polled: false,
            yielded: false,
            timer,
            due: None,
            closing: false,
            closing_told: false,
            orphaned: false,
            closed: None,
            ends: None,
            quantum: Quantum::new(connection.host.now()),
            runs: true,
            work: Work::default(),
            noticed: Noticed::default(),
        };
        Self { connection, stream, _permit: permit }
    }
}

impl<T: Transport, M: Timer> Stream<T, M> {
    fn turn(&mut self, connection: &Arc<Connection>, cx: &mut Context<'_>) -> Turn {
        if self.closed.is_some() {
            return self.end(connection, cx);
        }
        self.write(cx);
        let more = self.read(cx);
        let blocked = self.transmit.has_remaining();
        let now = connection.host.now();
        self.quantum.begin_turn(now);
        let (waits, timeout) = {
            let mut state = lock(&connection.state);
            self.exchange(connection, &mut state, now);
            let yields = self.take_output(connection, &mut state);
            let idle = !more && !self.behind && (blocked || !self.transmit.has_remaining());
            let waits = (idle || yields) && self.closed.is_none() && self.work.is_none(self.runs);
            if yields {
                cx.waker().wake_by_ref();
            } else if waits {
                // Most of the time it is there already.
                match &mut state.task {
                    Some(task) => task.clone_from(cx.waker()),
                    task => *task = Some(cx.waker().clone()),
                }
            }
            (waits, state.machine.poll_timeout())
        };
        wake_all(self.work.wakers.drain(..));
        self.serve(connection);
        if waits {
            self.input.shrink();
        }
        if waits && self.wait_until(cx, timeout) { Turn::Wait } else { Turn::Again }
    }

    /// Writes what there is.
    fn write(&mut self, cx: &mut Context<'_>) {
        while self.broken.is_none() && self.transmit.has_remaining() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.transmit.chunks_vectored(&mut slices);
            match self.transport.poll_send(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => self.broken = Some(ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.transmit.advance(count);
                    self.written += count;
                    self.flushed = false;
                }
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => self.broken = Some(error),
                Poll::Pending => break,
            }
        }
        if self.broken.is_none() && !self.flushed && !self.transmit.has_remaining() {
            match self.transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flushed = true,
                Poll::Ready(Err(error)) => self.broken = Some(error),
                Poll::Pending => {}
            }
        }
    }

    /// Reads until there is no more, or no room for it. Says whether there may be more to look at.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.has_input || !self.reads || self.ended {
            // Nothing is to come that could be taken, so it need not be waited for.
            self.lost = self.lost.take().or_else(|| self.broken.take());
            return false;
        }
        if std::mem::take(&mut self.behind) {
            return true;
        }
        if self.dry && self.broken.is_none() {
            return false;
        }
        let mut room = self.input.make_room();
        for last in [false, true] {
            match self.transport.poll_recv(cx, &mut self.input.bytes) {
                Poll::Ready(Ok(0)) => self.ended = true,
                // Then there is no more, most likely; but the stream has to know the waker.
                Poll::Ready(Ok(count)) if count < room && !last => {
                    self.quantum.spend_read(count);
                    room -= count;
                    continue;
                }
                Poll::Ready(Ok(count)) => {
                    self.quantum.spend_read(count);
                    self.input.grow(count >= room);
                }
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => self.lost = Some(error),
                Poll::Pending => {
                    self.dry = true;
                    // Not before: the peer may have answered before it closed its end.
                    self.lost = self.broken.take();
                    return false;
                }
            }
            return true;
        }
        true
    }

    /// Tells the connection what has happened, and takes what follows.
    fn exchange(&mut self, connection: &Connection, state: &mut State, now: Instant) {
        state.now = state.now.max(now);
        if std::mem::take(&mut self.polled) {
            state.slots.detach_waiting();
        }
        let machine = &mut state.machine;
        if self.written > 0 {
            machine.handle_transmitted(now, self.written);
            self.written = 0;
        }
        self.runs = !machine.keeps_requests();
        let mut ended = 0_usize;
        self.behind = loop {
            let waiting = if self.runs { self.work.requests.len() } else { 0 };
            if waiting >= self.quantum.frames() {
                break true;
            }
            machine.note_backlog(waiting > 0);
            let step = machine.step(now, &mut self.input.bytes);
            match step {
                Step::Event(Event::Request(request)) => {
                    if self.orphaned {
                        self.work.cancelled.push(request.token.request());
                    }
                    self.work.requests.push_back(request);
                    continue;
                }
                Step::Event(Event::Answer { ctx, result, .. }) => {
                    // All may have their turn already.
                    ended = ended.saturating_add(1);
                    if let Some(waker) = state.slots.answer(ctx, result) {
                        self.work.wakers.push(waker);
                    }
                }
                Step::Event(Event::Cancelled { request, .. }) => self.work.cancelled.push(request),
                Step::Event(Event::Open { .. }) => {
                    if machine.codec_context().types() != connection.codec_context.types() {
                        // There is one Hello on a connection, so it is not set yet.
                        let _set = connection.agreed.set(machine.codec_context().clone());
                    }
                }
                Step::Event(Event::Writable) => ended = usize::MAX,
                Step::Event(Event::Closed { reason }) => {
                    ended = usize::MAX;
                    connection.closing.take(&mut self.work.wakers);
                    state.closed = Some(reason.clone());
                    self.closed = Some(reason);
                }
                Step::Taken => {}
                Step::Packed(packed) => self.work.packed = Some(packed),
                // All frames that had come before are taken.
                Step::Empty if std::mem::take(&mut self.ended) => {
                    machine.handle_eof(now, self.input.bytes.len());
                }
                // What has come before the stream broke, and is being unpacked, counts.
                ref step @ (Step::Empty | Step::Stuck) => {
                    match self.lost.take_if(|_| !machine.is_unpacking()) {
                        Some(why) => machine.handle_lost(now, why),
                        None if machine.poll_timeout().is_some_and(|at| at <= now) => {
                            machine.handle_timeout(now);
                            self.work.silent = machine.silent_timeouts();
                        }
                        // Those that are run make room for those behind them.
                        None => break waiting > 0 && matches!(step, Step::Stuck),
                    }
                }
            }
            self.quantum.spend_frame();
        };
        self.runs = !machine.keeps_requests();
        self.noticed.look(machine);
        self.work.wakers.extend((0..ended).map_while(|_| state.sends.next()));
        if machine.has_room_for_answers() {
            // It wakes the next one.
            self.work.wakers.extend(state.replies.next());
        }
        connection.format.store(machine.codec().format() as u8, Ordering::Relaxed);
        (self.has_input, self.reads) = (machine.has_input(), machine.wants_read());
        if !self.has_input
            && connection.cancels_orphans
            && !std::mem::replace(&mut self.orphaned, true)
        {
            let read = self.work.requests.iter().map(|request| request.token.request());
            self.work.cancelled.extend(state.running.keys().copied().chain(read));
        }
        let closing = !machine.is_open();
        if closing && !self.closing {
            connection.closing.take(&mut self.work.wakers);
        }
        self.closing = closing;
    }

    /// Takes what is to be written. Says whether others should be let run before, who may have more.
    fn take_output(&mut self, connection: &Connection, state: &mut State) -> bool {
        if self.transmit.has_remaining() || !state.machine.wants_write() {
            return false;
        }
        let yields = !self.yielded
            && connection.coalesces
            && state.machine.calls_out() >= 2
            && self.work.requests.is_empty();
        self.yielded = yields;
        // There is something, as we have just been told.
        yields || !state.machine.refill(&mut self.transmit)
    }

    /// Sets the timer. Says whether there is time to wait for.
    fn wait_until(&mut self, cx: &mut Context<'_>, at: Option<Instant>) -> bool {
        let Some(at) = at else { return true };
        // Most deadlines are never met, so the timer is only ever moved to an earlier time; that it
        // ends too early now and then costs less than moving it with each call.
        if self.due.is_none_or(|due| at < due) {
            self.timer.set(at);
            self.due = Some(at);
        }
        if self.timer.poll(cx).is_ready() {
            self.due = None;
            return false;
        }
        true
    }

    /// The connection is closed: ends the stream.
    fn end(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Turn {
        if matches!(self.closed, Some(CloseReason::Broken(_))) {
            return Turn::End;
        }
        // Whether that succeeds is of no concern to anyone any more; but it must not take for ever.
        let now = connection.host.now();
        let until = *self.ends.get_or_insert_with(|| now + SHUTDOWN);
        if now >= until || self.transport.poll_shutdown(cx).is_ready() {
            return Turn::End;
        }
        self.due = None;
        if self.wait_until(cx, Some(until)) { Turn::Wait } else { Turn::Again }
    }
}

impl<T: Transport, M: Timer> Future for ConnectionTask<T, M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { connection, stream, .. } = &mut *self;
        stream.dry = false;
        stream.polled = true;
        stream.quantum.restart();
        while !stream.quantum.is_over() {
            match stream.turn(connection, cx) {
                Turn::Again => {}
                Turn::Wait => return Poll::Pending,
                Turn::End => return Poll::Ready(()),
            }
        }
        if stream.closed.is_none() {
            // The peer need not wait for what is there already.
            stream.write(cx);
        }
        connection.host.defer(cx.waker());
        Poll::Pending
    }
}

impl<T: Transport, M: Timer> Drop for ConnectionTask<T, M> {
    /// The runtime may end before the connection does. Nobody must wait for it then.
    fn drop(&mut self) {
        let Self { connection, stream, .. } = self;
        if stream.closed.is_none() {
            {
                let mut state = lock(&connection.state);
                let now = state.now;
                stream.quantum.lift();
                stream.lost = Some(ErrorKind::NotConnected.into());
                stream.exchange(connection, &mut state, now);
            }
            wake_all(stream.work.wakers.drain(..));
            stream.work.requests.clear();
            stream.work.packed = None;
            stream.serve(connection);
        }
    }
}
