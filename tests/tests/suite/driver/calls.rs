//! Calls, and the reasons for which they wait.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use aiomas::Error;
use aiomas::channel::Channel;
use aiomas_core::connection::{Close, Config, Negotiate};
use aiomas_core::wire::Codec;
use aiomas_tests::scripted_runtime::{ScriptedRuntime, pair};

/// Echoes the next request.
async fn echo(channel: &Channel) {
    let request = channel.recv().await.expect("open");
    let number: u32 = request.content().expect("a number");
    request.reply(&number).expect("open");
}

const fn one_at_a_time(config: &mut Config) {
    config.limits.max_calls_out = 1;
}

/// The slot of a taken answer must be released exactly once.
#[test]
fn answers_go_to_their_callers() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (one, other) = pair(&runtime, |builder| builder).await;
        for round in 0..3_u32 {
            let calls: Vec<_> = (0..4).map(|i| one.send::<u32>(&(10 * round + i))).collect();
            for _ in 0..4 {
                echo(&other).await;
            }
            for (i, call) in (0..4).zip(calls) {
                assert_eq!(call.await, Ok(10 * round + i));
            }
        }
    });
}

/// For any script: streams are often not ready, and move few bytes.
#[test]
fn calls_end_without_a_trace_for_any_script() {
    for seed in 0..50_u8 {
        let script = (0..2000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed);
        let runtime = ScriptedRuntime::new(script).with_capacity(64);
        let (one, other) = runtime.block_on(pair(&runtime, |builder| builder));
        runtime.block_on(async {
            let calls: Vec<_> = (0..20).map(|i| one.send::<u32>(&i)).collect();
            for _ in 0..20 {
                echo(&other).await;
            }
            for (i, call) in (0..).zip(calls) {
                assert_eq!(call.await, Ok(i));
            }
        });
        drop((one, other));
        runtime.run();
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0), "seed {seed}");
        assert!(runtime.spins() <= 2, "seed {seed}: {} polls for nothing", runtime.spins());
    }
}

/// Two sides that both write more than the stream holds must keep reading.
#[test]
fn large_messages_in_both_directions() {
    let runtime = ScriptedRuntime::default().with_capacity(4096);
    runtime.block_on(async {
        let (one, other) = pair(&runtime, |builder| builder.codec(Codec::MsgPack)).await;
        let large = "x".repeat(8 << 20);
        let (there, back) = (one.send::<usize>(&large), other.send::<usize>(&large));
        for channel in [&other, &one] {
            let request = channel.recv().await.expect("open");
            let content: String = request.content().expect("a text");
            request.reply(&content.len()).expect("open");
        }
        assert_eq!((there.await, back.await), (Ok(8 << 20), Ok(8 << 20)));
    });
}

#[test]
fn the_time_of_a_call_runs_while_it_waits_for_room() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (one, _other) = pair(&runtime, |builder| builder.config(one_at_a_time)).await;
        let _first = one.send::<u32>(&1);
        let after = Duration::from_secs(1);
        let second = one.with_timeout(after).send::<u32>(&2);
        assert_eq!(second.await, Err(Error::TimedOut { after, sent: false }));
    });
}

/// The call was encoded for the old codec.
#[test]
fn a_call_that_waits_for_room_survives_a_change_of_the_codec() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let offer = vec![Codec::MsgPack];
        let negotiate = Negotiate::Hello { base: Codec::Json, offer };
        let (one, other) =
            pair(&runtime, |builder| builder.config(one_at_a_time).negotiate(negotiate.clone()))
                .await;
        let (first, second) = (one.send::<u32>(&1), one.send::<u32>(&2));
        echo(&other).await;
        assert_eq!(first.await, Ok(1));
        let mut second = pin!(second);
        // The call is sent when it is polled.
        poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_ready())).await;
        echo(&other).await;
        assert_eq!(second.await, Ok(2));
    });
}

/// A call dropped at its turn passes the turn on.
#[test]
fn calls_that_wait_for_room_and_are_dropped_lose_no_turn() {
    for dropped in 0..8_u32 {
        let runtime = ScriptedRuntime::default();
        let (one, other) =
            runtime.block_on(pair(&runtime, |builder| builder.config(one_at_a_time)));
        runtime.block_on(async {
            let mut calls: Vec<_> = (0..8).map(|i| Some(Box::pin(one.send::<u32>(&i)))).collect();
            let mut answered = 0;
            poll_fn(|cx| {
                for call in calls.iter_mut().flatten() {
                    assert!(call.as_mut().poll(cx).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            calls[dropped as usize] = None;
            let served = async {
                loop {
                    echo(&other).await;
                }
            };
            let mut served = pin!(served);
            poll_fn(|cx| {
                assert!(served.as_mut().poll(cx).is_pending());
                for (number, slot) in (0..).zip(&mut calls) {
                    if let Some(call) = slot
                        && let Poll::Ready(result) = call.as_mut().poll(cx)
                    {
                        assert_eq!(result, Ok(number));
                        *slot = None;
                        answered += 1;
                    }
                }
                if answered == 7 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
    }
}

/// A call dropped after any number of polls leaves no state.
#[test]
fn a_call_is_dropped_at_every_point() {
    for polls in 0..6 {
        let runtime = ScriptedRuntime::new([0, 5, 9, 0, 1, 0, 2, 0]);
        let (one, other) = runtime.block_on(pair(&runtime, |builder| builder));
        runtime.block_on(async {
            let mut call = Some(Box::pin(one.send::<u32>(&1)));
            let stays = one.send::<u32>(&2);
            let served = async {
                echo(&other).await;
                echo(&other).await;
            };
            let mut both = pin!(async { (served.await, stays.await).1 });
            let mut polled = 0;
            let result = poll_fn(|cx| {
                if polled == polls {
                    call = None;
                } else if let Some(pending) = &mut call
                    && pending.as_mut().poll(cx).is_ready()
                {
                    call = None;
                }
                polled += 1;
                both.as_mut().poll(cx)
            })
            .await;
            assert_eq!(result, Ok(2));
            call = None;
            drop(call);
            assert_eq!(
                {
                    let again = one.send::<u32>(&3);
                    echo(&other).await;
                    again.await
                },
                Ok(3)
            );
            one.close_with(Close::Now);
        });
        drop((one, other));
        runtime.run();
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
    }
}

/// A request that arrives during the drop of the last handle is answered.
#[test]
fn untaken_requests_fail() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (one, other) = pair(&runtime, |builder| builder).await;
        let call = one.send::<u32>(&1);
        drop(other);
        assert!(matches!(call.await, Err(Error::Remote(_) | Error::Lost(_))));
    });
    runtime.pass(Duration::from_secs(60));
    assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
}

/// All waiting calls are woken, plus one: too many for a counter of wake-ups.
#[test]
fn room_and_an_answer_come_in_one_turn() {
    let runtime = ScriptedRuntime::default().with_capacity(4096);
    let (one, other) = runtime.block_on(pair(&runtime, |builder| {
        builder.coalesce(false).config(|config| config.limits.output_high = 1024)
    }));
    let mut first = one.send::<u32>(&1);
    runtime.run();
    let request = runtime.block_on(other.recv()).expect("a request");
    // It exceeds the stream's buffer, so the answer arrives while its rest is written.
    let _large = one.send::<String>(&"x".repeat(6000));
    let mut waits = one.send::<u32>(&2);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(pin!(&mut waits).poll(&mut cx).is_pending());
    request.reply(&1).expect("open");
    runtime.run();
    assert_eq!(pin!(&mut first).poll(&mut cx), Poll::Ready(Ok(1)));
    assert!(pin!(&mut waits).poll(&mut cx).is_pending());
    runtime.run();
    runtime.block_on(async {
        let large = other.recv().await.expect("a request");
        large.reply("").expect("open");
        echo(&other).await;
        assert_eq!(waits.await, Ok(2));
    });
}
