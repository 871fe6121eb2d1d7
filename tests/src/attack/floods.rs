//! Attacks by number.

use aiomas::Runtime;
use aiomas_core::wire::Format;
use aiomas_core::wire::codec::blosc;

use super::{Ended, LONG, Target, parse, payload, request};
use crate::message::{self, FAILURE, REQUEST};

/// So many are many. A million take a minute without optimisation, and go the same way.
const MANY: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
/// So many at a time.
const BATCH: usize = 500;

/// No message is empty.
pub(super) async fn empty_frames<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    while raw.write(&[0; 4 * BATCH]).await.is_ok() {
        raw.pause(std::time::Duration::from_millis(1)).await;
    }
    Some("an empty frame")
}

/// Each of the smallest messages is answered, with a failure.
pub(super) async fn tiny_frames<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let tiny = message::raw(Format::MsgPack, REQUEST, b"\0", b"\xc0").repeat(BATCH);
    for _ in 0..MANY / BATCH {
        raw.write(&tiny).await.expect("it is read");
        for _ in 0..BATCH {
            raw.read().await.expect("an answer");
        }
    }
    None
}

/// Writes until the victim closes. It does not read, so it cannot go on for ever.
async fn write_only<R: Runtime>(target: &Target<R>, bytes: &[u8]) {
    let mut raw = target.dial().await;
    let start = target.runtime.now();
    while raw.write(bytes).await.is_ok() {
        assert!(target.runtime.now() - start < LONG, "nobody minds");
    }
}

/// Each request is refused, and the refusals pile up until no more are taken.
pub(super) async fn refusals_that_are_not_read<R: Runtime>(target: Target<R>) -> Ended {
    write_only(&target, &request(1, "$missing", [1]).repeat(BATCH)).await;
    Some("send_timeout")
}

/// Each request costs little and its answer much: they wait until the answers before are read.
pub(super) async fn answers_that_are_not_read<R: Runtime>(target: Target<R>) -> Ended {
    write_only(&target, &request(1, "text", [100_000])).await;
    Some("send_timeout")
}

/// Requests that are never answered, until there are too many; those beyond are refused at once. Another method
/// can still be called when the first ones are gone.
pub(super) async fn requests_without_end<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let stay = request(1, "stay", ["x".repeat(100)]).repeat(BATCH);
    let mut waiting = 0;
    for _ in 0..MANY / BATCH {
        raw.write(&stay).await.expect("it is read");
        waiting += BATCH;
        while waiting > target.limits.max_calls_in {
            raw.read().await.expect("an answer");
            waiting -= 1;
        }
    }
    drop(raw);
    // And so by their bytes.
    let mut raw = target.dial().await;
    let length = target.limits.max_frame / 2;
    for _ in 0..target.limits.max_input_bytes / (length + 30) {
        raw.write_text(1, "stay", length).await.expect("it is read");
    }
    for id in 0..10 {
        raw.write_text(id, "stay", length).await.expect("it is read");
        let answer = raw.read().await.expect("a refusal");
        assert_eq!(parse(&answer).0, 2);
        assert!(String::from_utf8_lossy(&answer).contains("Limits::max_input_bytes"));
    }
    None
}

/// An agent that is busy does not keep another one on the same connection from answering.
pub(super) async fn requests_to_a_busy_agent<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    // No more than one connection may ask for at a time.
    let most = target.limits.max_calls_in / 2;
    let occupy = request(1, "agents/0/occupy", [0; 0]).repeat(most);
    for round in 0..10 {
        raw.write(&occupy).await.expect("it goes on");
        raw.write(&request("other", "agents/1/ping", [round])).await.expect("it is read");
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

/// Small requests that stay, between large ones that go: what is kept of the former is not what came with them.
pub(super) async fn small_requests_among_large_ones<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.channel).await;
    for id in 0..target.limits.max_calls_in - 1 {
        raw.write(&message::message(Format::Json, REQUEST, id, "keep me")).await.expect("read");
        // A number behind many blanks, which is answered at once.
        raw.write_filled(b"[0, 2, ", b' ', 100_000, b"7]").await.expect("it is read");
        raw.read().await.expect("an answer");
    }
    None
}

/// Small calls that wait for a busy agent, each read together with a large call that fails at once.
pub(super) async fn small_calls_to_a_busy_agent<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    raw.write(&request(0, "agents/0/occupy", [0; 0])).await.expect("it is read");
    let small = request(1, "agents/0/occupy", ["x".repeat(40)]);
    for _ in 0..target.limits.max_mailbox {
        raw.write(&small).await.expect("it is read");
        let before = b"[0, 2, [\"agents/9/ping\", [";
        raw.write_filled(before, b' ', 100_000, b"7], {}]]").await.expect("it is read");
        let (kind, id, _) = parse(&raw.read().await.expect("an answer"));
        assert_eq!((kind, id), (FAILURE, 2.into()));
    }
    None
}

/// Frames of few bytes that become the longest there may be, and stay.
pub(super) async fn blosc_bombs<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let content = ("stay", ["x".repeat(target.limits.max_frame - 64)], serde_json::Map::new());
    let bomb = message::message(Format::MsgPack, REQUEST, 1, content);
    let bomb = message::frame(compressed(payload(&bomb)));
    // One that is too long when it is unpacked.
    let long = message::frame(compressed(&vec![0; 2 * target.limits.max_frame]));
    assert!(bomb.len() < 10_000, "{} bytes", bomb.len());
    let most = target.limits.max_input_bytes / target.limits.max_frame;
    for sent in 1..200 {
        raw.write(&bomb).await.expect("it is read");
        if sent > most {
            raw.read().await.expect("an answer");
        }
    }
    raw.write(&long).await.expect("it is read");
    raw.drain().await;
    Some("the limit is")
}

/// As Python compresses.
fn compressed(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    blosc::compress(message, &blosc::Options::default(), &mut frame).expect("it is short");
    frame
}
