//! What signals do to a child process.
//!
//! The launcher keeps a terminal's signals from its children by a process group. Others send theirs to every process:
//! a service manager that ends all of a service, `pkill` by a name. So a child also handles them itself.

use std::io;

/// Leaves SIGINT and SIGHUP to the parent, which gets them as well. Returns what waits, blocking, for SIGTERM, which
/// is meant for this process.
///
/// Handlers of other libraries for the same signals stay in place.
#[cfg(unix)]
pub(crate) fn take_over() -> io::Result<impl FnOnce() + Send + 'static> {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::{flag, low_level::pipe};

    for signal in [SIGINT, SIGHUP] {
        // A handler that does nothing takes the place of the default, which ends the process.
        flag::register(signal, std::sync::Arc::default())?;
    }
    let (mut terminated, sender) = UnixStream::pair()?;
    pipe::register(SIGTERM, sender)?;
    Ok(move || while terminated.read(&mut [0]).is_err() {})
}

/// Elsewhere, there are no such signals.
#[cfg(not(unix))]
pub(crate) fn take_over() -> io::Result<impl FnOnce() + Send + 'static> {
    Ok(|| {
        loop {
            std::thread::park();
        }
    })
}
