//! Starting child processes.

use std::fmt;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use aiomas::{Container, manager::ManagerProxy};
use aiomas_core::agent::{Address, AgentUrl};

use crate::child::VARIABLE;
use crate::process::{Ended, Process};
use crate::{Error, Fleet, Member, thread};

type MakeCommand = Arc<dyn Fn(usize) -> Command + Send + Sync>;

/// Starts child processes, each with a container that has a manager.
#[derive(Clone)]
#[must_use = "nothing happens until `launch`"]
pub struct Launcher {
    children: usize,
    command: Option<MakeCommand>,
    address: Result<Address, aiomas::Error>,
    ready_within: Duration,
    stop_within: Duration,
}

impl Launcher {
    /// Starts the current program this many times, without arguments. In each of them,
    /// [`Child::from_env`](crate::Child::from_env) says that it is a child.
    pub fn new(children: usize) -> Self {
        Self {
            children,
            command: None,
            address: Ok(Address::Tcp { host: "127.0.0.1".into(), port: 0 }),
            ready_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(15),
        }
    }

    /// Starts what `command` makes of the number of a child, counted from 0: another program, or the current
    /// one with arguments, environment or folder of its own. Standard input and output are replaced.
    pub fn command(mut self, command: impl Fn(usize) -> Command + Send + Sync + 'static) -> Self {
        self.command = Some(Arc::new(command));
        self
    }

    /// Where each child listens: `tcp://127.0.0.1:0` unless told otherwise. With more than one child, the port
    /// has to be 0, which stands for a free one. Other programs may see to that themselves. That a text is no
    /// address, `launch` tells.
    pub fn address(mut self, address: impl TryInto<Address, Error: Into<aiomas::Error>>) -> Self {
        self.address = address.try_into().map_err(Into::into);
        self
    }

    /// How long it may take until all children are ready: half a minute unless told otherwise.
    pub const fn ready_within(mut self, time: Duration) -> Self {
        self.ready_within = time;
        self
    }

    /// How long each child may take to end, before it is killed: 15 seconds unless told otherwise.
    pub const fn stop_within(mut self, time: Duration) -> Self {
        self.stop_within = time;
        self
    }

    /// Starts the children side by side, waits until they are ready, and lets `container` connect to their
    /// managers. The container has to speak a codec that the children know: those in Rust know all.
    ///
    /// # Errors
    /// The address is none; or one of them cannot be started, ends, or is not ready in time. Then all are ended.
    ///
    /// # Cancel safety
    /// Dropping the future ends the children that were started.
    pub async fn launch(&self, container: &Container) -> Result<Fleet, Error> {
        let address = self.address.clone()?.to_string();
        let commands = (0..self.children).map(|child| self.make_command(child, &address));
        let commands = commands.collect::<Result<Vec<_>, _>>()?;
        let (ready_within, stop_within) = (self.ready_within, self.stop_within);
        let started = thread::run(move || start(commands, ready_within, stop_within)).await??;

        let urls = started.iter().map(|(_, address)| AgentUrl::new(address.clone(), "0"));
        let urls: Vec<_> = urls.collect();
        let mut members = Vec::new();
        for (child, ((process, _), url)) in started.into_iter().zip(urls).enumerate() {
            let manager: ManagerProxy = container
                .connect(url)
                .within(ready_within)
                .await
                .map_err(|source| Error::Manager { child, source })?;
            members.push(Member::new(manager, process));
        }
        Ok(Fleet::new(members, stop_within))
    }

    fn make_command(&self, child: usize, address: &str) -> Result<Command, Error> {
        let mut command = match &self.command {
            Some(command) => command(child),
            None => Command::new(std::env::current_exe().map_err(|source| {
                let program = "the current program".to_owned();
                Error::Start { child, program, source }
            })?),
        };
        command.env(VARIABLE, address);
        Ok(command)
    }
}

/// Starts all children, and waits until they are ready.
fn start(
    commands: Vec<Command>,
    ready_within: Duration,
    stop_within: Duration,
) -> Result<Vec<(Process, Address)>, Error> {
    let mut starting = Vec::new();
    for (child, mut command) in commands.into_iter().enumerate() {
        let started = Process::start(&mut command, stop_within).map_err(|source| {
            // Nothing of its arguments and environment, which may be secret.
            let program = command.get_program().to_string_lossy().into_owned();
            Error::Start { child, program, source }
        })?;
        starting.push(started);
    }
    let start = Instant::now();
    let mut ready = Vec::new();
    for (child, (process, said)) in starting.into_iter().enumerate() {
        let left = ready_within.saturating_sub(start.elapsed());
        ready.push(wait(child, process, &said, left, ready_within)?);
    }
    Ok(ready)
}

/// Waits until a child is ready.
fn wait(
    child: usize,
    process: Process,
    said: &Receiver<String>,
    left: Duration,
    within: Duration,
) -> Result<(Process, Address), Error> {
    match said.recv_timeout(left) {
        Ok(said) => match said.parse() {
            Ok(address) => Ok((process, address)),
            Err(source) => Err(Error::Address { child, source }),
        },
        Err(RecvTimeoutError::Timeout) => Err(Error::Late { child, within }),
        // The end of its output, which is usually that of the process.
        Err(RecvTimeoutError::Disconnected) => match process.end()? {
            Ended::ByItself(status) => Err(Error::NeverReady { child, status }),
            Ended::Killed => Err(Error::Late { child, within }),
        },
    }
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher")
            .field("children", &self.children)
            .field("address", &self.address)
            .field("ready_within", &self.ready_within)
            .field("stop_within", &self.stop_within)
            .finish_non_exhaustive()
    }
}
