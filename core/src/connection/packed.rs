//! Compressed messages: their owner unpacks them, and so many at a time.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::event::{Due, TimeoutReason};
use super::limits::{Limits, Unpacking};
use crate::wire::{Codec, CodecError, codec};

/// A message to be unpacked, which takes time and needs nothing of the connection.
#[derive(Debug)]
#[doc(hidden)]
pub struct Packed {
    codec: Codec,
    payload: Bytes,
    /// How many bytes it may become.
    max: usize,
}

/// A message that was unpacked.
#[derive(Debug)]
#[doc(hidden)]
pub struct Unpacked {
    pub(super) codec: Codec,
    pub(super) message: Result<Bytes, CodecError>,
    /// By how many bytes it has grown.
    pub(super) cost: usize,
}

impl Packed {
    pub(super) const fn new(codec: Codec, payload: Bytes, max: usize) -> Self {
        Self { codec, payload, max }
    }

    /// How many bytes it says that it becomes.
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
    /// A message whose codec has panicked.
    #[doc(hidden)]
    pub fn failed(codec: Codec) -> Self {
        let error = CodecError::Compression("the codec has panicked".to_owned());
        Self { codec, message: Err(error), cost: 0 }
    }
}

/// Measures how much is unpacked in which time.
#[derive(Debug)]
pub(super) struct Meter {
    /// When what was unpacked will have been no faster than the rate.
    even: Instant,
    /// When the next message may be unpacked, if it has to wait, and how many bytes it becomes.
    waits: Option<(Instant, usize)>,
    /// One is being unpacked.
    busy: bool,
}

impl Meter {
    pub(super) const fn new(now: Instant) -> Self {
        Self { even: now, waits: None, busy: false }
    }

    pub(super) fn advance(&mut self, now: Instant) {
        self.waits = self.waits.filter(|(at, _)| *at > now);
    }

    /// Whether a message may be unpacked now that becomes `length` bytes. If only later, the meter waits for that.
    pub(super) fn may_begin(&mut self, now: Instant, length: usize, limits: &Limits) -> bool {
        let burst = allowed(limits).burst_time();
        let at = burst.and_then(|burst| self.even.checked_sub(burst)).filter(|at| *at > now);
        self.waits = at.map(|at| (at, length));
        at.is_none() && !self.busy
    }

    pub(super) const fn begin(&mut self) {
        self.busy = true;
    }

    /// A message has been unpacked, and has grown by `cost` bytes.
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

    /// When the message that waits may be unpacked.
    pub(super) fn due(&self, limits: &Limits) -> Option<Due> {
        let (at, length) = self.waits?;
        Some((at, TimeoutReason::Unpacking { length, rate: allowed(limits).rate }))
    }
}

/// Peers are not to send compressed messages by these limits, unless this side does: then they may send a few.
fn allowed(limits: &Limits) -> Unpacking {
    limits.unpacking.unwrap_or(Unpacking::FEW)
}

impl Unpacking {
    const FEW: Self = Self::new(4 << 20, 1 << 20);

    /// How long it takes to be allowed as much again as may come at once; nothing if that is no time.
    fn burst_time(self) -> Option<Duration> {
        self.time_of(self.burst)
    }

    /// How long `bytes` take by the rate; nothing if there is none.
    fn time_of(self, bytes: usize) -> Option<Duration> {
        if self.rate == usize::MAX {
            return None;
        }
        let (bytes, rate) = (bytes as u128, self.rate.max(1) as u128);
        let nanos = u64::try_from(bytes * 1_000_000_000 / rate).unwrap_or(u64::MAX);
        Some(Duration::from_nanos(nanos))
    }
}
