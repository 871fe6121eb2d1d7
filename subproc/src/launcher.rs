//! Starts child processes.

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

/// A builder that starts child processes, each with a container and a manager.
///
/// The [crate's example](crate) launches three children.
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
    /// Starts the current program `children` times, without arguments.
    ///
    /// In each of them, [`Child::from_env`](crate::Child::from_env) returns the child.
    pub fn new(children: usize) -> Self {
        Self {
            children,
            command: None,
            address: Ok(Address::Tcp { host: "127.0.0.1".into(), port: 0 }),
            ready_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(15),
        }
    }

    /// Sets the command for each child: another program, or the current one with arguments.
    ///
    /// `command` receives the number of the child, from 0. It may set the environment and the working directory;
    /// standard input and output are replaced.
    pub fn command(mut self, command: impl Fn(usize) -> Command + Send + Sync + 'static) -> Self {
        self.command = Some(Arc::new(command));
        self
    }

    /// Sets the address that each child binds, by default `tcp://127.0.0.1:0`.
    ///
    /// With more than one child, the port must be 0, which stands for a free one. Other programs may choose their own
    /// address. `launch` reports an invalid address.
    pub fn address(mut self, address: impl TryInto<Address, Error: Into<aiomas::Error>>) -> Self {
        self.address = address.try_into().map_err(Into::into);
        self
    }

    /// Sets the time until all children must be ready, by default 30 s.
    pub const fn ready_within(mut self, time: Duration) -> Self {
        self.ready_within = time;
        self
    }

    /// Sets the time each child has to end, by default 15 s. After that time, it is killed.
    pub const fn stop_within(mut self, time: Duration) -> Self {
        self.stop_within = time;
        self
    }

    /// Starts the children concurrently, and connects `container` to their managers.
    ///
    /// It waits until all children are ready. The codec of the container must be one that the children know; children
    /// in Rust know all codecs.
    ///
    /// # Errors
    /// Returns an error if the address is invalid, or if a child cannot be started, ends, or is not ready in time. All
    /// children are then ended.
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
            // Without the arguments and the environment, which may be secret.
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
        // The end of the output is usually the end of the process.
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
