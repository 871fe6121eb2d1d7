//! A hundred thousand agents that exchange three million messages.
//!
//! Each message goes between two random agents: first in one container, then in two that are connected over TCP.
//!
//! cargo run --release -p aiomas-tokio --example hundred_thousand [AGENTS [MESSAGES]]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aiomas_tokio::{AgentRef, Container, Error, agent, container};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

/// The number of messages in flight.
const SENDERS: u64 = 256;
/// The number of messages between updates of the progress.
const STEP: u64 = 1_000;

struct Citizen;

#[agent]
impl Citizen {
    #[expose]
    fn greet(&self, number: u64) -> u64 {
        number
    }
}

type Citizens = Arc<Vec<AgentRef<Citizen>>>;

#[tokio::main]
async fn main() -> ExitCode {
    let (agents, messages) = match arguments() {
        Ok(numbers) => numbers,
        Err(error) => {
            eprintln!("{error}\nUsage: hundred_thousand [AGENTS [MESSAGES]]");
            return ExitCode::from(2);
        }
    };
    for (what, containers) in [("one container", 1), ("two containers", 2)] {
        if let Err(error) = town(what, containers, agents, messages).await {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn arguments() -> Result<(usize, u64), String> {
    let mut words = std::env::args().skip(1);
    let mut number = |default: u64| match words.next().map(|word| (word.parse(), word)) {
        None => Ok(default),
        Some((Ok(number), _)) if (2..=1_000_000_000).contains(&number) => Ok(number),
        Some((_, word)) => Err(format!("{word} is no number from 2 to 1,000,000,000")),
    };
    let numbers = (number(100_000)? as usize, number(3_000_000)?);
    words.next().map_or(Ok(numbers), |word| Err(format!("what is {word}?")))
}

/// Runs agents in the given number of containers, and lets them greet each other.
async fn town(what: &str, containers: usize, agents: usize, messages: u64) -> Result<(), Error> {
    let begin = Instant::now();
    let mut town = Vec::new();
    for _ in 0..containers {
        town.push(container::bind("tcp://127.0.0.1:0").await?);
    }
    let citizens = (0..agents).map(|number| town[number % containers].spawn(Citizen));
    let citizens: Citizens = Arc::new(citizens.collect::<Result<_, _>>()?);
    report(what, "agents", agents as u64, begin.elapsed());

    let begin = Instant::now();
    greet(citizens.clone(), messages).await?;
    report(what, "messages", messages, begin.elapsed());
    shut_down(&town).await
}

/// Makes `messages` calls between random agents.
async fn greet(citizens: Citizens, messages: u64) -> Result<(), Error> {
    let bar = ProgressBar::new(messages);
    let style = "{elapsed_precise} {wide_bar} {human_pos}/{human_len} {per_sec}";
    bar.set_style(ProgressStyle::with_template(style).expect("a template"));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (citizens, bar) = (citizens.clone(), bar.clone());
        senders.spawn(async move {
            let mut random = fastrand::Rng::with_seed(sender);
            let share = messages / SENDERS + u64::from(sender < messages % SENDERS);
            for number in 1..=share {
                let one = &citizens[random.usize(..citizens.len())];
                let other = &citizens[random.usize(..citizens.len())];
                let other: CitizenProxy = one.connect(other.url()).await?;
                assert_eq!(other.greet(number).await?, number);
                if number % STEP == 0 || number == share {
                    bar.inc((number - 1) % STEP + 1);
                }
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended.expect("an answer is its question")?;
    }
    bar.finish_and_clear();
    assert_eq!(bar.position(), messages);
    Ok(())
}

async fn shut_down(town: &[Container]) -> Result<(), Error> {
    for container in town {
        container.shutdown().await?;
    }
    Ok(())
}

fn report(town: &str, what: &str, count: u64, took: Duration) {
    let rate = count as f64 / took.as_secs_f64();
    let memory = resident().map_or_else(String::new, |mib| format!("; {mib} MiB by now"));
    println!("{town}: {count} {what} in {took:.2?}, {rate:.0} in a second{memory}");
}

/// Returns the resident memory of this process in MiB, where the system provides it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
}
