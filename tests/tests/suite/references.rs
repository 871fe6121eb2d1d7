//! References to services, which only their own types can write.

use std::collections::BTreeMap;
use std::time::Duration;

use aiomas::agent;
use aiomas::{Context, Error, Proxy, container};
use aiomas_core::connection::{CallOptions, CallRejected, Config, Connection, Event, Side};
use aiomas_core::rpc::ServiceRef;
use aiomas_core::wire::{Body, Codec, CodecContext, CodecError, Format, Payload, Types, Value};
use aiomas_sim::Sim;
use aiomas_tests::types::Point;
use serde::{Deserialize, Serialize};
use serde_json::json;

const REFERENCE: &str = "a reference to a service cannot be sent on in a `Value` or a map";
const NO_VALUE: &str = "is no value of a registered type, but the receiver would take it for one";

/// Returns the context of a container's connection with the type `point`.
fn codec_context() -> CodecContext {
    let mut config = Config::new(Codec::Json);
    config.types = Types::new(["point"]).for_container();
    let connection: Connection<()> =
        Connection::new(config.into(), Side::Dialler, std::time::Instant::now());
    connection.codec_context().clone()
}

fn encode(value: &impl Serialize) -> [Result<Body, CodecError>; 2] {
    [Format::Json, Format::MsgPack].map(|format| Body::encode(format, &codec_context(), value))
}

#[track_caller]
fn refused(value: &impl Serialize, text: &str) {
    for result in encode(value) {
        let error = result.expect_err("a refusal").to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[track_caller]
fn sent(value: &impl Serialize) {
    for result in encode(value) {
        result.expect("a permitted reference");
    }
}

/// A container of references.
#[derive(Serialize)]
struct Flat<T> {
    name: &'static str,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Any<T> {
    Map(T),
}

#[derive(Serialize)]
struct Renamed<T> {
    #[serde(rename = "__type__")]
    pair: T,
}

fn typed(pair: Value) -> Value {
    Value::Map(vec![("a".into(), 1.into()), ("__type__".into(), pair)])
}

#[test]
fn only_their_own_types_write_references() {
    let path = || Value::from("agents/0");
    let pair = || Value::List(vec![2.into(), path()]);
    sent(&(ServiceRef::new("agents/0"), Point::new(1, 2)));
    sent(&Flat { name: "x", rest: BTreeMap::from([("to", ServiceRef::new("agents/0"))]) });

    let value = Value::Typed { id: 2, data: path().into() };
    refused(&value, REFERENCE);
    refused(&[(1, Some(&value))], REFERENCE);
    refused(&Value::encode(&codec_context(), &ServiceRef::new("agents/0")).unwrap(), REFERENCE);
    refused(&typed(pair()), REFERENCE);
    refused(&json!({"a": [{"__type__": [2, "agents/0"]}]}), REFERENCE);
    refused(&BTreeMap::from([("__type__", (2, "agents/0"))]), REFERENCE);
    refused(&Flat { name: "x", rest: BTreeMap::from([("__type__", pair())]) }, REFERENCE);
    refused(&Any::Map(BTreeMap::from([("__type__", pair())])), REFERENCE);
    refused(&Renamed { pair: (2, "agents/0") }, REFERENCE);
    let inner = Value::Typed { id: 1, data: Value::List(vec![value.clone()]).into() };
    refused(&inner, REFERENCE);

    // Values of other types are unchanged.
    sent(&Value::encode(&codec_context(), &Point::new(1, 2)).unwrap());
    sent(&json!({"__type__": [0, "2010-03-27"]}));
    sent(&json!({"__type": [2, "agents/0"], "x": "__type__"}));
}

/// Python decodes any pair of an equal id and any data as a typed value.
#[test]
fn lookalikes_are_not_typed_values() {
    for pair in [
        Value::Null,
        "2a".into(),
        2.into(),
        Value::List(vec![]),
        Value::List(vec![2.into()]),
        Value::List(vec![2.0.into(), "agents/0".into()]),
        Value::List(vec![true.into(), "2010-03-27".into()]),
        Value::List(vec!["2".into(), "agents/0".into()]),
        Value::List(vec![(-2).into(), "agents/0".into()]),
        Value::Map(vec![(2.into(), 0.into()), ("agents/0".into(), 0.into())]),
    ] {
        refused(&typed(pair), NO_VALUE);
    }
    for result in encode(&json!({"__type__": [3, "x"]})) {
        assert_eq!(result.err(), Some(CodecError::UnknownTypeId { id: 3 }));
    }
    let bytes = Body::encode(Format::MsgPack, &codec_context(), &typed(Value::Bytes(vec![2, 97])));
    assert!(bytes.is_err());
}

/// Channels have no references.
#[test]
fn where_there_are_no_references_maps_are_maps() {
    let mut config = Config::new(Codec::Json);
    config.types = Types::new(["point"]);
    let connection: Connection<()> =
        Connection::new(config.into(), Side::Dialler, std::time::Instant::now());
    for value in [json!({"__type__": [0, "x"]}), json!({"__type__": 5})] {
        let body = Body::encode(Format::Json, connection.codec_context(), &value).expect("a map");
        let payload = Payload::new(Format::Json, body.into_bytes(), CodecContext::default());
        assert_eq!(payload.decode(), Ok(value));
    }
}

#[test]
fn a_refused_reference_costs_only_its_call() {
    let mut config = Config::new(Codec::MsgPack);
    config.types = Types::default().for_rpc();
    let now = std::time::Instant::now();
    let mut connection = Connection::new(config.into(), Side::Dialler, now);
    let value = Value::Typed { id: 0, data: Value::from("x").into() };
    let refused = connection.call(now, &value, CallOptions::default(), ()).expect_err("refused");
    assert!(matches!(refused.why, CallRejected::Codec(CodecError::Value(_))), "{refused:?}");
    connection.call(now, &ServiceRef::new("x"), CallOptions::default(), ()).expect("a call");
    let events = std::iter::from_fn(|| connection.poll_event());
    assert!(events.into_iter().all(|event| matches!(event, Event::Open { .. })));
}

/// Forwards data without inspecting it.
struct Gateway {
    to: Proxy,
    last: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[agent]
impl Gateway {
    #[expose]
    async fn value(&self, value: Value) -> Result<String, Error> {
        self.to.call("greet").arg(value).send().await
    }

    #[expose]
    async fn json(&self, value: serde_json::Value) -> Result<String, Error> {
        self.to.call("greet").arg(value).send().await
    }

    #[expose]
    async fn flat(&self, mut value: Envelope) -> Result<String, Error> {
        assert_eq!(value.name, "x");
        self.to.call("greet").arg(value.rest.remove("whom")).send().await
    }

    #[expose]
    fn keep(&mut self, value: Value) {
        self.last = Some(value);
    }

    #[expose]
    fn kept(&self) -> Option<Value> {
        self.last.clone()
    }
}

struct Vault;

#[agent]
impl Vault {
    #[expose]
    fn name(&self, #[context] context: &Context) -> String {
        format!("the vault was called by {:?}", context.caller().address)
    }
}

/// Calls back its argument.
struct Trusted;

#[agent]
impl Trusted {
    #[expose]
    async fn greet(&self, whom: Proxy) -> Result<String, Error> {
        Ok(format!("hello {}", whom.call("name").send::<String>().await?))
    }
}

/// A peer passes a gateway a reference to its own agent 0. Forwarded, it must not name the
/// gateway's agent 0.
#[test]
fn a_gateway_vouches_for_none_of_its_services() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let host = |name| sim.host(name);
        let trusted = container::builder(host("c")).bind("tcp://c:1").await.unwrap();
        let trusted_url = trusted.spawn(Trusted).unwrap().url().clone();
        let gateway = container::builder(host("b")).bind("tcp://b:1").await.unwrap();
        gateway.spawn(Vault).unwrap();
        let to: Proxy = gateway.connect(trusted_url).await.unwrap();
        let url = gateway.spawn(Gateway { to, last: None }).unwrap().url().clone();

        let peer = container::builder(host("a")).bind("tcp://a:1").await.unwrap();
        let own = peer.spawn(Vault).unwrap();
        let remote: Proxy = peer.connect(url).await.unwrap();
        let remote = remote.with_timeout(Duration::from_secs(60));
        let flat = BTreeMap::from([("whom", &own)]);
        let calls = [
            remote.call("value").arg(&own).send::<String>().await,
            remote.call("json").arg(&own).send::<String>().await,
            remote.call("flat").arg(Flat { name: "x", rest: flat }).send::<String>().await,
        ];
        for result in calls {
            let error = result.expect_err("not forwarded").to_string();
            assert!(error.contains("Error") && !error.contains("hello"), "{error}");
        }
        // On its way back to the owner, it must not name the gateway's agent either.
        remote.call("keep").arg(&own).send::<()>().await.unwrap();
        let error = remote.call("kept").send::<Proxy>().await.expect_err("refused").to_string();
        assert!(error.contains(REFERENCE), "{error}");
    });
}
