//! Consensus on a ring: agents agree on the average of their values by talking to neighbours.
//!
//! Each agent has a value of its own, and talks only to its two neighbours. The agents live in
//! three containers, and each neighbour is in another one.
//!
//!     cargo run --example consensus
//!
//! prints the initial values, the spread of the opinions in some rounds, and the final value of
//! each agent:
//!
//!     agent 0 starts with 21.5
//!     ...
//!     round 0: apart by 4.3e1
//!     round 4: apart by 3.7e0
//!     ...
//!     agent 0 ends with 18.27777777777041 after 152 rounds
//!
//! In each round an agent takes the average of its own opinion and those of its neighbours. The
//! lowest and the highest opinion travel by one agent per round, so each agent knows both after
//! half the ring. All agents therefore detect agreement in the same round, without a coordinator.

use aiomas_tokio::{Context, Error, agent, container};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

const VALUES: [f64; 9] = [21.5, 18.25, -3.0, 40.0, 7.75, 12.0, 33.5, 19.0, 15.5];
const CONTAINERS: usize = 3;
/// The largest spread of opinions that counts as agreement.
const AGREED: f64 = 1e-10;

/// An agent's opinion in a round.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Opinion {
    value: f64,
    /// The lowest and the highest opinion the agent knows of.
    low: f64,
    high: f64,
}

impl Opinion {
    fn new(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    fn among(self, left: Self, right: Self) -> Self {
        Self {
            value: (left.value + self.value + right.value) / 3.0,
            low: left.low.min(self.low).min(right.low),
            high: left.high.max(self.high).max(right.high),
        }
    }
}

/// The result of an agent.
#[derive(Serialize, Deserialize)]
struct Consensus {
    value: f64,
    rounds: usize,
    /// The spread of the opinions in some rounds.
    apart: Vec<(usize, f64)>,
}

struct Member {
    /// The agent's opinions, from round 0 on.
    opinions: watch::Sender<Vec<Opinion>>,
}

#[agent]
impl Member {
    /// Returns the agent's opinion in this round. Waits until the agent has reached the round.
    #[expose]
    async fn opinion(&self, round: usize) -> Result<Opinion, String> {
        let mut opinions = self.opinions.subscribe();
        let there = opinions.wait_for(|opinions| opinions.len() > round).await;
        there.map(|opinions| opinions[round]).map_err(|error| error.to_string())
    }

    /// Runs rounds until all agents agree. `across` is the distance to the other side of the ring.
    #[expose]
    async fn agree(
        &self,
        #[context] ctx: &Context,
        left: String,
        right: String,
        across: usize,
    ) -> Result<Consensus, Error> {
        let container = ctx.container()?;
        let left: MemberProxy = container.connect(left).await?;
        let right: MemberProxy = container.connect(right).await?;
        let (mut round, mut mine) = (0, self.opinions.borrow()[0]);
        let mut apart = Vec::new();
        loop {
            let (of_left, of_right) = (left.opinion(round), right.opinion(round));
            mine = mine.among(of_left.await?, of_right.await?);
            round += 1;
            if round % across == 0 {
                // Now the agent knows the extremes of all opinions of that many rounds ago.
                apart.push((round - across, mine.high - mine.low));
                if mine.high - mine.low <= AGREED {
                    return Ok(Consensus { value: mine.value, rounds: round, apart });
                }
                mine = Opinion::new(mine.value);
            }
            self.opinions.send_modify(|opinions| opinions.push(mine));
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut containers = Vec::new();
    for _ in 0..CONTAINERS {
        containers.push(container::bind("tcp://127.0.0.1:0").await?);
    }
    let mut ring = Vec::new();
    for (number, value) in VALUES.into_iter().enumerate() {
        println!("agent {number} starts with {value}");
        let opinions = watch::Sender::new(vec![Opinion::new(value)]);
        ring.push(containers[number % CONTAINERS].spawn(Member { opinions })?);
    }

    let size = ring.len();
    let url = |number: usize| ring[number % size].url().to_string();
    let agree = |number: usize| {
        let (left, right) = (url(number + size - 1), url(number + 1));
        ring[number].proxy().agree(left, right, size / 2)
    };
    // Start all agents before waiting for the first result.
    let calls: Vec<_> = (0..size).map(agree).collect();
    for (number, call) in calls.into_iter().enumerate() {
        let Consensus { value, rounds, apart } = call.await?;
        if number == 0 {
            for (round, distance) in apart {
                println!("round {round}: apart by {distance:.1e}");
            }
        }
        println!("agent {number} ends with {value} after {rounds} rounds");
    }

    for container in containers {
        container.shutdown().await?;
    }
    Ok(())
}
