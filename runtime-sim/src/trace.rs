//! A hash of all events.

/// A hash of all events.
#[derive(Debug)]
pub(crate) struct Trace(u64);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Poll,
    Time,
    Send,
    Receive,
    Listen,
    Dial,
    Stop,
    Part,
    Heal,
    Date,
    Freeze,
    Thaw,
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Trace {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ FACTOR)
    }

    #[inline]
    const fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }

    #[inline]
    pub(crate) const fn note(&mut self, step: Step, what: u64, how_much: u64) {
        self.mix(((step as u64) << 56) ^ what);
        self.mix(how_much);
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        self.mix(u64::from_le_bytes(last));
    }

    pub(crate) const fn hash(&self) -> u64 {
        // Makes each bit of the result depend on all input bits.
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(FACTOR);
        mixed ^ (mixed >> 29)
    }
}
