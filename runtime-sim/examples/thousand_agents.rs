//! Measures how fast a simulation runs: 1,000 agents in ten containers call each other at random.
//!
//!     cargo run --release -p aiomas-sim --example thousand_agents

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aiomas_sim::{Container, Delay, Error, Link, Runtime, Sim, agent};

const HOSTS: usize = 10;
const AGENTS: usize = 100;
const CALLS: usize = 2_000;

struct Citizen;

#[agent]
impl Citizen {
    #[expose]
    fn greet(&self, number: u64) -> u64 {
        number
    }
}

fn main() -> Result<(), Error> {
    for (name, link) in [
        ("at once", Link::new()),
        ("1 ms", Link::new().latency(Duration::from_millis(1))),
        ("1 ms on average", Link::new().latency(Delay::exponential(Duration::from_millis(1)))),
    ] {
        let sim = Sim::builder(1).link(link).build();
        let answers = Arc::<AtomicUsize>::default();
        let _containers = sim.block_on(town(&sim, &answers))?;
        let begin = Instant::now();
        sim.run_until_idle();
        let (answers, took) = (answers.load(Ordering::Relaxed), begin.elapsed());
        assert_eq!(answers, HOSTS * AGENTS * CALLS);
        let rate = answers as f64 / took.as_secs_f64();
        println!("{name}: {answers} calls in {took:.2?}, {rate:.0} in a second");
    }
    Ok(())
}

async fn town(sim: &Sim, answers: &Arc<AtomicUsize>) -> Result<Vec<Container>, Error> {
    let mut containers = Vec::new();
    for number in 0..HOSTS {
        let host = sim.host(&format!("host{number}"));
        let container = host.container().bind(format!("tcp://host{number}:5555").as_str()).await?;
        for _ in 0..AGENTS {
            container.spawn(Citizen)?;
        }
        containers.push((host, container));
    }
    let mut random = fastrand::Rng::with_seed(1);
    for (host, container) in &containers {
        for _ in 0..AGENTS {
            let (there, aid) = (random.usize(..HOSTS), random.usize(..AGENTS));
            let url = format!("tcp://host{there}:5555/{aid}");
            let other: CitizenProxy = container.connect(url.as_str()).await?;
            let answers = answers.clone();
            host.spawn(async move {
                for number in 0..CALLS as u64 {
                    assert_eq!(other.greet(number).await, Ok(number));
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    Ok(containers.into_iter().map(|(_, container)| container).collect())
}
