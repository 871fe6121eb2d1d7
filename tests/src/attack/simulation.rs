//! Attacks in a simulation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aiomas_sim::{Host, Link, SimBuilder};

use super::{Attack, Neighbour, Victim};

/// The latency of a byte.
const LATENCY: Duration = Duration::from_millis(1);
/// The duration of a call: there and back. Nothing else takes time in a simulation.
const USUAL: Duration = Duration::from_millis(2);
/// The maximum number of bytes in flight in one direction.
const BUFFER: usize = 16 * 1024;
/// The interval between calls of a neighbour.
const EVERY: Duration = Duration::from_millis(10);
/// The time after which an attacker leaves no trace.
const LONG: Duration = Duration::from_secs(30);

/// The result of an attack.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Run {
    /// The number of calls that the neighbour made during the attack.
    pub calls: u64,
    /// The maximum number of the attacker's connections, as the neighbour saw it. At least 1.
    pub connections: usize,
    /// The virtual time of the attack.
    pub took: Duration,
    /// The allocated bytes after the first and the second attack.
    pub allocated: [usize; 2],
    /// The allocated bytes before the first attack.
    pub before: usize,
    /// The number of panics of methods.
    pub panics: usize,
}

/// Runs an attack twice in a simulation, beside a neighbour. `allocated` returns the allocated
/// bytes.
///
/// # Panics
/// The victim reacted wrongly, the neighbour had to wait, or state remained.
#[must_use]
pub fn simulate(builder: SimBuilder, name: &str, allocated: &dyn Fn() -> usize) -> Run {
    let builder = builder.link(Link::new().latency(LATENCY).buffer(BUFFER));
    // Some methods of the victim panic on request.
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
                // A silent connection counts as idle.
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
