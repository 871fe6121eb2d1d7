//! The extensions Cancel and Deadline.

use std::time::Duration;

use aiomas_core::connection::{
    CallError, CallOptions, CallRejected, CancelCause, Close, Config, Event, Extensions, Negotiate,
    Request, Side,
};
use aiomas_core::wire::{Codec, Format, RemoteError};
use aiomas_tests::message::{CANCEL, DEADLINE, RESULT, message};
use aiomas_tests::pair::{Pair, Reaction};
use proptest::prelude::*;
use serde_json::json;

use super::{SECOND, Solo, json as json_config};

const JSON: Format = Format::Json;

fn hello() -> Config {
    let mut config = json_config();
    config.negotiate = Negotiate::Hello { base: Codec::Json, offer: vec![Codec::Json] };
    // Heartbeats have tests of their own.
    config.extensions.heartbeat = false;
    config
}

/// Returns a listener whose peer supports both.
fn agreed(config: Config) -> Solo {
    let mut solo = Solo::listener(config);
    let said = json!({"version": 1, "codecs": ["json"], "extensions": ["cancel", "deadline"]});
    solo.request(0, json!(["$hello", [said], {}]));
    assert_eq!(solo.sent().len(), 1);
    let Extensions { cancel, deadline, heartbeat, .. } = solo.connection.extensions();
    assert!(cancel && deadline && !heartbeat);
    solo
}

/// Returns a dialler whose peer supports both.
fn dialler(format: Format) -> Solo {
    let codec = if format == JSON { Codec::Json } else { Codec::MsgPack };
    let mut config = hello();
    config.negotiate = Negotiate::Hello { base: Codec::Json, offer: vec![codec] };
    let mut solo = Solo::dialler(config);
    let said =
        json!({"version": 1, "codecs": [codec.name()], "extensions": ["deadline", "cancel"]});
    solo.input(message(JSON, RESULT, 0, said));
    assert_eq!((solo.sent().len(), solo.events().len()), (1, 1));
    solo
}

fn in_time(micros: u64) -> CallOptions {
    CallOptions::timeout(Duration::from_micros(micros))
}

impl Solo {
    fn cancel(&mut self, id: impl serde::Serialize) {
        self.input(message(JSON, CANCEL, id, ()));
    }

    fn ask_within(&mut self, id: impl serde::Serialize, deadline: impl serde::Serialize) {
        self.input(message(JSON, DEADLINE, id, (json!({"deadline": json!(deadline)}), "y")));
    }

    /// Returns the only pending request.
    fn asked(&mut self) -> Request {
        let Ok([request]) = <[_; 1]>::try_from(self.requests()) else { panic!("no request") };
        request
    }
}

fn cancelled(event: Option<&Event<u64>>) -> Option<CancelCause> {
    match event {
        Some(Event::Cancelled { cause, .. }) => Some(*cause),
        _ => None,
    }
}

#[test]
fn what_is_written() {
    for (format, request, cancel) in [
        (JSON, &b"[4, 1, [{\"deadline\": 1500000}, \"x\"]]"[..], &b"[3, 1, null]"[..]),
        (
            Format::MsgPack,
            b"\x93\x04\x01\x92\x81\xa8deadline\xce\x00\x16\xe3\x60\xa1x",
            b"\x93\x03\x01\xc0",
        ),
    ] {
        let mut solo = dialler(format);
        let call = solo.connection.call(solo.now, "x", in_time(1_500_000), 7).unwrap();
        assert_eq!(solo.sent(), [request]);
        assert_eq!(solo.connection.cancel(solo.now, call), Some(7));
        assert_eq!(solo.sent(), [cancel]);
        // A second cancellation has no effect.
        assert_eq!(solo.connection.cancel(solo.now, call), None);
        assert!(solo.sent().is_empty());
        // Without a timeout, it is an ordinary request.
        solo.connection.call(solo.now, "x", CallOptions::default(), 7).unwrap();
        assert_eq!(solo.sent().len(), 1);
    }
}

/// Large content is not copied, and compressed content is wrapped first.
#[test]
fn content_of_any_size_and_codec() {
    for codec in [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc] {
        let mut config = hello();
        config.negotiate = Negotiate::Hello { base: Codec::Json, offer: vec![codec] };
        let mut pair = Pair::new(config, json_config());
        pair.drive();
        assert_eq!(pair.dialler.connection.codec(), codec);
        for size in [0, 10, 1023, 1024, 100_000] {
            let text = "x".repeat(size);
            let body = aiomas_core::wire::Body::encode(
                codec.format(),
                pair.dialler.connection.codec_context(),
                &text,
            )
            .unwrap();
            let now = pair.now();
            let call =
                pair.dialler.connection.call_body(now, &body, in_time(5_000_000), 1).unwrap();
            let same = pair.call(Side::Dialler, &text, in_time(5_000_000)).unwrap();
            pair.drive();
            assert_eq!(pair.dialler.result(call), text);
            assert_eq!(pair.dialler.result(same), text);
        }
    }
}

/// Without agreement in Hello, the extensions are neither sent nor understood.
#[test]
fn without_hello_there_is_neither() {
    let off = |mut config: Config| {
        config.extensions = Extensions::NONE;
        config
    };
    for (dialling, listening) in [
        (json_config(), json_config()),
        (off(hello()), json_config()),
        (hello(), off(json_config())),
    ] {
        let mut pair = Pair::new(dialling, listening);
        pair.listener.handler = Box::new(|_| Reaction::Hold);
        pair.drive();
        let call = pair.call(Side::Dialler, "x", in_time(1000)).unwrap();
        let other = pair.call(Side::Dialler, "x", in_time(1_000_000)).unwrap();
        pair.cancel(Side::Dialler, other);
        pair.drive();
        assert!(matches!(pair.dialler.failure(call), CallError::TimedOut { .. }));
        assert_eq!(pair.listener.connection.stats().cancelled, 0);
        let written = String::from_utf8_lossy(&pair.dialler.link.written).into_owned();
        assert!(!written.contains("[3, ") && !written.contains("[4, "), "{written}");
    }
    for code in [CANCEL, DEADLINE] {
        let mut solo = Solo::listener(json_config());
        solo.input(message(JSON, code, 1, (json!({}), 1)));
        let [Event::Closed { reason }] = &solo.events()[..] else {
            panic!("the connection is still open")
        };
        assert!(reason.to_string().contains(&format!("unknown type {code}")));
    }
}

/// Calls sent before the answer to Hello are plain, but can be cancelled.
#[test]
fn calls_behind_hello() {
    let mut pair = Pair::new(hello(), json_config());
    pair.listener.handler = Box::new(|_| Reaction::Hold);
    let dropped = pair.call(Side::Dialler, "x", CallOptions::default()).unwrap();
    let late = pair.call(Side::Dialler, "y", in_time(5_000_000)).unwrap();
    pair.run_for(SECOND);
    pair.cancel(Side::Dialler, dropped);
    pair.drive();
    assert!(matches!(pair.dialler.failure(late), CallError::TimedOut { .. }));
    let causes: Vec<_> = pair.listener.events.iter().map(|event| cancelled(Some(event))).collect();
    // The first one is `Open`.
    assert_eq!(causes, [None, Some(CancelCause::Caller), Some(CancelCause::Caller)]);
}

#[test]
fn a_cancelled_request_is_not_answered_and_counts_until_it_has_ended() {
    let mut config = json_config();
    config.limits.max_calls_in = 1;
    let mut solo = agreed(config);
    solo.request(5, "x");
    let request = solo.asked();
    assert!(request.token.is_cancellable() && !solo.connection.is_cancelled(&request.token));
    solo.cancel(5);
    let events = solo.events();
    let [Event::Cancelled { request: id, cause: CancelCause::Caller }] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(id, request.token.request());
    assert!(solo.connection.is_cancelled(&request.token));
    assert_eq!(solo.connection.calls_in(), 1);
    solo.request(6, "y");
    assert!(solo.sent()[0].starts_with(b"[2, 6, \"OverloadedError"), "the request still counts");
    assert_eq!(solo.connection.reply(solo.now, request.token, "z"), Err(CallRejected::Cancelled));
    assert!(solo.sent().is_empty());
    assert_eq!(solo.connection.calls_in(), 0);
    // Its slot and its id are free again.
    solo.request(5, "x");
    let request = solo.asked();
    assert_eq!(solo.connection.reply(solo.now, request.token, "z"), Ok(()));
    assert_eq!(solo.sent(), [&b"[1, 5, \"z\"]"[..]]);
    // The request with this id has ended.
    solo.cancel(5);
    assert!(solo.events().is_empty() && solo.sent().is_empty());
    assert_eq!(solo.connection.stats().cancelled, 1);
}

/// An id shared by two requests names the first one. Other values name none.
#[test]
fn ids_of_all_kinds() {
    let mut solo = agreed(json_config());
    for id in [json!(7), json!(7), json!("a"), json!(-1), json!(null), json!([7])] {
        solo.request(id, "x");
    }
    let requests = solo.requests();
    let cancellable: Vec<_> = requests.iter().map(|r| r.token.is_cancellable()).collect();
    assert_eq!(cancellable, [true, false, false, false, false, false]);
    for id in [json!("a"), json!(-1), json!(null), json!([7]), json!(8), json!(u64::MAX)] {
        solo.cancel(id);
    }
    assert!(solo.events().is_empty());
    solo.cancel(7);
    solo.cancel(7);
    let events = solo.events();
    let [Event::Cancelled { request, .. }] = events[..] else { panic!("{events:?}") };
    assert_eq!(request, requests[0].token.request());
    for request in requests {
        let _sent = solo.connection.reply(solo.now, request.token, "z");
    }
    assert_eq!(solo.sent().len(), 5);
    // A deadline needs no id.
    solo.ask_within("a", 1_000_000);
    assert!(solo.asked().token.is_cancellable());
}

#[test]
fn a_deadline_ends_a_request() {
    let mut solo = agreed(json_config());
    solo.ask_within(1, 2_000_000);
    let request = solo.asked();
    assert_eq!(request.deadline, Some(solo.now + 2 * SECOND));
    assert_eq!(request.content.decode::<String>().as_deref(), Ok("y"));
    assert_eq!(solo.connection.poll_timeout(), request.deadline);
    solo.wait(2 * SECOND - Duration::from_nanos(1));
    assert!(solo.events().is_empty());
    solo.wait(Duration::from_nanos(1));
    assert_eq!(cancelled(solo.events().first()), Some(CancelCause::Deadline));
    assert!(solo.sent().is_empty(), "the caller knows");
    assert_eq!(solo.connection.poll_timeout(), None);
    assert_eq!(solo.connection.calls_in(), 1);
    solo.cancel(1);
    assert!(solo.events().is_empty(), "the call has already ended");
    let error = RemoteError::value_error("late");
    assert_eq!(solo.connection.fail(solo.now, request.token, &error), Err(CallRejected::Cancelled));
    assert!(solo.sent().is_empty());
    assert_eq!(solo.connection.calls_in(), 0);
}

/// An answered request has no deadline any more.
#[test]
fn deadlines_end_with_their_requests() {
    let mut solo = agreed(json_config());
    for id in 0..20 {
        solo.ask_within(id, 1_000_000 * (id + 1));
    }
    for (id, request) in solo.requests().into_iter().enumerate() {
        match id % 3 {
            0 => solo.connection.reply(solo.now, request.token, "z").unwrap(),
            1 => solo.connection.discard(solo.now, request.token),
            _ => {
                solo.cancel(id);
                solo.connection.discard(solo.now, request.token);
            }
        }
    }
    assert_eq!(solo.connection.poll_timeout(), None);
    assert_eq!(solo.sent().len(), 7);
    solo.wait(100 * SECOND);
    assert_eq!(solo.events().len(), 6);
    assert!(solo.sent().is_empty());
}

#[test]
fn deadlines_of_all_kinds() {
    let mut solo = agreed(json_config());
    // No options, unknown options, and a deadline beyond all times.
    for options in [json!({}), json!({"deadline": null}), json!({"colour": [1]})] {
        solo.input(message(JSON, DEADLINE, 1, (options, "y")));
        let request = solo.asked();
        assert_eq!(request.deadline, None);
        solo.connection.discard(solo.now, request.token);
    }
    solo.ask_within(1, u64::MAX);
    let request = solo.asked();
    solo.connection.discard(solo.now, request.token);
    // Of two equal keys, the last one wins.
    let content = b"[{\"deadline\": \"x\", \"deadline\": 5}, 1]";
    solo.input(aiomas_tests::message::raw(JSON, DEADLINE, b"1", content));
    let request = solo.asked();
    assert_eq!(request.deadline, Some(solo.now + Duration::from_micros(5)));
    solo.connection.discard(solo.now, request.token);
    // The deadline has passed before the request starts.
    solo.ask_within(1, 0);
    let failure = "[2, 1, \"TimeoutError: the deadline of the request has passed already\\n\"]";
    assert_eq!(solo.sent(), [failure.as_bytes()]);
    for deadline in
        [json!(-1), json!(0.5), json!(1e300), json!("1"), json!([1]), json!({}), json!(true)]
    {
        solo.ask_within(1, &deadline);
        let sent = solo.sent();
        assert!(sent[0].starts_with(b"[2, 1, \"ValueError: a request with options "), "{sent:?}");
    }
    let raw = |solo: &mut Solo, content: &str| {
        let content = content.as_bytes();
        solo.input(aiomas_tests::message::raw(JSON, DEADLINE, b"1", content));
        assert!(solo.sent()[0].starts_with(b"[2, 1, \"ValueError: "));
    };
    for content in [
        "1",
        "null",
        "[]",
        "[{}]",
        "[[5], 1]",
        "{}",
        "[{\"deadline\": NaN}, 1]",
        "[{\"deadline\": 99999999999999999999}, 1]",
        "[{}, 1] 2",
        "[{}, ",
        "?",
    ] {
        raw(&mut solo, content);
    }
    assert!(solo.events().is_empty());
    assert_eq!((solo.connection.calls_in(), solo.connection.is_closed()), (0, false));
}

/// Both ends end a call at the same time, up to the latency. Neither keeps state of it.
#[test]
fn both_sides_end_it() {
    for answers in [true, false] {
        let mut pair = Pair::new(hello(), hello());
        pair.listener.handler = Box::new(move |_| {
            let reply = Reaction::Reply(json!(1));
            let later = if answers { 3 * SECOND } else { 1000 * SECOND };
            Reaction::After(later, Box::new(reply))
        });
        pair.listener.link.latency = SECOND;
        pair.dialler.link.latency = SECOND;
        pair.drive();
        let start = pair.elapsed();
        let call = pair.call(Side::Dialler, 1, in_time(5_000_000)).unwrap();
        pair.run_for(5 * SECOND);
        assert!(pair.dialler.answer(call).is_some());
        if answers {
            assert_eq!(pair.dialler.result(call), 1);
        } else {
            assert!(matches!(pair.dialler.failure(call), CallError::TimedOut { .. }));
            assert_eq!(pair.listener.connection.calls_in(), 1);
            pair.drive();
            assert_eq!(pair.elapsed() - start, 6 * SECOND, "delayed as much as its request");
            assert_eq!(pair.dialler.connection.stats().late_answers, 0);
        }
        assert_eq!(pair.listener.connection.calls_in(), 0);
        assert_eq!(pair.dialler.connection.calls_out(), 0);
    }
}

/// Closing waits no longer than the deadlines of its pending calls.
#[test]
fn draining_ends_with_deadlines_and_cancellations() {
    let mut solo = agreed(json_config());
    solo.request(1, "x");
    solo.ask_within(2, 1_000_000);
    let requests = solo.requests();
    solo.connection.close(solo.now, Close::AfterAnswers { within: 100 * SECOND });
    solo.ask_within(3, -1);
    solo.ask_within(4, 1_000_000);
    solo.cancel(1);
    solo.wait(SECOND);
    assert_eq!(solo.events().len(), 2);
    assert_eq!(solo.sent().len(), 2, "refusals");
    for request in requests {
        solo.connection.discard(solo.now, request.token);
    }
    assert!(matches!(solo.events()[..], [Event::Closed { .. }]));
}

/// A full output drops cancellations instead of closing the connection.
#[test]
fn cancellations_are_left_out_when_there_is_no_room() {
    let mut config = hello();
    config.limits.output_high = 1000;
    config.limits.output_cap = 1100;
    let mut solo = Solo::dialler(config);
    let said = json!({"version": 1, "codecs": ["json"], "extensions": ["cancel"]});
    solo.input(message(JSON, RESULT, 0, said));
    let mut calls = Vec::new();
    while let Ok(call) = solo.call("x") {
        calls.push(call);
    }
    assert!(calls.len() > 50);
    for call in calls {
        assert!(solo.connection.cancel(solo.now, call).is_some());
    }
    assert!(!solo.connection.is_closed());
}

/// A cancellation crosses with its answer.
#[test]
fn an_answer_on_its_way_is_late() {
    let mut pair = Pair::new(hello(), json_config());
    pair.drive();
    pair.listener.link.latency = SECOND;
    let call = pair.call(Side::Dialler, 1, CallOptions::default()).unwrap();
    pair.run_for(SECOND / 2);
    assert!(pair.cancel(Side::Dialler, call).is_some());
    pair.drive();
    assert_eq!(pair.dialler.connection.stats().late_answers, 1);
    assert_eq!(pair.listener.connection.stats().cancelled, 0);
    assert_eq!(pair.dialler.closed(), None);
}

proptest! {
    /// Any options and content result in a failure or a request.
    #[test]
    fn any_content_is_survived(content in "\\PC{0,30}", wraps: bool) {
        let content = if wraps { format!("[{{\"deadline\": {content}}}, {content}]") } else { content };
        let mut solo = agreed(json_config());
        solo.input(aiomas_tests::message::raw(JSON, DEADLINE, b"1", content.as_bytes()));
        if !solo.connection.is_closed() {
            // The content is validated when it is decoded, as for any request.
            let asked = solo.requests();
            let refused = solo.sent();
            prop_assert_eq!(asked.len() + refused.len(), 1);
        }
    }
}
