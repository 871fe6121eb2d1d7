//! Data of the system and its processes from `/proc`.

use std::fs;
use std::time::Duration;

/// Returns the resident memory of a process, in bytes. `who` is its id, or `self`.
pub(crate) fn resident(who: &str) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{who}/statm")).unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * rustix::param::page_size() as u64
}

/// Returns the CPU time of a process, over all threads that have not ended.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let nanos = threads.flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Returns the load average of the last minute.
pub(crate) fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// Counts of clock ticks. Two counts yield the share of stolen time between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    pub(crate) fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
        // The ticks of users include those of guests.
        let all = ticks.iter().take(8).sum();
        Self { all, stolen: ticks.get(7).copied().unwrap_or_default() }
    }

    /// Returns the percentage of time that the hypervisor gave to other machines since `before`.
    pub(crate) fn stolen_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        100.0 * self.stolen.saturating_sub(before.stolen) as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time() {
        let before = Ticks::parse("cpu  10 0 10 70 5 0 5 0 3 0\ncpu0 1");
        let after = Ticks::parse("cpu  20 0 20 140 10 0 10 50 3 0\ncpu0 1");
        assert_eq!(after.stolen_since(before), 100.0 * 50.0 / 150.0);
    }

    #[test]
    fn this_process_has_memory_and_takes_time() {
        assert!(resident("self") > 100_000);
        let mut spent = 0_u64;
        while cpu_time(std::process::id()).is_zero() {
            spent = std::hint::black_box(spent + 1);
        }
    }
}
