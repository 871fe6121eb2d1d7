//! Agents in containers: the client's own and the server's.

use std::time::{Duration, Instant, SystemTime};

use aiomas_core::agent::{AgentUrl, ConnectError, Remote, RetryLimit, Route, Serve, Target};
use aiomas_core::clock::{Date, When};
use aiomas_core::rpc::{RemoteRef, ServiceRef};
use aiomas_core::wire::Value;
use serde_json::json;

use super::{Client, Scenario, decode, failure};
use crate::client::{Server, content};
use crate::peer::poll::echo;
use crate::process::LIMIT;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("connect", connect),
    Scenario::new("missing_agents", missing_agents),
    Scenario::new("no_listener", no_listener),
    Scenario::new("validate_aid", validate_aid),
    Scenario::new("dates", dates),
    Scenario::new("pass_reference", pass_reference),
    Scenario::new("call_back_by_url", call_back_by_url),
    Scenario::new("connect_concurrently", connect_concurrently),
    Scenario::new("two_containers", two_containers),
    Scenario::new("concurrent_1000", concurrent_1000),
    Scenario::new("real_clock", real_clock),
];

pub(super) const WITH_EXTERNAL_CLOCK: &[Scenario] =
    &[Scenario::new("dates", dates), Scenario::new("external_clock", external_clock)];

/// Returns a container with an agent 0 of our own, an `Echo`.
pub(super) fn container(server: &Server) -> (Client, AgentUrl) {
    let mut client = Client::new(server, Serve::Agents);
    let url = client.host.spawn(echo).unwrap_or_else(|error| panic!("{error}"));
    (client, url)
}

impl Client {
    /// Finds an agent of the server by its id.
    pub(super) fn agent(&mut self, server: &Server, aid: &str) -> (Remote, Target) {
        let found = self.connect(server.url(aid), RetryLimit::Once);
        let remote = found.unwrap_or_else(|error| panic!("{error}"));
        let target = Target::from(&remote);
        (remote, target)
    }
}

fn connect(server: &Server) {
    let (mut client, _) = container(server);
    let (remote, echo) = client.agent(server, "0");
    assert_eq!((&*remote.type_name, &remote.url), ("Echo", &server.url("0")));
    assert_eq!(client.call(&echo, "echo", ("ohai",)), Ok("ohai".to_owned()));
    assert_eq!(client.call_with(&echo, "add", (1,), json!({"b": 2})), Ok(3));
    assert_eq!(client.call(&echo, "name", ()), Ok("Echo".to_owned()));
    assert_eq!(client.call(&echo, "addr_of", ()), Ok(server.url("0").to_string()));
    let error = failure(client.call::<Value>(&echo, "fail", ("kaputt",)));
    assert_eq!((error.kind(), error.message()), ("ValueError", "kaputt"));
    let error = failure(client.call::<Value>(&echo, "nope", ()));
    assert!(error.message().contains("Name \"nope\" not found in \"agents/0\""), "{error}");

    let (other, caller) = client.agent(server, "1");
    assert_eq!(client.call(&caller, "name", ()), Ok("Caller".to_owned()));
    assert_eq!(other.route, remote.route, "there is one connection for both");
}

fn missing_agents(server: &Server) {
    let (mut client, _) = container(server);
    for aid in ["99", "no/such"] {
        let url = server.url(aid);
        let result = client.connect(url.clone(), RetryLimit::Once);
        assert_eq!(result, Err(ConnectError::NoSuchAgent { url }));
    }
    let (_, echo) = client.agent(server, "0");
    assert_eq!(client.call(&echo, "echo", (1,)), Ok(1));
}

/// Without patience there is one attempt. With patience there are more, if the time suffices.
fn no_listener(server: &Server) {
    let (mut client, _) = container(server);
    let (_reserved, missing) = server.nowhere();
    assert!(client.open(&missing).is_err());
    let url = AgentUrl::new(missing.clone(), "0");
    let once = client.connect(url.clone(), RetryLimit::Once);
    assert!(matches!(once, Err(ConnectError::Unreachable { attempts: 1, .. })), "{once:?}");

    // On a busy machine, a short time passes with one attempt, or ends during another.
    let mut patience = Duration::from_millis(50);
    loop {
        let start = Instant::now();
        let found = client.connect(url.clone(), RetryLimit::Within(patience));
        assert!(start.elapsed() >= patience, "patience was not over");
        match found {
            Err(ConnectError::Unreachable { address, attempts: 2.., .. }) if address == missing => {
                break;
            }
            Err(ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. }) => {}
            other => panic!("{other:?}"),
        }
        patience *= 2;
        assert!(patience < LIMIT, "only one attempt");
    }
    let (_, echo) = client.agent(server, "0");
    assert_eq!(client.call(&echo, "echo", (1,)), Ok(1));
}

/// Tests the first request of `connect`.
fn validate_aid(server: &Server) {
    let (mut client, _) = container(server);
    let (remote, _) = client.agent(server, "0");
    let root = Target::new(remote.route, "");
    for (aid, name) in content::aids() {
        let found = client.call::<Option<String>>(&root, "validate_aid", (&aid,));
        assert_eq!(found, Ok(name), "{aid:?}");
    }
}

fn date(text: &str) -> Date {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn dates(server: &Server) {
    let (mut client, _) = container(server);
    let (_, echo) = client.agent(server, "0");
    for text in content::DATES {
        let got = client.call::<Date>(&echo, "date", (date(text),));
        assert_eq!(got.map(|date| date.to_string()), Ok(text.to_owned()));
    }
    let before = date("2016-02-28T23:59:30+01:00");
    let after = client.call::<Date>(&echo, "shift", (before, 45));
    assert_eq!(after.map(|date| date.to_string()), Ok("2016-02-29T00:00:15+01:00".to_owned()));
    let nested = (before, vec![Some(before)]);
    assert_eq!(client.call(&echo, "echo", (&nested,)), Ok(nested));
}

/// The peer calls our agent by its reference, on the same connection, and passes itself.
fn pass_reference(server: &Server) {
    let (mut client, ours) = container(server);
    let (_, echo) = client.agent(server, "0");
    let reference = ServiceRef::new(format!("agents/{}", ours.aid()));
    let met = client.call::<Value>(&echo, "meet", (reference,));
    assert_eq!(met, Ok(json!({"met": "Echo"}).into()));
    for aid in ["0", "1"] {
        let (remote, agent) = client.agent(server, aid);
        let pending = client.start_call(&agent, "me", (), ());
        let answer = client.wait(pending).unwrap_or_else(|error| panic!("{error}"));
        let reference: RemoteRef = decode(&answer);
        assert_eq!(reference.path(), format!("agents/{aid}"));
        let itself = Target::reference(remote.route, &reference);
        assert_eq!(client.call(&itself, "echo", (5,)), Ok(5));
    }
}

/// The server's agent opens a new connection to our container.
fn call_back_by_url(server: &Server) {
    let (mut client, ours) = container(server);
    let also_ours = client.host.spawn(echo).unwrap_or_else(|error| panic!("{error}"));
    let (_, caller) = client.agent(server, "1");
    let [ours, also_ours] = [ours, also_ours].map(|url| url.to_string());
    assert_eq!(client.call(&caller, "call", (&ours, "add", [20, 22])), Ok(42));
    let nothing: [(); 0] = [];
    let address = client.call(&caller, "call", (&also_ours, "addr_of", nothing));
    assert_eq!(address, Ok(also_ours));
    let met = client.call::<Value>(&caller, "introduce", (&ours,));
    assert_eq!(met, Ok(json!({"met": "Caller"}).into()));
    let error = failure(client.call::<Value>(&caller, "call", (&ours, "nope", nothing)));
    assert!(error.text().contains("LookupError"), "{error}");
}

fn connect_concurrently(server: &Server) {
    let (mut client, _) = container(server);
    let aids = ["0", "1"].into_iter().cycle().take(50);
    let pending: Vec<_> =
        aids.map(|aid| client.start_connect(server.url(aid), RetryLimit::Once)).collect();
    let mut routes = Vec::new();
    for (i, pending) in pending.into_iter().enumerate() {
        let remote = client.wait(pending).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(client.call(&Target::from(&remote), "echo", (i,)), Ok(i));
        routes.push(remote.route);
    }
    assert!(matches!(routes[0], Route::Connection(_)));
    routes.dedup();
    assert_eq!(routes.len(), 1, "there is one connection for all");
}

/// Both containers have an agent `0`; each connection leads to its own.
fn two_containers(server: &Server) {
    let mut containers = [container(server).0, container(server).0];
    let pending = containers.each_mut().map(|client| {
        let (_, echo) = client.agent(server, "0");
        client.start_call(&echo, "meet", (ServiceRef::new("agents/0"),), ())
    });
    for (client, pending) in containers.iter_mut().zip(pending) {
        let met = client.wait(pending).map(|payload| decode::<Value>(&payload));
        assert_eq!(met, Ok(json!({"met": "Echo"}).into()));
    }
}

fn concurrent_1000(server: &Server) {
    let (mut client, _) = container(server);
    let (_, echo) = client.agent(server, "0");
    let calls: Vec<_> = (0..1000).map(|i| client.start_call(&echo, "echo", (i,), ())).collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(client.wait(call).map(|payload| decode::<usize>(&payload)), Ok(i));
    }
}

fn real_clock(server: &Server) {
    let (mut client, _) = container(server);
    let (_, clock) = client.agent(server, "2");
    let utc_now = client.call::<Date>(&clock, "utcnow", ()).unwrap_or_else(|e| panic!("{e}"));
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let here = Date::from_unix(since_epoch.as_secs_f64()).unwrap_or(Date::MAX);
    assert!(here.seconds_since(utc_now).abs() < 60.0, "{utc_now}, but here it is {here}");
    assert!(utc_now.offset().is_zero());
    let before = client.call::<f64>(&clock, "time", ()).unwrap_or_else(|error| panic!("{error}"));
    let start = Instant::now();
    let after = client.call::<f64>(&clock, "sleep", (0.1,)).unwrap_or_else(|e| panic!("{e}"));
    // At least the full time, within the resolution of the clocks; more on a busy machine.
    assert!(start.elapsed() > Duration::from_millis(90) && after - before > 0.09);
    let past = failure(client.call::<Value>(&clock, "sleep_until", (before,)));
    assert_eq!(past.kind(), "ValueError");
}

/// Time advances only when a client sets it. Several clients may do so in turn.
fn external_clock(server: &Server) {
    let (mut client, _) = container(server);
    let (_, clock) = client.agent(server, "2");
    let now: f64 = client.call(&clock, "time", ()).unwrap_or_else(|error| panic!("{error}"));
    let date: Date = client.call(&clock, "utcnow", ()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(date, content::clock_start().shift(now).unwrap_or(Date::MAX));
    let in_15 = date.shift(15.0).unwrap_or(Date::MAX);
    // Each returns the clock's time at its end.
    let mut start = |method, until: When| client.start_call(&clock, method, (until,), ());
    let mut sleeps = [
        (10.0, vec![start("sleep", 10.0.into()), start("sleep_until", (now + 10.0).into())]),
        (16.0, vec![start("sleep_until", in_15.into())]),
        (30.0, vec![start("sleep", 20.0.into())]),
    ];
    // Once this call is answered, all sleepers have started.
    assert_eq!(client.call(&clock, "time", ()), Ok(now));
    for passed in [5.0, 10.0, 16.0, 30.0] {
        assert_eq!(client.call::<()>(&clock, "set_time", (now + passed,)), Ok(()));
        for (end, calls) in &mut sleeps {
            if *end == passed {
                for call in std::mem::take(calls) {
                    let time = client.wait(call).map(|payload| decode::<f64>(&payload));
                    assert_eq!(time, Ok(now + passed));
                }
            }
            assert!(calls.iter().all(|call| !call.is_done()));
        }
        assert_eq!(client.call(&clock, "time", ()), Ok(now + passed));
        for late in [now + passed, now] {
            let error = failure(client.call::<Value>(&clock, "set_time", (late,)));
            assert_eq!(error.kind(), "ValueError");
        }
    }
    let error = failure(client.call::<Value>(&clock, "sleep_until", (date,)));
    assert_eq!(error.kind(), "ValueError");
}
