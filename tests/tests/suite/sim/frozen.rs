//! Frozen peers and partitioned networks, and the time until they are detected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aiomas_core::connection::{CloseReason, Negotiate, TimeoutReason};
use aiomas_core::wire::Codec;
use aiomas_sim::{Container, Error, Host, Proxy, Sim, agent, reconnect::ConnectionState, service};

use super::SECOND;

/// The silence after which a peer receives a heartbeat, as in `Limits`.
const SILENCE: Duration = Duration::from_secs(60);

struct Boiler;

#[agent]
impl Boiler {
    #[expose]
    fn read(&self) -> f64 {
        21.5
    }

    /// Takes some time, without blocking others.
    #[expose]
    async fn heat(&self, seconds: u64) -> u64 {
        Host::default().sleep(SECOND * seconds as u32).await;
        seconds
    }
}

fn hello() -> Negotiate {
    Negotiate::Hello { base: Codec::Json, offer: vec![Codec::MsgPack] }
}

/// Starts a host `house` with a boiler. Returns a counter of connections.
fn house(sim: &Sim) -> Arc<AtomicUsize> {
    let connected = Arc::new(AtomicUsize::new(0));
    let count = connected.clone();
    sim.host("house").start(move |host| {
        let count = count.clone();
        async move {
            let container = host.container().on_connect(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            let container = container.bind("tcp://house:1").await?;
            container.spawn(Boiler)?;
            std::future::pending().await
        }
    });
    connected
}

async fn grid(sim: &Sim, negotiate: Negotiate) -> Container {
    let container = sim.host("grid").container().negotiate(negotiate).bind("tcp://grid:1").await;
    container.expect("a free address")
}

async fn boiler(grid: &Container) -> BoilerProxy {
    grid.connect("tcp://house:1/0").within(SECOND).await.expect("an existing agent")
}

fn stands_still() -> CloseReason {
    CloseReason::TimedOut(TimeoutReason::Heartbeat { after: SILENCE })
}

/// The peer's system accepts data, but its process does not answer.
#[test]
fn a_frozen_process_is_detected() {
    let sim = Sim::new(1);
    house(&sim);
    sim.block_on(async {
        let grid = grid(&sim, hello()).await;
        let boiler = boiler(&grid).await;
        assert_eq!(boiler.read().await, Ok(21.5));
        let begun = sim.elapsed();
        sim.host("house").freeze();
        assert_eq!(boiler.read().await, Err(Error::Lost(stands_still())));
        assert_eq!(sim.elapsed() - begun, 2 * SILENCE);
        // Once it resumes, a new connection is opened.
        sim.host("house").thaw();
        let boiler = self::boiler(&grid).await;
        assert_eq!(boiler.read().await, Ok(21.5));
        // Detection also works without calls, so that the list of peers is right.
        let peer = grid.peers().pop().expect("at least one");
        let begun = sim.elapsed();
        sim.host("house").freeze();
        assert_eq!(peer.closed().await, stands_still());
        assert_eq!(sim.elapsed() - begun, 2 * SILENCE);
    });
}

/// A server detects frozen clients, and frees their slots.
#[test]
fn a_frozen_client_is_detected() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let server = sim.host("house").container().bind("tcp://house:1").await.expect("free");
        server.spawn(Boiler).expect("room");
        let grid = grid(&sim, hello()).await;
        assert_eq!(boiler(&grid).await.read().await, Ok(21.5));
        let begun = sim.elapsed();
        sim.host("grid").freeze();
        let peer = server.peers().pop().expect("at least one");
        assert_eq!(peer.closed().await, stands_still());
        assert_eq!(sim.elapsed() - begun, 2 * SILENCE);
        assert_eq!(server.connection_count(), 0);
    });
}

/// A shorter stop has the same effect as a slow peer.
#[test]
fn a_short_stop_does_no_harm() {
    let sim = Sim::new(1);
    let connected = house(&sim);
    sim.block_on(async {
        let grid = grid(&sim, hello()).await;
        let boiler = boiler(&grid).await;
        sim.host("house").freeze();
        sim.at(2 * SILENCE - SECOND, |sim| sim.host("house").thaw());
        assert_eq!(boiler.read().await, Ok(21.5));
        assert_eq!(sim.elapsed(), 2 * SILENCE - SECOND);
        // A suspension of our own process, of any length, does no harm: the peer first receives a
        // heartbeat.
        let grid_host = sim.host("grid");
        let call = boiler.heat(1000);
        sim.host("main").sleep(SECOND).await;
        grid_host.freeze();
        sim.host("main").sleep(SILENCE + SILENCE / 2).await;
        grid_host.thaw();
        assert_eq!(call.await, Ok(1000));
    });
    assert_eq!(connected.load(Ordering::Relaxed), 1);
}

/// A long method is no sign of a dead peer: its connection answers heartbeats.
#[test]
fn a_peer_that_is_busy_is_alive() {
    let sim = Sim::new(1);
    let connected = house(&sim);
    sim.block_on(async {
        let grid = grid(&sim, hello()).await;
        let boiler = boiler(&grid).await;
        assert_eq!(boiler.heat(3600).await, Ok(3600));
        assert_eq!(sim.elapsed(), 3600 * SECOND);
    });
    assert_eq!(connected.load(Ordering::Relaxed), 1);
}

/// Without Hello, as with Python peers, heartbeats are not available.
#[test]
fn without_hello_nothing_is_asked() {
    let sim = Sim::new(1);
    house(&sim);
    sim.block_on(async {
        let grid = grid(&sim, Negotiate::Fixed(Codec::Json)).await;
        let boiler = boiler(&grid).await;
        sim.host("house").freeze();
        sim.at(1000 * SECOND, |sim| sim.host("house").thaw());
        assert_eq!(boiler.read().await, Ok(21.5));
        assert_eq!(sim.elapsed(), 1000 * SECOND);
    });
}

/// Both ends detect a partition.
#[test]
fn a_partition_ends_connections() {
    let sim = Sim::new(1);
    house(&sim);
    sim.block_on(async {
        let grid = grid(&sim, hello()).await;
        let boiler: BoilerProxy = grid
            .connect("tcp://house:1/0")
            .within(SECOND)
            .reconnect(30 * SECOND)
            .await
            .expect("present");
        let begun = sim.elapsed();
        sim.partition("grid", "house").expect("known hosts");
        assert_eq!(boiler.read().await, Err(Error::Lost(stands_still())));
        assert_eq!(sim.elapsed() - begun, 2 * SILENCE);
        sim.at(10 * SECOND, |sim| sim.heal("grid", "house").expect("known hosts"));
        assert_eq!(boiler.read().await, Ok(21.5));
    });
}

/// Calls with timeouts detect it earlier: two timeouts suffice, with any peer.
#[test]
fn a_reconnecting_proxy_leaves_a_dead_connection() {
    for negotiate in [Negotiate::Fixed(Codec::Json), hello()] {
        let sim = Sim::new(1);
        let connected = house(&sim);
        sim.block_on(async {
            let grid = grid(&sim, negotiate).await;
            let boiler = grid.connect::<BoilerProxy>("tcp://house:1/0").within(SECOND);
            let boiler = boiler.reconnect(30 * SECOND).await.expect("an existing agent");
            let line = Proxy::from(boiler.clone()).reconnecting().expect("a reconnecting proxy");
            let hasty = boiler.with_timeout(2 * SECOND);
            sim.host("main").sleep(SECOND).await;
            sim.partition("grid", "house").expect("known hosts");
            for state in [ConnectionState::Connected, ConnectionState::Lost] {
                // Concurrent calls count as one sign.
                let calls = [hasty.read(), hasty.read(), hasty.read()];
                for call in calls {
                    assert_eq!(call.await, Err(Error::TimedOut { after: 2 * SECOND, sent: true }));
                }
                sim.host("main").sleep(SECOND / 10).await;
                assert_eq!(line.state(), state);
            }
            sim.at(5 * SECOND, |sim| sim.heal("grid", "house").expect("known hosts"));
            assert_eq!(boiler.read().await, Ok(21.5));
            assert_eq!(line.state(), ConnectionState::Connected);
        });
        assert_eq!(connected.load(Ordering::Relaxed), 2);
    }
}

/// The same for RPC clients, which then dial another address if they have one.
#[test]
fn a_reconnecting_client_leaves_a_dead_connection() {
    struct Desk;

    #[service]
    impl Desk {
        #[expose]
        fn add(&self, a: i64, b: i64) -> i64 {
            a + b
        }
    }

    let sim = Sim::new(1);
    sim.block_on(async {
        let server = sim.host("house").rpc().service(Desk).listen("tcp://house:1").await;
        let server = server.expect("a free address");
        let client = sim.host("grid").rpc().reconnect(30 * SECOND);
        let client = client.connect("tcp://house:1").await.expect("a listener");
        let desk: DeskProxy = client.remote_as();
        let hasty = desk.with_timeout(SECOND);
        assert_eq!(hasty.add(1, 2).await, Ok(3));
        sim.host("main").sleep(SECOND).await;
        sim.partition("grid", "house").expect("known hosts");
        for _ in 0..2 {
            assert_eq!(hasty.add(1, 2).await, Err(Error::TimedOut { after: SECOND, sent: true }));
        }
        sim.at(5 * SECOND, |sim| sim.heal("grid", "house").expect("known hosts"));
        assert_eq!(desk.add(3, 4).await, Ok(7));
        sim.host("main").sleep(SECOND).await;
        assert_eq!(server.stats().closed, 1);
    });
}

/// A method that exceeds its time limit is no sign: the container answers the heartbeat.
#[test]
fn a_slow_method_costs_no_connection() {
    for negotiate in [Negotiate::Fixed(Codec::Json), hello()] {
        let sim = Sim::new(1);
        let connected = house(&sim);
        sim.block_on(async {
            let grid = grid(&sim, negotiate).await;
            let boiler = grid.connect::<BoilerProxy>("tcp://house:1/0").within(SECOND);
            let boiler = boiler.reconnect(30 * SECOND).await.expect("an existing agent");
            let hasty = boiler.with_timeout(2 * SECOND);
            for _ in 0..20 {
                sim.host("main").sleep(SECOND).await;
                assert_eq!(
                    hasty.heat(100).await,
                    Err(Error::TimedOut { after: 2 * SECOND, sent: true })
                );
            }
        });
        assert_eq!(connected.load(Ordering::Relaxed), 1);
    }
}

/// Timeouts shorter than a round trip are no sign either.
#[test]
fn short_timeouts_cost_no_connection() {
    let sim = Sim::builder(1).link(aiomas_sim::Link::new().latency(SECOND / 4)).build();
    let connected = house(&sim);
    sim.block_on(async {
        let grid = grid(&sim, Negotiate::Fixed(Codec::Json)).await;
        let boiler = grid.connect::<BoilerProxy>("tcp://house:1/0").within(10 * SECOND);
        let boiler = boiler.reconnect(30 * SECOND).await.expect("an existing agent");
        let hasty = boiler.with_timeout(SECOND / 100);
        for _ in 0..500 {
            assert!(hasty.read().await.is_err());
        }
        assert_eq!(boiler.read().await, Ok(21.5));
    });
    assert_eq!(connected.load(Ordering::Relaxed), 1);
}

/// A busy peer may be alive and still answer its pending calls.
#[test]
fn calls_in_flight_survive_the_connection_that_is_left() {
    let sim = Sim::new(1);
    let connected = house(&sim);
    sim.block_on(async {
        let grid = grid(&sim, Negotiate::Fixed(Codec::Json)).await;
        let boiler = grid.connect::<BoilerProxy>("tcp://house:1/0").within(SECOND);
        let boiler = boiler.reconnect(30 * SECOND).await.expect("an existing agent");
        let hasty = boiler.with_timeout(2 * SECOND);
        let long = boiler.heat(20);
        sim.host("main").sleep(SECOND).await;
        sim.host("house").freeze();
        sim.at(15 * SECOND, |sim| sim.host("house").thaw());
        for _ in 0..2 {
            assert_eq!(hasty.read().await, Err(Error::TimedOut { after: 2 * SECOND, sent: true }));
        }
        assert_eq!(boiler.read().await, Ok(21.5), "over a new connection");
        assert_eq!(long.await, Ok(20));
    });
    assert_eq!(connected.load(Ordering::Relaxed), 2);
}

/// A simulation with frozen hosts is reproducible, and a crash thaws a host.
#[test]
fn frozen_hosts_are_stopped_and_restarted() {
    let run = || {
        let sim = Sim::new(7);
        house(&sim);
        sim.block_on(async {
            let grid = grid(&sim, Negotiate::Fixed(Codec::Json)).await;
            let boiler = boiler(&grid).await;
            sim.host("house").freeze();
            let call = boiler.read();
            sim.at(SECOND, |sim| sim.crash("house").expect("a known host"));
            assert!(matches!(call.await, Err(Error::Lost(_))));
            sim.restart("house").expect("a known host");
            assert_eq!(self::boiler(&grid).await.read().await, Ok(21.5));
        });
        sim.trace()
    };
    assert_eq!(run(), run());
}
