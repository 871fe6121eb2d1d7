use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{Expected, Unexpected};

use super::Printable;

/// A value could not be written in, or read from, a codec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are not in the codec's format.
    #[error("byte {at}: {what}")]
    Syntax {
        /// Where in the value, in bytes from its start.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// Arrays and maps are nested too deeply.
    #[error("nested more than {limit} levels deep (`Budget::depth`)")]
    TooDeep {
        /// The limit that was hit.
        limit: u32,
    },
    /// Too many values in one message. An array counts 3, a map 9.
    #[error(
        "more than {limit} values in one message, of which an array counts 3 and a map 9 (`Budget::nodes`)"
    )]
    TooManyNodes {
        /// The limit that was hit.
        limit: u32,
    },
    /// The path of a function or a service is too long.
    #[error("the path has {length} bytes; it may have {limit} (`Budget::path`)")]
    PathTooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: u32,
    },
    /// A reference to a service of the peer came, of which too many are kept already.
    #[error("{limit} references to services of the peer are kept already (`Limits::max_proxies`)")]
    TooManyProxies {
        /// The limit that was hit.
        limit: usize,
    },
    /// A typed value has an id that is not registered on this connection.
    #[error("no type is registered as {id} on this connection")]
    UnknownTypeId {
        /// The id on the wire.
        id: u64,
    },
    /// A value has a type that is not registered on this connection.
    #[error("the type \"{name}\" is not registered on this connection (`Types`)")]
    UnregisteredType {
        /// The type's name.
        name: String,
    },
    /// An agent was to be sent by another container than its own, whose agent of the same id the receiver would call.
    #[error(
        "{} cannot be sent by {}: a reference means an agent of the container that sends it; send its URL \
         (`AgentUrl`), and let the other side connect",
        Printable(agent),
        Printable(sender.as_deref().unwrap_or("a connection of no container"))
    )]
    ForeignAgent {
        /// The URL of the agent, or of the service within it.
        agent: String,
        /// The address of the container that was to send it; `None` on a connection of RPC, which serves no agents.
        sender: Option<String>,
    },
    /// The compressed data is damaged, or larger than allowed.
    #[error("compressed payload: {}", Printable(.0))]
    Compression(String),
    /// The value does not fit the type that was asked for, or cannot be written in this codec.
    #[error("{}", Printable(.0))]
    Value(String),
}

thread_local! {
    /// The error that travels as text, see [`CodecError::raise`]: serde's errors are made of texts alone.
    static RAISED: RefCell<Option<CodecError>> = const { RefCell::new(None) };
}

impl CodecError {
    /// Notes this error, which is going to be the text of another one: that is all a type's own
    /// `Serialize` and `Deserialize` can make of it.
    #[doc(hidden)]
    pub fn raise(self) -> Self {
        RAISED.set(Some(self.clone()));
        self
    }

    /// Turns a text back into the error that it was raised as.
    pub(crate) fn settle(self) -> Self {
        match (self, RAISED.take()) {
            (Self::Value(text), Some(raised)) if text == raised.to_string() => raised,
            (error, _) => error,
        }
    }
}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }
}

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }

    #[cold]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        if let Unexpected::Str(text) = unexpected
            && (text.parse::<f64>().is_ok() || matches!(text, "true" | "false"))
        {
            Reading { word_keys: true, ..Reading::missing() }.note();
        }
        Self::custom(format_args!("invalid type: {unexpected}, expected {expected}"))
    }

    #[cold]
    fn duplicate_field(field: &'static str) -> Self {
        Reading { last_wins: true, ..Reading::missing() }.note();
        Self::custom(format_args!("duplicate field `{field}`"))
    }
}

/// How a value is read. The first time nothing is set; what serde's own code has failed for, the second time may mend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Of equal keys of a map only the last one is there, as in Python. The structs of serde refuse doubles.
    pub(crate) last_wins: bool,
    /// A key of JSON that could be a number or a truth value is one where no field is looked for. What serde buffers
    /// (`flatten`, `tag`, `untagged`) it asks for as anything, so that a number would stay a text.
    pub(crate) word_keys: bool,
}

thread_local! {
    /// What has been missing since it was asked for last. The code that serde derives makes errors without any context.
    static MISSING: Cell<Reading> = const { Cell::new(Reading::PLAIN) };
}

impl Reading {
    pub(crate) const PLAIN: Self = Self { last_wins: false, word_keys: false };

    fn missing() -> Self {
        MISSING.get()
    }

    fn note(self) {
        MISSING.set(self);
    }

    /// What has been missing since it was asked for last.
    pub(crate) fn take_missing() -> Self {
        MISSING.take()
    }
}
