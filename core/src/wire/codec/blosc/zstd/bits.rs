//! Bits, from the end of a stream to its start.

/// What is left of a stream, whose last bit that is set marks its end.
///
/// Nothing is checked on the way. Instead, [`is_done`](Self::is_done) tells in the end whether what was
/// read is what there was.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Where the window starts, in bytes.
    at: usize,
    /// Eight bytes, little-endian, or all that there are.
    window: u64,
    /// How many bits of the window are left, all of them below those that were read. Negative, if more
    /// were read than there are.
    left: isize,
}

/// What keeps so many bits.
const MASKS: [u64; 64] = {
    let mut masks = [0; 64];
    let mut count = 1;
    while count < 64 {
        masks[count] = masks[count - 1] << 1 | 1;
        count += 1;
    }
    masks
};

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Option<Self> {
        let last = data.last()?.checked_ilog2()?;
        Some(Self::before(data, ((data.len() - 1) * 8 + last as usize) as isize))
    }

    /// Those of which `left` are still to be read.
    pub(super) fn before(data: &'a [u8], left: isize) -> Self {
        let at = usize::try_from((left + 7) / 8 - 8).unwrap_or(0);
        let mut bytes = [0; 8];
        for (byte, from) in bytes.iter_mut().zip(data.get(at..).unwrap_or_default()) {
            *byte = *from;
        }
        Self { data, at, window: u64::from_le_bytes(bytes), left: left - at as isize * 8 }
    }

    /// Moves the window, so that it has 57 bits, or all that are left.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let bytes = ((64 - self.left) as usize / 8).min(self.at);
        self.at -= bytes;
        self.left += bytes as isize * 8;
        if let Some(bytes) = self.data.get(self.at..).and_then(<[u8]>::first_chunk) {
            self.window = u64::from_le_bytes(*bytes);
        }
    }

    /// Reads `count` bits, below 64.
    #[inline(always)]
    pub(super) fn read(&mut self, count: u8) -> u64 {
        self.left -= isize::from(count);
        self.window.wrapping_shr(self.left as u32) & MASKS[usize::from(count) % 64]
    }

    /// The next bits, of which one is left at least.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> usize {
        (self.window.wrapping_shl((64 - self.left) as u32) >> (64 - count)) as usize
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, count: u8) {
        self.left -= isize::from(count);
    }

    /// Whether all bits were read.
    pub(super) fn is_done(&self) -> bool {
        self.at == 0 && self.left == 0
    }

    /// Whether more bits were read than there are.
    pub(super) fn is_over(&self) -> bool {
        self.left < 0
    }
}
