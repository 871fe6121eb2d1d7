//! Without Python: Rust scenarios drive Rust simulators in a simulated network, and tests write
//! mosaik's bytes.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas_core::wire::Format;
use aiomas_mosaik::proxy::{self, World};
use aiomas_mosaik::{
    ApiVersion, Data, End, EntityInfo, Error, Inputs, Outputs, Result, Server, SetData, Simulator,
    Stepping, Value,
};
use aiomas_sim::{Link, Runtime, Sim};
use aiomas_tests::message;
use aiomas_tests::mosaik::counter::Counters;
use aiomas_tests::mosaik::{Flaw, Flawed, RawMosaik};
use aiomas_tests::scripted_runtime::ScriptedRuntime;
use serde_json::json;

/// The properties of all entities, and the set values.
#[derive(Default)]
struct Everything {
    set: Vec<String>,
}

impl World for Everything {
    async fn get_progress(&mut self) -> Result<f64> {
        Ok(50.0)
    }

    async fn get_related_entities(&mut self, entity: &str) -> Result<BTreeMap<String, EntityInfo>> {
        Ok(BTreeMap::from([(format!("{entity}_half"), EntityInfo::new("Sim-0", "Half"))]))
    }

    async fn get_data(&mut self, outputs: Outputs) -> Result<Data> {
        outputs.fill(|_, _| Ok(7.into()))
    }

    async fn set_data(&mut self, data: SetData) -> Result<()> {
        self.set.push(serde_json::to_string(&data).expect("JSON"));
        Ok(())
    }
}

/// Drives ten steps of a counter in the simulated network, and returns the results.
fn drive(seed: u64) -> (Vec<Option<Value>>, Vec<String>, Duration) {
    let sim = Sim::builder(seed).link(Link::new().latency(Duration::from_millis(3))).build();
    let (there, here) = (sim.host("there"), sim.host("here"));
    let end = Arc::<Mutex<Option<End>>>::default();
    let (result, builder) = (end.clone(), there.channel());
    there.spawn(async move {
        let server = Server::bind(builder, "tcp://there:5555").await.expect("a port");
        *result.lock().expect("no panic under the lock") =
            server.run(Counters::default()).await.ok();
    });
    let (values, set) = sim
        .block_on(async {
            let connected = proxy::connect(here.channel(), "tcp://there:5555").await?;
            let params =
                json!({"ask": true, "peek": ["X.x", "y"], "push": ["Y.y", "z"], "step_size": 2});
            let mut counters = connected.init("Sim-0", 1.0, &params, Everything::default()).await?;
            counters.create(2, "Counter", &json!({"inc": 3})).await?;
            counters.setup_done().await?;
            let (mut time, mut values) = (0, Vec::new());
            while time < 20 {
                let inputs = Inputs::from_iter([("counter_1", "delta", "X.x", time)]);
                let next = counters.step(time, &inputs, 20).await?;
                let outputs = Outputs::from_iter([
                    ("counter_1", "value"),
                    ("counter_1", "peek"),
                    ("counter_0_half", "half"),
                ]);
                let data = counters.get_data(&outputs).await?;
                values.push(data.get("counter_1", "value").cloned());
                assert_eq!(data.get("counter_1", "peek"), Some(&7.into()));
                let half = data.get("counter_0_half", "half").and_then(Value::as_f64);
                assert_eq!(half, Some(1.5 * values.len() as f64));
                time = next.expect("a time-based simulator");
            }
            let related =
                counters.get_data(&Outputs::from_iter([("counter_0", "related")])).await?;
            let expected = Value::List(vec!["Sim-0.counter_0_half".into()]);
            assert_eq!(related.get("counter_0", "related"), Some(&expected));
            let set = std::mem::take(&mut counters.world().set);
            assert_eq!(counters.stop().await?, None);
            Ok::<_, Error>((values, set))
        })
        .expect("no failure");
    sim.run_until_idle();
    assert_eq!(*end.lock().expect("no panic under the lock"), Some(End::Stopped));
    (values, set, sim.elapsed())
}

#[test]
fn a_scenario_drives_a_simulator() {
    let (values, set, took) = drive(1);
    // Three more each step, plus the time.
    let expected = (0..10).scan(0, |sum, step| {
        *sum += 3 + 2 * step;
        Some(Some(Value::from(*sum)))
    });
    assert_eq!(values, expected.collect::<Vec<_>>());
    let first = r#"{"Sim-0.counter_0":{"Y.y":{"z":3}},"Sim-0.counter_1":{"Y.y":{"z":3}}}"#;
    assert_eq!((set.len(), set[0].as_str()), (10, first));
    assert_eq!(drive(1), (values, set, took));
}

fn connect(simulator: impl Simulator + 'static) -> RawMosaik {
    RawMosaik::connect(ScriptedRuntime::default(), simulator)
}

/// Returns the answers to requests with the ids 0, 1, ...
fn answers(mosaik: &RawMosaik, requests: &[serde_json::Value]) -> Vec<serde_json::Value> {
    (0..).zip(requests).for_each(|(id, request)| mosaik.request(id, request));
    let payloads = mosaik.receive();
    payloads.iter().map(|payload| serde_json::from_slice(payload).expect("JSON")).collect()
}

#[test]
fn requests_before_init() {
    let mosaik = connect(Counters::default());
    let said = answers(
        &mosaik,
        &[
            json!(["create", [1, "Counter"], {}]),
            json!(["step", [0, {}, 1], {}]),
            json!(["total", [], {}]),
            json!(["init", [], {}]),
            json!(["init", ["S"], {"time_resolution": 1.0}]),
            json!(["create", [1, "Counter"], {}]),
            json!("nonsense"),
            json!(["stop", [], {}]),
        ],
    );
    let kinds: Vec<_> =
        said.iter().map(|answer| (answer[0].clone(), answer[2][0].clone())).collect();
    let expected = [
        (2, json!("RuntimeError")),
        (2, json!("RuntimeError")),
        (2, json!("RuntimeError")),
        (2, json!("TypeError")),
        (1, json!(null)),
        (1, said[5][2][0].clone()),
        (2, json!("TypeError")),
    ];
    assert_eq!(kinds, expected.map(|(kind, first)| (json!(kind), first)));
    assert_eq!(said[0][2][1], "create() was called before init()");
    assert!(mosaik.is_closed(), "stopped without an answer");
    let error = mosaik.end().unwrap_err().to_string();
    assert_eq!(error, "create() has failed: RuntimeError: create() was called before init()");
}

#[test]
fn failures_are_lists_and_unknown_types_are_ignored() {
    let mosaik = connect(Flawed::new(Flaw::SetupDone));
    mosaik.send(&message::message(Format::Json, 7, 0, "what is that?"));
    let said = answers(
        &mosaik,
        &[json!(["init", ["S"], {"time_resolution": 1.0}]), json!(["setup_done", [], {}])],
    );
    assert_eq!(said[1], json!([2, 1, ["FlawError", "on purpose", "FlawError: on purpose\n"]]));
    assert_eq!(said.len(), 2);
    mosaik.end().unwrap_err();
}

#[test]
fn hello_is_a_function_like_any_other() {
    let mosaik = connect(Counters::default());
    let said = answers(
        &mosaik,
        &[
            json!(["init", ["S"], {}]),
            json!(["$hello", [{"version": 1, "codecs": ["msgpack"]}], {}]),
        ],
    );
    assert_eq!(said[1][2][0], "AttributeError");
    mosaik.end().unwrap_err();
}

#[test]
fn extra_methods_are_bound_as_those_of_services() {
    let mosaik = connect(Flawed::new(Flaw::None));
    let requests = [
        (json!(["init", ["S"], {}]), None),
        (json!(["tag", ["a"], {"sep": "-"}]), Some(Ok("a"))),
        (json!(["tag", ["a", 1, 2], {"sep": "-", "x": 3, "y": 4}]), Some(Ok("a-1-2-X-Y"))),
        (json!(["tag", [], {"name": "a", "sep": "-", "count": 2}]), Some(Ok("aa"))),
        (
            json!(["tag", ["a"], {}]),
            Some(Err("tag() missing 1 required keyword-only argument: 'sep'")),
        ),
        (json!(["tag", ["a"], {"sep": "-", "fail": true}]), Some(Err("on purpose"))),
        (
            json!(["version", [5], {}]),
            Some(Err("version() takes 0 positional arguments but 1 was given")),
        ),
        (
            json!(["type", [], {}]),
            Some(Err("type() missing 1 required positional argument: 'entity'")),
        ),
        (json!(["type_of", ["a"], {}]), Some(Err("the simulator has no function \"type_of\""))),
    ];
    let sent: Vec<_> = requests.iter().map(|(request, _)| request.clone()).collect();
    let said = answers(&mosaik, &sent);
    assert_eq!(said[0][2]["extra_methods"], json!(["version", "tag", "type"]));
    for (said, (request, expected)) in said.iter().zip(&requests) {
        match expected {
            None => {}
            Some(Ok(value)) => assert_eq!((&said[0], &said[2]), (&json!(1), &json!(value))),
            Some(Err(text)) => {
                assert_eq!((&said[0], &said[2][1]), (&json!(2), &json!(text)), "{request}");
            }
        }
    }
    // Extra methods may call mosaik back.
    let said = answers(&mosaik, &[json!(["type", ["No.body"], {}])]);
    assert_eq!(said, [json!([0, 0, ["get_related_entities", ["No.body"], {}]])]);
    let result = message::message(Format::Json, message::RESULT, 0, json!({"x": {"sid": "S"}}));
    mosaik.send(&result);
    let said: serde_json::Value = serde_json::from_slice(&mosaik.receive()[0]).expect("JSON");
    assert_eq!(said[2]["x"]["sid"], "S");
    // Failed ones do not count.
    mosaik.request(99, &json!(["stop", [], {}]));
    assert_eq!(mosaik.receive().len(), 0);
    mosaik.end().unwrap_err();
}

/// The step waits for an answer of mosaik that never arrives.
#[test]
fn mosaik_hangs_up_during_a_callback() {
    let simulator = Flawed::new(Flaw::Callback);
    let finalized = simulator.finalized();
    let mosaik = connect(simulator);
    let said = answers(
        &mosaik,
        &[
            json!(["init", ["S"], {}]),
            json!(["create", [1, "Thing"], {}]),
            json!(["step", [2, {"thing_0": {}}, 9], {}]),
        ],
    );
    assert_eq!(said[2], json!([0, 0, ["get_related_entities", ["No.body"], {}]]));
    assert_eq!(mosaik.end().unwrap(), End::Gone);
    assert!(finalized.load(Ordering::SeqCst));
}

#[test]
fn mosaik_hangs_up_within_a_frame() {
    let mosaik = connect(Counters::default());
    mosaik.send(&[0, 0, 0, 9, b'[']);
    mosaik.receive();
    let error = mosaik.end().unwrap_err().to_string();
    assert!(
        error.starts_with("the connection was lost: closed by the peer in the middle"),
        "{error}"
    );
}

#[test]
fn an_answer_without_a_caller() {
    let mosaik = connect(Counters::default());
    mosaik.send(&message::message(Format::Json, message::RESULT, 5, "x"));
    mosaik.receive();
    assert!(mosaik.is_closed());
    let error = mosaik.end().unwrap_err().to_string();
    assert!(error.contains("answered a request that was never made"), "{error}");
}

#[test]
fn the_older_version_takes_two_arguments() {
    for (version, arguments) in
        [(ApiVersion::V2_2, json!([0, {}])), (ApiVersion::V3_0, json!([0, {}, 5]))]
    {
        let simulator = Flawed::new(Flaw::None).version(version).stepping(Stepping::TimeBased);
        let mosaik = connect(simulator);
        let said = answers(
            &mosaik,
            &[
                json!(["init", ["S"], {}]),
                json!(["version", [], {}]),
                json!(["step", arguments, {}]),
                json!(["step", [], {}]),
            ],
        );
        assert_eq!(said[1], json!([1, 1, version.to_string()]));
        assert_eq!(said[2], json!([1, 2, 1]));
        let wrong = said[3][2][1].as_str().unwrap();
        assert!(wrong.starts_with("step() missing"), "{wrong}");
        mosaik.end().unwrap_err();
    }
}
