//! The stress model.

use std::process::Command;
use std::sync::Mutex;
use std::thread::available_parallelism;
use std::time::Duration;

use aiomas_sim::{Counts, Fault, Sim, SimBuilder, seeds};
use aiomas_tests::process::{LIMIT, Process};
use aiomas_tests::stress::{self, Node, Oracle, Plan, Run, Stress, Tally};
use aiomas_tokio::Tokio;

/// Returns the number of seeds; `.ci/run` runs 10,000.
fn count() -> u64 {
    let count = std::env::var("AIOMAS_SEEDS").ok();
    count.map_or(500, |count| count.parse().expect("AIOMAS_SEEDS is a number"))
}

/// Returns whether a seed is given. A single run has too few events for the statistics.
fn is_replay() -> bool {
    std::env::var_os("AIOMAS_SIM_SEED").is_some()
}

/// Each kind of fault happens often.
#[test]
fn many_seeds() {
    let (faults, tally) = sum(stress::simulate);
    println!("calls: {tally}; faults: {faults}");
    if !is_replay() {
        for fault in Fault::ALL {
            assert!(faults[fault] > count() / 10, "{faults}");
        }
        let least = tally.answered.min(tally.failed).min(tally.timed_out).min(tally.lost);
        assert!(least.min(tally.given_up) > count() / 10, "{tally}");
        assert_eq!(tally.unreachable, 0, "{tally}");
    }
}

/// No call of a reconnecting proxy is lost silently or answered twice. No caller waits at the end.
#[test]
fn many_seeds_with_reconnecting_proxies() {
    let (faults, tally) = sum(stress::simulate_reconnecting);
    println!("calls: {tally}; faults: {faults}");
    if !is_replay() {
        assert!(faults[Fault::Crash] > count(), "{faults}");
        let least = tally.answered.min(tally.failed).min(tally.timed_out).min(tally.lost);
        assert!(least.min(tally.unreachable).min(tally.given_up) > count() / 10, "{tally}");
    }
}

/// Returns the sums over all runs.
fn sum(simulate: fn(SimBuilder) -> Run) -> (Counts, Tally) {
    let sums = Mutex::new((Counts::default(), Tally::default()));
    let threads = available_parallelism().map_or(1, Into::into);
    seeds(0..count()).threads(threads).check(|builder| {
        let run = simulate(builder);
        let (faults, tally) = &mut *sums.lock().expect("no panic under the lock");
        faults.merge(&run.faults);
        tally.merge(&run.tally);
    });
    sums.into_inner().expect("no panic under the lock")
}

/// A fresh process has other addresses, and other hash seeds.
#[test]
fn many_seeds_are_the_same_in_a_fresh_process() {
    let count = count() / 10;
    let mut command = Command::new(env!("CARGO_BIN_EXE_stress"));
    command.args(["--traces", "--seeds", &format!("0..{count}")]);
    let process = Process::spawn(command);
    let ours = (0..count).map(|seed| {
        let run = stress::simulate(Sim::builder(seed));
        format!("{seed} {:016x}", run.trace)
    });
    let ours: Vec<String> = ours.collect();
    assert_eq!(process.finish(LIMIT), ours);
}

/// Without faults, and in real time.
#[test]
fn the_stress_model_on_tokio() {
    let plan = Plan {
        nodes: 4,
        workers: 3,
        callers: 3,
        rounds: 6,
        max_calls: 1000,
        lossy: false,
        reconnects: false,
    };
    let stress = Stress::new(plan.clone(), Oracle::new(false, false));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut nodes = Vec::new();
        for number in 0..plan.nodes {
            let address = "tcp://127.0.0.1:0".parse().expect("an address");
            let node = Node::build(&stress, number, Tokio::default(), address).await;
            nodes.push(node.expect("a free port"));
        }
        nodes.into_iter().for_each(Node::open);
        let at_work = async {
            while stress.callers() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(600), at_work).await;
        ended.unwrap_or_else(|_| panic!("nothing comes of {:?}", stress.oracle().open()));
        stress.greet_all().await.expect("reachable containers");
        assert_eq!(stress.oracle().open(), [0; 0]);
        let tally = stress.oracle().tally();
        assert!(tally.answered > 100 && tally.lost == 0, "{tally}");
        stress.close().await.expect("a clean end");
    });
}
