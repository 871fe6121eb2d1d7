//! Contestants as processes, each on a CPU of its own.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::de::DeserializeOwned;

/// The time limit for the end of a process.
const END: Duration = Duration::from_secs(10);

/// A running contestant; killed when dropped.
pub(crate) struct Child {
    child: std::process::Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Child {
    /// Starts a process, pinned to a CPU if one is given.
    pub(crate) fn start(mut command: Command, cpu: Option<usize>) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Limit runtimes with thread pools to one thread, too.
        command.env("ASYNC_STD_THREAD_COUNT", "1").env("SMOL_THREADS", "1");
        let spawned = match cpu {
            Some(cpu) => on_cpu(cpu, || command.spawn()),
            None => command.spawn(),
        };
        let program = command.get_program().display();
        let mut child = spawned.map_err(|error| format!("{program} cannot be started: {error}"))?;
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _read = stderr.map(|mut stderr| stderr.read_to_end(&mut text));
            String::from_utf8_lossy(&text).trim().to_owned()
        });
        Ok(Self { child, stdin, lines, errors: Some(errors) })
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line, which must parse as `T`.
    pub(crate) fn line<T: DeserializeOwned>(&mut self, within: Duration) -> Result<T, String> {
        match self.lines.recv_timeout(within) {
            Ok(line) => serde_json::from_str(&line).map_err(|_| format!("it prints \"{line}\"")),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(format!("no output for {} s", within.as_secs()))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = self.wait()?;
                let errors = self.errors.take().and_then(|errors| errors.join().ok());
                Err(format!("it ends with {status}: {}", errors.unwrap_or_default()))
            }
        }
    }

    /// Closes standard input, and waits for the process to end.
    pub(crate) fn end(mut self) -> Result<(), String> {
        self.stdin = None;
        let status = self.wait()?;
        if status.success() {
            return Ok(());
        }
        let errors = self.errors.take().and_then(|errors| errors.join().ok());
        Err(format!("it ends with {status}: {}", errors.unwrap_or_default()))
    }

    fn wait(&mut self) -> Result<ExitStatus, String> {
        let end = Instant::now() + END;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => return Err("the process does not end".into()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // An error means that the process has ended.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Runs `run` on a CPU. Processes it starts stay on that CPU.
fn on_cpu<T>(cpu: usize, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = sched_getaffinity(None)?;
    if cpu >= CpuSet::MAX_CPU || !before.is_set(cpu) {
        return Err(io::Error::other(format!("there is no CPU {cpu}; take --no-pin")));
    }
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only)?;
    let result = run();
    sched_setaffinity(None, &before)?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start(command, Some(0)).expect("a shell")
    }

    #[test]
    fn a_process_stays_on_its_cpu_and_leaves_us_ours() {
        let before = sched_getaffinity(None).expect("a set");
        let mut child = shell("grep Cpus_allowed_list /proc/self/status | grep -o '[0-9-]*$'; cat");
        assert_eq!(child.line::<u32>(END), Ok(0));
        assert_eq!(child.end(), Ok(()));
        assert_eq!(sched_getaffinity(None).expect("a set"), before);
        let error = Child::start(Command::new("true"), Some(1023)).err().unwrap_or_default();
        assert!(error.contains("--no-pin"), "{error}");
    }

    #[test]
    fn errors_are_reported() {
        let error = shell("echo no >&2; exit 3").line::<u32>(END).expect_err("no line");
        assert_eq!(error, "it ends with exit status: 3: no");
        let error = shell("echo hello; cat").line::<u32>(END).expect_err("no number");
        assert_eq!(error, "it prints \"hello\"");
        let error = shell("cat").line::<u32>(Duration::ZERO).expect_err("no line");
        assert_eq!(error, "no output for 0 s");
        let error = shell("cat; echo no >&2; exit 3").end().expect_err("a failure");
        assert_eq!(error, "it ends with exit status: 3: no");
    }
}
