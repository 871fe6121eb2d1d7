//! Attacks in a simulation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aiomas_sim::{Host, Link, SimBuilder};

use super::{Attack, Neighbour, Victim};

/// How long a byte travels.
const LATENCY: Duration = Duration::from_millis(1);
/// How long a call takes, then: there and back. Nothing else takes time in a simulation.
const USUAL: Duration = Duration::from_millis(2);
/// How many bytes may be on their way in one direction.
const BUFFER: usize = 16 * 1024;
/// How often a neighbour calls.
const EVERY: Duration = Duration::from_millis(10);
/// By when everything of an attacker is gone.
const LONG: Duration = Duration::from_secs(30);

/// What has come of an attack.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Run {
    /// How many calls the neighbour has made meanwhile.
    pub calls: u64,
    /// How many connections of the attacker the victim has held at a time, as the neighbour saw it; at least 1.
    pub connections: usize,
    /// How long the attack took, in the simulation's time.
    pub took: Duration,
    /// The bytes that were allocated after the first time, and after the second.
    pub allocated: [usize; 2],
    /// The bytes that were allocated before it began.
    pub before: usize,
    /// How many panics of methods the simulation has recorded.
    pub panics: usize,
}

/// Mounts an attack in a simulation, twice, beside a neighbour. `allocated` tells how many bytes are.
///
/// # Panics
/// The victim did not do what it should, the neighbour had to wait, or something is left.
#[must_use]
pub fn simulate(builder: SimBuilder, name: &str, allocated: &dyn Fn() -> usize) -> Run {
    let builder = builder.link(Link::new().latency(LATENCY).buffer(BUFFER));
    // Methods of the victim panic when they are told to.
    let sim = builder.allow_panics("on purpose").build();
    let attack = Attack::<Host>::find(name).unwrap_or_else(|| panic!("no attack is called {name}"));
    let run = sim.block_on(async {
        let host = sim.host("victim");
        let victim = Victim::start(&host, "victim").await.expect("free ports");
        let neighbour = Neighbour::connect(&victim.target().on(sim.host("neighbour"))).await;
        let neighbour = neighbour.expect("the victim listens");
        for number in 0..10 {
            neighbour.call(number).await.expect("an answer");
        }
        let counts = || (sim.tasks(), sim.streams(), victim.connections());
        let (before, held) = ((allocated(), counts()), victim.held());
        let mut after = [0; 2];
        let start = sim.elapsed();
        let (mut calls, mut connections) = (0, 1);
        for after in &mut after {
            let target = victim.target().on(sim.host("attacker"));
            let ended = AtomicBool::new(false);
            let attacker = async {
                let expected = attack.run(&target).await;
                ended.store(true, Ordering::Relaxed);
                expected
            };
            let beside = async {
                while !ended.load(Ordering::Relaxed) {
                    let took = neighbour.call(calls).await.expect("an answer");
                    assert_eq!(took, USUAL, "the neighbour has to wait");
                    calls += 1;
                    connections = connections.max(victim.held() - held);
                    host.sleep(EVERY).await;
                }
            };
            let (expected, ()) = futures_lite::future::zip(attacker, beside).await;
            let mut waited = Duration::ZERO;
            while counts() != before.1 {
                assert!(waited < LONG, "left: {:?}, of {:?}", counts(), before.1);
                // Whoever is silent for long is taken for idle.
                neighbour.call(calls).await.expect("an answer");
                host.sleep(EVERY).await;
                waited += EVERY;
            }
            let closed = target.take_closed();
            let texts: Vec<_> = closed.iter().map(ToString::to_string).collect();
            if let Some(setting) = expected {
                assert!(texts.iter().any(|text| text.contains(setting)), "{texts:?}");
            }
            drop((target, closed, texts));
            *after = allocated();
        }
        let took = sim.elapsed() - start;
        let panics = sim.panics().len();
        let run = Run { calls, connections, took, allocated: after, before: before.0, panics };
        neighbour.leave().await;
        victim.shutdown().await;
        run
    });
    sim.run_for(LONG);
    assert_eq!((sim.tasks(), sim.streams()), (0, 0), "something is left: {:?}", sim.waiting());
    run
}
