use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{Expected, Unexpected};

use super::Printable;

/// An error of encoding or decoding a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are not valid in the codec's format.
    #[error("byte {at}: {what}")]
    Syntax {
        /// The position in the value, in bytes from its start.
        at: usize,
        /// A description of the defect.
        what: &'static str,
    },
    /// Arrays and maps are nested too deeply.
    #[error("nested more than {limit} levels deep (`Budget::depth`)")]
    TooDeep {
        /// The limit in levels.
        limit: u32,
    },
    /// The message has too many values. An array counts 3, a map 9.
    #[error(
        "more than {limit} values in one message, of which an array counts 3 and a map 9 (`Budget::nodes`)"
    )]
    TooManyNodes {
        /// The limit in counted values.
        limit: u32,
    },
    /// The path of a function or a service is too long.
    #[error("the path has {length} bytes; it may have {limit} (`Budget::path`)")]
    PathTooLong {
        /// The length of the path in bytes.
        length: usize,
        /// The limit in bytes.
        limit: u32,
    },
    /// The value refers to a service of the peer beyond the limit of kept references.
    #[error("{limit} references to services of the peer are kept already (`Limits::max_proxies`)")]
    TooManyProxies {
        /// The limit in references.
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
    /// The value contains an agent that runs in another container than the sender.
    ///
    /// The receiver would look up the same id in the sender's container and call a different agent.
    #[error(
        "{} cannot be sent by {}: a reference means an agent of the container that sends it; send its URL \
         (`AgentUrl`), and let the other side connect",
        Printable(agent),
        Printable(sender.as_deref().unwrap_or("a connection of no container"))
    )]
    ForeignAgent {
        /// The URL of the agent, or of a service within it.
        agent: String,
        /// The address of the sending container; `None` on an RPC connection, which serves no agents.
        sender: Option<String>,
    },
    /// The compressed data is damaged, or larger than allowed.
    #[error("compressed payload: {}", Printable(.0))]
    Compression(String),
    /// The value does not fit the requested type, or this codec cannot represent it.
    #[error("{}", Printable(.0))]
    Value(String),
}

thread_local! {
    /// The error that [`CodecError::raise`] has recorded for this thread. Serde's errors are texts alone.
    static RAISED: RefCell<Option<CodecError>> = const { RefCell::new(None) };
}

impl CodecError {
    /// Records this error, which a serde error will carry as text.
    ///
    /// Text is all that a type's own `Serialize` and `Deserialize` can pass on.
    #[doc(hidden)]
    pub fn raise(self) -> Self {
        RAISED.set(Some(self.clone()));
        self
    }

    /// Returns the recorded error if this error carries its text, else this error.
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

/// Options of decoding. The first attempt sets none; a retry may mend a failure of serde's own code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Shows only the last of equal keys of a map, as Python does. serde's structs reject duplicates.
    pub(crate) last_wins: bool,
    /// Reads JSON keys that look like a number or a boolean as one.
    ///
    /// Names of fields stay text. serde reads the data that it buffers (`flatten`, `tag`, `untagged`) with
    /// `deserialize_any`, so a number in a key would otherwise stay text.
    pub(crate) word_keys: bool,
}

thread_local! {
    /// The options that failed attempts have lacked since the last [`Reading::take_missing`]. Derived code makes its errors without
    /// a context.
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

    /// Takes the options that failed attempts have lacked since the last call.
    pub(crate) fn take_missing() -> Self {
        MISSING.take()
    }
}
