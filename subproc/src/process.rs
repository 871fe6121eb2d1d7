//! A child process, from outside. All of this blocks.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{self, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::ready;

/// A line of output that is longer is passed on in pieces.
const MAX_LINE: u64 = 64 * 1024;
/// How often a process is asked whether it has ended. There is no other way to wait for that or for a
/// time, whichever comes first.
const PAUSE: Duration = Duration::from_millis(5);

/// A running child. It ends when its standard input does, so at the latest when this process has ended.
#[derive(Debug)]
pub(crate) struct Process {
    /// Until it has been waited for.
    running: Option<Running>,
    id: u32,
    stop_within: Duration,
}

#[derive(Debug)]
struct Running {
    child: process::Child,
    stdin: Option<ChildStdin>,
}

/// How a process has ended.
pub(crate) enum Ended {
    ByItself(ExitStatus),
    Killed,
}

impl Process {
    /// Starts a child. What comes is where it listens, once it has said so.
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

    /// Ends it: it has its time to do so by itself, and then it is killed.
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
    /// It is told to end. A thread waits for that, so that no dead process stays in the system's table.
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let within = self.stop_within;
        let name = format!("aiomas-child-{}", self.id);
        // Without a thread, it still ends with its standard input.
        let _ = thread::Builder::new().name(name).spawn(move || running.end(within));
    }
}

/// Keeps what a terminal sends to the foreground group, such as SIGINT by Ctrl-C, from a child in any language. The
/// parent gets it, and decides when its children end.
fn leave_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
    }
}

/// Passes the output of a child on to our own, but for the line that says where it listens.
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
            // If nobody waits for it any more, it is about to end.
            let _ = sender.send(address);
            ready = None;
            continue;
        }
        // If nobody reads our output, the child's has to be read nevertheless.
        let _ = io::stdout().write_all(&line);
    }
}
