//! `Cursor`: a walk over encoded values without decoding them.

use std::borrow::Cow;
use std::ops::Range;

use super::super::{Budget, CodecError};
use super::Format;
use super::excerpt::Excerpt;
use super::item::Item;
use super::json::lex::{Lexer, Number};
use super::json::quoted::{LONE_SURROGATE, Quoted, Text};
use super::json::walk;
use super::meter::Meter;
use super::msgpack::read::Reader;

#[cfg(test)]
mod tests;

/// An open array or map of a [`Cursor`].
#[derive(Debug)]
pub struct Sequence {
    item: Item,
    /// The number of elements or entries left (MsgPack).
    left: usize,
    first: bool,
}

impl Sequence {
    /// Returns the number of elements or entries left, if the format announces it (MsgPack).
    pub(super) const fn announced(&self, format: Format) -> Option<usize> {
        match format {
            Format::Json => None,
            Format::MsgPack => Some(self.left),
        }
    }
}

/// A cursor over encoded values, which finds the parts of a message.
///
/// The bytes behind the cursor are well formed and within the budget, which shrinks as the cursor moves. The cursor
/// does not recurse and allocates only for deep nesting, so it is safe on untrusted input.
///
/// ```
/// use aiomas_core::wire::codec::Cursor;
/// use aiomas_core::wire::{Budget, Format};
///
/// let mut cursor = Cursor::new(Format::Json, br#"["math/add", [1, {"x": 2}]]"#, Budget::default());
/// let mut call = cursor.begin_array()?;
/// assert!(cursor.next(&mut call)?);
/// assert_eq!(cursor.str()?, "math/add");
/// assert!(cursor.next(&mut call)?);
/// assert_eq!(cursor.skip()?, 13..26);
/// assert!(!cursor.next(&mut call)?);
/// cursor.end()?;
/// # Ok::<(), aiomas_core::wire::CodecError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    format: Format,
    bytes: &'a [u8],
    at: usize,
    meter: Meter,
}

impl<'a> Cursor<'a> {
    /// Creates a cursor at the first byte of `bytes`.
    #[must_use]
    pub const fn new(format: Format, bytes: &'a [u8], budget: Budget) -> Self {
        Self { format, bytes, at: 0, meter: Meter::new(budget) }
    }

    /// Creates a cursor at the value at `at`, with the rest of a budget.
    pub(super) const fn resume(format: Format, bytes: &'a [u8], at: usize, meter: Meter) -> Self {
        Self { format, bytes, at, meter }
    }

    /// Returns the rest of the budget.
    pub(super) const fn into_meter(self) -> Meter {
        self.meter
    }

    /// Returns the position of the cursor in bytes.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Returns the kind of the next value, of which only the first bytes are checked.
    ///
    /// # Errors
    /// Returns [`CodecError::Syntax`] if no value can begin with these bytes.
    #[inline]
    pub fn peek(&mut self) -> Result<Item, CodecError> {
        match self.format {
            Format::Json => {
                let mut ahead = Lexer::new(self.bytes, self.at);
                Ok(match ahead.expect()? {
                    b'n' => Item::Null,
                    b't' | b'f' => Item::Bool,
                    b'"' => Item::Str,
                    b'[' => Item::Array,
                    b'{' => Item::Map,
                    _ => match ahead.number()? {
                        Number::Unsigned(_) | Number::Negative(_) | Number::Long(_) => Item::Int,
                        Number::Decimal(_) | Number::Special(_) => Item::Float,
                    },
                })
            }
            Format::MsgPack => Reader::new(self.bytes, self.at).peek(),
        }
    }

    /// Skips one whole value, checks it, and returns its range.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the value is malformed or exceeds the rest of the budget.
    #[inline]
    pub fn skip(&mut self) -> Result<Range<usize>, CodecError> {
        let Self { format, bytes, at, meter } = self;
        match format {
            Format::Json => {
                let mut lexer = Lexer::new(bytes, *at);
                let range = walk::skip(&mut lexer, meter);
                *at = lexer.at;
                range
            }
            Format::MsgPack => {
                let mut reader = Reader::new(bytes, *at);
                let range = reader.skip(meter);
                *at = reader.at;
                range
            }
        }
    }

    /// Reads a string.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the next value is not a string, or not valid Unicode.
    #[inline]
    pub fn str(&mut self) -> Result<Cow<'a, str>, CodecError> {
        let at = self.at;
        self.text(|quoted| unicode(quoted, at), |text| Ok(Cow::Borrowed(text)))?
    }

    /// Reads the path of a function, and checks its length before unescaping it.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the next value is not a string, not valid Unicode, or longer than [`Budget::path`].
    #[inline]
    pub(crate) fn path(&mut self) -> Result<Cow<'a, str>, CodecError> {
        let (at, budget) = (self.at, self.meter.limit());
        self.text(
            |quoted| budget.check_path(quoted.length()).and_then(|()| unicode(quoted, at)),
            |text| budget.check_path(text.len()).map(|()| Cow::Borrowed(text)),
        )?
    }

    /// Reads a string. Of a long string with escapes, only the two ends are read, of `max` bytes each.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the next value is not a string.
    pub(crate) fn excerpt(&mut self, max: usize) -> Result<Excerpt<'a>, CodecError> {
        self.text(|quoted| quoted.excerpt(max), |text| Excerpt::Whole(Cow::Borrowed(text)))
    }

    /// Reads an integer. Returns `None` unless it is a natural number of up to 64 bits.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the next value is not an integer.
    pub(crate) fn natural(&mut self) -> Result<Option<u64>, CodecError> {
        self.meter.node()?;
        match self.format {
            Format::Json => self.lex(|lexer| {
                lexer.expect()?;
                Ok(match lexer.number()? {
                    Number::Unsigned(number) => Some(number),
                    _ => None,
                })
            }),
            Format::MsgPack => self.read(Reader::natural),
        }
    }

    #[inline]
    fn text<R>(
        &mut self,
        json: impl FnOnce(Quoted<'a>) -> R,
        msgpack: impl FnOnce(&'a str) -> R,
    ) -> Result<R, CodecError> {
        self.meter.node()?;
        match self.format {
            Format::Json => self.lex(|lexer| lexer.string().map(json)),
            Format::MsgPack => self.read(|reader| {
                let head = reader.head()?;
                if head.item != Item::Str {
                    return Err(reader.fail("a string is missing"));
                }
                reader.text(head).map(msgpack)
            }),
        }
    }

    /// Enters an array.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the next value is not an array, or the budget is used up.
    #[inline]
    pub fn begin_array(&mut self) -> Result<Sequence, CodecError> {
        self.begin(Item::Array, b'[', "an array is missing")
    }

    /// Enters a map.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the next value is not a map, or the budget is used up.
    #[inline]
    pub fn begin_map(&mut self) -> Result<Sequence, CodecError> {
        self.begin(Item::Map, b'{', "a map is missing")
    }

    #[inline]
    fn begin(&mut self, item: Item, open: u8, what: &'static str) -> Result<Sequence, CodecError> {
        self.meter.node()?;
        let left = match self.format {
            Format::Json => self.lex(|lexer| lexer.take(open, what)).map(|()| 0),
            Format::MsgPack => self.read(|reader| {
                let head = reader.head()?;
                if head.item != item {
                    return Err(reader.fail(what));
                }
                reader.at = head.body;
                Ok(head.len)
            }),
        }?;
        self.meter.enter(item)?;
        Ok(Sequence { item, left, first: true })
    }

    /// Moves to the next element of an array or key of a map.
    ///
    /// Returns `false` after the last one, having left the array or map. The caller must have walked over the previous
    /// element.
    ///
    /// # Errors
    /// Returns a [`CodecError`] for JSON if neither a comma nor the end comes next, or a key is not a string.
    #[inline]
    pub fn next(&mut self, sequence: &mut Sequence) -> Result<bool, CodecError> {
        let first = std::mem::replace(&mut sequence.first, false);
        let more = match self.format {
            Format::Json => self.lex(|lexer| walk::next(lexer, sequence.item, first))?,
            Format::MsgPack => match sequence.left.checked_sub(1) {
                Some(left) => {
                    sequence.left = left;
                    true
                }
                None => false,
            },
        };
        if !more {
            self.meter.ascend();
        }
        Ok(more)
    }

    /// Moves from a map's key, just read, to its value.
    ///
    /// # Errors
    /// Returns a [`CodecError`] for JSON if the colon is missing.
    #[inline]
    pub fn value(&mut self) -> Result<(), CodecError> {
        match self.format {
            Format::Json => self.lex(walk::colon),
            Format::MsgPack => Ok(()),
        }
    }

    /// Checks that no bytes follow.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if bytes follow.
    #[inline]
    pub fn end(&mut self) -> Result<(), CodecError> {
        match self.format {
            Format::Json => self.lex(Lexer::end),
            Format::MsgPack => Reader::new(self.bytes, self.at).end(),
        }
    }

    /// Runs `f` with a JSON lexer at the position of the cursor.
    #[inline]
    fn lex<R>(&mut self, f: impl FnOnce(&mut Lexer<'a>) -> R) -> R {
        let mut lexer = Lexer::new(self.bytes, self.at);
        let result = f(&mut lexer);
        self.at = lexer.at;
        result
    }

    /// Runs `f` with a MsgPack reader at the position of the cursor.
    #[inline]
    fn read<R>(&mut self, f: impl FnOnce(&mut Reader<'a>) -> R) -> R {
        let mut reader = Reader::new(self.bytes, self.at);
        let result = f(&mut reader);
        self.at = reader.at;
        result
    }
}

fn unicode(quoted: Quoted<'_>, at: usize) -> Result<Cow<'_, str>, CodecError> {
    match quoted.text() {
        Text::Str(text) => Ok(text),
        Text::Surrogates(_) => Err(CodecError::Syntax { at, what: LONE_SURROGATE }),
    }
}
