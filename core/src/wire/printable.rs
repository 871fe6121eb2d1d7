//! `Printable`: text of a peer, made safe to print.

use std::fmt::{self, Display, Write};

/// Prints text of a peer, or a value that contains such text, on one line.
///
/// Escapes what a terminal would not simply print: control characters, escape sequences, and marks that change the
/// direction of text. Cuts the text after 1,024 bytes. Printing the output again does not change it.
///
/// ```
/// use aiomas_core::wire::Printable;
///
/// assert_eq!(Printable("\x1b[2Jno\n[ERROR] such").to_string(), r"\u{1b}[2Jno\n[ERROR] such");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Printable<T>(pub T);

/// The number of bytes of a text that are printed.
const SHOWN: usize = 1024;
/// The number of further bytes that are not cut: room for an earlier cut's note.
const NOTE: usize = 32;

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaped = Escaped { out: f, seen: 0, rest: String::new() };
        write!(escaped, "{}", self.0)?;
        escaped.finish()
    }
}

/// A writer that escapes text and counts the bytes it leaves out.
struct Escaped<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    seen: usize,
    /// The bytes after the limit, printed only if few follow.
    rest: String,
}

impl Escaped<'_, '_> {
    fn escape(&mut self, c: char) -> fmt::Result {
        match c {
            '"' | '\'' | '\\' => self.out.write_char(c),
            _ => write!(self.out, "{}", c.escape_debug()),
        }
    }

    fn finish(mut self) -> fmt::Result {
        match self.seen.saturating_sub(SHOWN) {
            0 => Ok(()),
            more if more > NOTE => write!(self.out, "... ({more} more bytes)"),
            _ => std::mem::take(&mut self.rest).chars().try_for_each(|c| self.escape(c)),
        }
    }
}

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, c) in text.char_indices() {
            if self.seen < SHOWN {
                self.escape(c)?;
            } else if self.rest.len() < NOTE {
                self.rest.push(c);
            } else {
                self.seen += text.len() - at;
                break;
            }
            self.seen += c.len_utf8();
        }
        Ok(())
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
        assert_eq!(Printable(&shown).to_string(), shown);
        assert_eq!(
            Printable(&"x".repeat(1 << 20)).to_string().len(),
            1024 + "... (1047552 more bytes)".len()
        );
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
