//! Opens Unix sockets.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::host::sleep;
use crate::runtime::Runtime;
use crate::socket_file::{check, connect};

/// The longest pause between two attempts at a listener with a full queue.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// Connects to the socket at `path`, and waits while the listener's queue is full. Only the caller's time limit ends
/// the wait.
pub(super) async fn dial<R: Runtime>(runtime: &R, path: &str) -> io::Result<UnixStream> {
    check(path)?;
    let mut pause = Duration::from_millis(1);
    loop {
        match connect(path) {
            // The system has no event for a free position. A blocking `connect` waits for one, but blocks its thread.
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(runtime, pause).await?,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let text = format!(
                    "{error}: connecting takes permission to write to the socket's file, and to search its directories"
                );
                return Err(io::Error::new(error.kind(), text));
            }
            connected => return connected,
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}
