//! Requests and answers without RPC.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aiomas_core::agent::{ConnId, Serve};
use aiomas_core::connection::{CallError, CallOptions, CloseReason};
use aiomas_core::wire::{RemoteError, Value};
use serde_json::json;

use super::{Client, Scenario, decode, failure, loss};
use crate::client::{Server, content};
use crate::host::CallFailed;
use crate::types::{Celsius, Point};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("values", values),
    Scenario::new("non_finite", non_finite),
    Scenario::typed("typed_values", typed_values),
    Scenario::new("failures", failures),
    Scenario::new("slow_requests_delay_no_other", slow_requests_delay_no_other),
    Scenario::new("out_of_order", out_of_order),
    Scenario::new("requests_of_the_server", requests_of_the_server),
    Scenario::new("ids_of_the_server", ids_of_the_server),
    Scenario::new("concurrent_1000", concurrent_1000),
    Scenario::new("connections_10", connections_10),
    Scenario::new("mebibytes_8", mebibytes_8),
    Scenario::new("byte_by_byte", byte_by_byte),
    Scenario::new("many_in_one_write", many_in_one_write),
    Scenario::new("server_closes", server_closes),
    Scenario::new("half_an_answer", half_an_answer),
    Scenario::new("late_answers_are_ignored", late_answers_are_ignored),
    Scenario::new("bad_peers_harm_no_other", bad_peers_harm_no_other),
];

/// Returns a client and its connection.
fn open(server: &Server) -> (Client, ConnId) {
    let mut client = Client::new(server, Serve::Content);
    let conn = client.open(&server.address).unwrap_or_else(|error| panic!("{error}"));
    (client, conn)
}

#[track_caller]
fn expect_echo(client: &mut Client, conn: ConnId, value: Value) {
    let answer = client.send(conn, &value);
    assert!(answer.as_ref() == Ok(&value), "{answer:.300?} in place of {value:.300?}");
}

/// Values of all kinds are echoed unchanged.
fn values(server: &Server) {
    let (mut client, conn) = open(server);
    for value in content::values(server.codec.format()) {
        expect_echo(&mut client, conn, value);
    }
    let minus_zero = client.send(conn, -0.0);
    assert!(matches!(minus_zero, Ok(Value::Float(zero)) if zero.is_sign_negative()));
}

fn non_finite(server: &Server) {
    let (mut client, conn) = open(server);
    let answer = client.send(conn, [f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    let Ok(Value::List(list)) = &answer else { panic!("{answer:?}") };
    let numbers: Vec<_> = list.iter().filter_map(Value::as_f64).collect();
    assert!(matches!(numbers[..], [f64::INFINITY, f64::NEG_INFINITY, nan] if nan.is_nan()));
}

fn typed_values(server: &Server) {
    let (mut client, conn) = open(server);
    let content = content::typed(server.serializers);
    let pending = client.start_send(conn, &content);
    let answer = client.wait(pending).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(decode::<(Celsius, Vec<Point>)>(&answer), content);
}

/// A failed request does not affect the connection.
fn failures(server: &Server) {
    let (mut client, conn) = open(server);
    for text in ["ohno", "Ärger 💥", ""] {
        let error = failure(client.send(conn, json!({"cmd": "fail", "msg": text})));
        assert_eq!((error.kind(), error.message()), ("ValueError", text));
    }
    let error = failure(client.send(conn, json!({"cmd": "unserializable"})));
    assert!(error.text().contains("SerializationError"), "{error}");
    expect_echo(&mut client, conn, "still here".into());
}

fn slow_requests_delay_no_other(server: &Server) {
    let (mut client, conn) = open(server);
    let slow = client.start_send(conn, json!({"cmd": "delay", "ms": 600_000, "value": null}));
    let fast = client.send(conn, json!({"cmd": "delay", "ms": 10, "value": "fast"}));
    assert_eq!(fast, Ok("fast".into()));
    expect_echo(&mut client, conn, "faster".into());
    assert!(!slow.is_done());
}

/// Each answer is sent as soon as it is known: here in the reverse order of the requests.
fn out_of_order(server: &Server) {
    let (mut client, conn) = open(server);
    let mut calls: Vec<_> =
        (0..10).map(|i| client.start_send(conn, json!({"cmd": "callback", "value": i}))).collect();
    // A server may handle requests concurrently.
    let mut tickets = BTreeMap::new();
    while tickets.len() < calls.len() {
        let (ticket, content) = client.next_request();
        let i = content.get("cb").and_then(Value::as_i64).expect("a callback");
        tickets.insert(i, ticket);
    }
    while let (Some(call), Some((i, ticket))) = (calls.pop(), tickets.pop_last()) {
        client.host.reply(ticket, &i);
        let answer = client.wait(call).map(|payload| decode::<Value>(&payload));
        assert_eq!(answer, Ok(json!({"cb_result": i}).into()));
        assert!(calls.iter().all(|call| !call.is_done()));
    }
}

/// The server calls back while our request is pending.
fn requests_of_the_server(server: &Server) {
    let (mut client, conn) = open(server);
    for value in [json!(1), json!("x"), json!([1, {"y": null}])] {
        let call = client.start_send(conn, json!({"cmd": "callback", "value": value}));
        let (ticket, content) = client.next_request();
        assert_eq!(content, json!({"cb": value}).into());
        client.host.reply(ticket, &[&value, &value]);
        let answer = client.wait(call).map(|payload| decode::<Value>(&payload));
        assert_eq!(answer, Ok(json!({"cb_result": [value, value]}).into()));
    }
    let call = client.start_send(conn, json!({"cmd": "callback", "value": "boom"}));
    let (ticket, _) = client.next_request();
    client.host.fail(ticket, RemoteError::new("KeyError", "'boom'"));
    let answer = client.wait(call).map(|payload| decode::<Value>(&payload));
    assert_eq!(answer, Ok(json!({"cb_error": true}).into()));
}

/// Each side counts its requests from 0, and mirrors the ids of its peer.
fn ids_of_the_server(server: &Server) {
    let mut stream = server.raw();
    let ids =
        [json!(0), json!(7), json!(7), json!(1_u64 << 40), json!(-5), json!("text"), json!(null)];
    for (n, id) in ids.into_iter().chain([json!([1, [2]])]).enumerate() {
        stream.write(&server.frame(json!([0, id, {"cmd": "callback", "value": n}])));
        assert_eq!(stream.read(), json!([0, n, {"cb": n}]).into());
        stream.write(&server.frame(json!([1, n, "got it"])));
        assert_eq!(stream.read(), json!([1, id, {"cb_result": "got it"}]).into());
    }
}

fn concurrent_1000(server: &Server) {
    let (mut client, conn) = open(server);
    let content = |i: usize| Value::from(json!([i, "x".repeat(i % 50)]));
    let calls: Vec<_> = (0..1000).map(|i| client.start_send(conn, content(i))).collect();
    for (i, call) in calls.into_iter().enumerate() {
        let answer = client.wait(call).map(|payload| decode::<Value>(&payload));
        assert_eq!(answer, Ok(content(i)));
    }
}

/// Each connection counts its own requests.
fn connections_10(server: &Server) {
    let (mut client, first) = open(server);
    let more = (1..10).map(|_| client.open(&server.address).unwrap_or_else(|e| panic!("{e}")));
    let conns: Vec<_> = [first].into_iter().chain(more.collect::<Vec<_>>()).collect();
    let mut calls = Vec::new();
    for i in 0..100 {
        for (n, conn) in conns.iter().enumerate() {
            calls.push((n, i, client.start_send(*conn, (n, i))));
        }
    }
    for (n, i, call) in calls {
        let answer = client.wait(call).map(|payload| decode::<(usize, usize)>(&payload));
        assert_eq!(answer, Ok((n, i)));
    }
}

fn mebibytes_8(server: &Server) {
    let (mut client, conn) = open(server);
    let size = 8 << 20;
    expect_echo(&mut client, conn, content::large(server.codec.format(), size));
    let blob = client.send(conn, json!({"cmd": "blob", "size": size}));
    assert!(blob == Ok("x".repeat(size).into()), "the blob differs");
}

/// A request in one write per byte, while the server handles another one in between.
fn byte_by_byte(server: &Server) {
    let (mut client, conn) = open(server);
    let mut stream = server.raw();
    for byte in server.frame((0, 12345, "drop by drop")) {
        stream.write(&[byte]);
        expect_echo(&mut client, conn, "tick".into());
    }
    assert_eq!(stream.read(), json!([1, 12345, "drop by drop"]).into());
}

/// The last request lacks a byte, which follows after the answers to the others.
fn many_in_one_write(server: &Server) {
    let mut stream = server.raw();
    let frames: Vec<u8> = (0..200).flat_map(|i| server.frame((0, i, [i]))).collect();
    let (most, last) = frames.split_at(frames.len() - 1);
    stream.write(most);
    for _ in 0..199 {
        let answer = stream.read();
        let Some([kind, id, Value::List(content)]) = answer.as_list() else { panic!("{answer:?}") };
        assert_eq!((kind.as_i64(), &content[..]), (Some(1), &[id.clone()][..]));
    }
    stream.write(last);
    assert_eq!(stream.read(), json!([1, 199, [199]]).into());
}

/// All pending requests fail, and so do later ones.
fn server_closes(server: &Server) {
    let (mut client, conn) = open(server);
    let pending = client.start_send(conn, json!({"cmd": "delay", "ms": 600_000, "value": null}));
    assert_eq!(loss(client.send(conn, json!({"cmd": "close"}))), CloseReason::Peer);
    assert_eq!(loss(client.wait(pending)), CloseReason::Peer);
    let refused = client.send(conn, "too late");
    assert!(matches!(refused, Err(CallFailed::Refused(_))), "{refused:?}");
}

fn half_an_answer(server: &Server) {
    let (mut client, conn) = open(server);
    let reason = loss(client.send(conn, json!({"cmd": "half"})));
    assert!(matches!(reason, CloseReason::Truncated { unread: 5.. }), "{reason:?}");
}

/// A call that times out fails alone, even when its answer arrives later.
fn late_answers_are_ignored(server: &Server) {
    let (mut client, conn) = open(server);
    let timeout = Duration::from_millis(50);
    let content = json!({"cmd": "callback", "value": "late"});
    let start = Instant::now();
    let call = client.begin(|host, then| {
        host.send(conn, &content, CallOptions::timeout(timeout), then);
    });
    let (ticket, _) = client.next_request();
    let result = client.wait(call);
    assert!(
        matches!(result, Err(CallFailed::Call(CallError::TimedOut { after, sent: true })) if after == timeout)
    );
    assert!(start.elapsed() >= timeout);
    // Now the server answers, and then calls again.
    client.host.reply(ticket, "late");
    let call = client.start_send(conn, json!({"cmd": "callback", "value": "in time"}));
    let (ticket, _) = client.next_request();
    client.host.reply(ticket, "in time");
    let answer = client.wait(call).map(|payload| decode::<Value>(&payload));
    assert_eq!(answer, Ok(json!({"cb_result": "in time"}).into()));
    expect_echo(&mut client, conn, "still here".into());
}

fn bad_peers_harm_no_other(server: &Server) {
    let (mut good, conn) = open(server);
    let slow = json!({"cmd": "delay", "ms": 600_000, "value": null});
    let mut cut = server.frame((0, 0, "cut"));
    cut.pop();
    let left: [&[u8]; 4] = [b"", b"\xff", &cut, &server.frame((0, 0, slow))];
    for bytes in left {
        server.raw().write(bytes);
        expect_echo(&mut good, conn, "fine".into());
    }
    let junk: [&[u8]; 2] = [b"\0\0\0\x05junk!", &[0; 4]];
    let messages = [
        json!([1, 99, "unsolicited"]),
        json!([2, 99, "unsolicited"]),
        json!([7, 0, "which type?"]),
        json!([]),
        json!([0, 0]),
        json!("no list"),
        json!(5),
    ];
    let frames = messages.map(|message| server.frame(message));
    for bytes in junk.into_iter().chain(frames.iter().map(|frame| &frame[..])) {
        let mut stream = server.raw();
        stream.write(bytes);
        stream.expect_end();
        expect_echo(&mut good, conn, "fine".into());
    }
}
