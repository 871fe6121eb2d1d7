//! Attacks that cancel their requests at once ("rapid reset").

use aiomas::Runtime;
use aiomas_core::wire::Format;
use serde_json::json;

use super::{Ended, Target, parse, request};
use crate::message::{self, CANCEL, DEADLINE, FAILURE, RESULT};
use crate::raw::Raw;

/// The number of messages in a flood. Without optimisation, fewer suffice.
const MANY: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
/// The number of messages per batch.
const BATCH: usize = 500;

/// Sends Hello, and offers all extensions.
async fn say_hello<R: Runtime>(raw: &mut Raw<R>) {
    let said = json!({"version": 1, "codecs": ["json"], "extensions": ["cancel", "deadline"]});
    raw.write(&request(0, "$hello", (said,))).await.expect("an open stream");
    let (kind, _, answer) = parse(&raw.read().await.expect("an answer"));
    assert_eq!((kind, &answer["extensions"]), (RESULT, &json!(["cancel", "deadline"])));
}

fn cancel(id: impl serde::Serialize) -> Vec<u8> {
    message::message(Format::Json, CANCEL, id, ())
}

/// Returns a call with a deadline in microseconds, which may be invalid.
fn request_within(id: usize, path: &str, deadline: &serde_json::Value) -> Vec<u8> {
    let content = (json!({"deadline": deadline}), (path, ["x".repeat(100)], json!({})));
    message::message(Format::Json, DEADLINE, id, content)
}

/// Waits until the victim has handled all earlier messages.
async fn catch_up<R: Runtime>(raw: &mut Raw<R>) {
    raw.write(&request("last", "ping", [1])).await.expect("an open stream");
    loop {
        let answer = raw.read().await.expect("an answer");
        let (kind, id, content) = parse(&answer);
        if id == "last" {
            let refused = kind == FAILURE && content.to_string().contains("OverloadedError");
            assert!(kind == RESULT || refused, "{content}");
            if kind == RESULT {
                return;
            }
            raw.write(&request("last", "ping", [1])).await.expect("an open stream");
        } else {
            assert_eq!(kind, FAILURE, "nothing else is answered");
        }
    }
}

/// Each call is cancelled in the same write, so most of them never start.
pub(super) async fn calls_that_are_cancelled_at_once<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    say_hello(&mut raw).await;
    for round in 0..MANY / BATCH {
        let calls = (0..BATCH).flat_map(|number| {
            let id = round * BATCH + number;
            [request(id, "stay", ["x".repeat(100)]), cancel(id)].concat()
        });
        raw.write(&calls.collect::<Vec<_>>()).await.expect("an open stream");
        catch_up(&mut raw).await;
    }
    None
}

/// Each call is cancelled while it runs. It is dropped at its next wait, and only then frees its
/// slot.
pub(super) async fn calls_that_are_cancelled_while_they_run<R: Runtime>(
    target: Target<R>,
) -> Ended {
    let mut raw = target.dial().await;
    say_hello(&mut raw).await;
    let most = target.limits.max_calls_in - 1;
    for round in 0..MANY / BATCH {
        let ids = || (0..most).map(|number| round * most + number);
        let calls: Vec<u8> = ids().flat_map(|id| request(id, "stay", ["x".repeat(100)])).collect();
        raw.write(&calls).await.expect("an open stream");
        catch_up(&mut raw).await;
        raw.write(&ids().flat_map(cancel).collect::<Vec<_>>()).await.expect("an open stream");
        catch_up(&mut raw).await;
    }
    None
}

/// Calls that wait for an agent are cancelled. They leave its queue, and other calls proceed.
pub(super) async fn calls_that_are_cancelled_in_a_queue<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    say_hello(&mut raw).await;
    let path = "agents/0/occupy";
    raw.write(&request("first", path, [0; 0])).await.expect("an open stream");
    for id in 0..MANY / 100 {
        raw.write(&request(id, path, [0; 0])).await.expect("an open stream");
        raw.write(&request("ping", "agents/1/ping", [1])).await.expect("an open stream");
        loop {
            let (kind, answered, content) = parse(&raw.read().await.expect("an answer"));
            assert_eq!(kind, RESULT, "{content}");
            if answered == "ping" {
                break;
            }
            assert_eq!(answered, "first", "the call should be cancelled");
            raw.write(&request("first", path, [0; 0])).await.expect("an open stream");
        }
        raw.write(&cancel(id)).await.expect("an open stream");
    }
    None
}

/// Cancelling an unknown id, an answered call or an invalid id has no effect. A peer that did not
/// agree on the extension is disconnected.
pub(super) async fn cancellations_of_nothing<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    say_hello(&mut raw).await;
    for round in 0..MANY / BATCH {
        let ids = [json!(round), json!(u64::MAX), json!("x"), json!(null), json!(-1), json!([[]])];
        let some: Vec<u8> = ids.into_iter().cycle().take(BATCH).flat_map(cancel).collect();
        raw.write(&some).await.expect("an open stream");
        catch_up(&mut raw).await;
    }
    let mut raw = target.dial().await;
    raw.write(&cancel(1)).await.expect("an open stream");
    assert_eq!(raw.read().await, None);
    Some("unknown type 3")
}

/// Deadlines that are absent, expired, too far ahead or invalid, in thousands of pending calls.
pub(super) async fn deadlines_of_all_kinds<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    say_hello(&mut raw).await;
    let wrong = [json!(0), json!(-1), json!(0.5), json!(1e308), json!("1"), json!({"deadline": 1})];
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let deep = serde_json::from_str(&deep).expect("JSON");
    for round in 0..MANY / BATCH {
        for deadline in wrong.iter().chain([&deep]) {
            raw.write(&request_within(round, "stay", deadline)).await.expect("an open stream");
            assert_eq!(parse(&raw.read().await.expect("an answer")).0, FAILURE);
        }
        // All deadlines differ, and all expire just after their calls have started.
        let short: Vec<u8> =
            (1..=BATCH).flat_map(|micros| request_within(micros, "stay", &json!(micros))).collect();
        raw.write(&short).await.expect("an open stream");
        catch_up(&mut raw).await;
    }
    let most = target.limits.max_calls_in / 2;
    let long = (0..most).flat_map(|id| {
        let deadline = if id % 2 == 0 { u64::MAX } else { 1_000_000_000 };
        request_within(id, "stay", &json!(deadline))
    });
    raw.write(&long.collect::<Vec<_>>()).await.expect("an open stream");
    for _ in 0..most {
        assert_eq!(parse(&raw.read().await.expect("an answer")).0, RESULT, "the calls have time");
    }
    None
}
