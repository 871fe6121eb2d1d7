//! The task of a link: it moves bytes, tells the time, and runs what the peer calls.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Buf;

use super::input::Input;
use super::shared::{Link, State};
use crate::connection::{CloseReason, Event, ReplyToken, Request, RequestId, Transmit};
use crate::driver::later::Answer;
use crate::driver::lock::lock;
use crate::driver::place::Place;
use crate::driver::trace::{self, Noticed};
use crate::driver::transport::{Timer, Transport};

/// How many turns the task takes before it lets others run.
const BUDGET: u32 = 16;
/// Answers are handed to the connection when there are so many bytes of them, which then knows when it is too much.
const MAX_ANSWERS: usize = 64 * 1024;
/// How many pieces of output one system call takes.
const MAX_SLICES: usize = 32;
/// How long the end of a stream may take that is closed.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Drives a link. In each turn it
///
/// 1. writes and reads, without the lock;
/// 2. takes the lock: gives what came to the connection, takes its events and output;
/// 3. wakes callers and runs handlers, without the lock;
/// 4. takes the lock for the answers that are there at once, which join one write.
///
/// When nothing has moved, it leaves its waker under the very lock under which it saw that. It reads
/// whether or not it can write: two peers that both wait to write would wait for ever.
pub(in crate::driver) struct Task<T: Transport, M: Timer> {
    link: Arc<Link>,
    stream: Stream<T, M>,
    /// Given back when the stream is closed, which is dropped before, and what the peer has called has ended.
    _place: Option<Arc<Place>>,
}

/// What only the task knows.
struct Stream<T, M> {
    transport: T,
    input: Input,
    /// There are frames in it that have not been looked at.
    behind: bool,
    transmit: Transmit,
    /// Bytes that have been written, and that the connection has not heard of.
    written: usize,
    flushed: bool,
    /// Nothing can be written any more.
    broken: Option<io::Error>,
    /// Whether there is anything to come.
    reads: bool,
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
    closing: bool,
    closing_told: bool,
    /// What the peer has called has been stopped.
    orphaned: bool,
    closed: Option<CloseReason>,
    /// When we stop waiting for the stream to end.
    ends: Option<Instant>,
    /// Used again and again.
    work: Work,
    answers: Vec<(ReplyToken, Answer)>,
    noticed: Noticed,
}

/// What there is to do without the lock.
#[derive(Default)]
struct Work {
    requests: Vec<Request>,
    /// Nobody waits for these any more, some of which may be among those above.
    cancelled: Vec<RequestId>,
    wakers: Vec<Waker>,
    /// How many calls have timed out while nothing came, if one just has.
    silent: u32,
}

impl Work {
    /// Whether there is nothing but to wake others.
    fn is_none(&self) -> bool {
        self.requests.is_empty() && self.cancelled.is_empty()
    }

    /// Stops what nobody waits for any more, and does not even begin with what has come at the same time.
    #[cold]
    fn stop(&mut self, link: &Arc<Link>) {
        self.cancelled.sort_unstable();
        let cancelled = &self.cancelled;
        let is_cancelled =
            |request: &mut Request| cancelled.binary_search(&request.token.request()).is_ok();
        let unwanted: Vec<_> = self.requests.extract_if(.., is_cancelled).collect();
        let running: Vec<_> = {
            let mut state = lock(&link.state);
            let State { connection, running, now, .. } = &mut *state;
            for request in unwanted {
                connection.ignore(*now, request.token);
            }
            cancelled.iter().filter_map(|request| running.remove(request)).collect()
        };
        // The youngest first: those that wait for others to end must not have their turn by that.
        running.into_iter().rev().for_each(|stop| stop.stop());
        link.handler.cancelled(cancelled);
        self.cancelled.clear();
    }
}

/// What the stream has told.
#[derive(Default)]
struct Received {
    end: bool,
    lost: Option<io::Error>,
}

enum Turn {
    Again,
    Wait,
    End,
}

// Nothing is pinned: transports and timers are polled by reference.
impl<T: Transport, M: Timer> Unpin for Task<T, M> {}

impl<T: Transport, M: Timer> Task<T, M> {
    pub(in crate::driver) fn new(
        link: Arc<Link>,
        transport: T,
        timer: M,
        place: Option<Place>,
    ) -> Self {
        let place = place.map(Arc::new);
        if let Some(place) = &place {
            // There is one task for a link.
            let _set = link.place.set(Arc::downgrade(place));
        }
        let stream = Stream {
            transport,
            input: Input::default(),
            behind: false,
            transmit: Transmit::default(),
            written: 0,
            flushed: true,
            broken: None,
            reads: true,
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
            work: Work::default(),
            answers: Vec::new(),
            noticed: Noticed::default(),
        };
        Self { link, stream, _place: place }
    }
}

impl<T: Transport, M: Timer> Stream<T, M> {
    fn turn(&mut self, link: &Arc<Link>, cx: &mut Context<'_>) -> Turn {
        if self.closed.is_some() {
            return self.end(link, cx);
        }
        let mut received = Received::default();
        self.write(cx);
        let more = self.read(cx, &mut received);
        let blocked = self.transmit.has_remaining();
        let now = link.host.now();
        let (waits, timeout) = {
            let mut state = lock(&link.state);
            self.exchange(link, &mut state, now, received);
            let yields = self.take_output(link, &mut state);
            let idle = !more && (blocked || !self.transmit.has_remaining());
            let waits = (idle || yields) && self.closed.is_none() && self.work.is_none();
            if yields {
                cx.waker().wake_by_ref();
            } else if waits {
                // Most of the time it is there already.
                match &mut state.task {
                    Some(task) => task.clone_from(cx.waker()),
                    task => *task = Some(cx.waker().clone()),
                }
            }
            (waits, state.connection.poll_timeout())
        };
        self.work.wakers.drain(..).for_each(Waker::wake);
        self.serve(link);
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
    fn read(&mut self, cx: &mut Context<'_>, received: &mut Received) -> bool {
        if !self.reads {
            received.lost = self.broken.take();
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
                Poll::Ready(Ok(0)) => received.end = true,
                // Then there is no more, most likely; but the stream has to know the waker.
                Poll::Ready(Ok(count)) if count < room && !last => {
                    room -= count;
                    continue;
                }
                Poll::Ready(Ok(count)) => self.input.grow(count >= room),
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => received.lost = Some(error),
                Poll::Pending => {
                    self.dry = true;
                    // Not before: the peer may have answered before it closed its end.
                    received.lost = self.broken.take();
                    return false;
                }
            }
            return true;
        }
        true
    }

    /// Tells the connection what has happened, and takes what follows.
    fn exchange(&mut self, link: &Link, state: &mut State, now: Instant, mut received: Received) {
        state.now = state.now.max(now);
        if std::mem::take(&mut self.polled) {
            state.slots.detach_waiting();
        }
        let connection = &mut state.connection;
        if self.written > 0 {
            connection.handle_transmitted(now, self.written);
            self.written = 0;
        }
        let mut ended = 0_usize;
        loop {
            // Those that are answered at once make room for those behind them.
            if !self.work.requests.is_empty()
                && connection.calls_in() >= connection.limits().max_calls_in
            {
                self.behind = true;
                break;
            }
            match connection.poll_input(now, &mut self.input.bytes) {
                Some(Event::Answer { ctx, result, .. }) => {
                    // All may have their turn already.
                    ended = ended.saturating_add(1);
                    if let Some(waker) = state.slots.answer(ctx, result) {
                        self.work.wakers.push(waker);
                    }
                }
                Some(Event::Request(request)) => self.work.requests.push(request),
                Some(Event::Cancelled { request, .. }) => self.work.cancelled.push(request),
                Some(Event::Open { .. }) => {
                    if connection.scope().types() != link.scope.types() {
                        // There is one Hello on a connection, so it is not set yet.
                        let _set = link.agreed.set(connection.scope().clone());
                    }
                }
                Some(Event::Writable) => ended = usize::MAX,
                Some(Event::Closed { reason }) => {
                    ended = usize::MAX;
                    link.closing.take(&mut self.work.wakers);
                    state.closed = Some(reason.clone());
                    self.closed = Some(reason);
                }
                // All frames that had come before are taken.
                None if std::mem::take(&mut received.end) => {
                    connection.handle_eof(now, self.input.bytes.len());
                }
                None => match received.lost.take() {
                    Some(why) => connection.handle_lost(now, why),
                    None if connection.poll_timeout().is_some_and(|at| at <= now) => {
                        connection.handle_timeout(now);
                        self.work.silent = connection.silent_timeouts();
                    }
                    None => break,
                },
            }
        }
        self.noticed.look(connection);
        self.work.wakers.extend((0..ended).map_while(|_| state.room.next()));
        link.notation.store(connection.codec().notation() as u8, Ordering::Relaxed);
        self.reads = connection.wants_read();
        if !self.reads && link.cancels_orphans && !std::mem::replace(&mut self.orphaned, true) {
            let read = self.work.requests.iter().map(|request| request.token.request());
            self.work.cancelled.extend(state.running.keys().copied().chain(read));
        }
        let closing = !connection.is_open();
        if closing && !self.closing {
            link.closing.take(&mut self.work.wakers);
        }
        self.closing = closing;
    }

    /// Takes what is to be written. Says whether others should be let run before, who may have more.
    fn take_output(&mut self, link: &Link, state: &mut State) -> bool {
        if self.transmit.has_remaining() || !state.connection.wants_write() {
            return false;
        }
        let yields = !self.yielded
            && link.coalesces
            && state.connection.calls_out() >= 2
            && self.work.requests.is_empty();
        self.yielded = yields;
        // There is something, as we have just been told.
        yields || !state.connection.refill(&mut self.transmit)
    }

    /// Runs what the peer calls, and tells who has to know what became of the connection.
    fn serve(&mut self, link: &Arc<Link>) {
        let handler = &*link.handler;
        if !self.work.cancelled.is_empty() {
            self.work.stop(link);
        }
        if !self.work.requests.is_empty() {
            let mut bytes = 0;
            for request in self.work.requests.drain(..) {
                let Some(answer) = handler.handle(link, request) else { continue };
                bytes += match &answer.1 {
                    Ok(body) => body.len(),
                    Err(error) => error.text().len(),
                };
                self.answers.push(answer);
                if bytes > MAX_ANSWERS {
                    bytes = 0;
                    let mut state = lock(&link.state);
                    answer_all(&mut state, &mut self.answers, &mut self.noticed);
                    if state.connection.is_closed() {
                        // Nobody waits for the others.
                        break;
                    }
                }
            }
            let mut state = lock(&link.state);
            answer_all(&mut state, &mut self.answers, &mut self.noticed);
            if !self.transmit.has_remaining() {
                let _any = state.connection.refill(&mut self.transmit);
            }
        }
        if self.closing && !self.closing_told {
            self.closing_told = true;
            handler.closing(link);
        }
        if self.work.silent > 0 {
            link.silent(std::mem::take(&mut self.work.silent));
        }
        self.noticed.tell(link);
        if let Some(reason) = &self.closed {
            trace::closed(link, reason);
            handler.closed(link, reason);
        }
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
    fn end(&mut self, link: &Link, cx: &mut Context<'_>) -> Turn {
        if matches!(self.closed, Some(CloseReason::Broken(_))) {
            return Turn::End;
        }
        // Whether that succeeds is of no concern to anyone any more; but it must not take for ever.
        let now = link.host.now();
        let until = *self.ends.get_or_insert_with(|| now + SHUTDOWN);
        if now >= until || self.transport.poll_shutdown(cx).is_ready() {
            return Turn::End;
        }
        self.due = None;
        if self.wait_until(cx, Some(until)) { Turn::Wait } else { Turn::Again }
    }
}

/// Hands over the answers that are there.
fn answer_all(state: &mut State, answers: &mut Vec<(ReplyToken, Answer)>, noticed: &mut Noticed) {
    let now = state.now;
    for (token, answer) in answers.drain(..) {
        // What cannot be sent is answered with a failure; if the connection is gone, so is the one who
        // waits.
        noticed.sent(&state.connection.answer(now, token, &answer));
    }
}

impl<T: Transport, M: Timer> Future for Task<T, M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { link, stream, .. } = &mut *self;
        stream.dry = false;
        stream.polled = true;
        for _ in 0..BUDGET {
            match stream.turn(link, cx) {
                Turn::Again => {}
                Turn::Wait => return Poll::Pending,
                Turn::End => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: Transport, M: Timer> Drop for Task<T, M> {
    /// The runtime may end before the connection does. Nobody must wait for it then.
    fn drop(&mut self) {
        let Self { link, stream, .. } = self;
        if stream.closed.is_none() {
            {
                let mut state = lock(&link.state);
                let (now, lost) = (state.now, Some(ErrorKind::NotConnected.into()));
                stream.exchange(link, &mut state, now, Received { lost, ..Received::default() });
            }
            stream.work.wakers.drain(..).for_each(Waker::wake);
            stream.work.requests.clear();
            stream.serve(link);
        }
    }
}
