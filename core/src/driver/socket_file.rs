//! The files of Unix sockets, whose stale ones all adapters replace alike.

use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use crate::agent::Address;

/// The file of a listening Unix socket; it is removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: Arc<str>,
}

impl SocketFile {
    /// Listens at `path`, for adapters. A socket that a process has left behind that is no more is
    /// replaced.
    ///
    /// # Errors
    /// Somebody listens there, something else is there, or whatever the system says, such as a path that is
    /// too long.
    pub fn bind(path: &Arc<str>) -> io::Result<(UnixListener, Self)> {
        let file = Path::new(&**path);
        let listener = match UnixListener::bind(file) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale(file) => {
                match std::fs::remove_file(file) {
                    // Somebody else has cleaned up.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    removed => removed?,
                }
                UnixListener::bind(file)?
            }
            listener => listener?,
        };
        Ok((listener, Self { path: path.clone() }))
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::Ipc(self.path.clone())
    }
}

/// Whether there is a socket that nobody listens at.
fn is_stale(file: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(file).is_ok_and(|meta| meta.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(file).err().is_some_and(refused)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = std::fs::remove_file(&*self.path);
    }
}
