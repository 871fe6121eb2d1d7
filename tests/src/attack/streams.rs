//! Attacks on the byte stream: silence, slow writes, early ends.

use std::time::Duration;

use aiomas::Runtime;

use super::{Ended, LONG, Target, parse, request};
use crate::raw::{pause, within};

const HALF: Duration = Duration::from_millis(500);

/// An announced length allocates no memory.
pub(super) async fn a_header_of_four_gibibytes<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    raw.write(&[0xff; 4]).await.expect("an open stream");
    assert_eq!(raw.drain().await, 0);
    Some("max_frame")
}

/// The longest permitted header, and then silence. The stream stays open up to the time limit.
pub(super) async fn a_header_and_then_silence<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let length = target.limits.max_frame as u32;
    raw.write(&length.to_be_bytes()).await.expect("an open stream");
    assert_eq!(raw.drain().await, 0);
    Some("progress")
}

/// Writes one byte at a time, until the victim closes.
async fn drip<R: Runtime>(target: &Target<R>, bytes: &[u8]) {
    let mut raw = target.dial().await;
    raw.write(&request(1, "ping", [1])).await.expect("an open stream");
    raw.read().await.expect("an answer");
    let mut bytes = bytes.iter().chain(std::iter::repeat(&b' '));
    let start = target.runtime.now();
    while let Some(byte) = bytes.next()
        && raw.write(&[*byte]).await.is_ok()
    {
        raw.pause(HALF).await;
        assert!(target.runtime.now() - start < LONG, "the victim never closes");
    }
}

/// The header alone takes too long.
pub(super) async fn a_header_that_drips<R: Runtime>(target: Target<R>) -> Ended {
    drip(&target, &[0, 0, 0, 200]).await;
    Some("progress")
}

/// A frame whose body never ends.
pub(super) async fn a_body_that_drips<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    raw.write(&[0, 1, 0, 0, b'[', b'0', b',']).await.expect("an open stream");
    while raw.write(b" ").await.is_ok() {
        raw.pause(HALF).await;
    }
    Some("progress")
}

/// A peer that never sends a byte.
pub(super) async fn silence<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    assert_eq!(raw.drain().await, 0);
    Some("first_frame")
}

/// The longest permitted frame, quickly but byte by byte. The victim must not rescan it for each
/// byte.
pub(super) async fn a_large_frame_in_small_pieces<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    raw.write_text(1, "take", target.limits.max_frame - 64).await.expect("an open stream");
    let (kind, id, result) = parse(&raw.read().await.expect("an answer"));
    assert_eq!((kind, id, result), (1, 1.into(), "taken".into()));
    None
}

/// More connections than permitted per peer. Accepted ones are answered, the others are closed.
pub(super) async fn a_flood_of_connections<R: Runtime>(target: Target<R>) -> Ended {
    let most = target.limits.max_connections_per_peer;
    for _ in 0..3 {
        let mut open = Vec::new();
        let mut answered = 0;
        for _ in 0..2 * most {
            // The system itself may refuse a connection.
            if let Ok(mut raw) = target.try_dial(&target.rpc).await {
                if raw.write(&request(1, "ping", [1])).await.is_ok() {
                    answered += usize::from(raw.read().await.is_some());
                }
                open.push(raw);
            }
        }
        assert!(answered <= most, "{answered} were let in");
        drop(open);
        // Until they are closed, the victim accepts no other connection from this address.
        pause(&target.runtime, HALF).await;
    }
    None
}

/// Peers that have ended their side, but stay.
pub(super) async fn half_open_connections<R: Runtime>(target: Target<R>) -> Ended {
    let mut open = Vec::new();
    for _ in 0..target.limits.max_connections_per_peer / 2 {
        let mut raw = target.dial().await;
        raw.end().await.expect("open");
        open.push(raw);
    }
    for raw in &mut open {
        let ended = within(&target.runtime, LONG, raw.drain()).await;
        assert_eq!(ended, Some(0), "the victim ends its side as well");
    }
    None
}

/// Peers that abort in the middle of a frame, with unread answers.
pub(super) async fn resets_within_a_frame<R: Runtime>(target: Target<R>) -> Ended {
    for length in 0..24 {
        let mut raw = target.dial().await;
        let mut bytes = request(1, "text", [10_000]);
        let second = request(2, "ping", [2]);
        bytes.extend(&second[..length]);
        raw.write(&bytes).await.expect("an open stream");
        if length % 2 == 0 {
            raw.pause(Duration::from_millis(20)).await;
        }
    }
    None
}

/// The stream ends in the middle of a frame.
pub(super) async fn an_end_within_a_header<R: Runtime>(target: Target<R>) -> Ended {
    for length in 1..4 {
        let mut raw = target.dial().await;
        raw.write(&[0; 3][..length]).await.expect("an open stream");
        raw.end().await.expect("open");
        assert_eq!(raw.drain().await, 0);
    }
    None
}

/// Answers after the end of the peer's side are written. Unread ones are discarded.
pub(super) async fn an_end_with_answers_to_come<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let requests: Vec<u8> = (0..10).flat_map(|id| request(id, "text", [5_000])).collect();
    raw.write(&requests).await.expect("an open stream");
    raw.end().await.expect("open");
    for _ in 0..10 {
        assert_eq!(parse(&raw.read().await.expect("an answer")).0, 1);
    }
    assert_eq!(raw.read().await, None);
    let mut raw = target.dial().await;
    raw.write(&request(1, "stay", ["x"])).await.expect("an open stream");
    raw.write(&requests).await.expect("an open stream");
    raw.end().await.expect("open");
    None
}
