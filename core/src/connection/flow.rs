//! Flow control: what waits while the peer does not read as fast as it asks.

use std::time::Instant;

use super::event::{Due, Event, Request, TimeoutReason};
use super::{Connection, State};

impl<X> Connection<X> {
    /// Whether it is worth reading from the stream. If it was not because frames in the input could not be taken, hand
    /// the input over again when it is.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.has_input() && !self.stuck.is_some_and(|size| self.is_stuck(size))
    }

    /// Whether anything that the peer sends may still matter.
    #[must_use]
    #[doc(hidden)]
    pub const fn has_input(&self) -> bool {
        !self.eof && !self.is_closed()
    }

    /// Whether [`Limits::output_high`](super::Limits::output_high) bytes or more wait to be written: then calls are
    /// refused, and requests of the peer wait.
    #[must_use]
    #[inline]
    pub const fn is_output_full(&self) -> bool {
        self.full_since.is_some()
    }

    /// Whether answers should be sent now: fewer than [`Limits::output_cap`](super::Limits::output_cap) bytes wait to
    /// be written, or it is closed. Those that are sent all the same are written, too.
    #[must_use]
    pub fn has_room_for_answers(&self) -> bool {
        self.outbox.held() < self.config.limits.output_cap || self.is_closed()
    }

    /// Keeps requests of the peer back, as a full output does, or no longer. For owners that have to deal with one
    /// before they take the next. Answers and cancellations still come.
    pub fn hold_requests(&mut self, hold: bool) {
        self.held = hold;
    }

    /// Whether requests of the peer wait: they are [held](Self::hold_requests), or the output is full.
    #[must_use]
    #[inline]
    pub const fn keeps_requests(&self) -> bool {
        self.held || self.full_since.is_some()
    }

    /// Whether the last message that came is being unpacked.
    #[doc(hidden)]
    pub const fn is_unpacking(&self) -> bool {
        self.unpacking.is_busy()
    }

    /// Tells whether the owner has requests that it has polled and not begun with. As long as it has, others wait
    /// rather than being refused: those that are answered at once make room for them.
    #[inline]
    #[doc(hidden)]
    pub const fn note_backlog(&mut self, backlog: bool) {
        self.backlog = backlog;
    }

    /// Whether a request of `size` bytes would have to wait, and there is no room for it among those that do.
    #[inline]
    pub(super) fn has_no_room_to_wait(&self, size: usize) -> bool {
        match self.state {
            // It would be refused, and the refusal be written.
            State::Draining { .. } => self.is_output_full(),
            _ => (self.backlog || self.keeps_requests()) && !self.has_room_for(size),
        }
    }

    /// Whether a request of `size` bytes may be handled beside those that are.
    #[inline]
    pub(super) fn has_room_for(&self, size: usize) -> bool {
        let limits = &self.config.limits;
        self.calls_in < limits.max_calls_in
            && size <= limits.max_input_bytes.saturating_sub(self.input_bytes)
    }

    fn is_stuck(&self, size: usize) -> bool {
        let unpacking = &self.unpacking;
        self.has_no_room_to_wait(size) || unpacking.is_busy() || unpacking.is_waited_for()
    }

    /// Lets a request wait, if it has to.
    #[inline]
    pub(super) fn give_out(&mut self, request: Request) -> Option<Event<X>> {
        if self.keeps_requests() || !self.waiting.is_empty() {
            self.waiting.push_back(request);
            return None;
        }
        Some(Event::Request(request))
    }

    /// What happened next.
    #[must_use = "this event is not returned again"]
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event<X>> {
        if self.events.is_empty() && self.waiting.is_empty() {
            return None;
        }
        self.poll_queued()
    }

    #[inline(never)]
    fn poll_queued(&mut self) -> Option<Event<X>> {
        loop {
            if !self.keeps_requests()
                && let Some(request) = self.waiting.pop_front()
            {
                if !self.is_cancelled(&request.token) {
                    return Some(Event::Request(request));
                }
                // Its owner has never seen it, nor may it see its cancellation.
                let now = self.now;
                if !self.events.is_empty() {
                    self.unseen.insert(request.token.number);
                }
                self.discard(now, request.token);
                continue;
            }
            let Some(event) = self.events.pop_front() else {
                self.unseen.clear();
                return None;
            };
            match event {
                // It was not to wait when it came.
                Event::Request(request) => {
                    if let Some(event) = self.give_out(request) {
                        return Some(event);
                    }
                }
                Event::Cancelled { request, .. }
                    if self.is_waiting(request.0) || self.unseen.remove(&request.0) => {}
                event => return Some(event),
            }
        }
    }

    /// Lets none of the requests wait any more: their owner never sees them.
    pub(super) fn drop_waiting(&mut self) {
        for Request { token, .. } in self.waiting.drain(..) {
            if !self.events.is_empty() {
                self.unseen.insert(token.number);
            }
            self.calls_in = self.calls_in.saturating_sub(1);
            self.input_bytes = self.input_bytes.saturating_sub(token.size as usize);
        }
    }

    /// Whether the owner has not been given the request of this number yet.
    pub(super) fn is_waiting(&self, number: u64) -> bool {
        self.waiting.front().is_some_and(|first| number >= first.token.number)
    }

    /// Tells that `bytes` of what [`poll_transmit`](Self::poll_transmit) gave have been written.
    pub fn handle_transmitted(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        let before = self.outbox.held();
        self.outbox.transmitted(bytes);
        if self.liveness.written(self.now, before, self.outbox.held()) {
            self.last_moved = self.now;
        }
        if bytes > 0 {
            let full = self.outbox.held() >= self.config.limits.output_high;
            self.full_since = full.then_some(self.now);
        }
        if self.blocked
            && self.is_open()
            && self.outbox.held() <= self.config.limits.output_high / 2
        {
            self.blocked = false;
            self.events.push_back(Event::Writable);
        }
        self.finish_if_drained();
    }

    /// Notes that something is to be written.
    #[inline]
    pub(super) fn note_output(&mut self) {
        if self.full_since.is_none() && self.outbox.held() >= self.config.limits.output_high {
            self.full_since = Some(self.now);
        }
    }

    /// When the peer has to have taken something, and when more may be unpacked.
    pub(super) fn flow_timeouts(&self) -> [Option<Due>; 2] {
        let output = self.full_since.zip(self.config.limits.send_timeout);
        let output = output.and_then(|(since, after)| {
            let waiting = self.outbox.held();
            Some((since.checked_add(after)?, TimeoutReason::Output { waiting, after }))
        });
        [output, self.unpacking.due(&self.config.limits)]
    }
}
