//! Time limits of a peer: for a frame, for its first one, and for silence.

use std::time::Duration;

use aiomas_core::connection::{CloseReason, Limits, Progress, TimeoutReason};
use aiomas_core::wire::Format;
use aiomas_tests::message;
use proptest::prelude::*;

use super::{SECOND, Solo, json};

/// Returns a request with a payload of 100 bytes.
fn long_request() -> Vec<u8> {
    let frame = message::message(Format::Json, 0, 1, "x".repeat(90));
    assert_eq!(frame.len(), 104);
    frame.to_vec()
}

fn with_progress(grace: Duration, rate: u32) -> Solo {
    let mut config = json();
    config.limits.progress = Some(Progress::new(grace, rate));
    Solo::listener(config)
}

#[test]
fn a_frame_that_drips_in() {
    let mut solo = with_progress(10 * SECOND, 10);
    let frame = long_request();
    let start = solo.now;
    for byte in &frame[..11] {
        assert!(!solo.connection.is_closed());
        solo.input([*byte]);
        solo.wait(SECOND);
    }
    // In 11 s 11 bytes have arrived, which extend the limit by 1.1 s.
    let after = Duration::from_millis(11_100);
    let slow = TimeoutReason::Frame { received: 11, after };
    assert_eq!(solo.connection.poll_timeout(), Some(start + after));
    assert_eq!(solo.connection.timeout_reason(), Some(slow));
    solo.wait(Duration::from_millis(99));
    assert!(!solo.connection.is_closed());
    solo.wait(Duration::from_millis(1));
    let reason = solo.closed().expect("closed");
    assert_eq!(reason, CloseReason::TimedOut(slow));
    let exceeded = reason.exceeded().unwrap();
    assert_eq!((exceeded.setting, exceeded.limit), ("Limits::progress", 11_100));
}

#[test]
fn a_frame_that_is_slow_but_steady() {
    let mut solo = with_progress(SECOND, 10);
    for piece in long_request().chunks(10) {
        solo.input(piece);
        assert!(!solo.connection.is_closed());
        solo.wait(SECOND);
    }
    assert_eq!(solo.requests().len(), 1);
    assert_eq!(solo.connection.poll_timeout(), None);
}

#[test]
fn whole_frames_are_not_timed() {
    let mut solo = with_progress(SECOND, 10);
    let mut frames = long_request();
    solo.input(&frames);
    assert_eq!(solo.connection.poll_timeout(), None);
    // Each frame has its own time, even with the same number of bytes.
    frames.extend_from_slice(&long_request()[..9]);
    solo.input(&frames);
    let first = solo.connection.poll_timeout().unwrap();
    solo.wait(SECOND);
    let frames = [&long_request()[9..], &long_request()[..9]].concat();
    solo.input(frames);
    assert_eq!(solo.connection.poll_timeout(), Some(first + SECOND));
    assert_eq!(solo.requests().len(), 3);
    // And none after the peer has ended its stream.
    solo.connection.handle_eof(solo.now, 9);
    assert_eq!(solo.closed(), Some(CloseReason::Truncated { unread: 9 }));
}

/// Pauses, each with the number of bytes that follow.
fn arrivals() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((0..3000_u64, 1..60_usize), 1..80)
}

proptest! {
    /// Compares with a model that checks every byte and every millisecond.
    #[test]
    fn progress_per_frame(grace in 1..5000_u64, rate in 1..200_u32, arrivals in arrivals()) {
        let mut solo = with_progress(Duration::from_millis(grace), rate);
        let start = solo.now;
        let length = long_request().len();
        let stream = long_request().repeat(60);
        // The model: the start of the frame, and its received bytes.
        let (mut at, mut began, mut there) = (0_u64, None::<u64>, 0);
        let mut sent = 0;
        for (wait, count) in arrivals {
            let mut late = None;
            for millisecond in at + 1..=at + wait {
                let allowed = |began| began + grace;
                // In fractions of a byte, without rounding.
                if let Some(began) = began
                    && (millisecond.saturating_sub(allowed(began))) * u64::from(rate) >= there as u64 * 1000
                    && millisecond >= allowed(began)
                {
                    late = Some(millisecond);
                    break;
                }
            }
            at += wait;
            // Like hosts: woken at its timeout, and otherwise by input.
            let now = start + Duration::from_millis(at);
            if let Some(due) = solo.connection.poll_timeout().filter(|due| *due <= now) {
                solo.now = due;
                solo.connection.handle_timeout(due);
                let due = due.duration_since(start).as_nanos().div_ceil(1_000_000);
                prop_assert_eq!(late.map(u128::from), Some(due));
                let closed = solo.closed();
                prop_assert!(
                    matches!(closed, Some(CloseReason::TimedOut(TimeoutReason::Frame { received, .. })) if received == there),
                    "{:?}", closed
                );
                return Ok(());
            }
            prop_assert_eq!(late, None);
            solo.now = now;
            for byte in &stream[sent..sent + count] {
                solo.input([*byte]);
                began.get_or_insert(at);
                there += 1;
                if there == length {
                    (began, there) = (None, 0);
                }
            }
            sent += count;
            prop_assert_eq!(solo.connection.poll_timeout().is_some(), began.is_some());
        }
    }
}

#[test]
fn a_connecting_peer_must_send() {
    let mut config = json();
    config.limits.first_frame = Some(10 * SECOND);
    let mut solo = Solo::listener(config.clone());
    solo.wait(9 * SECOND);
    // Neither a piece of a frame nor our own output counts.
    solo.input([0]);
    solo.call("x").unwrap();
    let _unread = solo.take();
    solo.connection.handle_transmitted(solo.now, 10);
    solo.wait(SECOND);
    let reason = TimeoutReason::FirstFrame { after: 10 * SECOND };
    assert_eq!(solo.closed(), Some(CloseReason::TimedOut(reason)));
    let mut solo = Solo::listener(config.clone());
    solo.request(1, "x");
    assert_eq!(solo.connection.poll_timeout(), None);
    // A called side waits without a limit.
    assert_eq!(Solo::dialler(config).connection.poll_timeout(), None);
}

#[test]
fn by_default_a_silent_peer_stays_connected() {
    for solo in [Solo::listener(json()), Solo::dialler(json())] {
        assert_eq!(solo.connection.poll_timeout(), None);
    }
    let mut config = json();
    config.limits = Limits::exposed();
    let solo = Solo::listener(config);
    let reason = TimeoutReason::FirstFrame { after: 10 * SECOND };
    assert_eq!(solo.connection.timeout_reason(), Some(reason));
}

#[test]
fn a_silent_peer() {
    let mut config = json();
    config.limits.idle = Some(10 * SECOND);
    let mut solo = Solo::listener(config);
    let idle = TimeoutReason::Idle { after: 10 * SECOND };
    assert_eq!(solo.connection.timeout_reason(), Some(idle));
    solo.wait(9 * SECOND);
    solo.request(0, "x");
    // The peer waits for our answer without a limit.
    assert_eq!(solo.connection.poll_timeout(), None);
    solo.wait(100 * SECOND);
    let request = solo.requests().remove(0);
    solo.reply(request, 1).unwrap();
    solo.wait(9 * SECOND);
    // And so do we for the peer's.
    let call = solo.call("x").unwrap();
    solo.wait(100 * SECOND);
    // It receives no time in between.
    solo.now += 100 * SECOND;
    assert_eq!(solo.connection.cancel(solo.now, call), Some(0));
    assert_eq!(solo.connection.poll_timeout(), Some(solo.now + 10 * SECOND));
    // Received data is a sign of life.
    solo.wait(9 * SECOND);
    let _unread = solo.take();
    solo.connection.handle_transmitted(solo.now, 1);
    solo.wait(9 * SECOND);
    assert!(!solo.connection.is_closed());
    // The beginning of a frame is none: an occasional byte does not suffice.
    solo.input([0]);
    solo.wait(SECOND);
    assert_eq!(solo.closed(), Some(CloseReason::TimedOut(idle)));
    assert_eq!(solo.connection.poll_timeout(), None);
}
