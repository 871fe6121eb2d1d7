//! Every way to close a connection, on both sides.

use std::io::ErrorKind;
use std::time::Duration;

use aiomas_core::connection::{
    CallError, CallId, CallOptions, CallRejected, Close, CloseReason, Event, Side, TimeoutReason,
};
use aiomas_core::wire::Format;
use aiomas_tests::message::{RESULT, message};
use aiomas_tests::pair::{Cut, Pair, Reaction};

use super::{SECOND, Solo, json};

const DRAIN: CloseReason = CloseReason::TimedOut(TimeoutReason::Drain);

/// Returns a pair with a call in flight from each side.
fn busy() -> (Pair, CallId, CallId) {
    let mut pair = Pair::new(json(), json());
    pair.dialler.handler = Box::new(|_| Reaction::Hold);
    pair.listener.handler = Box::new(|_| Reaction::Hold);
    let out = pair.call(Side::Dialler, "out", CallOptions::default()).unwrap();
    let back = pair.call(Side::Listener, "back", CallOptions::default()).unwrap();
    pair.drive();
    assert_eq!((pair.dialler.held.len(), pair.listener.held.len()), (1, 1));
    (pair, out, back)
}

fn close(pair: &mut Pair, side: Side, how: Close) {
    let now = pair.now();
    pair.end(side).connection.close(now, how);
}

fn lost(reason: CloseReason) -> CallError {
    CallError::Lost(reason)
}

#[test]
fn now() {
    for side in [Side::Dialler, Side::Listener] {
        let (mut pair, out, back) = busy();
        close(&mut pair, side, Close::Now);
        pair.run_for(SECOND);
        let call = if side == Side::Dialler { out } else { back };
        let end = pair.end(side);
        assert_eq!(end.closed(), Some(&CloseReason::Local));
        assert_eq!(end.failure(call), &lost(CloseReason::Local));
        // The peer's call fails, and the peer may answer ours for a while.
        let (other, call) = match side {
            Side::Dialler => (&pair.listener, back),
            Side::Listener => (&pair.dialler, out),
        };
        assert_eq!(other.failure(call), &lost(CloseReason::Peer));
        assert!(!other.connection.is_closed() && !other.connection.is_open());
        pair.drive();
        assert_eq!((pair.dialler.held.len(), pair.listener.held.len()), (1, 1));
        for end in [&pair.dialler, &pair.listener] {
            assert!(end.closed().is_some());
        }
    }
}

#[test]
fn now_drops_what_has_not_been_written() {
    let mut solo = Solo::dialler(json());
    solo.call("x").unwrap();
    solo.connection.close(solo.now, Close::Now);
    assert!(solo.take().is_empty());
    assert_eq!(solo.closed(), Some(CloseReason::Local));
    solo.connection.close(solo.now, Close::Now);
    assert!(solo.events().is_empty());
}

#[test]
fn after_flush() {
    let mut solo = Solo::dialler(json());
    solo.call("x").unwrap();
    solo.connection.close(solo.now, Close::AfterFlush);
    let events = solo.events();
    let [Event::Answer { result, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(result.as_ref().unwrap_err(), &lost(CloseReason::Local));
    assert_eq!(solo.call("y"), Err(CallRejected::Closed));
    // The connection is closed when the bytes are written, not when they are taken.
    assert_eq!(solo.take().len(), 1);
    assert!(solo.events().is_empty());
    solo.connection.handle_transmitted(solo.now, usize::MAX);
    assert_eq!(solo.closed(), Some(CloseReason::Local));
}

#[test]
fn after_flush_with_nothing_to_write() {
    let mut solo = Solo::listener(json());
    solo.connection.close(solo.now, Close::AfterFlush);
    assert_eq!(solo.closed(), Some(CloseReason::Local));
}

#[test]
fn after_flush_without_a_reader() {
    let mut config = json();
    config.linger = 2 * SECOND;
    let mut solo = Solo::dialler(config);
    solo.call("x").unwrap();
    solo.connection.close(solo.now, Close::AfterFlush);
    assert_eq!(solo.connection.timeout_reason(), Some(TimeoutReason::Drain));
    solo.wait(2 * SECOND);
    assert_eq!(solo.closed(), Some(DRAIN));
    assert!(solo.take().is_empty());
}

#[test]
fn after_answers_that_come() {
    for side in [Side::Dialler, Side::Listener] {
        let (mut pair, out, back) = busy();
        close(&mut pair, side, Close::AfterAnswers { within: SECOND });
        pair.run_for(SECOND / 2);
        assert_eq!(pair.end(side).closed(), None);
        assert_eq!(
            pair.call(side, 1, CallOptions::default()).unwrap_err().why,
            CallRejected::Closed
        );
        // New requests of the peer are refused, the old ones are answered.
        let other = if side == Side::Dialler { Side::Listener } else { Side::Dialler };
        let refused = pair.call(other, 2, CallOptions::default()).unwrap();
        pair.answer(side, Reaction::Reply("done".into()));
        pair.run_for(SECOND / 4);
        let error = pair.end(other).failure(refused).to_string();
        assert_eq!(error, "ConnectionError: the peer is shutting down");
        assert_eq!(pair.end(side).closed(), None, "its own call is in flight");
        pair.answer(other, Reaction::Reply("done".into()));
        pair.drive();
        assert_eq!(pair.end(side).closed(), Some(&CloseReason::Local));
        assert_eq!(pair.end(other).closed(), Some(&CloseReason::Peer));
        assert_eq!(pair.dialler.result(out), "done");
        assert_eq!(pair.listener.result(back), "done");
    }
}

#[test]
fn after_answers_of_both_sides_at_once() {
    let (mut pair, out, back) = busy();
    for side in [Side::Dialler, Side::Listener] {
        close(&mut pair, side, Close::AfterAnswers { within: SECOND });
    }
    for side in [Side::Dialler, Side::Listener] {
        pair.answer(side, Reaction::Reply("done".into()));
    }
    pair.drive();
    assert_eq!(pair.dialler.result(out), "done");
    assert_eq!(pair.listener.result(back), "done");
    assert_eq!(pair.elapsed(), Duration::ZERO);
    assert_eq!(pair.dialler.closed(), Some(&CloseReason::Local));
    assert_eq!(pair.listener.closed(), Some(&CloseReason::Local));
}

#[test]
fn after_answers_that_never_come() {
    for side in [Side::Dialler, Side::Listener] {
        let (mut pair, out, back) = busy();
        close(&mut pair, side, Close::AfterAnswers { within: 3 * SECOND });
        pair.run_for(3 * SECOND);
        let call = if side == Side::Dialler { out } else { back };
        assert_eq!(pair.end(side).closed(), Some(&DRAIN));
        assert_eq!(pair.end(side).failure(call), &lost(DRAIN));
    }
}

#[test]
fn after_answers_ends_with_a_cancelled_call() {
    let mut solo = Solo::dialler(json());
    let call = solo.call("x").unwrap();
    assert_eq!(solo.sent().len(), 1);
    solo.connection.close(solo.now, Close::AfterAnswers { within: SECOND });
    assert_eq!(solo.connection.cancel(solo.now, call), Some(0));
    assert_eq!(solo.closed(), Some(CloseReason::Local));
}

#[test]
fn after_answers_ends_with_a_call_that_times_out() {
    let mut solo = Solo::dialler(json());
    solo.connection.call(solo.now, "x", CallOptions::timeout(SECOND), 0).unwrap();
    assert_eq!(solo.sent().len(), 1);
    solo.connection.close(solo.now, Close::AfterAnswers { within: 5 * SECOND });
    solo.wait(SECOND);
    assert_eq!(solo.closed(), Some(CloseReason::Local));
}

#[test]
fn after_answers_ends_with_an_ignored_request() {
    let mut solo = Solo::listener(json());
    solo.request(0, "x");
    let request = solo.requests().remove(0);
    solo.connection.close(solo.now, Close::AfterAnswers { within: SECOND });
    solo.connection.discard(solo.now, request.token);
    assert_eq!(solo.closed(), Some(CloseReason::Local));
}

#[test]
fn half_close_lets_the_answers_out() {
    let (mut pair, out, back) = busy();
    pair.half_close(Side::Dialler);
    pair.run_for(SECOND);
    assert_eq!(pair.listener.failure(back), &lost(CloseReason::Peer));
    assert_eq!(
        pair.call(Side::Listener, 1, CallOptions::default()).unwrap_err().why,
        CallRejected::Closed
    );
    pair.answer(Side::Listener, Reaction::Reply("done".into()));
    pair.run_for(SECOND);
    assert_eq!(pair.dialler.result(out), "done");
    assert_eq!(pair.listener.closed(), Some(&CloseReason::Peer));
}

#[test]
fn after_half_close_answers_are_not_waited_for_for_ever() {
    let mut config = json();
    config.linger = 2 * SECOND;
    let mut solo = Solo::listener(config);
    solo.request(0, "x");
    let request = solo.requests().remove(0);
    solo.connection.handle_eof(solo.now, 0);
    assert!(!solo.connection.wants_read());
    solo.request(1, "after the end");
    assert!(solo.events().is_empty() && solo.input.is_empty());
    solo.wait(2 * SECOND);
    assert_eq!(solo.closed(), Some(DRAIN));
    assert_eq!(solo.reply(request, 1), Err(CallRejected::Closed));
    assert_eq!(solo.connection.calls_in(), 0);
}

#[test]
fn the_peers_end_does_not_prolong_our_own() {
    let mut solo = Solo::listener(json());
    solo.request(0, "x");
    let _request = solo.requests().remove(0);
    solo.connection.close(solo.now, Close::AfterAnswers { within: SECOND });
    solo.connection.handle_eof(solo.now, 0);
    assert_eq!(solo.connection.poll_timeout(), Some(solo.now + SECOND));
    solo.wait(SECOND);
    assert_eq!(solo.closed(), Some(DRAIN));
}

#[test]
fn the_end_of_an_idle_stream() {
    let mut pair = Pair::new(json(), json());
    pair.half_close(Side::Dialler);
    pair.drive();
    assert_eq!(pair.listener.closed(), Some(&CloseReason::Peer));
    assert_eq!(pair.dialler.closed(), Some(&CloseReason::Peer));
    assert_eq!(pair.elapsed(), Duration::ZERO);
}

#[test]
fn the_end_within_a_frame() {
    let whole = message(Format::Json, 0, 0, "x").len();
    for at in 1..whole {
        for cut in [Cut::Eof, Cut::Reset] {
            let mut pair = Pair::new(json(), json());
            pair.dialler.link.cut_after = Some((at, cut));
            let call = pair.call(Side::Dialler, "x", CallOptions::default()).unwrap();
            pair.drive();
            let (there, here) = match cut {
                Cut::Eof => (CloseReason::Truncated { unread: at }, CloseReason::Peer),
                Cut::Reset => {
                    let broken = CloseReason::Broken(ErrorKind::ConnectionReset);
                    (broken.clone(), broken)
                }
            };
            assert_eq!(pair.listener.closed(), Some(&there));
            assert_eq!(pair.dialler.failure(call), &lost(here));
        }
    }
}

#[test]
fn the_end_after_the_frame() {
    let whole = message(Format::Json, 0, 0, "x").len();
    let mut pair = Pair::new(json(), json());
    pair.dialler.link.cut_after = Some((whole, Cut::Eof));
    let call = pair.call(Side::Dialler, "x", CallOptions::default()).unwrap();
    pair.drive();
    assert_eq!(pair.dialler.result(call), "x");
    assert_eq!(pair.listener.closed(), Some(&CloseReason::Peer));
}

#[test]
fn answers_that_come_with_the_end_count() {
    let mut solo = Solo::dialler(json());
    solo.call("x").unwrap();
    solo.call("y").unwrap();
    assert_eq!(solo.sent().len(), 2);
    solo.input(message(Format::Json, RESULT, 0, "x"));
    solo.connection.handle_eof(solo.now, solo.input.len());
    let events = solo.events();
    let [
        Event::Answer { result: Ok(_), .. },
        Event::Answer { result: Err(error), .. },
        Event::Closed { reason: CloseReason::Peer },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(error, &lost(CloseReason::Peer));
}

#[test]
fn a_second_close_may_be_quicker() {
    let (mut pair, out, _) = busy();
    close(&mut pair, Side::Dialler, Close::AfterAnswers { within: SECOND });
    close(&mut pair, Side::Dialler, Close::AfterFlush);
    pair.run_for(SECOND / 2);
    assert_eq!(pair.dialler.closed(), Some(&CloseReason::Local));
    assert_eq!(pair.dialler.failure(out), &lost(CloseReason::Local));
}
