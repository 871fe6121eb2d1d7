//! A reconnecting proxy continues only with an agent of its original type.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aiomas_core::agent::{AgentUrl, ConnectError};
use aiomas_sim::{Container, Error, Sim, agent, reconnect::ConnectionState};

use super::super::SECOND;
use super::{WITHIN, crash, restart};

/// The log of switches.
type Log = Arc<Mutex<Vec<&'static str>>>;

struct Lamp(Log);

#[agent]
impl Lamp {
    #[expose]
    fn switch(&self) -> String {
        self.0.lock().expect("no panic under the lock").push("lamp");
        "the lamp".into()
    }

    #[expose]
    async fn never(&self) {
        std::future::pending().await
    }
}

struct Pump(Log);

#[agent]
impl Pump {
    #[expose]
    fn switch(&self) -> String {
        self.0.lock().expect("no panic under the lock").push("pump");
        "the PUMP".into()
    }
}

/// A new version of the lamp with the same name.
struct DimmedLamp(Log);

#[agent(name = "Lamp")]
impl DimmedLamp {
    #[expose]
    fn switch(&self) -> String {
        self.0.lock().expect("no panic under the lock").push("dimmed lamp");
        "the dimmed lamp".into()
    }
}

/// Starts a host `tower` whose program spawns the agents of `lives` in turn. The last ones repeat.
fn tower(sim: &Sim, lives: &'static [&'static [&'static str]]) -> Log {
    let (log, life) = (Log::default(), Arc::new(AtomicUsize::new(0)));
    let logged = log.clone();
    sim.host("tower").start(move |host| {
        let log = logged.clone();
        let agents = lives[life.fetch_add(1, Ordering::Relaxed).min(lives.len() - 1)];
        async move {
            let container = host.container().bind("tcp://tower:1").await?;
            for agent in agents {
                match *agent {
                    "Lamp" => drop(container.spawn(Lamp(log.clone()))?),
                    "Pump" => drop(container.spawn(Pump(log.clone()))?),
                    _ => drop(container.spawn(DimmedLamp(log.clone()))?),
                }
            }
            std::future::pending().await
        }
    });
    log
}

async fn lamp(sim: &Sim) -> (Container, LampProxy) {
    let container = sim.host("town").container().bind("tcp://town:1").await.expect("bound");
    let lamp = container.connect("tcp://tower:1/0").within(SECOND).reconnect(WITHIN).await;
    (container, lamp.expect("an existing agent"))
}

fn wrong_type<T>() -> Result<T, Error> {
    let url: AgentUrl = "tcp://tower:1/0".parse().expect("a URL");
    let (expected, found) = ("Lamp".into(), "Pump".into());
    Err(ConnectError::WrongType { url, expected, found }.into())
}

/// Calls fail, whether they wait, are idempotent, or are new. They succeed again when the original
/// agent is back.
#[test]
fn after_a_restart_in_another_order_no_other_agent_is_called() {
    let sim = Sim::new(1);
    let log = tower(&sim, &[&["Lamp"], &["Pump", "Lamp"], &["Lamp", "Pump"]]);
    sim.block_on(async {
        let (container, lamp) = lamp(&sim).await;
        let line =
            aiomas_sim::Proxy::from(lamp.clone()).reconnecting().expect("a reconnecting proxy");
        assert_eq!(lamp.switch().await.as_deref(), Ok("the lamp"));
        crash(&sim, SECOND);
        restart(&sim, 2 * SECOND);
        // A call that is lost and repeated, and calls that have waited meanwhile.
        let again = lamp.idempotent().never();
        let waits = async {
            sim.host("town").sleep(SECOND + SECOND / 2).await;
            let (one, other) = (lamp.switch(), lamp.idempotent().switch());
            (one.await, other.await)
        };
        assert_eq!(
            futures_lite::future::zip(again, waits).await,
            (wrong_type(), (wrong_type(), wrong_type()),)
        );
        assert_eq!(line.state(), ConnectionState::GaveUp);
        assert_eq!(lamp.switch().await, wrong_type(), "also on the next call");
        let text = lamp.switch().await.expect_err("an agent of another type").to_string();
        assert!(text.contains("is a Pump now, and was a Lamp"), "{text}");
        // A new search finds the current agent.
        let pump: PumpProxy =
            container.connect("tcp://tower:1/0").await.expect("an existing agent");
        assert_eq!(pump.switch().await.as_deref(), Ok("the PUMP"));
        let found: LampProxy =
            container.connect("tcp://tower:1/1").await.expect("an existing agent");
        assert_eq!(found.switch().await.as_deref(), Ok("the lamp"));
        crash(&sim, SECOND);
        restart(&sim, 2 * SECOND);
        sim.host("town").sleep(3 * SECOND).await;
        assert_eq!(lamp.switch().await.as_deref(), Ok("the lamp"));
        assert_eq!(line.state(), ConnectionState::Connected);
    });
    assert_eq!(*log.lock().expect("no panic under the lock"), ["lamp", "pump", "lamp", "lamp"]);
}

/// Only the name of the type counts.
#[test]
fn a_type_may_be_replaced_under_its_name() {
    let sim = Sim::new(1);
    let log = tower(&sim, &[&["Lamp"], &["DimmedLamp"]]);
    sim.block_on(async {
        let (_container, lamp) = lamp(&sim).await;
        assert_eq!(lamp.switch().await.as_deref(), Ok("the lamp"));
        crash(&sim, SECOND);
        restart(&sim, 2 * SECOND);
        sim.host("town").sleep(2 * SECOND).await;
        assert_eq!(lamp.switch().await.as_deref(), Ok("the dimmed lamp"));
    });
    assert_eq!(*log.lock().expect("no panic under the lock"), ["lamp", "dimmed lamp"]);
}
