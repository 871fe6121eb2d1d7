//! Copies within the bytes of a block, as all LZ77 decoders need them.
//!
//! Most copies are short. A copy of a fixed length, of which only the first bytes count, needs no loop and no call; the
//! next copy overwrites the rest.

/// Half the length of the longest match copied in two steps.
///
/// The second step may copy bytes that the first step has written.
const CHUNK: usize = 16;

/// Copies the first `len` bytes of `source` to `out` at `at`. Literals of at most `N` bytes take one step.
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

/// Copies `len` bytes from `distance` bytes before `at` to `at`.
///
/// The ranges may overlap: then the first `distance` bytes repeat. A distance of 0 is invalid.
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
