//! Failures: the errors that answer requests.

use std::any::Any;
use std::error::Error;
use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

use super::codec::excerpt::{head, tail};
use super::{Body, CodecContext, Format, Printable};

mod read;

/// The form in which failures are sent. Both forms are accepted from the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// The form of aiomas: a Python traceback, or only its last line `Type: message`.
    #[default]
    Aiomas,
    /// The form of mosaik's simulator API: `[type, message, lines...]`.
    Mosaik,
}

/// The reason why a request failed on the other side, or fails on this side.
///
/// aiomas sends a traceback, whose last line is `Type: message`; mosaik sends a list. Every failure has a
/// [`kind`](Self::kind), a [`message`](Self::message) and the whole [`text`](Self::text). All three are text of the
/// peer: only `Display` makes them safe to print.
///
/// ```
/// use aiomas_core::wire::RemoteError;
///
/// let error = RemoteError::value_error("the power must be positive");
/// assert_eq!(error.to_string(), "ValueError: the power must be positive");
///
/// let python = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'x'\n";
/// let error = RemoteError::from_text(python);
/// assert_eq!((error.kind(), error.message()), ("KeyError", "'x'"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteError(Box<Parts>);

/// The parts of an error, boxed to keep every `Result` small.
#[derive(Clone, PartialEq, Eq)]
struct Parts {
    kind: Box<str>,
    message: Box<str>,
    text: Box<str>,
}

const PANICKED: &str = "the method panicked";

impl RemoteError {
    /// The kind of an error of unknown type: Python's base class.
    pub const UNKNOWN: &str = "Exception";

    /// The kind of the error of a method that panicked.
    pub const PANIC: &str = "Panic";

    /// Creates the error of a method that panicked with the given text.
    #[must_use]
    pub fn panic(text: Option<&str>) -> Self {
        Self::new(Self::PANIC, text.unwrap_or(PANICKED))
    }

    /// Creates an error of the exception type `kind`, a name such as `ValueError`.
    #[must_use]
    pub fn new(kind: impl Into<String>, message: impl Display) -> Self {
        let (kind, message) = (kind.into(), message.to_string());
        let text = traceback_line(&kind, &message);
        Self::of_parts(kind.into(), message.into(), text.into())
    }

    fn of_parts(kind: Box<str>, message: Box<str>, text: Box<str>) -> Self {
        Self(Box::new(Parts { kind, message, text }))
    }

    /// Creates a `LookupError`: the service or function does not exist or is not exposed.
    #[must_use]
    pub fn lookup(message: impl Display) -> Self {
        Self::new("LookupError", message)
    }

    /// Creates a `TypeError`: the arguments do not fit the function.
    #[must_use]
    pub fn type_error(message: impl Display) -> Self {
        Self::new("TypeError", message)
    }

    /// Creates a `ValueError`.
    #[must_use]
    pub fn value_error(message: impl Display) -> Self {
        Self::new("ValueError", message)
    }

    /// Creates a `PermissionError`: the caller lacks the permission.
    #[must_use]
    pub fn permission(message: impl Display) -> Self {
        Self::new("PermissionError", message)
    }

    /// Creates a `SerializationError`, named with its module as in aiomas: a value cannot be encoded.
    #[must_use]
    pub fn serialization(why: impl Display) -> Self {
        Self::new(
            "aiomas.exceptions.SerializationError",
            format_args!("Could not serialize the result: {why}"),
        )
    }

    /// Creates an error from any error of this side.
    ///
    /// Its kind is the name of the type (`ParseIntError`), or [`UNKNOWN`](Self::UNKNOWN) for strings and boxed errors,
    /// whose causes are in the text. A `RemoteError` is returned unchanged. For an error of a known type,
    /// [`from_source`](Self::from_source) also keeps the causes.
    pub fn from_error<E: Display + 'static>(error: E) -> Self {
        let mut error = Some(error);
        let any: &mut dyn Any = &mut error;
        if let Some(same) = any.downcast_mut::<Option<Self>>().and_then(Option::take) {
            return same;
        }
        let causes = match any.downcast_ref::<Option<Box<dyn Error + Send + Sync>>>() {
            Some(boxed) => boxed.as_ref().map(|error| causes(&**error)),
            None => any
                .downcast_ref::<Option<Box<dyn Error>>>()
                .and_then(Option::as_ref)
                .map(|error| causes(&**error)),
        };
        let kind = Self::kind_of(std::any::type_name::<E>());
        let message = error.map(|e| e.to_string()).unwrap_or_default();
        Self::new(kind, message).caused_by(causes.unwrap_or_default())
    }

    /// Returns the kind of an error whose type has this path.
    pub(crate) fn kind_of(type_name: &str) -> &str {
        let name = type_name.split('<').next().and_then(|name| name.rsplit("::").next());
        let kind = name.filter(|name| !matches!(*name, "Box" | "String" | "&str" | "str" | "Cow"));
        kind.unwrap_or(Self::UNKNOWN)
    }

    /// Creates an error from any error of this side, with its causes in the text.
    ///
    /// In addition to [`from_error`](Self::from_error), it follows the error's [`source`](Error::source). The macros
    /// `#[service]` and `#[agent]` convert the errors of methods this way.
    pub fn from_source<E: Error + 'static>(error: E) -> Self {
        let causes = causes(&error);
        Self::from_error(error).caused_by(causes)
    }

    /// Puts causes before the text, the nearest first, as Python's `traceback` does.
    ///
    /// Does nothing if the text already has causes. The message does not change: an unauthenticated peer, who receives
    /// only the message, does not learn the causes.
    #[doc(hidden)]
    pub fn caused_by(mut self, causes: Vec<String>) -> Self {
        if self.text().contains(read::CHAINS[0]) {
            return self;
        }
        for cause in causes {
            let cause = traceback_line(Self::UNKNOWN, &cause);
            self.0.text = format!("{cause}\n{}\n\n{}", read::CHAINS[0], self.0.text).into();
        }
        self
    }

    /// Replaces the full text, to send more than the line `Type: message`.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.0.text = text.into().into();
        self
    }

    /// Returns a copy in which no part has more than `max` bytes.
    ///
    /// The end of a text is kept, because a traceback ends with the exception.
    #[must_use]
    pub fn truncated(&self, max: usize) -> Self {
        let cut = |text| head(text, max).into();
        Self::of_parts(cut(self.kind()), cut(self.message()), tail(self.text(), max).into())
    }

    /// Truncates like [`truncated`](Self::truncated), without a copy if no part is too long.
    pub(crate) fn into_truncated(self, max: usize) -> Self {
        let Parts { kind, message, text } = &*self.0;
        let longest = kind.len().max(message.len()).max(text.len());
        if longest > max { self.truncated(max) } else { self }
    }

    /// Returns the part of the error that an untrusted peer may see.
    ///
    /// It has the kind and the first line of the message; the text of a panic is left out.
    #[must_use]
    pub fn without_details(&self) -> Self {
        let first_line =
            |text: &str| text.split(['\n', '\r']).next().unwrap_or_default().to_owned();
        let message = match self.kind() {
            Self::PANIC => PANICKED.to_owned(),
            _ => first_line(self.message()),
        };
        Self::new(first_line(self.kind()), message)
    }

    /// Returns the type of the exception, as the peer names it.
    ///
    /// An example is `ValueError`; types that are not built into Python have their module in front.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Returns the message of the exception, possibly empty or of several lines.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the full text, usually a traceback.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the content of a failure in the form of `profile`.
    #[must_use]
    pub fn content(&self, profile: Profile) -> impl Serialize + '_ {
        Content { error: self, profile }
    }

    /// Returns the encoded content of a failure in the form of `profile`.
    #[must_use]
    pub fn to_body(&self, format: Format, profile: Profile) -> Body {
        // Every format can represent strings, so this does not fail.
        Body::encode(format, &CodecContext::default(), &self.content(profile)).unwrap_or_else(
            |_| {
                let empty: &[u8] = match format {
                    Format::Json => b"[\"\", \"\"]",
                    Format::MsgPack => b"\x92\xa0\xa0",
                };
                Body::from_encoded(format, empty.into())
            },
        )
    }
}

struct Content<'a> {
    error: &'a RemoteError,
    profile: Profile,
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Parts { kind, message, text } = &*self.error.0;
        match self.profile {
            Profile::Aiomas => serializer.serialize_str(text),
            Profile::Mosaik => {
                let mut list = vec![&**kind, message];
                list.extend(text.split_inclusive('\n'));
                serializer.collect_seq(list)
            }
        }
    }
}

/// The most causes followed: an error that is its own source would never end.
const MAX_CAUSES: usize = 32;

/// Returns the errors that caused `error`, the nearest first.
#[doc(hidden)]
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut next = error.source();
    let causes = std::iter::from_fn(|| {
        let cause = next?;
        next = cause.source();
        Some(cause.to_string())
    });
    causes.take(MAX_CAUSES).collect()
}

/// Returns the text that Python's `traceback` prints for an exception that was never raised.
fn traceback_line(kind: &str, message: &str) -> String {
    if message.is_empty() { format!("{kind}\n") } else { format!("{kind}: {message}\n") }
}

impl Display for RemoteError {
    /// Formats the error as one line of bounded length, such as `ValueError: ohno`.
    ///
    /// Escapes characters of the peer that a terminal would not simply print: control characters, escape sequences, and
    /// marks that change the direction of text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, message, .. } = &*self.0;
        let separator = if message.is_empty() { "" } else { ": " };
        write!(f, "{}{separator}{}", Printable(kind), Printable(message))
    }
}

impl fmt::Debug for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteError")
            .field("kind", &format_args!("\"{}\"", Printable(self.kind())))
            .field("message", &format_args!("\"{}\"", Printable(self.message())))
            .finish_non_exhaustive()
    }
}

impl Error for RemoteError {}

#[cfg(test)]
mod tests {
    use super::super::Payload;
    use super::read::{CHAINS, TRACEBACK};
    use super::*;

    fn read(text: &str) -> (String, String) {
        let error = RemoteError::from_text(text);
        assert_eq!(error.text(), text);
        (error.kind().into(), error.message().into())
    }

    fn pair(kind: &str, message: &str) -> (String, String) {
        (kind.into(), message.into())
    }

    #[test]
    fn reads_the_last_line() {
        assert_eq!(read("ValueError: ohno\n"), pair("ValueError", "ohno"));
        assert_eq!(read("ValueError\n"), pair("ValueError", ""));
        assert_eq!(read("x.y.M: k: v\n"), pair("x.y.M", "k: v"));
        assert_eq!(read("a.f.<locals>.E: x"), pair("a.f.<locals>.E", "x"));
        assert_eq!(read("ValueError: a\nb\n\n"), pair("ValueError", "a\nb"));
        assert_eq!(read("some words\n\n  E: x\n"), pair("Exception", "some words\n\n  E: x"));
        assert_eq!(read("some words\nE: x\n"), pair("E", "x"));
        assert_eq!(read("it did not work"), pair("Exception", "it did not work"));
        assert_eq!(read(""), pair("Exception", ""));
    }

    #[test]
    fn reads_tracebacks() {
        let frame = "Traceback (most recent call last):\n  File \"a.py\", line 8, in f\n    f()\n";
        assert_eq!(read(&format!("{frame}ValueError: ohno\n")), pair("ValueError", "ohno"));
        assert_eq!(read(&format!("{frame}E: a\nb: c\n")), pair("E", "a\nb: c"));
        let chained = format!("{frame}KeyError: 'a'\n\n{}\n\n{frame}E: x\ny\n", CHAINS[0]);
        assert_eq!(read(&chained), pair("E", "x\ny"));
        // An exception that quotes the traceback of a third party, as aiomas' `RemoteException` does.
        let quoting = format!("{frame}aiomas.exceptions.RemoteException: Origin: x\n{frame}E: y\n");
        let (kind, message) = read(&quoting);
        assert_eq!(kind, "aiomas.exceptions.RemoteException");
        assert!(message.starts_with("Origin: x\nTraceback"));
        assert_eq!(read(TRACEBACK).0, "Exception");
    }

    fn payload(format: Format, bytes: &'static [u8]) -> Payload {
        Payload::new(format, bytes.into(), CodecContext::default())
    }

    #[test]
    fn reads_any_content() {
        let json = |bytes| RemoteError::from_payload(&payload(Format::Json, bytes));
        let e = json(br#"["ValueError", "ohno", "Traceback:\n", "  f()\n"]"#);
        assert_eq!(
            (e.kind(), e.message(), e.text()),
            ("ValueError", "ohno", "Traceback:\n  f()\n")
        );
        assert_eq!(json(br#"["E", "x"]"#).text(), "E: x\n");
        assert_eq!(json(br#"["E"]"#).to_string(), r#"Exception: ["E"]"#);
        assert_eq!(json(b"null").to_string(), "Exception: null");
        assert_eq!(json(b"{\"a\": ").to_string(), "Exception: {\"a\": ");
        assert_eq!(json(b"\xff").to_string(), "Exception: \u{fffd}");
        let msgpack = |bytes| RemoteError::from_payload(&payload(Format::MsgPack, bytes));
        assert_eq!(msgpack(b"\xa4E: x").to_string(), "E: x");
        assert_eq!(msgpack(b"\x92\xa1E\xa1x").to_string(), "E: x");
        assert_eq!(msgpack(b"\x81\xa1a\x01").to_string(), "Exception: {\"a\":1}");
        assert_eq!(msgpack(b"\xc1").to_string(), "Exception: b\"\\xc1\"");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the log")]
    struct NoLog(#[source] NoFile);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open /var/log/x")]
    struct NoFile(#[source] std::io::Error);

    #[test]
    fn causes_are_in_the_text_alone() {
        let no_log = || NoLog(NoFile(std::io::ErrorKind::StorageFull.into()));
        let text = format!(
            "Exception: no storage space\n\n{0}\n\nException: cannot open /var/log/x\n\n{0}\n\n\
             NoLog: cannot write the log\n",
            CHAINS[0]
        );
        let error = RemoteError::from_source(no_log());
        assert_eq!((error.kind(), error.message()), ("NoLog", "cannot write the log"));
        assert_eq!(error.text(), text);
        // The peer reads the same error.
        assert_eq!(RemoteError::from_text(text.clone()), error);
        assert_eq!(error.without_details().text(), "NoLog: cannot write the log\n");

        let boxed: Box<dyn Error + Send + Sync> = no_log().into();
        let error = RemoteError::from_error(boxed);
        assert_eq!(error.text(), text.replace("NoLog", "Exception"));
        let same = RemoteError::lookup("x");
        assert_eq!(RemoteError::from_source(same.clone()), same);
        // Python exceptions that were never raised.
        let (kind, message) = read(&format!("KeyError: 'a'\n\n{}\n\nValueError: no\n", CHAINS[1]));
        assert_eq!((kind, message), pair("ValueError", "no"));
    }

    #[test]
    fn writes_both_profiles() {
        let error = RemoteError::value_error("ohno");
        let body = |error: &RemoteError, profile| error.to_body(Format::Json, profile);
        assert_eq!(body(&error, Profile::Aiomas).bytes(), br#""ValueError: ohno\n""#);
        let list = body(&error, Profile::Mosaik);
        let payload = Payload::new(Format::Json, list.into_bytes(), CodecContext::default());
        let list: Vec<String> = payload.decode().expect("a list");
        assert_eq!(list, ["ValueError", "ohno", "ValueError: ohno\n"]);
        let error = error.with_text("a\nb");
        let payload = Payload::new(
            Format::MsgPack,
            error.to_body(Format::MsgPack, Profile::Mosaik).into_bytes(),
            CodecContext::default(),
        );
        let list: Vec<String> = payload.decode().expect("a list");
        assert_eq!(list, ["ValueError", "ohno", "a\n", "b"]);
        assert_eq!(RemoteError::from_payload(&payload), error);
    }

    #[test]
    fn display_is_one_harmless_line() {
        let error = RemoteError::new("E\x1b[2J", "a\n\"b\"\r\u{202e}é");
        assert_eq!(error.to_string(), "E\\u{1b}[2J: a\\n\"b\"\\r\\u{202e}é");
        assert_eq!(RemoteError::new("ValueError", "").to_string(), "ValueError");
        let long = RemoteError::new("E", "x".repeat(1 << 20)).to_string();
        assert!(long.len() < 1100 && long.ends_with("... (1047552 more bytes)"), "{long}");
    }

    #[test]
    fn strangers_hear_no_details() {
        let told = |error: RemoteError| {
            let told = error.without_details();
            assert_eq!(told.text(), traceback_line(told.kind(), told.message()));
            (told.kind().to_owned(), told.message().to_owned())
        };
        let error = RemoteError::value_error("no").with_text("File \"/home/me/secret.py\"\nno\n");
        assert_eq!(told(error), pair("ValueError", "no"));
        let nested = RemoteError::new("E", "Origin: x\r\nTraceback (most recent call last):");
        assert_eq!(told(nested), pair("E", "Origin: x"));
        let panic = RemoteError::panic(Some("index out of bounds in /home/me/secret.rs"));
        assert_eq!(told(panic), pair("Panic", "the method panicked"));
    }

    #[test]
    fn truncated_at_characters() {
        let error = RemoteError::new("KéK", "aéa").with_text("éab");
        let cut = error.truncated(2);
        assert_eq!((cut.kind(), cut.message(), cut.text()), ("K", "a", "ab"));
        let cut = error.truncated(3);
        assert_eq!((cut.kind(), cut.message(), cut.text()), ("Ké", "aé", "ab"));
        assert_eq!(error.clone().into_truncated(4), error);
    }

    #[test]
    fn own_errors_are_named_by_their_type() {
        let parse = "x".parse::<i32>().expect_err("no number");
        let error = RemoteError::from_error(parse);
        assert_eq!(error.to_string(), "ParseIntError: invalid digit found in string");
        assert_eq!(RemoteError::from_error("ohno").to_string(), "Exception: ohno");
        assert_eq!(RemoteError::from_error(String::from("ohno")).to_string(), "Exception: ohno");
        let boxed: Box<dyn Error> = "ohno".into();
        assert_eq!(RemoteError::from_error(boxed).to_string(), "Exception: ohno");
        let same = RemoteError::lookup("x").with_text("t");
        assert_eq!(RemoteError::from_error(same.clone()), same);
    }
}
