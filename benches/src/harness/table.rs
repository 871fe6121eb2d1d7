//! The table of results, in Markdown.

use std::fmt::Write;

use super::plan::{MODES, Mode, Way};
use super::record::{Called, Line, Outcome, Record, Setting};
use super::results::{LIMIT, Results, median};

/// Formats all measurements.
pub(crate) fn table(lines: &[Line]) -> String {
    let (mut text, results) = (String::new(), Results::of(lines));
    for line in lines {
        if let Line::Setting(setting) = line {
            text += &head(setting, &results);
        }
    }
    for mode in MODES {
        for way in [Way::Tcp, Way::Unix, Way::Tls] {
            text += &section(mode, way, &results);
        }
    }
    text + &left_out(lines)
}

fn head(setting: &Setting, results: &Results<'_>) -> String {
    let Setting { date, cpu, cpus, kernel, pinned, rounds, seconds, optimized } = setting;
    let middle = |of: fn(&Record) -> f64| median(results.all().iter().map(|record| of(record)));
    let most = |of: fn(&Record) -> f64| results.all().iter().map(|run| of(run)).fold(0.0, f64::max);
    let pinned = if *pinned { "client and server on a CPU each" } else { "not pinned" };
    let warning = if *optimized { "" } else { " **Not optimized: these figures mean nothing.**" };
    format!(
        "Measured {date}: {cpus} CPUs ({cpu}), Linux {kernel}; {rounds} rounds of {seconds} s, {pinned}. \
         Stolen by the hypervisor: {:.0} % on the median, {:.0} % at worst. Load: {:.1} on the median, \
         {:.1} at most.{warning}\n",
        middle(|run| run.stolen).unwrap_or_default(),
        most(|run| run.stolen),
        middle(|run| run.load).unwrap_or_default(),
        most(|run| run.load),
    )
}

/// Formats one mode over one transport; an unmeasured mode is empty.
fn section(mode: Mode, way: Way, results: &Results<'_>) -> String {
    let here = results.of_mode(mode.name, way);
    let limit = results.limit(mode.name, way);
    let mut rows = String::new();
    let mut head = "";
    for name in here.contestants() {
        let runs = here.of_contestant(name);
        let row = match runs.all().iter().find_map(|run| Row::of(run)) {
            Some(Row::Calls) => {
                head = CALLS;
                calls(&runs, &limit)
            }
            Some(Row::Idle) => {
                head = IDLE;
                idle(&runs)
            }
            Some(Row::Spawned) => {
                head = SPAWNED;
                spawned(&runs)
            }
            None => continue,
        };
        _ = writeln!(rows, "| {name} | {row} |");
    }
    if rows.is_empty() {
        return rows;
    }
    let compared = if way == Way::Tls { " (without TLS)" } else { "" };
    let columns = head.replace("LIMIT", &format!("{LIMIT}{compared}"));
    let aligned = "|--:".repeat(head.matches('|').count() - 2);
    let (what, way) = (mode.what, way.name());
    format!("\n### `{}`: {what}, {way}\n\n{columns}\n|---{aligned}|\n{rows}", mode.name)
}

/// The kind of a row.
enum Row {
    Calls,
    Idle,
    Spawned,
}

impl Row {
    const fn of(record: &Record) -> Option<Self> {
        match record.outcome {
            Outcome::Calls(_) => Some(Self::Calls),
            Outcome::Idle(_) => Some(Self::Idle),
            Outcome::Spawned(_) => Some(Self::Spawned),
            Outcome::Failed { .. } => None,
        }
    }
}

const CALLS: &str = "| contestant | calls/s, best | median | ÷ LIMIT | by CPU time | p50, µs | p90 | p99 | p99.9 | max | CPU client + server, µs/call | server, MiB | rounds |";
const IDLE: &str =
    "| contestant | memory per connection, KiB | calls/s without them | beside them | ÷ |";
const SPAWNED: &str = "| contestant | memory per agent, bytes | time per agent, µs |";

/// Formats calls. Rates cover all rounds; all other columns are of the best round.
fn calls(runs: &Results<'_>, limit: &Results<'_>) -> String {
    let calls = runs.calls();
    let best = calls.iter().max_by(|a, b| a.1.rate().total_cmp(&b.1.rate()));
    let Some((_, best @ Called { report, .. })) = best else { return String::new() };
    let middle = median(calls.iter().map(|(_, called)| called.rate())).unwrap_or_default();
    let ratios = [Called::rate, Called::capacity].map(|rate| {
        let ratio = median(runs.ratios(limit, rate));
        ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"))
    });
    let micros = |micros: f64| match micros {
        ..100.0 => format!("{micros:.1}"),
        _ => number(micros),
    };
    let times = [report.p50, report.p90, report.p99, report.p99_9, report.max].map(micros);
    format!(
        "{} | {} | {} | {} | {:.2} + {:.2} | {:.1} | {}/{}",
        number(best.rate()),
        number(middle),
        ratios.join(" | "),
        times.join(" | "),
        report.client_cpu,
        best.server_cpu,
        best.memory[1] as f64 / f64::from(1 << 20),
        calls.len(),
        runs.all().len(),
    )
}

fn idle(runs: &Results<'_>) -> String {
    let runs = runs.all().iter().filter_map(|run| match &run.outcome {
        Outcome::Idle(idle) => Some(idle),
        _ => None,
    });
    let runs: Vec<_> = runs.collect();
    let each = median(runs.iter().map(|idle| idle.bytes as f64 / f64::from(idle.connections)));
    let (alone, beside) = (
        median(runs.iter().map(|idle| idle.alone.rate())).unwrap_or_default(),
        median(runs.iter().map(|idle| idle.beside.rate())).unwrap_or_default(),
    );
    format!(
        "{:.1} | {} | {} | {:.2}",
        each.unwrap_or_default() / 1024.0,
        number(alone),
        number(beside),
        beside / alone
    )
}

fn spawned(runs: &Results<'_>) -> String {
    let runs = runs.all().iter().filter_map(|run| match &run.outcome {
        Outcome::Spawned(spawned) => Some(spawned),
        _ => None,
    });
    let runs: Vec<_> = runs.collect();
    let bytes = median(runs.iter().map(|run| run.bytes as f64 / f64::from(run.count)));
    let micros = median(runs.iter().map(|run| run.seconds * 1e6 / f64::from(run.count)));
    format!("{:.0} | {:.2}", bytes.unwrap_or_default(), micros.unwrap_or_default())
}

fn left_out(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        match line {
            Line::LeftOut { contestant, why } => _ = writeln!(text, "- {contestant}: {why}"),
            Line::Run(Record {
                round,
                mode,
                way,
                contestant,
                outcome: Outcome::Failed { why },
                ..
            }) => {
                let way = way.name();
                _ = writeln!(text, "- {contestant} in {mode} over {way}, round {round}: {why}");
            }
            _ => {}
        }
    }
    if text.is_empty() { text } else { format!("\n### Left out\n\n{text}") }
}

/// Rounds a number, and groups its digits with commas.
pub(crate) fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::results::samples::{calls, idle, line, spawned};
    use super::*;

    #[test]
    fn numbers() {
        for (value, text) in [(0.4, "0"), (999.0, "999"), (1234.6, "1,235"), (123_456.0, "123,456")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_table() {
        let setting = Setting {
            date: "2026-01-01T00:00:00Z".into(),
            cpu: "Some CPU".into(),
            cpus: 2,
            kernel: "6.1".into(),
            pinned: true,
            rounds: 2,
            seconds: 0.5,
            optimized: true,
        };
        let lines = [
            Line::Setting(setting),
            Line::LeftOut { contestant: "tarpc".into(), why: "the build fails".into() },
            calls(1, "seq", LIMIT, 10_000),
            calls(1, "seq", "ours", 9_000),
            calls(2, "seq", LIMIT, 12_000),
            line(2, "seq", "ours", Outcome::Failed { why: "it has ended".into() }),
            line(1, "seq", "theirs", Outcome::Failed { why: "it never began".into() }),
            idle("ours", 2048, 1000, 900),
            spawned("ours", 300),
        ];
        assert_eq!(
            table(&lines),
            "Measured 2026-01-01T00:00:00Z: 2 CPUs (Some CPU), Linux 6.1; 2 rounds of 0.5 s, client and server on \
             a CPU each. Stolen by the hypervisor: 2 % on the median, 2 % at worst. Load: 1.0 on the median, 1.0 at \
             most.

### `seq`: 1 call in flight, TCP

| contestant | calls/s, best | median | ÷ limit-tokio | by CPU time | p50, µs | p90 | p99 | p99.9 | max | CPU client + server, µs/call | server, MiB | rounds |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
| limit-tokio | 12,000 | 11,000 | 1.00 | 1.00 | 10.0 | 20.0 | 30.0 | 40.0 | 1,234 | 1.50 + 2.50 | 4.0 | 2/2 |
| ours | 9,000 | 9,000 | 0.90 | 1.00 | 10.0 | 20.0 | 30.0 | 40.0 | 1,234 | 1.50 + 2.50 | 4.0 | 1/2 |

### `idle10000`: 10,000 idle connections, TCP

| contestant | memory per connection, KiB | calls/s without them | beside them | ÷ |
|---|--:|--:|--:|--:|
| ours | 2.0 | 1,000 | 900 | 0.90 |

### `spawn100000`: 100,000 idle agents, TCP

| contestant | memory per agent, bytes | time per agent, µs |
|---|--:|--:|
| ours | 300 | 2.50 |

### Left out

- tarpc: the build fails
- ours in seq over TCP, round 2: it has ended
- theirs in seq over TCP, round 1: it never began
"
        );
    }
}
