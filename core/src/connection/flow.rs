//! Flow control for a peer that reads more slowly than it sends requests.

use std::time::Instant;

use super::event::{Due, Event, Request, TimeoutReason};
use super::{Connection, State};

impl<X> Connection<X> {
    /// Returns whether to read from the stream.
    ///
    /// While it is false, frames may stay in the input. Pass the input again when it is true.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.has_input() && !self.stuck.is_some_and(|size| self.is_stuck(size))
    }

    /// Returns whether input from the peer may still have an effect.
    #[must_use]
    #[doc(hidden)]
    pub const fn has_input(&self) -> bool {
        !self.eof && !self.is_closed()
    }

    /// Returns whether [`Limits::output_high`](super::Limits::output_high) bytes or more wait to be written.
    ///
    /// While it is true, calls are rejected, and requests of the peer wait.
    #[must_use]
    #[inline]
    pub const fn is_output_full(&self) -> bool {
        self.full_since.is_some()
    }

    /// Returns whether to send answers now.
    ///
    /// It is true while fewer than [`Limits::output_cap`](super::Limits::output_cap) bytes wait to be
    /// written, and after the connection has closed. Answers sent while it is false are written, too.
    #[must_use]
    pub fn has_room_for_answers(&self) -> bool {
        self.outbox.held() < self.config.limits.output_cap || self.is_closed()
    }

    /// Holds requests of the peer back, or releases them.
    ///
    /// For owners that must finish one request before they take the next. Answers and cancellations still
    /// arrive.
    pub fn hold_requests(&mut self, hold: bool) {
        self.held = hold;
    }

    /// Returns whether requests of the peer wait: they are [held](Self::hold_requests), or the output is
    /// full.
    #[must_use]
    #[inline]
    pub const fn keeps_requests(&self) -> bool {
        self.held || self.full_since.is_some()
    }

    /// Returns whether the owner is decompressing the latest message.
    #[doc(hidden)]
    pub const fn is_unpacking(&self) -> bool {
        self.unpacking.is_busy()
    }

    /// Sets whether the owner has polled requests that it has not started.
    ///
    /// While it has, further requests wait instead of being refused: requests that are answered at once make
    /// room.
    #[inline]
    #[doc(hidden)]
    pub const fn note_backlog(&mut self, backlog: bool) {
        self.backlog = backlog;
    }

    /// Returns whether a request of `size` bytes stays in the input: the queue of waiting requests is full.
    #[inline]
    pub(super) fn has_no_room_to_wait(&self, size: usize) -> bool {
        match self.state {
            // The request would be refused, and the refusal written.
            State::Draining { .. } => self.is_output_full(),
            _ => (self.backlog || self.keeps_requests()) && !self.has_room_for(size),
        }
    }

    /// Returns whether a request of `size` bytes fits beside those being handled.
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

    /// Returns the event of a request, or queues the request if it has to wait.
    #[inline]
    pub(super) fn give_out(&mut self, request: Request) -> Option<Event<X>> {
        if self.keeps_requests() || !self.waiting.is_empty() {
            self.waiting.push_back(request);
            return None;
        }
        Some(Event::Request(request))
    }

    /// Returns the next event.
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
                // The owner has never seen the request, so it must not see the cancellation.
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
                // The request did not have to wait when it arrived.
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

    /// Discards all waiting requests, which their owner has never seen.
    pub(super) fn drop_waiting(&mut self) {
        for Request { token, .. } in self.waiting.drain(..) {
            if !self.events.is_empty() {
                self.unseen.insert(token.number);
            }
            self.calls_in = self.calls_in.saturating_sub(1);
            self.input_bytes = self.input_bytes.saturating_sub(token.size as usize);
        }
    }

    /// Returns whether the request of this number still waits for the owner.
    pub(super) fn is_waiting(&self, number: u64) -> bool {
        self.waiting.front().is_some_and(|first| number >= first.token.number)
    }

    /// Informs the connection that `bytes` of the output of [`poll_transmit`](Self::poll_transmit) have been
    /// written.
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

    /// Records that output is queued.
    #[inline]
    pub(super) fn note_output(&mut self) {
        if self.full_since.is_none() && self.outbox.held() >= self.config.limits.output_high {
            self.full_since = Some(self.now);
        }
    }

    /// Returns two timeouts: for the peer to read output, and for the next decompression.
    pub(super) fn flow_timeouts(&self) -> [Option<Due>; 2] {
        let output = self.full_since.zip(self.config.limits.send_timeout);
        let output = output.and_then(|(since, after)| {
            let waiting = self.outbox.held();
            Some((since.checked_add(after)?, TimeoutReason::Output { waiting, after }))
        });
        [output, self.unpacking.due(&self.config.limits)]
    }
}
