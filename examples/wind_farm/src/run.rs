//! The run with mosaik, in Python.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::day::Day;
use crate::error::Error;
use crate::step::Step;
use crate::turbine::Watts;

const SCENARIO: &str = include_str!("../scenario.py");

/// A scenario.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// A Python interpreter with mosaik installed.
    pub(crate) python: PathBuf,
    pub(crate) turbines: usize,
    pub(crate) limit: Watts,
    /// The number of processes for the turbines' agents.
    pub(crate) children: usize,
    pub(crate) wind: Option<&'a Path>,
}

/// The time spent in each part, in seconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Seconds {
    /// From the start until all entities are created and connected.
    pub(crate) start: f64,
    /// From then to the end.
    pub(crate) run: f64,
    /// The processor time that Python used for the run.
    pub(crate) python: f64,
    /// The part of `run` in the simulator of turbines.
    pub(crate) turbines: f64,
    /// The part of `run` in the simulator of agents.
    pub(crate) agents: f64,
    /// The part of `run` in the recorder.
    pub(crate) recorder: f64,
}

/// A line printed by the scenario.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Step(Step),
    Seconds(Seconds),
}

/// The Python process, which is killed when dropped. Its simulators then end, too.
struct Python(Child);

impl Drop for Python {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

impl Run<'_> {
    /// Runs the scenario with mosaik.
    pub(crate) fn run(self, day: &mut Day) -> Result<Seconds, Error> {
        let error = |source| Error::Python { path: self.python.clone(), source };
        let mut command = Command::new(&self.python);
        command.arg("-").arg("--program").arg(std::env::current_exe()?);
        for (option, value) in [
            ("--turbines", self.turbines as u64),
            ("--steps", day.steps() as u64),
            ("--limit", self.limit),
            ("--children", self.children as u64),
        ] {
            command.arg(option).arg(value.to_string());
        }
        if let Some(wind) = self.wind {
            command.arg("--wind").arg(wind);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = Python(command.spawn().map_err(error)?);
        if let Some(mut stdin) = python.0.stdin.take() {
            // The exit status of a program that does not read its input explains the error better.
            let _unread = stdin.write_all(SCENARIO.as_bytes());
        }
        let mut seconds = None;
        if let Some(stdout) = python.0.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                match parse(line?)? {
                    Line::Step(step) => day.add(&step)?,
                    Line::Seconds(all) => seconds = Some(all),
                }
            }
        }
        let (steps, of, status) = (day.points().len(), day.steps(), python.0.wait()?);
        match seconds {
            Some(seconds) if steps == of && status.success() => Ok(seconds),
            _ => Err(Error::Ended { steps, of, status }),
        }
    }
}

fn parse(mut line: String) -> Result<Line, Error> {
    serde_json::from_str(&line).map_err(|source| {
        let shown = line.char_indices().nth(200).map_or(line.len(), |(at, _)| at);
        line.truncate(shown);
        Error::Line { line, source }
    })
}
