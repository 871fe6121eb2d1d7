//! Runs agents, clients of all kinds, aborting peers and attackers together for a time. Once a
//! second it prints calls, memory and latency.
//!
//! It fails if a well-behaved call is lost or wrong, if memory grows, or if tasks or connections
//! remain at the end.

use std::panic;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aiomas_tests::attack::Soak;
use aiomas_tokio::Tokio;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Handle;
use tokio::time::{Instant, interval, sleep};

#[derive(Parser)]
struct Options {
    /// The duration, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// The seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The permitted growth of memory over the first third. All code has run once by then.
const GROWTH: f64 = 1.25;
/// The additional permitted growth, in MiB, for attacks in progress.
const SLACK: f64 = 16.0;
/// The permitted number of remaining tasks: those of this program's runtime.
const LEFT: usize = 0;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // Methods that panic are one of the attacks.
        if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            hook(info);
        }
    }));
    let bar = ProgressBar::new(options.seconds);
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} s, {eta} left");
    bar.set_style(style.expect("a template"));
    let say = |line: String| if bar.is_hidden() { println!("{line}") } else { bar.println(line) };
    let tasks = || Handle::current().metrics().num_alive_tasks();

    let start = Instant::now();
    let soak = Soak::start(&Tokio::default(), options.seed).await.expect("a start");
    let tally = soak.tally().clone();
    let mut ticks = interval(Duration::from_secs(1));
    ticks.tick().await;
    let mut memory = Vec::new();
    let mut slowest = Duration::ZERO;
    say("second    calls     lost  resets attacks     MiB connections tasks     p50 ms     p99 ms"
        .into());
    for second in 1..=options.seconds {
        ticks.tick().await;
        let latencies = tally.take_latencies();
        let at = |part: usize| {
            let index = (latencies.len() * part / 100).min(latencies.len().saturating_sub(1));
            latencies.get(index).copied().unwrap_or_default()
        };
        slowest = slowest.max(latencies.last().copied().unwrap_or_default());
        let resident = resident();
        memory.push(resident);
        say(format!(
            "{second:>6} {:>8} {:>8} {:>7} {:>7} {resident:>7.1} {:>11} {:>5} {:>10.3} {:>10.3}",
            tally.answered.load(Relaxed),
            tally.lost.load(Relaxed),
            tally.resets.load(Relaxed),
            tally.attacks.load(Relaxed),
            soak.connections(),
            tasks(),
            at(50).as_secs_f64() * 1e3,
            at(99).as_secs_f64() * 1e3,
        ));
        bar.inc(1);
    }
    let ended = soak.stop().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while tasks() > LEFT && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
    }
    bar.finish_and_clear();

    let mut failures = Vec::new();
    if let Some(loss) = tally.last_loss() {
        failures.push(format!("{} calls were lost, the last: {loss}", tally.lost.load(Relaxed)));
    }
    if !ended || tasks() > LEFT {
        failures.push(format!("{} tasks are left", tasks()));
    }
    let (early, late) = memory.split_at(memory.len() / 2);
    let (early, late) = (median(&early[early.len() / 2..]), median(&late[late.len() / 2..]));
    if late > early * GROWTH + SLACK {
        failures.push(format!("memory grew from {early:.1} MiB to {late:.1} MiB"));
    }
    println!(
        "{} calls in {:.0?}, {} resets, {} attacks; memory {early:.1} MiB, then {late:.1} MiB; the slowest call took \
         {slowest:.0?}",
        tally.answered.load(Relaxed),
        start.elapsed(),
        tally.resets.load(Relaxed),
        tally.attacks.load(Relaxed),
    );
    for failure in &failures {
        eprintln!("{failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}

/// Returns the resident memory of this process, in MiB.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * rustix::param::page_size() as f64 / f64::from(1 << 20)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
