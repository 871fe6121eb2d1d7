//! The words of JSON, as Python's `json.loads` takes them.

use super::super::super::CodecError;
use super::quoted::Quoted;

/// Reads words one after the other.
#[derive(Clone, Debug)]
pub(in super::super) struct Lexer<'a> {
    bytes: &'a [u8],
    pub(in super::super) at: usize,
}

/// A number, parsed as far as that is cheap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Number<'a> {
    /// An integer without a minus.
    Unsigned(u64),
    /// An integer with a minus.
    Negative(i64),
    /// The text of an integer that fits neither.
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

    /// All bytes, those that have been read included.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[cold]
    pub(in super::super) const fn fail(&self, what: &'static str) -> CodecError {
        CodecError::Syntax { at: self.at, what }
    }

    /// Moves to the next byte that is not blank, and looks at it.
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

    /// [`peek`](Self::peek) where the text must go on.
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

    /// Takes a word like `null`.
    #[inline]
    pub(in super::super) fn word(&mut self, word: &'static str) -> Result<(), CodecError> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.fail("not a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Checks that nothing follows.
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

    /// The text from `start` to here, which is known to be ASCII.
    fn ascii(&self, start: usize) -> &'a str {
        let bytes = self.bytes.get(start..self.at).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    /// Takes `[]` or `{}`, if that is what comes next.
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

    /// Takes a number of up to 18 digits, which always fits, if that is what comes next.
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

    /// Takes a number that is no short integer, or none at all.
    #[inline(never)]
    fn other_number(&mut self, negative: bool) -> Result<Number<'a>, CodecError> {
        let start = self.at;
        self.at += usize::from(negative);
        let zero = self.rest().first() == Some(&b'0');
        match self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 => return self.special(negative),
            2.. if zero => return Err(self.fail("a number begins with a zero too many")),
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

    /// Takes a string, whatever is in it.
    pub(super) fn skip_string(&mut self) -> Result<(), CodecError> {
        let (raw, _) = self.quoted()?;
        if !raw.is_ascii() {
            self.utf8(raw)?;
        }
        Ok(())
    }

    /// Takes a string, and says what is in it and whether there are escapes.
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

    /// What is in the string just taken, as text.
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

    /// Moves to a string's end, over the escape that comes first.
    fn escapes(&mut self) -> Result<(), CodecError> {
        loop {
            match self.rest() {
                [b'"', ..] => return Ok(()),
                [b'\\', ..] => self.escape()?,
                [_, ..] => return Err(self.fail("a control character in a string")),
                [] => return Err(self.fail("a string without an end")),
            }
            self.at += plain::<false>(self.rest());
        }
    }

    fn escape(&mut self) -> Result<(), CodecError> {
        self.at += match self.rest() {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|h| h.is_ascii_hexdigit()) => 6,
            _ => return Err(self.fail("an escape that JSON does not have")),
        };
        Ok(())
    }
}

/// How many bytes at the start of `bytes` are characters of a string that stand for themselves; with
/// `ASCII`, only such as `json.dumps` writes so: from blank to `~`.
#[inline]
pub(crate) fn plain<const ASCII: bool>(bytes: &[u8]) -> usize {
    let long = if bytes.len() >= LONG { plain_blocks::<ASCII>(bytes) } else { 0 };
    long + plain_words::<ASCII>(&bytes[long..])
}

/// Strings from this length on are looked at in blocks first.
const LONG: usize = 256;

/// How many bytes the whole blocks at the start of `bytes` have in which there is nothing special.
#[inline(never)]
fn plain_blocks<const ASCII: bool>(bytes: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    // Without branches, so that it becomes instructions for many bytes at a time.
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
    /// Sets a bit in each of the eight bytes of `word` that is less than `n`. As borrows go upwards,
    /// others may get it too, but only above such a byte.
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

/// Whether the text is exactly one number, truth value or null.
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
