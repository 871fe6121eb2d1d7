//! Return types of functions in a [`ServiceDict`](super::ServiceDict).

use std::error::Error;
use std::fmt::{self, Display};

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

use super::arguments::encode;
use crate::wire::{Body, CodecContext, Format, Payload, RemoteError};

/// A return type of functions: a serializable value, or a `Result` of one.
///
/// An `Err` becomes a failure of the call. The error is an [`Error`], a boxed one (also that of `anyhow`), or a
/// serializable value such as a `String`. Convert any other error to a [`RemoteError`]:
/// `.map_err(RemoteError::from_error)`. Convert also an error that is both an [`Error`] and `Serialize`, for which the
/// compiler finds two implementations.
///
/// ```
/// use aiomas_core::rpc::ServiceDict;
///
/// let dict: ServiceDict<()> = ServiceDict::new("Root")
///     .function("half", ["a"], |a: i64| -> Result<i64, String> {
///         if a % 2 == 0 { Ok(a / 2) } else { Err(format!("{a} is odd")) }
///     })
///     .function("positive", ["a"], |a: u32| a.checked_sub(1).ok_or("zero"))
///     .function("parse", ["text"], |text: String| text.parse::<i64>());
/// ```
#[diagnostic::on_unimplemented(
    message = "a function of a service cannot return `{Self}`",
    note = "it returns a value that implements `serde::Serialize`, or a `Result` of one",
    note = "of another error, make a `RemoteError`: `.map_err(RemoteError::from_error)`"
)]
pub trait Return<Kind> {
    /// Encodes the answer to a call.
    ///
    /// # Errors
    /// Returns the function's own error, or a `SerializationError` if the value cannot be encoded.
    fn answer(self, format: Format, codec_context: &CodecContext) -> Result<Body, RemoteError>;
}

/// Marks a serializable value, or a `Result` with a serializable error.
#[derive(Debug)]
pub enum Plain {}

/// Marks a `Result` of an [`Error`], which [`RemoteError::from_source`] converts.
#[derive(Debug)]
pub enum Fallible {}

/// Marks a `Result` of a `Box<dyn Error>`.
#[derive(Debug)]
pub enum Boxed {}

/// Marks a `Result` of another type-erased error.
///
/// An example is `Box<dyn Error + Send + Sync>`.
#[derive(Debug)]
pub enum Dynamic {}

impl<T: Serialize> Return<Plain> for T {
    fn answer(self, format: Format, codec_context: &CodecContext) -> Result<Body, RemoteError> {
        match self.serialize(OfResult { format, codec_context }) {
            Ok(answer) => answer,
            Err(NoResult) => encode(format, codec_context, &self),
        }
    }
}

impl<T: Serialize, E: Error + 'static> Return<Fallible> for Result<T, E> {
    fn answer(self, format: Format, codec_context: &CodecContext) -> Result<Body, RemoteError> {
        self.map_err(RemoteError::from_source)
            .and_then(|value| encode(format, codec_context, &value))
    }
}

impl<T: Serialize> Return<Boxed> for Result<T, Box<dyn Error>> {
    fn answer(self, format: Format, codec_context: &CodecContext) -> Result<Body, RemoteError> {
        answer(self, format, codec_context)
    }
}

impl<T, E> Return<Dynamic> for Result<T, E>
where
    T: Serialize,
    E: AsRef<dyn Error + Send + Sync> + Display + 'static,
{
    fn answer(self, format: Format, codec_context: &CodecContext) -> Result<Body, RemoteError> {
        answer(self, format, codec_context)
    }
}

fn answer<E: Display + 'static>(
    result: Result<impl Serialize, E>,
    format: Format,
    codec_context: &CodecContext,
) -> Result<Body, RemoteError> {
    result.map_err(RemoteError::from_error).and_then(|value| encode(format, codec_context, &value))
}

/// Converts a serializable error to a failure, whose message is its text or its JSON.
fn failure<E: Serialize + ?Sized>(error: &E, codec_context: &CodecContext) -> RemoteError {
    let kind = RemoteError::kind_of(std::any::type_name::<E>());
    match Body::encode(Format::Json, codec_context, error) {
        Ok(body) => {
            let payload = Payload::new(Format::Json, body.into_bytes(), codec_context.clone());
            let text = payload.decode::<String>();
            let text =
                text.unwrap_or_else(|_| String::from_utf8_lossy(payload.bytes()).into_owned());
            RemoteError::new(kind, text)
        }
        Err(error) => RemoteError::serialization(error),
    }
}

/// A serializer that encodes an `Ok`, and turns an `Err` into a failure.
///
/// The type system cannot tell whether a serializable type is a `Result`, but serde can: it writes a `Result` as an
/// enum of that name.
struct OfResult<'a> {
    format: Format,
    codec_context: &'a CodecContext,
}

/// The error for a value that is not a `Result`. Nothing of the value has been written.
#[derive(Debug)]
struct NoResult;

impl Display for NoResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no Result")
    }
}

impl Error for NoResult {}

impl ser::Error for NoResult {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

type Answer = Result<Body, RemoteError>;

macro_rules! no_result {
    ($($name:ident($($ty:ty),*) -> $ok:ty;)*) => {
        $(
            #[inline]
            fn $name(self, $(_: $ty),*) -> Result<$ok, NoResult> {
                Err(NoResult)
            }
        )*
    };
}

impl Serializer for OfResult<'_> {
    type Ok = Answer;
    type Error = NoResult;
    type SerializeSeq = Impossible<Answer, NoResult>;
    type SerializeTuple = Impossible<Answer, NoResult>;
    type SerializeTupleStruct = Impossible<Answer, NoResult>;
    type SerializeTupleVariant = Impossible<Answer, NoResult>;
    type SerializeMap = Impossible<Answer, NoResult>;
    type SerializeStruct = Impossible<Answer, NoResult>;
    type SerializeStructVariant = Impossible<Answer, NoResult>;

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Answer, NoResult> {
        match (name, variant) {
            ("Result", "Ok") => Ok(encode(self.format, self.codec_context, value)),
            ("Result", "Err") => Ok(Err(failure(value, self.codec_context))),
            _ => Err(NoResult),
        }
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Answer, NoResult> {
        Err(NoResult)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Answer, NoResult> {
        Err(NoResult)
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<Answer, NoResult> {
        Err(NoResult)
    }

    no_result! {
        serialize_bool(bool) -> Answer;
        serialize_i8(i8) -> Answer;
        serialize_i16(i16) -> Answer;
        serialize_i32(i32) -> Answer;
        serialize_i64(i64) -> Answer;
        serialize_i128(i128) -> Answer;
        serialize_u8(u8) -> Answer;
        serialize_u16(u16) -> Answer;
        serialize_u32(u32) -> Answer;
        serialize_u64(u64) -> Answer;
        serialize_u128(u128) -> Answer;
        serialize_f32(f32) -> Answer;
        serialize_f64(f64) -> Answer;
        serialize_char(char) -> Answer;
        serialize_str(&str) -> Answer;
        serialize_bytes(&[u8]) -> Answer;
        serialize_none() -> Answer;
        serialize_unit() -> Answer;
        serialize_unit_struct(&'static str) -> Answer;
        serialize_unit_variant(&'static str, u32, &'static str) -> Answer;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn say<K, T: Return<K>>(value: T) -> String {
        match value.answer(Format::Json, &CodecContext::default()) {
            Ok(body) => String::from_utf8_lossy(&body.into_bytes()).into_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// Returns the answers for `Ok(1)` and for `Err(error)`.
    fn both<K, E: Debug>(error: E) -> String
    where
        Result<i64, E>: Return<K>,
    {
        assert_eq!(say(Ok::<i64, E>(1)), "1");
        say(Err::<i64, E>(error))
    }

    #[derive(Debug, Serialize)]
    enum Written {
        Odd,
        Far { by: i64 },
    }

    #[derive(Debug)]
    struct Meant;

    impl Display for Meant {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("meant so")
        }
    }

    impl Error for Meant {}

    #[test]
    fn the_error_of_a_result_is_a_failure() {
        assert_eq!(both("odd".to_owned()), "Exception: odd");
        assert_eq!(both("odd"), "Exception: odd");
        assert_eq!(both(std::borrow::Cow::Borrowed("odd")), "Exception: odd");
        assert_eq!(both(Box::<str>::from("odd")), "Exception: odd");
        assert_eq!(both(Written::Odd), "Written: Odd");
        assert_eq!(both(Written::Far { by: 3 }), r#"Written: {"Far": {"by": 3}}"#);
        assert_eq!(both(7), "i32: 7");
        assert_eq!(both(Meant), "Meant: meant so");
        assert_eq!(
            both("x".parse::<i64>().unwrap_err()),
            "ParseIntError: invalid digit found in string"
        );
        assert_eq!(both(std::io::Error::other("torn")), "Error: torn");
        assert_eq!(both(RemoteError::value_error("none")), "ValueError: none");
        assert_eq!(both(Box::<dyn Error>::from("boxed")), "Exception: boxed");
        assert_eq!(both(Box::<dyn Error + Send + Sync>::from("boxed")), "Exception: boxed");
    }

    #[test]
    fn other_values_are_results() {
        assert_eq!(say(Written::Odd), r#""Odd""#);
        assert_eq!(say(Written::Far { by: 3 }), r#"{"Far": {"by": 3}}"#);
        assert_eq!(say(Some(5)), "5");
        assert_eq!(say(vec![(1, "x")]), r#"[[1, "x"]]"#);
        assert_eq!(say(()), "null");
        // Only a whole answer counts as a `Result`.
        assert_eq!(say(vec![Err::<i64, _>("x")]), r#"[{"Err": "x"}]"#);
    }
}
