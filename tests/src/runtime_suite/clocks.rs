//! Clocks, and managers that set them.

use std::sync::{Arc, Mutex};

use aiomas::manager::{self, Factories, Manager, ManagerProxy};
use aiomas::{Container, Runtime, container};
use aiomas::{Context, Error, agent};
use aiomas_core::clock::Date;

use super::{TCP, oneshot, soon};

fn start() -> Date {
    "2020-01-01T00:00:00+00:00".parse().expect("a date")
}

/// The wall clock makes calls, none before its time, and no cancelled one.
pub async fn a_clock_makes_calls<R: Runtime>(runtime: R) {
    let container = container::bind(runtime.clone(), TCP).await.expect("a free port");
    let clock = container.clock();
    let made = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let (made, clock) = (made.clone(), clock.clone());
        move || made.lock().expect("no panic under the lock").push((name, clock.time()))
    };
    let now = clock.time();
    let called = clock.call_in(0.01, note("cancelled")).expect("a time");
    // This is in time, unless the task was suspended for 10 ms.
    let cancelled = called.cancel();
    let far = clock.call_at(clock.utc_now().shift(3600.0).expect("a date"), note("far"));
    for (name, dt) in [("later", 0.03), ("soon", 0.01), ("now", 0.0)] {
        clock.call_in(dt, note(name)).expect("a time");
    }
    let (tell, told) = oneshot();
    clock.call_in(0.05, move || tell(())).expect("a time");
    soon(&runtime, told).await;
    let made = std::mem::take(&mut *made.lock().expect("no panic under the lock"));
    let time_of = |name| made.iter().find(|(other, _)| *other == name).map(|(_, time)| time - now);
    for (name, dt) in [("later", 0.03), ("soon", 0.01), ("now", 0.0)] {
        assert!(time_of(name).is_some_and(|time| time >= dt), "{name}: {made:?}");
    }
    assert_eq!((time_of("cancelled").is_none(), time_of("far")), (cancelled, None));
    assert!(far.expect("a time").cancel());
    container.shutdown().await.expect("a clean end");
}

struct Sleeper;

#[agent]
impl Sleeper {
    #[expose]
    async fn sleep(&self, dt: f64, #[context] ctx: &Context) -> Result<f64, Error> {
        let clock = ctx.clock()?;
        clock.sleep(dt).await?;
        Ok(clock.time())
    }
}

/// Returns a container with an external clock, and its manager.
async fn managed<R: Runtime>(runtime: &R) -> (Container, Manager) {
    let builder = container::builder(runtime.clone()).external_clock(start(), 0.0);
    let factories = Factories::new().agent("Sleeper", [], || Sleeper);
    (builder.bind(TCP).await.expect("a free port"), Manager::new(factories))
}

/// A container spawns agents in others, and sets their clocks.
pub async fn managers_make_agents_and_set_clocks<R: Runtime>(runtime: R) {
    let master = container::bind(runtime.clone(), TCP).await.expect("a free port");
    let (mut containers, mut managers) = (Vec::new(), Vec::new());
    let (mut sleeps, mut stops) = (Vec::new(), Vec::new());
    for number in 1..=3 {
        let (container, manager) = managed(&runtime).await;
        stops.push(manager.stopped());
        let url = container.spawn(manager).expect("room").url().clone();
        let manager: ManagerProxy = master.connect(url).await.expect("an existing agent");
        let made = manager.spawn("Sleeper").send().await;
        let (sleeper, url): (SleeperProxy, String) = made.expect("made");
        assert_eq!(url, format!("{}/1", container.address()));
        let unknown = manager.spawn("Sleeper:").send::<()>().await.expect_err("unknown");
        assert_eq!(unknown.remote().map(|error| error.kind()), Some("LookupError"));
        sleeps.push(sleeper.sleep(f64::from(number)));
        containers.push(container);
        managers.push(manager);
    }
    for (time, sleep) in (1..).zip(sleeps) {
        manager::set_time(&managers, f64::from(time)).await.expect("set");
        assert_eq!(soon(&runtime, sleep).await, Ok(f64::from(time)));
    }
    let error = manager::set_time(&managers, 3.0).await.expect_err("a time in the past");
    assert_eq!(error.remote().map(|error| error.kind()), Some("ValueError"));
    for (manager, stopped) in managers.iter().zip(stops) {
        assert_eq!(manager.stop().await, Ok(()));
        soon(&runtime, stopped).await;
        // `stop` may be called more than once.
        assert_eq!(manager.stop().await, Ok(()));
    }
    for container in containers {
        container.shutdown().await.expect("a clean end");
    }
}

/// Waiting for a manager to stop ends when the manager is gone.
pub async fn a_manager_that_is_gone_has_stopped<R: Runtime>(runtime: R) {
    let (container, manager) = managed(&runtime).await;
    let stopped = manager.stopped();
    container.spawn(manager).expect("room");
    container.shutdown().await.expect("a clean end");
    soon(&runtime, stopped).await;
}
