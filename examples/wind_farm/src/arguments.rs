//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::turbine::{Watts, rated_power};

/// A wind farm whose agents keep it below its limit
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the farm with mosaik, and agents in separate processes
    Run {
        /// A Python interpreter with mosaik installed
        #[arg(long, value_name = "PATH")]
        python: PathBuf,
        #[command(flatten)]
        farm: Farm,
    },
    /// Run the farm without mosaik and Python, in a simulated network
    Simulate {
        /// Seed of the order of concurrent events
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        farm: Farm,
    },
    /// The simulator of turbines, for mosaik scenarios
    Turbines {
        #[command(flatten)]
        mosaik: aiomas_mosaik::Args,
        /// A file with a week of wind, instead of the built-in one
        #[arg(long, value_name = "FILE")]
        wind: Option<PathBuf>,
    },
    /// The simulator of agents, for mosaik scenarios
    Agents {
        #[command(flatten)]
        mosaik: aiomas_mosaik::Args,
        #[command(flatten)]
        children: Children,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Children {
    /// Number of processes for the turbines' agents
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = between::<1, 256>)]
    pub(crate) children: usize,
}

/// The options of a farm and its output.
#[derive(Debug, Args)]
pub(crate) struct Farm {
    /// Number of turbines
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = between::<1, 100_000>)]
    pub(crate) turbines: usize,
    /// Number of days to run
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = between::<1, 365>)]
    pub(crate) days: usize,
    /// Maximum power of the farm, in kW [default: half of its rated power]
    #[arg(long, value_name = "KW", value_parser = limit, allow_negative_numbers = true)]
    limit: Option<Watts>,
    /// A file with a week of wind, instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) wind: Option<PathBuf>,
    /// Folder for the data files and the picture
    #[arg(long, value_name = "DIR", default_value = "wind_farm")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) children: Children,
}

impl Farm {
    /// Returns the maximum power of the farm.
    pub(crate) fn limit(&self) -> Watts {
        self.limit.unwrap_or_else(|| rated_power(self.turbines) / 2)
    }
}

fn between<const MIN: usize, const MAX: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (MIN..=MAX).contains(&number) => Ok(number),
        _ => Err(format!("it has to be a number from {MIN} to {MAX}")),
    }
}

/// Parses kilowatts into watts.
fn limit(text: &str) -> Result<Watts, String> {
    /// More than the power of all plants on Earth.
    const MAX: f64 = 1e12;
    match text.parse::<f64>() {
        Ok(kilowatts) if (0.001..=MAX).contains(&kilowatts) => {
            Ok((kilowatts * 1e3).round() as Watts)
        }
        _ => Err("it has to be a power in kW, above 0".to_owned()),
    }
}
