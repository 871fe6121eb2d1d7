//! Limits the work of a connection's task before it yields.

use std::time::{Duration, Instant};

/// The number of requests, answers and other frames; many concurrent callers put that many into one write.
const MAX_FRAMES: usize = 128;
/// The number of bytes of requests and their answers, unpacked.
const MAX_BYTES: usize = 64 * 1024;
/// The number of times that the stream is written and read.
const MAX_TURNS: u32 = 16;
/// The time limit, except for the request in progress.
const MAX_TIME: Duration = Duration::from_micros(200);
/// The number of cheap requests between two readings of the clock.
const MAX_UNTIMED: u32 = 8;
/// The time below which requests count as cheap.
const LITTLE: Duration = Duration::from_micros(25);

/// The work left to a task until it yields.
///
/// It is measured by cost: a peer that sends endless cheap requests gets no larger share than one with few expensive
/// ones. Frames and bytes bound it where time stands still, in simulations. Several cheap requests share one reading of
/// the clock, because a reading costs as much as a small request.
#[derive(Debug)]
pub(super) struct Quantum {
    frames: usize,
    bytes: usize,
    turns: u32,
    until: Option<Instant>,
    /// The last reading of the clock, the number of requests since, and the number allowed.
    looked: Instant,
    untimed: u32,
    stride: u32,
}

impl Quantum {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            frames: MAX_FRAMES,
            bytes: MAX_BYTES,
            turns: MAX_TURNS,
            until: None,
            looked: now,
            untimed: 0,
            stride: 1,
        }
    }

    /// Starts a new quantum after other tasks have run.
    pub(super) const fn restart(&mut self) {
        *self = Self { stride: self.stride, ..Self::new(self.looked) };
    }

    /// Lifts the limit for a task that is ending.
    pub(super) const fn lift(&mut self) {
        self.frames = usize::MAX;
    }

    /// Starts a turn.
    pub(super) fn begin_turn(&mut self, now: Instant) {
        self.turns = self.turns.saturating_sub(1);
        (self.looked, self.untimed) = (now, 0);
        self.check(now);
    }

    /// Returns how many frames may still be processed.
    #[inline]
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// Counts a frame that is not a request.
    #[inline]
    pub(super) const fn spend_frame(&mut self) {
        self.frames = self.frames.saturating_sub(1);
    }

    /// Counts the bytes of a read. Half a share at once belongs to a large frame, which takes its time: it is the only
    /// read in this turn.
    #[inline]
    pub(super) const fn spend_read(&mut self, bytes: usize) {
        if bytes >= MAX_BYTES / 2 {
            self.turns = 0;
        }
    }

    /// Counts a request of `bytes` bytes, with its answer.
    #[inline]
    pub(super) fn spend_request(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        self.frames = self.frames.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.untimed += 1;
        if self.untimed >= self.stride || bytes >= MAX_BYTES / 64 {
            self.look(now());
        }
    }

    #[inline(never)]
    fn look(&mut self, now: Instant) {
        let cheap = now.saturating_duration_since(self.looked) < LITTLE;
        self.stride = if cheap { (2 * self.stride).min(MAX_UNTIMED) } else { 1 };
        (self.looked, self.untimed) = (now, 0);
        self.check(now);
    }

    fn check(&mut self, now: Instant) {
        if now >= *self.until.get_or_insert_with(|| now + MAX_TIME) {
            self.turns = 0;
        }
    }

    /// Returns whether the task should yield.
    #[inline]
    pub(super) const fn is_over(&self) -> bool {
        self.frames == 0 || self.bytes == 0 || self.turns == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs requests of the given duration. Returns the number of requests, and of readings of the clock.
    fn run(quantum: &mut Quantum, bytes: usize, time: Duration) -> (usize, usize) {
        let (start, mut run, mut looks) = (Instant::now(), 0, 0);
        quantum.restart();
        quantum.begin_turn(start);
        while !quantum.is_over() {
            run += 1;
            quantum.spend_request(bytes, || {
                looks += 1;
                start + time * run as u32
            });
        }
        (run, looks)
    }

    #[test]
    fn it_is_over_after_so_many_so_large_or_so_dear_requests() {
        let mut quantum = Quantum::new(Instant::now());
        assert_eq!(run(&mut quantum, 10, Duration::ZERO).0, MAX_FRAMES);
        assert_eq!(run(&mut quantum, MAX_BYTES / 4, Duration::ZERO).0, 4);
        assert_eq!(run(&mut quantum, MAX_BYTES + 1, Duration::ZERO).0, 1);
        run(&mut quantum, 10, Duration::from_millis(1));
        assert_eq!(run(&mut quantum, 10, Duration::from_millis(1)), (1, 1));
        assert_eq!(run(&mut quantum, 10, Duration::from_micros(60)), (4, 4));
    }

    #[test]
    fn it_is_over_after_a_large_read() {
        let mut quantum = Quantum::new(Instant::now());
        quantum.spend_read(MAX_BYTES / 2 - 1);
        assert!(!quantum.is_over());
        quantum.spend_read(MAX_BYTES / 2);
        assert!(quantum.is_over());
        quantum.restart();
        assert!(!quantum.is_over());
    }

    #[test]
    fn the_clock_is_not_looked_at_for_each_cheap_request() {
        let mut quantum = Quantum::new(Instant::now());
        run(&mut quantum, 10, Duration::from_nanos(500));
        let (requests, looks) = run(&mut quantum, 10, Duration::from_nanos(500));
        assert_eq!((requests, looks), (MAX_FRAMES, MAX_FRAMES / MAX_UNTIMED as usize));
    }
}
