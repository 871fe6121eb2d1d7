//! Opening Unix sockets.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::host::sleep;
use crate::runtime::Runtime;
use crate::socket_file::{check, connect};

/// The longest wait between two looks at a listener that has no room.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// Connects to the socket at `path`, and waits while its listener has no room. Only the caller's time limit ends that.
pub(super) async fn dial<R: Runtime>(runtime: &R, path: &str) -> io::Result<UnixStream> {
    check(path)?;
    let mut pause = Duration::from_millis(1);
    loop {
        match connect(path) {
            // The system has no event for room. A blocking `connect` waits for it, and its thread with it.
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
