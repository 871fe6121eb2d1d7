//! Compressed messages, decompressed by the owner at a limited rate.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::event::{Due, TimeoutReason};
use super::limits::{Limits, Unpacking};
use crate::wire::{Codec, CodecError, codec};

/// A compressed message. Decompressing it takes time and needs no access to the connection.
#[derive(Debug)]
#[doc(hidden)]
pub struct Packed {
    codec: Codec,
    payload: Bytes,
    /// The bound of its decompressed size, in bytes.
    max: usize,
}

/// A decompressed message.
#[derive(Debug)]
#[doc(hidden)]
pub struct Unpacked {
    pub(super) codec: Codec,
    pub(super) message: Result<Bytes, CodecError>,
    /// By how many bytes the message has grown.
    pub(super) cost: usize,
}

impl Packed {
    pub(super) const fn new(codec: Codec, payload: Bytes, max: usize) -> Self {
        Self { codec, payload, max }
    }

    /// Returns the decompressed size that the message declares, in bytes.
    #[doc(hidden)]
    pub fn length(&self) -> usize {
        codec::unwrapped_length(self.codec, &self.payload).min(self.max)
    }

    #[doc(hidden)]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    #[doc(hidden)]
    pub fn unpack(self) -> Unpacked {
        let Self { codec, payload, max } = self;
        let message = codec::unwrap(codec, &payload, max);
        let length = message.as_ref().map_or(0, Bytes::len);
        Unpacked { codec, message, cost: length.saturating_sub(payload.len()) }
    }
}

impl Unpacked {
    /// Creates the result for a message whose codec has panicked.
    #[doc(hidden)]
    pub fn failed(codec: Codec) -> Self {
        let error = CodecError::Compression("the codec has panicked".to_owned());
        Self { codec, message: Err(error), cost: 0 }
    }
}

/// Limits the rate of decompression.
#[derive(Debug)]
pub(super) struct Meter {
    /// When the debt of past messages is paid at the allowed rate.
    even: Instant,
    /// When the waiting message may be decompressed, if one waits, and its decompressed size.
    waits: Option<(Instant, usize)>,
    /// Whether a message is being decompressed.
    busy: bool,
}

impl Meter {
    pub(super) const fn new(now: Instant) -> Self {
        Self { even: now, waits: None, busy: false }
    }

    pub(super) fn advance(&mut self, now: Instant) {
        self.waits = self.waits.filter(|(at, _)| *at > now);
    }

    /// Returns whether a message of `length` decompressed bytes may be decompressed now. If not, the meter waits for
    /// it.
    pub(super) fn may_begin(&mut self, now: Instant, length: usize, limits: &Limits) -> bool {
        let burst = allowed(limits).burst_time();
        let at = burst.and_then(|burst| self.even.checked_sub(burst)).filter(|at| *at > now);
        self.waits = at.map(|at| (at, length));
        at.is_none() && !self.busy
    }

    pub(super) const fn begin(&mut self) {
        self.busy = true;
    }

    /// Records the end of a decompression, which grew the message by `cost` bytes.
    pub(super) fn end(&mut self, now: Instant, cost: usize, limits: &Limits) {
        self.busy = false;
        let time = allowed(limits).time_of(cost);
        self.even = time.and_then(|time| self.even.max(now).checked_add(time)).unwrap_or(now);
    }

    pub(super) const fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) const fn is_waited_for(&self) -> bool {
        self.waits.is_some()
    }

    /// Returns when the waiting message may be decompressed.
    pub(super) fn due(&self, limits: &Limits) -> Option<Due> {
        let (at, length) = self.waits?;
        Some((at, TimeoutReason::Unpacking { length, rate: allowed(limits).rate }))
    }
}

/// Returns the rate. Its default applies if the peer may compress only because this side does.
fn allowed(limits: &Limits) -> Unpacking {
    limits.unpacking.unwrap_or(Unpacking::FEW)
}

impl Unpacking {
    const FEW: Self = Self::new(4 << 20, 1 << 20);

    /// Returns how long it takes to regain the full burst; `None` if no time.
    fn burst_time(self) -> Option<Duration> {
        self.time_of(self.burst)
    }

    /// Returns how long `bytes` take at the rate; `None` without a rate.
    fn time_of(self, bytes: usize) -> Option<Duration> {
        if self.rate == usize::MAX {
            return None;
        }
        let (bytes, rate) = (bytes as u128, self.rate.max(1) as u128);
        let nanos = u64::try_from(bytes * 1_000_000_000 / rate).unwrap_or(u64::MAX);
        Some(Duration::from_nanos(nanos))
    }
}
