//! The handling of signals in a child process.
//!
//! The launcher puts its children into process groups of their own, out of reach of a terminal's signals. Other senders
//! signal every process: a service manager that ends all processes of a service, or `pkill` by a name. A child
//! therefore handles signals as well.

use std::io;

/// Ignores SIGINT and SIGHUP, which the parent handles, and takes over SIGTERM.
///
/// Returns a blocking function that waits for SIGTERM, which is meant for this process. Handlers of other libraries for
/// the same signals stay in place.
#[cfg(unix)]
pub(crate) fn take_over() -> io::Result<impl FnOnce() + Send + 'static> {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::{flag, low_level::pipe};

    for signal in [SIGINT, SIGHUP] {
        // An empty handler replaces the default, which ends the process.
        flag::register(signal, std::sync::Arc::default())?;
    }
    let (mut terminated, sender) = UnixStream::pair()?;
    pipe::register(SIGTERM, sender)?;
    Ok(move || while terminated.read(&mut [0]).is_err() {})
}

/// Does nothing: other systems do not have these signals. The returned function waits forever.
#[cfg(not(unix))]
pub(crate) fn take_over() -> io::Result<impl FnOnce() + Send + 'static> {
    Ok(|| {
        loop {
            std::thread::park();
        }
    })
}
