//! What a connection is configured with.

use std::time::Duration;

use super::limits::Limits;
use crate::wire::{Codec, Profile, Types};

/// Which end of the byte stream a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that opened the stream. It decides on the codec.
    Dialler,
    /// The end that accepted the stream. It speaks the codec in which it is spoken to.
    Listener,
}

/// How two ends agree on a codec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Negotiate {
    /// A dialler writes this codec, byte for byte as aiomas does. A listener begins with it if it has to
    /// speak first, and then follows the dialler.
    Fixed(Codec),
    /// A dialler's first request is an ordinary call in the codec `base` to a reserved path. A peer that
    /// knows it answers with its choice from `offer`, its limits and its types; any other peer that
    /// speaks `base` answers with a failure, and all goes on as `Fixed(base)`. Calls may be made at once.
    Hello {
        /// What the peer is known to speak.
        base: Codec,
        /// What we would like to speak, best first.
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

/// The configuration of a [`Connection`](super::Connection). Shared by many.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How the codec is agreed on.
    pub negotiate: Negotiate,
    /// The codecs in which we let ourselves be spoken to, beside those that we write. (Beside a custom
    /// codec under [`Negotiate::Fixed`] nothing else is accepted.)
    pub accept: Vec<Codec>,
    /// Whether a peer's Hello is answered, or is a request like any other.
    pub answer_hello: bool,
    /// How failures look on the wire.
    pub profile: Profile,
    /// The types registered on the connection.
    pub types: Types,
    /// What the peer can make us hold or do.
    pub limits: Limits,
    /// How long answers may still be written after the peer has closed its side. If it is zero, that is the end of
    /// the connection.
    pub linger: Duration,
}

impl Config {
    /// A configuration that writes `codec`, accepts every built-in codec and has the default limits.
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
            profile: Profile::Aiomas,
            types: Types::default(),
            limits: Limits::default(),
            linger: Duration::from_secs(10),
        }
    }

    /// A configuration for mosaik: JSON, failures as lists, no Hello in either direction.
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
        // In the base, calls behind our Hello are answered, whatever is agreed on.
        codec == self.negotiate.base() || self.accept.contains(&codec)
    }
}

impl Default for Config {
    /// JSON, as in aiomas.
    fn default() -> Self {
        Self::new(Codec::Json)
    }
}

/// What may be said about a single call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// End the call with [`CallError::TimedOut`](super::CallError::TimedOut) after this long.
    pub timeout: Option<Duration>,
}

impl CallOptions {
    /// A call that ends after `timeout`.
    #[must_use]
    pub const fn timeout(timeout: Duration) -> Self {
        Self { timeout: Some(timeout) }
    }
}
