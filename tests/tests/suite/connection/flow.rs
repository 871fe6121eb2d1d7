//! Flow control: waiting for a slow reader, and the limit of decompressed bytes.

use aiomas_core::connection::{
    CloseReason, Config, Event, Limits, Request, TimeoutReason, Unpacking,
};
use aiomas_core::internal::Step;
use aiomas_core::wire::codec::blosc;
use aiomas_core::wire::{Codec, Format};
use aiomas_tests::message::{self, frame};
use bytes::BytesMut;
use serde_json::json as value;

use super::{SECOND, Solo, json, msgpack};

/// Returns a listener whose output is full with two answers. They belong to the requests 0 and 1.
fn full(settings: impl FnOnce(&mut Config)) -> Solo {
    let mut config = json();
    config.limits.output_high = 30;
    settings(&mut config);
    let mut solo = Solo::listener(config);
    for id in 0..2 {
        solo.request(id, "x");
        answer_next(&mut solo);
    }
    assert!(solo.connection.is_output_full());
    solo
}

fn next(solo: &mut Solo) -> Request {
    match solo.connection.poll_event() {
        Some(Event::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Answers the next request, with 18 bytes.
fn answer_next(solo: &mut Solo) {
    let request = next(solo);
    solo.reply(request, "1234").unwrap();
}

fn write(solo: &mut Solo, bytes: usize) {
    let _taken = solo.take();
    solo.connection.handle_transmitted(solo.now, bytes);
}

#[test]
fn requests_wait_until_answers_are_written_one_by_one() {
    let mut solo = full(|_| {});
    for id in 2..5 {
        solo.request(id, "x");
    }
    assert!(solo.events().is_empty());
    assert_eq!(solo.connection.calls_in(), 3);
    assert!(solo.connection.wants_read());
    write(&mut solo, 10);
    // The answer to the first one fills the output again.
    answer_next(&mut solo);
    assert!(solo.events().is_empty());
    write(&mut solo, 1000);
    answer_next(&mut solo);
    answer_next(&mut solo);
    assert!(solo.events().is_empty());
    assert_eq!((solo.connection.calls_in(), solo.connection.stats().overloaded), (0, 0));
}

/// All requests arrive at once, and are polled one after the other.
#[test]
fn requests_that_came_before_the_output_was_full_wait_as_well() {
    let mut config = json();
    config.limits.output_high = 30;
    let mut solo = Solo::listener(config);
    let request = |id: u64| message::message(Format::Json, message::REQUEST, id, "x");
    solo.input((0..100).flat_map(request).collect::<Vec<_>>());
    let mut answered = 0;
    while answered < 100 {
        let before = answered;
        while let Some(Event::Request(request)) = solo.connection.poll_event() {
            solo.reply(request, "1234").unwrap();
            answered += 1;
        }
        assert_eq!(answered - before, 2, "as many as the output holds");
        assert_eq!(solo.sent().len(), 2);
    }
}

/// Two sides with full outputs do not deadlock.
#[test]
fn answers_and_cancellations_are_read_all_the_while() {
    let mut solo = full(|config| {
        config.limits.max_calls_in = 2;
        config.negotiate = aiomas_core::connection::Negotiate::Fixed(Codec::Json);
    });
    write(&mut solo, 1000);
    let call = solo.call("mine").unwrap();
    solo.request(2, "x");
    answer_next(&mut solo);
    assert!(solo.connection.is_output_full());
    solo.request(3, "x");
    solo.request(4, "x");
    solo.input(message::message(Format::Json, message::RESULT, call.get(), 7));
    assert!(matches!(&solo.events()[..], [Event::Answer { id, .. }] if *id == call));
}

#[test]
fn as_many_wait_as_there_may_be_and_then_no_more_is_read() {
    let mut solo = full(|config| config.limits.max_calls_in = 3);
    for id in 2..7 {
        solo.request(id, "x");
    }
    assert_eq!(solo.connection.calls_in(), 3);
    assert!(!solo.connection.wants_read());
    assert_eq!(solo.input.len(), 2 * (4 + "[0, 5, \"x\"]".len()));
    assert_eq!(solo.connection.stats().overloaded, 0, "no request is refused");
    let mut answered = 2;
    while answered < 7 {
        write(&mut solo, 1000);
        while let Some(Event::Request(request)) = solo.connection.poll_event() {
            solo.reply(request, "1234").unwrap();
            answered += 1;
        }
        assert!(solo.connection.wants_read());
        solo.input([]);
    }
    assert!(solo.input.is_empty());
}

#[test]
fn as_many_bytes_wait_as_there_may_be() {
    // Each request has 50 bytes.
    for (limit, waiting) in [(99, 1), (100, 2), (149, 2)] {
        let mut solo = full(|config| config.limits.max_input_bytes = limit);
        for id in 2..7 {
            solo.request(id, "x".repeat(40));
        }
        assert_eq!((solo.connection.calls_in(), solo.connection.wants_read()), (waiting, false));
        assert_eq!(solo.connection.stats().overloaded, 0);
    }
}

#[test]
fn a_waiting_call_can_be_cancelled() {
    let mut config = json();
    config.limits.output_high = 30;
    let mut solo = Solo::listener(config);
    let hello = value!({"version": 1, "codecs": ["json"], "extensions": ["cancel", "deadline"]});
    solo.request(0, ("$hello", (hello,), value!({})));
    assert_eq!(solo.sent().len(), 1);
    let _open = solo.events();
    for id in 1..3 {
        solo.request(id, "x");
        answer_next(&mut solo);
    }
    solo.request(3, "x");
    let until = (value!({"deadline": 1_000_000}), "x");
    solo.input(message::message(Format::Json, message::DEADLINE, 4, until));
    let over = (value!({"deadline": 0}), "x");
    solo.input(message::message(Format::Json, message::DEADLINE, 5, over));
    solo.request(6, "x");
    solo.input(message::message(Format::Json, message::CANCEL, 3, ()));
    solo.wait(SECOND);
    // The owner has never seen them.
    assert!(solo.events().is_empty());
    assert_eq!((solo.connection.calls_in(), solo.connection.stats().cancelled), (4, 3));
    assert_eq!(solo.sent().len(), 2);
    let request = next(&mut solo);
    assert_eq!(*request.token.message_id(), aiomas_core::wire::MessageId::Number(6));
    solo.reply(request, 1).unwrap();
    assert_eq!(solo.sent(), [&b"[1, 6, 1]"[..]]);
    assert_eq!(solo.connection.calls_in(), 0);
}

#[test]
fn requests_may_be_held() {
    let mut solo = Solo::listener(json());
    solo.connection.hold_requests(true);
    solo.request(1, "x");
    assert!(solo.events().is_empty() && solo.connection.keeps_requests());
    solo.connection.hold_requests(false);
    assert_eq!(solo.requests().len(), 1);
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off() {
    let after = 30 * SECOND;
    let mut solo = full(|config| config.limits.send_timeout = Some(after));
    let start = solo.now;
    assert_eq!(solo.connection.poll_timeout(), Some(start + after));
    solo.wait(29 * SECOND);
    // The peer has read one byte, which restarts its time limit.
    write(&mut solo, 1);
    assert_eq!(solo.connection.poll_timeout(), Some(start + 59 * SECOND));
    solo.wait(29 * SECOND);
    assert!(!solo.connection.is_closed());
    solo.wait(SECOND);
    let waiting = 2 * 18 - 1;
    let reason = TimeoutReason::Output { waiting, after };
    assert_eq!(solo.closed(), Some(CloseReason::TimedOut(reason)));
}

#[test]
fn a_peer_that_reads_a_little_now_and_then_is_never_cut_off() {
    let mut solo = full(|config| config.limits.send_timeout = Some(30 * SECOND));
    for id in 2..100 {
        solo.wait(29 * SECOND);
        write(&mut solo, 1);
        solo.request(id, "x");
    }
    assert!(!solo.connection.is_closed());
    // Nor does a small amount of waiting output.
    write(&mut solo, 20);
    solo.wait(1000 * SECOND);
    assert!(!solo.connection.is_closed());
}

/// Refusals are output, too: when it is full, requests wait.
#[test]
fn a_peer_that_makes_us_refuse_but_never_reads() {
    for closing in [false, true] {
        let mut config = json();
        config.limits.max_calls_in = 0;
        config.limits.output_high = 10_000;
        let mut solo = Solo::listener(config);
        if closing {
            solo.call("keeps it open").unwrap();
            let within = 1000 * SECOND;
            let how = aiomas_core::connection::Close::AfterAnswers { within };
            solo.connection.close(solo.now, how);
        }
        for id in 0..1000 {
            solo.request(id, "x");
        }
        assert!(!solo.connection.is_closed() && !solo.connection.wants_read());
        assert!((10_000..10_200).contains(&solo.connection.bytes_queued()));
        // A peer that reads again is answered.
        let mut refused = 0;
        while !solo.input.is_empty() {
            refused += solo.sent().len();
            solo.input([]);
        }
        assert_eq!(refused + solo.sent().len(), 1000 + usize::from(closing));
    }
}

/// Returns a Blosc request that decompresses to `length` bytes.
fn bomb(id: u64, length: usize) -> Vec<u8> {
    let content = "x".repeat(length);
    let message = message::message(Format::MsgPack, message::REQUEST, id, content);
    let mut packed = Vec::new();
    blosc::compress(&message[4..], &blosc::Options::default(), &mut packed).unwrap();
    frame(packed)
}

fn unpacking(burst: usize, rate: usize) -> Config {
    let mut config = msgpack();
    config.limits.unpacking = Some(Unpacking::new(burst, rate));
    config
}

/// The end of the stream waits for an earlier message.
#[test]
fn the_input_is_not_empty_while_a_message_is_unpacked() {
    let mut solo = Solo::listener(Config::default());
    let (now, mut input) = (solo.now, BytesMut::from(&bomb(1, 1000)[..]));
    let connection = &mut solo.connection;
    let Step::Packed(packed) = connection.step(now, &mut input) else {
        panic!("the message is compressed")
    };
    assert!(input.is_empty() && connection.is_unpacking());
    assert!(matches!(connection.step(now, &mut input), Step::Stuck));
    connection.handle_unpacked(now, packed.unpack());
    assert!(matches!(connection.step(now, &mut input), Step::Event(Event::Request(_))));
    assert!(matches!(connection.step(now, &mut input), Step::Empty) && !connection.is_unpacking());
}

#[test]
fn no_more_is_unpacked_at_a_time_than_is_allowed() {
    let mut solo = Solo::listener(unpacking(150_000, 100_000));
    for id in 0..10 {
        solo.input(bomb(id, 100_000));
    }
    // The second one exceeds the limit of decompressed bytes, so later ones wait.
    assert_eq!(solo.requests().len(), 2);
    assert!(!solo.connection.wants_read());
    for left in (0..8).rev() {
        let at = solo.connection.poll_timeout().expect("a timeout");
        let reason = solo.connection.timeout_reason().expect("a reason");
        let exceeded = reason.exceeded().expect("a limit");
        assert_eq!((exceeded.setting, exceeded.limit), ("Limits::unpacking", 100_000));
        assert!(exceeded.actual > 100_000);
        assert!(at - solo.now <= SECOND, "{:?}", at - solo.now);
        solo.now = at;
        solo.connection.handle_timeout(at);
        assert!(solo.connection.wants_read());
        solo.input([]);
        assert_eq!(solo.requests().len(), 1);
        assert_eq!(solo.input.is_empty(), left == 0);
    }
    assert!(solo.connection.wants_read() && solo.connection.poll_timeout().is_none());
}

/// Only the growth of a message by decompression counts.
#[test]
fn data_that_is_hardly_compressed_costs_nothing() {
    let mut solo = Solo::listener(unpacking(1000, 1));
    let noise: Vec<u64> = (1..2000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    for id in 0..100 {
        let message = message::message(Format::MsgPack, message::REQUEST, id, &noise);
        let mut packed = Vec::new();
        blosc::compress(&message[4..], &blosc::Options::default(), &mut packed).unwrap();
        assert!(packed.len() >= message.len() - 4);
        solo.input(frame(packed));
    }
    assert_eq!(solo.requests().len(), 100);
}

#[test]
fn strangers_may_compress_only_if_they_are_asked_to() {
    let takes = |limits: Limits, codec: Codec| {
        let mut config = Config::new(codec);
        config.limits = limits;
        let mut solo = Solo::listener(config);
        solo.input(bomb(1, 1000));
        match &solo.events()[..] {
            [Event::Request(_)] => true,
            [Event::Closed { reason: CloseReason::CodecNotAccepted { first: 2 } }] => false,
            other => panic!("{other:?}"),
        }
    };
    for codec in [Codec::Json, Codec::MsgPack] {
        assert!(takes(Limits::default(), codec) && takes(Limits::trusted(), codec));
        assert!(!takes(Limits::exposed(), codec));
        let mut limits = Limits::exposed();
        limits.unpacking = Some(Unpacking::new(1 << 20, 1 << 20));
        assert!(takes(limits, codec));
    }
    assert!(takes(Limits::exposed(), Codec::MsgPackBlosc));
}
