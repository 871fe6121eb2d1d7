//! Fairness between connections, and waiting for a slow reader.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas::service;
use aiomas::{Runtime, Timer};
use aiomas_core::connection::Limits;
use aiomas_core::wire::Codec;
use aiomas_core::wire::codec::blosc;
use aiomas_tests::message::{self, REQUEST};
use aiomas_tests::raw::Raw;
use aiomas_tests::scripted_runtime::{ScriptedRuntime, pair};

/// Counts requests by the round in which they run. A real runtime checks its sockets between
/// rounds.
#[derive(Clone)]
struct Counter {
    runtime: ScriptedRuntime,
    rounds: Arc<Mutex<BTreeMap<u64, usize>>>,
    last: Arc<AtomicUsize>,
}

#[service]
impl Counter {
    #[expose]
    fn count(&self, number: usize, _text: String) -> usize {
        *self.rounds.lock().unwrap().entry(self.runtime.rounds()).or_default() += 1;
        // Requests start in order of arrival.
        assert!(self.last.swap(number, Ordering::SeqCst) <= number);
        number
    }

    #[expose]
    fn ping(&self) -> usize {
        self.last.load(Ordering::SeqCst)
    }
}

/// Sends `count` requests with texts of `size` bytes. Returns the maximum number run in one round,
/// and the number run before another client's concurrent call was answered.
fn flood(count: usize, size: usize, codec: Codec) -> (usize, usize) {
    let runtime = ScriptedRuntime::default().with_capacity(64 << 20);
    let rounds = Arc::<Mutex<BTreeMap<_, _>>>::default();
    let counter =
        Counter { runtime: runtime.clone(), rounds: rounds.clone(), last: Arc::default() };
    let seen = runtime.block_on(async {
        let server = aiomas::rpc::builder(runtime.clone()).service(counter);
        let server = server.listen("tcp://here:0").await.unwrap();
        let neighbour =
            aiomas::rpc::builder(runtime.clone()).connect(server.address()).await.unwrap();
        assert_eq!(neighbour.remote().call("ping").send::<usize>().await, Ok(0));
        let mut raw = Raw::dial(&runtime, server.address()).await.unwrap();
        let text = "x".repeat(size);
        let request = |number: usize| {
            let content = ("count", (number, &text), serde_json::Map::new());
            let message = message::message(codec.format(), REQUEST, number, content);
            if codec == Codec::MsgPackBlosc { packed(&message[4..]) } else { message.to_vec() }
        };
        let all: Vec<u8> = (1..=count).flat_map(request).collect();
        raw.write(&all).await.unwrap();
        let seen = neighbour.remote().call("ping").send::<usize>().await.unwrap();
        for _ in 0..count {
            raw.read().await.expect("an answer");
        }
        seen
    });
    let rounds = rounds.lock().unwrap();
    assert_eq!(rounds.values().sum::<usize>(), count);
    (rounds.values().copied().max().unwrap_or_default(), seen)
}

/// Returns a frame compressed as by Python.
fn packed(message: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    blosc::compress(message, &blosc::Options::default(), &mut packed).unwrap();
    message::frame(packed).to_vec()
}

#[test]
fn a_flood_of_small_requests_leaves_others_their_turn() {
    let (most, seen) = flood(20_000, 1, Codec::Json);
    assert!((64..=128).contains(&most), "{most}");
    assert!(seen <= 4 * 128, "{seen}");
}

#[test]
fn a_turn_ends_by_bytes_as_well() {
    let (most, seen) = flood(500, 10_000, Codec::MsgPack);
    assert!((1..=8).contains(&most), "{most}");
    assert!(seen <= 32, "{seen}");
}

/// Large requests run outside of the connection's task, one after the other.
#[test]
fn large_requests_leave_others_their_turn() {
    let (most, seen) = flood(50, 100_000, Codec::MsgPack);
    assert_eq!(most, 1);
    assert!(seen <= 4, "{seen}");
}

#[test]
fn small_frames_that_become_large_leave_others_their_turn() {
    for size in [20_000, 100_000] {
        let (most, seen) = flood(50, size, Codec::MsgPackBlosc);
        assert!(most <= 4, "{most}");
        assert!(seen <= 16, "{seen}");
    }
}

struct Store(ScriptedRuntime);

#[service]
impl Store {
    #[expose]
    fn series(&self, length: usize) -> String {
        "x".repeat(length)
    }

    #[expose]
    async fn series_later(&self, length: usize) -> String {
        let mut timer = self.0.timer();
        timer.set(self.0.now() + Duration::from_secs(1));
        poll_fn(|cx| timer.poll(cx)).await;
        "x".repeat(length)
    }
}

#[test]
fn every_answer_arrives_at_a_client_that_reads() {
    for (limits, count, size) in [
        (Limits::exposed(), 100, 50_000),
        (Limits::exposed(), 20, 300_000),
        (Limits::default(), 200, 1 << 20),
    ] {
        for method in ["series", "series_later"] {
            let runtime = ScriptedRuntime::default();
            runtime.block_on(async {
                let server = aiomas::rpc::builder(runtime.clone()).limits(limits.clone());
                let server = server.service(Store(runtime.clone()));
                let server = server.listen("tcp://here:0").await.unwrap();
                let client = aiomas::rpc::builder(runtime.clone()).codec(Codec::MsgPack);
                let client = client.connect(server.address()).await.unwrap();
                let remote = client.remote();
                let calls: Vec<_> =
                    (0..count).map(|_| remote.call(method).arg(size).send::<String>()).collect();
                for call in calls {
                    assert_eq!(call.await.map(|text| text.len()), Ok(size), "{method}");
                }
            });
        }
    }
}

/// Each side requests more than the other's output holds.
#[test]
fn two_peers_that_call_each_other_make_progress() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let limits = |config: &mut aiomas_core::connection::Config| {
            config.limits.output_high = 64 << 10;
            config.limits.output_cap = 128 << 10;
        };
        let (one, other) =
            pair(&runtime, |builder| builder.codec(Codec::MsgPack).config(limits)).await;
        for channel in [one.clone(), other.clone()] {
            runtime.spawn(async move {
                while let Some(request) = channel.recv().await {
                    let text: String = request.content().unwrap();
                    request.reply(&text).unwrap();
                }
            });
        }
        let text = "x".repeat(20_000);
        let calls: Vec<_> = [&one, &other]
            .iter()
            .flat_map(|end| (0..100).map(|_| end.send::<String>(&text)))
            .collect();
        for call in calls {
            assert_eq!(call.await.as_deref(), Ok(&*text));
        }
    });
}

/// A task for each request, as in many programs.
#[test]
fn replies_wait_for_room() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (one, other) = pair(&runtime, |builder| {
            builder.config(|config| {
                config.limits.output_high = 64 << 10;
                config.limits.output_cap = 128 << 10;
            })
        })
        .await;
        let most = Arc::<AtomicUsize>::default();
        let serving = (runtime.clone(), other.clone(), most.clone());
        runtime.spawn(async move {
            let (runtime, channel, most) = serving;
            while let Some(request) = channel.recv().await {
                let (peer, most) = (channel.peer(), most.clone());
                runtime.spawn(async move {
                    request.send_reply(&"x".repeat(50_000)).await.unwrap();
                    most.fetch_max(peer.state().bytes_queued, Ordering::SeqCst);
                });
            }
        });
        let calls: Vec<_> = (0..200).map(|_| one.send::<String>(&1)).collect();
        for call in calls {
            assert_eq!(call.await.map(|text| text.len()), Ok(50_000));
        }
        let most = most.load(Ordering::SeqCst);
        assert!(most <= (128 << 10) + 51_000, "{most}");
    });
}
