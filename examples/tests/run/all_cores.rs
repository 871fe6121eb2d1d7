use std::thread::available_parallelism;

use aiomas_tests::process::Process;

use super::{LIMIT, example};

#[test]
fn each_processor_has_a_process_that_counts() {
    let mut program = example("all_cores");
    program.arg("100000");
    let lines = Process::spawn(program).finish(LIMIT);
    let [alone, together, speed_up] = &lines[..] else { panic!("{lines:?}") };

    let cores = available_parallelism().expect("the system knows").get();
    let es = if cores == 1 { "" } else { "es" };
    let agents = 4 * cores;
    for (line, by) in [
        (alone, "4 agents in 1 process".to_owned()),
        (together, format!("{agents} agents in {cores} process{es}")),
    ] {
        let begin = format!("9592 primes below 100000, counted by {by}: ");
        let time = line.strip_prefix(&*begin).and_then(|rest| rest.strip_suffix(" s"));
        assert!(time.is_some_and(|time| time.parse::<f64>().is_ok()), "{line}");
    }
    let times = speed_up.strip_suffix(" times as fast").and_then(|times| times.parse().ok());
    assert!(times.is_some_and(|times: f64| times > 0.0), "{speed_up}");
}
