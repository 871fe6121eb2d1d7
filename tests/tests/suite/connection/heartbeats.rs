//! Heartbeats: detection of unresponsive peers.

use std::time::Duration;

use aiomas_core::connection::{
    CallError, CallOptions, Close, CloseReason, Config, Event, Extensions, Negotiate, Side,
    TimeoutReason,
};
use aiomas_core::wire::{Codec, Format};
use aiomas_tests::message::{HEARTBEAT, REQUEST, RESULT, message};
use aiomas_tests::pair::Pair;
use bytes::Buf;
use serde_json::json;

use super::{SECOND, Solo, json as json_config, msgpack};

const JSON: Format = Format::Json;
/// The silence after which a peer receives a heartbeat.
const SILENCE: Duration = Duration::from_secs(60);
const QUESTION: &[u8] = b"[5, 0, null]";
const ANSWER: &[u8] = b"[5, 1, null]";

fn gone() -> Option<CloseReason> {
    Some(CloseReason::TimedOut(TimeoutReason::Heartbeat { after: SILENCE }))
}

/// Returns a listener whose peer supports heartbeats.
fn agreed(config: Config) -> Solo {
    let mut solo = Solo::listener(config);
    let said = json!({"version": 1, "codecs": ["json"], "extensions": ["heartbeat"]});
    solo.request(0, json!(["$hello", [said], {}]));
    assert_eq!(solo.sent().len(), 1);
    assert!(solo.connection.extensions().heartbeat);
    solo
}

/// Returns a dialler whose peer supports all extensions.
fn dialler(codec: Codec) -> Solo {
    let mut config = json_config();
    config.negotiate = Negotiate::Hello { base: Codec::Json, offer: vec![codec] };
    let mut solo = Solo::dialler(config);
    let known = ["heartbeat", "cancel", "deadline"];
    let said = json!({"version": 1, "codecs": [codec.name()], "extensions": known});
    solo.input(message(JSON, RESULT, 0, said));
    assert_eq!((solo.sent().len(), solo.events().len()), (1, 1));
    assert_eq!(solo.connection.extensions(), Extensions::ALL);
    solo
}

impl Solo {
    fn beats(&mut self, id: impl serde::Serialize) {
        self.input(message(JSON, HEARTBEAT, id, ()));
    }

    /// Waits for the connection's next timeout.
    fn wait_for_timeout(&mut self) -> Duration {
        let at = self.connection.poll_timeout().expect("a timeout");
        let waited = at - self.now;
        self.wait(waited);
        waited
    }
}

#[test]
fn a_silent_peer_gets_a_heartbeat_and_is_then_disconnected() {
    for codec in [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc] {
        let mut solo = dialler(codec);
        let call = solo.call("x").expect("room");
        assert_eq!(solo.sent().len(), 1);
        assert_eq!(solo.wait_for_timeout(), SILENCE);
        let sent = solo.sent();
        match codec {
            Codec::Json => assert_eq!(sent, [QUESTION]),
            Codec::MsgPack => assert_eq!(sent, [&b"\x93\x05\x00\xc0"[..]]),
            _ => assert_eq!(sent.len(), 1),
        }
        let reason = TimeoutReason::Heartbeat { after: SILENCE };
        assert_eq!(solo.connection.timeout_reason(), Some(reason));
        assert_eq!(reason.exceeded().expect("a limit").setting, "Limits::keep_alive");
        solo.wait(SILENCE - Duration::from_nanos(1));
        assert!(!solo.connection.is_closed());
        solo.wait(Duration::from_nanos(1));
        match &solo.events()[..] {
            [
                Event::Answer { id, result: Err(CallError::Lost(lost)), .. },
                Event::Closed { reason },
            ] => {
                assert_eq!((*id, lost), (call, reason));
                assert_eq!(Some(reason.clone()), gone());
            }
            events => panic!("{events:?}"),
        }
    }
}

/// Any received bytes are a sign of life: a frame, a part of one, or an answer to a heartbeat.
#[test]
fn any_input_is_a_sign_of_life() {
    let mut solo = agreed(json_config());
    for _ in 0..3 {
        solo.wait(SILENCE - SECOND);
        solo.request(1, "x");
        assert_eq!(solo.requests().len(), 1);
        assert!(solo.sent().is_empty(), "there is traffic");
    }
    assert_eq!(solo.wait_for_timeout(), SILENCE);
    assert_eq!(solo.sent(), [QUESTION]);
    solo.wait(SILENCE - SECOND);
    solo.beats(1);
    assert_eq!(solo.wait_for_timeout(), SILENCE);
    assert_eq!(solo.sent(), [QUESTION]);
    // A long answer stays in front of the answer to a heartbeat.
    let frame = message(JSON, REQUEST, 2, "x".repeat(50));
    for byte in &frame[..frame.len() - 1] {
        solo.wait(SECOND / 2);
        solo.input([*byte]);
    }
    assert!(!solo.connection.is_closed() && solo.sent().is_empty());
    solo.wait(SECOND);
    solo.input(&frame[frame.len() - 1..]);
    assert_eq!((solo.requests().len(), solo.wait_for_timeout()), (1, SILENCE));
    assert_eq!((solo.sent().len(), solo.wait_for_timeout()), (1, SILENCE));
    assert_eq!(solo.closed(), gone());
}

/// A heartbeat is answered at once, also on an idle or closing connection.
#[test]
fn questions_are_answered() {
    let mut solo = agreed(json_config());
    for close in [false, true] {
        if close {
            solo.request(1, "x");
            solo.connection.close(solo.now, Close::AfterAnswers { within: 10 * SECOND });
        }
        solo.beats(0);
        assert_eq!(solo.sent(), [ANSWER]);
        // An answer is no request, and neither is an unknown message.
        solo.beats(1);
        solo.beats(2);
        solo.beats("x");
        assert!(solo.sent().is_empty() && !solo.connection.is_closed());
    }
}

/// A flood of heartbeats causes only a few queued answers.
#[test]
fn few_answers_wait_to_be_written() {
    let mut solo = agreed(json_config());
    for _ in 0..1000 {
        solo.beats(0);
    }
    assert!(solo.connection.bytes_queued() < 200);
    let sent = solo.sent();
    assert!((1..10).contains(&sent.len()) && sent.iter().all(|sent| *sent == ANSWER));
    solo.beats(0);
    assert_eq!(solo.sent(), [ANSWER]);
}

/// The time limit starts once the peer can have read the heartbeat.
#[test]
fn a_slow_reader_is_not_dead() {
    let mut solo = dialler(Codec::Json);
    solo.call("x".repeat(1000)).expect("room");
    assert_eq!(solo.take().len(), 1);
    assert_eq!(solo.wait_for_timeout(), SILENCE);
    assert_eq!(solo.take(), [QUESTION]);
    for _ in 0..10 {
        solo.connection.handle_transmitted(solo.now, 100);
        solo.wait(SILENCE);
        assert!(!solo.connection.is_closed());
    }
    solo.connection.handle_transmitted(solo.now, 1000);
    assert_eq!(solo.wait_for_timeout(), SILENCE);
    assert_eq!(solo.closed(), gone());
}

/// Not all streams have a time-out of the system's.
#[test]
fn a_peer_that_reads_nothing_is_given_up_though_it_cannot_have_read_the_question() {
    let mut solo = dialler(Codec::Json);
    solo.call("x".repeat(1000)).expect("there is room");
    assert_eq!(solo.take().len(), 1);
    assert_eq!(solo.wait_for_timeout(), SILENCE);
    assert_eq!(solo.take(), [QUESTION]);
    solo.wait(SILENCE);
    solo.connection.handle_transmitted(solo.now, 1);
    assert_eq!(solo.wait_for_timeout(), 2 * SILENCE);
    let after = 2 * SILENCE;
    assert_eq!(solo.closed(), Some(CloseReason::TimedOut(TimeoutReason::Heartbeat { after })));
}

/// Heartbeats and their answers do not reset the idle timeout.
#[test]
fn an_idle_connection_is_closed_nevertheless() {
    let mut config = json_config();
    config.limits.idle = Some(5 * SILENCE + SECOND);
    let mut solo = agreed(config);
    let start = solo.now;
    while solo.now < start + 5 * SILENCE {
        assert_eq!(solo.wait_for_timeout(), SILENCE);
        assert_eq!(solo.sent(), [QUESTION]);
        solo.beats(1);
        solo.beats(0);
        assert_eq!(solo.sent(), [ANSWER]);
    }
    assert_eq!(solo.wait_for_timeout(), SECOND);
    let after = 5 * SILENCE + SECOND;
    assert_eq!(solo.closed(), Some(CloseReason::TimedOut(TimeoutReason::Idle { after })));
}

/// After a suspension of our own process, the peer first receives a heartbeat.
#[test]
fn after_a_long_sleep_of_our_own_the_peer_is_asked_first() {
    let mut solo = agreed(json_config());
    solo.wait(100 * SILENCE);
    assert_eq!(solo.sent(), [QUESTION]);
    assert_eq!(solo.wait_for_timeout(), SILENCE);
    assert_eq!(solo.closed(), gone());
}

/// Two idle ends send no more heartbeats than one of them needs.
#[test]
fn two_ends_without_traffic() {
    let mut config = json_config();
    config.negotiate = Negotiate::Hello { base: Codec::Json, offer: vec![Codec::MsgPack] };
    let mut other = json_config();
    other.limits.keep_alive = None;
    for listener in [json_config(), other] {
        let mut pair = Pair::new(config.clone(), listener);
        pair.drive();
        let before = pair.dialler.connection.stats().frames_in;
        pair.run_for(10 * SILENCE);
        assert!(pair.dialler.connection.is_open() && pair.listener.connection.is_open());
        let beats = pair.dialler.connection.stats().frames_in - before;
        // Both send a heartbeat at the same moment, and both answer.
        assert!((9..=21).contains(&beats), "{beats} in ten minutes");
        let call = pair.call(Side::Dialler, "x", CallOptions::default()).expect("room");
        pair.drive();
        assert_eq!(pair.dialler.result(call), "x");
    }
}

/// Heartbeats are sent only if agreed: neither to Python peers nor without the extension or a
/// configured time.
#[test]
fn nothing_is_sent_that_is_not_agreed_on() {
    let mut off = json_config();
    off.extensions.heartbeat = false;
    let mut never = json_config();
    never.limits.keep_alive = None;
    let plain = Solo::dialler(msgpack());
    let mut unasked = Solo::listener(off);
    let said = json!({"version": 1, "codecs": ["json"], "extensions": ["heartbeat"]});
    unasked.request(0, json!(["$hello", [said], {}]));
    assert_eq!(unasked.sent().len(), 1);
    for mut solo in [plain, unasked, agreed(never)] {
        solo.call("x").expect("room");
        assert_eq!(solo.sent().len(), 1);
        assert_eq!(solo.connection.poll_timeout(), None);
        solo.wait(10 * SILENCE);
        assert!(solo.sent().is_empty() && solo.connection.is_open());
        let knows = solo.connection.extensions().heartbeat;
        solo.beats(0);
        assert_eq!(solo.connection.is_closed(), !knows, "a heartbeat without agreement");
    }
}

/// Timed-out calls in silence count as signs of a dead peer.
#[test]
fn calls_that_time_out_in_silence_are_counted() {
    let mut solo = Solo::dialler(json_config());
    let call = |solo: &mut Solo| {
        let options = CallOptions::timeout(2 * SECOND);
        solo.connection.call(solo.now, "x", options, 0).expect("room").get()
    };
    let counts = |solo: &mut Solo| solo.connection.silent_timeouts();
    // Concurrent calls count as one sign.
    for _ in 0..3 {
        call(&mut solo);
    }
    solo.wait(2 * SECOND);
    assert_eq!(counts(&mut solo), 1);
    call(&mut solo);
    solo.wait(SECOND);
    call(&mut solo);
    solo.wait(SECOND);
    assert_eq!(counts(&mut solo), 2);
    solo.wait(SECOND);
    assert_eq!(counts(&mut solo), 2, "made before the last timeout");
    // Input has arrived: a late answer, or a part of a frame.
    solo.input(message(JSON, RESULT, 0, "late"));
    assert_eq!(counts(&mut solo), 0);
    call(&mut solo);
    solo.wait(2 * SECOND);
    assert_eq!(counts(&mut solo), 1);
    solo.input(b"\0\0");
    assert_eq!(counts(&mut solo), 0);
    // Input arrived in the meantime.
    call(&mut solo);
    solo.wait(SECOND);
    solo.input(b"\0");
    solo.wait(SECOND);
    assert_eq!(counts(&mut solo), 0);
}

/// A timed-out call causes a heartbeat at once.
#[test]
fn a_silent_peer_is_asked_when_a_call_has_timed_out() {
    let mut solo = dialler(Codec::Json);
    let options = CallOptions::timeout(2 * SECOND);
    for _ in 0..3 {
        solo.connection.call(solo.now, "x", options, 0).expect("room");
    }
    assert_eq!(solo.sent().len(), 3);
    assert_eq!(solo.wait_for_timeout(), 2 * SECOND);
    assert_eq!(solo.sent(), [QUESTION], "once");
    assert_eq!(solo.connection.silent_timeouts(), 1);
    solo.wait(SECOND);
    solo.beats(1);
    assert_eq!(solo.connection.silent_timeouts(), 0, "the method is slow, and the peer alive");
    assert_eq!(solo.wait_for_timeout(), SILENCE);
}

/// A full output has its own time limit.
#[test]
fn a_full_output_takes_no_heartbeats() {
    let mut config = json_config();
    config.limits.output_cap = 1000;
    config.limits.output_high = 900;
    config.limits.send_timeout = None;
    let mut solo = agreed(config);
    solo.call("x".repeat(850)).expect("room");
    solo.call("x".repeat(70)).expect("room");
    let held = solo.connection.bytes_queued();
    for _ in 0..5 {
        solo.wait(SILENCE);
        solo.beats(0);
        assert!(solo.connection.is_open());
        assert_eq!(solo.connection.bytes_queued(), held);
    }
    let mut transmit = solo.connection.poll_transmit().expect("output");
    let bytes = transmit.remaining();
    transmit.advance(bytes);
    solo.connection.handle_transmitted(solo.now, bytes);
    assert_eq!(solo.wait_for_timeout(), SILENCE);
    assert_eq!(solo.sent(), [QUESTION]);
}

/// A deferred frame counts as a sign of life only when it arrives.
#[test]
fn a_deferred_frame_is_one_sign_of_life() {
    for size in [1, 1000] {
        let mut solo = stuck(size);
        solo.wait(SECOND);
        solo.input([]);
        assert_eq!(solo.wait_for_timeout(), SILENCE.checked_sub(SECOND).unwrap(), "{size}");
    }
}

/// Heartbeats are sent even while a deferred frame blocks the input.
#[test]
fn a_peer_that_is_not_read_is_not_dead() {
    let mut solo = stuck(1000);
    for _ in 0..5 {
        assert_eq!(solo.wait_for_timeout(), SILENCE);
        assert_eq!(solo.sent(), [QUESTION]);
    }
    solo.connection.hold_requests(false);
    assert_eq!(solo.requests().len(), 1);
    assert!(solo.connection.is_open());
}

/// Returns a listener without a slot for its next request. The request arrives in parts of `size`
/// bytes.
fn stuck(size: usize) -> Solo {
    let mut config = json_config();
    config.limits.max_calls_in = 1;
    let mut solo = agreed(config);
    let _open = solo.events();
    solo.connection.hold_requests(true);
    solo.request(1, "x");
    solo.wait(SILENCE / 2);
    for part in message(JSON, REQUEST, 2, "x").chunks(size) {
        solo.input(part);
    }
    assert!(!solo.connection.wants_read());
    solo
}

/// The peer has agreed to heartbeats when it writes its answer.
#[test]
fn hello_is_agreed_on_while_the_connection_closes() {
    let mut config = json_config();
    config.negotiate = Negotiate::Hello { base: Codec::Json, offer: vec![Codec::Json] };
    let mut solo = Solo::dialler(config);
    solo.call("x").expect("room");
    solo.connection.close(solo.now, Close::AfterAnswers { within: 1000 * SECOND });
    assert_eq!(solo.sent().len(), 2);
    let said = json!({"version": 1, "codecs": ["json"], "extensions": ["heartbeat"]});
    solo.input(message(JSON, RESULT, 0, said));
    solo.beats(0);
    assert_eq!(solo.sent(), [ANSWER]);
    assert!(solo.events().is_empty());
}
