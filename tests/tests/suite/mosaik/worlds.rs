//! Successful simulations.

use std::process::Command;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use aiomas::{Runtime, channel};
use aiomas_mosaik::{ApiVersion, End, Server, Stepping};
use aiomas_tests::mosaik::{Flaw, Flawed, world, world_of};
use aiomas_tests::python::Mosaik;
use serde_json::{Value, json};

use super::{COUNTER, Listening, run_with};

/// Returns the logged values of one attribute, in order of time.
fn logged(outcome: &Value, source: &str, attr: &str) -> Vec<Value> {
    let seen = outcome["log"].as_array().unwrap_or_else(|| panic!("{outcome}")).iter();
    let seen = seen.filter(|entry| entry[1] == source && entry[2] == attr);
    seen.map(|entry| entry[3].clone()).collect()
}

/// Checks values by the rules of the counter, and of the tides in `world.py`.
fn check_feed(outcome: &Value, asks: bool) {
    assert_eq!((&outcome["error"], &outcome["errors"]), (&json!(null), &json!([])));
    assert_eq!(outcome["types"], json!(["time-based"]));
    let (mut sum, tides) = (0, [&[0, 1][..], &[0], &[]]);
    for (number, tides) in tides.iter().enumerate() {
        let eid = format!("Sim-0.counter_{number}");
        let expected = json!([eid, "Counter", [format!("{eid}_half")]]);
        assert_eq!(outcome["entities"][number], expected);
        let (mut value, inc) = if number < 2 { (100, 2) } else { (0, 1) };
        let mut values = Vec::new();
        for time in 0..6 {
            value += inc + tides.iter().map(|tide| 7 * time + 100 * tide).sum::<i64>();
            values.push(value);
        }
        sum += value;
        let halves: Vec<_> = values.iter().map(|value| *value as f64 / 2.0).collect();
        assert_eq!(json!(logged(outcome, &eid, "value")), json!(values));
        assert_eq!(json!(logged(outcome, &format!("{eid}_half"), "half")), json!(halves));
        let progress = logged(outcome, &eid, "progress");
        let related = logged(outcome, &eid, "related");
        if asks {
            let progress: Vec<_> = progress.iter().map(|value| value.as_f64().unwrap()).collect();
            assert!(progress.is_sorted() && progress[5] > progress[0], "{progress:?}");
            let mut names = vec![format!("{eid}_half"), "Log.log".to_owned()];
            names.extend(tides.iter().map(|tide| format!("Tide.{tide}")));
            names.sort();
            assert_eq!(json!(related), json!(vec![names; 6]));
        } else {
            assert_eq!([progress, related], [vec![json!(null); 6], vec![json!(null); 6]]);
        }
    }
    assert_eq!(outcome["totals"], json!([200, 100.0, 400, sum]));
}

#[test]
fn mosaik_starts_a_counter() {
    for mosaik in Mosaik::ALL {
        check_feed(&world_of(mosaik, &["feed", "--cmd", COUNTER]), false);
        let asks = ["feed", "--cmd", COUNTER, "--params", r#"{"ask": true}"#];
        check_feed(&world_of(mosaik, &asks), true);
    }
}

#[test]
fn mosaik_connects_to_a_counter() {
    for mosaik in Mosaik::ALL {
        let counter = Listening::start();
        check_feed(&world_of(mosaik, &["feed", "--connect", &counter.address]), false);
        let (status, lines) = counter.wait();
        assert_eq!(status.code(), Some(0));
        assert!(lines.last().unwrap().ends_with("mosaik has stopped us"), "{lines:?}");
    }
}

#[test]
fn counters_exchange_data_with_others() {
    let params = r#"{"peek": ["Tide.0", "level"], "push": ["Tide.0", "order"]}"#;
    for mosaik in Mosaik::ALL {
        let args = ["exchange", "--cmd", COUNTER, "--params", params, "--until", "4"];
        let outcome = world_of(mosaik, &args);
        assert_eq!(outcome["errors"], json!([]));
        for eid in ["Sim-0.counter_0", "Sim-0.counter_1"] {
            assert_eq!(json!(logged(&outcome, eid, "value")), json!([1, 9, 24, 46]));
            // mosaik's cache holds the values of the previous step.
            assert_eq!(json!(logged(&outcome, eid, "peek")), json!([0, 0, 7, 14]));
        }
        let order = |value: i64| json!({"Sim-0.counter_0": value, "Sim-0.counter_1": value});
        let orders = [json!([1, order(1)]), json!([2, order(9)]), json!([3, order(24)])];
        assert_eq!(outcome["orders"], json!(orders), "{mosaik:?}");
    }
}

#[test]
fn one_simulator_feeds_another() {
    for mosaik in Mosaik::ALL {
        let args = ["chain", "--cmd", COUNTER, "--cmd", COUNTER, "--until", "4"];
        let outcome = world_of(mosaik, &args);
        // 5 + 1, then one more each time, added to 1000.
        let values = json!([1006, 1013, 1021, 1030]);
        assert_eq!(json!(logged(&outcome, "Sim-1.counter_0", "value")), values, "{outcome}");
    }
}

#[test]
fn the_older_version_of_the_api() {
    let versions = [ApiVersion::V2_2, ApiVersion::V3_0];
    for (mosaik, version) in
        Mosaik::ALL.into_iter().flat_map(|mosaik| versions.map(|version| (mosaik, version)))
    {
        let simulator = Flawed::new(Flaw::None).version(version);
        let (end, outcome) = run_with(mosaik, simulator, &["single", "--until", "4"]);
        assert_eq!(end.unwrap(), End::Stopped);
        assert_eq!(json!(logged(&outcome, "Sim-0.thing_0", "x")), json!([0, 1, 2, 3]), "{outcome}");
    }
}

#[test]
fn other_kinds_of_stepping() {
    let kinds = [(Stepping::Hybrid, "hybrid"), (Stepping::EventBased, "event-based")];
    for (mosaik, (stepping, name)) in
        Mosaik::ALL.into_iter().flat_map(|mosaik| kinds.map(|kind| (mosaik, kind)))
    {
        // A last step is permitted here.
        let simulator = Flawed::new(Flaw::NoNextStep).stepping(stepping);
        let finalized = simulator.finalized();
        let (end, outcome) = run_with(mosaik, simulator, &["single", "--until", "5"]);
        assert_eq!(end.unwrap(), End::Stopped);
        assert_eq!((&outcome["types"], &outcome["errors"]), (&json!([name]), &json!([])));
        assert!(finalized.load(std::sync::atomic::Ordering::SeqCst));
        if stepping == Stepping::Hybrid {
            let values = logged(&outcome, "Sim-0.thing_0", "x");
            assert_eq!(json!(values), json!([0, 1, 2, 2, 2]), "{mosaik:?}: {outcome}");
        }
    }
}

#[test]
fn no_client_connects() {
    let begin = Instant::now();
    let counter = Command::new(env!("CARGO_BIN_EXE_counter"))
        .args(["--remote", "127.0.0.1:0", "--timeout", "1"])
        .output()
        .unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(counter.status.code(), Some(3));
    let stderr = String::from_utf8_lossy(&counter.stderr);
    assert!(stderr.starts_with("no connection within 1s"), "{stderr}");
}

/// Reports its address, and serves one simulation.
async fn serve_one<R: Runtime>(builder: channel::Builder<R>, ready: Sender<String>) -> End {
    let server = Server::bind(builder, "tcp://127.0.0.1:0").await.expect("a port");
    ready.send(server.address().to_string()).expect("a receiver");
    server.run(Flawed::new(Flaw::None)).await.expect("no failure")
}

#[test]
fn the_other_runtimes() {
    let runtimes: [fn(Sender<String>) -> End; 2] = [
        |ready| smol::block_on(serve_one(aiomas_smol::channel::builder(), ready)),
        |ready| async_std::task::block_on(serve_one(aiomas_async_std::channel::builder(), ready)),
    ];
    for run in runtimes {
        let (ready, address) = std::sync::mpsc::channel();
        let simulator = std::thread::spawn(move || run(ready));
        let address = address.recv().expect("a listener");
        let address = address.trim_start_matches("tcp://");
        let outcome = world(&["single", "--until", "4", "--connect", address]);
        assert_eq!(json!(logged(&outcome, "Sim-0.thing_0", "x")), json!([0, 1, 2, 3]), "{outcome}");
        assert_eq!(simulator.join().expect("no panic"), End::Stopped);
    }
}
