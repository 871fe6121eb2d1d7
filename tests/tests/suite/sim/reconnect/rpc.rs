//! RPC clients.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas_core::connection::{CallRejected, Close};
use aiomas_sim::{Error, Link, Proxy, Sim, reconnect::ConnectionState, service};

use super::super::{MS, SECOND};
use super::{Log, WITHIN, crash, restart};

#[derive(Debug)]
struct Desk(Log);

#[service]
impl Desk {
    #[expose]
    fn note(&self, number: u64) -> u64 {
        self.0.lock().expect("no panic under the lock").push(number);
        number
    }

    /// Calls back.
    #[expose]
    async fn ask(&self, caller: Proxy) -> Result<u64, Error> {
        caller.call("note").arg(7).send().await
    }

    #[expose]
    async fn never(&self) {
        std::future::pending().await
    }
}

fn desk(sim: &Sim) -> Log {
    let log = Log::default();
    let logged = log.clone();
    sim.host("tower").start(move |host| {
        let desk = Desk(logged.clone());
        async move {
            let _server = host.rpc().service(desk).listen("tcp://tower:1").await?;
            std::future::pending().await
        }
    });
    sim.run_until_idle();
    log
}

#[test]
fn an_rpc_client_outlives_its_connection() {
    let sim = Sim::new(1);
    let log = desk(&sim);
    let own = Log::default();
    sim.block_on(async {
        let town = sim.host("town");
        let builder = town.rpc().service(Desk(own.clone())).reconnect(WITHIN);
        let client = builder.connect("tcp://tower:1").await.expect("a listener");
        let desk: DeskProxy = client.remote_as();
        let line = client.remote().reconnecting().expect("a reconnecting proxy");
        assert_eq!(desk.note(1).await, Ok(1));
        crash(&sim, SECOND);
        let lost = desk.never().await;
        assert!(matches!(lost, Err(Error::Lost(_))), "{lost:?}");
        assert_eq!(line.state(), ConnectionState::Lost);
        // Its services are available again, too.
        restart(&sim, 2 * SECOND);
        assert_eq!(desk.ask(Proxy::from(aiomas_core::rpc::ServiceRef::new(""))).await, Ok(7));
        assert_eq!(*own.lock().expect("no panic under the lock"), [7]);
        // The client gives up.
        crash(&sim, Duration::ZERO);
        town.sleep(MS).await;
        let begun = sim.elapsed();
        let failed = desk.note(2).await;
        assert!(matches!(failed, Err(Error::Dial { .. })), "{failed:?}");
        assert_eq!((sim.elapsed() - begun, line.state()), (WITHIN, ConnectionState::GaveUp));
        restart(&sim, SECOND);
        assert_eq!(desk.note(3).await, Ok(3));
        // The client is closed for good.
        crash(&sim, Duration::ZERO);
        town.sleep(MS).await;
        let waits = desk.note(4);
        town.sleep(MS).await;
        client.close_with(Close::Now);
        let closed = Err(Error::Refused(CallRejected::Closed));
        assert_eq!((waits.await, desk.note(5).await), (closed.clone(), closed));
        assert_eq!(line.state(), ConnectionState::Closed);
        restart(&sim, Duration::ZERO);
    });
    sim.run_until_idle();
    assert_eq!(*log.lock().expect("no panic under the lock"), [1, 3]);
    assert_eq!(sim.streams(), 0, "{}", sim.waiting());
}

/// Dropping the last handle of a client closes the connection, after pending answers.
#[test]
fn an_rpc_client_that_is_dropped_is_closed() {
    let sim = Sim::builder(1).link(Link::new().latency(10 * MS)).build();
    desk(&sim);
    sim.block_on(async {
        let builder = sim.host("town").rpc().reconnect(60 * SECOND);
        let client = builder.connect("tcp://tower:1").await.expect("a listener");
        let call = client.remote().call("note").arg(1).send::<u64>();
        drop(client);
        assert_eq!(call.await, Ok(1));
        sim.host("town").sleep(SECOND).await;
        assert_eq!(sim.streams(), 0, "{}", sim.waiting());
    });
}

/// Connections that are dropped at once are dialled with growing delays.
#[test]
fn a_peer_that_drops_connections_is_dialled_less_often() {
    let sim = Sim::new(1);
    let accepted = Arc::new(Mutex::new(0_u32));
    let counted = accepted.clone();
    sim.host("tower").start(move |host| {
        let counted = counted.clone();
        async move {
            let server = host.rpc().on_connect(move |client| {
                *counted.lock().expect("no panic under the lock") += 1;
                client.close_with(Close::Now);
            });
            let _server = server.listen("tcp://tower:1").await?;
            std::future::pending().await
        }
    });
    sim.run_until_idle();
    sim.block_on(async {
        let builder = sim.host("town").rpc().reconnect(60 * SECOND);
        let client = builder.connect("tcp://tower:1").await.expect("a listener");
        let call = client.remote().idempotent().call("note").arg(1).send::<u64>();
        let result = call.await;
        assert!(matches!(result, Err(Error::Lost(_))), "{result:?}");
        assert!((60 * SECOND..120 * SECOND).contains(&sim.elapsed()), "{:?}", sim.elapsed());
    });
    let accepted = *accepted.lock().expect("no panic under the lock");
    assert!((8..20).contains(&accepted), "{accepted} times");
}
