//! Positions of values in the content of a request.

use std::ops::Range;

use crate::wire::CodecError;

/// The number of positional arguments whose positions are stored; more need a second walk.
pub(super) const INLINE: usize = 8;

/// The position of a value in the content. 32 bits suffice, as for the length of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The span of a missing value. Every value has at least one byte.
    pub(super) const ABSENT: Self = Self { start: 0, end: 0 };

    /// Creates the span of `range` in content of less than 4 GiB.
    pub(super) const fn short(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    pub(super) const fn is_absent(self) -> bool {
        self.end == 0
    }

    pub(super) fn new(range: Range<usize>) -> Result<Self, CodecError> {
        match (u32::try_from(range.start), u32::try_from(range.end)) {
            (Ok(start), Ok(end)) => Ok(Self { start, end }),
            _ => Err(CodecError::Value("the arguments have more than 4 GiB".into())),
        }
    }

    /// Returns the span of `range` in the value at `self`.
    pub(super) const fn within(self, range: Range<usize>) -> Self {
        // A range inside a span always fits.
        let Self { start, end } = Self::short(range);
        Self { start: self.start + start, end: self.start + end }
    }

    pub(super) const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}
