//! The server's manager.

use std::time::Instant;

use aiomas_core::rpc::RemoteRef;
use aiomas_core::wire::Value;
use serde_json::json;

use super::agents::container;
use super::{Scenario, failure};
use crate::client::{LIMIT, Server, content};
use crate::host::CallFailed;
use crate::peer::manager::{CREATE, SPAWNED};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("spawn", spawn),
    Scenario::new("no_such_factory", no_such_factory),
    Scenario::new("set_time", set_time),
    Scenario::new("stop", stop),
];

fn spawn(server: &Server) {
    let (mut client, _) = container(server);
    let (remote, manager) = client.agent(server, "0");
    assert_eq!(&*remote.type_name, "Manager");
    let made = client.call_with(&manager, "spawn", (SPAWNED, "a"), json!({"suffix": "?"}));
    let (agent, url): (RemoteRef, String) = made.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((agent.path(), url), ("agents/1", server.url("1").to_string()));
    let (remote, agent) = client.agent(server, "1");
    assert_eq!(&*remote.type_name, "Spawned");
    assert_eq!(client.call(&agent, "get_label", ()), Ok("a?".to_owned()));

    let made = client.call(&manager, "spawn", (CREATE, "b"));
    let (_, url): (Value, String) = made.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(url, server.url("2").to_string());
    let (_, agent) = client.agent(server, "2");
    assert_eq!(client.call(&agent, "get_label", ()), Ok("b!".to_owned()));
}

/// An unknown name or wrong arguments spawn no agent.
fn no_such_factory(server: &Server) {
    let (mut client, _) = container(server);
    let (_, manager) = client.agent(server, "0");
    for name in content::NO_FACTORIES {
        failure(client.call::<Value>(&manager, "spawn", (name, "a")));
    }
    for kwargs in [json!({"label": "a"}), json!({"colour": "red"})] {
        let made = client.call_with::<Value>(&manager, "spawn", (SPAWNED, "a"), kwargs);
        assert_eq!(failure(made).kind(), "TypeError");
    }
    let made = client.call(&manager, "spawn", (SPAWNED, "c"));
    let (_, url): (Value, String) = made.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(url, server.url("3").to_string());
}

fn set_time(server: &Server) {
    let (mut client, _) = container(server);
    let (_, manager) = client.agent(server, "0");
    let mut set = |time: f64| client.call::<()>(&manager, "set_time", (time,));
    if !server.external_clock {
        failure(set(5.0));
        return;
    }
    assert_eq!(set(5.0), Ok(()));
    for time in [5.0, 4.0, -1.0] {
        assert_eq!(failure(set(time)).kind(), "ValueError");
    }
    assert_eq!(set(5.5), Ok(()));
}

/// The manager answers, and then closes the connection.
fn stop(server: &Server) {
    use aiomas_core::connection::CallError::Remote;

    let (mut client, _) = container(server);
    let (_, manager) = client.agent(server, "0");
    assert_eq!(client.call::<()>(&manager, "stop", ()), Ok(()));
    let mut call = || client.call::<Value>(&manager, "spawn", ("nothing",));
    let start = Instant::now();
    while matches!(call(), Err(CallFailed::Call(Remote(_)))) {
        assert!(start.elapsed() < LIMIT, "the process does not end");
    }
}
