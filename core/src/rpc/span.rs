//! Where values lie in the content of a request.

use std::ops::Range;

use crate::wire::CodecError;

/// How many positional arguments are remembered; more need a second walk.
pub(super) const INLINE: usize = 8;

/// Where a value lies in the content. A frame's length has 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// A value that is not there. A value has at least one byte.
    pub(super) const ABSENT: Self = Self { start: 0, end: 0 };

    /// The value at `range` of a content that is known to have less than 4 GiB.
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

    /// The span of `range` in the value at `self`.
    pub(super) const fn within(self, range: Range<usize>) -> Self {
        // Inside a span there is nothing that has no span.
        let Self { start, end } = Self::short(range);
        Self { start: self.start + start, end: self.start + end }
    }

    pub(super) const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}
