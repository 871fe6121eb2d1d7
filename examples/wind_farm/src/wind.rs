//! Measured wind.

use std::path::Path;

use crate::turbine::Speed;

/// The seconds between two rows, and of a step of the simulation.
pub(crate) const STEP: u32 = 900;
/// The steps per day.
pub(crate) const STEPS_PER_DAY: usize = 96;
/// The highest plausible speed, in m/s. A higher one is an error in the file.
const MAX_SPEED: f64 = 100.0;
const COLUMNS: [&str; 5] = ["minute", "north", "east", "south", "west"];
/// A week of wind, made by `make_wind`.
const WEEK: &str = include_str!("../data/week.csv");

/// The text of a file.
#[derive(Clone, Debug)]
pub(crate) struct WindFile {
    name: String,
    text: String,
}

impl WindFile {
    /// Reads a file, or takes the built-in week.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, WindError> {
        let Some(path) = path else {
            return Ok(Self {
                name: "the week that is built in".to_owned(),
                text: WEEK.to_owned(),
            });
        };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { name, text }),
            Err(source) => Err(WindError::Io { name, source }),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// The wind at the places of the farm, every 15 minutes.
#[derive(Clone, Debug)]
pub(crate) struct Wind {
    rows: Vec<[Speed; COLUMNS.len() - 1]>,
}

/// An error in a wind file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WindError {
    #[error("{name}: {source}")]
    Io { name: String, source: std::io::Error },
    #[error("{name}, line {line}: {why}")]
    Line { name: String, line: usize, why: String },
    #[error("{name}: {rows} rows are too few for {steps} steps of 15 minutes (`--days`)")]
    TooShort { name: String, rows: usize, steps: usize },
}

impl Wind {
    /// Parses a file, which must cover this number of days.
    pub(crate) fn parse(file: &WindFile, days: usize) -> Result<Self, WindError> {
        let WindFile { name, text } = file;
        let wind = Self::parse_all(name, text)?;
        let (rows, steps) = (wind.rows.len(), days * STEPS_PER_DAY);
        if rows < steps {
            return Err(WindError::TooShort { name: name.clone(), rows, steps });
        }
        Ok(wind)
    }

    /// Returns the wind at the turbine with this number, in row `step`.
    pub(crate) fn at(&self, step: usize, turbine: usize) -> Option<Speed> {
        let row = self.rows.get(step)?;
        Some(row[turbine % row.len()])
    }

    fn parse_all(name: &str, text: &str) -> Result<Self, WindError> {
        let error = |line, why| WindError::Line { name: name.to_owned(), line, why };
        let mut lines = (1..).zip(text.lines());
        let header = COLUMNS.join(",");
        if lines.next().is_none_or(|(_, line)| line != header) {
            return Err(error(1, format!("the header has to be \"{header}\"")));
        }
        let mut rows = Vec::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let row = Self::parse_row(rows.len(), line).map_err(|why| error(number, why))?;
            rows.push(row);
        }
        Ok(Self { rows })
    }

    fn parse_row(number: usize, line: &str) -> Result<[Speed; 4], String> {
        let cells: Vec<_> = line.split(',').map(str::trim).collect();
        if cells.len() != COLUMNS.len() {
            return Err(format!("{} columns, where {} are expected", cells.len(), COLUMNS.len()));
        }
        let (minute, expected) = (cells[0], number * STEP as usize / 60);
        if minute.parse() != Ok(expected) {
            return Err(format!("minute \"{minute}\", where {expected} is expected"));
        }
        let mut row = [0; 4];
        for ((place, text), speed) in COLUMNS.iter().zip(cells).skip(1).zip(&mut row) {
            *speed = match text.parse::<f64>() {
                // Measured wind is no more exact than 1 cm/s.
                Ok(wind) if (0.0..=MAX_SPEED).contains(&wind) => (wind * 100.0).round() as Speed,
                _ => {
                    return Err(format!(
                        "\"{text}\" in the {place} is no wind in m/s, from 0 to {MAX_SPEED}"
                    ));
                }
            };
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Wind, String> {
        Wind::parse(&WindFile { name: "a.csv".to_owned(), text: text.to_owned() }, 0)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_row() {
        let wind = parse("minute,north,east,south,west\n0,7.35,0,100,0.29\n").expect("a row");
        assert_eq!(wind.rows, [[735, 0, 10_000, 29]]);
        assert_eq!((wind.at(0, 4), wind.at(0, 7), wind.at(1, 0)), (Some(735), Some(29), None));
    }

    #[test]
    fn broken_lines() {
        let head = "minute,north,east,south,west\n0,1,2,3,4\n";
        for (text, message) in [
            (
                "minute,north\n0,1\n",
                "line 1: the header has to be \"minute,north,east,south,west\"",
            ),
            ("", "line 1: the header has to be \"minute,north,east,south,west\""),
            (&format!("{head}15,1,2,3\n"), "line 3: 4 columns, where 5 are expected"),
            (&format!("{head}30,1,2,3,4\n"), "line 3: minute \"30\", where 15 is expected"),
            (
                &format!("{head}15,1,2,3,4\n\n30,1,x,3,4\n"),
                "line 5: \"x\" in the east is no wind in m/s, from 0 to 100",
            ),
            (
                &format!("{head}15,-1,2,3,4\n"),
                "line 3: \"-1\" in the north is no wind in m/s, from 0 to 100",
            ),
            (
                &format!("{head}15,1,2,3,NaN\n"),
                "line 3: \"NaN\" in the west is no wind in m/s, from 0 to 100",
            ),
        ] {
            let expected = Err(format!("a.csv, {message}"));
            assert_eq!(parse(text).map(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn the_week_has_seven_days() {
        let week = WindFile::read(None).expect("the built-in week");
        assert!(Wind::parse(&week, 7).is_ok());
        let error = Wind::parse(&week, 8).expect_err("longer than a week");
        let expected = "the week that is built in: 672 rows are too few for 768 steps of 15 minutes (`--days`)";
        assert_eq!(error.to_string(), expected);
    }
}
