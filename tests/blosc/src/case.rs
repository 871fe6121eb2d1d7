//! One set of compression options, for either side.

use std::fmt;

use aiomas_core::wire::codec::blosc::{self as ours, Options, Shuffle};

use crate::c;

/// All kinds of shuffling.
pub const SHUFFLES: [Shuffle; 3] = [Shuffle::None, Shuffle::Byte, Shuffle::Bit];

/// The compressors of our codec.
pub const OURS: [ours::Compressor; 2] = [ours::Compressor::BloscLz, ours::Compressor::Lz4];

/// The options with which `data` is compressed.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The name of the data.
    pub name: &'a str,
    /// The data.
    pub data: &'a [u8],
    /// The kind of shuffling.
    pub shuffle: Shuffle,
    /// The size of an element in bytes.
    pub type_size: u8,
    /// From 0 to 9.
    pub level: u8,
}

impl Case<'_> {
    /// Returns the frame that our codec writes.
    ///
    /// # Panics
    /// The options are out of range.
    #[must_use]
    pub fn ours(&self, compressor: ours::Compressor) -> Vec<u8> {
        let mut options = Options::default();
        options.compressor = compressor;
        options.shuffle = self.shuffle;
        options.type_size = self.type_size;
        options.level = self.level;
        let mut frame = Vec::new();
        ours::compress(self.data, &options, &mut frame).expect("options in range");
        frame
    }

    /// Returns the frame that C writes.
    #[must_use]
    pub fn theirs(&self, compressor: c::Compressor) -> Vec<u8> {
        c::compress(self.data, compressor, self.shuffle, self.type_size, self.level)
    }

    /// Checks that each side reads the frames of all compressors of both. Returns the number of
    /// compared frames.
    ///
    /// # Panics
    /// A frame cannot be read, or its data differ.
    pub fn check(&self) -> usize {
        for compressor in c::COMPRESSORS {
            let frame = self.theirs(compressor);
            let back = ours::decompress(&frame, self.data.len())
                .unwrap_or_else(|error| panic!("{self:?}, {compressor:?} of C: {error}"));
            assert!(back == self.data, "{self:?}, {compressor:?} of C: other data");
        }
        for compressor in OURS {
            let frame = self.ours(compressor);
            assert!(frame.len() <= self.data.len() + 16, "{self:?}, {compressor:?}: too long");
            let back = c::decompress(&frame);
            assert!(back.as_deref() == Some(self.data), "{self:?}, {compressor:?}: not read by C");
            let back = ours::decompress(&frame, self.data.len()).ok();
            assert!(back.as_deref() == Some(self.data), "{self:?}, {compressor:?}: not read by us");
        }
        c::COMPRESSORS.len() + 2 * OURS.len()
    }
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, data, shuffle, type_size, level } = self;
        let len = data.len();
        write!(f, "{len} bytes of {name}, {shuffle:?}, type size {type_size}, level {level}")
    }
}
