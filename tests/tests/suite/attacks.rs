//! What hostile peers cannot do: the table in `docs/security.md`.

use std::process::Command;
use std::time::{Duration, Instant};

use aiomas_tests::attack::{Attack, Neighbour, Victim};
use aiomas_tests::for_each_attack;
use aiomas_tests::process::Process;
use aiomas_tokio::Tokio;
use serde_json::Value;

/// A test for each attack, which `$run` gives its name.
macro_rules! tests {
    (($run:ident) $($row:literal $module:ident $name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $run(stringify!($name));
            }
        )*
    };
}

/// In a process of its own that counts what it allocates. The neighbour's latency and all counts are checked
/// there, see [`simulate`](aiomas_tests::attack::simulate).
mod simulated {
    use super::*;

    fn run(name: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attack"));
        command.arg(name);
        let lines = Process::spawn(command).finish(Duration::from_secs(60));
        let line = lines.last().expect("a line");
        let run: Value = serde_json::from_str(line).expect("JSON");
        let number = |key: &str| run[key].as_u64().unwrap_or_else(|| panic!("no {key}: {line}"));
        assert!(number("calls") > 0 && number("dials") > 0, "{line}");
        assert!(number("peak") > 0 && number("peak") <= number("bound"), "{line}");
        // The capacity of a list may differ, and what a text of an error is long.
        assert!(number("left") <= 256, "{line}");
    }

    for_each_attack!(tests(run));
}

/// Over TCP, in real time.
mod tokio_sockets {
    use super::*;

    /// Nobody waits longer beside an attack, on a machine that is busy with other tests as well.
    const PATIENCE: Duration = Duration::from_secs(2);

    fn run(name: &str) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let victim = Victim::start(&Tokio::default(), "127.0.0.1").await.expect("free ports");
            let neighbour = Neighbour::connect(victim.target()).await.expect("it listens");
            neighbour.call(0).await.expect("an answer");
            let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let before = (tasks(), victim.connections());
            let attack = Attack::find(name).expect("an attack");
            let mut attacking = tokio::spawn(attack.run(victim.target()));
            let (mut worst, mut calls) = (Duration::ZERO, 0);
            let expected = loop {
                worst = worst.max(neighbour.call(calls).await.expect("an answer"));
                calls += 1;
                let pause = tokio::time::timeout(Duration::from_millis(10), &mut attacking);
                if let Ok(ended) = pause.await {
                    break ended.expect("it does not panic");
                }
            };
            assert!(worst < PATIENCE, "{worst:?}");
            let start = Instant::now();
            while (tasks(), victim.connections()) != before {
                let left = (tasks(), victim.connections());
                assert!(start.elapsed() < Duration::from_secs(30), "{left:?} of {before:?}");
                neighbour.call(calls).await.expect("an answer");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if let Some(knob) = expected {
                let closed = victim.target().take_closed();
                let texts: Vec<_> = closed.iter().map(ToString::to_string).collect();
                assert!(texts.iter().any(|text| text.contains(knob)), "{texts:?}");
            }
            neighbour.leave().await;
            victim.shutdown().await;
        });
    }

    for_each_attack!(tests(run));
}
