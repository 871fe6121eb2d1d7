//! The line of output in which a child reports that it listens.

use std::io::{self, Write};

use aiomas_core::agent::Address;
use serde::{Deserialize, Serialize};

/// The line `{"ready": {"addr": "tcp://127.0.0.1:5556"}}`. Programs may add entries.
#[derive(Serialize, Deserialize)]
struct Line {
    ready: Ready,
}

#[derive(Serialize, Deserialize)]
struct Ready {
    addr: String,
}

/// Reports that this process listens at `address`.
pub(crate) fn say(address: &Address) -> io::Result<()> {
    let line = Line { ready: Ready { addr: address.to_string() } };
    let mut stdout = io::stdout().lock();
    // `println` would panic if the parent no longer reads.
    writeln!(stdout, "{}", serde_json::to_string(&line)?)?;
    stdout.flush()
}

/// Returns the address, if this is the line that reports one.
pub(crate) fn read(line: &[u8]) -> Option<String> {
    let line: Line = serde_json::from_slice(line).ok()?;
    Some(line.ready.addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_are_not_taken_for_it() {
        let line = br#"{"ready": {"addr": "tcp://h:1", "agents": {"Manager": "tcp://h:1/0"}}}"#;
        assert_eq!(read(line).as_deref(), Some("tcp://h:1"));
        for line in [
            &b""[..],
            b"ready",
            b"{}",
            b"\xff",
            b"[]",
            br#"{"ready": true}"#,
            br#"{"ready": {"addr": 5}}"#,
            br#"{"ready": {"addr": "tcp://h:1"}} and more"#,
        ] {
            assert_eq!(read(line), None);
        }
    }
}
