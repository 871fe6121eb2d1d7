//! Many seeds, and the one that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;

use aiomas_sim::{Error, Fault, Link, SimBuilder, seeds};

use super::{grid, house};

/// Fails if a stream breaks, but on no other fault.
fn hopes_for_the_best(builder: SimBuilder) {
    let sim = builder.link(Link::rough()).build();
    house(&sim);
    sim.block_on(async {
        // Refused dials are repeated; lost calls are lost.
        let (_container, meter) = grid(&sim).await?;
        for number in 0..20 {
            assert_eq!(meter.read(number).await?, number);
        }
        Ok::<_, Error>(())
    })
    .expect("the line holds");
}

fn message(check: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(check)).expect_err("a failure");
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn a_failing_seed_is_reported_with_its_faults() {
    let text = message(|| seeds(0..1000).check(hopes_for_the_best));
    let seed = text.strip_prefix("seed ").and_then(|text| text.split(' ').next()).expect("a seed");
    let expected = format!(
        "AIOMAS_SIM_SEED={seed} AIOMAS_SIM_WITHOUT=order,wake,latency,bandwidth,split,stall,refuse,partition,crash \
         cargo test sim::seeds::a_failing_seed_is_reported_with_its_faults"
    );
    assert!(text.contains("It takes: reset. To repeat it:"), "{text}");
    assert!(text.ends_with(&expected), "{text}");
}

/// The test with a seed in its environment, in a process of its own. See below.
#[test]
fn the_seed_of_the_environment_is_the_only_one() {
    let run = Mutex::new(Vec::new());
    seeds(0..3).check(|builder| run.lock().expect("no panic under the lock").push(builder.seed()));
    let run = run.into_inner().expect("no panic under the lock");
    match std::env::var("AIOMAS_SIM_SEED") {
        Ok(seed) => println!("told {seed}, ran {run:?}"),
        Err(_) => assert_eq!(run, [0, 1, 2]),
    }
}

#[test]
fn a_seed_is_repeated_by_the_environment() {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "sim::seeds::the_seed_of_the_environment_is_the_only_one"]);
    let output = command
        .arg("--nocapture")
        .env("AIOMAS_SIM_SEED", "77")
        .output()
        .expect("a running program");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("told 77, ran [77]"), "{text}");
}

#[test]
fn threads_share_the_seeds() {
    let run = Mutex::new(Vec::new());
    let check = seeds(0..100).threads(3);
    check.check(|builder| run.lock().expect("no panic under the lock").push(builder.seed()));
    let mut run = run.into_inner().expect("no panic under the lock");
    run.sort_unstable();
    assert_eq!(run, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_failure_that_the_seed_does_not_decide_is_named() {
    let first = Mutex::new(true);
    let text = message(|| {
        seeds(0..1).check(|_| {
            if std::mem::take(&mut *first.lock().expect("no panic under the lock")) {
                drop(first.lock().expect("no panic under the lock"));
                panic!("the first time");
            }
        });
    });
    assert!(text.starts_with("seed 0 failed, but not when it was repeated"), "{text}");
}

#[test]
fn faults_have_names() {
    for fault in Fault::ALL {
        assert_eq!(fault.to_string().parse(), Ok(fault));
    }
    let error = "rset".parse::<Fault>().expect_err("no fault");
    assert_eq!(
        error.to_string(),
        "there is no fault called \"rset\"; there are \
         order,wake,latency,bandwidth,split,stall,reset,refuse,partition,crash"
    );
}
