//! The record of all steps: checked against the expected values, written to a file, and summed up.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Error;
use crate::expected::Expected;
use crate::step::Step;
use crate::turbine::Watts;
use crate::wind::STEPS_PER_DAY;

/// The whole farm in a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// The time, in hours.
    pub(crate) time: f64,
    /// The mean over all turbines, in m/s.
    pub(crate) wind: f64,
    /// The power the wind allowed.
    pub(crate) possible: Watts,
    /// The power fed in.
    pub(crate) power: Watts,
}

/// The record of a run.
pub(crate) struct Day {
    expected: Expected,
    turbines: usize,
    limit: Watts,
    steps: usize,
    points: Vec<Point>,
    path: PathBuf,
    file: BufWriter<File>,
    progress: ProgressBar,
}

impl Day {
    /// Creates an empty record for a number of days. Each step is appended to `path` as a line of
    /// JSON.
    pub(crate) fn begin(
        expected: Expected,
        turbines: usize,
        limit: Watts,
        days: usize,
        path: PathBuf,
    ) -> Result<Self, Error> {
        let steps = days * STEPS_PER_DAY;
        let file = File::create(&path).map_err(|source| write_error(&path, source))?;
        let progress = ProgressBar::new(steps as u64);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            progress.set_style(style);
        }
        progress.set_message("starting");
        let (points, file) = (Vec::new(), BufWriter::new(file));
        Ok(Self { expected, turbines, limit, steps, points, path, file, progress })
    }

    /// Returns the number of steps of the run.
    pub(crate) const fn steps(&self) -> usize {
        self.steps
    }

    /// Returns the recorded steps, if they are complete.
    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    /// Adds the next step.
    pub(crate) fn add(&mut self, step: &Step) -> Result<(), Error> {
        let number = self.points.len();
        self.compare(number, step)?;
        let power = step.p.iter().sum();
        if number > 0 && power > self.limit {
            return Err(Error::AboveLimit { step: number, power, limit: self.limit });
        }
        serde_json::to_writer(&mut self.file, step)
            .map_err(Into::into)
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.flush())
            .map_err(|source| write_error(&self.path, source))?;
        let (time, turbines) = (step.time as f64 / 3600.0, self.turbines as f64);
        let (wind, possible) =
            (step.wind.iter().sum::<f64>() / turbines, step.p_possible.iter().sum());
        self.points.push(Point { time, wind, possible, power });
        let [day, minute] = [step.time / 86_400 + 1, step.time % 86_400 / 60];
        let (hour, minute, megawatts) = (minute / 60, minute % 60, power as f64 / 1e6);
        self.progress.set_message(format!("day {day}, {hour:02}:{minute:02}, {megawatts:.1} MW"));
        self.progress.inc(1);
        Ok(())
    }

    /// Compares a step with its expected values, to the watt.
    fn compare(&mut self, number: usize, step: &Step) -> Result<(), Error> {
        let of = self.turbines;
        for turbines in [step.wind.len(), step.p_possible.len(), step.p_max.len(), step.p.len()] {
            if turbines != of {
                return Err(Error::Turbines { step: number, turbines, of });
            }
        }
        let expected = self.expected.step();
        let attributes = |step: &Step| {
            [
                ("time", vec![step.time as f64]),
                ("wind", step.wind.clone()),
                ("p_possible", floats(&step.p_possible)),
                ("p_max", floats(&step.p_max)),
                ("p", floats(&step.p)),
            ]
        };
        if *step == expected {
            return Ok(());
        }
        for ((attr, is), (_, not)) in attributes(step).into_iter().zip(attributes(&expected)) {
            if let Some(turbine) = is.iter().zip(&not).position(|(is, not)| is != not) {
                let [is, not] = [is, not].map(|values| values[turbine].to_string());
                return Err(Error::Differs { step: number, turbine, attr, is, not });
            }
        }
        Ok(())
    }

    /// Ends the progress display.
    pub(crate) fn end(&self) {
        self.progress.finish_and_clear();
    }
}

/// Converts powers, which are far below 2^53.
fn floats(powers: &[Watts]) -> Vec<f64> {
    powers.iter().map(|power| *power as f64).collect()
}

fn write_error(path: &std::path::Path, source: std::io::Error) -> Error {
    Error::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wind::WindFile;

    /// Returns the error for the second day's first step after a change.
    fn after(limit: Watts, change: impl FnOnce(&mut Step)) -> String {
        let week = WindFile::read(None).expect("the built-in week");
        let farm = || Expected::new(week.text(), 4, limit);
        let name = format!("day-{}-{limit}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut day = Day::begin(farm(), 4, limit, 2, path.clone()).expect("a file");
        let mut steps = farm();
        (0..96).for_each(|_| day.add(&steps.step()).expect("the expected step"));
        let mut step = steps.step();
        change(&mut step);
        let result = day.add(&step);
        std::fs::remove_file(path).expect("a file");
        result.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn differences_are_reported() {
        assert_eq!(after(4_000_000, |_| {}), "fine");
        let told = after(4_000_001, |step| step.p[2] += 1);
        let start = "step 96 is not as it should be: p of turbine 2 is ";
        assert!(told.starts_with(start), "{told}");
        let told = after(4_000_002, |step| step.wind[1] = 1.5);
        assert_eq!(told.split(" is 1.5, not ").count(), 2, "{told}");
        let told = after(4_000_003, |step| step.p_max.clear());
        assert_eq!(told, "0 turbines are recorded in step 96, not 4");
        let told = after(4_000_004, |step| step.time += 1);
        assert!(told.starts_with("step 96 is not as it should be: time"), "{told}");
    }
}
