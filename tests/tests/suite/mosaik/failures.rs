//! Failures, as both sides see them.

use std::process::Command;

use aiomas_mosaik::{End, Error};
use aiomas_tests::mosaik::counter::Counters;
use aiomas_tests::mosaik::{Flaw, Flawed, world};
use serde_json::{Value, json};

use super::{COUNTER, Listening, free_address, run};

/// Returns the first failed request, with our error text.
fn failed(end: Result<End, Error>) -> (String, String) {
    match end {
        Err(Error::Failed { function, error }) => (function, error.to_string()),
        other => panic!("{other:?}"),
    }
}

/// The scenario receives the failure.
#[test]
fn failures_that_scenarios_see() {
    for (flaw, function, kind, message) in [
        (
            Flaw::Meta,
            "init",
            "ValueError",
            r#"the model "Thing": "y" is in trigger, but not in attrs"#,
        ),
        (
            Flaw::TooFew,
            "create",
            "RuntimeError",
            r#"create(): 1 entities of "Thing" were wanted, and 0 were created"#,
        ),
        (
            Flaw::OtherModel,
            "create",
            "RuntimeError",
            r#"create(): the entity "thing_0" is of "Other", but "Thing" was wanted"#,
        ),
        (
            Flaw::NoModel,
            "create",
            "RuntimeError",
            r#"create(): the entity "child" is of "None", which is no model"#,
        ),
        (
            Flaw::SameId,
            "create",
            "RuntimeError",
            r#"create(): there is an entity "thing_0" already"#,
        ),
    ] {
        let (end, outcome) = run(Flawed::new(flaw), &["single"]);
        assert_eq!(outcome["error"], json!([kind, message]), "{flaw:?}");
        assert_eq!(failed(end), (function.to_owned(), format!("{kind}: {message}")));
    }
}

/// mosaik logs the failure, and ends the simulation.
#[test]
fn failures_that_end_the_simulation() {
    for (flaw, function, kind, message) in [
        (Flaw::SetupDone, "setup_done", "FlawError", "on purpose"),
        (Flaw::Step, "step", "FlawError", "on purpose"),
        (Flaw::Panics, "step", "Panic", "the thing is broken"),
        (Flaw::Callback, "step", "KeyError", "'No.body'"),
        (
            Flaw::SameTime,
            "step",
            "RuntimeError",
            "step(): the next step has to be later than 2, and is to be at 2",
        ),
        (
            Flaw::NoNextStep,
            "step",
            "RuntimeError",
            "step(): a time-based simulator always has a next step",
        ),
        (Flaw::GetData, "get_data", "FlawError", "on purpose"),
        (
            Flaw::NoJson,
            "get_data",
            "aiomas.exceptions.SerializationError",
            "Could not serialize the result: ",
        ),
    ] {
        let (end, outcome) = run(Flawed::new(flaw), &["single"]);
        // mosaik reports the error only in its log.
        assert_eq!(outcome["error"], json!(null), "{flaw:?}: {outcome}");
        let logged = outcome["errors"].as_array().unwrap();
        let expected =
            format!("Simulator Sim-0 aborted the simulation with error {kind}({message}");
        assert!(
            logged.iter().any(|line| line.as_str().unwrap().starts_with(&expected)),
            "{flaw:?}: {outcome}"
        );
        let (called, text) = failed(end);
        assert_eq!(called, function);
        assert!(text.starts_with(&format!("{kind}: {message}")), "{text}");
    }
}

/// Requests that the connection survives, some of which mosaik itself never sends.
const REQUESTS: [(&str, &str, &str); 16] = [
    (r#"["boom", ["ohno"], {}]"#, "ValueError", "ohno"),
    (
        r#"["boom", [], {}]"#,
        "TypeError",
        "boom() missing 1 required positional argument: 'message'",
    ),
    (
        r#"["total", [1, 2], {}]"#,
        "TypeError",
        "total() takes from 0 to 1 positional arguments but 2 were given",
    ),
    (
        r#"["total", [1], {"factor": 2}]"#,
        "TypeError",
        "total() got multiple values for argument 'factor'",
    ),
    (
        r#"["create", [1, "Half"], {}]"#,
        "ValueError",
        r#"create(): there is no public model "Half"; those that there are: "Counter""#,
    ),
    (
        r#"["create", [1, "Clock"], {}]"#,
        "ValueError",
        r#"create(): there is no public model "Clock"; those that there are: "Counter""#,
    ),
    (
        r#"["create", [1, "Counter"], {"begin": 1}]"#,
        "TypeError",
        "create() got an unexpected keyword argument 'begin'",
    ),
    (r#"["create", [1, "Counter"], {"start": "x"}]"#, "TypeError", "create(): argument 'start': "),
    (r#"["create", [-1, "Counter"], {}]"#, "TypeError", "create(): argument 'num': "),
    (r#"["create", [1.5, "Counter"], {}]"#, "TypeError", "create(): argument 'num': "),
    (
        r#"["create", [1000000000000, "Counter"], {}]"#,
        "ValueError",
        "create(): 1000000000000 entities more are too many; 16777216 may be there (`MAX_ENTITIES`)",
    ),
    (r#"["init", ["Again"], {}]"#, "RuntimeError", "init() was called a second time"),
    (
        r#"["get_data", [{"counter_7": ["value"]}], {}]"#,
        "KeyError",
        r#"get_data(): there is no entity "counter_7""#,
    ),
    (
        r#"["step", [0, {"counter_7": {}}, 5], {}]"#,
        "KeyError",
        r#"step(): there is no entity "counter_7""#,
    ),
    (r#"["step", [0.5, {}, 5], {}]"#, "TypeError", "step(): argument 'time': "),
    (r#"["nonsense", [], {}]"#, "AttributeError", r#"the simulator has no function "nonsense""#),
];

#[test]
fn requests_that_fail() {
    let mut args = vec!["requests"];
    for (request, ..) in REQUESTS {
        args.extend(["--request", request]);
    }
    args.extend(["--request", r#"["total", [], {}]"#]);
    let (end, outcome) = run(Counters::default(), &args);
    let answers = outcome["answers"].as_array().unwrap_or_else(|| panic!("{outcome}"));
    for ((request, kind, message), answer) in REQUESTS.iter().zip(answers) {
        assert_eq!(answer[0], *kind, "{request}: {answer}");
        let said = answer[1].as_str().unwrap();
        let matches =
            if message.ends_with(' ') { said.starts_with(message) } else { said == *message };
        assert!(matches, "{request}: {said}");
    }
    assert_eq!(answers.last(), Some(&json!(["ok", 0])));
    // Failures of extra methods do not count.
    let (function, _) = failed(end);
    assert_eq!(function, "create");
}

#[test]
fn a_failed_extra_method_is_reported_to_the_scenario() {
    let args = ["requests", "--request", r#"["boom", ["ohno"], {}]"#];
    let (end, outcome) = run(Counters::default(), &args);
    assert_eq!(outcome["answers"], json!([["ValueError", "ohno"]]));
    assert_eq!(end.unwrap(), End::Stopped);
}

#[test]
fn unknown_params_of_a_simulator() {
    let outcome = world(&["single", "--cmd", COUNTER, "--params", r#"{"speed": 5}"#]);
    let message = "init() got an unexpected keyword argument 'speed'";
    assert_eq!(outcome["error"], json!(["TypeError", message]));
}

/// Returns the status of a counter's process, and its last line on standard error.
fn status_of(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_counter")).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), stderr.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn exit_statuses() {
    let address = free_address();
    let (status, line) = status_of(&[&address]);
    assert_eq!(status, Some(3));
    assert!(line.contains("no listener there"), "{line}");
    for args in [&[][..], &["nowhere"], &["127.0.0.1:1", "--log-level", "loud"], &["--nonsense"]] {
        assert_eq!(status_of(args).0, Some(2), "{args:?}");
    }
}

/// A failed process reports its error as text and by its status.
#[test]
fn the_status_of_a_process_that_has_failed() {
    let counter = Listening::start();
    let params: Value = json!({"speed": 5});
    let outcome =
        world(&["single", "--connect", &counter.address, "--params", &params.to_string()]);
    assert_eq!(outcome["error"][0], "TypeError");
    let (status, lines) = counter.wait();
    assert_eq!(status.code(), Some(1));
    let expected =
        "init() has failed: TypeError: init() got an unexpected keyword argument 'speed'";
    assert_eq!(lines.last().map(String::as_str), Some(expected), "{lines:?}");
}
