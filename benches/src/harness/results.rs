//! Statistics over measurements.

use super::plan::Way;
use super::record::{Called, Line, Outcome, Record};

/// The baseline of all other contestants.
pub(crate) const LIMIT: &str = "limit-tokio";

/// All measurements.
#[derive(Clone, Debug)]
pub(crate) struct Results<'a>(Vec<&'a Record>);

impl<'a> Results<'a> {
    pub(crate) fn of(lines: &'a [Line]) -> Self {
        let runs = lines.iter().filter_map(|line| match line {
            Line::Run(record) => Some(record),
            _ => None,
        });
        Self(runs.collect())
    }

    pub(crate) fn all(&self) -> &[&'a Record] {
        &self.0
    }

    /// Selects the measurements of one mode over one transport.
    pub(crate) fn of_mode(&self, mode: &str, way: Way) -> Self {
        let fits = |record: &&&Record| record.mode == mode && record.way == way;
        Self(self.0.iter().filter(fits).copied().collect())
    }

    /// Selects the measurements of one contestant.
    pub(crate) fn of_contestant(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|record| record.contestant == name).copied().collect())
    }

    /// Returns the contestants, in the order of their first measurement.
    pub(crate) fn contestants(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        for record in &self.0 {
            if !names.contains(&&*record.contestant) {
                names.push(&*record.contestant);
            }
        }
        names
    }

    /// Returns the rounds with successful calls.
    pub(crate) fn calls(&self) -> Vec<(u32, &'a Called)> {
        let calls = self.0.iter().filter_map(|record| match &record.outcome {
            Outcome::Calls(called) => Some((record.round, called)),
            _ => None,
        });
        calls.collect()
    }

    /// Returns the ratio of the rates of both, for each round in which both succeeded.
    pub(crate) fn ratios(&self, others: &Self, rate: fn(&Called) -> f64) -> Vec<f64> {
        let others = others.calls();
        let ratio = |(round, called): (u32, &Called)| {
            let (_, other) = others.iter().find(|(other, _)| *other == round)?;
            Some(rate(called) / rate(other)).filter(|ratio| ratio.is_finite())
        };
        self.calls().into_iter().filter_map(ratio).collect()
    }

    /// Selects the limit's measurements that are the baseline of a mode.
    pub(crate) fn limit(&self, mode: &str, way: Way) -> Self {
        self.of_mode(mode, way.of_limit()).of_contestant(LIMIT)
    }
}

/// Returns the median; of two values, the mean.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values[values.len() / 2]);
    Some((low + high) / 2.0)
}

/// Made-up measurements for tests.
#[cfg(test)]
pub(crate) mod samples {
    use aiomas_bench_contract::{Report, Spawned};

    use super::*;
    use crate::harness::record::Idle;

    pub(crate) fn called(rate: u32) -> Called {
        let report = Report {
            calls: u64::from(rate),
            seconds: 1.0,
            p50: 10.0,
            p90: 20.0,
            p99: 30.0,
            p99_9: 40.0,
            max: 1234.5,
            client_cpu: 1.5,
        };
        Called { report, server_cpu: 2.5, memory: [3 << 20, 4 << 20] }
    }

    pub(crate) fn line(round: u32, mode: &str, contestant: &str, outcome: Outcome) -> Line {
        Line::Run(Record {
            round,
            mode: mode.into(),
            way: Way::Tcp,
            contestant: contestant.into(),
            load: 1.0,
            stolen: 2.0,
            outcome,
        })
    }

    pub(crate) fn calls(round: u32, mode: &str, contestant: &str, rate: u32) -> Line {
        line(round, mode, contestant, Outcome::Calls(called(rate)))
    }

    pub(crate) fn idle(contestant: &str, each: u64, alone: u32, beside: u32) -> Line {
        let (alone, beside) = (called(alone), called(beside));
        let idle = Idle { connections: 10_000, bytes: 10_000 * each, alone, beside };
        line(1, "idle10000", contestant, Outcome::Idle(idle))
    }

    pub(crate) fn spawned(contestant: &str, each: u64) -> Line {
        let spawned = Spawned { count: 100_000, seconds: 0.25, bytes: 100_000 * each };
        line(1, "spawn100000", contestant, Outcome::Spawned(spawned))
    }
}

#[cfg(test)]
mod tests {
    use super::samples::calls;
    use super::*;

    #[test]
    fn only_rounds_of_both_are_compared() {
        let lines = [
            calls(1, "seq", "a", 50),
            calls(1, "seq", LIMIT, 100),
            calls(2, "seq", "a", 70),
            calls(3, "seq", "a", 90),
            calls(3, "seq", LIMIT, 300),
            calls(3, "pipe64", LIMIT, 1),
        ];
        let results = Results::of(&lines);
        let limit = results.limit("seq", Way::Tls);
        let ours = results.of_mode("seq", Way::Tcp).of_contestant("a");
        assert_eq!(ours.ratios(&limit, Called::rate), [0.5, 0.3]);
        assert_eq!(ours.ratios(&limit, Called::capacity), [1.0, 1.0]);
        assert_eq!(results.contestants(), ["a", LIMIT]);
    }

    #[test]
    fn medians() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
