//! Excerpts: the two ends of a text of any length.

use std::borrow::Cow;

/// A whole text, or only its two ends.
#[derive(Debug, PartialEq)]
pub(crate) enum Excerpt<'a> {
    /// The whole text.
    Whole(Cow<'a, str>),
    /// The ends of a longer text.
    Ends {
        /// The beginning of the text.
        head: String,
        /// The end of the text.
        tail: String,
    },
}

/// Collects a text in pieces and keeps its ends.
///
/// It holds at most four times the bytes of one end.
#[derive(Debug)]
pub(crate) struct Ends {
    max: usize,
    head: String,
    tail: String,
    /// `true` if text between the ends has been dropped.
    cut: bool,
}

impl Ends {
    /// Creates a collector that keeps `max` bytes of each end.
    pub(crate) const fn new(max: usize) -> Self {
        Self { max, head: String::new(), tail: String::new(), cut: false }
    }

    pub(crate) fn push(&mut self, text: &str) {
        let room = self.max - self.head.len();
        let (head, rest) = match self.tail.is_empty() && !self.cut {
            true => text.split_at(start_of(text, room)),
            false => ("", text),
        };
        self.head.push_str(head);
        if rest.is_empty() {
            return;
        }
        // Drops at least half of the kept bytes at a time, so that each byte moves once.
        if rest.len() > self.max.min(self.max.saturating_mul(2) - self.tail.len()) {
            self.cut = true;
            let keep = self.max.saturating_sub(rest.len());
            self.tail.drain(..end_of(&self.tail, keep));
        }
        let rest = &rest[end_of(rest, self.max)..];
        self.tail.push_str(rest);
    }

    /// Returns the whole text if nothing was dropped, else its ends.
    pub(crate) fn finish<'a>(self) -> Excerpt<'a> {
        let Self { mut head, tail, cut, .. } = self;
        if cut {
            return Excerpt::Ends { head, tail };
        }
        head.push_str(&tail);
        Excerpt::Whole(head.into())
    }
}

/// Returns the longest prefix of `text` of up to `max` bytes.
pub(crate) fn head(text: &str, max: usize) -> &str {
    &text[..start_of(text, max)]
}

/// Returns the longest suffix of `text` of up to `max` bytes.
pub(crate) fn tail(text: &str, max: usize) -> &str {
    &text[end_of(text, max)..]
}

/// Returns the last character boundary within the first `max` bytes.
fn start_of(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// Returns the first character boundary within the last `max` bytes.
fn end_of(text: &str, max: usize) -> usize {
    let start = text.len().saturating_sub(max);
    (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keeps_both_ends(pieces in prop::collection::vec("[aé€\u{10000}]{0,9}", 0..12), max in 0..20_usize) {
            let text = pieces.concat();
            let mut ends = Ends::new(max);
            pieces.iter().for_each(|piece| ends.push(piece));
            match ends.finish() {
                Excerpt::Whole(whole) => prop_assert_eq!(whole, text),
                Excerpt::Ends { head: kept_head, tail: kept_tail } => {
                    prop_assert_eq!(&kept_head, head(&text, max));
                    prop_assert!(kept_tail.len() <= 2 * max && text.ends_with(&kept_tail));
                    prop_assert!(kept_tail.len() + 3 >= max, "{kept_tail:?} of {text:?}");
                }
            }
        }
    }
}
