//! Lexer of JSON tokens, as Python's `json.loads` accepts them.

use super::super::super::CodecError;
use super::quoted::Quoted;

/// A reader of one token after the other.
#[derive(Clone, Debug)]
pub(in super::super) struct Lexer<'a> {
    bytes: &'a [u8],
    pub(in super::super) at: usize,
}

/// A number, parsed as far as that is cheap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Number<'a> {
    /// An integer without a minus sign.
    Unsigned(u64),
    /// An integer with a minus sign.
    Negative(i64),
    /// The text of an integer that fits neither variant above.
    Long(&'a str),
    /// The text of a number with a fraction or an exponent.
    Decimal(&'a str),
    /// `NaN`, `Infinity` or `-Infinity`.
    Special(f64),
}

impl<'a> Lexer<'a> {
    pub(in super::super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Returns all bytes, including those already read.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[cold]
    pub(in super::super) const fn fail(&self, what: &'static str) -> CodecError {
        CodecError::Syntax { at: self.at, what }
    }

    /// Skips white space and returns the next byte without taking it.
    #[inline]
    pub(in super::super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Returns the next byte like [`peek`](Self::peek), but fails at the end of the text.
    #[inline]
    pub(in super::super) fn expect(&mut self) -> Result<u8, CodecError> {
        self.peek().ok_or_else(|| self.fail("the text ends too early"))
    }

    /// Takes the byte `wanted`.
    #[inline]
    pub(in super::super) fn take(
        &mut self,
        wanted: u8,
        what: &'static str,
    ) -> Result<(), CodecError> {
        if self.peek() != Some(wanted) {
            return Err(self.fail(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Takes a literal such as `null`.
    #[inline]
    pub(in super::super) fn word(&mut self, word: &'static str) -> Result<(), CodecError> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.fail("not a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Checks that no bytes follow.
    #[inline]
    pub(in super::super) fn end(&mut self) -> Result<(), CodecError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fail("trailing characters")),
        }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Returns the text from `start` to the current position, which must be ASCII.
    fn ascii(&self, start: usize) -> &'a str {
        let bytes = self.bytes.get(start..self.at).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    /// Takes `[]` or `{}`, if that comes next.
    #[inline]
    pub(super) fn take_empty(&mut self) -> bool {
        let empty = matches!(self.rest(), [b'[', b']', ..] | [b'{', b'}', ..]);
        self.at += if empty { 2 } else { 0 };
        empty
    }

    /// Takes a number: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`, `NaN`, `Infinity` or
    /// `-Infinity`.
    pub(in super::super) fn number(&mut self) -> Result<Number<'a>, CodecError> {
        let start = self.at;
        let negative = self.rest().first() == Some(&b'-');
        self.at += usize::from(negative);
        match self.natural() {
            Some(number) if negative => Ok(Number::Negative(-(number as i64))),
            Some(number) => Ok(Number::Unsigned(number)),
            None => {
                self.at = start;
                self.other_number(negative)
            }
        }
    }

    /// Takes a number of up to 18 digits, which always fits, if that comes next.
    #[inline]
    pub(super) fn natural(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        let mut at = self.at;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(at) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            at += 1;
        }
        if let Some(b'.' | b'e' | b'E') = self.bytes.get(at) {
            return None;
        }
        match at - self.at {
            1 => {}
            2..=18 if self.bytes.get(self.at) != Some(&b'0') => {}
            _ => return None,
        }
        self.at = at;
        Some(number)
    }

    /// Takes a number that is not a short integer. Fails if there is none.
    #[inline(never)]
    fn other_number(&mut self, negative: bool) -> Result<Number<'a>, CodecError> {
        let start = self.at;
        self.at += usize::from(negative);
        let zero = self.rest().first() == Some(&b'0');
        match self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 => return self.special(negative),
            2.. if zero => return Err(self.fail("a number with a leading zero")),
            count => self.at += count,
        }
        if let Some(b'.' | b'e' | b'E') = self.rest().first() {
            return self.decimal(start);
        }
        let text = self.ascii(start);
        let number = match negative {
            true => text.parse().ok().map(Number::Negative),
            false => text.parse().ok().map(Number::Unsigned),
        };
        Ok(number.unwrap_or(Number::Long(text)))
    }

    #[cold]
    fn special(&mut self, negative: bool) -> Result<Number<'a>, CodecError> {
        match self.rest().first() {
            Some(b'N') if !negative => {
                self.word("NaN")?;
                Ok(Number::Special(f64::NAN))
            }
            Some(b'I') => {
                self.word("Infinity")?;
                Ok(Number::Special(if negative { f64::NEG_INFINITY } else { f64::INFINITY }))
            }
            _ => Err(self.fail("not a value")),
        }
    }

    /// Takes the fraction and the exponent of the number that began at `start`.
    fn decimal(&mut self, start: usize) -> Result<Number<'a>, CodecError> {
        if self.rest().first() == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.rest().first() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.rest().first() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Number::Decimal(self.ascii(start)))
    }

    fn digits(&mut self) -> Result<(), CodecError> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.fail("a digit is missing in a number"));
        }
        self.at += count;
        Ok(())
    }

    /// Takes a string.
    pub(in super::super) fn string(&mut self) -> Result<Quoted<'a>, CodecError> {
        let (raw, escapes) = self.quoted()?;
        Ok(Quoted::new(self.utf8(raw)?, escapes))
    }

    /// Takes a string without decoding it.
    pub(super) fn skip_string(&mut self) -> Result<(), CodecError> {
        let (raw, _) = self.quoted()?;
        if !raw.is_ascii() {
            self.utf8(raw)?;
        }
        Ok(())
    }

    /// Takes a string. Returns its raw content, and `true` if there are escapes.
    #[inline(always)]
    fn quoted(&mut self) -> Result<(&'a [u8], bool), CodecError> {
        self.take(b'"', "a string is missing")?;
        let start = self.at;
        self.at += plain::<false>(self.rest());
        let escapes = self.bytes.get(self.at) != Some(&b'"');
        if escapes {
            self.escapes()?;
        }
        let raw = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok((raw, escapes))
    }

    /// Returns the content of the string just taken as text.
    #[inline]
    fn utf8(&self, raw: &'a [u8]) -> Result<&'a str, CodecError> {
        match str::from_utf8(raw) {
            Ok(text) => Ok(text),
            Err(error) => Err(CodecError::Syntax {
                at: self.at - 1 - raw.len() + error.valid_up_to(),
                what: "a string is not UTF-8",
            }),
        }
    }

    /// Moves to the end of a string, starting at its first escape.
    fn escapes(&mut self) -> Result<(), CodecError> {
        loop {
            match self.rest() {
                [b'"', ..] => return Ok(()),
                [b'\\', ..] => self.escape()?,
                [_, ..] => return Err(self.fail("a control character in a string")),
                [] => return Err(self.fail("an unterminated string")),
            }
            self.at += plain::<false>(self.rest());
        }
    }

    fn escape(&mut self) -> Result<(), CodecError> {
        self.at += match self.rest() {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|h| h.is_ascii_hexdigit()) => 6,
            _ => return Err(self.fail("an invalid escape in a string")),
        };
        Ok(())
    }
}

/// Returns the number of bytes at the start of `bytes` that a string holds unescaped.
///
/// With `ASCII`, only characters that `json.dumps` writes unescaped count: from space to `~`.
#[inline]
pub(crate) fn plain<const ASCII: bool>(bytes: &[u8]) -> usize {
    let long = if bytes.len() >= LONG { plain_blocks::<ASCII>(bytes) } else { 0 };
    long + plain_words::<ASCII>(&bytes[long..])
}

/// The length in bytes from which strings are scanned in blocks first.
const LONG: usize = 256;

/// Returns the number of bytes in whole blocks, from the start, without special bytes.
#[inline(never)]
fn plain_blocks<const ASCII: bool>(bytes: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    // Without branches, so that the compiler vectorizes it.
    let plain = |block: &&[u8; BLOCK]| {
        let special = |byte: u8| {
            let ends = byte == b'"' || byte == b'\\' || byte < b' ';
            ends || (ASCII && byte > b'~')
        };
        block.iter().fold(0_u8, |found, byte| found | u8::from(special(*byte))) == 0
    };
    BLOCK * blocks.iter().take_while(plain).count()
}

#[inline]
fn plain_words<const ASCII: bool>(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHEST: u64 = ONES << 7;
    /// Sets a bit in each byte of `word` that is less than `n`.
    ///
    /// As borrows go upwards, other bytes may get the bit too, but only above such a byte.
    const fn less(word: u64, n: u64) -> u64 {
        word.wrapping_sub(ONES * n) & !word & HIGHEST
    }
    let special = |byte: u8| {
        matches!(byte, b'"' | b'\\' | 0..=0x1f) || (ASCII && !matches!(byte, b' '..=b'~'))
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for (count, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = less(word ^ (ONES * b'"' as u64), 1);
        let backslashes = less(word ^ (ONES * b'\\' as u64), 1);
        let mut found = quotes | backslashes | less(word, 0x20);
        if ASCII {
            found |= less(word ^ (ONES * 0x7f), 1) | (word & HIGHEST);
        }
        if found != 0 {
            return 8 * count + (found.trailing_zeros() / 8) as usize;
        }
    }
    8 * words.len() + rest.iter().take_while(|byte| !special(**byte)).count()
}

/// Returns `true` if the text is exactly one number, boolean or null.
pub(super) fn is_word(text: &str) -> bool {
    let mut lexer = Lexer::new(text.as_bytes(), 0);
    let word = match text.as_bytes().first() {
        Some(b'n') => lexer.word("null"),
        Some(b't') => lexer.word("true"),
        Some(b'f') => lexer.word("false"),
        _ => lexer.number().map(drop),
    };
    word.is_ok() && lexer.at == text.len()
}
