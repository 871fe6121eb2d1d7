//! Codecs: the formats that messages are written in.

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

/// The format of encoded values. A [`Codec`] is a format, plain or inside a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON as Python's `json` module writes and reads it.
    ///
    /// `NaN`, `Infinity` and integers of any size are values.
    Json,
    /// MessagePack.
    MsgPack,
}

/// The codec of a connection's messages.
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
    /// A codec that the application implements.
    Custom(&'static dyn CustomCodec),
}

/// A codec of the application, which translates whole messages to and from MessagePack.
///
/// A compressor translates the bytes; another format decodes the MessagePack into a [`Value`](super::Value) and encodes
/// that. In aiomas, such a codec is a subclass of `Codec`. A frame does not name its custom codec, so both sides must
/// be configured with it; a listener with a custom codec accepts no other.
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
    /// Returns the name of the codec, for errors and for Hello.
    fn name(&self) -> &'static str;

    /// Appends the payload of a frame for the message `msgpack`.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if this codec cannot write the message; only the call of that message fails.
    fn encode(&self, msgpack: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Translates the payload of a frame into a MessagePack message of at most `max` bytes.
    ///
    /// `max` is [`Limits::max_frame`](crate::connection::Limits::max_frame). A codec whose payloads expand, such as a
    /// compressor, should stop at `max` instead of checking after the whole message is in memory.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the payload is malformed or too large; the connection then closes.
    fn decode(&self, payload: &[u8], max: usize) -> Result<Bytes, CodecError>;
}

impl Codec {
    /// Returns the format inside the codec.
    #[must_use]
    pub const fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            #[cfg(feature = "blosc")]
            Self::MsgPackBlosc => Format::MsgPack,
            Self::MsgPack | Self::Custom(_) => Format::MsgPack,
        }
    }

    /// Returns `true` if messages are written without a container.
    #[must_use]
    pub(crate) const fn is_plain(self) -> bool {
        matches!(self, Self::Json | Self::MsgPack)
    }

    /// Returns `true` if a message of few bytes may expand to many.
    #[must_use]
    pub(crate) const fn is_compressed(self) -> bool {
        match self {
            #[cfg(feature = "blosc")]
            Self::MsgPackBlosc => true,
            _ => false,
        }
    }

    /// Returns the name of the codec as in aiomas: `json`, `msgpack`, `msgpackblosc`.
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

    /// Returns the codec of a payload that begins with `first`.
    ///
    /// Returns `None` if no message begins with `first`.
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

/// Returns the message inside a frame's payload, of at most `max` bytes.
///
/// The message is in the format of the codec.
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

/// Returns the announced length in bytes of the message that [`unwrap`] returns.
///
/// Without an announced length, returns the length of the payload.
pub(crate) fn unwrapped_length(codec: Codec, payload: &[u8]) -> usize {
    match codec {
        #[cfg(feature = "blosc")]
        Codec::MsgPackBlosc => blosc::announced_length(payload),
        _ => payload.len(),
    }
}

/// Appends the payload of a frame for `message`.
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

/// Encodes `value` and appends it to `out`.
///
/// # Errors
/// Returns a [`CodecError`] if this format or context cannot represent the value. `out` is then unchanged.
pub fn encode<T: Serialize + ?Sized>(
    format: Format,
    codec_context: &CodecContext,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    encode_with(codec_context, out, |out| write(format, codec_context.budget(), value, out))
}

/// Runs `encode` in `codec_context`. If it fails, `out` is unchanged.
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

/// Appends the path of the function `name` in the service at `service`.
///
/// The path of the root service is empty.
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

/// Appends `value`, in the context already entered.
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

/// Decodes the single value in `bytes`.
///
/// # Errors
/// Returns a [`CodecError`] if the bytes are not exactly one value, exceed the budget of the context, or do not fit
/// `T`.
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

/// Retries decoding with other [`Reading`] options after a mismatch.
///
/// If the retries fail, returns the first error, which says more, unless that was about duplicate fields.
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

/// Adds to a serde or type error the position before which it arose.
#[cold]
fn locate(error: CodecError, at: usize) -> CodecError {
    match error.settle() {
        CodecError::Value(text) => CodecError::Value(format!("{text} (before byte {at})")),
        error => error,
    }
}
