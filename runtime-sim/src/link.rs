//! Delays and faults of a network link.

use crate::delay::Delay;

/// The delays and faults between two hosts. The default delivers bytes at once and whole.
///
/// ```
/// use std::time::Duration;
/// use aiomas_sim::{Delay, Link};
///
/// let modem = Link::new()
///     .latency(Delay::exponential(Duration::from_millis(80)))
///     .bandwidth(7_000)
///     .split(0.5)
///     .reset(0.001);
/// ```
///
/// Probabilities range from 0 to 1. Lower values mean never, higher values always.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a simulation or a pair of hosts has to be told of it"]
pub struct Link {
    pub(crate) latency: Delay,
    pub(crate) bandwidth: Option<u64>,
    pub(crate) buffer: usize,
    pub(crate) split: f64,
    pub(crate) stall: f64,
    pub(crate) stall_time: Delay,
    pub(crate) reset: f64,
    pub(crate) refuse: f64,
}

impl Link {
    /// Creates a link without faults or delays.
    pub const fn new() -> Self {
        Self {
            latency: Delay::ZERO,
            bandwidth: None,
            buffer: 256 * 1024,
            split: 0.0,
            stall: 0.0,
            stall_time: Delay::ZERO,
            reset: 0.0,
            refuse: 0.0,
        }
    }

    /// Creates a link with all faults, frequent enough to show in a few calls: delays of up to 20
    /// ms, 1 MB/s, small pieces, small buffers, stalls of seconds, resets and refused dials.
    pub fn rough() -> Self {
        use std::time::Duration;
        Self::new()
            .latency(Duration::ZERO..Duration::from_millis(20))
            .bandwidth(1_000_000)
            .buffer(4096)
            .split(0.3)
            .stall(0.02, Delay::exponential(Duration::from_secs(1)))
            .reset(0.003)
            .refuse(0.05)
    }

    /// Sets the latency of bytes in one direction. Bytes never overtake each other.
    pub fn latency(mut self, latency: impl Into<Delay>) -> Self {
        self.latency = latency.into();
        self
    }

    /// Sets the bandwidth of each stream, in bytes per second.
    ///
    /// # Panics
    /// The bandwidth is 0.
    pub const fn bandwidth(mut self, bytes_per_second: u64) -> Self {
        assert!(bytes_per_second > 0, "the number must be above 0");
        self.bandwidth = Some(bytes_per_second);
        self
    }

    /// Sets the buffer size of a stream. Its writer waits while that many bytes are in flight or
    /// unread. The default is 256 KiB.
    ///
    /// # Panics
    /// The number is 0.
    pub const fn buffer(mut self, bytes: usize) -> Self {
        assert!(bytes > 0, "the number must be above 0");
        self.buffer = bytes;
        self
    }

    /// Sets the probability that a read or write moves fewer bytes than possible.
    pub const fn split(mut self, probability: f64) -> Self {
        self.split = probability;
        self
    }

    /// Sets the probability and the duration of stalls. A stall holds up the bytes of one write and
    /// all that follow.
    pub fn stall(mut self, probability: f64, time: impl Into<Delay>) -> Self {
        self.stall = probability;
        self.stall_time = time.into();
        self
    }

    /// Sets the probability that a stream breaks in the middle of a write.
    pub const fn reset(mut self, probability: f64) -> Self {
        self.reset = probability;
        self
    }

    /// Sets the probability that a dial is refused.
    pub const fn refuse(mut self, probability: f64) -> Self {
        self.refuse = probability;
        self
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}
