//! Words of a peer, made safe to print.

use std::fmt::{self, Display, Write};

/// Prints a text of a peer as one line, of bounded length: what a terminal would not just print (controls,
/// escapes, marks that turn the direction of text) is escaped, and what is too long is cut.
///
/// Printing what was printed so changes nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printable<'a>(pub(crate) &'a str);

/// So much of a text is printed, in bytes of it.
const SHOWN: usize = 1024;

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.0.char_indices().map(|(at, _)| at).find(|at| *at >= SHOWN);
        let shown = &self.0[..cut.unwrap_or(self.0.len())];
        for c in shown.chars() {
            match c {
                '"' | '\'' | '\\' => f.write_char(c)?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        match self.0.len() - shown.len() {
            0 => Ok(()),
            left => write!(f, "... ({left} more bytes)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        let text = "\x1b[2J\x1b]0;title\x07a\r\nb\u{9b}1m\u{202e}\u{85}é\"\\";
        let shown = r#"\u{1b}[2J\u{1b}]0;title\u{7}a\r\nb\u{9b}1m\u{202e}\u{85}é"\"#;
        assert_eq!(Printable(text).to_string(), shown);
        let long = "é".repeat(600);
        let shown = format!("{}... (176 more bytes)", "é".repeat(512));
        assert_eq!(Printable(&long).to_string(), shown);
    }

    proptest! {
        #[test]
        fn is_one_harmless_line(text in any::<String>()) {
            let shown = Printable(&text).to_string();
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(Printable(&shown).to_string(), shown);
        }
    }
}
