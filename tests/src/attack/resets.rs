//! Attacks by those who give up what they have asked for: "rapid reset".

use aiomas::Runtime;
use aiomas_core::wire::Format;
use serde_json::json;

use super::{Ended, Target, parse, request};
use crate::message::{self, CANCEL, DEADLINE, FAILURE, RESULT};
use crate::raw::Raw;

/// So many are many. Without optimisation, less will do.
const MANY: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
/// So many at a time.
const BATCH: usize = 500;

/// Says Hello, and that it knows everything.
async fn say_hello<R: Runtime>(raw: &mut Raw<R>) {
    let said = json!({"version": 1, "codecs": ["json"], "extensions": ["cancel", "deadline"]});
    raw.write(&request(0, "$hello", (said,))).await.expect("it is read");
    let (kind, _, answer) = parse(&raw.read().await.expect("an answer"));
    assert_eq!((kind, &answer["extensions"]), (RESULT, &json!(["cancel", "deadline"])));
}

fn cancel(id: impl serde::Serialize) -> Vec<u8> {
    message::message(Format::Json, CANCEL, id, ())
}

/// A call within so many microseconds, or whatever that is.
fn request_within(id: usize, path: &str, deadline: &serde_json::Value) -> Vec<u8> {
    let content = (json!({"deadline": deadline}), (path, ["x".repeat(100)], json!({})));
    message::message(Format::Json, DEADLINE, id, content)
}

/// Waits until all before has been dealt with.
async fn catch_up<R: Runtime>(raw: &mut Raw<R>) {
    raw.write(&request("last", "ping", [1])).await.expect("it is read");
    loop {
        let answer = raw.read().await.expect("an answer");
        let (kind, id, content) = parse(&answer);
        if id == "last" {
            let refused = kind == FAILURE && content.to_string().contains("OverloadedError");
            assert!(kind == RESULT || refused, "{content}");
            if kind == RESULT {
                return;
            }
            raw.write(&request("last", "ping", [1])).await.expect("it is read");
        } else {
            assert_eq!(kind, FAILURE, "nothing else is answered");
        }
    }
}

/// Each call is cancelled at once, in the same write: most of them never begin.
pub(super) async fn calls_that_are_cancelled_at_once<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    say_hello(&mut raw).await;
    for round in 0..MANY / BATCH {
        let calls = (0..BATCH).flat_map(|number| {
            let id = round * BATCH + number;
            [request(id, "stay", ["x".repeat(100)]), cancel(id)].concat()
        });
        raw.write(&calls.collect::<Vec<_>>()).await.expect("it is read");
        catch_up(&mut raw).await;
    }
    None
}

/// Each call is cancelled when it runs: it is dropped where it waits, and only then counts no more.
pub(super) async fn calls_that_are_cancelled_while_they_run<R: Runtime>(
    target: Target<R>,
) -> Ended {
    let mut raw = target.dial().await;
    say_hello(&mut raw).await;
    let most = target.limits.max_calls_in - 1;
    for round in 0..MANY / BATCH {
        let ids = || (0..most).map(|number| round * most + number);
        let calls: Vec<u8> = ids().flat_map(|id| request(id, "stay", ["x".repeat(100)])).collect();
        raw.write(&calls).await.expect("it is read");
        catch_up(&mut raw).await;
        raw.write(&ids().flat_map(cancel).collect::<Vec<_>>()).await.expect("it is read");
        catch_up(&mut raw).await;
    }
    None
}

/// Calls that wait for an agent are cancelled: they leave its queue, and others have their turn.
pub(super) async fn calls_that_are_cancelled_in_a_queue<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    say_hello(&mut raw).await;
    let path = "agents/0/occupy";
    raw.write(&request("first", path, [0; 0])).await.expect("it is read");
    for id in 0..MANY / 100 {
        raw.write(&request(id, path, [0; 0])).await.expect("it is read");
        raw.write(&request("ping", "agents/1/ping", [1])).await.expect("it is read");
        loop {
            let (kind, answered, content) = parse(&raw.read().await.expect("an answer"));
            assert_eq!(kind, RESULT, "{content}");
            if answered == "ping" {
                break;
            }
            assert_eq!(answered, "first", "it was to be cancelled");
            raw.write(&request("first", path, [0; 0])).await.expect("it is read");
        }
        raw.write(&cancel(id)).await.expect("it is read");
    }
    None
}

/// What has never been asked, is answered, or has no such id, can be cancelled to no effect; also by those who have
/// not agreed on anything: they are cut off.
pub(super) async fn cancellations_of_nothing<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    say_hello(&mut raw).await;
    for round in 0..MANY / BATCH {
        let ids = [json!(round), json!(u64::MAX), json!("x"), json!(null), json!(-1), json!([[]])];
        let some: Vec<u8> = ids.into_iter().cycle().take(BATCH).flat_map(cancel).collect();
        raw.write(&some).await.expect("it is read");
        catch_up(&mut raw).await;
    }
    let mut raw = target.dial().await;
    raw.write(&cancel(1)).await.expect("it is read");
    assert_eq!(raw.read().await, None);
    Some("unknown type 3")
}

/// None, over at once, beyond all time, and no times at all; in calls that stay, by the thousand.
pub(super) async fn deadlines_of_all_kinds<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    say_hello(&mut raw).await;
    let wrong = [json!(0), json!(-1), json!(0.5), json!(1e308), json!("1"), json!({"deadline": 1})];
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let deep = serde_json::from_str(&deep).expect("JSON");
    for round in 0..MANY / BATCH {
        for deadline in wrong.iter().chain([&deep]) {
            raw.write(&request_within(round, "stay", deadline)).await.expect("it is read");
            assert_eq!(parse(&raw.read().await.expect("an answer")).0, FAILURE);
        }
        // All different, and all over when their calls have just begun.
        let short: Vec<u8> =
            (1..=BATCH).flat_map(|micros| request_within(micros, "stay", &json!(micros))).collect();
        raw.write(&short).await.expect("it is read");
        catch_up(&mut raw).await;
    }
    let most = target.limits.max_calls_in / 2;
    let long = (0..most).flat_map(|id| {
        let deadline = if id % 2 == 0 { u64::MAX } else { 1_000_000_000 };
        request_within(id, "stay", &json!(deadline))
    });
    raw.write(&long.collect::<Vec<_>>()).await.expect("it is read");
    for _ in 0..most {
        assert_eq!(parse(&raw.read().await.expect("an answer")).0, RESULT, "they have time");
    }
    None
}
