//! A wind farm whose agents keep it below its limit.
//!
//! mosaik runs the simulation. Turbines and agents are in Rust, and each turbine has an agent in
//! one of several processes.
//!
//!     cargo run --release -p wind_farm -- run --python PATH --turbines 1000
//!     cargo run --release -p wind_farm -- simulate
//!
//! `run` starts Python with `scenario.py`. There mosaik starts this program twice: as the simulator
//! of turbines, and as the simulator of agents, which starts one more process for each of its
//! children. In every step of 15 minutes
//!
//! 1. the turbines feed in the power that the wind and their maxima allow;
//! 2. the gateway receives the readings from mosaik, sets the clocks of all containers, and calls
//!    each turbine's agent;
//! 3. the controller collects the readings from the agents, shares the limit out by the [`rule`],
//!    and sets each turbine's maximum;
//! 4. mosaik passes the maxima to the turbines, which apply them in the next step.
//!
//! So the limit holds in every step but the first. The results are compared, to the watt, with the
//! [`expected`] ones. `simulate` does the same without mosaik and Python.

mod agents;
mod arguments;
mod day;
mod error;
mod expected;
mod picture;
mod processes;
mod report;
mod rule;
mod run;
mod simulate;
mod simulators;
mod step;
mod turbine;
mod wind;

use std::fs::create_dir_all;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use aiomas_subproc::Child;
use clap::Parser;

use crate::arguments::{Arguments, Command, Farm};
use crate::day::Day;
use crate::error::Error;
use crate::expected::Expected;
use crate::report::report;
use crate::run::{Run, Seconds};
use crate::simulate::Simulation;
use crate::wind::{Wind, WindFile};

fn main() -> ExitCode {
    let result = match Child::from_env() {
        Some(child) => processes::be_child(child),
        None => match Arguments::parse().command {
            Command::Run { python, farm } => run(python, &farm),
            Command::Simulate { seed, farm } => simulate(seed, &farm),
            Command::Turbines { mosaik, wind } => processes::turbines(mosaik, wind.as_deref()),
            Command::Agents { mosaik, children } => processes::agents(mosaik, children.children),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wind_farm: {error}");
            error.exit_code()
        }
    }
}

/// Runs the farm with mosaik.
fn run(python: PathBuf, farm: &Farm) -> Result<(), Error> {
    record(farm, |_, day| {
        let (turbines, limit, wind) = (farm.turbines, farm.limit(), farm.wind.as_deref());
        let children = farm.children.children;
        Run { python, turbines, limit, children, wind }.run(day).map(Some)
    })
}

/// Runs the farm without mosaik.
fn simulate(seed: u64, farm: &Farm) -> Result<(), Error> {
    record(farm, |wind, day| {
        let (turbines, limit, children) = (farm.turbines, farm.limit(), farm.children.children);
        Simulation { wind, turbines, limit, children, seed }.run(day)?;
        Ok(None)
    })
}

/// Records the results of a farm, draws them, and sums them up.
fn record(
    farm: &Farm,
    run: impl FnOnce(Wind, &mut Day) -> Result<Option<Seconds>, Error>,
) -> Result<(), Error> {
    let begin = Instant::now();
    let (turbines, limit) = (farm.turbines, farm.limit());
    let file = WindFile::read(farm.wind.as_deref())?;
    // Errors of the file are reported before any process starts.
    let wind = Wind::parse(&file, farm.days)?;
    let [data, picture] = ["days.jsonl", "days.svg"].map(|name| farm.out.join(name));
    create_dir_all(&farm.out).map_err(|source| Error::Write { path: farm.out.clone(), source })?;
    let expected = Expected::new(file.text(), turbines, limit);
    let mut day = Day::begin(expected, turbines, limit, farm.days, data.clone())?;
    let seconds = run(wind, &mut day)?;
    day.end();
    picture::draw(&picture, turbines, limit, day.points())?;
    report(turbines, limit, day.points(), begin.elapsed(), seconds);
    println!("written: {}, {}", data.display(), picture.display());
    Ok(())
}
