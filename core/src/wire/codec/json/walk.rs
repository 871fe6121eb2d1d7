//! Walks from value to value.

use std::ops::Range;

use super::super::super::CodecError;
use super::super::item::Item;
use super::super::meter::Meter;
use super::lex::Lexer;

/// The kinds of the open brackets, one bit per level: 1 is a brace.
#[derive(Default)]
struct Brackets {
    depth: u32,
    bits: u64,
    /// Blocks of 64 levels each, the outermost first.
    outer: Vec<u64>,
}

impl Brackets {
    fn open(&mut self, brace: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.depth += 1;
        self.bits = self.bits << 1 | u64::from(brace);
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }

    const fn innermost(&self) -> Item {
        if self.bits & 1 == 1 { Item::Map } else { Item::Array }
    }
}

/// Skips one whole value without recursion, and returns its range.
#[inline]
pub(in super::super) fn skip(
    lexer: &mut Lexer<'_>,
    meter: &mut Meter,
) -> Result<Range<usize>, CodecError> {
    meter.node()?;
    let first = lexer.expect()?;
    let start = lexer.at;
    match first {
        b'[' | b'{' if lexer.take_empty() => {
            meter.enter(if first == b'{' { Item::Map } else { Item::Array })?;
            meter.ascend();
        }
        b'[' => skip_nested(lexer, meter, Item::Array)?,
        b'{' => skip_nested(lexer, meter, Item::Map)?,
        _ if lexer.natural().is_some() => {}
        _ => skip_leaf(lexer, first)?,
    }
    Ok(start..lexer.at)
}

fn skip_leaf(lexer: &mut Lexer<'_>, first: u8) -> Result<(), CodecError> {
    match first {
        b'"' => lexer.skip_string(),
        b'n' => lexer.word("null"),
        b't' => lexer.word("true"),
        b'f' => lexer.word("false"),
        _ if lexer.natural().is_some() => Ok(()),
        _ => lexer.number().map(drop),
    }
}

/// Skips an array or map, starting at its bracket.
fn skip_nested(lexer: &mut Lexer<'_>, meter: &mut Meter, mut item: Item) -> Result<(), CodecError> {
    let mut open = Brackets::default();
    'enter: loop {
        lexer.at += 1;
        meter.enter(item)?;
        open.open(item == Item::Map);
        let mut first = true;
        loop {
            if !next(lexer, item, first)? {
                meter.ascend();
                open.close();
                if open.depth == 0 {
                    return Ok(());
                }
                item = open.innermost();
                first = false;
                continue;
            }
            first = false;
            if item == Item::Map {
                meter.node()?;
                lexer.skip_string()?;
                colon(lexer)?;
            }
            meter.node()?;
            item = match lexer.expect()? {
                b'[' => Item::Array,
                b'{' => Item::Map,
                leaf => {
                    skip_leaf(lexer, leaf)?;
                    continue;
                }
            };
            continue 'enter;
        }
    }
}

/// Moves to the next element or key, or past the closing bracket.
#[inline]
pub(in super::super) fn next(
    lexer: &mut Lexer<'_>,
    item: Item,
    first: bool,
) -> Result<bool, CodecError> {
    let (close, missing) = match item {
        Item::Map => (b'}', "neither `,` nor `}` after a map's entry"),
        _ => (b']', "neither `,` nor `]` after an array's element"),
    };
    let mut byte = lexer.expect()?;
    if byte == close {
        lexer.at += 1;
        return Ok(false);
    }
    if !first {
        lexer.take(b',', missing)?;
        byte = lexer.expect()?;
    }
    if item == Item::Map && byte != b'"' {
        return Err(lexer.fail("a map's key is not a string"));
    }
    Ok(true)
}

#[inline]
pub(in super::super) fn colon(lexer: &mut Lexer<'_>) -> Result<(), CodecError> {
    lexer.take(b':', "no `:` after a map's key")
}
