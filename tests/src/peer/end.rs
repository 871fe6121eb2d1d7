//! The end of the program.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::sync::oneshot;

/// Waits for the end of a program: a signal, or the end of its standard input.
pub(super) struct End {
    signals: UnixStream,
    stdin: Option<File>,
}

impl End {
    pub(super) fn new() -> io::Result<Self> {
        let (signals, sender) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        pipe::register(SIGTERM, sender.try_clone()?)?;
        pipe::register(SIGINT, sender)?;

        let is_terminal = io::stdin().is_terminal();
        // A file or /dev/null is at its end from the start, which means nothing.
        let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from).ok().filter(|stdin| {
            let kind = stdin.metadata().map(|metadata| metadata.file_type());
            is_terminal || kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
        });
        Ok(Self { signals, stdin })
    }

    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let stdin = self.stdin.as_ref().map(AsFd::as_fd);
        [self.signals.as_fd()].into_iter().chain(stdin).collect()
    }

    /// Returns whether the readable descriptor means the end.
    pub(super) fn has_come(&self) -> io::Result<bool> {
        match (&self.signals).read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read.map(|_| true),
        }
        // No signal arrived, so standard input is readable.
        match &self.stdin {
            Some(stdin) => {
                let mut stdin: &File = stdin;
                Ok(stdin.read(&mut [0; 1024])? == 0)
            }
            None => Ok(false),
        }
    }

    /// Returns a future of the end, for any async runtime: a thread waits for it.
    pub(super) fn watch(self) -> oneshot::Receiver<io::Result<()>> {
        let (sender, receiver) = oneshot::channel();
        // Without a receiver, the program ends anyway.
        thread::spawn(move || sender.send(self.wait()));
        receiver
    }

    fn wait(&self) -> io::Result<()> {
        loop {
            let fds = self.fds();
            let mut fds: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            match poll(&mut fds, None) {
                Ok(_) if self.has_come()? => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
