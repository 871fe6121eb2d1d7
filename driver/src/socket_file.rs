//! The files of Unix sockets: each has one listener, which removes its own file and no other.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::host::sleep;
use super::runtime::Runtime;

/// The maximum path length in bytes, without the zero at the end.
const MAX_PATH: usize =
    if cfg!(target_os = "linux") || cfg!(target_os = "android") { 107 } else { 103 };

/// The length of the accept queue. Systems may reduce it.
const BACKLOG: i32 = 4096;

/// The time limit for waiting for programs that start in the same directory.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to take the lock.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// The file of a listening Unix socket. Dropping it removes the file, if the same file is still present.
///
/// It must be dropped before the socket: while the socket listens, its file cannot be considered stale, and the system
/// gives its inode to no other file.
#[derive(Debug)]
pub(super) struct SocketFile(Option<Made>);

#[derive(Debug)]
struct Made {
    /// Absolute: the working directory may change.
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Listens at `path`. It replaces a socket without a listening process; any other file stays.
    ///
    /// Programs that start in one directory take turns, by a lock (`flock`) on the directory, which leaves no file
    /// behind. Without it, a socket that is bound and does not listen yet would look stale.
    ///
    /// # Errors
    /// The path has a listener, or is not a socket, or the system reports another error.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on files.
    pub(super) async fn bind<R: Runtime>(
        runtime: &R,
        path: &str,
    ) -> io::Result<(UnixListener, Self)> {
        check(path)?;
        if path.starts_with('\0') {
            // An abstract name of Linux has no file.
            return Ok((listen(path)?, Self(None)));
        }
        let file = Path::new(path);
        let directory = directory(file);
        // An unreadable directory has no lock, but a free path in it can still be used.
        let locked = lock(runtime, directory).await;
        let listener = match listen(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                remove_stale(path, error, locked.as_ref().err())?;
                listen(path)
            }
            listener => listener,
        };
        let listener = listener.map_err(|error| explain(error, directory))?;
        let made = std::path::absolute(file)
            .and_then(|path| Ok((path.symlink_metadata()?, path)))
            .map(|(meta, path)| Made { path, device: meta.dev(), inode: meta.ino() });
        Ok((listener, Self(made.ok())))
    }
}

impl Made {
    fn is(&self, meta: &Metadata) -> bool {
        meta.file_type().is_socket() && (meta.dev(), meta.ino()) == (self.device, self.inode)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Some(made) = &self.0 else { return };
        if made.path.symlink_metadata().is_ok_and(|meta| made.is(&meta)) {
            // The directory may have become read-only.
            let _removed = std::fs::remove_file(&made.path);
        }
    }
}

/// Rejects an invalid socket path.
pub(super) fn check(path: &str) -> io::Result<()> {
    let text = if path.is_empty() {
        "the path is empty".to_owned()
    } else if path.len() > MAX_PATH {
        format!(
            "the path has {} bytes, and that of a socket has at most {MAX_PATH}; take a shorter or a relative one",
            path.len()
        )
    } else if !path.starts_with('\0') && path.contains('\0') {
        "there is a zero byte in the path".to_owned()
    } else {
        return Ok(());
    };
    Err(io::Error::new(ErrorKind::InvalidInput, text))
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn address(path: &str) -> io::Result<SockAddr> {
    SockAddr::unix(Path::new(OsStr::from_bytes(path.as_bytes())))
}

fn listen(path: &str) -> io::Result<UnixListener> {
    let socket = socket()?;
    socket.bind(&address(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connects without waiting: [`WouldBlock`](ErrorKind::WouldBlock) means that the listener's queue is full.
pub(super) fn connect(path: &str) -> io::Result<UnixStream> {
    let socket = socket()?;
    socket.connect(&address(path)?)?;
    Ok(socket.into())
}

/// Returns the directory of the file.
fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => file,
    }
}

/// Locks the directory against other programs that start in it. The lock ends with the returned file, and with the
/// process.
async fn lock<R: Runtime>(runtime: &R, directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    let until = runtime.now().checked_add(MAX_WAIT);
    let mut pause = Duration::from_millis(1);
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if until.is_none_or(|until| runtime.now() < until) => {
                sleep(runtime, pause).await?;
                pause = (pause * 2).min(MAX_PAUSE);
            }
            Err(Errno::WOULDBLOCK) => {
                let text = format!("another process has locked it for {MAX_WAIT:?}");
                return Err(io::Error::new(ErrorKind::TimedOut, text));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes the socket at `path` if it has no listening process. `taken` is the error of binding it.
fn remove_stale(path: &str, taken: io::Error, not_locked: Option<&io::Error>) -> io::Result<()> {
    let file = Path::new(path);
    match file.symlink_metadata() {
        Ok(meta) if !meta.file_type().is_socket() => {
            let text = "a file is there that is no socket; take another path, or remove it";
            return Err(io::Error::new(ErrorKind::AlreadyExists, text));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match connect(path).map_err(|error| error.kind()) {
        Err(ErrorKind::ConnectionRefused) => {}
        Err(ErrorKind::NotFound) => return Ok(()),
        // A process listens, or its presence cannot be determined.
        _ => return Err(taken),
    }
    let left_behind = |kind, why: &dyn std::fmt::Display| {
        let text = format!("a process has left its socket behind, which cannot be replaced: {why}");
        io::Error::new(kind, text)
    };
    if let Some(error) = not_locked {
        let directory = directory(file).display();
        let why = format!("cannot lock {directory}: {error}; remove it, or take another path");
        return Err(left_behind(ErrorKind::PermissionDenied, &why));
    }
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(left_behind(error.kind(), &error)),
        _ => Ok(()),
    }
}

/// Adds the remedy to an error of the system.
fn explain(error: io::Error, directory: &Path) -> io::Error {
    let at = directory.display();
    let text = match error.kind() {
        ErrorKind::NotFound => format!("there is no directory {at}; create it first ({error})"),
        ErrorKind::NotADirectory => format!("{at} is no directory ({error})"),
        ErrorKind::PermissionDenied => {
            format!("a socket takes permission to write to the directory {at} ({error})")
        }
        _ => return error,
    };
    io::Error::new(error.kind(), text)
}
