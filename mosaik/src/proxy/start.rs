//! Starts simulators and connects to them.

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
/// Returns [`Error::Connection`] if the connection fails.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn connect<R: Runtime>(
    builder: Builder<R>,
    address: impl TryInto<Address, Error: Into<aiomas::Error>>,
) -> Result<Connected<R>, Error> {
    let runtime = builder.runtime().clone();
    let channel = as_mosaik(builder).connect(address).await?;
    Ok(Connected { runtime, channel, process: None })
}

/// Starts a simulator and waits until it connects (mosaik's `cmd`).
///
/// `command` creates the command for an address, `HOST:PORT`, to which the simulator connects.
///
/// # Errors
/// As for [`Starter::start`].
///
/// # Cancel safety
/// As for [`Starter::start`].
pub async fn start<R: Runtime>(
    builder: Builder<R>,
    command: impl FnOnce(&str) -> Command,
) -> Result<Connected<R>, Error> {
    Starter::new(builder).start(command).await
}

/// A builder that starts simulators.
#[derive(Clone, Debug)]
#[must_use = "nothing is started until `start`"]
pub struct Starter<R: Runtime> {
    builder: Builder<R>,
    address: Result<Address, aiomas::Error>,
    start_within: Duration,
}

impl<R: Runtime> Starter<R> {
    /// Creates a starter on the loopback interface, with one minute to connect.
    pub fn new(builder: Builder<R>) -> Self {
        let address = Address::Tcp { host: "127.0.0.1".into(), port: 0 };
        Self { builder, address: Ok(address), start_within: Duration::from_secs(60) }
    }

    /// Sets the address for the simulator to connect to. `start` reports an invalid address.
    pub fn address(mut self, address: impl TryInto<Address, Error: Into<aiomas::Error>>) -> Self {
        self.address = address.try_into().map_err(Into::into);
        self
    }

    /// Sets the time the simulator has to connect (mosaik's `start_timeout`).
    pub const fn start_within(mut self, time: Duration) -> Self {
        self.start_within = time;
        self
    }

    /// Starts a simulator and waits until it connects.
    ///
    /// `command` creates the command for an address, `HOST:PORT`, to which the simulator connects.
    ///
    /// # Errors
    /// Returns [`Error::Start`], [`Error::NeverConnected`] or [`Error::NotConnected`], and [`Error::Connection`] if
    /// the address cannot be bound. The process is then killed.
    ///
    /// # Cancel safety
    /// Dropping the future kills the process.
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
        let channel =
            channel.ok_or(Error::NotConnected { within: start_within, setting, others: 0 })??;
        Ok(Connected { runtime, channel, process: Some(process) })
    }
}

/// A connected simulator that is not initialized.
#[derive(Debug)]
#[must_use = "a simulator has to be initialized"]
pub struct Connected<R> {
    pub(super) runtime: R,
    pub(super) channel: Channel,
    pub(super) process: Option<Process>,
}
