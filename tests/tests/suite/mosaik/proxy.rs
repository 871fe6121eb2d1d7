//! Rust scenarios that drive simulators made with mosaik's own Python API.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use aiomas_mosaik::proxy::{self, SimulatorProxy, Starter, World};
use aiomas_mosaik::{
    ApiVersion, Data, EntityGraph, EntityInfo, Error, Inputs, Outputs, Result, SetData, Time, Value,
};
use aiomas_tests::python::{self, Mosaik};
use aiomas_tokio::{Tokio, channel};
use serde_json::json;

use super::{block_on, free_address};

fn simulator(args: &[&str]) -> Command {
    let mut command = python::mosaik_program("simulator.py");
    command.args(args);
    command
}

/// Starts a simulator with these parameters.
async fn start(params: serde_json::Value) -> Result<SimulatorProxy<Tokio, ()>, Error> {
    let connected = proxy::start(channel::builder(), |address| simulator(&[address])).await?;
    connected.init("Pumps-0", 0.5, &params, ()).await
}

fn json_of(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("JSON")
}

#[test]
fn a_simulation_from_begin_to_end() {
    block_on(async {
        let mut pumps = start(json!({"unknown": "is taken"})).await.unwrap();
        assert_eq!((pumps.sid(), pumps.meta().api_version), ("Pumps-0", ApiVersion::V3_0));
        let entities = pumps.create(2, "Pump", &BTreeMap::from([("level", 5)])).await.unwrap();
        let described = json!({
            "eid": "pump_1", "type": "Pump", "rel": [], "extra_info": {"from": "Pumps-0"},
            "children": [{"eid": "pump_1_valve", "type": "Valve", "rel": ["pump_1"]}],
        });
        assert_eq!(json_of(&entities[1]), described);
        pumps.setup_done().await.unwrap();
        let mut levels = Vec::new();
        for time in [0, 10, 20] {
            let inputs =
                Inputs::from_iter([("pump_0", "flow", "A.0", time), ("pump_0", "flow", "B.0", 2)]);
            assert_eq!(pumps.step(time, &inputs, 30).await.unwrap(), Some(time + 10));
            let outputs = Outputs::from_iter([("pump_0", "level"), ("pump_1", "level")]);
            let data = pumps.get_data(&outputs).await.unwrap();
            levels
                .push((data.get("pump_0", "level").cloned(), data.get("pump_1", "level").cloned()));
        }
        // The input is twice the rate, because a step is half a second.
        let expected =
            [6.0, 12.0, 23.0].map(|level| (Some(Value::from(level)), Some(Value::from(5))));
        assert_eq!(levels, expected);
        let filled: (Vec<String>, Time) =
            pumps.extra_method("fill", [1], &BTreeMap::from([("times", 3)])).await.unwrap();
        assert_eq!(filled, (vec!["pump_0".to_owned(), "pump_1".to_owned()], 30));
        let status = pumps.stop().await.unwrap();
        assert_eq!(status.and_then(|status| status.code()), Some(0));
    });
}

#[test]
fn a_simulator_that_listens() {
    block_on(async {
        let address = free_address();
        let mut child = simulator(&["--remote", &address]).stdin(Stdio::null()).spawn().unwrap();
        let url = format!("tcp://{address}");
        let connected = loop {
            match proxy::connect(channel::builder(), url.as_str()).await {
                Ok(connected) => break connected,
                // The simulator does not listen yet.
                Err(Error::Connection(aiomas_tokio::Error::Dial { .. })) => {
                    assert_eq!(child.try_wait().unwrap(), None);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        let mut pumps = connected.init("P", 1.0, &(), ()).await.unwrap();
        assert_eq!(pumps.create(1, "Pump", &()).await.unwrap().len(), 1);
        assert_eq!(pumps.stop().await.unwrap(), None);
        assert!(child.wait().unwrap().success());
    });
}

/// Records its requests.
#[derive(Default)]
struct Curious(Vec<String>);

impl World for Curious {
    async fn get_progress(&mut self) -> Result<f64> {
        Ok(12.5)
    }

    async fn get_related_entities(&mut self, entity: &str) -> Result<BTreeMap<String, EntityInfo>> {
        self.0.push(entity.to_owned());
        Ok(BTreeMap::from([("Other.x".to_owned(), EntityInfo::new("Other", "X"))]))
    }

    async fn get_entity_graph(&mut self) -> Result<EntityGraph> {
        Ok(EntityGraph::default())
    }

    async fn get_data(&mut self, outputs: Outputs) -> Result<Data> {
        self.0.push(format!("{outputs:?}"));
        Ok(Data::from_iter([("Other.x", "y", 5)]))
    }

    async fn set_data(&mut self, data: SetData) -> Result<()> {
        self.0.push(json_of(&data).to_string());
        Ok(())
    }

    async fn set_event(&mut self, time: Time) -> Result<()> {
        self.0.push(time.to_string());
        Ok(())
    }
}

#[test]
fn a_simulator_asks() {
    block_on(async {
        let connected =
            proxy::start(channel::builder(), |address| simulator(&[address])).await.unwrap();
        let params = BTreeMap::from([("ask", true)]);
        let mut pumps = connected.init("P", 1.0, &params, Curious::default()).await.unwrap();
        pumps.create(1, "Pump", &()).await.unwrap();
        pumps.setup_done().await.unwrap();
        pumps.step(3, &Inputs::default(), 10).await.unwrap();
        assert_eq!(
            pumps.world().0,
            [
                "P.pump_0",
                "P.pump_0",
                r#"Outputs({"Other.x": ["y"]})"#,
                r#"{"P.pump_0":{"Other.x":{"z":3}}}"#,
                "10",
            ]
        );
        let outputs = Outputs::from_iter([("pump_0", "progress"), ("pump_0", "peek")]);
        let data = pumps.get_data(&outputs).await.unwrap();
        let related = json!({"Other.x": {"sid": "Other", "type": "X"}});
        let peek = json!([related, {"P.pump_0": related}, {"nodes": {}, "edges": []}, {"Other.x": {"y": 5}}]);
        assert_eq!(json_of(&data), json!({"pump_0": {"progress": 12.5, "peek": peek}}));
        pumps.stop().await.unwrap();
    });
}

#[test]
fn a_world_that_knows_nothing() {
    block_on(async {
        let mut pumps = start(json!({"ask": true})).await.unwrap();
        pumps.create(1, "Pump", &()).await.unwrap();
        let error = pumps.step(0, &Inputs::default(), 10).await.unwrap_err().to_string();
        let expected = "step() of \"Pumps-0\" has failed: RemoteException: ('ScenarioError', \
                        'this scenario does not answer get_related_entities() of Pumps-0.pump_0'";
        assert!(error.starts_with(expected), "{error}");
    });
}

#[test]
fn the_older_version_of_the_api() {
    block_on(async {
        // The type is optional there, but the Python class has one.
        let mut pumps = start(json!({"meta": {"api_version": "2.2"}})).await.unwrap();
        assert_eq!(pumps.meta().api_version, ApiVersion::V2_2);
        pumps.create(1, "Pump", &()).await.unwrap();
        pumps.setup_done().await.unwrap();
        assert_eq!(pumps.step(0, &Inputs::default(), 10).await.unwrap(), Some(10));
        let (_, max_advance): (Value, Option<Time>) =
            pumps.extra_method("fill", [1], &()).await.unwrap();
        assert_eq!(max_advance, None, "the simulator received no request");
        pumps.stop().await.unwrap();
    });
}

/// Returns the text for a wrong answer.
fn wrong(error: &Error) -> String {
    match error {
        Error::Answer { simulator, function, why } if simulator == "Pumps-0" => {
            format!("{function}: {why}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_simulator_with_invalid_meta() {
    let model = |model: serde_json::Value| json!({"meta": {"models": {"M": model}}});
    block_on(async {
        for (params, expected) in [
            (model(json!({"public": true, "params": []})), "a model has no \"attrs\""),
            (model(json!({"params": [], "attrs": []})), "missing field `public`"),
            (
                model(json!({"public": true, "attrs": ["a"], "trigger": ["a"]})),
                r#"the model "M": "a" is in trigger, which time-based simulators have none of"#,
            ),
            (
                json!({"meta": {"api_version": "4.0"}}),
                "version 4.0 of mosaik's API is not supported",
            ),
            (json!({"meta": {"api_version": 3}}), "invalid type: integer `3`"),
            (json!({"meta": {"api_version": "abc"}}), "\"abc\" is no version such as \"3.0\""),
            (json!({"meta": {"type": "nonsense"}}), "unknown variant `nonsense`"),
            (
                json!({"meta": {"extra_methods": ["fill", "step"]}}),
                "no extra method can be called \"step\"",
            ),
        ] {
            let error = wrong(&start(params.clone()).await.unwrap_err());
            assert!(error.starts_with("init: ") && error.contains(expected), "{params}: {error}");
        }
    });
}

#[test]
fn wrong_answers() {
    block_on(async {
        for (result, expected) in [
            (json!(1.0), "the next time is no integer, but Float(1.0)"),
            (json!("x"), "the next time is no integer, but Str(\"x\")"),
            (json!(true), "the next time is no integer, but Bool(true)"),
            (json!(null), "time-based simulators always have a next step"),
            (json!(0), "0 is not later than 0"),
            (json!(-1), "-1 is not later than 0"),
        ] {
            let mut pumps = start(json!({"result": [result]})).await.unwrap();
            pumps.create(1, "Pump", &()).await.unwrap();
            let error = pumps.step(0, &Inputs::default(), 10).await.unwrap_err();
            assert_eq!(wrong(&error), format!("step: {expected}"));
        }
        for (data, expected) in [
            (json!({"time": -1}), "the output time -1 is before 0"),
            (json!({"time": 1.5}), "the output time is no integer"),
            (json!({"unknown": {"level": 1}}), "there is no entity \"unknown\""),
            (json!({"pump_0": 5}), "invalid type: integer `5`, expected a map"),
        ] {
            let mut pumps = start(json!({"data": data})).await.unwrap();
            pumps.create(1, "Pump", &()).await.unwrap();
            pumps.step(0, &Inputs::default(), 10).await.unwrap();
            let outputs = Outputs::from_iter([("pump_0", "level")]);
            let error = wrong(&pumps.get_data(&outputs).await.unwrap_err());
            assert!(error.starts_with(&format!("get_data: {expected}")), "{error}");
        }
        for (params, expected) in [
            (json!({"short": 1}), "2 entities were wanted, and 1 came"),
            (json!({"other": "Valve"}), r#""pump_0" is of "Valve", and not of "Pump""#),
        ] {
            let mut pumps = start(json!({})).await.unwrap();
            let error = pumps.create(2, "Pump", &params).await.unwrap_err();
            assert_eq!(wrong(&error), format!("create: {expected}"));
        }
    });
}

#[test]
fn failures_of_a_simulator() {
    block_on(async {
        let mut pumps = start(json!({})).await.unwrap();
        let error = pumps.extra_method::<Value>("burst", [(); 0], &()).await.unwrap_err();
        let Error::Simulator { error, .. } = &error else { panic!("{error:?}") };
        let remote = error.remote().map(|error| (error.kind(), error.message()));
        assert_eq!(remote, Some(("RuntimeError", "water everywhere")));
        let error = pumps.create(1, "Pump", &BTreeMap::from([("colour", 5)])).await.unwrap_err();
        assert!(error.to_string().contains("unexpected keyword argument 'colour'"), "{error}");
        // Parameters must be a map.
        let error = pumps.create(1, "Pump", &5).await.unwrap_err();
        assert!(
            error.to_string().starts_with("create() of \"Pumps-0\" has failed: TypeError"),
            "{error}"
        );
        // The connection survives all of these.
        assert_eq!(pumps.create(1, "Pump", &()).await.unwrap().len(), 1);
        pumps.stop().await.unwrap();
    });
}

#[test]
fn simulators_that_do_not_start() {
    block_on(async {
        let fails = |_: &str| {
            let mut command = simulator(&["--nonsense"]);
            command.stderr(Stdio::null());
            command
        };
        let never = proxy::start(channel::builder(), fails).await.unwrap_err();
        assert!(matches!(never, Error::NeverConnected { status } if !status.success()), "{never}");
        let missing = |_: &str| Command::new("/nonexistent/simulator");
        let error = proxy::start(channel::builder(), missing).await.unwrap_err();
        let text = "the simulator cannot be started: /nonexistent/simulator: No such file";
        assert!(error.to_string().starts_with(text), "{error}");
        let sleeps = |_: &str| {
            let mut command = Command::new("sleep");
            command.arg("600");
            command
        };
        let starter = Starter::new(channel::builder()).start_within(Duration::from_millis(100));
        let error = starter.start(sleeps).await.unwrap_err();
        assert_eq!(error.to_string(), "no connection within 100ms (`Starter::start_within`)");
    });
}

#[test]
fn a_simulator_that_dies() {
    block_on(async {
        let dies = |address: &str| {
            let program = "import socket, sys; host, port = sys.argv[1].split(':'); \
                           socket.create_connection((host, int(port))).recv(20)";
            let mut command = Command::new(Mosaik::V3_6.interpreter());
            command.args(["-c", program, address]);
            command
        };
        let connected = proxy::start(channel::builder(), dies).await.unwrap();
        let error = connected.init("P", 1.0, &(), ()).await.unwrap_err();
        assert!(
            error.to_string().starts_with("init() of \"P\" has failed: the connection was lost"),
            "{error}"
        );
    });
}
