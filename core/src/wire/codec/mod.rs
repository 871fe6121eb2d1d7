//! Codecs: what a message is written in.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Budget, CodecContext, CodecError, Reading};

#[cfg(feature = "blosc")]
pub mod blosc;
mod compound;
mod cursor;
mod entries;
pub(crate) mod excerpt;
mod item;
pub(super) mod json;
mod meter;
pub(super) mod msgpack;
mod reserved;

pub use cursor::{Cursor, Sequence};
pub use item::Item;
pub(crate) use json::plain;

/// How values are written. A [`Codec`] is a format, with or without something around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON as Python's `json` module writes and reads it: `NaN`, `Infinity` and integers of any
    /// size are values.
    Json,
    /// MessagePack.
    MsgPack,
}

/// What a connection's messages are written in.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Codec {
    /// aiomas' `JSON`.
    Json,
    /// aiomas' `MsgPack`.
    MsgPack,
    /// aiomas' `MsgPackBlosc`: MessagePack, compressed in a Blosc-1 container.
    #[cfg(feature = "blosc")]
    MsgPackBlosc,
    /// A codec of the user's own.
    Custom(&'static dyn CustomCodec),
}

/// A codec of the user's own: it translates whole messages to and from MessagePack.
///
/// A compressor does so in any case; another format decodes the MessagePack into a
/// [`Value`](super::Value) and writes that. In aiomas it is a subclass of `Codec`. A frame does not tell that it is in
/// a custom codec, so both sides have to be configured for it; a listener that is speaks nothing else.
///
/// ```
/// use aiomas_core::wire::{Codec, CodecError, CustomCodec, Format, CodecContext, Value, codec};
/// use bytes::Bytes;
///
/// /// JSON behind a mark.
/// #[derive(Debug)]
/// struct Marked;
///
/// impl CustomCodec for Marked {
///     fn name(&self) -> &'static str {
///         "marked"
///     }
///
///     fn encode(&self, msgpack: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
///         let message: Value = codec::decode(Format::MsgPack, msgpack, &CodecContext::default())?;
///         out.push(b'#');
///         codec::encode(Format::Json, &CodecContext::default(), &message, out)
///     }
///
///     fn decode(&self, payload: &[u8], _max: usize) -> Result<Bytes, CodecError> {
///         let no_mark = CodecError::Syntax { at: 0, what: "there is no mark" };
///         let json = payload.strip_prefix(b"#").ok_or(no_mark)?;
///         let message: Value = codec::decode(Format::Json, json, &CodecContext::default())?;
///         let mut msgpack = Vec::new();
///         codec::encode(Format::MsgPack, &CodecContext::default(), &message, &mut msgpack)?;
///         Ok(msgpack.into())
///     }
/// }
///
/// const MARKED: Codec = Codec::Custom(&Marked); // for `builder.codec(MARKED)`, on both sides
///
/// let mut payload = Vec::new();
/// Marked.encode(b"\x93\x00\x00\xa4ohai", &mut payload)?;
/// assert_eq!(payload, b"#[0, 0, \"ohai\"]");
/// assert_eq!(Marked.decode(&payload, 1 << 20)?, b"\x93\x00\x00\xa4ohai"[..]);
/// # Ok::<(), CodecError>(())
/// ```
pub trait CustomCodec: fmt::Debug + Send + Sync + 'static {
    /// The name, for errors and for Hello.
    fn name(&self) -> &'static str;

    /// Appends the payload of a frame for the message `msgpack`.
    ///
    /// # Errors
    /// The message cannot be written in this codec; only its call fails.
    fn encode(&self, msgpack: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Translates a frame's payload into a MessagePack message of at most `max` bytes, which
    /// [`Limits::max_frame`](crate::connection::Limits::max_frame) is. A codec whose payloads can grow in that, such as
    /// a compressor, should stop there, rather than find out when it has all in memory.
    ///
    /// # Errors
    /// The payload is malformed or too large; the connection closes.
    fn decode(&self, payload: &[u8], max: usize) -> Result<Bytes, CodecError>;
}

impl Codec {
    /// The format inside.
    #[must_use]
    pub const fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            #[cfg(feature = "blosc")]
            Self::MsgPackBlosc => Format::MsgPack,
            Self::MsgPack | Self::Custom(_) => Format::MsgPack,
        }
    }

    /// Whether a message is written as it is, with nothing around it.
    #[must_use]
    pub(crate) const fn is_plain(self) -> bool {
        matches!(self, Self::Json | Self::MsgPack)
    }

    /// Whether a message of few bytes may become one of many.
    #[must_use]
    pub(crate) const fn is_compressed(self) -> bool {
        match self {
            #[cfg(feature = "blosc")]
            Self::MsgPackBlosc => true,
            _ => false,
        }
    }

    /// The name, as aiomas' users know it: `json`, `msgpack`, `msgpackblosc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MsgPack => "msgpack",
            #[cfg(feature = "blosc")]
            Self::MsgPackBlosc => "msgpackblosc",
            Self::Custom(codec) => codec.name(),
        }
    }

    /// The codec of the frame whose payload begins with `first`, if a message can begin so.
    #[inline]
    #[must_use]
    pub const fn recognise(first: u8) -> Option<Self> {
        match first {
            b'[' | b' ' | b'\t' | b'\n' | b'\r' => Some(Self::Json),
            0x93 | 0xdc | 0xdd => Some(Self::MsgPack),
            #[cfg(feature = "blosc")]
            0x02 => Some(Self::MsgPackBlosc),
            _ => None,
        }
    }
}

impl PartialEq for Codec {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom(one), Self::Custom(other)) => one.name() == other.name(),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Codec {}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is inside a frame's payload: a message in the codec's format, of at most `max` bytes.
pub(crate) fn unwrap(codec: Codec, payload: &Bytes, max: usize) -> Result<Bytes, CodecError> {
    match codec {
        Codec::Json | Codec::MsgPack => Ok(payload.clone()),
        #[cfg(feature = "blosc")]
        Codec::MsgPackBlosc => {
            let message = blosc::decompress(payload, max);
            message.map(Bytes::from).map_err(|error| CodecError::Compression(error.to_string()))
        }
        Codec::Custom(codec) => {
            let message = codec.decode(payload, max)?;
            let length = message.len();
            if length > max {
                let text =
                    format!("a message of {length} bytes; it may have {max} (`Limits::max_frame`)");
                return Err(CodecError::Compression(text));
            }
            Ok(message)
        }
    }
}

/// How long the message says that it is which [`unwrap`] gives; the payload's own length if it does not say.
pub(crate) fn unwrapped_length(codec: Codec, payload: &[u8]) -> usize {
    match codec {
        #[cfg(feature = "blosc")]
        Codec::MsgPackBlosc => blosc::announced_length(payload),
        _ => payload.len(),
    }
}

/// Appends the frame's payload for `message`.
pub(crate) fn wrap(codec: Codec, message: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    match codec {
        Codec::Json | Codec::MsgPack => out.extend_from_slice(message),
        #[cfg(feature = "blosc")]
        Codec::MsgPackBlosc => blosc::compress(message, &blosc::Options::default(), out)
            .map_err(|error| CodecError::Compression(error.to_string()))?,
        Codec::Custom(codec) => codec.encode(message, out)?,
    }
    Ok(())
}

/// Appends `value` to `out`. On an error `out` is as it was.
///
/// # Errors
/// The value cannot be written in this format or scope.
pub fn encode<T: Serialize + ?Sized>(
    format: Format,
    codec_context: &CodecContext,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    encode_with(codec_context, out, |out| write(format, codec_context.budget(), value, out))
}

/// Runs `encode` in `codec_context`. If it fails, `out` is as it was.
#[inline]
pub(crate) fn encode_with(
    codec_context: &CodecContext,
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let start = out.len();
    match codec_context.enter(|| encode(out)) {
        Ok(()) => Ok(()),
        Err(error) => {
            out.truncate(start);
            Err(error.settle())
        }
    }
}

/// Appends a number.
pub(crate) fn write_u64(format: Format, number: u64, out: &mut Vec<u8>) {
    match format {
        Format::Json => json::write_u64(number, out),
        Format::MsgPack => msgpack::write_u64(number, out),
    }
}

/// Appends the path of the function `name` in the service at `service`, of which the root's is empty.
#[inline]
pub(crate) fn write_path(
    format: Format,
    service: &str,
    name: &str,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    match format {
        _ if service.is_empty() => write(format, Budget::DEFAULT, name, out),
        Format::Json => {
            json::encode_path(service, name, out);
            Ok(())
        }
        Format::MsgPack => msgpack::encode_path(service, name, out),
    }
}

/// Appends `value`, in the scope that has been entered.
#[inline]
pub(crate) fn write<T: Serialize + ?Sized>(
    format: Format,
    budget: Budget,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    match format {
        Format::Json => json::encode(value, budget, out),
        Format::MsgPack => msgpack::encode(value, budget, out),
    }
}

/// Reads the one value that `bytes` holds.
///
/// # Errors
/// The bytes are not exactly one value, exceed the scope's budget, or do not fit `T`.
#[inline]
pub fn decode<'de, T: Deserialize<'de>>(
    format: Format,
    bytes: &'de [u8],
    codec_context: &CodecContext,
) -> Result<T, CodecError> {
    match read(format, bytes, codec_context, Reading::PLAIN) {
        Ok(value) => Ok(value),
        Err(error) => read_again(format, bytes, codec_context, error),
    }
}

#[inline]
fn read<'de, T: Deserialize<'de>>(
    format: Format,
    bytes: &'de [u8],
    codec_context: &CodecContext,
    reading: Reading,
) -> Result<T, CodecError> {
    codec_context.enter(|| match format {
        Format::Json => json::decode(bytes, codec_context.budget(), reading),
        Format::MsgPack => msgpack::decode(bytes, codec_context.budget(), reading),
    })
}

/// Reads a value that did not fit, in other ways. If that is in vain, the first error says more, unless that was doubles.
#[cold]
fn read_again<'de, T: Deserialize<'de>>(
    format: Format,
    bytes: &'de [u8],
    codec_context: &CodecContext,
    error: CodecError,
) -> Result<T, CodecError> {
    let error = error.settle();
    let missing = Reading::take_missing();
    if !matches!(error, CodecError::Value(_)) {
        return Err(error);
    }
    let again = |reading| read(format, bytes, codec_context, reading);
    let last_wins = Reading { last_wins: true, ..Reading::PLAIN };
    let second = match again(last_wins) {
        Ok(value) => return Ok(value),
        Err(error) => error.settle(),
    };
    if format == Format::Json && (missing.word_keys || Reading::take_missing().word_keys) {
        let all = again(Reading { word_keys: true, ..last_wins });
        Reading::take_missing();
        if all.is_ok() {
            return all;
        }
    }
    Err(if missing.last_wins { second } else { error })
}

/// Says in an error that serde or the type made in front of which byte it arose.
#[cold]
fn locate(error: CodecError, at: usize) -> CodecError {
    match error.settle() {
        CodecError::Value(text) => CodecError::Value(format!("{text} (before byte {at})")),
        error => error,
    }
}
