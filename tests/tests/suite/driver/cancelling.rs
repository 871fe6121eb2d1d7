//! The end of cancelled methods, and of their slots.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use aiomas::{Context, OnDisconnect, Runtime};
use aiomas::{Error, service};
use aiomas_core::connection::{Close, Negotiate};
use aiomas_core::wire::Codec;
use aiomas_sim::{Host, Link, Sim};
use aiomas_tokio::rpc;

const LATENCY: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn hello() -> Negotiate {
    Negotiate::Hello { base: Codec::Json, offer: vec![Codec::MsgPack] }
}

/// The events and their times.
type Log = Arc<Mutex<Vec<(&'static str, Instant)>>>;

#[derive(Clone)]
struct Worker {
    host: Host,
    log: Log,
}

impl Worker {
    fn note(&self, what: &'static str) {
        self.log.lock().unwrap().push((what, self.host.now()));
    }
}

/// Logs its drop.
struct Ending<'a>(&'a Worker);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.note("ends");
    }
}

#[service]
impl Worker {
    #[expose]
    async fn alone(&mut self, #[context] context: Context) {
        self.note("begins");
        let before = context.time_left();
        let _ending = Ending(self);
        self.host.sleep(SECOND).await;
        assert_eq!(context.time_left(), before.map(|left| left - SECOND));
        self.host.sleep(1000 * SECOND).await;
    }

    #[expose]
    fn ping(&self) {}
}

fn sim() -> Sim {
    Sim::builder(1).link(Link::new().latency(LATENCY)).build()
}

/// The caller's call times out on time. The callee's method ends later by the latency, running or
/// waiting.
#[test]
fn deadlines_pass_on_both_sides_at_their_time() {
    let sim = sim();
    let (host, client) = (sim.host("server"), sim.host("client"));
    let log = Log::default();
    sim.block_on(async {
        let worker = Worker { host: host.clone(), log: log.clone() };
        let server = host.rpc().service(worker).listen("tcp://server:0").await.unwrap();
        let client = client.rpc().negotiate(hello()).connect(server.address()).await.unwrap();
        client.remote().call("ping").send::<()>().await.unwrap();
        let start = host.now();
        let call = |after| client.remote().call("alone").with_timeout(after).send::<()>();
        let (first, second, third) = (call(5 * SECOND), call(3 * SECOND), call(7 * SECOND));
        assert_eq!(second.await, Err(Error::TimedOut { after: 3 * SECOND, sent: true }));
        assert_eq!(host.now() - start, 3 * SECOND);
        assert_eq!(first.await, Err(Error::TimedOut { after: 5 * SECOND, sent: true }));
        assert_eq!(host.now() - start, 5 * SECOND);
        assert_eq!(third.await, Err(Error::TimedOut { after: 7 * SECOND, sent: true }));
        client.remote().call("ping").send::<()>().await.unwrap();
        let log: Vec<_> =
            log.lock().unwrap().iter().map(|(what, at)| (*what, *at - start)).collect();
        let late = |seconds| seconds * SECOND + LATENCY;
        // The second method never started.
        let expected =
            [("begins", late(0)), ("ends", late(5)), ("begins", late(5)), ("ends", late(7))];
        assert_eq!(log, expected);
        let stats = client.peer().state().stats;
        // The first timeout of a silent peer makes the client send a heartbeat.
        let frames = "Hello, two pings and a heartbeat";
        assert_eq!((stats.late_answers, stats.frames_in), (0, 4), "{frames}");
    });
}

/// The method ends when the cancellation arrives.
#[test]
fn a_cancellation_takes_as_long_as_a_message() {
    let sim = sim();
    let (host, client) = (sim.host("server"), sim.host("client"));
    let log = Log::default();
    sim.block_on(async {
        let worker = Worker { host: host.clone(), log: log.clone() };
        let server = host.rpc().service(worker).listen("tcp://server:0").await.unwrap();
        let connection = client.rpc().negotiate(hello()).connect(server.address()).await.unwrap();
        connection.remote().call("ping").send::<()>().await.unwrap();
        let start = host.now();
        let calls = [(); 3].map(|()| connection.remote().call("alone").send::<()>());
        client.sleep(SECOND / 2).await;
        drop(calls);
        connection.remote().call("ping").send::<()>().await.unwrap();
        let log: Vec<_> =
            log.lock().unwrap().iter().map(|(what, at)| (*what, *at - start)).collect();
        assert_eq!(log, [("begins", LATENCY), ("ends", SECOND / 2 + LATENCY)]);
    });
}

/// The request and its cancellation arrive together.
#[test]
fn a_call_that_is_dropped_at_once_does_not_begin() {
    let sim = sim();
    let (host, client) = (sim.host("server"), sim.host("client"));
    let log = Log::default();
    sim.block_on(async {
        let worker = Worker { host: host.clone(), log: log.clone() };
        let server = host.rpc().service(worker).listen("tcp://server:0").await.unwrap();
        let connection = client.rpc().negotiate(hello()).connect(server.address()).await.unwrap();
        connection.remote().call("ping").send::<()>().await.unwrap();
        for _ in 0..3 {
            drop(connection.remote().call("alone").send::<()>());
            connection.remote().call("ping").send::<()>().await.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), []);
    });
}

/// The end of the peer's stream suffices.
#[test]
fn orphaned_calls_are_cancelled_when_the_peer_is_gone() {
    let sim = sim();
    let (host, client) = (sim.host("server"), sim.host("client"));
    let log = Log::default();
    sim.block_on(async {
        let worker = Worker { host: host.clone(), log: log.clone() };
        let builder = host.rpc().service(worker).calls_on_disconnect(OnDisconnect::Cancel);
        let server = builder.listen("tcp://server:0").await.unwrap();
        let connection = client.rpc().connect(server.address()).await.unwrap();
        let calls = [(); 3].map(|()| connection.remote().call("alone").send::<()>());
        client.sleep(SECOND / 2).await;
        let start = host.now();
        connection.close_with(Close::Now);
        client.sleep(SECOND).await;
        let ends = log
            .lock()
            .unwrap()
            .iter()
            .map(|(what, at)| (*what, at.saturating_duration_since(start)))
            .collect::<Vec<_>>();
        assert_eq!(ends, [("begins", Duration::ZERO), ("ends", LATENCY)]);
        assert!(server.clients().is_empty(), "nothing holds the connection");
        assert_eq!(server.admission().open, 0);
        drop(calls);
    });
}

/// Blocks until it is released, within `block_in_place`. Otherwise tokio's I/O thread might block.
#[derive(Clone, Default)]
struct Stubborn(Arc<(Mutex<(usize, bool)>, Condvar)>);

impl Stubborn {
    fn blocked(&self) -> usize {
        self.0.0.lock().unwrap().0
    }

    fn release(&self) {
        self.0.0.lock().unwrap().1 = true;
        self.0.1.notify_all();
    }
}

#[service]
impl Stubborn {
    #[expose]
    async fn block(&self) {
        tokio::task::yield_now().await;
        tokio::task::block_in_place(|| self.wait());
        std::future::pending::<()>().await;
    }

    fn wait(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.0 += 1;
        while !state.1 {
            state = self.0.1.wait(state).unwrap();
        }
    }

    #[expose]
    fn ping(&self) {}
}

/// A blocking method continues after its cancellation, so it counts until its next await.
#[test]
fn a_cancelled_method_counts_until_it_has_ended() {
    let main = async {
        let stubborn = Stubborn::default();
        let builder = rpc::builder().service(stubborn.clone());
        let builder = builder.config(|config| config.limits.max_calls_in = 2);
        let server = builder.listen("tcp://127.0.0.1:0").await.unwrap();
        let client = rpc::builder().negotiate(hello()).connect(server.address()).await.unwrap();
        let remote = client.remote();
        let ping = || remote.call("ping").send::<()>();
        ping().await.unwrap();
        let calls = [(); 2].map(|()| remote.call("block").send::<()>());
        while stubborn.blocked() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(calls);
        for _ in 0..10 {
            let error = ping().await.expect_err("two are being handled still");
            assert!(error.to_string().contains("`Limits::max_calls_in` there"), "{error}");
        }
        stubborn.release();
        while ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let ended = runtime.block_on(async { tokio::time::timeout(300 * SECOND, main).await });
    ended.expect("no timeout");
}
