//! Programs under test and their peers, in processes of their own.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The time limit for a program to be ready, to answer, or to end. On an idle machine it does so at
/// once.
pub const LIMIT: Duration = Duration::from_secs(300);
/// The time limit for the end of standard error of a killed program.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A running program that prints lines of JSON; killed when dropped.
///
/// All methods panic if the program does not behave as expected, and show its standard error.
pub struct Process {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: Receiver<String>,
}

impl Process {
    /// Starts a program with pipes for standard input, output and error.
    ///
    /// # Panics
    ///
    /// The program cannot be started.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");

        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        let (sender, error_text) = mpsc::channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            sender.send(String::from_utf8_lossy(&text).into_owned())
        });
        Self { command: format!("{command:?}"), child, stdin, lines, stderr: error_text }
    }

    /// Starts a server, and waits for its line `{"ready": {"addr": ADDRESS, ...}}`.
    ///
    /// Returns the server and the content of the line.
    ///
    /// # Panics
    ///
    /// The line does not arrive within five minutes.
    pub fn serve(command: Command) -> (Self, Ready) {
        let mut server = Self::spawn(command);
        let line = server.line_before(Instant::now() + LIMIT);
        match line.as_ref().and_then(|line| Ready::parse(line)) {
            Some(ready) => (server, ready),
            None => server.fail(&format!("{line:?} instead of the ready line")),
        }
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to the standard input of the program.
    ///
    /// # Panics
    ///
    /// The program has closed its standard input.
    pub fn write(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open standard input");
        if let Err(error) = writeln!(stdin, "{line}") {
            self.fail(&format!("does not read \"{line}\": {error}"));
        }
    }

    /// Returns the next line that the program writes.
    ///
    /// # Panics
    ///
    /// No line arrives within five minutes.
    pub fn read(&mut self) -> String {
        match self.line_before(Instant::now() + LIMIT) {
            Some(line) => line,
            None => self.fail("has nothing more to say"),
        }
    }

    /// Waits until the program has ended with status 0, and returns its output. The ready line is
    /// not part of it.
    ///
    /// # Panics
    ///
    /// The program fails, or has not ended within `limit`.
    pub fn finish(mut self, limit: Duration) -> Vec<String> {
        let deadline = Instant::now() + limit;
        let lines: Vec<_> = std::iter::from_fn(|| self.line_before(deadline)).collect();
        let status = self.child.wait().expect("our child can be waited for");
        if !status.success() {
            self.fail(&format!("{status}, after writing:\n{}", lines.join("\n")));
        }
        lines
    }

    /// Closes the standard input of the program, and waits for its end. The status must be 0,
    /// within five minutes.
    ///
    /// # Panics
    ///
    /// The program fails, or does not end.
    pub fn stop(self) {
        self.stop_and_read();
    }

    /// Like [`stop`](Self::stop). Returns the lines as [`finish`](Self::finish) does.
    ///
    /// # Panics
    ///
    /// The program fails, or does not end.
    pub fn stop_and_read(mut self) -> Vec<String> {
        self.stdin = None;
        self.finish(LIMIT)
    }

    /// Returns the next line of output, or `None` at its end.
    fn line_before(&mut self, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.fail("is too slow"),
        }
    }

    fn kill(&mut self) {
        // A child of the program may live on. If it reads, this ends it, too.
        self.stdin = None;
        // An error means that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn fail(&mut self, what: &str) -> ! {
        self.kill();
        // A child that lives on without reading keeps the pipe open.
        let stderr = self.stderr.recv_timeout(LAST_WORDS).unwrap_or_else(|error| error.to_string());
        panic!("{}: {what}\nstandard error:\n{stderr}", self.command)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("command", &self.command).finish_non_exhaustive()
    }
}

/// The message of a server that listens.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// The address: `tcp://HOST:PORT` or `ipc://[PATH]`.
    pub addr: String,
    /// The whole message, including `addr`.
    pub info: Value,
}

impl Ready {
    fn parse(line: &str) -> Option<Self> {
        let info = serde_json::from_str::<Value>(line).ok()?.get_mut("ready")?.take();
        Some(Self { addr: info.get("addr")?.as_str()?.to_owned(), info })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_is_ready_and_ends_with_its_input() {
        let script = r#"echo '{"ready": {"addr": "tcp://h:1", "more": 2}}'; cat"#;
        let (server, ready) = Process::serve(shell(script));
        assert_eq!(ready.addr, "tcp://h:1");
        assert_eq!(ready.info["more"], 2);
        server.stop();
    }

    #[test]
    fn the_output_of_a_client() {
        let client = Process::spawn(shell("echo one; echo two"));
        assert_eq!(client.finish(LIMIT), ["one", "two"]);
    }

    #[test]
    fn a_conversation() {
        let mut process = Process::spawn(shell("read a; echo $a $a; read b; echo $b $$"));
        process.write("one");
        assert_eq!(process.read(), "one one");
        process.write("two");
        let id = process.id();
        assert_eq!(process.finish(LIMIT), [format!("two {id}")]);
    }

    #[test]
    #[should_panic(expected = "nothing more to say")]
    fn a_program_with_incomplete_output() {
        Process::spawn(shell("exit 0")).read();
    }

    #[test]
    #[should_panic(expected = "oh no")]
    fn a_failure_shows_standard_error() {
        Process::serve(shell("echo oh no >&2; echo '{}'"));
    }

    #[test]
    #[should_panic(expected = "exit status: 3")]
    fn a_bad_status_fails() {
        Process::spawn(shell("cat; exit 3")).stop();
    }

    #[test]
    #[should_panic(expected = "is too slow")]
    fn a_program_that_does_not_end_is_killed() {
        Process::spawn(shell("cat")).finish(Duration::ZERO);
    }

    /// A living child of a killed program does not delay the end. It keeps the pipes open until it
    /// has read their end.
    #[test]
    #[should_panic(expected = "is too slow")]
    fn a_living_child_does_not_delay_the_end() {
        Process::spawn(shell("echo; cat; exit 0")).finish(Duration::ZERO);
    }
}
