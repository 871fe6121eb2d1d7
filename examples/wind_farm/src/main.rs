//! A wind farm whose agents keep it below its limit: mosaik simulates, turbines and agents are in Rust, and each turbine
//! has an agent in one of several processes.
//!
//!     cargo run --release -p wind_farm -- run --python PATH --turbines 1000
//!     cargo run --release -p wind_farm -- simulate
//!
//! `run` starts Python with `scenario.py`, and there mosaik starts this program twice: as the simulator of turbines, and as
//! that of agents, which starts it once more for each of its child processes. In every step of 15 minutes
//!
//! 1. the turbines feed in what the wind and their maxima allow;
//! 2. the gateway gets that from mosaik, sets the clocks of all containers, and tells each turbine's agent;
//! 3. the controller collects it from these, shares the limit out by the [`rule`], and sets each turbine's maximum;
//! 4. mosaik brings the maxima to the turbines, where they hold in the next step.
//!
//! So the limit holds in every step but the first. What comes out is compared, to the watt, with what is
//! [`expected`]. `simulate` does the same without mosaik and Python.

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

/// With mosaik.
fn run(python: PathBuf, farm: &Farm) -> Result<(), Error> {
    record(farm, |_, day| {
        let (turbines, limit, wind) = (farm.turbines, farm.limit(), farm.wind.as_deref());
        let children = farm.children.children;
        Run { python, turbines, limit, children, wind }.run(day).map(Some)
    })
}

/// Without.
fn simulate(seed: u64, farm: &Farm) -> Result<(), Error> {
    record(farm, |wind, day| {
        let (turbines, limit, children) = (farm.turbines, farm.limit(), farm.children.children);
        Simulation { wind, turbines, limit, children, seed }.run(day)?;
        Ok(None)
    })
}

/// Records what comes of a farm, draws it, and sums it up.
fn record(
    farm: &Farm,
    run: impl FnOnce(Wind, &mut Day) -> Result<Option<Seconds>, Error>,
) -> Result<(), Error> {
    let begin = Instant::now();
    let (turbines, limit) = (farm.turbines, farm.limit());
    let file = WindFile::read(farm.wind.as_deref())?;
    // What is wrong with it is told before anything is started.
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
