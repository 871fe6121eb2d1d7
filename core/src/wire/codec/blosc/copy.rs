//! Copies within the bytes of a block, as all LZ77 streams need them.
//!
//! Most copies are short: one of a fixed length, of which only some bytes may count, needs no loop and no
//! call. The bytes after it are written again by what follows.

/// Matches of at most twice this many bytes are copied in two steps. Then the second may copy what the
/// first has written.
const CHUNK: usize = 16;

/// Copies the first `len` bytes of `source` to `out` from `at`. `N`: literals of at most so many bytes
/// are copied in one step.
#[inline(always)]
pub(super) fn copy_literals<const N: usize>(
    source: &[u8],
    len: usize,
    out: &mut [u8],
    at: usize,
) -> Option<()> {
    let out = out.get_mut(at..)?;
    match (source.first_chunk::<N>(), out.first_chunk_mut::<N>()) {
        (Some(literals), Some(out)) if len <= N => *out = *literals,
        _ => out.get_mut(..len)?.copy_from_slice(source.get(..len)?),
    }
    Some(())
}

/// Copies the `len` bytes that are `distance` bytes before `at` there. The two ranges may overlap: then
/// the first `distance` bytes repeat. A distance of 0 is none.
#[inline(always)]
pub(super) fn copy_match(out: &mut [u8], at: usize, distance: usize, len: usize) -> Option<()> {
    let from = at.checked_sub(distance)?;
    let out = out.get_mut(from..)?;
    if len <= 2 * CHUNK && distance >= CHUNK && distance + 2 * CHUNK <= out.len() {
        out.copy_within(..CHUNK, distance);
        out.copy_within(CHUNK..2 * CHUNK, distance + CHUNK);
        return Some(());
    }
    copy_long(out.get_mut(..distance + len)?, distance)
}

/// Repeats the first `distance` bytes of `out` until its end.
fn copy_long(out: &mut [u8], distance: usize) -> Option<()> {
    match distance {
        0 => return None,
        1 => {
            let byte = *out.first()?;
            out.fill(byte);
        }
        _ => {
            let mut known = distance;
            while known < out.len() {
                let len = known.min(out.len() - known);
                out.copy_within(..len, known);
                known += len;
            }
        }
    }
    Some(())
}
