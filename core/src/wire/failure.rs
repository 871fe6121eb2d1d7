//! Failures: how the error of a request travels.

use std::any::Any;
use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

use super::{Body, Notation, Payload, Printable, Scope};

/// In what form failures are sent. Both are understood when they come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// As aiomas: a string, a Python traceback or just its last line `Type: message`.
    #[default]
    Aiomas,
    /// As mosaik's simulator API: `[type, message, lines...]`.
    Mosaik,
}

/// Why the other side could not answer a request, or why we cannot.
///
/// aiomas sends a traceback, whose last line is `Type: message`; mosaik sends a list. Whatever comes
/// in, there is a [`kind`](Self::kind), a [`message`](Self::message) and the whole
/// [`text`](Self::text). They are the peer's words: only `Display` makes them safe to print.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteError(Box<Parts>);

/// Put elsewhere, to keep every `Result` small.
#[derive(Clone, PartialEq, Eq)]
struct Parts {
    kind: Box<str>,
    message: Box<str>,
    text: Box<str>,
}

const PANICKED: &str = "the method panicked";
const TRACEBACK: &str = "Traceback (most recent call last):";
/// What Python writes between the tracebacks of an exception and of the one that it led to.
const CHAINS: [&str; 2] = [
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
];

impl RemoteError {
    /// The kind of an error whose type is not known: Python's base class.
    pub const UNKNOWN: &str = "Exception";

    /// The kind of what a method fails with that panics.
    pub const PANIC: &str = "Panic";

    /// What a method fails with that panics, with the text of the panic, if it has one.
    #[must_use]
    pub fn panic(text: Option<&str>) -> Self {
        Self::new(Self::PANIC, text.unwrap_or(PANICKED))
    }

    /// An error of the exception type `kind`, a name such as `ValueError`.
    #[must_use]
    pub fn new(kind: impl Into<String>, message: impl Display) -> Self {
        let (kind, message) = (kind.into(), message.to_string());
        let text = traceback_line(&kind, &message);
        Self::of_parts(kind.into(), message.into(), text.into())
    }

    fn of_parts(kind: Box<str>, message: Box<str>, text: Box<str>) -> Self {
        Self(Box::new(Parts { kind, message, text }))
    }

    /// A `LookupError`: there is no such service or function, or it is not exposed.
    #[must_use]
    pub fn lookup(message: impl Display) -> Self {
        Self::new("LookupError", message)
    }

    /// A `TypeError`: the arguments do not fit the function.
    #[must_use]
    pub fn type_error(message: impl Display) -> Self {
        Self::new("TypeError", message)
    }

    /// A `ValueError`.
    #[must_use]
    pub fn value_error(message: impl Display) -> Self {
        Self::new("ValueError", message)
    }

    /// A `PermissionError`: the caller may not do that.
    #[must_use]
    pub fn permission(message: impl Display) -> Self {
        Self::new("PermissionError", message)
    }

    /// A `SerializationError`, as aiomas names it with its module: a value cannot be encoded.
    #[must_use]
    pub fn serialization(why: impl Display) -> Self {
        Self::new(
            "aiomas.exceptions.SerializationError",
            format_args!("Could not serialize the result: {why}"),
        )
    }

    /// Any error of our own. Its kind is the name of its type (`ParseIntError`), or
    /// [`UNKNOWN`](Self::UNKNOWN) for strings and boxed errors. A `RemoteError` stays what it is.
    pub fn from_error<E: Display + 'static>(error: E) -> Self {
        let mut error = Some(error);
        let same = (&mut error as &mut dyn Any).downcast_mut::<Option<Self>>();
        if let Some(same) = same.and_then(Option::take) {
            return same;
        }
        let kind = Self::kind_of(std::any::type_name::<E>());
        Self::new(kind, error.map(|e| e.to_string()).unwrap_or_default())
    }

    /// The kind of an error of the type with this path.
    pub(crate) fn kind_of(type_name: &str) -> &str {
        let name = type_name.split('<').next().and_then(|name| name.rsplit("::").next());
        let kind = name.filter(|name| !matches!(*name, "Box" | "String" | "&str" | "str" | "Cow"));
        kind.unwrap_or(Self::UNKNOWN)
    }

    /// Replaces the full text, to send more than the line `Type: message`.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.0.text = text.into().into();
        self
    }

    /// Reads the content of a failure: aiomas' text, mosaik's list, or anything else, which then is
    /// the message as it stands.
    #[must_use]
    pub fn from_payload(payload: &Payload) -> Self {
        if let Ok(text) = payload.decode::<String>() {
            return Self::from_text(text);
        }
        if let Ok(list) = payload.decode::<Vec<String>>()
            && let [kind, message, lines @ ..] = list.as_slice()
        {
            let error = Self::new(kind, message);
            return if lines.is_empty() { error } else { error.with_text(lines.concat()) };
        }
        let text = match payload.notation() {
            Notation::Json => String::from_utf8_lossy(payload.bytes()).into_owned(),
            Notation::MsgPack => match payload.decode::<serde_json::Value>() {
                Ok(value) => value.to_string(),
                Err(_) => format!("{:?}", payload.clone().into_bytes()),
            },
        };
        Self::of_parts(Self::UNKNOWN.into(), text.as_str().into(), text.into())
    }

    /// Reads a Python traceback, or its last line.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        let text = text.into();
        let found = after_traceback(&text).or_else(|| split_line(&text)).or_else(|| {
            // Text of another make: the last line that has something in it.
            split_line(text.lines().rfind(|line| !line.trim().is_empty())?)
        });
        let (kind, message) = found.unwrap_or_else(|| (Self::UNKNOWN, text.trim_end()));
        Self::of_parts(kind.into(), message.into(), text.into())
    }

    /// The same error, in which nothing has more than `max` bytes. The end of a text is kept: in a traceback
    /// that is what it is about.
    #[must_use]
    pub fn truncated(&self, max: usize) -> Self {
        let head = |text: &str| -> Box<str> {
            let end = (0..=max.min(text.len())).rfind(|at| text.is_char_boundary(*at));
            text[..end.unwrap_or_default()].into()
        };
        let text = self.text();
        let start = text.len().saturating_sub(max);
        let start = (start..=text.len()).find(|at| text.is_char_boundary(*at));
        let text = text[start.unwrap_or_default()..].into();
        Self::of_parts(head(self.kind()), head(self.message()), text)
    }

    /// As [`truncated`](Self::truncated), if there is anything to cut.
    pub(crate) fn into_truncated(self, max: usize) -> Self {
        let Parts { kind, message, text } = &*self.0;
        let longest = kind.len().max(message.len()).max(text.len());
        if longest > max { self.truncated(max) } else { self }
    }

    /// What a stranger may know: the kind, and the first line of the message, unless that is what a method
    /// has panicked with.
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

    /// The exception's type, as the peer names it: `ValueError`, with a module in front if it is not
    /// one of Python's own.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The exception's message. It may be empty or have several lines.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The full text: usually a traceback.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The content of a failure, for `profile`.
    #[must_use]
    pub fn content(&self, profile: Profile) -> impl Serialize + '_ {
        Content { error: self, profile }
    }

    /// The encoded content of a failure, for `profile`.
    #[must_use]
    pub fn to_body(&self, notation: Notation, profile: Profile) -> Body {
        // Strings can be written in every notation, so this does not fail.
        Body::encode(notation, &Scope::default(), &self.content(profile)).unwrap_or_else(|_| {
            let empty: &[u8] = match notation {
                Notation::Json => b"[\"\", \"\"]",
                Notation::MsgPack => b"\x92\xa0\xa0",
            };
            Body::from_encoded(notation, empty.into())
        })
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

/// What Python's `traceback` prints for an exception that was never raised.
fn traceback_line(kind: &str, message: &str) -> String {
    if message.is_empty() { format!("{kind}\n") } else { format!("{kind}: {message}\n") }
}

/// The exception at the end of a traceback, or of the last one in a chain: it begins at the first
/// line that is not indented.
fn after_traceback(text: &str) -> Option<(&str, &str)> {
    let first = text.trim_start().strip_prefix(TRACEBACK)?;
    let last = CHAINS.iter().filter_map(|chain| {
        let header = format!("\n\n{chain}\n\n{TRACEBACK}");
        first.rfind(&header).map(|at| at + header.len())
    });
    let frames = &first[last.max().unwrap_or(0)..];
    let start = frames
        .match_indices('\n')
        .map(|(at, _)| at + 1)
        .find(|at| frames.as_bytes().get(*at).is_some_and(|first| !first.is_ascii_whitespace()))?;
    split_line(&frames[start..])
}

/// Splits `Type: message`, or `Type` alone.
fn split_line(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end();
    let (kind, message) = match text.split_once(": ") {
        Some(split) => split,
        None => (text.strip_suffix(':').unwrap_or(text), ""),
    };
    let segment = |segment: &str| {
        // A type that was made in a function is `module.function.<locals>.Type`.
        segment == "<locals>"
            || (!segment.is_empty() && segment.chars().all(|c| c.is_alphanumeric() || c == '_'))
    };
    kind.split('.').all(segment).then_some((kind, message))
}

impl Display for RemoteError {
    /// One line, `ValueError: ohno`, of bounded length. Characters of the peer that a terminal would not
    /// just print (controls, escapes, marks that turn the direction of text) are escaped.
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

impl std::error::Error for RemoteError {}

#[cfg(test)]
mod tests {
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
        // An exception that quotes the traceback of a third party, as aiomas' RemoteException does.
        let quoting = format!("{frame}aiomas.exceptions.RemoteException: Origin: x\n{frame}E: y\n");
        let (kind, message) = read(&quoting);
        assert_eq!(kind, "aiomas.exceptions.RemoteException");
        assert!(message.starts_with("Origin: x\nTraceback"));
        assert_eq!(read(TRACEBACK).0, "Exception");
    }

    fn payload(notation: Notation, bytes: &'static [u8]) -> Payload {
        Payload::new(notation, bytes.into(), Scope::default())
    }

    #[test]
    fn reads_any_content() {
        let json = |bytes| RemoteError::from_payload(&payload(Notation::Json, bytes));
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
        let msgpack = |bytes| RemoteError::from_payload(&payload(Notation::MsgPack, bytes));
        assert_eq!(msgpack(b"\xa4E: x").to_string(), "E: x");
        assert_eq!(msgpack(b"\x92\xa1E\xa1x").to_string(), "E: x");
        assert_eq!(msgpack(b"\x81\xa1a\x01").to_string(), "Exception: {\"a\":1}");
        assert_eq!(msgpack(b"\xc1").to_string(), "Exception: b\"\\xc1\"");
    }

    #[test]
    fn writes_both_profiles() {
        let error = RemoteError::value_error("ohno");
        let body = |error: &RemoteError, profile| error.to_body(Notation::Json, profile);
        assert_eq!(body(&error, Profile::Aiomas).bytes(), br#""ValueError: ohno\n""#);
        let list = body(&error, Profile::Mosaik);
        let payload = Payload::new(Notation::Json, list.into_bytes(), Scope::default());
        let list: Vec<String> = payload.decode().expect("a list");
        assert_eq!(list, ["ValueError", "ohno", "ValueError: ohno\n"]);
        let error = error.with_text("a\nb");
        let payload = Payload::new(
            Notation::MsgPack,
            error.to_body(Notation::MsgPack, Profile::Mosaik).into_bytes(),
            Scope::default(),
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
        let boxed: Box<dyn std::error::Error> = "ohno".into();
        assert_eq!(RemoteError::from_error(boxed).to_string(), "Exception: ohno");
        let same = RemoteError::lookup("x").with_text("t");
        assert_eq!(RemoteError::from_error(same.clone()), same);
    }
}
