//! Four streams of Huffman codes at once: none waits for another.

use std::ops::Range;

use super::bits::Bits;

/// No code has more bits.
pub(super) const LOG: u32 = 11;
/// So many codes are in a window at once.
pub(super) const STEP: usize = 5;
/// Where up to two symbols of each code are written, with what may be written and not count.
const ROOM: usize = 17;

/// From the low byte on: the length of the code in bits, and its symbol.
pub(super) type Single = u16;
/// From the low byte on: one or two symbols, the length of their codes in bits, and their number.
pub(super) type Pair = u32;

/// One of the streams.
pub(super) struct Lane<'a> {
    stream: &'a [u8],
    /// Where the stream starts in the data of all four.
    start: usize,
    /// Where the window starts there. That may be in the stream before: those bits do not count.
    at: usize,
    /// The next bits, from the highest one on. The lowest bit that is set tells how many are gone.
    window: u64,
    out: &'a mut [u8],
    written: usize,
}

impl<'a> Lane<'a> {
    /// The stream in so many bytes of the data.
    pub(super) fn new(data: &'a [u8], bytes: Range<usize>, out: &'a mut [u8]) -> Option<Self> {
        let Range { start, end } = bytes;
        let stream = data.get(start..end)?;
        let last = stream.last()?.checked_ilog2()?;
        // The loops load a window before they use it, or do not use it, if it is not in the data.
        let (at, window) = (end.wrapping_sub(8), 1 << (8 - last));
        Some(Self { stream, start, at, window, out, written: 0 })
    }

    /// What the loops have left.
    pub(super) fn rest(self) -> (Bits<'a>, &'a mut [u8]) {
        let ahead = self.at.wrapping_sub(self.start) as isize;
        let left = ahead * 8 + 64 - self.window.trailing_zeros() as isize;
        (Bits::before(self.stream, left), &mut self.out[self.written..])
    }
}

/// Loads the next bits of a stream. `None`: there are not eight bytes.
#[inline(always)]
fn reload(data: &[u8], at: &mut usize, window: &mut u64) -> Option<()> {
    let used = window.trailing_zeros();
    let start = at.wrapping_sub(used as usize / 8);
    let bytes = data.get(start..)?.first_chunk()?;
    *at = start;
    *window = (u64::from_le_bytes(*bytes) | 1) << (used % 8);
    Some(())
}

/// Decodes symbol by symbol, as long as all streams go on.
pub(super) fn decode_singles(data: &[u8], lanes: &mut [Lane<'_>; 4], table: &[Single; 1 << LOG]) {
    let mut at = lanes.each_ref().map(|lane| lane.at);
    let mut window = lanes.each_ref().map(|lane| lane.window);
    let mut steps = 0;
    let [a, b, c, d] = lanes.each_mut().map(|lane| lane.out.as_chunks_mut::<STEP>().0);
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        if (0..4).any(|lane| reload(data, &mut at[lane], &mut window[lane]).is_none()) {
            break;
        }
        let outs = [a, b, c, d];
        for symbol in 0..STEP {
            for lane in 0..4 {
                let cell = table[(window[lane] >> (64 - LOG)) as usize];
                window[lane] <<= cell & 63;
                outs[lane][symbol] = (cell >> 8) as u8;
            }
        }
        steps += 1;
    }
    for (index, lane) in lanes.iter_mut().enumerate() {
        (lane.at, lane.window, lane.written) = (at[index], window[index], steps * STEP);
    }
}

/// Decodes one or two symbols at a time, as long as all streams go on.
pub(super) fn decode_pairs(data: &[u8], lanes: &mut [Lane<'_>; 4], table: &[Pair; 1 << LOG]) {
    let mut at = lanes.each_ref().map(|lane| lane.at);
    let mut window = lanes.each_ref().map(|lane| lane.window);
    let mut written = [0; 4];
    let mut outs = lanes.each_mut().map(|lane| &mut *lane.out);
    loop {
        let [a, b, c, d] = &mut outs;
        let [i, j, k, l] = written;
        let (Some(a), Some(b), Some(c), Some(d)) = (room(a, i), room(b, j), room(c, k), room(d, l))
        else {
            break;
        };
        if (0..4).any(|lane| reload(data, &mut at[lane], &mut window[lane]).is_none()) {
            break;
        }
        let rooms = [a, b, c, d];
        let mut len = [0; 4];
        for _ in 0..STEP {
            for lane in 0..4 {
                let cell = table[(window[lane] >> (64 - LOG)) as usize];
                window[lane] <<= cell >> 16 & 63;
                let at = len[lane] % (ROOM - 1);
                rooms[lane][at..at + 2].copy_from_slice(&(cell as u16).to_le_bytes());
                len[lane] = at + (cell >> 24) as usize;
            }
        }
        for lane in 0..4 {
            written[lane] += len[lane];
        }
    }
    for (index, lane) in lanes.iter_mut().enumerate() {
        (lane.at, lane.window, lane.written) = (at[index], window[index], written[index]);
    }
}

#[inline(always)]
fn room(out: &mut [u8], at: usize) -> Option<&mut [u8; ROOM]> {
    out.get_mut(at..)?.first_chunk_mut()
}
