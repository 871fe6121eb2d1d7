//! Bytes on the wire: frames, envelopes, codecs and values.
//!
//! A **frame** is a length (u32, big endian) and that many bytes of payload. The payload is an **envelope** `[type, id,
//! content]`, encoded with a [`Codec`]. The first byte identifies the codec, so that every frame can be read on its
//! own. The content stays undecoded in a [`Payload`] until the program reads it.

#[doc(hidden)]
pub mod blob;
#[doc(hidden)]
pub mod buffer_pool;
pub mod codec;
mod envelope;
mod error;
mod failure;
mod frame;
mod payload;
mod printable;
mod scratch;
pub mod typed;
mod types;
mod value;

pub(crate) use envelope::{Head, envelope_tail, write_head};
#[doc(hidden)]
pub use failure::causes;
#[doc(hidden)]
pub use frame::missing;
pub(crate) use frame::take_frame;

pub use blob::Blob;
pub(crate) use blob::Blobs;
pub use codec::{Codec, CustomCodec, Format};
pub use envelope::{Envelope, Kind, MessageId};
pub use error::CodecError;
pub(crate) use error::Reading;
pub use failure::{Profile, RemoteError};
pub use frame::{Deframer, FrameError, HEADER};
pub use payload::{Body, Payload};
pub use printable::Printable;
#[doc(hidden)]
pub use scratch::Scratch;
pub use types::{Budget, CodecContext, Types};
pub use value::{Integer, ParseIntegerError, Value};
