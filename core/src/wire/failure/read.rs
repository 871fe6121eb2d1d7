//! Reads failures from peers, and holds no more of them than is kept.

use super::{RemoteError, traceback_line};
use crate::wire::codec::excerpt::{Ends, Excerpt, head, tail};
use crate::wire::codec::{Cursor, Item};
use crate::wire::{Format, Payload};

pub(super) const TRACEBACK: &str = "Traceback (most recent call last):";
/// The lines that Python writes between a cause and its exception.
pub(super) const CHAINS: [&str; 2] = [
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
];

/// The length in bytes up to which a text is read whole.
const READ: usize = 16 * 1024;
/// The number of encoded bytes shown of a failure in an unknown form.
const SHOWN: usize = 1024;

impl RemoteError {
    /// Reads the content of a failure: aiomas' text, mosaik's list, or anything else.
    ///
    /// For any other content, the message is the beginning of that content as text.
    #[must_use]
    pub fn from_payload(payload: &Payload) -> Self {
        Self::read(payload, usize::MAX)
    }

    /// Reads the content of a failure, truncated to `max` bytes, without decoding the rest.
    ///
    /// Equivalent to [`from_payload`](Self::from_payload) and [`truncated`](Self::truncated).
    pub(crate) fn read(payload: &Payload, max: usize) -> Self {
        let mut cursor =
            Cursor::new(payload.format(), payload.bytes(), payload.codec_context().budget());
        let read = match cursor.peek() {
            Ok(Item::Str) => read_text(&mut cursor, max),
            Ok(Item::Array) => read_list(&mut cursor, max),
            _ => None,
        };
        let read = read.filter(|_| cursor.end().is_ok());
        let error = read.unwrap_or_else(|| Self::of_text(Self::UNKNOWN, &as_it_stands(payload)));
        error.into_truncated(max)
    }

    fn of_text(kind: &str, text: &str) -> Self {
        Self::of_parts(kind.into(), text.into(), text.into())
    }

    /// Creates an error from a Python traceback, or from its last line.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        let text = text.into();
        let (kind, message) = parse(&text);
        Self::of_parts(kind.into(), message.into(), text.into())
    }
}

/// Reads aiomas' text.
fn read_text(cursor: &mut Cursor<'_>, max: usize) -> Option<RemoteError> {
    Some(match cursor.excerpt(max.max(READ)).ok()? {
        Excerpt::Whole(text) => {
            let (kind, message) = parse(&text);
            RemoteError::of_parts(
                head(kind, max).into(),
                head(message, max).into(),
                tail(&text, max).into(),
            )
        }
        Excerpt::Ends { head: start, tail: end } => {
            let (kind, message) = parse_ends(&start, &end);
            RemoteError::of_parts(
                head(kind, max).into(),
                head(message, max).into(),
                tail(&end, max).into(),
            )
        }
    })
}

/// Reads mosaik's `[type, message, lines...]`.
fn read_list(cursor: &mut Cursor<'_>, max: usize) -> Option<RemoteError> {
    let mut list = cursor.begin_array().ok()?;
    let mut next = |max: usize| match cursor.next(&mut list) {
        Ok(true) => cursor.excerpt(max).map(Some),
        Ok(false) => Ok(None),
        Err(error) => Err(error),
    };
    let start = |text: Excerpt<'_>| -> Box<str> {
        match text {
            Excerpt::Whole(text) => head(&text, max).into(),
            Excerpt::Ends { head, .. } => head.into(),
        }
    };
    let kind = start(next(max).ok()??);
    let message = start(next(max).ok()??);
    let mut lines = Ends::new(max);
    let mut any = false;
    while let Some(line) = next(max).ok()? {
        any = true;
        match line {
            Excerpt::Whole(line) => lines.push(&line),
            Excerpt::Ends { head, tail } => {
                lines.push(&head);
                lines.push(&tail);
            }
        }
    }
    let text = match lines.finish() {
        _ if !any => traceback_line(&kind, &message),
        Excerpt::Whole(text) => text.into_owned(),
        Excerpt::Ends { tail, .. } => tail,
    };
    Some(RemoteError::of_parts(kind, message, text.into()))
}

/// Returns the beginning of content in an unknown form, as text.
fn as_it_stands(payload: &Payload) -> String {
    let bytes = payload.bytes();
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let text = match payload.format() {
        Format::Json => String::from_utf8_lossy(shown).into_owned(),
        // Decoding is cheap: so few bytes hold few values.
        Format::MsgPack if bytes.len() <= SHOWN => match payload.decode::<serde_json::Value>() {
            Ok(value) => value.to_string(),
            Err(_) => format!("{:?}", bytes::Bytes::copy_from_slice(shown)),
        },
        Format::MsgPack => format!("{:?}", bytes::Bytes::copy_from_slice(shown)),
    };
    match bytes.len() - shown.len() {
        0 => text,
        more => format!("{text}... ({more} more bytes)"),
    }
}

/// Returns the kind and the message in a text.
fn parse(text: &str) -> (&str, &str) {
    let last = after_chain(text).unwrap_or(text);
    after_start(last)
        .and_then(after_frames)
        .or_else(|| split_line(last))
        .or_else(|| split_line(last_line(last)?))
        .unwrap_or_else(|| (RemoteError::UNKNOWN, text.trim_end()))
}

/// Returns the kind and the message of a text from its two ends.
fn parse_ends<'a>(start: &'a str, end: &'a str) -> (&'a str, &'a str) {
    let found = match (after_chain(end), after_start(start)) {
        (Some(last), _) => match after_start(last) {
            Some(frames) => after_frames(frames),
            None => split_line(last),
        },
        // The end lies in the frames of a traceback, or in the message after them.
        (None, Some(_)) => after_frames(end),
        (None, None) => split_line(start),
    };
    found
        .or_else(|| split_line(last_line(end)?))
        .unwrap_or_else(|| (RemoteError::UNKNOWN, start.trim_end()))
}

/// Returns the last line with content, for text in an unknown form.
fn last_line(text: &str) -> Option<&str> {
    text.lines().rfind(|line| !line.trim().is_empty())
}

/// Returns the last exception of a chain, after its causes.
fn after_chain(text: &str) -> Option<&str> {
    let ends = CHAINS.iter().filter_map(|chain| {
        let line = format!("\n\n{chain}\n\n");
        text.rfind(&line).map(|at| at + line.len())
    });
    ends.max().map(|end| &text[end..])
}

/// Returns the frames of a traceback and the text after them.
fn after_start(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix(TRACEBACK)
}

/// Returns the exception after the frames, which begins at the first line without indentation.
fn after_frames(frames: &str) -> Option<(&str, &str)> {
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
        // A type defined in a function is `module.function.<locals>.Type`.
        segment == "<locals>"
            || (!segment.is_empty() && segment.chars().all(|c| c.is_alphanumeric() || c == '_'))
    };
    kind.split('.').all(segment).then_some((kind, message))
}
