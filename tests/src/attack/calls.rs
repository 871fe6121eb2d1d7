//! Attacks on the state of calls.

use std::time::Duration;

use aiomas::Runtime;
use aiomas_core::wire::Format;
use serde_json::{Value, json};

use super::{Ended, Target, parse, request};
use crate::message::{self, FAILURE, RESULT};
use crate::raw::{Raw, within};

/// Returns a reference to a service of the attacker.
fn reference(path: &str) -> Value {
    json!({"__type__": [0, path]})
}

/// Returns an answer to a call of the victim.
fn answer(kind: u64, id: &Value, content: &Value) -> Vec<u8> {
    message::message(Format::Json, kind, id, content)
}

/// Returns the id of the victim's next call. Skips up to `most` answers to our own calls.
async fn called<R: Runtime>(raw: &mut Raw<R>) -> Value {
    loop {
        let (kind, id, _) = parse(&raw.read().await.expect("the victim goes on"));
        if kind == 0 {
            return id;
        }
    }
}

/// Callers disconnect before their calls are answered, including calls that fail. Nothing remains.
pub(super) async fn requests_that_are_lost_at_once<R: Runtime>(target: Target<R>) -> Ended {
    for round in 0..20 {
        let mut raw = target.dial().await;
        let mut requests = request(1, "stay", ["x".repeat(1000)]);
        requests.extend(request(2, "keep", [[reference("a"), reference("b")]]));
        requests.extend(request(3, "keep", [[reference("a"), json!(5)]]));
        requests.extend(request(4, "bounce", (reference("x"), "many")));
        requests.extend(request(5, "fan_out", (reference("x"), 100)));
        raw.write(&requests).await.expect("an open stream");
        if round % 2 == 0 {
            called(&mut raw).await;
        }
    }
    None
}

/// Thousands of references arrive and are dropped.
pub(super) async fn references_taken_and_dropped<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let references = vec![reference("some/service"); 50];
    let requests = request(1, "take", [references]).repeat(10);
    for _ in 0..40 {
        raw.write(&requests).await.expect("an open stream");
        for _ in 0..10 {
            assert_eq!(parse(&raw.read().await.expect("an answer")).0, RESULT);
        }
    }
    None
}

/// The method keeps as many references as permitted. All are released with their connection.
pub(super) async fn references_kept<R: Runtime>(target: Target<R>) -> Ended {
    for _ in 0..4 {
        let mut raw = target.dial().await;
        for _ in 0..4 {
            let some = vec![reference("some/service"); target.limits.max_proxies / 4];
            raw.write(&request(1, "keep", [some])).await.expect("an open stream");
        }
        for _ in 0..10 {
            raw.write(&request(2, "keep", [[reference("x")]])).await.expect("an open stream");
            let refused = raw.read().await.expect("an answer");
            assert_eq!(parse(&refused).0, FAILURE);
            assert!(String::from_utf8_lossy(&refused).contains("Limits::max_proxies"));
        }
    }
    None
}

/// The attacker answers each callback with another call, until the victim refuses.
pub(super) async fn callbacks_that_call_back<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let bounce = |id: usize| request(id, "bounce", (reference("x"), 2));
    raw.write(&bounce(0)).await.expect("an open stream");
    let (mut depth, mut refused) = (1, 0);
    while refused < 100 {
        let message = raw.read().await.expect("the victim goes on");
        if parse(&message).0 == FAILURE {
            assert!(String::from_utf8_lossy(&message).contains("Limits::max_calls_in"));
            refused += 1;
        } else {
            depth += 1;
        }
        raw.write(&bounce(depth)).await.expect("an open stream");
    }
    assert_eq!(depth, target.limits.max_calls_in + 1, "each level is a request that is handled");
    None
}

/// One call makes the victim call back hundreds of times. Only a bounded number is in flight.
pub(super) async fn callbacks_that_fan_out<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let requests: Vec<u8> =
        (0..2).flat_map(|id| request(id, "fan_out", (reference("x"), 200))).collect();
    raw.write(&requests).await.expect("an open stream");
    let mut ids = Vec::new();
    for _ in 0..target.limits.max_calls_out {
        ids.push(called(&mut raw).await);
    }
    let none = within(&target.runtime, Duration::from_millis(300), raw.read()).await;
    assert_eq!(none, None, "those beyond the limit wait");
    // Each answer frees a slot for another call, until the attacker disconnects.
    for id in ids {
        raw.write(&answer(RESULT, &id, &json!(1))).await.expect("an open stream");
    }
    for _ in 0..2 {
        called(&mut raw).await;
    }
    None
}

/// Failures in both directions are truncated, and shown without terminal control characters.
pub(super) async fn failures_that_are_long_and_ugly<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let ugly = "\x1b[2J\u{202e}\r\n".repeat(target.limits.max_frame / 100);
    raw.write(&request(1, "bounce", (reference("x"), 5))).await.expect("an open stream");
    for _ in 0..5 {
        let id = called(&mut raw).await;
        raw.write(&answer(FAILURE, &id, &json!(ugly))).await.expect("an open stream");
    }
    let (kind, _, shown) = parse(&raw.read().await.expect("an answer"));
    let shown = shown.as_str().expect("a text").to_owned();
    assert_eq!(kind, RESULT);
    assert!(!shown.contains(['\x1b', '\u{202e}', '\r', '\n']), "{shown:?}");
    assert!(shown.len() <= 8 * 1024, "{} bytes are shown", shown.len());
    raw.write(&request(2, "fail", [100_000])).await.expect("an open stream");
    let failure = raw.read().await.expect("an answer");
    assert_eq!(parse(&failure).0, FAILURE);
    assert!(failure.len() <= 8 * target.limits.max_failure, "{} bytes are sent", failure.len());
    None
}

/// Methods panic, or return results that cannot be encoded.
pub(super) async fn methods_that_fail<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    for round in 0..20 {
        for (method, args, kind) in [
            ("panic", json!([]), "Panic"),
            ("unencodable", json!([]), "SerializationError"),
            ("text", json!([target.limits.max_frame + 1]), "Limits::max_frame"),
        ] {
            raw.write(&request(round, method, args)).await.expect("an open stream");
            let failure = raw.read().await.expect("an answer");
            assert_eq!(parse(&failure).0, FAILURE);
            let text = String::from_utf8_lossy(&failure);
            assert!(text.contains(kind), "{text}");
        }
    }
    raw.write(&request(1, "ping", [1])).await.expect("an open stream");
    assert_eq!(parse(&raw.read().await.expect("an answer")).2, 1);
    None
}
