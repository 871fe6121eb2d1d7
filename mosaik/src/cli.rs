//! The command line of a simulator, with the conventions of mosaik.

use std::process::ExitCode;
use std::time::Duration;

use aiomas::{Runtime, channel};
use aiomas_core::agent::Address;
use clap::Parser;
use log::LevelFilter;

use crate::{End, Error, Server, Simulator, connect};

/// The command line of a simulator: `PROGRAM [--remote] HOST:PORT`.
///
/// A program with options of its own includes these with `#[command(flatten)]`.
#[derive(Clone, Debug, Parser)]
#[non_exhaustive]
pub struct Args {
    /// Connect to mosaik at this address
    #[arg(value_name = "HOST:PORT", value_parser = address)]
    pub address: Address,
    /// Listen at the address and wait for mosaik, instead of connecting
    #[arg(short, long)]
    pub remote: bool,
    /// Log level for standard error: off, error, warn, info, debug or trace
    #[arg(short, long, value_name = "LEVEL", default_value = "warn", value_parser = level)]
    pub log_level: LevelFilter,
    /// Seconds to wait for mosaik to connect, with --remote
    #[arg(short, long, value_name = "TIME", default_value_t = 60)]
    pub timeout: u64,
}

fn address(text: &str) -> Result<Address, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("tcp://{text}") };
    url.parse().map_err(|error: aiomas_core::agent::UrlError| error.to_string())
}

/// Parses a log level, also by its name in Python.
fn level(text: &str) -> Result<LevelFilter, String> {
    match text.to_ascii_lowercase().as_str() {
        "critical" => Ok(LevelFilter::Error),
        "warning" => Ok(LevelFilter::Warn),
        level => level.parse().map_err(|_| "use off, error, warn, info, debug or trace".to_owned()),
    }
}

impl Args {
    /// Runs a simulator with these arguments. If mosaik has started the program, SIGINT is left to mosaik.
    ///
    /// # Errors
    /// As for [`connect`] or [`Server::run`].
    ///
    /// # Cancel safety
    /// As for [`serve`](crate::serve).
    pub async fn run<R: Runtime>(
        self,
        builder: channel::Builder<R>,
        simulator: impl Simulator,
    ) -> Result<End, Error> {
        if self.remote {
            let server = Server::bind(builder, self.address).await?;
            log::info!("waiting for mosaik at {}", server.address());
            server.accept_within(Duration::from_secs(self.timeout)).run(simulator).await
        } else {
            leave_interrupts();
            connect(builder, self.address, simulator).await
        }
    }

    /// Logs to standard error at the given level, unless the program already has a logger.
    pub fn log(&self) {
        let logger = env_logger::Builder::new().filter_level(self.log_level).try_init();
        if logger.is_err() {
            log::set_max_level(self.log_level);
        }
    }
}

/// Runs a simulator as the `main` of a program (mosaik_api's `start_simulation`).
///
/// Reads the command line, logs to standard error, and serves mosaik. The exit status says [how the simulation
/// ended](crate#how-it-ends).
///
/// # Cancel safety
/// As for [`serve`](crate::serve).
pub async fn start_simulation<R: Runtime>(
    builder: channel::Builder<R>,
    simulator: impl Simulator,
) -> ExitCode {
    let args = Args::parse();
    args.log();
    match args.run(builder, simulator).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

/// Leaves Ctrl-C to mosaik, which receives it as well.
///
/// mosaik has started this program. It then sends `stop`, or closes the connection.
fn leave_interrupts() {
    #[cfg(unix)]
    {
        // An empty handler replaces the default, which ends the process.
        let handled = signal_hook::flag::register(signal_hook::consts::SIGINT, Default::default());
        if let Err(error) = handled {
            log::warn!("Ctrl-C will end this simulator before mosaik can: {error}");
        }
    }
}

impl Error {
    /// Returns the exit status of a simulator that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed { .. } => ExitCode::from(1),
            _ => ExitCode::from(3),
        }
    }
}
