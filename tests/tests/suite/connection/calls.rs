//! Ids, late and wrong answers, unknown messages, time.

use aiomas_core::connection::{
    CallError, CallOptions, CloseReason, Config, Event, Side, TimeoutReason,
};
use aiomas_core::wire::{Format, Profile, RemoteError};
use aiomas_tests::message::{FAILURE, REQUEST, RESULT, frame, message, raw};
use aiomas_tests::pair::{Cuts, Pair, Reaction};
use bytes::BytesMut;

use super::{SECOND, Solo, json, msgpack};

const JSON: Format = Format::Json;

#[test]
fn ids_count_up_from_0() {
    let mut solo = Solo::dialler(json());
    for n in 0..300 {
        solo.call(n).unwrap();
        assert_eq!(solo.sent(), [format!("[0, {n}, {n}]").into_bytes()]);
        solo.input(message(JSON, RESULT, n, "ok"));
        assert_eq!(solo.events().len(), 1);
    }
}

/// Polls answers, a late one, a request, and the end of a connection.
#[test]
fn input_can_be_polled() {
    let [mut queued, mut polled] = [(); 2].map(|()| Solo::dialler(json()));
    for solo in [&mut queued, &mut polled] {
        let calls = [0, 1, 2].map(|n| solo.call(n).unwrap());
        solo.connection.cancel(solo.now, calls[1]);
        for (kind, id) in [(RESULT, 0), (RESULT, 1), (REQUEST, 7), (FAILURE, 2)] {
            solo.input.extend_from_slice(&message(JSON, kind, id, "x"));
        }
        solo.sent();
        solo.input.extend_from_slice(&frame(b"[1, 9, null]"));
    }
    queued.connection.handle_input(queued.now, &mut queued.input);
    let events = std::iter::from_fn(|| polled.connection.poll_input(polled.now, &mut polled.input));
    let events: Vec<_> = events.map(|event| format!("{event:?}")).collect();
    assert_eq!(events.len(), 4, "two answers, a request, the end");
    assert!(events[3].contains("UnknownReply"));
    let same: Vec<_> = queued.events().iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(events, same);
    assert_eq!(polled.connection.stats(), queued.connection.stats());
    assert!(polled.input.is_empty());
}

#[test]
fn ids_of_the_peer_are_mirrored() {
    let ids: [&[u8]; 13] = [
        b"null",
        b"\"id \\u00e4\"",
        b"[1, [2, {}]]",
        b"1000000000000000000000000000000",
        b"-5",
        b"1.50",
        b"1e3",
        b"true",
        b"0",
        b"18446744073709551615",
        b"18446744073709551616",
        b"-0",
        b"{\"a\": [null]}",
    ];
    mirrored(JSON, &ids);
    let ids: [&[u8]; 11] = [
        b"\xc0",
        b"\xa2id",
        b"\x92\x01\x91\x80",
        b"\xfb",
        b"\xd3\xff\xff\xff\xff\xff\xff\xff\xfb",
        b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00",
        b"\xc3",
        b"\x7f",
        b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xc4\x03\x00\x01\x02",
        b"\x81\xa1a\xc0",
    ];
    mirrored(Format::MsgPack, &ids);
}

fn mirrored(format: Format, ids: &[&[u8]]) {
    let five: &[u8] = if format == JSON { b"5" } else { b"\x05" };
    let mut solo = Solo::listener(json());
    for id in ids {
        // Two at the same time: ids need not even be unique.
        solo.input(raw(format, REQUEST, id, five));
        solo.input(raw(format, REQUEST, id, five));
        for request in solo.requests() {
            solo.reply(request, 5).unwrap();
        }
        let answer = &raw(format, RESULT, id, five)[4..];
        assert_eq!(solo.sent(), [answer, answer], "{id:?}");
        solo.input(raw(format, REQUEST, id, five));
        let request = solo.requests().remove(0);
        solo.connection.fail(solo.now, request.token, &RemoteError::new("E", "x")).unwrap();
        let text = if format == JSON { &br#""E: x\n""#[..] } else { b"\xa5E: x\n" };
        assert_eq!(solo.sent(), [&raw(format, FAILURE, id, text)[4..]]);
    }
}

/// A peer that does not read receives only part of the written bytes.
#[test]
fn a_call_that_timed_out_was_sent_or_not() {
    for missing in 0..3 {
        let mut solo = Solo::dialler(json());
        let options = CallOptions::timeout(SECOND);
        for ctx in [1, 2] {
            solo.connection.call(solo.now, "x".repeat(2000).as_str(), options, ctx).unwrap();
        }
        let length: usize = solo.take().iter().map(|payload| payload.len() + 4).sum();
        solo.connection.call(solo.now, "behind them", options, 3).unwrap();
        solo.connection.handle_transmitted(solo.now, length / 2 - missing % 2);
        solo.connection.handle_transmitted(solo.now, length / 2 - missing / 2);
        solo.wait(SECOND);
        let answers: Vec<_> = solo
            .events()
            .into_iter()
            .map(|event| match event {
                Event::Answer { ctx, result: Err(CallError::TimedOut { after, sent }), .. } => {
                    assert_eq!(after, SECOND);
                    (ctx, sent)
                }
                event => panic!("{event:?}"),
            })
            .collect();
        assert_eq!(answers, [(1, true), (2, missing == 0), (3, false)]);
    }
}

#[test]
fn a_late_answer_is_ignored() {
    let mut solo = Solo::dialler(json());
    let options = CallOptions::timeout(SECOND);
    let timed_out = solo.connection.call(solo.now, "a", options, 1).unwrap();
    let abandoned = solo.connection.call(solo.now, "b", options, 2).unwrap();
    let other = solo.connection.call(solo.now, "c", CallOptions::default(), 3).unwrap();
    assert_eq!(solo.connection.cancel(solo.now, abandoned), Some(2));
    assert_eq!(solo.connection.cancel(solo.now, abandoned), None);
    assert_eq!(solo.connection.timeout_reason(), Some(TimeoutReason::Call));
    assert_eq!(solo.sent().len(), 3);
    solo.wait(SECOND);
    let events = solo.events();
    let [Event::Answer { id, ctx: 1, result: Err(error) }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((*id, error), (timed_out, &CallError::TimedOut { after: SECOND, sent: true }));
    assert_eq!(solo.connection.cancel(solo.now, timed_out), None);

    for id in [timed_out, abandoned] {
        solo.input(message(JSON, RESULT, id.get(), "late"));
    }
    solo.input(message(JSON, RESULT, other.get(), "in time"));
    assert!(matches!(solo.events()[..], [Event::Answer { ctx: 3, result: Ok(_), .. }]));
    solo.input(message(JSON, FAILURE, other.get(), "again"));
    assert!(solo.events().is_empty());
    assert_eq!(solo.connection.stats().late_answers, 3);
}

#[test]
fn an_answer_to_nothing_closes() {
    for id in ["1", "18446744073709551615", "null", "\"0\"", "-1", "0.0", "[0]"] {
        let mut solo = Solo::dialler(json());
        solo.call("x").unwrap();
        solo.input(frame(format!("[1, {id}, 5]")));
        assert_eq!(solo.closed(), Some(CloseReason::UnknownReply), "{id}");
    }
}

#[test]
fn an_unknown_type_closes_but_for_mosaik() {
    for code in [3, 255, u64::MAX] {
        let mut solo = Solo::listener(json());
        solo.input(message(JSON, code, 0, "x"));
        assert_eq!(solo.closed(), Some(CloseReason::UnknownType { code }));
        let mut solo = Solo::listener(Config::mosaik());
        assert_eq!(Config::mosaik().profile, Profile::Mosaik);
        solo.input(message(JSON, code, 0, "x"));
        solo.request(1, "x");
        assert_eq!(solo.requests().len(), 1);
    }
}

#[test]
fn invalid_messages_close() {
    let json: [&[u8]; 9] = [
        b"",
        b"[",
        b"[]",
        b"[0, 1]",
        b"[\"0\", 1, 2]",
        b"[-1, 0, 0]",
        b"[0, 1, 2",
        b"[0 1 2]",
        b"[0, ,2]",
    ];
    let msgpack: [&[u8]; 4] = [b"\x93", b"\x93\x00", b"\x93\x00\x00", b"\xdc\x00\x02\x00\x00"];
    for payload in json.into_iter().chain(msgpack) {
        let mut solo = Solo::listener(Config::default());
        // Earlier messages are not lost.
        solo.input([message(JSON, REQUEST, 0, 0), frame(payload)].concat());
        let events = solo.events();
        let [Event::Request(_), Event::Closed { reason }] = &events[..] else {
            panic!("{payload:?}: {events:?}");
        };
        assert!(matches!(reason, CloseReason::Malformed { .. }), "{payload:?}: {reason}");
    }
}

#[test]
fn malformed_content_is_the_callers_affair() {
    let mut solo = Solo::listener(json());
    solo.input(frame(b"[0, 1, {]"));
    let request = solo.requests().remove(0);
    assert!(request.content.decode::<serde_json::Value>().is_err());
    solo.reply(request, 1).unwrap();
    assert_eq!(solo.sent(), [&b"[1, 1, 1]"[..]]);
}

#[test]
fn every_input_tells_the_time() {
    let mut solo = Solo::dialler(json());
    let later = solo.now + 5 * SECOND;
    solo.connection.handle_input(later, &mut BytesMut::from(&b"\0"[..]));
    let options = CallOptions::timeout(SECOND);
    solo.connection.call(solo.now, "x", options, 0).unwrap();
    assert_eq!(solo.connection.poll_timeout(), Some(later + SECOND));
}

#[test]
fn a_timeout_beyond_all_time_is_none() {
    let mut solo = Solo::dialler(json());
    let options = CallOptions::timeout(std::time::Duration::MAX);
    solo.connection.call(solo.now, "x", options, 0).unwrap();
    assert_eq!(solo.connection.poll_timeout(), None);
}

#[test]
fn calls_in_both_directions_over_a_slow_link_in_small_pieces() {
    let mut pair = Pair::new(msgpack(), json());
    for side in [Side::Dialler, Side::Listener] {
        let link = &mut pair.end(side).link;
        link.latency = SECOND / 10;
        link.cuts = Cuts::Sizes(vec![1, 2, 3, 5, 7]);
    }
    pair.listener.handler =
        Box::new(|request| Reaction::After(SECOND, Box::new(Reaction::echo(request))));
    let ask = |pair: &mut Pair, side, n: u64| pair.call(side, n, CallOptions::default()).unwrap();
    let out: Vec<_> = (0..50).map(|n| ask(&mut pair, Side::Dialler, n)).collect();
    let back: Vec<_> = (0..50).map(|n| ask(&mut pair, Side::Listener, n)).collect();
    pair.drive();
    for (n, (out, back)) in out.into_iter().zip(back).enumerate() {
        assert_eq!(pair.dialler.result(out), n);
        assert_eq!(pair.listener.result(back), n);
    }
    // Latency, one second, latency: exactly.
    assert_eq!(pair.elapsed(), SECOND + SECOND / 5);
}

#[test]
fn a_reader_that_stalls() {
    let mut config = json();
    config.limits.output_high = 1000;
    config.limits.send_timeout = None;
    let mut pair = Pair::new(config, json());
    pair.dialler.link.stalled = true;
    let call = |pair: &mut Pair| pair.call(Side::Dialler, "x".repeat(100), CallOptions::default());
    while call(&mut pair).is_ok() {}
    // Requests of the other side are still answered.
    let asked = pair.call(Side::Listener, 5, CallOptions::default()).unwrap();
    pair.drive();
    assert!(pair.listener.answer(asked).is_none());
    pair.dialler.link.stalled = false;
    pair.drive();
    assert_eq!(pair.listener.result(asked), 5);
    assert!(pair.dialler.events.iter().any(|event| matches!(event, Event::Writable)));
    assert_eq!(pair.dialler.connection.calls_out(), 0);
    call(&mut pair).unwrap();
}
