//! Getting at a simulator.

use std::process::Command;
use std::time::Duration;

use aiomas::Runtime;
use aiomas::channel::{Builder, Channel};
use aiomas_core::agent::Address;
use futures_lite::future::or;

use super::process::Process;
use crate::Error;
use crate::profile::{as_mosaik, within};

/// Connects to a simulator that listens at `address` (mosaik's `connect`).
///
/// # Errors
/// [`Error::Connection`].
pub async fn connect<R: Runtime>(
    builder: Builder<R>,
    address: impl TryInto<Address, Error: Into<aiomas::Error>>,
) -> Result<Connected<R>, Error> {
    let runtime = builder.runtime().clone();
    let channel = as_mosaik(builder).connect(address).await?;
    Ok(Connected { runtime, channel, process: None })
}

/// Starts what `command` makes of an address, `HOST:PORT`, and waits until it connects there (mosaik's `cmd`).
///
/// # Errors
/// As [`Starter::start`].
pub async fn start<R: Runtime>(
    builder: Builder<R>,
    command: impl FnOnce(&str) -> Command,
) -> Result<Connected<R>, Error> {
    Starter::new(builder).start(command).await
}

/// Starts simulators.
#[derive(Clone, Debug)]
#[must_use = "nothing is started until `start`"]
pub struct Starter<R: Runtime> {
    builder: Builder<R>,
    address: Result<Address, aiomas::Error>,
    start_within: Duration,
}

impl<R: Runtime> Starter<R> {
    /// On the loopback interface, and with a minute to connect.
    pub fn new(builder: Builder<R>) -> Self {
        let address = Address::Tcp { host: "127.0.0.1".into(), port: 0 };
        Self { builder, address: Ok(address), start_within: Duration::from_secs(60) }
    }

    /// Where the simulator has to connect. That a text is no address, `start` tells.
    pub fn address(mut self, address: impl TryInto<Address, Error: Into<aiomas::Error>>) -> Self {
        self.address = address.try_into().map_err(Into::into);
        self
    }

    /// How long the simulator may take to connect (mosaik's `start_timeout`).
    pub const fn start_within(mut self, time: Duration) -> Self {
        self.start_within = time;
        self
    }

    /// Starts what `command` makes of an address, `HOST:PORT`, and waits until it connects there.
    ///
    /// # Errors
    /// [`Error::Start`], [`Error::NeverConnected`] or [`Error::NobodyConnected`]; [`Error::Connection`], if nobody
    /// can listen. The process is killed then.
    pub async fn start(self, command: impl FnOnce(&str) -> Command) -> Result<Connected<R>, Error> {
        let Self { builder, address, start_within } = self;
        let runtime = builder.runtime().clone();
        let mut listener = as_mosaik(builder).listen(address?).await?;
        let address = listener.address().to_string();
        let mut process =
            Process::spawn(command(address.strip_prefix("tcp://").unwrap_or(&address)))?;
        let accepted = async { Ok(listener.accept().await?) };
        let ended = async {
            let status = process.ended(&runtime).await?;
            Err(Error::NeverConnected { status })
        };
        let channel = within(&runtime, start_within, or(accepted, ended)).await;
        let setting = "Starter::start_within";
        let channel = channel.ok_or(Error::NobodyConnected {
            within: start_within,
            setting,
            others: 0,
        })??;
        Ok(Connected { runtime, channel, process: Some(process) })
    }
}

/// A simulator that is connected, and not initialized yet.
#[derive(Debug)]
#[must_use = "a simulator has to be initialized"]
pub struct Connected<R> {
    pub(super) runtime: R,
    pub(super) channel: Channel,
    pub(super) process: Option<Process>,
}
