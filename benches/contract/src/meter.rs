//! The closed loop: each caller makes its next call when it has the last answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use crate::options::Load;
use crate::report::{Measuring, Report, say};

/// Measures the calls of any number of callers.
#[derive(Debug)]
pub struct Meter {
    /// The start of the measured time.
    from: Instant,
    /// The end of the measured time, unless calls are counted.
    until: Option<Instant>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The number of calls that may still begin, if calls are counted.
    left: u64,
    latencies: Histogram<u64>,
    /// The CPU time of this process at the start of the measured time.
    cpu: Option<Duration>,
    /// The end of the measured time, with the CPU time then.
    end: Option<(Instant, Duration)>,
}

impl Meter {
    /// Starts a measurement. Connections are open by now.
    ///
    /// # Panics
    /// Never: the bounds of the histogram are valid.
    #[must_use]
    pub fn start(load: &Load) -> Arc<Self> {
        let now = Instant::now();
        let (from, until) = match load.calls {
            Some(_) => (now, None),
            None => (now + load.warmup, Some(now + load.warmup + load.seconds)),
        };
        // From 64 ns to 1,000 s, with three significant digits.
        let latencies = Histogram::new_with_bounds(64, 1_000_000_000_000, 3);
        let latencies = latencies.expect("the bounds are in order");
        let left = load.calls.unwrap_or(u64::MAX);
        let state = State { left, latencies, cpu: None, end: None };
        Arc::new(Self { from, until, state: Mutex::new(state) })
    }

    /// Returns the sequence of calls of one caller.
    #[must_use]
    pub fn laps(&self) -> Laps<'_> {
        Laps { meter: self, begun: None }
    }

    /// Records that `calls` calls from `begun` ended at `now`. Returns how many may start next.
    ///
    /// For callers that batch their calls. Other callers use [`laps`](Self::laps).
    pub fn ended(&self, begun: Instant, calls: u32, now: Instant) -> u32 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.end.is_none() && self.until.is_none_or(|until| now < until) {
            if now >= self.from {
                if state.cpu.is_none() {
                    state.begin();
                }
                let latency = now.duration_since(begun).as_nanos() as u64;
                state.latencies.saturating_record_n(latency, u64::from(calls));
            }
        } else if state.end.is_none() {
            state.end = Some((self.until.unwrap_or(now), cpu_time()));
        }
        self.admit(&mut state, calls, now)
    }

    /// Returns how many of `wanted` calls may start at `now`.
    fn admit(&self, state: &mut State, wanted: u32, now: Instant) -> u32 {
        if self.until.is_some_and(|until| now >= until) {
            return 0;
        }
        let admitted = state.left.min(u64::from(wanted));
        if self.until.is_none() {
            state.left -= admitted;
            if state.cpu.is_none() {
                state.begin();
            }
        }
        admitted as u32
    }

    /// Returns how many of `wanted` first calls may start.
    pub fn first(&self, wanted: u32) -> u32 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.admit(&mut state, wanted, Instant::now())
    }

    /// Returns the result, once all callers have ended.
    ///
    /// # Errors
    /// No call ended in the measured time.
    pub fn report(&self) -> Result<Report, String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, cpu_end) = state.end.unwrap_or_else(|| (Instant::now(), cpu_time()));
        let calls = state.latencies.len();
        let Some(cpu) = state.cpu.filter(|_| calls > 0) else {
            return Err("no call ended in the measured time; increase --seconds".into());
        };
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let quantile = |quantile| micros(state.latencies.value_at_quantile(quantile));
        Ok(Report {
            calls,
            seconds: end.duration_since(self.from).as_secs_f64(),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p99_9: quantile(0.999),
            max: micros(state.latencies.max()),
            client_cpu: cpu_end.saturating_sub(cpu).as_secs_f64() * 1e6 / calls as f64,
        })
    }
}

impl State {
    fn begin(&mut self) {
        self.cpu = Some(cpu_time());
        // A parent that does not read this line does not read the report either.
        let _said = say(&Measuring { measuring: true });
    }
}

/// The calls of one caller.
#[derive(Debug)]
pub struct Laps<'a> {
    meter: &'a Meter,
    begun: Option<Instant>,
}

impl Laps<'_> {
    /// Records the end of the last call, if any. Returns whether to make another one.
    pub fn another(&mut self) -> bool {
        let now = Instant::now();
        let admitted = match self.begun.take() {
            None => self.meter.first(1),
            Some(begun) => self.meter.ended(begun, 1, now),
        };
        self.begun = (admitted > 0).then_some(now);
        admitted > 0
    }
}

/// Returns the CPU time of this process so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(calls: Option<u64>) -> Load {
        Load {
            address: "tcp://h:1".parse().expect("an address"),
            in_flight: 2,
            payload: 0,
            connections: 1,
            agents: 1,
            seconds: Duration::from_secs(2),
            warmup: Duration::from_secs(1),
            calls,
        }
    }

    #[test]
    fn calls_are_counted() {
        let meter = Meter::start(&load(Some(5)));
        let (mut one, mut other) = (meter.laps(), meter.laps());
        let mut made = 0;
        while one.another() {
            made += 1;
            made += u32::from(other.another());
        }
        assert!(!other.another());
        assert_eq!(made, 5);
        assert_eq!(meter.report().expect("calls").calls, 5);
    }

    #[test]
    fn only_calls_that_end_in_time_count() {
        let meter = Meter::start(&load(None));
        let at = |millis| meter.from + Duration::from_millis(millis);
        let before = meter.from - Duration::from_millis(500);
        assert_eq!(meter.ended(before, 1, before), 1);
        assert!(meter.report().is_err());
        assert_eq!(meter.ended(before, 1, at(0)), 1);
        assert_eq!(meter.ended(at(0), 3, at(1999)), 3);
        assert_eq!(meter.ended(at(1999), 3, at(2001)), 0);
        let report = meter.report().expect("calls");
        assert_eq!((report.calls, report.seconds), (4, 2.0));
        assert!((report.max / 1_999_000.0 - 1.0).abs() < 2e-3, "{report:?}");
        assert!((report.p50 / 1_999_000.0 - 1.0).abs() < 2e-3, "{report:?}");
    }
}
