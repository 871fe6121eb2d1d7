//! Bounds on the memory and work that a peer can cause.

use std::time::Duration;

use crate::wire::Budget;

/// Bounds on the memory and work that a peer can cause, and on their duration. By default, all are bounded.
///
/// There are three profiles: [`default`](Self::default) for private networks, in which peers have bugs but no bad
/// intentions, and may be silent for as long as they like, as peers in aiomas are; [`trusted`](Self::trusted) for
/// simulations that move large data between processes of one owner; and [`exposed`](Self::exposed) for services
/// that strangers can connect to. Take one and change the fields that do not fit.
///
/// | field | unit | `trusted` | `default` | `exposed` | beyond it |
/// |---|---|--:|--:|--:|---|
/// | `max_frame` | bytes | 1 GiB | 16 MiB | 1 MiB | in: closes, [`FrameError::TooLong`]; out: rejected, [`CallRejected::TooLong`] |
/// | `budget.depth` | levels | 128 | 128 | 64 | decoding or encoding fails, [`CodecError::TooDeep`] |
/// | `budget.nodes` | values | 4,294,967,295 | 2,097,152 | 65,536 | decoding fails, [`CodecError::TooManyNodes`] |
/// | `budget.path` | bytes | 65,536 | 4,096 | 1,024 | the call fails with a `LookupError`; a reference, with [`CodecError::PathTooLong`] |
/// | `max_calls_out` | calls | 1,048,576 | 65,536 | 4,096 | rejected, [`CallRejected::TooManyCalls`]; the driver's calls wait |
/// | `max_calls_in` | requests | 1,048,576 | 65,536 | 256 | answered with an `OverloadedError` |
/// | `max_input_bytes` | bytes | 1 GiB | 64 MiB | 4 MiB | answered with an `OverloadedError` |
/// | `unpacking` | bytes, bytes/s | | 64 MiB, 64 MiB/s | off | messages wait; off: closes, [`CloseReason::CodecNotAccepted`] |
/// | `output_high` | bytes | 256 MiB | 16 MiB | 1 MiB | calls are rejected, [`CallRejected::OutputFull`], until [`Event::Writable`]; the peer's requests wait |
/// | `output_cap` | bytes | 1 GiB | 64 MiB | 4 MiB | on channels, `send_reply` and `recv` wait |
/// | `send_timeout` | time | 3600 s | 300 s | 30 s | closes, [`TimeoutReason::Output`] |
/// | `max_mailbox` | calls | 1,048,576 | 1,024 | 128 | answered with an `OverloadedError` |
/// | `max_proxies` | proxies | 1,048,576 | 65,536 | 1,024 | decoding fails, [`CodecError::TooManyProxies`] |
/// | `max_connections` | connections | 65,536 | 16,384 | 1,024 | the new one is closed, [`NotAdmitted::TooMany`] |
/// | `max_connections_per_peer` | connections | 65,536 | 16,384 | 32 | the new one is closed, [`NotAdmitted::TooManyFromPeer`] |
/// | `handshake` | time | 60 s | 10 s | 5 s | closes, [`TlsError::TimedOut`] or [`TimeoutReason::Handshake`] |
/// | `first_frame` | time | | | 10 s | closes, [`TimeoutReason::FirstFrame`] |
/// | `idle` | time | | | 300 s | closes, [`TimeoutReason::Idle`] |
/// | `keep_alive` | time | 60 s | 60 s | 60 s | the system breaks the stream, [`CloseReason::Broken`], or [`TimeoutReason::Heartbeat`] |
/// | `progress` | time, bytes/s | | 60 s, 1 KiB/s | 10 s, 4 KiB/s | closes, [`TimeoutReason::Frame`] |
/// | `max_failure` | bytes | 16 MiB | 1 MiB | 1 KiB | the text is cut |
/// | `failure_text` | | full | full | message | |
///
/// `max_connections` and `max_connections_per_peer` apply per listener, `max_mailbox` per agent or service, and all
/// others per connection. [`ContainerConfig`](crate::agent::ContainerConfig) bounds the program's own actions, such
/// as opening connections and hosting agents.
///
/// The error names the limit; its `exceeded` method returns the limit [in numbers](super::LimitExceeded).
///
/// [`FrameError::TooLong`]: crate::wire::FrameError::TooLong
/// [`CodecError::TooDeep`]: crate::wire::CodecError::TooDeep
/// [`CodecError::TooManyNodes`]: crate::wire::CodecError::TooManyNodes
/// [`CodecError::TooManyProxies`]: crate::wire::CodecError::TooManyProxies
/// [`CodecError::PathTooLong`]: crate::wire::CodecError::PathTooLong
/// [`CallRejected::TooLong`]: super::CallRejected::TooLong
/// [`CallRejected::TooManyCalls`]: super::CallRejected::TooManyCalls
/// [`CallRejected::OutputFull`]: super::CallRejected::OutputFull
/// [`Event::Writable`]: super::Event::Writable
/// [`CloseReason::Broken`]: super::CloseReason::Broken
/// [`CloseReason::CodecNotAccepted`]: super::CloseReason::CodecNotAccepted
/// [`NotAdmitted::TooMany`]: super::NotAdmitted::TooMany
/// [`NotAdmitted::TooManyFromPeer`]: super::NotAdmitted::TooManyFromPeer
/// [`TlsError::TimedOut`]: super::TlsError::TimedOut
/// [`TimeoutReason::Handshake`]: super::TimeoutReason::Handshake
/// [`TimeoutReason::FirstFrame`]: super::TimeoutReason::FirstFrame
/// [`TimeoutReason::Idle`]: super::TimeoutReason::Idle
/// [`TimeoutReason::Heartbeat`]: super::TimeoutReason::Heartbeat
/// [`TimeoutReason::Frame`]: super::TimeoutReason::Frame
/// [`TimeoutReason::Output`]: super::TimeoutReason::Output
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest payload of a frame, in bytes, both on the wire and decompressed.
    pub max_frame: usize,
    /// Bounds on the content of one message.
    pub budget: Budget,
    /// Our calls in flight.
    pub max_calls_out: usize,
    /// The peer's requests being handled.
    ///
    /// A request that is cancelled, or whose deadline has passed, counts until the work on it has ended.
    pub max_calls_in: usize,
    /// The bytes of the peer's requests being handled, decompressed.
    pub max_input_bytes: usize,
    /// The rate at which the peer's compressed messages (Blosc) may be decompressed.
    ///
    /// The rate limits how much they grow, at once and per second. Beyond it they wait, and so do later messages of
    /// the peer. `None`: the peer may not send compressed messages, unless this side writes them itself, because its
    /// codec is [`Codec::MsgPackBlosc`](crate::wire::Codec) or its Hello offers that codec.
    pub unpacking: Option<Unpacking>,
    /// How many bytes may wait to be written before calls and requests have to wait.
    ///
    /// From this limit on, we make no more calls and take no more requests of the peer, until it has read.
    pub output_high: usize,
    /// How many bytes may wait to be written before answers have to wait.
    ///
    /// From this limit on, a channel returns no more requests, and its `Request::send_reply` waits. Running methods
    /// still answer: `max_calls_in` bounds their number, and `send_timeout` how long their answers wait.
    pub output_cap: usize,
    /// How long a peer may read nothing while `output_high` bytes or more wait for it.
    ///
    /// A peer that reads, however slowly, is never disconnected.
    pub send_timeout: Option<Duration>,
    /// The calls that may wait for one agent or other service.
    ///
    /// Calls wait while an exclusive call runs. Connections share this queue fairly. When it is full, a call of a
    /// connection with fewer waiting calls replaces the last call of the connection with the most. A service shared
    /// by several listeners applies the limit of the connection that each call arrived on.
    pub max_mailbox: u32,
    /// The references to the peer's services that are kept: proxies from the connection, with their clones.
    pub max_proxies: usize,
    /// The open connections of one listener, including those still in their TLS handshake.
    pub max_connections: usize,
    /// The open connections of one listener from one [address](super::Admission).
    ///
    /// Peers on Unix sockets and in the same process have no address; they count for `max_connections` alone.
    pub max_connections_per_peer: usize,
    /// How long a TLS handshake may take, and then the answer to our Hello.
    pub handshake: Duration,
    /// How long a new connection may take until its first whole frame arrives.
    ///
    /// Python's clients connect early and send later, so only `exposed` sets this limit.
    pub first_frame: Option<Duration>,
    /// How long an idle connection stays open.
    ///
    /// Idle means: no call is in flight in either direction, no whole frame arrives, and no byte is written.
    pub idle: Option<Duration>,
    /// How long a peer may be silent before it is probed. A dead peer is detected within twice this time.
    ///
    /// - The system probes the peer's machine (TCP keep-alive), which may have lost power. While data is on its way
    ///   to the peer, `TCP_USER_TIMEOUT` replaces the probes; it also ends a stream whose peer reads nothing for as
    ///   long. Systems other than Linux and Android lack this option, and retransmit for up to some minutes.
    /// - Heartbeats probe the peer's process over any kind of stream, where both ends know
    ///   [`Extensions::heartbeat`](super::Extensions::heartbeat): a process may stall while its machine answers. The
    ///   shortest interval is one second.
    pub keep_alive: Option<Duration>,
    /// How fast a frame must arrive once it has begun. A frame in one piece is not timed.
    ///
    /// The limit does not apply to [`Connection::handle_frame`](super::Connection::handle_frame): only its caller
    /// sees frames begin.
    pub progress: Option<Progress>,
    /// The longest text of a failure, in bytes, in either direction. Longer texts keep only their end.
    pub max_failure: usize,
    /// How much of a failure the peer receives.
    pub failure_text: FailureText,
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

impl Limits {
    #[doc(hidden)]
    pub const DEFAULT: Self = Self {
        max_frame: 16 * MIB,
        budget: Budget::DEFAULT,
        max_calls_out: 1 << 16,
        max_calls_in: 1 << 16,
        max_input_bytes: 64 * MIB,
        unpacking: Some(Unpacking::new(64 * MIB, 64 * MIB)),
        output_high: 16 * MIB,
        output_cap: 64 * MIB,
        send_timeout: Some(Duration::from_secs(300)),
        max_mailbox: 1024,
        max_proxies: 1 << 16,
        max_connections: 1 << 14,
        max_connections_per_peer: 1 << 14,
        handshake: Duration::from_secs(10),
        first_frame: None,
        idle: None,
        keep_alive: Some(Duration::from_secs(60)),
        progress: Some(Progress::new(Duration::from_secs(60), KIB as u32)),
        max_failure: MIB,
        failure_text: FailureText::Full,
    };

    /// Returns limits for processes of one owner that move large data.
    ///
    /// They protect against bugs, but not against malice.
    #[must_use]
    pub const fn trusted() -> Self {
        Self {
            max_frame: 1024 * MIB,
            budget: Budget { nodes: u32::MAX, path: 1 << 16, ..Budget::DEFAULT },
            max_calls_out: 1 << 20,
            max_calls_in: 1 << 20,
            max_input_bytes: 1024 * MIB,
            unpacking: Some(Unpacking::UNLIMITED),
            output_high: 256 * MIB,
            output_cap: 1024 * MIB,
            send_timeout: Some(Duration::from_secs(3600)),
            max_mailbox: 1 << 20,
            max_proxies: 1 << 20,
            max_connections: 1 << 16,
            max_connections_per_peer: 1 << 16,
            handshake: Duration::from_secs(60),
            progress: None,
            max_failure: 16 * MIB,
            ..Self::DEFAULT
        }
    }

    /// Returns limits for services that strangers can connect to.
    #[must_use]
    pub const fn exposed() -> Self {
        Self {
            max_frame: MIB,
            budget: Budget { depth: 64, nodes: 1 << 16, path: 1024 },
            max_calls_out: 4096,
            max_calls_in: 256,
            max_input_bytes: 4 * MIB,
            unpacking: None,
            output_high: MIB,
            output_cap: 4 * MIB,
            send_timeout: Some(Duration::from_secs(30)),
            max_mailbox: 128,
            max_proxies: 1024,
            max_connections: 1024,
            max_connections_per_peer: 32,
            handshake: Duration::from_secs(5),
            first_frame: Some(Duration::from_secs(10)),
            idle: Some(Duration::from_secs(300)),
            keep_alive: Some(Duration::from_secs(60)),
            progress: Some(Progress::new(Duration::from_secs(10), 4 * KIB as u32)),
            max_failure: KIB,
            failure_text: FailureText::Message,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The rate at which a peer's messages may be decompressed: see [`Limits::unpacking`].
///
/// Only the growth counts, so data that hardly compresses costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unpacking {
    /// The burst in bytes. A larger message is still decompressed, and later messages wait.
    pub burst: usize,
    /// The rate in bytes per second. 0 counts as 1.
    pub rate: usize,
}

impl Unpacking {
    /// No limit.
    pub const UNLIMITED: Self = Self::new(usize::MAX, usize::MAX);

    /// Creates a rate from a burst in bytes, and bytes per second.
    #[must_use]
    pub const fn new(burst: usize, rate: usize) -> Self {
        Self { burst, rate }
    }
}

/// How fast a frame must arrive after its first byte: each received byte extends its deadline.
///
/// A peer that sends `rate` bytes per second on average, in any bursts, never misses the deadline. A peer that sends
/// single bytes now and then misses it, `grace` after the frame began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The time that any frame may take.
    pub grace: Duration,
    /// The number of received bytes that extends the deadline by one second. 0 counts as 1.
    pub rate: u32,
}

impl Progress {
    /// Allows `grace` for any frame, and one more second for each `rate` bytes received.
    #[must_use]
    pub const fn new(grace: Duration, rate: u32) -> Self {
        Self { grace, rate }
    }

    /// Returns the time limit of a frame after `received` bytes, its header included.
    #[must_use]
    pub fn allowed(&self, received: usize) -> Duration {
        let (rate, received) = (u64::from(self.rate.max(1)), received as u64);
        // The remainder is less than 2^32, so this does not overflow.
        let rest = Duration::from_nanos(received % rate * 1_000_000_000 / rate);
        self.grace.saturating_add(Duration::from_secs(received / rate)).saturating_add(rest)
    }
}

/// How much of a failure the peer receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureText {
    /// The whole text: for example a traceback from the service, or the message of a panic.
    #[default]
    Full,
    /// The kind of the failure and the first line of its message. A panic is reported without its message.
    Message,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A sender at the rate is never late. A slower sender is late in the end.
        #[test]
        fn progress_allows_what_its_rate_says(
            grace in 0..100_000_u64, rate in any::<u32>(), received in any::<u32>(),
        ) {
            let grace = Duration::from_millis(grace);
            let allowed = Progress::new(grace, rate).allowed(received as usize);
            let seconds = f64::from(received) / f64::from(rate.max(1));
            let expected = grace.as_secs_f64() + seconds;
            prop_assert!((allowed.as_secs_f64() - expected).abs() <= 1e-6 * expected.max(1.0));
        }
    }

    #[test]
    fn progress_has_no_end_of_its_range() {
        let most = Progress::new(Duration::MAX, 0).allowed(usize::MAX);
        assert_eq!(most, Duration::MAX);
        assert_eq!(Progress::new(Duration::ZERO, u32::MAX).allowed(0), Duration::ZERO);
    }

    #[test]
    fn each_profile_is_within_the_next() {
        let profiles = [Limits::exposed(), Limits::default(), Limits::trusted()];
        for [tight, wide] in [[&profiles[0], &profiles[1]], [&profiles[1], &profiles[2]]] {
            assert!(tight.max_frame < wide.max_frame);
            assert!(tight.budget.depth <= wide.budget.depth);
            assert!(tight.budget.nodes < wide.budget.nodes);
            assert!(tight.budget.path < wide.budget.path);
            assert!(tight.max_calls_in < wide.max_calls_in);
            assert!(tight.max_input_bytes < wide.max_input_bytes);
            assert!(tight.output_cap < wide.output_cap);
            assert!(tight.send_timeout < wide.send_timeout);
            let unpacked = |limits: &Limits| limits.unpacking.map(|unpacking| unpacking.rate);
            assert!(unpacked(tight) < unpacked(wide));
            assert!(tight.max_mailbox < wide.max_mailbox);
            assert!(tight.max_proxies < wide.max_proxies);
            assert!(tight.max_connections < wide.max_connections);
            assert!(tight.max_connections_per_peer < wide.max_connections_per_peer);
            assert!(tight.handshake < wide.handshake);
            assert!(tight.max_failure < wide.max_failure);
        }
        for limits in profiles {
            assert!(limits.max_frame <= limits.max_input_bytes, "a whole frame is a request");
            assert!(limits.max_frame <= limits.output_cap, "an answer of a whole frame has room");
            assert!(limits.output_high < limits.output_cap);
        }
    }
}
