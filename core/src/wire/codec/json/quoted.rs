//! The content of JSON strings: escapes and surrogates.

use std::borrow::Cow;

use super::super::excerpt::{Ends, Excerpt};

/// The raw content of a string, between its quotation marks. Its escapes are well formed.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Quoted<'a> {
    raw: &'a str,
    escapes: bool,
}

/// The text of a string.
#[derive(Debug)]
pub(in super::super) enum Text<'a> {
    /// Valid Unicode.
    Str(Cow<'a, str>),
    /// Text with lone surrogates, in UTF-16.
    Surrogates(Vec<u16>),
}

/// A part of a string.
#[derive(Clone, Copy, Debug)]
enum Piece<'a> {
    /// Characters without escapes.
    Plain(&'a str),
    /// The character of an escape, or of a pair of escapes.
    Char(char),
    /// A lone surrogate.
    Lone(u16),
}

pub(in super::super) const LONE_SURROGATE: &str = "a lone surrogate in a string";

impl<'a> Quoted<'a> {
    pub(super) const fn new(raw: &'a str, escapes: bool) -> Self {
        Self { raw, escapes }
    }

    /// Returns the text, if it has no escapes.
    #[inline]
    pub(super) fn as_str(self) -> Option<&'a str> {
        (!self.escapes).then_some(self.raw)
    }

    /// Returns the text, with escapes replaced.
    #[inline]
    pub(in super::super) fn text(self) -> Text<'a> {
        if self.escapes { self.unescape() } else { Text::Str(Cow::Borrowed(self.raw)) }
    }

    fn unescape(self) -> Text<'a> {
        let mut out = String::with_capacity(self.raw.len());
        for piece in self.pieces() {
            match piece {
                Piece::Plain(plain) => out.push_str(plain),
                Piece::Char(char) => out.push(char),
                Piece::Lone(_) => {
                    drop(out);
                    return Text::Surrogates(self.units());
                }
            }
        }
        Text::Str(Cow::Owned(out))
    }

    fn units(self) -> Vec<u16> {
        let count = |piece: Piece<'_>| match piece {
            Piece::Plain(plain) => plain.encode_utf16().count(),
            Piece::Char(char) => char.len_utf16(),
            Piece::Lone(_) => 1,
        };
        let mut out = Vec::with_capacity(self.pieces().map(count).sum());
        for piece in self.pieces() {
            match piece {
                Piece::Plain(plain) => out.extend(plain.encode_utf16()),
                Piece::Char(char) => out.extend_from_slice(char.encode_utf16(&mut [0; 2])),
                Piece::Lone(unit) => out.push(unit),
            }
        }
        out
    }

    /// Returns the length of the text in bytes of UTF-8.
    pub(in super::super) fn length(self) -> usize {
        if self.escapes { self.pieces().map(Piece::length).sum() } else { self.raw.len() }
    }

    /// Returns the text, or only its two ends, of `max` bytes each.
    ///
    /// Only the ends are unescaped. A lone surrogate becomes U+FFFD.
    pub(in super::super) fn excerpt(self, max: usize) -> Excerpt<'a> {
        if !self.escapes {
            return Excerpt::Whole(Cow::Borrowed(self.raw));
        }
        let mut ends = Ends::new(max);
        for piece in self.pieces() {
            match piece {
                Piece::Plain(plain) => ends.push(plain),
                Piece::Char(char) => ends.push(char.encode_utf8(&mut [0; 4])),
                Piece::Lone(_) => ends.push("\u{fffd}"),
            }
        }
        ends.finish()
    }

    fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        let mut rest = self.raw;
        std::iter::from_fn(move || {
            let Some(escape) = rest.strip_prefix('\\') else {
                let (plain, after) = rest.split_at(rest.find('\\').unwrap_or(rest.len()));
                rest = after;
                return (!plain.is_empty()).then_some(Piece::Plain(plain));
            };
            let (first, after) = unescape(escape);
            rest = after;
            if let 0xd800..=0xdbff = first
                && let Some((second, after)) = after.strip_prefix("\\u").map(unit)
                && let Some(Ok(char)) = char::decode_utf16([first, second]).next()
            {
                rest = after;
                return Some(Piece::Char(char));
            }
            Some(char::from_u32(first.into()).map_or(Piece::Lone(first), Piece::Char))
        })
    }
}

impl Piece<'_> {
    const fn length(self) -> usize {
        match self {
            Self::Plain(plain) => plain.len(),
            Self::Char(char) => char.len_utf8(),
            // The length of U+FFFD.
            Self::Lone(_) => 3,
        }
    }
}

/// Returns the code unit of the escape at the start of `text`, and the rest.
fn unescape(text: &str) -> (u16, &str) {
    let mut rest = text.chars();
    let char = match rest.next() {
        Some('u') => return unit(rest.as_str()),
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some(itself) => itself,
        None => '\\',
    };
    (char as u16, rest.as_str())
}

/// Returns the UTF-16 code unit in four hexadecimal digits, and the rest.
fn unit(text: &str) -> (u16, &str) {
    let (digits, rest) = text.split_at_checked(4).unwrap_or((text, ""));
    (u16::from_str_radix(digits, 16).unwrap_or_default(), rest)
}
