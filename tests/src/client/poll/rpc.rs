//! Remote calls and references to services, in both directions.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use aiomas_core::agent::{ConnId, Route, Serve, Target};
use aiomas_core::rpc::{
    Access, Arguments, Caller, Outcome, Parameter, RemoteRef, Service, ServiceDict, ServiceRef,
    Signature,
};
use aiomas_core::wire::{RemoteError, Value};
use serde_json::json;

use super::{Client, Scenario, decode, failure, root};
use crate::client::{Server, content};
use crate::host::{Later, Ticket};
use crate::peer::number::multiply;
use crate::types::{Celsius, Mode, Point, Serializers};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("arguments", arguments),
    Scenario::new("nested_services", nested_services),
    Scenario::new("errors", errors),
    Scenario::new("good_and_bad_at_once", good_and_bad_at_once),
    Scenario::new("slow_calls_delay_no_other", slow_calls_delay_no_other),
    Scenario::new("calls_out_of_order", calls_out_of_order),
    Scenario::new("references_from_the_server", references_from_the_server),
    Scenario::new("references_to_the_server", references_to_the_server),
    Scenario::typed("typed_arguments", typed_arguments),
    Scenario::new("concurrent_1000", concurrent_1000),
    Scenario::new("mebibytes_8", mebibytes_8),
];

/// Opens a client that offers `service`, and returns its connection.
fn open_with(server: &Server, service: impl Service<Later> + 'static) -> (Client, ConnId) {
    let mut client = Client::new(server, Serve::Service(Box::new(service)));
    let conn = client.open(&server.address).unwrap_or_else(|error| panic!("{error}"));
    (client, conn)
}

/// Opens a client that offers nothing, and returns the server's root service.
fn open(server: &Server) -> (Client, Target) {
    let (client, conn) = open_with(server, ServiceDict::new("Nothing"));
    (client, root(conn))
}

/// Returns a service of the server by its path.
fn at(root: &Target, path: &str) -> Target {
    Target::new(root.route(), path)
}

fn doubler(name: &str) -> ServiceDict<Later> {
    ServiceDict::new(name)
        .function("double", ["value"], |value: Value| multiply(value, 2.into()))
        .function("boom", [], || Err::<(), _>(RemoteError::new("KeyError", "'boom'")))
}

/// Positional and keyword arguments, defaults.
fn arguments(server: &Server) {
    let (mut client, root) = open(server);
    assert_eq!(client.call(&root, "add", (3, 4)), Ok(7));
    assert_eq!(client.call(&root, "add", (1.5, 2)), Ok(3.5));
    assert_eq!(client.call_with(&root, "add", (1,), json!({"b": 2})), Ok(3));
    assert_eq!(
        client.call_with(&root, "add", (), json!({"b": "b", "a": "a"})),
        Ok("ab".to_owned())
    );
    assert_eq!(client.call(&root, "ident", [()]), Ok(()));
    assert_eq!(client.call(&root, "join", (["a", "b"],)), Ok("a-b".to_owned()));
    let joined = client.call_with(&root, "join", (["a", "b"],), json!({"sep": "ü"}));
    assert_eq!(joined, Ok("aüb".to_owned()));
    assert_eq!(client.call(&root, "echo", ()), Ok(Value::from(json!([[], {}]))));
    let echo = client.call_with(&root, "echo", (1, [2]), json!({"x": {"y": null}}));
    assert_eq!(echo, Ok(Value::from(json!([[1, [2]], {"x": {"y": null}}]))));
}

fn nested_services(server: &Server) {
    let (mut client, root) = open(server);
    assert_eq!(client.call(&root, "math/mul", (6, 7)), Ok(42));
    assert_eq!(client.call(&at(&root, "math"), "deep/neg", (5,)), Ok(-5));
    assert_eq!(client.call(&at(&root, "tools"), "upper", ("grün",)), Ok("GRÜN".to_owned()));
    assert_eq!(client.call(&at(&root, "tools/inner"), "ping", ()), Ok("pong".to_owned()));
}

fn errors(server: &Server) {
    let (mut client, root) = open(server);
    let mut error = |path: &str, args: &Value| failure(client.call::<Value>(&root, path, args));
    let none = Value::List(Vec::new());

    let kaputt = error("fail", &json!(["kaputt"]).into());
    assert_eq!((kaputt.kind(), kaputt.message()), ("ValueError", "kaputt"));
    for (path, name, parent) in content::NOT_FOUND {
        let error = error(path, &none);
        let text = format!("Name \"{name}\" not found in \"{parent}\"");
        assert!(error.kind() == "LookupError" && error.message().contains(&text), "{error}");
    }
    for path in ["hidden", "secret"] {
        let error = error(path, &none);
        let text = format!("{path}\" is not exposed");
        assert!(error.kind() == "LookupError" && error.message().contains(&text), "{error}");
    }
    for (path, args) in [("math", json!([])), ("add", json!([1])), ("add", json!([1, 2, 3]))] {
        assert_eq!(error(path, &args.into()).kind(), "TypeError");
    }
    assert!(error("unserializable", &none).text().contains("SerializationError"));
    for (args, kwargs) in [((1, Some(2)), json!({"c": 3})), ((1, None), json!({"a": 2}))] {
        let args: Vec<_> = [args.0].into_iter().chain(args.1).collect();
        let error = failure(client.call_with::<Value>(&root, "add", args, kwargs));
        assert_eq!(error.kind(), "TypeError");
    }
    assert_eq!(client.call(&root, "add", (1, 1)), Ok(2));
}

fn good_and_bad_at_once(server: &Server) {
    let (mut client, root) = open(server);
    let calls: Vec<_> = (0..200)
        .map(|i| {
            let good = client.start_call(&root, "add", (i, 1), ());
            let bad = client.start_call(&root, "fail", (i.to_string(),), ());
            (i, good, bad, client.start_call(&root, "nope", (), ()))
        })
        .collect();
    for (i, good, bad, missing) in calls {
        assert_eq!(client.wait(good).map(|payload| decode::<i32>(&payload)), Ok(i + 1));
        assert_eq!(failure(client.wait(bad)).message(), i.to_string());
        assert_eq!(failure(client.wait(missing)).kind(), "LookupError");
    }
}

fn slow_calls_delay_no_other(server: &Server) {
    let (mut client, root) = open(server);
    let slow = client.start_call(&root, "slow", (600_000, ()), ());
    assert_eq!(client.call(&root, "slow", (10, "fast")), Ok("fast".to_owned()));
    assert_eq!(client.call(&root, "add", (1, 1)), Ok(2));
    assert!(!slow.is_done());
}

/// Holds calls until they are released.
#[derive(Clone, Default)]
struct Gate(Rc<RefCell<VecDeque<(Ticket, i64)>>>);

impl Service<Later> for Gate {
    fn type_name(&self) -> &str {
        "Gate"
    }

    fn access(&self, method: &str) -> Option<Access> {
        (method == "double").then_some(Access::Shared)
    }

    fn call(&self, method: &str, arguments: &Arguments<'_>, _: &Caller) -> Outcome<Later> {
        const PARAMETERS: &[Parameter] = &[Parameter::required("value")];
        if method != "double" {
            return Outcome::NotFound;
        }
        let bound = arguments.bind(&Signature::new("double", PARAMETERS));
        match bound.and_then(|bound| bound.required(0)) {
            Ok(value) => {
                let waiting = self.0.clone();
                Outcome::Later(Later::new(move |_, ticket| {
                    waiting.borrow_mut().push_back((ticket, value));
                }))
            }
            Err(error) => error.into(),
        }
    }
}

fn calls_out_of_order(server: &Server) {
    let gate = Gate::default();
    let (mut client, conn) = open_with(server, gate.clone());
    let (root, myself) = (root(conn), ServiceRef::new(""));
    let mut calls: Vec<_> =
        (0..10).map(|i| client.start_call(&root, "call_me", (&myself, i), ())).collect();
    let mut waiting = Vec::new();
    while waiting.len() < calls.len() {
        waiting.push(client.turn_until(|_| gate.0.borrow_mut().pop_front()));
    }
    while let (Some(call), Some((ticket, value))) = (calls.pop(), waiting.pop()) {
        client.host.reply(ticket, &(value * 2));
        assert_eq!(client.wait(call).map(|payload| decode::<i64>(&payload)), Ok(2 * value));
        assert!(calls.iter().all(|call| !call.is_done()));
    }
}

fn references_from_the_server(server: &Server) {
    let (mut client, root) = open(server);
    let route: Route = root.route();
    for (method, path) in [("get_tools", "tools"), ("get_root", "")] {
        let pending = client.start_call(&root, method, (), ());
        let answer = client.wait(pending).unwrap_or_else(|error| panic!("{error}"));
        let reference: RemoteRef = decode(&answer);
        assert_eq!(reference.path(), path);
        let service = Target::reference(route, &reference);
        if path == "tools" {
            assert_eq!(client.call(&service, "upper", ("x",)), Ok("X".to_owned()));
            assert_eq!(client.call(&service, "inner/ping", ()), Ok("pong".to_owned()));
        } else {
            assert_eq!(client.call(&service, "add", (1, 2)), Ok(3));
        }
    }
}

/// The server calls the services that we pass to it.
fn references_to_the_server(server: &Server) {
    let service = doubler("Client").service("sub", doubler("Sub"));
    let (mut client, conn) = open_with(server, service);
    let root = root(conn);
    let [myself, sub] = ["", "sub"].map(ServiceRef::new);
    assert_eq!(client.call(&root, "call_me", (&myself, 21)), Ok(42));
    assert_eq!(client.call(&root, "call_me", (&myself, "ab")), Ok("abab".to_owned()));
    #[derive(serde::Serialize)]
    struct Keywords<'a> {
        peer: &'a ServiceRef,
        value: [i32; 1],
    }
    let keywords = Keywords { peer: &sub, value: [5] };
    assert_eq!(client.call_with(&root, "call_me", (), keywords), Ok([5, 5]));
    for callee in [&myself, &sub] {
        let caught = client.call::<BTreeMap<String, bool>>(&root, "call_error", (callee,));
        let truths = ["boom", "caught"].map(|key| (key.to_owned(), true));
        assert_eq!(caught, Ok(truths.into()));
    }
    let doubled: Vec<_> = (0..100).map(|i| 2 * i).collect();
    assert_eq!(client.call(&root, "call_many", (&myself, 100)), Ok(doubled));
    #[derive(serde::Serialize)]
    struct Proxies<'a> {
        list: [&'a ServiceRef; 1],
    }
    assert_eq!(client.call(&root, "nested", (Proxies { list: [&sub] },)), Ok(42));
    assert_eq!(client.call(&root, "call_remote", (8,)), Ok(16));
}

/// The ids of references follow those of our types.
fn typed_arguments(server: &Server) {
    let (mut client, conn) = open_with(server, doubler("Client"));
    let root = root(conn);
    assert_eq!(client.call(&root, "mirror", (Point::new(1, "x"),)), Ok(Point::new("x", 1)));
    assert_eq!(client.call(&root, "warmer", (Celsius(20.5), 1)), Ok(Celsius(21.5)));
    let nested = vec![(Point::new(0, 1), Celsius(1.5))];
    assert_eq!(client.call(&root, "ident", (&nested,)), Ok(nested.clone()));
    assert_eq!(client.call(&root, "call_me", (ServiceRef::new(""), 4)), Ok(8));
    if server.serializers == Serializers::PointCelsiusMode {
        for mode in Mode::all() {
            assert_eq!(client.call(&root, "louder", (&mode,)), Ok(mode.louder()));
        }
    }
}

fn concurrent_1000(server: &Server) {
    let (mut client, root) = open(server);
    let calls: Vec<_> = (0..1000).map(|i| client.start_call(&root, "add", (i, i), ())).collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(client.wait(call).map(|payload| decode::<usize>(&payload)), Ok(2 * i));
    }
}

fn mebibytes_8(server: &Server) {
    let (mut client, root) = open(server);
    let text = "äbcdefgh".repeat(1 << 20);
    let answer = client.call::<String>(&root, "ident", (&text,));
    assert!(answer == Ok(text), "the text differs");
}
