//! The two ends of a text of any length.

use std::borrow::Cow;

/// A text, or no more of it than its two ends.
#[derive(Debug, PartialEq)]
pub(crate) enum Excerpt<'a> {
    /// All of it.
    Whole(Cow<'a, str>),
    /// It is longer.
    Ends {
        /// What it begins with.
        head: String,
        /// What it ends with.
        tail: String,
    },
}

/// Takes a text in pieces and keeps its ends, in no more than four times the bytes of one of them.
#[derive(Debug)]
pub(crate) struct Ends {
    max: usize,
    head: String,
    tail: String,
    /// Whether anything between them has been dropped.
    cut: bool,
}

impl Ends {
    /// Keeps `max` bytes of each end.
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
        // At least half of what is kept is dropped at a time, so that each byte is moved once.
        if rest.len() > self.max.min(self.max.saturating_mul(2) - self.tail.len()) {
            self.cut = true;
            let keep = self.max.saturating_sub(rest.len());
            self.tail.drain(..end_of(&self.tail, keep));
        }
        let rest = &rest[end_of(rest, self.max)..];
        self.tail.push_str(rest);
    }

    /// What is kept, or all if that is all.
    pub(crate) fn finish<'a>(self) -> Excerpt<'a> {
        let Self { mut head, tail, cut, .. } = self;
        if cut {
            return Excerpt::Ends { head, tail };
        }
        head.push_str(&tail);
        Excerpt::Whole(head.into())
    }
}

/// The text's first bytes, up to `max`.
pub(crate) fn head(text: &str, max: usize) -> &str {
    &text[..start_of(text, max)]
}

/// The text's last bytes, up to `max`.
pub(crate) fn tail(text: &str, max: usize) -> &str {
    &text[end_of(text, max)..]
}

/// Where the characters end of which up to `max` bytes come first.
fn start_of(text: &str, max: usize) -> usize {
    (0..=max.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// Where the characters begin of which up to `max` bytes come last.
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
