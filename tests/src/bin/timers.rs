//! Measures the cost of a million timers on each kind of clock.

use std::hint::black_box;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use aiomas_core::clock::ExternalClock;
use aiomas_core::clock::timer::TimerQueue;
use aiomas_tests::runtimes::on_tokio;

const MILLION: usize = 1_000_000;

/// Returns all times up to a million, shuffled.
fn times() -> impl Iterator<Item = usize> {
    (0..MILLION).map(|number| number * 611_953 % MILLION + 1)
}

/// The workloads. Each runs in a process of its own, because memory freed by another would distort
/// the result.
const WORKLOADS: [(&str, fn()); 4] = [
    ("queue", queue),
    ("external clock", external),
    ("calls of an external clock", || on_tokio(calls(true))),
    ("calls of the wall clock", || on_tokio(calls(false))),
];

fn main() {
    if let Some(chosen) = std::env::args().nth(1) {
        let workload = WORKLOADS.into_iter().find(|(name, _)| *name == chosen);
        return workload.expect("a workload").1();
    }
    let program = std::env::current_exe().expect("the path of this program");
    println!(
        "{:<32} {:>7} {:>7} {:>7} {:>7}",
        "a timer of a million", "insert", "cancel", "expire", "memory"
    );
    for (name, _) in WORKLOADS {
        print!("{name:<32} ");
        std::io::stdout().flush().expect("a reader");
        let status = Command::new(&program).arg(name).status().expect("a program");
        assert!(status.success());
    }
}

/// Prints the times to insert, cancel and expire timers, and their memory. Half of a million timers
/// are cancelled.
fn report(times: [Duration; 3], memory: usize) {
    let each = |time: Duration, count: usize| time.as_nanos() / count as u128;
    let [insert, cancel, expire] = times;
    println!(
        "{:>4} ns {:>4} ns {:>4} ns {:>5} B",
        each(insert, MILLION),
        each(cancel, MILLION / 2),
        each(expire, MILLION / 2),
        memory / MILLION
    );
}

fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = f();
    (result, start.elapsed())
}

/// Returns the resident memory of this process, in bytes.
fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}

fn queue() {
    let (mut queue, before) = (TimerQueue::new(), memory());
    let mut keys = Vec::with_capacity(MILLION);
    let ((), insert) = timed(|| keys.extend(times().map(|at| queue.insert(at, at))));
    let memory = memory() - before - MILLION * size_of_val(&keys[0]);
    let ((), cancel) = timed(|| {
        for key in keys.iter().step_by(2) {
            black_box(queue.cancel(*key));
        }
    });
    let (count, expire) = timed(|| std::iter::from_fn(|| queue.expire(MILLION)).count());
    assert_eq!(count, MILLION / 2);
    report([insert, cancel, expire], memory);
}

fn external() {
    let start = "2020-01-01".parse().expect("a date");
    let mut clock = ExternalClock::new(start, 0.0).expect("a clock");
    let (before, mut keys) = (memory(), Vec::with_capacity(MILLION));
    let ((), insert) = timed(|| {
        keys.extend(times().map(|at| clock.sleep(at as f64, at).expect("a time")));
    });
    let memory = memory() - before - MILLION * size_of_val(&keys[0]);
    let ((), cancel) = timed(|| {
        for key in keys.iter().step_by(2) {
            black_box(clock.cancel(*key));
        }
    });
    clock.set_time(MILLION as f64).expect("later");
    let (count, expire) = timed(|| std::iter::from_fn(|| clock.expired()).count());
    assert_eq!(count, MILLION / 2);
    report([insert, cancel, expire], memory);
}

/// Measures timers through the API of a container's clock.
async fn calls(external: bool) {
    /// The expiry of wall-clock timers, in seconds: by then all are inserted and half are
    /// cancelled.
    const DUE: f64 = 10.0;
    let mut builder = aiomas_tokio::container::builder();
    if external {
        builder = builder.external_clock("2020-01-01".parse().expect("a date"), 0.0);
    }
    let container = builder.bind("local://timers").await.expect("a free name");
    let clock = container.clock();
    let (before, mut handles) = (memory(), Vec::with_capacity(MILLION));
    let ((), insert) = timed(|| {
        handles.extend(times().map(|at| {
            let at = if external { at as f64 } else { DUE + at as f64 / 1e9 };
            clock.call_at(at, move || _ = black_box(at)).expect("a time")
        }));
    });
    let memory = memory() - before - MILLION * size_of_val(&handles[0]);
    let ((), cancel) = timed(|| {
        for handle in handles.iter().step_by(2) {
            assert!(handle.cancel());
        }
    });
    let expire = if external {
        timed(|| clock.set_time(MILLION as f64).expect("later")).1
    } else {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (last, this) = (DUE + 0.002, clock.clone());
        let call = move || sender.send(this.time()).expect("a receiver");
        clock.call_at(last, call).expect("a time");
        Duration::from_secs_f64(receiver.await.expect("the last call") - last)
    };
    report([insert, cancel, expire], memory);
    container.shutdown().await.expect("a clean end");
}
