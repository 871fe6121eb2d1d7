//! Attacks by number.

use aiomas::Runtime;
use aiomas_core::wire::Format;
use aiomas_core::wire::codec::blosc;

use super::{Ended, LONG, Target, parse, payload, request};
use crate::message::{self, FAILURE, REQUEST};

/// The number of messages in a flood. Without optimisation a million take a minute and show no
/// more.
const MANY: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
/// The number of messages per batch.
const BATCH: usize = 500;

/// Empty messages are invalid.
pub(super) async fn empty_frames<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    while raw.write(&[0; 4 * BATCH]).await.is_ok() {
        raw.pause(std::time::Duration::from_millis(1)).await;
    }
    Some("an empty frame")
}

/// Each of the smallest messages is answered with a failure.
pub(super) async fn tiny_frames<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let tiny = message::raw(Format::MsgPack, REQUEST, b"\0", b"\xc0").repeat(BATCH);
    for _ in 0..MANY / BATCH {
        raw.write(&tiny).await.expect("an open stream");
        for _ in 0..BATCH {
            raw.read().await.expect("an answer");
        }
    }
    None
}

/// Writes until the victim closes. The victim does not read forever, so this ends.
async fn write_only<R: Runtime>(target: &Target<R>, bytes: &[u8]) {
    let mut raw = target.dial().await;
    let start = target.runtime.now();
    while raw.write(bytes).await.is_ok() {
        assert!(target.runtime.now() - start < LONG, "the victim never closes");
    }
}

/// Each request is refused. Unread refusals pile up until the victim stops reading.
pub(super) async fn refusals_that_are_not_read<R: Runtime>(target: Target<R>) -> Ended {
    write_only(&target, &request(1, "$missing", [1]).repeat(BATCH)).await;
    Some("send_timeout")
}

/// Cheap requests with large answers. The victim stops reading until earlier answers are read.
pub(super) async fn answers_that_are_not_read<R: Runtime>(target: Target<R>) -> Ended {
    write_only(&target, &request(1, "text", [100_000])).await;
    Some("send_timeout")
}

/// Requests that are never answered, up to the limit. The victim refuses the rest at once. After
/// the first ones have ended, another method can be called.
pub(super) async fn requests_without_end<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let stay = request(1, "stay", ["x".repeat(100)]).repeat(BATCH);
    let mut waiting = 0;
    for _ in 0..MANY / BATCH {
        raw.write(&stay).await.expect("an open stream");
        waiting += BATCH;
        while waiting > target.limits.max_calls_in {
            raw.read().await.expect("an answer");
            waiting -= 1;
        }
    }
    drop(raw);
    // The same for the limit in bytes.
    let mut raw = target.dial().await;
    let length = target.limits.max_frame / 2;
    for _ in 0..target.limits.max_input_bytes / (length + 30) {
        raw.write_text(1, "stay", length).await.expect("an open stream");
    }
    for id in 0..10 {
        raw.write_text(id, "stay", length).await.expect("an open stream");
        let answer = raw.read().await.expect("a refusal");
        assert_eq!(parse(&answer).0, 2);
        assert!(String::from_utf8_lossy(&answer).contains("Limits::max_input_bytes"));
    }
    None
}

/// A busy agent does not block another one on the same connection.
pub(super) async fn requests_to_a_busy_agent<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    // No more calls than one connection may have pending.
    let most = target.limits.max_calls_in / 2;
    let occupy = request(1, "agents/0/occupy", [0; 0]).repeat(most);
    for round in 0..10 {
        raw.write(&occupy).await.expect("no error");
        raw.write(&request("other", "agents/1/ping", [round])).await.expect("an open stream");
        let mut refused = 0;
        loop {
            let answer = raw.read().await.expect("an answer");
            let (kind, id, content) = parse(&answer);
            if id == "other" {
                assert_eq!((kind, content), (1, round.into()));
                break;
            }
            if kind == FAILURE {
                assert!(String::from_utf8_lossy(&answer).contains("OverloadedError"));
                refused += 1;
            }
        }
        assert!(refused > 0, "there is room for {most}");
    }
    None
}

/// Small pending requests between large, short ones. A pending request must not keep the whole
/// buffer it arrived in.
pub(super) async fn small_requests_among_large_ones<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.channel).await;
    for id in 0..target.limits.max_calls_in - 1 {
        raw.write(&message::message(Format::Json, REQUEST, id, "keep me")).await.expect("read");
        // A number after many blanks, which is answered at once.
        raw.write_filled(b"[0, 2, ", b' ', 100_000, b"7]").await.expect("an open stream");
        raw.read().await.expect("an answer");
    }
    None
}

/// Small calls wait for a busy agent. Each is read together with a large call that fails at once.
pub(super) async fn small_calls_to_a_busy_agent<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    raw.write(&request(0, "agents/0/occupy", [0; 0])).await.expect("an open stream");
    let small = request(1, "agents/0/occupy", ["x".repeat(40)]);
    for _ in 0..target.limits.max_mailbox {
        raw.write(&small).await.expect("an open stream");
        let before = b"[0, 2, [\"agents/9/ping\", [";
        raw.write_filled(before, b' ', 100_000, b"7], {}]]").await.expect("an open stream");
        // On a slow machine, answers of the busy agent come in between.
        let kind = loop {
            let (kind, id, _) = parse(&raw.read().await.expect("an answer"));
            if id == 2 {
                break kind;
            }
        };
        assert_eq!(kind, FAILURE);
    }
    None
}

/// Short frames decompress to the maximum size, and stay pending.
pub(super) async fn blosc_bombs<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let content = ("stay", ["x".repeat(target.limits.max_frame - 64)], serde_json::Map::new());
    let bomb = message::message(Format::MsgPack, REQUEST, 1, content);
    let bomb = message::frame(compressed(payload(&bomb)));
    // A frame that is too long when decompressed.
    let long = message::frame(compressed(&vec![0; 2 * target.limits.max_frame]));
    assert!(bomb.len() < 10_000, "{} bytes", bomb.len());
    let most = target.limits.max_input_bytes / target.limits.max_frame;
    for sent in 1..200 {
        raw.write(&bomb).await.expect("an open stream");
        if sent > most {
            raw.read().await.expect("an answer");
        }
    }
    raw.write(&long).await.expect("an open stream");
    raw.drain().await;
    Some("exceed the limit of")
}

/// Compresses a message as Python does.
fn compressed(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    blosc::compress(message, &blosc::Options::default(), &mut frame).expect("short input");
    frame
}
