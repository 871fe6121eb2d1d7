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
    /// Let mosaik run the farm, with agents in processes of their own
    Run {
        /// A Python that has mosaik
        #[arg(long, value_name = "PATH")]
        python: PathBuf,
        #[command(flatten)]
        farm: Farm,
    },
    /// Run the farm without mosaik and Python, in a simulated network
    Simulate {
        /// Decides in which order things happen that may happen in any
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        farm: Farm,
    },
    /// The simulator of turbines, for scenarios of mosaik
    Turbines {
        #[command(flatten)]
        mosaik: aiomas_mosaik::Args,
        /// Another week of wind than the one that is built in
        #[arg(long, value_name = "FILE")]
        wind: Option<PathBuf>,
    },
    /// The simulator of agents, for scenarios of mosaik
    Agents {
        #[command(flatten)]
        mosaik: aiomas_mosaik::Args,
        #[command(flatten)]
        children: Children,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Children {
    /// In how many processes the turbines' agents live
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = between::<1, 256>)]
    pub(crate) children: usize,
}

/// A farm, and what becomes of its days.
#[derive(Debug, Args)]
pub(crate) struct Farm {
    /// How many turbines there are
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = between::<1, 100_000>)]
    pub(crate) turbines: usize,
    /// For how many days it runs
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = between::<1, 365>)]
    pub(crate) days: usize,
    /// What the farm may feed in, in kW; half of its rated power, if that is not said
    #[arg(long, value_name = "KW", value_parser = limit, allow_negative_numbers = true)]
    limit: Option<Watts>,
    /// Another week of wind than the one that is built in
    #[arg(long, value_name = "FILE")]
    pub(crate) wind: Option<PathBuf>,
    /// Where the files with data and picture go
    #[arg(long, value_name = "DIR", default_value = "wind_farm")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) children: Children,
}

impl Farm {
    /// What it may feed in.
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

/// Watts of kilowatts.
fn limit(text: &str) -> Result<Watts, String> {
    /// More than all the power there is.
    const MAX: f64 = 1e12;
    match text.parse::<f64>() {
        Ok(kilowatts) if (0.001..=MAX).contains(&kilowatts) => {
            Ok((kilowatts * 1e3).round() as Watts)
        }
        _ => Err("it has to be a power in kW, above 0".to_owned()),
    }
}
