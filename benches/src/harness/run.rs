//! `bench run` and `bench table`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::contestant::{Contestant, Prepared, USUAL};
use super::measure::Conditions;
use super::plan::{MODES, Mode, Way, select};
use super::record::{Line, Outcome, Setting, read};
use super::results::LIMIT;
use super::{picture, table as text};

/// Measures, and writes lines, a table and a chart.
#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    /// The modes, by prefixes of their names; all by default.
    #[arg(long, value_delimiter = ',')]
    modes: Vec<String>,
    /// The contestants, by prefixes of their names.
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<String>,
    /// The transports between clients and servers.
    #[arg(long, value_delimiter = ',', default_value = "tcp")]
    ways: Vec<Way>,
    /// The folder for the results.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"))]
    out: PathBuf,
    #[command(flatten)]
    conditions: Conditions,
}

/// Makes the table and the chart from existing lines.
#[derive(Clone, Debug, Args)]
pub(crate) struct Table {
    /// The file with the lines.
    file: PathBuf,
    /// The folder for the results; by default that of the file.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One planned measurement.
type Step = (Prepared, Mode, Way);

impl Run {
    /// Returns the selected modes and contestants.
    ///
    /// # Errors
    /// An option matches no mode or contestant.
    pub(crate) fn plan(&self) -> Result<(Vec<Mode>, Vec<Contestant>), String> {
        let modes = match &self.modes[..] {
            [] => MODES.to_vec(),
            modes => select(modes, &MODES, |mode| mode.name)?,
        };
        let usual = || USUAL.iter().map(|&name| name.to_owned()).collect();
        let wishes = if self.contestants.is_empty() { usual() } else { self.contestants.clone() };
        let all = Contestant::all();
        let mut contestants = select(&wishes, &all, |contestant| &contestant.name)?;
        // The limit is the baseline of all others.
        if !contestants.iter().any(|contestant| contestant.name == LIMIT) {
            contestants.extend(all.into_iter().find(|contestant| contestant.name == LIMIT));
        }
        for mode in &modes {
            let fits = |way| contestants.iter().any(|who| mode.fits(who.skills, way));
            if !self.ways.iter().any(|way| fits(*way)) {
                return Err(format!("none of the contestants can do {}", mode.name));
            }
        }
        Ok((modes, contestants))
    }
}

/// Runs `bench run`.
///
/// # Errors
/// A measurement failed, or the results cannot be written.
pub(crate) fn run(options: &Run, modes: &[Mode], contestants: &[Contestant]) -> Result<(), String> {
    let Run { out, conditions, ways, .. } = options;
    fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let mut lines = Lines::create(&out.join("lines.jsonl"))?;
    lines.add(Line::Setting(setting(conditions)))?;
    let mut ready = Vec::new();
    for contestant in contestants {
        match contestant.prepare() {
            Ok(prepared) => ready.push(prepared),
            Err(why) => {
                eprintln!("{} is left out: {why}", contestant.name);
                lines.add(Line::LeftOut { contestant: contestant.name.clone(), why })?;
            }
        }
    }
    let steps = steps(modes, ways, &ready);
    let bar = ProgressBar::new(u64::from(conditions.rounds) * steps.len() as u64);
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}");
    bar.set_style(style.map_err(|error| error.to_string())?);
    let mut failures = 0;
    for round in 1..=conditions.rounds {
        for (who, mode, way) in &steps {
            bar.set_message(format!("{} {} {}", who.contestant.name, mode.name, way.name()));
            let record = conditions.measure(who, *mode, *way, round);
            if let Outcome::Failed { why } = &record.outcome {
                failures += 1;
                let (mode, way) = (mode.name, way.name());
                let text = format!("{} fails in {mode} over {way}: {why}", record.contestant);
                bar.suspend(|| eprintln!("{text}"));
            }
            lines.add(Line::Run(record))?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    finish(&lines.lines, out)?;
    match failures {
        0 => Ok(()),
        failures => Err(format!("{failures} measurements have failed")),
    }
}

/// Runs `bench table`.
///
/// # Errors
/// The file cannot be read, or the results cannot be written.
pub(crate) fn table(options: &Table) -> Result<(), String> {
    let lines = read(&options.file)?;
    let folder = options.file.parent().unwrap_or_else(|| Path::new("."));
    finish(&lines, options.out.as_deref().unwrap_or(folder))
}

/// Returns the measurements of each round, with contestants of a mode next to each other.
fn steps(modes: &[Mode], ways: &[Way], ready: &[Prepared]) -> Vec<Step> {
    let mut steps = Vec::new();
    for mode in modes {
        for way in ways {
            let fits = ready.iter().filter(|who| mode.fits(who.contestant.skills, *way));
            steps.extend(fits.map(|who| (who.clone(), *mode, *way)));
            let limit = |step: &Step| step.0.contestant.name == LIMIT;
            // TLS is compared with TCP.
            let other = way.of_limit();
            if !steps.iter().any(|step| step.1 == *mode && step.2 == other && limit(step)) {
                let limits = ready.iter().filter(|who| who.contestant.name == LIMIT);
                let limits = limits.filter(|who| mode.fits(who.contestant.skills, other));
                steps.extend(limits.map(|who| (who.clone(), *mode, other)));
            }
        }
    }
    steps
}

fn finish(lines: &[Line], out: &Path) -> Result<(), String> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    fs::create_dir_all(out).map_err(|error| wrong(out, &error))?;
    let (table, path) = (text::table(lines), out.join("table.md"));
    fs::write(&path, &table).map_err(|error| wrong(&path, &error))?;
    print!("{table}");
    let path = out.join("picture.svg");
    if picture::draw(lines, &path).map_err(|error| wrong(&path, &error))? {
        eprintln!("Also in {}: lines.jsonl, table.md, picture.svg", out.display());
    }
    Ok(())
}

/// The lines so far, in memory and in the file.
struct Lines {
    file: File,
    lines: Vec<Line>,
}

impl Lines {
    fn create(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { file, lines: Vec::new() })
    }

    fn add(&mut self, line: Line) -> Result<(), String> {
        let text = serde_json::to_string(&line).map_err(|error| error.to_string())?;
        writeln!(self.file, "{text}").map_err(|error| format!("the lines: {error}"))?;
        self.lines.push(line);
        Ok(())
    }
}

fn setting(conditions: &Conditions) -> Setting {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let date = jiff::Timestamp::from_second(now.as_secs() as i64).unwrap_or_default();
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Setting {
        date: date.to_string(),
        cpu: cpu.map_or_else(|| "unknown".into(), |(_, name)| name.into()),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        kernel: read("/proc/sys/kernel/osrelease").trim().into(),
        pinned: !conditions.no_pin,
        rounds: conditions.rounds,
        seconds: conditions.seconds,
        optimized: !cfg!(debug_assertions),
    }
}
