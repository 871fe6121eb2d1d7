//! `bench gate`: checks the thresholds of the design, in a short run on a quiet machine.

use clap::Args;

use super::contestant::{Contestant, Prepared};
use super::measure::Conditions;
use super::plan::{Mode, Way};
use super::record::{Called, Line, Outcome, Record};
use super::results::{LIMIT, Results, median};

/// Checks the thresholds of the design. The exit status is the result.
#[derive(Clone, Debug, Args)]
pub(crate) struct Gate {
    #[command(flatten)]
    conditions: Conditions,
}

const MSGPACK: &str = "ours-tokio-msgpack-typed";
const JSON: &str = "ours-tokio-json-typed";

/// The quantity that a threshold limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    /// Calls per second, relative to the limit's in the same round.
    Ratio,
    /// Calls per second, relative to those to a single agent in the same round.
    ManyAgents,
    /// Calls per second, relative to those without idle connections.
    ManyConnections,
    /// Bytes per idle connection.
    Connection,
    /// Bytes per idle agent.
    Agent,
}

#[derive(Clone, Copy, Debug)]
struct Bar {
    contestant: &'static str,
    mode: &'static str,
    quantity: Quantity,
    /// The minimum, or the maximum for bytes.
    bar: f64,
}

const fn bar(contestant: &'static str, mode: &'static str, quantity: Quantity, bar: f64) -> Bar {
    Bar { contestant, mode, quantity, bar }
}

/// The thresholds of `docs/design.md`. A rate counts as flat if it loses at most a fifth, because
/// caches are finite.
const BARS: [Bar; 11] = [
    bar(MSGPACK, "seq", Quantity::Ratio, 0.9),
    bar(JSON, "seq", Quantity::Ratio, 0.9),
    bar(MSGPACK, "pipe64", Quantity::Ratio, 0.85),
    bar(JSON, "pipe64", Quantity::Ratio, 0.75),
    bar(MSGPACK, "pipe1024", Quantity::Ratio, 0.7),
    bar(JSON, "pipe1024", Quantity::Ratio, 0.55),
    bar(MSGPACK, "bulk1m", Quantity::Ratio, 1.3),
    bar(MSGPACK, "agents100000", Quantity::ManyAgents, 0.8),
    bar(MSGPACK, "idle10000", Quantity::ManyConnections, 0.8),
    bar(MSGPACK, "idle10000", Quantity::Connection, 10.0 * 1024.0),
    bar(MSGPACK, "spawn100000", Quantity::Agent, 512.0),
];

/// The stolen time above which a machine is not quiet, in percent.
const QUIET: f64 = 5.0;

impl Bar {
    /// Returns the measured value.
    fn value(&self, results: &Results<'_>) -> Option<f64> {
        let of = |mode| results.of_mode(mode, Way::Tcp).of_contestant(self.contestant);
        let runs = of(self.mode);
        let each = |value: fn(&Outcome) -> Option<f64>| {
            median(runs.all().iter().filter_map(|run| value(&run.outcome)))
        };
        match self.quantity {
            Quantity::Ratio => {
                median(runs.ratios(&results.limit(self.mode, Way::Tcp), Called::rate))
            }
            Quantity::ManyAgents => median(runs.ratios(&of("pipe64"), Called::rate)),
            Quantity::ManyConnections => each(|outcome| match outcome {
                Outcome::Idle(idle) => Some(idle.beside.rate() / idle.alone.rate()),
                _ => None,
            }),
            Quantity::Connection => each(|outcome| match outcome {
                Outcome::Idle(idle) => Some(idle.bytes as f64 / f64::from(idle.connections)),
                _ => None,
            }),
            Quantity::Agent => each(|outcome| match outcome {
                Outcome::Spawned(spawned) => Some(spawned.bytes as f64 / f64::from(spawned.count)),
                _ => None,
            }),
        }
    }

    fn holds(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| match self.quantity {
            Quantity::Connection | Quantity::Agent => value <= self.bar,
            _ => value >= self.bar,
        })
    }

    const fn unit(&self) -> &'static str {
        match self.quantity {
            Quantity::Ratio => "of limit-tokio",
            Quantity::ManyAgents => "of one agent",
            Quantity::ManyConnections => "of one connection",
            Quantity::Connection => "bytes a connection",
            Quantity::Agent => "bytes an agent",
        }
    }
}

/// Measures all thresholds and checks them.
///
/// # Errors
/// A threshold is missed.
pub(crate) fn gate(options: &Gate) -> Result<(), String> {
    let conditions = &options.conditions;
    let all = Contestant::all();
    let prepared = |name: &str| {
        let found = all.iter().find(|contestant| contestant.name == name);
        found.ok_or_else(|| format!("there is no {name}"))?.prepare()
    };
    let (limit, msgpack, json) = (prepared(LIMIT)?, prepared(MSGPACK)?, prepared(JSON)?);
    let mut lines = Vec::new();
    for round in 1..=conditions.rounds {
        let mut measured: Vec<(&str, &str)> = Vec::new();
        for bar in BARS {
            let Some(mode) = Mode::named(bar.mode) else { continue };
            let needs: [Option<&Prepared>; 2] = [
                (bar.quantity == Quantity::Ratio).then_some(&limit),
                Some(if bar.contestant == JSON { &json } else { &msgpack }),
            ];
            for who in needs.into_iter().flatten() {
                // Some thresholds share a measurement.
                if !measured.iter().any(|&pair| pair == (&*who.contestant.name, mode.name)) {
                    measured.push((&who.contestant.name, mode.name));
                    eprintln!("round {round}: {} {}", who.contestant.name, mode.name);
                    lines.push(Line::Run(conditions.measure(who, mode, Way::Tcp, round)));
                }
            }
        }
    }
    judge(&lines)
}

/// Prints the thresholds with their results.
fn judge(lines: &[Line]) -> Result<(), String> {
    let results = Results::of(lines);
    for Record { contestant, mode, outcome, .. } in results.all() {
        if let Outcome::Failed { why } = outcome {
            println!("{contestant} fails in {mode}: {why}");
        }
    }
    let stolen = median(results.all().iter().map(|run| run.stolen)).unwrap_or_default();
    if stolen > QUIET {
        println!("{stolen:.0} % of the time was stolen: this machine is not quiet");
    }
    let mut missed = 0;
    for bar in BARS {
        let value = bar.value(&results);
        let verdict = if bar.holds(value) { "holds" } else { "MISSED" };
        missed += usize::from(!bar.holds(value));
        let value = value.map_or_else(|| "nothing".into(), |value| format!("{value:.2}"));
        let (contestant, mode, unit) = (bar.contestant, bar.mode, bar.unit());
        println!("{contestant:<26} {mode:<13} {value:>9} {unit:<18} bar {:>6} {verdict}", bar.bar);
    }
    match missed {
        0 => Ok(()),
        missed => Err(format!("{missed} of {} thresholds are missed", BARS.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::samples::{calls, idle, spawned};
    use super::*;

    /// Returns measurements that barely pass.
    fn good() -> Vec<Line> {
        vec![
            calls(1, "seq", LIMIT, 1000),
            calls(1, "seq", MSGPACK, 900),
            calls(1, "seq", JSON, 900),
            calls(1, "pipe64", LIMIT, 1000),
            calls(1, "pipe64", MSGPACK, 850),
            calls(1, "pipe64", JSON, 750),
            calls(1, "pipe1024", LIMIT, 1000),
            calls(1, "pipe1024", MSGPACK, 700),
            calls(1, "pipe1024", JSON, 550),
            calls(1, "bulk1m", LIMIT, 1000),
            calls(1, "bulk1m", MSGPACK, 1300),
            calls(1, "agents100000", MSGPACK, 680),
            idle(MSGPACK, 10 * 1024, 1000, 800),
            spawned(MSGPACK, 512),
        ]
    }

    #[test]
    fn sufficient_values_pass() {
        assert_eq!(judge(&good()), Ok(()));
    }

    #[test]
    fn each_bar_can_be_missed() {
        let worse = [
            (1, calls(1, "seq", MSGPACK, 899)),
            (2, calls(1, "seq", JSON, 899)),
            (5, calls(1, "pipe64", JSON, 749)),
            (7, calls(1, "pipe1024", MSGPACK, 699)),
            (8, calls(1, "pipe1024", JSON, 549)),
            (10, calls(1, "bulk1m", MSGPACK, 1299)),
            (11, calls(1, "agents100000", MSGPACK, 679)),
            (12, idle(MSGPACK, 10 * 1024, 1000, 799)),
            (12, idle(MSGPACK, 10 * 1024 + 1, 1000, 800)),
            (13, spawned(MSGPACK, 513)),
        ];
        for (at, line) in worse {
            let mut lines = good();
            lines[at] = line.clone();
            assert_eq!(judge(&lines), Err("1 of 11 thresholds are missed".into()), "{line:?}");
        }
        // This one is also the baseline of others.
        let mut lines = good();
        lines[4] = calls(1, "pipe64", MSGPACK, 849);
        assert_eq!(judge(&lines), Err("1 of 11 thresholds are missed".into()));
    }

    #[test]
    fn missing_measurements_fail() {
        assert_eq!(judge(&[]), Err("11 of 11 thresholds are missed".into()));
        let why = "no".to_owned();
        let failed = super::super::results::samples::line;
        let mut lines = good();
        lines[13] = failed(1, "spawn100000", MSGPACK, Outcome::Failed { why });
        assert_eq!(judge(&lines), Err("1 of 11 thresholds are missed".into()));
    }
}
