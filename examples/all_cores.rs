//! Child processes on all cores: agents in one process per processor count primes.
//!
//!     cargo run --release --example all_cores
//!     cargo run --release --example all_cores -- 20000000
//!
//! The program starts itself once for each processor, and its manager spawns a few agents in each
//! child. First the agents of one child count alone, then all agents. With two processors it
//! prints:
//!
//! ```text
//! 348513 primes below 5000000, counted by 4 agents in 1 process: SECONDS s
//! 348513 primes below 5000000, counted by 8 agents in 2 processes: SECONDS s
//! RATIO times as fast
//! ```
//!
//! On an idle machine, the ratio comes close to the number of processors.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::{Duration, Instant};
use std::{env, process, thread};

use aiomas_subproc::{Child, Launcher};
use aiomas_tokio::manager::Factories;
use aiomas_tokio::{agent, container};

/// The number of agents in each child.
const AGENTS: usize = 4;
/// The number of pieces per agent. Large numbers take longer, so each agent gets pieces of all
/// sizes.
const PIECES: usize = 16;

/// Counts primes.
struct Counter;

#[agent]
impl Counter {
    /// Counts the primes from `start` to below `end`. Returns the number and the process id.
    ///
    /// It blocks the child, which has no other work.
    #[expose]
    fn count(&self, start: usize, end: usize) -> (usize, u32) {
        ((start..end).filter(|&number| is_prime(number)).count(), process::id())
    }
}

fn is_prime(number: usize) -> bool {
    let mut factors = (2..).take_while(|factor| factor * factor <= number);
    number >= 2 && factors.all(|factor| !number.is_multiple_of(factor))
}

/// Returns the agents that children can spawn, by name.
fn factories() -> Factories {
    Factories::new().agent("Counter", [], || Counter)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // This comes first: a child runs as a container for agents until its parent stops it.
    if let Some(child) = Child::from_env() {
        return Ok(child.run(container::builder(), factories()).await?);
    }
    let end = env::args().nth(1).map_or(Ok(5_000_000), |end| end.parse())?;

    let container = container::bind("tcp://127.0.0.1:0").await?;
    let children = thread::available_parallelism()?.get();
    let fleet = Launcher::new(children).launch(&container).await?;
    let mut counters = Vec::new();
    for manager in fleet.managers() {
        for _ in 0..AGENTS {
            let (counter, _): (CounterProxy, String) = manager.spawn("Counter").send().await?;
            counters.push(counter);
        }
    }

    let alone = count(&counters[..AGENTS], end).await?;
    let together = count(&counters, end).await?;
    println!("{:.1} times as fast", alone.as_secs_f64() / together.as_secs_f64());

    fleet.stop().await?;
    container.shutdown().await?;
    Ok(())
}

/// Lets agents count the primes below `end`. Returns the time it takes.
async fn count(counters: &[CounterProxy], end: usize) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    let pieces = PIECES * counters.len();
    let bound = |piece| end * piece / pieces;
    // Start all calls before waiting for the first answer.
    let calls: Vec<_> = (0..pieces)
        .zip(counters.iter().cycle())
        .map(|(piece, counter)| counter.count(bound(piece), bound(piece + 1)))
        .collect();
    let (mut primes, mut processes) = (0, BTreeSet::new());
    for call in calls {
        let (found, process) = call.await?;
        primes += found;
        processes.insert(process);
    }
    let (time, agents, processes) = (begin.elapsed(), counters.len(), processes.len());
    let es = if processes == 1 { "" } else { "es" };
    println!(
        "{primes} primes below {end}, counted by {agents} agents in {processes} process{es}: {:.2} s",
        time.as_secs_f64(),
    );
    Ok(time)
}
