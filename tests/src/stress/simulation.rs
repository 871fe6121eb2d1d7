//! The stress model in a simulation with faults.

use std::time::Duration;

use aiomas_core::agent::Address;
use aiomas_sim::{Counts, Delay, Link, SimBuilder};

use super::node::{Node, Plan, Stress};
use super::oracle::{Oracle, Tally};

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// A hash of all events.
    pub trace: u64,
    /// The faults.
    pub faults: Counts,
    /// The calls.
    pub tally: Tally,
    /// The virtual time of the run.
    pub elapsed: Duration,
}

/// The time by which pending work has ended.
const LONG: Duration = Duration::from_secs(600);

/// Runs the stress model under random faults, whose kinds derive from the seed as well.
///
/// # Panics
/// A call has a forbidden result or none, or state remains at the end.
#[must_use]
pub fn simulate(builder: SimBuilder) -> Run {
    run(builder, false)
}

/// Like [`simulate`], with callers that keep reconnecting proxies while hosts crash.
///
/// # Panics
/// As for [`simulate`].
#[must_use]
pub fn simulate_reconnecting(builder: SimBuilder) -> Run {
    run(builder, true)
}

fn run(builder: SimBuilder, reconnects: bool) -> Run {
    let mut random = fastrand::Rng::with_seed(builder.seed());
    let mut plan = Plan {
        nodes: random.usize(2..5),
        workers: random.usize(1..4),
        callers: random.usize(1..4),
        rounds: random.usize(2..8),
        max_calls: [1, 4, 1000][random.usize(..3)],
        lossy: random.u8(..4) > 0 || reconnects,
        reconnects,
    };
    let crashes = plan.lossy && (random.bool() || reconnects);
    if crashes {
        // A caller that waits for a host without power must have a free slot for another call, or
        // it never notices.
        plan.max_calls = 1000;
    }
    let mut link = link(&mut random);
    if plan.lossy {
        let reset = [0.0, 0.001, 0.01][random.usize(..3)];
        link = link.reset(reset).refuse([0.0, 0.2][random.usize(..2)]);
    }
    let mut builder = builder.spurious_wakes(0.02).link(link);
    if plan.lossy && random.bool() {
        let every = Delay::exponential(Duration::from_secs(2));
        builder = builder.partitions(every, Duration::ZERO..Duration::from_secs(5));
    }
    if crashes {
        let every = Delay::exponential(Duration::from_secs(3));
        builder = builder.crashes(every, Duration::ZERO..Duration::from_secs(5));
    }
    let sim = builder.build();
    let stress = Stress::new(plan.clone(), Oracle::new(plan.lossy, true));
    for number in 0..plan.nodes {
        let stress = stress.clone();
        let name = format!("house{number}");
        let address: Address = format!("tcp://{name}:5555").parse().expect("an address");
        sim.host(&name).start(move |host| {
            let (stress, address) = (stress.clone(), address.clone());
            async move {
                Node::build(&stress, number, host, address).await?.open();
                Ok(())
            }
        });
    }
    sim.run_for(Duration::from_secs(10));
    sim.calm();
    sim.run_for(LONG);
    // A caller of a peer that lost power waits until a message is sent to that peer.
    sim.block_on(stress.greet_all()).expect("reachable containers");
    sim.run_for(LONG);
    let open = stress.oracle().open();
    assert!(open.is_empty(), "nothing comes of the calls {open:?}; {}", sim.waiting());
    assert_eq!(stress.callers(), 0, "callers are still active; {}", sim.waiting());
    sim.block_on(stress.close()).expect("a clean end");
    sim.run_for(LONG);
    assert_eq!(
        (sim.tasks(), sim.streams()),
        (0, 0),
        "tasks or streams are left; {}",
        sim.waiting()
    );
    Run {
        trace: sim.trace(),
        faults: sim.faults(),
        tally: stress.oracle().tally(),
        elapsed: sim.elapsed(),
    }
}

fn link(random: &mut fastrand::Rng) -> Link {
    let link = match random.u8(..3) {
        0 => Link::new().latency(Duration::ZERO..Duration::from_millis(50)),
        1 => Link::rough(),
        _ => Link::new().latency(Delay::exponential(Duration::from_millis(30))).bandwidth(20_000),
    };
    link.buffer(1 << random.u32(5..16)).split(random.f64() * 0.5).reset(0.0).refuse(0.0)
}
