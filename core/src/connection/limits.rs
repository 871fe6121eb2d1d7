//! What a peer can make us hold or do.

use std::time::Duration;

use crate::wire::Budget;

/// What a peer can make us hold or do, and for how long. All of it is bounded unless you say otherwise.
///
/// There are three profiles: [`default`](Self::default) for networks of one's own, in which peers have bugs
/// but no bad intentions, and may be silent for as long as they like, as aiomas' are;
/// [`trusted`](Self::trusted) for simulations that move large data between processes of one owner; and
/// [`exposed`](Self::exposed) for whatever a stranger can connect to. Take one and change what does not fit.
///
/// | field | unit | `trusted` | `default` | `exposed` | beyond it |
/// |---|---|--:|--:|--:|---|
/// | `max_frame` | bytes | 1 GiB | 16 MiB | 1 MiB | in: closes, [`FrameError::TooLong`]; out: refused, [`CallRejected::TooLong`] |
/// | `budget.depth` | levels | 128 | 128 | 64 | decoding or encoding fails, [`CodecError::TooDeep`] |
/// | `budget.nodes` | values | 4,294,967,295 | 2,097,152 | 65,536 | decoding fails, [`CodecError::TooManyNodes`] |
/// | `budget.path` | bytes | 65,536 | 4,096 | 1,024 | the call fails with a `LookupError`; a reference, with [`CodecError::PathTooLong`] |
/// | `max_calls_out` | calls | 1,048,576 | 65,536 | 4,096 | refused, [`CallRejected::TooManyCalls`]; the driver's calls wait |
/// | `max_calls_in` | requests | 1,048,576 | 65,536 | 256 | answered with an `OverloadedError` |
/// | `max_input_bytes` | bytes | 1 GiB | 64 MiB | 4 MiB | answered with an `OverloadedError` |
/// | `unpacking` | bytes, bytes/s | | 64 MiB, 64 MiB/s | off | messages wait; off: closes, [`CloseReason::CodecNotAccepted`] |
/// | `output_high` | bytes | 256 MiB | 16 MiB | 1 MiB | calls are refused, [`CallRejected::OutputFull`], until [`Event::Writable`]; the peer's requests wait |
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
/// All but three hold for one connection; `max_connections` and `max_connections_per_peer` for one listener,
/// `max_mailbox` for one agent or service. What the program itself does, such as opening connections and living agents,
/// is bounded by [`ContainerConfig`](crate::agent::ContainerConfig).
///
/// Whichever it was, the error names it; its `exceeded` method has it [in numbers](super::LimitExceeded).
///
/// [`FrameError::TooLong`]: crate::wire::FrameError::TooLong
/// [`CodecError::TooDeep`]: crate::wire::CodecError::TooDeep
/// [`CodecError::TooManyNodes`]: crate::wire::CodecError::TooManyNodes
/// [`CodecError::TooManyProxies`]: crate::wire::CodecError::TooManyProxies
/// [`CodecError::PathTooLong`]: crate::wire::CodecError::PathTooLong
/// [`CallRejected::TooLong`]: super::Why::TooLong
/// [`CallRejected::TooManyCalls`]: super::Why::TooManyCalls
/// [`CallRejected::OutputFull`]: super::Why::OutputFull
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
    /// The longest payload of a frame, in bytes, as it is on the wire and decompressed.
    pub max_frame: usize,
    /// How much one message may contain.
    pub budget: Budget,
    /// Our calls in flight.
    pub max_calls_out: usize,
    /// The peer's requests being handled. One that is cancelled, or whose deadline has passed, counts until work on it
    /// has ended.
    pub max_calls_in: usize,
    /// The bytes of the peer's requests being handled, decompressed.
    pub max_input_bytes: usize,
    /// By how many bytes the peer's compressed messages (Blosc) may grow when they are unpacked, at once and per
    /// second. Beyond it they wait, and so does what the peer sends behind them.
    ///
    /// `None`: peers may not send compressed messages, unless this side writes such itself: its codec is
    /// [`Codec::MsgPackBlosc`](crate::wire::Codec), or offered in its Hello.
    pub unpacking: Option<Unpacking>,
    /// Bytes waiting to be written, from which on we make no more calls and take no more requests of the peer. These wait
    /// until it has read, and so do those who call.
    pub output_high: usize,
    /// Bytes waiting to be written, from which on a channel hands out no more requests, and its `Request::send_reply`
    /// waits. Methods that are running by then still answer: `max_calls_in` bounds how many, and `send_timeout` for how
    /// long their answers wait.
    pub output_cap: usize,
    /// How long a peer may take nothing of what waits to be written for it while that is `output_high` bytes or more. A
    /// peer that reads, however slowly, is never cut off.
    pub send_timeout: Option<Duration>,
    /// The calls that may wait for one agent, or another value that is served, while it is busy with an exclusive one.
    /// Connections share these places: when all are taken, a call of a connection that has fewer waiting takes the place
    /// of the last call of the one that has the most. A service shared by several listeners applies the limit of the
    /// connection that each call arrived on.
    pub max_mailbox: u32,
    /// The references to the peer's services that are kept: proxies that came over the connection, with
    /// their clones.
    pub max_proxies: usize,
    /// The connections that one listener has open, those included whose handshake of TLS is not over.
    pub max_connections: usize,
    /// Those among them that come from one [address](super::Admission). Peers on Unix sockets and in the
    /// same process have none; they count for `max_connections` alone.
    pub max_connections_per_peer: usize,
    /// How long a handshake of TLS may take, and then our Hello to be answered.
    pub handshake: Duration,
    /// How long whoever has connected may take until the first whole frame is there. Python's clients
    /// connect early and speak when they have something to say, hence only `exposed` asks for it.
    pub first_frame: Option<Duration>,
    /// How long a connection may be open on which no call is in flight, in either direction, and nothing
    /// moves: no whole frame comes in, and no byte goes out.
    pub idle: Option<Duration>,
    /// How long a peer may be silent before it is asked whether it is alive. A peer that does not answer is given up
    /// within twice this time:
    ///
    /// - The system asks its machine (TCP keep-alive), for example when that has lost power. While something is on its
    ///   way to the peer, `TCP_USER_TIMEOUT` takes the place of that; it also ends a stream whose peer reads nothing for
    ///   as long. Systems other than Linux and Android have no such option, and send again for as long as they do: up to
    ///   some minutes.
    /// - Its process is asked where both ends know [`Extensions::heartbeat`](super::Extensions::heartbeat), over any kind
    ///   of stream: it may stand still while its machine answers. Taken as at least a second.
    pub keep_alive: Option<Duration>,
    /// How fast a frame has to come once it has begun. What comes in one piece is not timed. It does not
    /// apply to [`Connection::handle_frame`](super::Connection::handle_frame), whose caller alone sees
    /// the beginnings of frames.
    pub progress: Option<Progress>,
    /// The longest text of a failure, in bytes, that is sent to the peer or taken from it. What comes
    /// before its end is cut off.
    pub max_failure: usize,
    /// How much the peer is told of a failure.
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

    /// For processes of one owner that move large data: what bounds bugs is there, what bounds malice
    /// is not.
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

    /// For what strangers can connect to.
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

/// How much may be unpacked of what a peer sends compressed: see [`Limits::unpacking`].
///
/// What counts is by how many bytes messages grow, so data that is hardly compressed costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unpacking {
    /// So many bytes at once. A message that exceeds it is unpacked all the same, and those behind it wait.
    pub burst: usize,
    /// So many bytes per second. 0 counts as 1.
    pub rate: usize,
}

impl Unpacking {
    /// As much as is sent.
    pub const UNLIMITED: Self = Self::new(usize::MAX, usize::MAX);

    /// So many bytes at once, and per second.
    #[must_use]
    pub const fn new(burst: usize, rate: usize) -> Self {
        Self { burst, rate }
    }
}

/// How fast a frame has to come, once its first byte is there: by when it has to be whole grows with what
/// has come of it.
///
/// A peer that sends `rate` bytes per second on the average, in whichever bursts, never misses it; one that
/// lets a byte drip now and then does, `grace` after it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The time that any frame may take.
    pub grace: Duration,
    /// So many bytes that have come allow for another second. 0 counts as 1.
    pub rate: u32,
}

impl Progress {
    /// So much time for any frame, and a second more for each `rate` bytes of it that have come.
    #[must_use]
    pub const fn new(grace: Duration, rate: u32) -> Self {
        Self { grace, rate }
    }

    /// The time that a frame may take of which `received` bytes, its header included, have come so far.
    #[must_use]
    pub fn allowed(&self, received: usize) -> Duration {
        let (rate, received) = (u64::from(self.rate.max(1)), received as u64);
        // The remainder is less than 2^32, so this does not overflow.
        let rest = Duration::from_nanos(received % rate * 1_000_000_000 / rate);
        self.grace.saturating_add(Duration::from_secs(received / rate)).saturating_add(rest)
    }
}

/// How much a peer is told of a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureText {
    /// All there is: what a service gives as its text, such as a traceback, and what it panics with.
    #[default]
    Full,
    /// The kind of the failure and the first line of its message. That a method has panicked is told, but
    /// not what with.
    Message,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whoever keeps to the rate is never late, and whoever sends less is, in the end.
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
