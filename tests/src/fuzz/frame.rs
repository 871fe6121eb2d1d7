//! Frames.

use aiomas_core::wire::{Deframer, FrameError};
use bytes::{Bytes, BytesMut};

const MAX_FRAME: usize = 300;

/// Splits a stream into frames: received whole, byte by byte, and in pieces of other sizes.
///
/// # Panics
/// The results differ.
pub fn deframe_split(data: &[u8]) {
    let Some((&seed, stream)) = data.split_first() else { return };
    let whole = frames(stream, usize::MAX);
    for size in [1, 2, 3, 4, 5, usize::from(seed) + 1] {
        assert_eq!(frames(stream, size), whole, "pieces of {size} bytes");
    }
}

/// Returns the frames, and the remaining bytes or the error that ended the stream.
fn frames(stream: &[u8], size: usize) -> (Vec<Bytes>, Result<Bytes, FrameError>) {
    let deframer = Deframer::new(MAX_FRAME);
    let (mut frames, mut input) = (Vec::new(), BytesMut::new());
    for piece in stream.chunks(size) {
        input.extend_from_slice(piece);
        loop {
            match deframer.next_frame(&mut input) {
                Ok(Some(frame)) => {
                    assert!(frame.len() <= MAX_FRAME);
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, Ok(input.freeze()))
}
