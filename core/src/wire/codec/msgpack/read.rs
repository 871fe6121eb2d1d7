//! Reader of MsgPack tokens, and the walk from value to value.

use std::ops::Range;

use super::super::super::CodecError;
use super::super::item::Item;
use super::super::meter::Meter;

/// A reader of one value after the other.
#[derive(Clone, Debug)]
pub(in super::super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(in super::super) at: usize,
}

/// The head of an array, a map, a string, bytes or an extension.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Head {
    pub(in super::super) item: Item,
    /// The position after the head.
    pub(in super::super) body: usize,
    /// The number of bytes, elements (arrays) or entries (maps) that follow.
    pub(in super::super) len: usize,
}

/// An integer of any width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Integer {
    /// An integer in an unsigned form.
    Unsigned(u64),
    /// An integer in a signed form.
    Signed(i64),
}

/// The properties of a value that follow from its marker.
#[derive(Clone, Copy)]
struct Shape {
    /// The kind; `None` for 0xc1.
    item: Option<Item>,
    /// The number of bytes of the announced length.
    width: u8,
    /// The number of bytes, elements or entries beyond the announced length.
    extra: u8,
}

static SHAPES: [Shape; 256] = {
    let mut shapes = [shape(0); 256];
    let mut marker = 0;
    while marker < 256 {
        shapes[marker] = shape(marker as u8);
        marker += 1;
    }
    shapes
};

const fn shape(marker: u8) -> Shape {
    let (item, width, extra) = match marker {
        0..=0x7f | 0xe0..=0xff => (Item::Int, 0, 0),
        0x80..=0x8f => (Item::Map, 0, marker & 0x0f),
        0x90..=0x9f => (Item::Array, 0, marker & 0x0f),
        0xa0..=0xbf => (Item::Str, 0, marker & 0x1f),
        0xc0 => (Item::Null, 0, 0),
        0xc1 => return Shape { item: None, width: 0, extra: 0 },
        0xc2 | 0xc3 => (Item::Bool, 0, 0),
        0xc4..=0xc6 => (Item::Bytes, 1 << (marker - 0xc4), 0),
        0xc7..=0xc9 => (Item::Ext, 1 << (marker - 0xc7), 1),
        0xca | 0xcb => (Item::Float, 0, 4 << (marker - 0xca)),
        0xcc..=0xcf => (Item::Int, 0, 1 << (marker - 0xcc)),
        0xd0..=0xd3 => (Item::Int, 0, 1 << (marker - 0xd0)),
        0xd4..=0xd8 => (Item::Ext, 0, 1 + (1 << (marker - 0xd4))),
        0xd9..=0xdb => (Item::Str, 1 << (marker - 0xd9), 0),
        0xdc | 0xdd => (Item::Array, 2 << (marker - 0xdc), 0),
        0xde | 0xdf => (Item::Map, 2 << (marker - 0xde), 0),
    };
    Shape { item: Some(item), width, extra }
}

const RESERVED: &str = "0xc1 begins no value";
const TOO_LONG: &str = "longer than the bytes that are left";

impl<'a> Reader<'a> {
    #[inline]
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

    /// Returns the first byte of the next value without taking it.
    #[inline]
    pub(in super::super) fn marker(&self) -> Result<u8, CodecError> {
        match self.bytes.get(self.at) {
            Some(marker) => Ok(*marker),
            None => Err(self.fail("the bytes end too early")),
        }
    }

    /// Returns the kind of the next value, according to its marker.
    #[inline]
    pub(in super::super) fn peek(&self) -> Result<Item, CodecError> {
        match SHAPES[usize::from(self.marker()?)].item {
            Some(item) => Ok(item),
            None => Err(self.fail(RESERVED)),
        }
    }

    /// Reads the head of the next value without moving, and checks its length.
    ///
    /// The length must not exceed the bytes that are left.
    #[inline]
    pub(in super::super) fn head(&self) -> Result<Head, CodecError> {
        let Shape { item, width, extra } = SHAPES[usize::from(self.marker()?)];
        let Some(item) = item else { return Err(self.fail(RESERVED)) };
        if width > 0 {
            return self.long_head(item, width.into(), extra);
        }
        self.checked(Head { item, body: self.at + 1, len: extra.into() })
    }

    #[inline(never)]
    fn long_head(&self, item: Item, width: usize, extra: u8) -> Result<Head, CodecError> {
        let body = self.at + 1 + width;
        let Some(announced) = self.bytes.get(self.at + 1..body) else {
            return Err(self.fail("the bytes end within a length"));
        };
        let len = announced.iter().fold(0_u64, |len, byte| len << 8 | u64::from(*byte));
        // A length beyond `usize` saturates, and stays impossible.
        let len = usize::try_from(len + u64::from(extra)).unwrap_or(usize::MAX);
        self.checked(Head { item, body, len })
    }

    #[inline]
    fn checked(&self, head: Head) -> Result<Head, CodecError> {
        // Every element takes at least one byte.
        let left = self.bytes.len() - head.body;
        let most = if head.item == Item::Map { left / 2 } else { left };
        if head.len <= most { Ok(head) } else { Err(self.fail(TOO_LONG)) }
    }

    /// Takes an integer. Returns `None` if it is negative.
    pub(in super::super) fn natural(&mut self) -> Result<Option<u64>, CodecError> {
        if let number @ (0..=0x7f | 0xe0..=0xff) = self.marker()? {
            self.at += 1;
            return Ok((number <= 0x7f).then_some(number.into()));
        }
        Ok(match self.long_integer()? {
            Integer::Unsigned(number) => Some(number),
            Integer::Signed(number) => number.try_into().ok(),
        })
    }

    /// Takes an integer that is longer than its marker.
    #[inline(never)]
    pub(super) fn long_integer(&mut self) -> Result<Integer, CodecError> {
        Ok(match self.marker()? {
            0xcc => Integer::Unsigned(u8::from_be_bytes(self.number()?).into()),
            0xcd => Integer::Unsigned(u16::from_be_bytes(self.number()?).into()),
            0xce => Integer::Unsigned(u32::from_be_bytes(self.number()?).into()),
            0xcf => Integer::Unsigned(u64::from_be_bytes(self.number()?)),
            0xd0 => Integer::Signed(i8::from_be_bytes(self.number()?).into()),
            0xd1 => Integer::Signed(i16::from_be_bytes(self.number()?).into()),
            0xd2 => Integer::Signed(i32::from_be_bytes(self.number()?).into()),
            0xd3 => Integer::Signed(i64::from_be_bytes(self.number()?)),
            _ => return Err(self.fail("an integer is missing")),
        })
    }

    /// Takes a marker and the `N` bytes of a number after it.
    #[inline]
    pub(super) fn number<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        match self.bytes.get(self.at + 1..).and_then(<[u8]>::first_chunk) {
            Some(number) => {
                self.at += 1 + N;
                Ok(*number)
            }
            None => Err(self.fail(TOO_LONG)),
        }
    }

    /// Takes the bytes, or the extension, that `head` begins.
    #[inline]
    pub(super) fn body(&mut self, head: Head) -> &'a [u8] {
        self.at = head.body + head.len;
        self.bytes.get(head.body..self.at).unwrap_or_default()
    }

    /// Takes the string that `head` begins.
    #[inline]
    pub(in super::super) fn text(&mut self, head: Head) -> Result<&'a str, CodecError> {
        match str::from_utf8(self.body(head)) {
            Ok(text) => Ok(text),
            Err(error) => Err(CodecError::Syntax {
                at: head.body + error.valid_up_to(),
                what: "a string is not UTF-8",
            }),
        }
    }

    /// Skips one whole value, checks it, and returns its range.
    #[inline]
    pub(in super::super) fn skip(&mut self, meter: &mut Meter) -> Result<Range<usize>, CodecError> {
        let start = self.at;
        meter.node()?;
        match self.marker()? {
            0..=0x7f | 0xe0..=0xff => self.at += 1,
            marker @ (0x80 | 0x90) => {
                meter.enter(if marker == 0x80 { Item::Map } else { Item::Array })?;
                meter.ascend();
                self.at += 1;
            }
            _ => self.skip_long(meter)?,
        }
        Ok(start..self.at)
    }

    /// Skips a value that has been counted, without recursion.
    fn skip_long(&mut self, meter: &mut Meter) -> Result<(), CodecError> {
        let depth = meter.depth();
        // The number of values left on this level, and on each unfinished level around it, with the depth of that
        // level.
        let mut left = 0;
        let mut outer = Vec::new();
        loop {
            let head = self.head()?;
            match head.item {
                Item::Array | Item::Map => {
                    if left > 0 {
                        outer.push((left, meter.depth()));
                    }
                    meter.enter(head.item)?;
                    left = if head.item == Item::Map { 2 * head.len } else { head.len };
                    self.at = head.body;
                }
                Item::Str if !self.body(head).is_ascii() => {
                    self.text(head)?;
                }
                _ => self.at = head.body + head.len,
            }
            // Finds the next value that is not an integer; most integers are one byte.
            loop {
                if left == 0 {
                    let Some((more, level)) = outer.pop() else {
                        meter.set_depth(depth);
                        return Ok(());
                    };
                    left = more;
                    meter.set_depth(level);
                }
                meter.node()?;
                left -= 1;
                match self.marker()? {
                    0..=0x7f | 0xe0..=0xff => self.at += 1,
                    _ => break,
                }
            }
        }
    }

    /// Checks that no bytes follow.
    #[inline]
    pub(in super::super) fn end(&self) -> Result<(), CodecError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.fail("trailing bytes")) }
    }
}
