//! Whatever two ends of a channel do, and however their stream moves.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aiomas_core::connection::{CallOptions, Close};
use aiomas_core::driver::channel::{Channel, Request};
use aiomas_core::driver::{Call, Error};
use aiomas_core::wire::{Codec, RemoteError};
use aiomas_tests::script::Script;
use proptest::prelude::*;
use proptest::sample::Index;

use super::pair;

/// What one of the ends does.
#[derive(Clone, Debug)]
enum Act {
    /// Calls, with so many bytes of content, and perhaps a timeout in seconds.
    Call { size: usize, timeout: Option<u8> },
    /// Looks for the answer to a call.
    Poll(Index),
    /// Gives a call up.
    GiveUp(Index),
    /// Takes a request.
    Take,
    /// Answers a request that was taken.
    Reply(Index),
    /// Answers one with a failure.
    Fail(Index),
    /// Drops one.
    Drop(Index),
}

#[derive(Clone, Debug)]
enum Step {
    /// One of the ends does something.
    Act(bool, Act),
    /// Everything happens that can.
    Run,
    /// So many seconds pass.
    Pass(u8),
}

/// What ends it.
#[derive(Clone, Debug)]
enum End {
    /// All requests are answered.
    Answers,
    Close(bool, Close),
    Cut,
}

fn act() -> impl Strategy<Value = Act> {
    let index = any::<Index>;
    prop_oneof![
        4 => (prop_oneof![0..100_usize, 900..1200_usize, Just(70_000)], prop::option::weighted(0.2, 1..4_u8))
            .prop_map(|(size, timeout)| Act::Call { size, timeout }),
        2 => index().prop_map(Act::Poll),
        1 => index().prop_map(Act::GiveUp),
        4 => Just(Act::Take),
        3 => index().prop_map(Act::Reply),
        1 => index().prop_map(Act::Fail),
        1 => index().prop_map(Act::Drop),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<bool>(), act()).prop_map(|(side, act)| Step::Act(side, act)),
        3 => Just(Step::Run),
        1 => (0..3_u8).prop_map(Step::Pass),
    ]
}

fn end() -> impl Strategy<Value = End> {
    let within = Duration::from_secs(5);
    let how = prop_oneof![
        Just(Close::Now),
        Just(Close::AfterFlush),
        Just(Close::AfterAnswers { within })
    ];
    prop_oneof![
        2 => Just(End::Answers),
        2 => (any::<bool>(), how).prop_map(|(side, how)| End::Close(side, how)),
        1 => Just(End::Cut),
    ]
}

/// A call that has been made, and all that may come of it.
struct Made {
    call: Call<(u64, String)>,
    number: u64,
    size: usize,
    timeout: bool,
}

#[derive(Default)]
struct Side {
    calls: Vec<Made>,
    requests: Vec<Request>,
}

struct Pair {
    runtime: Script,
    channels: [Channel; 2],
    sides: [Side; 2],
    made: u64,
    /// Calls may be lost from now on.
    ended: bool,
}

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

impl Pair {
    fn act(&mut self, side: bool, act: &Act) {
        let (channel, Side { calls, requests }) =
            (&self.channels[usize::from(side)], &mut self.sides[usize::from(side)]);
        match act {
            Act::Call { size, timeout } => {
                self.made += 1;
                let content = (self.made, "x".repeat(*size));
                let options = timeout.map_or_else(CallOptions::default, |seconds| {
                    CallOptions::timeout(Duration::from_secs(seconds.into()))
                });
                let call = channel.send_with(&content, options);
                let timeout = timeout.is_some();
                calls.push(Made { call, number: self.made, size: *size, timeout });
            }
            Act::Poll(index) if !calls.is_empty() => {
                let index = index.index(calls.len());
                if let Poll::Ready(result) = poll_once(&mut calls[index].call) {
                    let made = calls.swap_remove(index);
                    check(&made, result, self.ended);
                }
            }
            Act::GiveUp(index) if !calls.is_empty() => {
                calls.swap_remove(index.index(calls.len()));
            }
            Act::Take => {
                if let Poll::Ready(Some(request)) = poll_once(channel.recv()) {
                    requests.push(request);
                }
            }
            Act::Reply(index) if !requests.is_empty() => {
                reply(requests.swap_remove(index.index(requests.len())));
            }
            Act::Fail(index) if !requests.is_empty() => {
                // If the channel is gone, nobody hears it.
                let _heard = requests
                    .swap_remove(index.index(requests.len()))
                    .fail(RemoteError::value_error("no"));
            }
            Act::Drop(index) if !requests.is_empty() => {
                drop(requests.swap_remove(index.index(requests.len())));
            }
            _ => {}
        }
    }

    /// Answers everything, until all calls have ended.
    fn finish(&mut self) {
        for _ in 0..1000 {
            self.runtime.run();
            for side in [false, true] {
                self.act(side, &Act::Take);
                self.sides[usize::from(side)].requests.drain(..).for_each(reply);
                let calls = &mut self.sides[usize::from(side)].calls;
                calls.retain_mut(|made| match poll_once(&mut made.call) {
                    Poll::Ready(result) => {
                        check(made, result, self.ended);
                        false
                    }
                    Poll::Pending => true,
                });
            }
            if self.sides.iter().all(|side| side.calls.is_empty()) {
                return;
            }
        }
        panic!("calls have not ended");
    }
}

fn reply(request: Request) {
    let content: (u64, String) = request.content().expect("what was sent");
    // If the channel is gone, nobody hears it.
    let _heard = request.reply(&content);
}

/// What came of a call is its own, or an error that there is a reason for.
fn check(made: &Made, result: Result<(u64, String), Error>, ended: bool) {
    match result {
        Ok((number, text)) => assert_eq!((number, text.len()), (made.number, made.size)),
        Err(Error::Remote(error)) => {
            assert!(matches!(error.kind(), "ValueError" | "RuntimeError" | "ConnectionError"));
        }
        Err(Error::TimedOut { .. }) => assert!(made.timeout),
        Err(Error::Lost(_) | Error::Refused(_)) => assert!(ended),
        Err(error) => panic!("{error}"),
    }
}

fn check_script(
    script: Vec<u8>,
    (capacity, max_calls, msgpack, coalesce): (usize, usize, bool, bool),
    steps: &[Step],
    end: &End,
) {
    let runtime = Script::new(script).with_capacity(capacity);
    let [one, other] = runtime
        .block_on(pair(&runtime, |builder| {
            let builder = builder.codec(if msgpack { Codec::MsgPack } else { Codec::Json });
            builder.coalesce(coalesce).config(|config| config.limits.max_calls_out = max_calls)
        }))
        .into();
    let sides = <[Side; 2]>::default();
    let mut pair = Pair { runtime, channels: [one, other], sides, made: 0, ended: false };
    for step in steps {
        match step {
            Step::Act(side, act) => pair.act(*side, act),
            Step::Run => pair.runtime.run(),
            Step::Pass(seconds) => pair.runtime.pass(Duration::from_secs((*seconds).into())),
        }
    }
    match end {
        End::Answers => {}
        End::Close(side, how) => {
            pair.ended = true;
            pair.channels[usize::from(*side)].close(*how);
        }
        End::Cut => {
            pair.ended = true;
            pair.runtime.cut(ErrorKind::ConnectionReset);
        }
    }
    pair.finish();
    let Pair { runtime, channels, .. } = pair;
    drop(channels);
    // Whoever closes gives the other ten seconds at most.
    runtime.pass(Duration::from_secs(60));
    assert_eq!((runtime.tasks(), runtime.ends()), (0, 0), "somebody is left");
    assert!(runtime.spins() <= 2, "{} polls for nothing", runtime.spins());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Every call ends once, with its own answer or an error that there is a reason for; nobody polls for
    /// nothing; and when all handles are gone, so are tasks and streams.
    #[test]
    fn every_call_ends_and_nothing_is_left(
        script in prop::collection::vec(any::<u8>(), 0..400),
        settings in (prop_oneof![1..100_usize, Just(4096), Just(1 << 20)], 1..20_usize, any::<bool>(), any::<bool>()),
        steps in prop::collection::vec(step(), 0..60),
        end in end(),
    ) {
        check_script(script, settings, &steps, &end);
    }
}
