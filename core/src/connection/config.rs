//! The configuration of a connection.

use std::time::Duration;

use super::limits::Limits;
use crate::wire::{Codec, Profile, Types};

/// Which end of the byte stream a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that opened the stream. It chooses the codec.
    Dialler,
    /// The end that accepted the stream. It follows the codec of the dialler.
    Listener,
}

/// How two ends agree on a codec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Negotiate {
    /// No negotiation: a dialler writes this codec, byte for byte as aiomas does.
    ///
    /// A listener starts with this codec if it has to write first, and then follows the dialler.
    Fixed(Codec),
    /// Negotiation by Hello: the dialler's first request is an ordinary call to a reserved path, in the codec
    /// `base`.
    ///
    /// A peer that knows Hello answers with its choice from `offer`, its limits and its types. Any other peer
    /// that speaks `base` answers with a failure, and the connection goes on as `Fixed(base)`. Calls may be
    /// made at once.
    Hello {
        /// The codec that the peer is known to speak.
        base: Codec,
        /// The codecs that we prefer, best first.
        offer: Vec<Codec>,
    },
}

impl Negotiate {
    pub(crate) const fn base(&self) -> Codec {
        match self {
            Self::Fixed(codec) | Self::Hello { base: codec, .. } => *codec,
        }
    }
}

/// Extensions of the wire: messages between two peers that have both named the extension in Hello.
///
/// A peer in Python never receives one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Extensions {
    /// Sends `[3, id, null]` when a call is cancelled.
    pub cancel: bool,
    /// Sends the timeout of a call along: `[4, id, [{"deadline": microseconds}, content]]`.
    pub deadline: bool,
    /// Asks a peer that has been silent for [`Limits::keep_alive`] whether it is alive.
    ///
    /// The question is `[5, 0, null]`; the peer answers at once, `[5, 1, null]`. If nothing arrives for as
    /// long again, the connection closes with [`TimeoutReason::Heartbeat`](super::TimeoutReason::Heartbeat).
    ///
    /// Heartbeats detect a stalled process, which its system does not report. A synchronous method that
    /// blocks its connection's task for longer than `keep_alive` looks the same: leave the extension out, or
    /// raise the limit.
    pub heartbeat: bool,
}

impl Extensions {
    /// No extensions, as without Hello.
    pub const NONE: Self = Self { cancel: false, deadline: false, heartbeat: false };
    /// All extensions.
    pub const ALL: Self = Self { cancel: true, deadline: true, heartbeat: true };

    /// Returns the names of the extensions.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let named =
            [(self.cancel, "cancel"), (self.deadline, "deadline"), (self.heartbeat, "heartbeat")];
        named.into_iter().filter_map(|(is, name)| is.then_some(name))
    }

    /// Returns the extensions that are also in `names`.
    pub(super) fn and_named<'a>(self, names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let named = |name| names.clone().any(|other| other == name);
        Self {
            cancel: self.cancel && named("cancel"),
            deadline: self.deadline && named("deadline"),
            heartbeat: self.heartbeat && named("heartbeat"),
        }
    }
}

/// The configuration of a [`Connection`](super::Connection). Many connections may share it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How both ends agree on the codec.
    pub negotiate: Negotiate,
    /// The codecs that the peer may write, besides those that we write.
    ///
    /// With a custom codec under [`Negotiate::Fixed`], no other codec is accepted.
    pub accept: Vec<Codec>,
    /// Whether to answer a peer's Hello. If not, Hello is a request like any other.
    pub answer_hello: bool,
    /// The extensions that our Hello names, as question and as answer.
    pub extensions: Extensions,
    /// The format of failures on the wire.
    pub profile: Profile,
    /// The types registered on the connection.
    pub types: Types,
    /// Bounds on the memory and work that the peer can cause.
    pub limits: Limits,
    /// How long answers may be written after the peer has closed its side.
    ///
    /// If it is zero, the connection ends when the peer closes its side.
    pub linger: Duration,
}

impl Config {
    /// Creates a configuration that writes `codec`, accepts every built-in codec and has the default limits.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            negotiate: Negotiate::Fixed(codec),
            accept: vec![
                Codec::Json,
                Codec::MsgPack,
                #[cfg(feature = "blosc")]
                Codec::MsgPackBlosc,
            ],
            answer_hello: true,
            extensions: Extensions::ALL,
            profile: Profile::Aiomas,
            types: Types::default(),
            limits: Limits::default(),
            linger: Duration::from_secs(10),
        }
    }

    /// Creates a configuration for mosaik: JSON, failures as lists, no Hello in either direction.
    #[must_use]
    pub fn mosaik() -> Self {
        Self {
            accept: vec![Codec::Json],
            answer_hello: false,
            profile: Profile::Mosaik,
            ..Self::new(Codec::Json)
        }
    }

    pub(super) fn accepts(&self, codec: Codec) -> bool {
        // The peer answers calls behind our Hello in the base codec, independent of the agreement.
        codec == self.negotiate.base() || self.accepted().any(|other| other == codec)
    }

    /// Returns the codecs that the peer may choose.
    pub(super) fn accepted(&self) -> impl Iterator<Item = Codec> {
        let unpacks = self.limits.unpacking.is_some();
        self.accept.iter().copied().filter(move |codec| unpacks || !codec.is_compressed())
    }
}

impl Default for Config {
    /// Returns a configuration for JSON, as in aiomas.
    fn default() -> Self {
        Self::new(Codec::Json)
    }
}

/// Options of a single call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// Ends the call with [`CallError::TimedOut`](super::CallError::TimedOut) after this time.
    ///
    /// A peer that knows [`Extensions::deadline`](super::Extensions) receives the timeout and ends the
    /// request, too.
    pub timeout: Option<Duration>,
}

impl CallOptions {
    /// Creates options for a call that ends after `timeout`.
    #[must_use]
    pub const fn timeout(timeout: Duration) -> Self {
        Self { timeout: Some(timeout) }
    }
}
