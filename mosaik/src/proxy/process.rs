//! The process of a simulator.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use aiomas::Runtime;

use crate::Error;
use crate::profile::{sleep, within};

/// The interval at which a process is polled.
///
/// No method of waiting for the end of a process works on all runtimes.
const PAUSE: Duration = Duration::from_millis(5);

/// The process of a simulator that was started. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    pub(super) fn spawn(mut command: Command) -> Result<Self, Error> {
        leave_group(&mut command);
        let child = command.spawn().map_err(|source| {
            let program = command.get_program().to_string_lossy().into_owned();
            Error::Start { program, source }
        })?;
        Ok(Self { child })
    }

    /// Waits until the process has ended.
    pub(super) async fn ended<R: Runtime>(&mut self, runtime: &R) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(runtime, PAUSE).await;
        }
    }

    /// Waits until the process has ended, and kills it after a time limit.
    pub(super) async fn end<R: Runtime>(
        mut self,
        runtime: &R,
        time: Duration,
    ) -> io::Result<ExitStatus> {
        if let Some(ended) = within(runtime, time, self.ended(runtime)).await {
            return ended;
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that the process has ended.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Keeps Ctrl-C in a terminal from simulators in any language.
///
/// The scenario receives it, and stops them, or ends, which ends them as well.
fn leave_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
    }
}
