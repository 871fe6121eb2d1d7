//! The parent's side: the process of a child. All functions block.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{self, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::ready;

/// The longest line of output, in bytes; a longer line is passed on in pieces.
const MAX_LINE: u64 = 64 * 1024;
/// The interval at which a process is polled.
///
/// There is no portable way to wait for the end of a process with a time limit.
const PAUSE: Duration = Duration::from_millis(5);

/// A running child. It ends when its standard input does, thus at the latest with this process.
#[derive(Debug)]
pub(crate) struct Process {
    /// `None` after the process has been waited for.
    running: Option<Running>,
    id: u32,
    stop_within: Duration,
}

#[derive(Debug)]
struct Running {
    child: process::Child,
    stdin: Option<ChildStdin>,
}

/// The end of a process.
pub(crate) enum Ended {
    ByItself(ExitStatus),
    Killed,
}

impl Process {
    /// Starts a child. The receiver gets the child's address once the child listens.
    pub(crate) fn start(
        command: &mut Command,
        stop_within: Duration,
    ) -> io::Result<(Self, Receiver<String>)> {
        leave_group(command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let id = child.id();
        let process = Self { running: Some(Running { child, stdin }), id, stop_within };
        let (sender, receiver) = mpsc::channel();
        if let Some(stdout) = stdout {
            let name = format!("aiomas-child-{id}");
            thread::Builder::new().name(name).spawn(move || forward(stdout, sender))?;
        }
        Ok((process, receiver))
    }

    pub(crate) const fn id(&self) -> u32 {
        self.id
    }

    /// Ends the child: closes its standard input, and kills it after a time limit.
    pub(crate) fn end(mut self) -> io::Result<Ended> {
        match self.running.take() {
            Some(running) => running.end(self.stop_within),
            None => Ok(Ended::Killed),
        }
    }
}

impl Running {
    fn end(mut self, within: Duration) -> io::Result<Ended> {
        self.stdin = None;
        let start = Instant::now();
        while start.elapsed() < within {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Ended::ByItself(status));
            }
            thread::sleep(PAUSE);
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(Ended::Killed)
    }
}

impl Drop for Process {
    /// Ends the child. A thread waits for it, so that no zombie process remains.
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let within = self.stop_within;
        let name = format!("aiomas-child-{}", self.id);
        // Without a thread, the child still ends with its standard input.
        let _ = thread::Builder::new().name(name).spawn(move || running.end(within));
    }
}

/// Keeps the signals of a terminal, such as SIGINT by Ctrl-C, from the child.
///
/// A terminal sends them to the foreground process group. The parent receives them, and decides when its children end.
fn leave_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
    }
}

/// Forwards the output of a child, except for the line with its address.
fn forward(stdout: ChildStdout, ready: Sender<String>) {
    let (mut stdout, mut ready, mut line) = (BufReader::new(stdout), Some(ready), Vec::new());
    loop {
        line.clear();
        match stdout.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if let Some(sender) = &ready
            && let Some(address) = ready::read(&line)
        {
            // Without a receiver, the child is about to end.
            let _ = sender.send(address);
            ready = None;
            continue;
        }
        // The output of the child must be read even if this process cannot write it.
        let _ = io::stdout().write_all(&line);
    }
}
