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

/// Extensions of the wire: messages that exist only between peers that have both named them in Hello. A peer
/// in Python never sees one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Extensions {
    /// A call that is given up is cancelled: `[3, id, null]`.
    pub cancel: bool,
    /// A call with a timeout tells how long it may take: `[4, id, [{"deadline": microseconds}, content]]`.
    pub deadline: bool,
    /// A peer that has been silent for [`Limits::keep_alive`] is asked whether it is alive, `[5, 0, null]`, and answers
    /// at once, `[5, 1, null]`. If nothing has come after as long again, the connection closes with
    /// [`TimeoutReason::Heartbeat`](super::TimeoutReason::Heartbeat).
    ///
    /// That finds a process that stands still, which its system does not tell. A synchronous method that holds its
    /// connection's task for longer than `keep_alive` looks the same: leave the extension out, or give it more time.
    pub heartbeat: bool,
}

impl Extensions {
    /// None: what holds without Hello.
    pub const NONE: Self = Self { cancel: false, deadline: false, heartbeat: false };
    /// All that there are.
    pub const ALL: Self = Self { cancel: true, deadline: true, heartbeat: true };

    /// The names of them.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let named =
            [(self.cancel, "cancel"), (self.deadline, "deadline"), (self.heartbeat, "heartbeat")];
        named.into_iter().filter_map(|(is, name)| is.then_some(name))
    }

    /// Those of them that others have named as well.
    pub(super) fn and_named<'a>(self, names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let named = |name| names.clone().any(|other| other == name);
        Self {
            cancel: self.cancel && named("cancel"),
            deadline: self.deadline && named("deadline"),
            heartbeat: self.heartbeat && named("heartbeat"),
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
    /// The extensions that are named in Hello, in questions and in answers.
    pub extensions: Extensions,
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
            extensions: Extensions::ALL,
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
        codec == self.negotiate.base() || self.accepted().any(|other| other == codec)
    }

    /// What peers may choose.
    pub(super) fn accepted(&self) -> impl Iterator<Item = Codec> {
        let unpacks = self.limits.unpacking.is_some();
        self.accept.iter().copied().filter(move |codec| unpacks || !codec.is_compressed())
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
    /// End the call with [`CallError::TimedOut`](super::CallError::TimedOut) after this long. A peer that
    /// knows [`Extensions::deadline`] is told, and ends it as well.
    pub timeout: Option<Duration>,
}

impl CallOptions {
    /// A call that ends after `timeout`.
    #[must_use]
    pub const fn timeout(timeout: Duration) -> Self {
        Self { timeout: Some(timeout) }
    }
}
