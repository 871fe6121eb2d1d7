//! `Blob`: bytes that are shared instead of copied.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::buffer_pool;

/// Shared bytes that pass between messages and the program without being copied.
///
/// A blob is the fastest way to send large arrays. On the wire it is what `serde_bytes::ByteBuf` writes, and in Python
/// `bytes`, so each side chooses its own type. JSON has no bytes.
///
/// A decoded blob keeps alive the memory it arrived in: its whole message, or the buffer of up to 512 KiB into which
/// messages of less than 256 KiB are read. That memory is never more than eight times the length of the blob: a blob
/// that would keep more, such as any of less than 64 KiB, is copied. To store a blob for long, copy it with
/// [`to_vec`](slice::to_vec).
///
/// ```
/// use aiomas_core::wire::{Blob, Body, Format, Payload, CodecContext};
///
/// let blob = Blob::from(vec![1; 1 << 20]);
/// let body = Body::encode(Format::MsgPack, &CodecContext::default(), &(3, &blob))?;
/// let payload = Payload::new(Format::MsgPack, body.into_bytes(), CodecContext::default());
/// let (_, back): (i64, Blob) = payload.decode()?;
/// assert_eq!(back, blob);
/// # Ok::<(), aiomas_core::wire::CodecError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(Bytes);

/// The length in bytes below which a blob is copied, because sharing would cost more.
pub(super) const SHARED: usize = 32 * 1024;
/// The largest factor by which the memory that a blob keeps alive exceeds its length.
const KEPT: usize = 8;

/// The name of the newtype struct that marks a blob for this crate's serializers.
pub(super) const NAME: &str = "_aiomas::Blob";

// Thread-locals, since the `Serialize` and `Deserialize` of the program's types lie between the codec and a blob, and pass no
// argument of ours on.
thread_local! {
    /// The bytes being decoded.
    static SOURCE: Cell<Option<Bytes>> = const { Cell::new(None) };
    /// The address of the buffer whose blobs are left out.
    static TARGET: Cell<usize> = const { Cell::new(0) };
    /// `true` if `LEFT_OUT` has entries.
    static ANY: Cell<bool> = const { Cell::new(false) };
    static LEFT_OUT: RefCell<Vec<LeftOut>> = const { RefCell::new(Vec::new()) };
    /// The blob being serialized.
    static CURRENT: Cell<Option<Bytes>> = const { Cell::new(None) };
}

struct LeftOut {
    target: usize,
    at: usize,
    bytes: Bytes,
}

/// Runs `decode`; the blobs it decodes may share the memory of `source`.
#[inline]
pub fn shared_with<R>(source: &Bytes, decode: impl FnOnce() -> R) -> R {
    let _outer = Outer(SOURCE.replace(Some(source.clone())));
    decode()
}

/// Restores the outer source on drop, also when `decode` panics.
struct Outer(Option<Bytes>);

impl Drop for Outer {
    fn drop(&mut self) {
        SOURCE.set(self.0.take());
    }
}

/// Returns the part of the source that `bytes` points into, unless copying is cheaper.
fn part(bytes: &[u8]) -> Option<Bytes> {
    if bytes.len() < SHARED {
        return None;
    }
    let source = SOURCE.take()?;
    let at = (bytes.as_ptr() as usize).checked_sub(source.as_ptr() as usize);
    let end = at.and_then(|at| at.checked_add(bytes.len()));
    // A short message shares its buffer with other messages.
    let kept =
        if source.len() < buffer_pool::LARGE { 2 * buffer_pool::LARGE } else { source.len() };
    let part = match (at, end) {
        (Some(at), Some(end)) if end <= source.len() && kept / KEPT <= bytes.len() => {
            Some(source.slice(at..end))
        }
        _ => None,
    };
    SOURCE.set(Some(source));
    part
}

/// The blobs left out of a buffer, each with its position, in order.
pub type Blobs = Box<[(usize, Bytes)]>;

/// Runs `encode`, which may leave blobs out of `out`, and returns them.
#[inline]
pub fn left_out<R>(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> R,
) -> (R, Option<Blobs>) {
    let target = address(out);
    let panics = Panics { target, outer: TARGET.replace(target) };
    let result = encode(out);
    TARGET.set(panics.outer);
    std::mem::forget(panics);
    (result, if ANY.get() { take(target) } else { None })
}

/// Removes and returns all blobs left out of the buffer `target`.
#[cold]
fn take(target: usize) -> Option<Blobs> {
    LEFT_OUT.with_borrow_mut(|left_out| {
        let blobs = left_out.extract_if(.., |blob| blob.target == target);
        let blobs: Blobs = blobs.map(|blob| (blob.at, blob.bytes)).collect();
        ANY.set(!left_out.is_empty());
        (!blobs.is_empty()).then_some(blobs)
    })
}

/// Restores the outer buffer when encoding panics.
struct Panics {
    target: usize,
    outer: usize,
}

impl Drop for Panics {
    #[cold]
    fn drop(&mut self) {
        TARGET.set(self.outer);
        drop(take(self.target));
    }
}

fn address(out: &Vec<u8>) -> usize {
    std::ptr::from_ref(out) as usize
}

/// Records `bytes` as left out at the end of `out`. Returns `false` if the caller must copy them.
pub fn leave_out(out: &Vec<u8>, bytes: &Bytes) -> bool {
    let target = address(out);
    let leaves = bytes.len() >= SHARED && TARGET.get() == target;
    if leaves {
        ANY.set(true);
        let blob = LeftOut { target, at: out.len(), bytes: bytes.clone() };
        LEFT_OUT.with_borrow_mut(|left_out| left_out.push(blob));
    }
    leaves
}

/// Adjusts the positions of blobs after `count` bytes were inserted into `out` at `start`.
///
/// A blob at exactly `start` stays in front of the insertion: its own head would lie before `start`.
pub(super) fn moved(out: &Vec<u8>, start: usize, count: usize) {
    if ANY.get() {
        let target = address(out);
        LEFT_OUT.with_borrow_mut(|left_out| {
            let behind = |blob: &&mut LeftOut| blob.target == target && blob.at > start;
            left_out.iter_mut().filter(behind).for_each(|blob| blob.at += count);
        });
    }
}

/// Takes the blob that is being serialized.
pub(super) fn current() -> Option<Bytes> {
    CURRENT.take()
}

/// Bytes as any `serde` type writes them.
#[derive(Clone, Copy)]
struct Plain<'a>(&'a [u8]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CURRENT.set(Some(self.0.clone()));
        let result = serializer.serialize_newtype_struct(NAME, &Plain(&self.0));
        CURRENT.set(None);
        result
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlobVisitor;
        impl<'de> Visitor<'de> for BlobVisitor {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(part(bytes).unwrap_or_else(|| Bytes::copy_from_slice(bytes))))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(bytes.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Blob, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_byte_buf(BlobVisitor)
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Blob {
    /// Takes the bytes without copying them.
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Blob> for Bytes {
    fn from(blob: Blob) -> Self {
        blob.0
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use serde::ser::{SerializeSeq, SerializeTuple};

    use super::*;
    use crate::wire::{Body, CodecContext, Format, Payload, codec};

    fn blob(length: usize) -> Blob {
        (0..length).map(|i| i as u8).collect::<Vec<_>>().into()
    }

    fn encode(value: &impl Serialize) -> Body {
        Body::encode(Format::MsgPack, &CodecContext::default(), value).expect("it can be written")
    }

    fn payload(body: Body) -> Payload {
        Payload::new(Format::MsgPack, body.into_bytes(), CodecContext::default())
    }

    fn plain(value: &impl Serialize) -> Vec<u8> {
        let mut out = Vec::new();
        codec::encode(Format::MsgPack, &CodecContext::default(), value, &mut out)
            .expect("it is fine");
        out
    }

    fn shared(body: &Body) -> Vec<*const u8> {
        let mut parts = Vec::new();
        body.for_each_part(|bytes, _| parts.push(bytes.as_ptr()));
        parts
    }

    #[test]
    fn large_ones_are_not_copied_into_bodies() {
        for (length, copied) in [(0, true), (SHARED - 1, true), (SHARED, false), (1 << 20, false)] {
            let blob = blob(length);
            let body = encode(&("text", &blob, [&blob, &blob], 4));
            assert_eq!(!shared(&body).contains(&blob.as_ptr()), copied, "{length}");
            let bytes = Plain(&blob);
            let expected = plain(&("text", bytes, [bytes, bytes], 4));
            assert_eq!(plain(&("text", &blob, [&blob, &blob], 4)), expected);
            assert_eq!(body.len(), expected.len());
            assert_eq!(body.bytes(), expected);
        }
    }

    /// A sequence of unknown length, whose head the serializer inserts afterwards.
    struct Unknown<T>(T);

    impl<T: Serialize> Serialize for Unknown<T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(None)?;
            (0..20).try_for_each(|_| seq.serialize_element(&self.0))?;
            seq.end()
        }
    }

    /// A type whose `Serialize` encodes another message.
    struct Meanwhile(Blob);

    impl Serialize for Meanwhile {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut tuple = serializer.serialize_tuple(2)?;
            tuple.serialize_element(&self.0)?;
            let expected = plain(&Plain(&self.0));
            assert_eq!(plain(&self.0), expected);
            assert_eq!(encode(&self.0).bytes(), expected);
            assert_eq!(shared(&encode(&self.0))[1], self.0.as_ptr());
            tuple.serialize_element(&self.0)?;
            tuple.end()
        }
    }

    #[test]
    fn they_stay_in_their_places() {
        let blob = blob(SHARED);
        let bytes = Plain(&blob);
        let body = encode(&(1, Unknown(Unknown(&blob)), &blob));
        assert!(body.bytes() == plain(&(1, Unknown(Unknown(bytes)), bytes)));
        let body = encode(&[Meanwhile(blob.clone()), Meanwhile(blob.clone())]);
        assert!(body.bytes() == plain(&[[bytes, bytes], [bytes, bytes]]));

        #[derive(Serialize)]
        #[serde(rename = "_ExtStruct")]
        struct Ext<T>((i8, T));
        let body = encode(&(Ext((7, &blob)), &blob));
        assert!(body.bytes() == plain(&(Ext((7, bytes)), bytes)));
    }

    #[test]
    fn nothing_is_left_of_what_failed() {
        struct Fails(Blob, bool);
        impl Serialize for Fails {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut tuple = serializer.serialize_tuple(2)?;
                tuple.serialize_element(&self.0)?;
                assert!(!self.1, "it was told so");
                Err(serde::ser::Error::custom("it was told so"))
            }
        }
        let blob = blob(SHARED);
        for panics in [false, true] {
            let result = std::panic::catch_unwind(|| {
                Body::encode(
                    Format::MsgPack,
                    &CodecContext::default(),
                    &Fails(blob.clone(), panics),
                )
                .is_err()
            });
            assert_eq!(result.ok(), (!panics).then_some(true));
            assert!(!ANY.get() && TARGET.get() == 0);
            assert!(LEFT_OUT.with_borrow(Vec::is_empty));
            assert_eq!(encode(&(1, 2)).bytes(), [0x92, 1, 2]);
        }
        let json = Body::encode(Format::Json, &CodecContext::default(), &blob);
        assert!(json.is_err(), "JSON has no bytes");
        assert!(!ANY.get());
        assert_eq!(serde_json::to_string(&Blob::from(vec![1, 2])).expect("a list"), "[1,2]");
    }

    #[test]
    fn large_ones_are_parts_of_their_message() {
        let least = 64 * 1024;
        for (length, copied) in [(0, true), (least - 1, true), (least, false), (1 << 20, false)] {
            let sent = blob(length);
            let payload = payload(encode(&("text", &sent, 3)));
            let (_, came, _): (String, Blob, i64) = payload.decode().expect("it is that");
            assert_eq!(came, sent);
            let inside = payload.bytes().as_ptr_range().contains(&came.as_ptr());
            assert_eq!(inside && length > 0, !copied, "{length}");
            let (_, borrowed, _): (String, &[u8], i64) = payload.decode().expect("it is that");
            assert_eq!(borrowed, &*came);
        }
        assert!(SOURCE.take().is_none());
    }

    #[test]
    fn a_small_part_of_a_large_message_is_copied() {
        for (others, copied) in [(6, false), (7, true)] {
            let sent = blob(128 * 1024);
            let payload = payload(encode(&(&sent, vec![&sent; others])));
            let (came, _): (Blob, Vec<&[u8]>) = payload.decode().expect("it is that");
            assert_eq!(came, sent);
            let inside = payload.bytes().as_ptr_range().contains(&came.as_ptr());
            assert_eq!(inside, !copied, "beside {others} others");
        }
    }

    #[test]
    fn what_is_elsewhere_is_copied() {
        let (outer, inner) = (payload(encode(&blob(SHARED))), payload(encode(&blob(SHARED))));
        let decoded = shared_with(&outer.clone().into_bytes(), || {
            codec::decode::<Blob>(Format::MsgPack, inner.bytes(), &CodecContext::default())
        });
        let decoded = decoded.expect("a blob");
        assert_eq!(decoded, blob(SHARED));
        assert!(!inner.bytes().as_ptr_range().contains(&decoded.as_ptr()));
        let list = payload(encode(&[1, 2, 3]));
        assert_eq!(list.decode::<Blob>().expect("bytes, too"), Blob::from(vec![1, 2, 3]));
        assert!(payload(encode(&"text")).decode::<Blob>().is_err());
    }
}
