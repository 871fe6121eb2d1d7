//! Hello: answered, refused, unknown, unanswered, and malformed.

use aiomas_core::connection::{
    CallError, CallOptions, CallRejected, CloseReason, Config, Event, Negotiate, Side,
    TimeoutReason,
};
use aiomas_core::wire::{Codec, Format, RemoteError, Types};
use aiomas_tests::fuzz;
use aiomas_tests::message::{self, FAILURE, REQUEST, RESULT, message};
use aiomas_tests::pair::{Pair, Reaction};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{SECOND, Solo, json as json_config, msgpack};

const JSON: Format = Format::Json;

fn hello(base: Codec, offer: &[Codec]) -> Config {
    let mut config = Config::new(base);
    config.negotiate = Negotiate::Hello { base, offer: offer.to_vec() };
    config
}

fn opened(events: &[Event<u64>]) -> Option<Codec> {
    events.iter().find_map(|event| match event {
        Event::Open { codec } => Some(*codec),
        _ => None,
    })
}

#[test]
fn two_of_us_agree_on_a_codec() {
    let config = hello(Codec::Json, &[Codec::MsgPack, Codec::Json]);
    let mut pair = Pair::new(config, json_config());
    // A call that does not wait for Hello uses the base codec, and so does its answer.
    let early = pair.call(Side::Dialler, "early", CallOptions::default()).unwrap();
    pair.drive();
    assert_eq!(opened(&pair.dialler.events), Some(Codec::MsgPack));
    assert_eq!(pair.dialler.result(early), "early");
    let late = pair.call(Side::Dialler, "late", CallOptions::default()).unwrap();
    let back = pair.call(Side::Listener, "back", CallOptions::default()).unwrap();
    pair.drive();
    assert_eq!(pair.dialler.result(late), "late");
    assert_eq!(pair.listener.result(back), "back");
    let sent: Vec<_> = message::payloads(&pair.dialler.link.written);
    assert!(sent[0].starts_with(br#"[0, 0, ["$hello", ["#));
    let rest: [&[u8]; 3] = [b"[0, 1, \"early\"]", b"\x93\x00\x02\xa4late", b"\x93\x01\x00\xa4back"];
    assert_eq!(sent[1..], rest);
}

#[test]
fn the_best_common_codec_is_the_diallers() {
    let mut listener = json_config();
    listener.accept = vec![Codec::Json];
    let mut pair = Pair::new(hello(Codec::Json, &[Codec::MsgPack, Codec::Json]), listener);
    pair.drive();
    assert_eq!(opened(&pair.dialler.events), Some(Codec::Json));
    assert_eq!(pair.listener.connection.codec(), Codec::Json);
}

#[test]
fn without_a_common_codec_the_base_holds() {
    let mut listener = json_config();
    listener.accept = vec![Codec::Json];
    let mut pair = Pair::new(hello(Codec::Json, &[Codec::MsgPack]), listener);
    let call = pair.call(Side::Dialler, 1, CallOptions::default()).unwrap();
    pair.drive();
    assert_eq!(opened(&pair.dialler.events), Some(Codec::Json));
    assert_eq!(pair.dialler.result(call), 1);
    let answer = &message::payloads(&pair.listener.link.written)[0];
    assert!(answer.starts_with(b"[2, 0, \"ValueError: no codec in common"), "{answer:?}");
}

#[test]
fn types_are_agreed_on_by_name() {
    let mut dialler = hello(Codec::Json, &[Codec::MsgPack]);
    dialler.types = Types::new(["point", "date", "only-here"]);
    let mut listener = json_config();
    listener.types = Types::new(["date", "only-there", "point"]);
    let expected = dialler.types.clone();
    let mut pair = Pair::new(dialler, listener);
    pair.drive();
    for side in [Side::Dialler, Side::Listener] {
        assert_eq!(pair.end(side).connection.codec_context().types(), &expected, "{side:?}");
    }
}

/// The number and length of type names in Hello are limited. They live as long as the connection.
#[test]
fn names_of_types_are_bounded() {
    let question = |types: Vec<String>| {
        let mut solo = Solo::listener(json_config());
        let hello = json!({"version": 1, "codecs": ["json"], "types": types});
        solo.input(message(JSON, REQUEST, 0, ("$hello", (hello,), json!({}))));
        (solo.requests().len(), solo.connection.codec_context().types().names().count())
    };
    assert_eq!(question(vec!["x".repeat(256)]), (0, 1));
    // It is then an ordinary request.
    assert_eq!(question(vec!["x".repeat(257)]), (1, 0));
    assert_eq!(question((0..1000).map(|i| i.to_string()).collect()), (0, 256));
}

#[test]
fn limits_are_agreed_on() {
    let mut listener = json_config();
    listener.limits.max_frame = 5000;
    listener.limits.max_calls_in = 2;
    let mut pair = Pair::new(hello(Codec::Json, &[Codec::Json]), listener);
    pair.listener.handler = Box::new(|_| Reaction::Hold);
    pair.drive();
    let mut call = |content: &str| {
        pair.call(Side::Dialler, content, CallOptions::default()).map_err(|refused| refused.why)
    };
    assert_eq!(call(&"x".repeat(5000)), Err(CallRejected::TooLong { length: 5010, limit: 5000 }));
    assert!(call(&"x".repeat(4990)).is_ok());
    assert!(call("").is_ok());
    assert_eq!(call(""), Err(CallRejected::TooManyCalls { limit: 2 }));
}

#[test]
fn a_python_peer_answers_with_a_failure() {
    let mut solo = Solo::dialler(hello(Codec::Json, &[Codec::MsgPack]));
    assert!(solo.events().is_empty());
    solo.call("x").unwrap();
    assert_eq!(solo.sent().len(), 2);
    solo.input(message(
        JSON,
        FAILURE,
        0,
        "Traceback ...\nLookupError: Name \"$hello\" not found\n",
    ));
    assert_eq!(opened(&solo.events()), Some(Codec::Json));
    solo.call("y").unwrap();
    assert_eq!(solo.sent(), [&b"[0, 2, \"y\"]"[..]]);
    solo.input(message(JSON, RESULT, 1, "x"));
    assert!(matches!(solo.events()[..], [Event::Answer { result: Ok(_), .. }]));
}

#[test]
fn any_other_answer_means_no_hello() {
    for answer in [json!(null), json!("?"), json!({"version": 1, "codecs": ["nope"]}), json!([])] {
        let mut solo = Solo::dialler(hello(Codec::Json, &[Codec::MsgPack]));
        solo.input(message(JSON, RESULT, 0, &answer));
        assert_eq!(opened(&solo.events()), Some(Codec::Json), "{answer}");
        assert_eq!(solo.connection.codec(), Codec::Json);
        // A second answer is late.
        solo.input(message(JSON, RESULT, 0, &answer));
        assert_eq!(solo.connection.stats().late_answers, 1);
    }
}

#[test]
fn unknown_fields_and_missing_ones_are_understood() {
    let mut solo = Solo::dialler(hello(Codec::Json, &[Codec::MsgPack]));
    let answer = json!({"version": 9, "codecs": ["msgpack"], "colour": [1, {"a": null}]});
    solo.input(message(JSON, RESULT, 0, answer));
    assert_eq!(opened(&solo.events()), Some(Codec::MsgPack));
}

#[test]
fn a_limit_that_no_failure_would_fit_is_not_believed() {
    let mut solo = Solo::dialler(hello(Codec::Json, &[Codec::Json]));
    let answer = json!({"version": 1, "codecs": ["json"], "max_frame": 0, "max_calls": 0});
    solo.input(message(JSON, RESULT, 0, answer));
    assert!(solo.call("x".repeat(4000)).is_ok());
    assert_eq!(solo.call("y"), Err(CallRejected::TooManyCalls { limit: 1 }));
}

#[test]
fn never_answered() {
    let mut config = hello(Codec::Json, &[Codec::MsgPack]);
    config.limits.handshake = 3 * SECOND;
    let mut pair = Pair::new(config, json_config());
    pair.listener.link.stalled = true;
    let call = pair.call(Side::Dialler, 1, CallOptions::default()).unwrap();
    pair.run_for(4 * SECOND);
    let reason = CloseReason::TimedOut(TimeoutReason::Handshake { after: 3 * SECOND });
    assert_eq!(pair.dialler.closed(), Some(&reason));
    assert_eq!(pair.dialler.failure(call), &CallError::Lost(reason));
    assert_eq!(opened(&pair.dialler.events), None);
}

#[test]
fn switched_off_it_is_a_request_like_any_other() {
    let mut listener = json_config();
    listener.answer_hello = false;
    let mut pair = Pair::new(hello(Codec::Json, &[Codec::MsgPack]), listener);
    pair.listener.handler = Box::new(|request| {
        let content: Value = request.content.decode().unwrap();
        assert_eq!(content[0], "$hello");
        Reaction::Fail(RemoteError::lookup("Name \"$hello\" not found"))
    });
    pair.drive();
    assert_eq!(opened(&pair.dialler.events), Some(Codec::Json));
    assert_eq!(pair.listener.connection.codec(), Codec::Json);
}

#[test]
fn as_a_second_request_it_is_one_like_any_other() {
    let mut solo = Solo::listener(json_config());
    let question = json!(["$hello", [{"version": 1, "codecs": ["msgpack"]}], {}]);
    solo.request(0, "first");
    solo.request(1, &question);
    let requests = solo.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].content.decode(), Ok(question.clone()));
    assert_eq!(solo.connection.codec(), Codec::Json);
    // A dialler receives no Hello.
    let mut solo = Solo::dialler(json_config());
    solo.request(1, &question);
    assert_eq!(solo.requests().len(), 1);
}

#[test]
fn lookalikes_of_hello_are_requests() {
    for content in [
        json!(["$hello", [], {}]),
        json!(["$hello", [{"version": 1}], {}]),
        json!(["$hello"]),
        json!("$hello"),
        json!(["$hello2", [{"version": 1, "codecs": ["msgpack"]}], {}]),
    ] {
        let mut solo = Solo::listener(json_config());
        solo.request(0, &content);
        assert_eq!(solo.requests().len(), 1, "{content}");
    }
}

#[test]
fn after_hello_a_listener_follows_no_more() {
    let mut solo = Solo::listener(json_config());
    solo.request(0, json!(["$hello", [{"version": 1, "codecs": ["msgpack"]}], {}]));
    assert_eq!(solo.sent().len(), 1);
    solo.request(1, "pipelined");
    solo.call("x").unwrap();
    assert_eq!(solo.sent(), [&b"\x93\x00\x00\xa1x"[..]]);
}

#[test]
fn hello_in_msgpack() {
    let mut pair = Pair::new(hello(Codec::MsgPack, &[Codec::Json]), msgpack());
    pair.drive();
    assert_eq!(opened(&pair.dialler.events), Some(Codec::Json));
    assert_eq!(pair.listener.connection.codec(), Codec::Json);
}

#[test]
fn answers_to_pipelined_calls_are_read_although_their_codec_is_not_accepted() {
    let mut config = hello(Codec::Json, &[Codec::MsgPack]);
    config.accept = vec![Codec::MsgPack];
    let mut pair = Pair::new(config, json_config());
    let call = pair.call(Side::Dialler, 1, CallOptions::default()).unwrap();
    pair.drive();
    assert_eq!(pair.dialler.closed(), None);
    assert_eq!(pair.dialler.result(call), 1);
}

/// Returns valid and nearly valid contents of a peer's Hello.
fn said() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(&["json", "msgpack", "msgpackblosc", "date", "point", ""][..]);
    let list = prop::collection::vec(names, 0..4).prop_map(|names| json!(names));
    let number =
        prop_oneof![(0..10_000_i64).prop_map(Value::from), any::<i64>().prop_map(Value::from)];
    let value =
        prop_oneof![list.clone(), number.clone(), Just(Value::Null), Just(json!({"x": [1.5]}))];
    const FIELDS: [&str; 6] = ["codecs", "max_frame", "max_calls", "extensions", "types", "else"];
    let field = (prop::sample::select(&FIELDS[..]), value);
    (prop::option::weighted(0.9, 0..3), list, prop::collection::vec(field, 0..4)).prop_map(
        |(version, codecs, fields)| {
            let version = version.map(|version| ("version", json!(version)));
            let fields = [("codecs", codecs)].into_iter().chain(version).chain(fields);
            fields.map(|(name, value)| (name.to_owned(), value)).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The agreement equals that of the model for any peer. See `fuzz::hello`.
    #[test]
    fn the_agreement_equals_the_models(setup: u8, said in said()) {
        let format = if setup & 1 == 0 { Format::Json } else { Format::MsgPack };
        fuzz::hello(&[&[setup], &message::encoded(format, &said)[..]].concat());
    }
}
