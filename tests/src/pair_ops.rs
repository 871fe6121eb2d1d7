//! Two connections under random operations.

use std::collections::BTreeMap;
use std::time::Duration;

use aiomas_core::connection::{
    CallError, CallId, CallOptions, Close, CloseReason, Config, Event, Extensions, Negotiate,
    Request, Side,
};
use aiomas_core::wire::{Budget, Codec, Deframer, Envelope, Kind, RemoteError};
use bytes::BytesMut;

use crate::connection_ops::ScriptedRuntime;
use crate::pair::{Cut, Cuts, Pair, Reaction};

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The events of the dialler and of the listener.
    pub events: [Vec<String>; 2],
    /// The bytes they wrote.
    pub written: [Vec<u8>; 2],
    /// The virtual time of the run.
    pub elapsed: Duration,
}

/// Runs the operations of `script` on two connections and checks the contract of each. The pair
/// checks T1 and T2 after each step; T4 and T5 are checked at the end. Equal results of runs,
/// [`varied`](Pair::varied) or not, show T3, T6, T7 and T8.
///
/// # Panics
/// The contract is violated.
#[must_use]
pub fn run(script: &[u8], varied: bool) -> Outcome {
    let mut script = ScriptedRuntime::new(script);
    let mut pair = Pair::new(config(&mut script), config(&mut script));
    pair.varied = varied;
    for side in SIDES {
        let end = pair.end(side);
        end.handler = Box::new(react);
        end.link.cuts = match script.byte() {
            0 => Cuts::Whole,
            seed => Cuts::Seed(seed.into()),
        };
        end.link.latency = script.millis();
    }
    let mut calls = [BTreeMap::new(), BTreeMap::new()];
    while !script.is_over() {
        operate(&mut pair, &mut calls, &mut script);
    }
    for side in SIDES {
        pair.end(side).link.stalled = false;
    }
    pair.drive();
    for side in SIDES {
        let now = pair.now();
        pair.end(side).connection.close(now, Close::Now);
    }
    pair.drive();
    for (side, calls) in SIDES.into_iter().zip(calls) {
        check(&mut pair, side, calls);
        check_extensions(&mut pair, side);
    }
    check_counts(&mut pair);
    Outcome {
        events: SIDES.map(|side| pair.end(side).events.iter().map(|e| format!("{e:?}")).collect()),
        written: SIDES.map(|side| pair.end(side).link.written.clone()),
        elapsed: pair.elapsed(),
    }
}

const SIDES: [Side; 2] = [Side::Dialler, Side::Listener];

/// The calls of a side, with their contents.
type Calls = BTreeMap<CallId, u64>;

fn config(script: &mut ScriptedRuntime<'_>) -> Config {
    let setup = script.byte();
    let mut config = Config::new(if setup & 1 == 0 { Codec::Json } else { Codec::MsgPack });
    if setup & 2 != 0 {
        let base = config_codec(&config);
        config.negotiate = Negotiate::Hello { base, offer: vec![Codec::MsgPack, Codec::Json] };
    }
    config.answer_hello = setup & 4 == 0;
    config.extensions.cancel = setup & 32 == 0;
    config.extensions.deadline = setup & 64 == 0;
    config.limits.idle = (setup & 8 != 0).then_some(Duration::from_secs(5));
    if setup & 16 != 0 {
        config.limits.max_calls_in = 2;
        config.limits.output_high = 100;
    }
    config
}

fn config_codec(config: &Config) -> Codec {
    match config.negotiate {
        Negotiate::Fixed(codec) => codec,
        _ => Codec::Json,
    }
}

/// Chooses the reaction by the content of the request.
fn react(request: &Request) -> Reaction {
    let Ok(number) = request.content.decode::<u64>() else {
        // Hello, for a side that does not support it.
        return Reaction::Fail(RemoteError::lookup("no such function"));
    };
    let reply = Reaction::Reply(number.into());
    match number % 8 {
        0 => Reaction::Fail(RemoteError::value_error(number)),
        1 => Reaction::Ignore,
        2 => Reaction::After(Duration::from_millis(number), Box::new(reply)),
        _ => reply,
    }
}

fn operate(pair: &mut Pair, calls: &mut [Calls; 2], script: &mut ScriptedRuntime<'_>) {
    let which = usize::from(script.flag());
    let side = SIDES[which];
    let now = pair.now();
    match script.byte() % 16 {
        0..8 => {
            let content = script.byte().into();
            let timeout = script.flag().then(|| CallOptions::timeout(script.millis()));
            if let Ok(id) = pair.call(side, content, timeout.unwrap_or_default()) {
                calls[which].insert(id, content);
            }
        }
        8 => {
            let Some(id) = calls[which].keys().nth_back(script.below(4)).copied() else { return };
            if pair.cancel(side, id).is_some() {
                calls[which].remove(&id);
            }
        }
        9..12 => pair.run_for(script.millis()),
        12 => pair.end(side).link.stalled ^= true,
        13 if script.below(4) == 0 => {
            let how = match script.byte() % 4 {
                0 => Close::Now,
                1 => Close::AfterFlush,
                _ => Close::AfterAnswers { within: 4 * script.millis() },
            };
            pair.end(side).connection.close(now, how);
        }
        14 if script.below(4) == 0 => {
            let link = &mut pair.end(side).link;
            let cut = if script.flag() { Cut::Eof } else { Cut::Reset };
            link.cut_after = Some((link.written.len() + script.below(64), cut));
        }
        15 if script.below(4) == 0 => pair.half_close(side),
        _ => {}
    }
}

fn check(pair: &mut Pair, side: Side, mut calls: Calls) {
    let end = pair.end(side);
    assert!(end.closed().is_some(), "T5: {side:?} is not closed, or not last");
    let closed = end.events.iter().filter(|event| matches!(event, Event::Closed { .. })).count();
    assert_eq!(closed, 1, "T5");
    for event in &end.events {
        let Event::Answer { id, result, .. } = event else { continue };
        let content = calls.remove(id).expect("T4: an abandoned call, or a second answer");
        match result {
            Ok(payload) => assert_eq!(payload.decode::<u64>(), Ok(content)),
            Err(CallError::Remote(error)) if error.kind() == "ValueError" => {
                assert_eq!((content % 8, error.message()), (0, content.to_string().as_str()));
            }
            Err(_) => {}
        }
    }
    assert!(calls.is_empty(), "T4: {calls:?} never ended");
}

/// Checks the counters of each side against the messages of the other.
fn check_counts(pair: &mut Pair) {
    let [dialler, listener] = SIDES.map(|side| pair.end(side).connection.stats());
    for (side, own, peer) in
        [(Side::Dialler, dialler, listener), (Side::Listener, listener, dialler)]
    {
        let (mut results, mut failures) = (0, 0);
        for event in &pair.end(side).events {
            match event {
                Event::Answer { result: Ok(_), .. } => results += 1,
                Event::Answer { result: Err(CallError::Remote(_)), .. } => failures += 1,
                _ => {}
            }
        }
        assert_eq!((own.results_in, own.failures_in), (results, failures), "{side:?}");
        assert_eq!(own.requests_out, results + failures + own.unanswered, "{side:?}: {own:?}");
        assert!(results <= peer.results_out && failures <= peer.failures_out, "{peer:?}");
        // For a side without support, Hello is a request like any other.
        assert!(own.requests_in <= peer.requests_out + 1, "{own:?} of {peer:?}");
    }
}

/// Checks that only agreed extensions are written, and that others have no effect.
fn check_extensions(pair: &mut Pair, side: Side) {
    let agreed = pair.end(side).connection.extensions();
    let end = pair.end(side);
    let mut written = BytesMut::from(&end.link.written[..]);
    let deframer = Deframer::new(usize::MAX);
    while let Ok(Some(payload)) = deframer.next_frame(&mut written) {
        let Some(codec) = payload.first().and_then(|first| Codec::recognise(*first)) else { break };
        let envelope = Envelope::parse(codec.format(), payload, Budget::default());
        match envelope.expect("a message").kind {
            Kind::Extension(3) => assert!(agreed.cancel),
            Kind::Extension(4) => assert!(agreed.deadline),
            Kind::Extension(5) => assert!(agreed.heartbeat),
            kind => assert!(!matches!(kind, Kind::Extension(_)), "{kind:?}"),
        }
    }
    let closed = end.closed();
    assert!(!matches!(closed, Some(CloseReason::UnknownType { .. })), "{side:?}: {closed:?}");
    let cancelled = end.events.iter().filter(|event| matches!(event, Event::Cancelled { .. }));
    let cancelled = cancelled.count() as u64;
    // Cancelling a request that still waits for output causes no event.
    assert!(cancelled <= end.connection.stats().cancelled);
    assert!(cancelled == 0 || agreed != Extensions::NONE);
}
