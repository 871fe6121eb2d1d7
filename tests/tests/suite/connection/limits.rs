//! Every row of the table of limits: at the limit, and one beyond.

use aiomas_core::connection::{
    CallError, CallOptions, CallRejected, CloseReason, Direction, Event, FailureText, Limits,
    TimeoutReason,
};
use aiomas_core::wire::{Body, Budget, CodecError, Envelope, Format, FrameError, RemoteError};
use aiomas_tests::message::{self, frame};

use super::{SECOND, Solo, Unencodable, json, msgpack};

#[test]
fn max_frame_in() {
    let mut config = json();
    config.limits.max_frame = 20;
    let request = br#"[0, 1, "0123456789"]"#;
    let mut solo = Solo::listener(config);
    solo.input(frame(request));
    assert_eq!(solo.requests().len(), 1);
    // The header suffices for the error.
    solo.input([0, 0, 0, 21]);
    let error = FrameError::TooLong { length: 21, limit: 20 };
    assert_eq!(solo.closed(), Some(CloseReason::Frame(error)));
}

#[test]
fn a_header_of_four_gibibytes_costs_nothing() {
    let mut solo = Solo::listener(json());
    solo.input([0xff; 4]);
    let error = FrameError::TooLong { length: u32::MAX.into(), limit: 16 << 20 };
    assert_eq!(solo.closed(), Some(CloseReason::Frame(error)));
    assert!(solo.input.capacity() < 1024);
}

#[test]
fn max_frame_out() {
    let mut config = json();
    config.limits.max_frame = 20;
    let mut solo = Solo::dialler(config);
    let too_long = |length| Err(CallRejected::TooLong { length, limit: 20 });
    solo.call("0123456789").unwrap();
    assert_eq!(solo.sent(), [&br#"[0, 0, "0123456789"]"#[..]]);
    assert_eq!(solo.call("0123456789a").map(|_| ()), too_long(21));
    let mut call_body = |text: &str| {
        let body = Body::encode(Format::Json, solo.connection.codec_context(), text).unwrap();
        let options = CallOptions::default();
        solo.connection.call_body(solo.now, &body, options, 0).map(|_| ()).map_err(|r| r.why)
    };
    assert_eq!(call_body("0123456789"), Ok(()));
    assert_eq!(call_body("0123456789a"), too_long(21));
    // A rejected call uses no id and leaves no state.
    solo.call(7).unwrap();
    assert_eq!(solo.sent(), [&br#"[0, 1, "0123456789"]"#[..], b"[0, 2, 7]"]);
}

#[test]
fn an_answer_that_is_too_long_becomes_a_failure() {
    let mut config = json();
    config.limits.max_frame = 200;
    let mut solo = Solo::listener(config);
    solo.request(1, "x");
    let request = solo.requests().remove(0);
    assert_eq!(
        solo.reply(request, "x".repeat(191)),
        Err(CallRejected::TooLong { length: 201, limit: 200 })
    );
    let sent = solo.sent();
    let failure =
        br#"[2, 1, "aiomas.exceptions.SerializationError: Could not serialize the result: "#;
    assert!(sent[0].starts_with(failure), "{sent:?}");
    // The connection continues.
    solo.request(2, "x");
    let request = solo.requests().remove(0);
    assert_eq!(solo.reply(request, "x".repeat(190)), Ok(()));
    assert_eq!(solo.sent()[0].len(), 200);
}

#[test]
fn an_answer_that_cannot_be_encoded_becomes_a_failure() {
    let mut solo = Solo::listener(msgpack());
    solo.request(1, "x");
    let request = solo.requests().remove(0);
    assert!(matches!(solo.reply(request, Unencodable), Err(CallRejected::Codec(_))));
    assert!(String::from_utf8_lossy(&solo.sent()[0]).contains("SerializationError"));
    solo.request(2, "x");
    let request = solo.requests().remove(0);
    let body = Body::encode(Format::MsgPack, solo.connection.codec_context(), "x").unwrap();
    let wrong = CallRejected::WrongFormat { given: Format::MsgPack, wanted: Format::Json };
    assert_eq!(solo.connection.answer(solo.now, request.token, &Ok(body)), Err(wrong));
    assert!(String::from_utf8_lossy(&solo.sent()[0]).contains("SerializationError"));
    solo.request(3, "x");
    let request = solo.requests().remove(0);
    assert_eq!(solo.reply(request, 5), Ok(()));
    assert_eq!(solo.sent(), [&b"[1, 3, 5]"[..]]);
    assert_eq!(solo.connection.calls_in(), 0);
}

#[test]
fn failures_are_cut_until_they_fit() {
    // Escaping makes this six times as long.
    let error = RemoteError::new("E", "\u{1}".repeat(100_000));
    for max_frame in [100, 1000, 4096, 20_000] {
        for profile in [aiomas_core::wire::Profile::Aiomas, aiomas_core::wire::Profile::Mosaik] {
            let mut config = json();
            config.limits.max_frame = max_frame;
            config.profile = profile;
            let mut solo = Solo::listener(config);
            solo.request(1, "x");
            let request = solo.requests().remove(0);
            assert_eq!(solo.connection.fail(solo.now, request.token, &error), Ok(()));
            let sent = solo.sent();
            assert_eq!(sent.len(), 1, "limit {max_frame}: no answer");
            assert!(sent[0].starts_with(b"[2, 1, ") && sent[0].len() <= max_frame);
        }
    }
}

#[test]
fn budget() {
    let mut config = json();
    config.limits.budget = Budget::new(3, 100);
    let mut solo = Solo::listener(config);
    solo.input(frame(b"[0, 1, [[[1]]]]"));
    solo.input(frame(b"[0, 2, [[[[1]]]]]"));
    let mut requests = solo.requests();
    let deep = requests.pop().unwrap().content;
    let content = requests.pop().unwrap().content;
    assert!(content.decode::<serde_json::Value>().is_ok());
    let error = deep.decode::<serde_json::Value>().unwrap_err();
    assert_eq!(error, CodecError::TooDeep { limit: 3 });
    // An id is skipped immediately.
    solo.input(frame(b"[0, [[[]]], 1]"));
    assert_eq!(solo.requests().len(), 1);
    solo.input(frame(b"[0, [[[[]]]], 1]"));
    assert!(matches!(solo.closed(), Some(CloseReason::Malformed { .. })));
}

#[test]
fn max_calls_out() {
    let mut config = json();
    config.limits.max_calls_out = 2;
    let mut solo = Solo::dialler(config);
    let first = solo.call(0).unwrap();
    solo.call(1).unwrap();
    assert_eq!(solo.call(2), Err(CallRejected::TooManyCalls { limit: 2 }));
    assert_eq!(solo.connection.cancel(solo.now, first), Some(0));
    solo.call(2).unwrap();
    assert_eq!(solo.connection.calls_out(), 2);
}

#[test]
fn max_calls_in() {
    let mut config = json();
    config.limits.max_calls_in = 2;
    let mut solo = Solo::listener(config);
    for id in 0..4 {
        solo.request(id, "x");
    }
    let mut requests = solo.requests();
    assert_eq!(requests.len(), 2);
    let sent = solo.sent();
    assert_eq!(sent.len(), 2);
    let text = r"2 requests are being handled already (`Limits::max_calls_in` there)\n";
    assert_eq!(sent[0], format!(r#"[2, 2, "OverloadedError: {text}"]"#));
    assert_eq!(sent[1], format!(r#"[2, 3, "OverloadedError: {text}"]"#));
    assert_eq!(solo.connection.stats().overloaded, 2);
    // Answering and discarding both free the slot.
    solo.connection.discard(solo.now, requests.remove(0).token);
    solo.reply(requests.remove(0), 1).unwrap();
    assert_eq!(solo.connection.calls_in(), 0);
    solo.request(4, "x");
    solo.request(5, "x");
    assert_eq!(solo.requests().len(), 2);
}

#[test]
fn max_input_bytes() {
    let mut config = json();
    config.limits.max_input_bytes = 20;
    let mut solo = Solo::listener(config);
    // Two payloads of 10 bytes, independent of the kind of their ids.
    solo.input(frame(br#"[0, 11, 7]"#));
    solo.input(frame(br#"[0,"id",7]"#));
    solo.input(frame(b"[0,1,2]"));
    let mut requests = solo.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(solo.connection.stats().overloaded, 1);
    let text = "a request of 7 bytes, and others of 20 that are being handled already, \
                are more than 20 (`Limits::max_input_bytes` there)";
    assert_eq!(solo.sent(), [format!(r#"[2, 1, "OverloadedError: {text}\n"]"#)]);
    solo.reply(requests.remove(0), 1).unwrap();
    solo.input(frame(br#"[0, 11, 7]"#));
    solo.input(frame(b"[0,1,2]"));
    assert_eq!(solo.requests().len(), 1);
    assert_eq!(solo.connection.stats().overloaded, 2);
}

#[test]
fn output_high_and_writable() {
    let mut config = json();
    config.limits.output_high = 30;
    let mut solo = Solo::dialler(config);
    solo.request(1, "x");
    let request = solo.requests().remove(0);
    // 15 bytes each.
    solo.call("a").unwrap();
    solo.call("b").unwrap();
    assert_eq!(solo.take().len(), 2);
    assert_eq!(solo.call("c"), Err(CallRejected::OutputFull { waiting: 30, limit: 30 }));
    // Answers are still accepted, and requests wait.
    solo.request(2, "x");
    assert_eq!(solo.reply(request, 5), Ok(()));
    // 43 bytes wait. The handler returns once less than half of the limit waits.
    solo.connection.handle_transmitted(solo.now, 12);
    assert!(solo.events().is_empty());
    solo.connection.handle_transmitted(solo.now, 15);
    assert_eq!(solo.requests().len(), 1);
    assert_eq!(solo.take().len(), 1);
    solo.connection.handle_transmitted(solo.now, 1);
    assert!(matches!(solo.events()[..], [Event::Writable]));
    solo.connection.handle_transmitted(solo.now, 15);
    assert!(solo.events().is_empty(), "once");
    solo.call("c").unwrap();
}

#[test]
fn output_one_below_the_limit_takes_a_call() {
    let mut config = json();
    config.limits.output_high = 16;
    let mut solo = Solo::dialler(config);
    solo.call("a").unwrap();
    solo.call("b").unwrap();
    assert_eq!(solo.call("c"), Err(CallRejected::OutputFull { waiting: 30, limit: 16 }));
}

fn failure_sent(limits: Limits, error: &RemoteError) -> String {
    let mut config = json();
    config.limits = limits;
    let mut solo = Solo::listener(config);
    solo.request(1, "x");
    let request = solo.requests().remove(0);
    solo.connection.fail(solo.now, request.token, error).unwrap();
    let (_, _, text): (u64, u64, String) = serde_json::from_slice(&solo.sent()[0]).unwrap();
    text
}

#[test]
fn the_peers_view_of_a_failure() {
    let traceback = "Traceback (most recent call last):\n  File \"/home/me/x.py\"\nE: no\n";
    let error = RemoteError::new("E", "no").with_text(traceback);
    let panic = RemoteError::panic(Some("the password is 1234"));
    assert_eq!(failure_sent(Limits::default(), &error), traceback);
    assert_eq!(failure_sent(Limits::default(), &panic), "Panic: the password is 1234\n");
    assert_eq!(failure_sent(Limits::exposed(), &error), "E: no\n");
    assert_eq!(failure_sent(Limits::exposed(), &panic), "Panic: the method panicked\n");
    // The end of a text names its subject.
    let mut limits = Limits::default();
    limits.max_failure = 5;
    assert_eq!(limits.failure_text, FailureText::Full);
    assert_eq!(failure_sent(limits, &error), "E: no\n"[1..]);
    let long = RemoteError::new("E", "x".repeat(5000));
    assert_eq!(failure_sent(Limits::exposed(), &long).len(), 1024);
}

#[test]
fn the_kept_part_of_a_peers_failure() {
    let mut config = json();
    config.limits.max_failure = 100;
    let mut solo = Solo::dialler(config);
    solo.call("x").unwrap();
    let text = format!("E: {}\n", "x".repeat(10_000));
    solo.input(message::message(Format::Json, message::FAILURE, 0, text));
    let mut events = solo.events();
    let Some(Event::Answer { result: Err(CallError::Remote(error)), .. }) = events.pop() else {
        panic!("{events:?}");
    };
    assert_eq!((error.kind(), error.message().len(), error.text().len()), ("E", 100, 100));
}

/// Every refusal names its limit, the setting, and the requested amount.
#[test]
fn every_refusal_names_its_setting() {
    let (limit, length) = (10, 12);
    let codec = |error| CloseReason::Malformed { codec: aiomas_core::wire::Codec::Json, error };
    let after = 10 * SECOND;
    let (ins, outs) = (Direction::In, Direction::Out);
    let closed = [
        (CloseReason::Frame(FrameError::TooLong { length: 12, limit }), "Limits::max_frame", ins),
        (
            CloseReason::TimedOut(TimeoutReason::Output { waiting: 12, after }),
            "Limits::send_timeout",
            outs,
        ),
        (
            CloseReason::TimedOut(TimeoutReason::Unpacking { length, rate: limit }),
            "Limits::unpacking",
            ins,
        ),
        (codec(CodecError::TooDeep { limit: 10 }), "Budget::depth", ins),
        (codec(CodecError::TooManyNodes { limit: 10 }), "Budget::nodes", ins),
        (codec(CodecError::PathTooLong { length, limit: 10 }), "Budget::path", ins),
        (codec(CodecError::TooManyProxies { limit }), "Limits::max_proxies", ins),
        (CloseReason::TimedOut(TimeoutReason::Idle { after }), "Limits::idle", ins),
        (CloseReason::TimedOut(TimeoutReason::Handshake { after }), "Limits::handshake", ins),
        (CloseReason::TimedOut(TimeoutReason::FirstFrame { after }), "Limits::first_frame", ins),
        (
            CloseReason::TimedOut(TimeoutReason::Frame { received: 12, after }),
            "Limits::progress",
            ins,
        ),
    ];
    let refused = [
        (CallRejected::TooManyCalls { limit }, "Limits::max_calls_out", outs),
        (CallRejected::OutputFull { waiting: 12, limit }, "Limits::output_high", outs),
        (CallRejected::TooLong { length, limit }, "Limits::max_frame", outs),
        (CallRejected::Codec(CodecError::TooDeep { limit: 10 }), "Budget::depth", outs),
    ];
    let closed =
        closed.map(|(reason, setting, way)| (reason.to_string(), reason.exceeded(), setting, way));
    let refused =
        refused.map(|(why, setting, way)| (why.to_string(), why.exceeded(), setting, way));
    for (text, exceeded, setting, direction) in closed.into_iter().chain(refused) {
        let exceeded = exceeded.unwrap_or_else(|| panic!("{text}: no limit"));
        assert_eq!((exceeded.setting, exceeded.direction), (setting, direction), "{text}");
        assert!(matches!(exceeded.limit, 10 | 10_000) && exceeded.actual >= exceeded.limit);
        assert!(text.contains(&format!("`{setting}`")) || text.contains(setting), "{text}");
        assert!(text.contains("10") && !text.contains('\n'), "{text}");
        if exceeded.actual == 12 {
            assert!(text.contains("12"), "{text}");
        }
    }
    assert_eq!(CloseReason::Peer.exceeded(), None);
    assert_eq!(CallRejected::Closed.exceeded(), None);
}

/// The head is parsed before other connections run, so neither an id nor blanks may be long.
#[test]
fn the_head_of_a_message_is_bounded() {
    let parse =
        |format, message: Vec<u8>| Envelope::parse(format, message.into(), Budget::DEFAULT).is_ok();
    for (length, fits) in [(3000_u16, true), (5000, false)] {
        let [text, blanks] = ["x", " "].map(|piece| piece.repeat(length.into()));
        assert_eq!(parse(Format::Json, format!("[0, \"{text}\", 1]").into()), fits);
        assert_eq!(parse(Format::Json, format!("[0, {blanks} 7, 1]").into()), fits);
        assert_eq!(parse(Format::Json, format!("[0, 7, 1]{blanks}").into()), fits);
        let [high, low] = length.to_be_bytes();
        let message = [&[0x93, 0, 0xda, high, low], text.as_bytes(), &[1]].concat();
        assert_eq!(parse(Format::MsgPack, message), fits);
    }
}
