//! The content of a request: `[path, args, kwargs]`.

use bytes::{BufMut, Bytes};
use serde::Serialize;

use super::plain::PlainCall;
use super::{Arguments, Path};
use crate::wire::codec::{self, Cursor, Item};
use crate::wire::{
    Body, Budget, CodecContext, CodecError, Format, Payload, RemoteError, Scratch, blob,
    buffer_pool,
};

/// A received request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The path of the called function.
    pub path: Path<'a>,
    /// The arguments of the call.
    pub arguments: Arguments<'a>,
}

/// The error of a request whose content is not a call.
///
/// aiomas does not answer such a request; this crate answers with the `TypeError` into which this error converts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The content is malformed or exceeds the budget of the connection.
    #[error("the request's content is malformed: {0}")]
    Codec(#[from] CodecError),
    /// The content is not an array of three.
    #[error("the content of a request must be an array of three: [path, args, kwargs]")]
    NotATriple,
    /// The path is not a string.
    #[error("the path of a request must be a string")]
    PathNotString,
}

impl From<RequestError> for RemoteError {
    fn from(error: RequestError) -> Self {
        match error {
            // No function has so long a path.
            RequestError::Codec(error @ CodecError::PathTooLong { .. }) => Self::lookup(error),
            error => Self::type_error(error),
        }
    }
}

impl<'a> Request<'a> {
    /// Finds the path and the arguments. The arguments are checked, but not decoded.
    ///
    /// [`bind`](Arguments::bind) later checks that `args` is an array and `kwargs` a map, because Python's message for
    /// this error names the function.
    ///
    /// # Errors
    /// Returns a [`RequestError`] if the content is not exactly one triple with a path.
    #[inline]
    pub fn parse(payload: &'a Payload) -> Result<Self, RequestError> {
        let (format, bytes) = (payload.format(), payload.bytes());
        let budget = payload.codec_context().budget();
        if let Some(call) = PlainCall::find(format, bytes, budget) {
            budget.check_path(call.path.len())?;
            let path = Path::checked(&bytes[call.path.clone()]);
            return Ok(Self { path, arguments: Arguments::of_plain(payload, &call) });
        }
        Self::parse_any(payload)
    }

    pub(super) fn parse_any(payload: &'a Payload) -> Result<Self, RequestError> {
        let budget = payload.codec_context().budget();
        let mut cursor = Cursor::new(payload.format(), payload.bytes(), budget);
        if cursor.peek()? != Item::Array {
            return Err(RequestError::NotATriple);
        }
        let mut triple = cursor.begin_array()?;
        if !cursor.next(&mut triple)? {
            return Err(RequestError::NotATriple);
        }
        if cursor.peek()? != Item::Str {
            return Err(RequestError::PathNotString);
        }
        let path = cursor.path()?.into();
        if !cursor.next(&mut triple)? {
            return Err(RequestError::NotATriple);
        }
        let mut arguments = Arguments::new(payload);
        arguments.read_args(&mut cursor)?;
        if !cursor.next(&mut triple)? {
            return Err(RequestError::NotATriple);
        }
        arguments.read_kwargs(&mut cursor)?;
        if cursor.next(&mut triple)? {
            return Err(RequestError::NotATriple);
        }
        cursor.end()?;
        Ok(Self { path, arguments })
    }
}

/// Appends the content of a request to `out`, such as `["add", [3], {"b": 4}]`.
///
/// `args` is a sequence or a tuple, `kwargs` a map or a struct. For both, `()` stands for none. After an error, `out`
/// is unchanged.
///
/// # Errors
/// Returns a [`CodecError`] if a value cannot be encoded, or `args` or `kwargs` is of another kind.
pub fn encode_call<A: Serialize + ?Sized, K: Serialize + ?Sized>(
    format: Format,
    codec_context: &CodecContext,
    path: &str,
    args: &A,
    kwargs: &K,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    encode_call_in(format, codec_context, "", path, args, kwargs, out)
}

/// Appends a call of the function `name` in the service at the path `service`.
///
/// Otherwise like [`encode_call`].
///
/// # Errors
/// As for [`encode_call`].
pub fn encode_call_in<A: Serialize + ?Sized, K: Serialize + ?Sized>(
    format: Format,
    codec_context: &CodecContext,
    service: &str,
    name: &str,
    args: &A,
    kwargs: &K,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let budget = codec_context.budget();
    codec::encode_with(codec_context, out, |out| {
        write_triple(
            format,
            out,
            |out| codec::write_path(format, service, name, out),
            |out| write_collection(format, budget, args, ARGS, out),
            |out| write_collection(format, budget, kwargs, KWARGS, out),
        )
    })
}

type Written = Result<(), CodecError>;

#[inline]
fn write_triple(
    format: Format,
    out: &mut Vec<u8>,
    path: impl FnOnce(&mut Vec<u8>) -> Written,
    args: impl FnOnce(&mut Vec<u8>) -> Written,
    kwargs: impl FnOnce(&mut Vec<u8>) -> Written,
) -> Written {
    let json = format == Format::Json;
    out.push(if json { b'[' } else { 0x93 });
    path(out)?;
    if json {
        out.put_slice(b", ");
    }
    args(out)?;
    if json {
        out.put_slice(b", ");
    }
    kwargs(out)?;
    if json {
        out.push(b']');
    }
    Ok(())
}

/// The first bytes that identify an encoded collection.
struct Collection {
    json: u8,
    /// The MsgPack head of a short collection, with the count in the low bits. Long collections have heads of their
    /// own.
    fix: u8,
    long: [u8; 2],
    empty: &'static [u8],
    wrong: &'static str,
}

const ARGS: Collection = Collection {
    json: b'[',
    fix: 0x90,
    long: [0xdc, 0xdd],
    empty: b"[]",
    wrong: "positional arguments must be a sequence or a tuple",
};
const KWARGS: Collection = Collection {
    json: b'{',
    fix: 0x80,
    long: [0xde, 0xdf],
    empty: b"{}",
    wrong: "keyword arguments must be a map or a struct",
};

#[inline(always)]
fn write_collection<T: Serialize + ?Sized>(
    format: Format,
    budget: Budget,
    value: &T,
    collection: Collection,
    out: &mut Vec<u8>,
) -> Written {
    let start = out.len();
    codec::write(format, budget, value, out)?;
    let first = out.get(start).copied().unwrap_or_default();
    match format {
        Format::Json if first == collection.json => Ok(()),
        Format::MsgPack if first & 0xf0 == collection.fix || collection.long.contains(&first) => {
            Ok(())
        }
        // `()`, which serde calls a unit.
        Format::Json if first == b'n' => {
            out.truncate(start);
            out.put_slice(collection.empty);
            Ok(())
        }
        Format::MsgPack if first == 0xc0 => {
            out.truncate(start);
            out.put_u8(collection.fix);
            Ok(())
        }
        _ => Err(CodecError::Value(collection.wrong.into())),
    }
}

/// A builder of the content of a request, argument by argument, for untyped calls.
///
/// ```
/// use aiomas_core::rpc::Call;
/// use aiomas_core::wire::{Format, CodecContext};
///
/// let call = Call::new(Format::Json, &CodecContext::default(), "add").arg(3).kwarg("b", 4);
/// assert_eq!(call.finish()?.bytes(), br#"["add", [3], {"b": 4}]"#);
/// # Ok::<(), aiomas_core::wire::CodecError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Call {
    format: Format,
    codec_context: CodecContext,
    path: String,
    args: Parts,
    kwargs: Parts,
    error: Option<CodecError>,
}

#[derive(Clone, Debug, Default)]
struct Parts {
    count: u32,
    bytes: Vec<u8>,
    /// The blobs left out of the arguments.
    blobs: Vec<(usize, Bytes)>,
}

impl Call {
    /// Creates a call to the function at `path`, without arguments.
    #[must_use]
    pub fn new(format: Format, codec_context: &CodecContext, path: impl Into<String>) -> Self {
        let (args, kwargs) = (Parts::default(), Parts::default());
        Self {
            format,
            codec_context: codec_context.clone(),
            path: path.into(),
            args,
            kwargs,
            error: None,
        }
    }

    /// Returns the path of the called function.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Adds a positional argument.
    #[must_use]
    pub fn arg(mut self, value: impl Serialize) -> Self {
        let separator = self.separator();
        let result = self
            .args
            .add(separator, |out| codec::encode(self.format, &self.codec_context, &value, out));
        self.note(result)
    }

    /// Adds a keyword argument. Of two with the same name, the receiver takes the last.
    #[must_use]
    pub fn kwarg(mut self, name: &str, value: impl Serialize) -> Self {
        let (separator, format) = (self.separator(), self.format);
        let result = self.kwargs.add(separator, |out| {
            codec::encode(format, &self.codec_context, name, out)?;
            if format == Format::Json {
                out.put_slice(b": ");
            }
            codec::encode(format, &self.codec_context, &value, out)
        });
        self.note(result)
    }

    /// Returns the content of the request.
    ///
    /// # Errors
    /// Returns the error of the first argument that could not be encoded.
    pub fn finish(self) -> Result<Body, CodecError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let format = self.format;
        let encoded = Scratch::encode(format, |out| {
            buffer_pool::reserve(out, self.args.bytes.len() + self.kwargs.bytes.len());
            write_triple(
                format,
                out,
                |out| codec::encode(format, &self.codec_context, &self.path, out),
                |out| self.args.write(format, ARGS, out),
                |out| self.kwargs.write(format, KWARGS, out),
            )
        })?;
        Ok(encoded.into_body())
    }

    const fn separator(&self) -> &'static [u8] {
        match self.format {
            Format::Json => b", ",
            Format::MsgPack => b"",
        }
    }

    fn note(mut self, result: Written) -> Self {
        self.error = self.error.or_else(|| result.err());
        self
    }
}

impl Parts {
    fn add(&mut self, separator: &[u8], write: impl FnOnce(&mut Vec<u8>) -> Written) -> Written {
        if self.count > 0 {
            self.bytes.put_slice(separator);
        }
        self.count += 1;
        let (written, blobs) = blob::left_out(&mut self.bytes, write);
        self.blobs.extend(blobs.into_iter().flatten());
        written
    }

    fn write(&self, format: Format, collection: Collection, out: &mut Vec<u8>) -> Written {
        match (format, self.count) {
            (Format::Json, _) => out.put_u8(collection.json),
            (Format::MsgPack, count @ 0..=15) => out.put_u8(collection.fix | count as u8),
            (Format::MsgPack, count) => match u16::try_from(count) {
                Ok(count) => {
                    out.put_u8(collection.long[0]);
                    out.put_u16(count);
                }
                Err(_) => {
                    out.put_u8(collection.long[1]);
                    out.put_u32(count);
                }
            },
        }
        let mut done = 0;
        for (at, blob) in &self.blobs {
            out.put_slice(&self.bytes[done..*at]);
            if !blob::leave_out(out, blob) {
                out.put_slice(blob);
            }
            done = *at;
        }
        out.put_slice(&self.bytes[done..]);
        if format == Format::Json {
            out.put_slice(&collection.empty[1..]);
        }
        Ok(())
    }
}
