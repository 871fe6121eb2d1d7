//! `#[on_start]`: calls wait for its end, and its error is reported.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context as Cx, Poll, Waker};
use std::time::Duration;

use aiomas::manager::{Factories, Manager, ManagerProxy};
use aiomas::{AgentRef, Error, agent};
use aiomas::{Container, container};
use aiomas::{Context, Proxy, Runtime, Timer};
use aiomas_core::rpc::authorize;
use aiomas_core::wire::RemoteError;
use aiomas_tests::scripted_runtime::ScriptedRuntime;

type Log = Arc<Mutex<Vec<&'static str>>>;

fn taken(log: &Log) -> Vec<&'static str> {
    std::mem::take(&mut log.lock().expect("no panic under the lock"))
}

async fn sleep(runtime: &ScriptedRuntime, seconds: u64) {
    let mut timer = runtime.timer();
    timer.set(runtime.now() + Duration::from_secs(seconds));
    poll_fn(|cx| timer.poll(cx)).await;
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Cx::from_waker(Waker::noop()))
}

async fn bind(runtime: &ScriptedRuntime) -> Container {
    container::bind(runtime.clone(), "tcp://here:0").await.expect("a free port")
}

/// An agent with a slow start of one second.
struct Slow {
    runtime: ScriptedRuntime,
    log: Log,
    fails: bool,
}

#[agent]
impl Slow {
    #[on_start]
    async fn start(&self) -> Result<(), RemoteError> {
        self.note("starting");
        sleep(&self.runtime, 1).await;
        if self.fails {
            return Err(RemoteError::value_error("no sensor"));
        }
        self.note("started");
        Ok(())
    }

    fn note(&self, what: &'static str) {
        self.log.lock().expect("no panic under the lock").push(what);
    }

    #[expose]
    fn read(&self) {
        self.note("read");
    }

    #[expose]
    async fn write(&mut self) {
        self.note("write");
    }

    #[on_stop]
    fn stop(&self) {
        self.note("stop");
    }
}

fn slow(runtime: &ScriptedRuntime, fails: bool) -> (Slow, Log) {
    let log = Log::default();
    (Slow { runtime: runtime.clone(), log: log.clone(), fails }, log)
}

/// Calls of either kind, local and remote, wait; `Authorized` agents are no exception.
#[test]
fn calls_wait_until_the_agent_has_started() {
    for guarded in [false, true] {
        let runtime = ScriptedRuntime::default();
        runtime.block_on(async {
            let (house, grid) = (bind(&runtime).await, bind(&runtime).await);
            let (agent, log) = slow(&runtime, false);
            let (url, local): (_, SlowProxy) = if guarded {
                let agent = house.spawn(authorize(agent, |_, _| Ok(()))).expect("a start");
                (agent.url().clone(), agent.proxy())
            } else {
                let agent = house.spawn(agent).expect("a start");
                (agent.url().clone(), agent.proxy())
            };
            let afar: SlowProxy = grid.connect(url).await.expect("there");
            let calls = [local.read(), afar.read(), local.write(), afar.write()];
            runtime.run();
            assert_eq!(taken(&log), ["starting"]);
            assert_eq!(house.stats().waiting, 4);
            for call in calls {
                assert_eq!(call.await, Ok(()));
            }
            let mut log = taken(&log);
            assert_eq!(log.remove(0), "started");
            log.sort_unstable();
            assert_eq!(log, ["read", "read", "write", "write"]);
            assert_eq!(house.shutdown().await, Ok(()));
        });
    }
}

/// No call runs on an agent that has not started.
#[test]
fn a_start_that_fails_fails_the_calls_that_wait() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (house, grid) = (bind(&runtime).await, bind(&runtime).await);
        let (agent, log) = slow(&runtime, true);
        let agent = house.spawn(agent).expect("a start");
        let local = agent.proxy();
        let afar: SlowProxy = grid.connect(agent.url().clone()).await.expect("there");
        for call in [local.read(), afar.write(), local.write(), afar.read()] {
            let error = call.await.expect_err("a failed start");
            assert_eq!(error.to_string(), "ValueError: no sensor");
        }
        let error = local.read().await.expect_err("gone");
        assert_eq!(error.to_string(), "LookupError: Name \"0\" not found in \"agents\"");
        assert_eq!(house.agent_count(), 0);
        assert!(house.connect::<Proxy>(agent.url()).await.is_err());
        assert_eq!(house.shutdown().await, Ok(()));
        assert_eq!(taken(&log), ["starting"], "an agent that has not started does not stop");
    });
    runtime.run();
    assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
}

#[test]
fn spawning_may_wait_for_the_start() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let house = bind(&runtime).await;
        let (agent, log) = slow(&runtime, false);
        let start = runtime.now();
        let agent: AgentRef<Slow> = house.spawn_started(agent).await.expect("a start");
        assert_eq!(runtime.now() - start, Duration::from_secs(1));
        assert_eq!(taken(&log), ["starting", "started"]);
        assert_eq!(agent.proxy().read().await, Ok(()));

        let (agent, log) = slow(&runtime, true);
        let error = house.spawn_started(agent).await.expect_err("a failure");
        assert_eq!(error, Error::Remote(RemoteError::value_error("no sensor")));
        assert_eq!((house.agent_count(), taken(&log)), (1, vec!["starting"]));
        assert_eq!(house.shutdown().await, Ok(()));
    });
    runtime.run();
    assert_eq!(runtime.tasks(), 0);
}

/// The agent is removed, and waiting calls receive the error.
#[test]
fn giving_up_removes_the_agent() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let house = bind(&runtime).await;
        let (agent, log) = slow(&runtime, false);
        let call = {
            let mut spawning = pin!(house.spawn_started(agent));
            assert!(poll(&mut spawning).is_pending());
            let url = house.agents()[0].0.clone();
            let remote: SlowProxy = house.connect(url).await.expect("here");
            remote.read()
        };
        let error = call.await.expect_err("cancelled");
        let text = error.to_string();
        assert!(text.contains("given up before it had started"), "{text}");
        assert_eq!(house.agent_count(), 0);
        assert_eq!(house.shutdown().await, Ok(()));
        assert_eq!(taken(&log), ["starting"]);
    });
    runtime.run();
    assert_eq!(runtime.tasks(), 0);
}

/// The shutdown waits for the start, and then stops the agent.
#[test]
fn an_agent_that_starts_at_the_end_is_stopped() {
    for removed in [false, true] {
        let runtime = ScriptedRuntime::default();
        runtime.block_on(async {
            let house = bind(&runtime).await;
            let (agent, log) = slow(&runtime, false);
            let agent = house.spawn(agent).expect("a start");
            if removed {
                assert!(agent.remove());
            }
            let start = runtime.now();
            assert_eq!(house.shutdown().await, Ok(()));
            assert_eq!(runtime.now() - start, Duration::from_secs(1));
            assert_eq!(taken(&log), ["starting", "started", "stop"]);
        });
        runtime.run();
        assert_eq!(runtime.tasks(), 0);
    }
}

struct Nested;

#[agent]
impl Nested {
    /// Would wait for itself.
    #[on_start]
    async fn start(&self, #[context] ctx: Context) -> Result<(), Error> {
        ctx.agent()?.call("read").send().await
    }

    #[expose]
    fn read(&self) {}
}

#[test]
fn a_start_that_calls_its_own_agent_is_a_deadlock() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let house = bind(&runtime).await;
        let error = house.spawn_started(Nested).await.expect_err("a deadlock");
        assert!(error.to_string().starts_with("DeadlockError: read() would wait"), "{error}");
        assert_eq!(house.agent_count(), 0);
    });
}

/// Keeps the names of registered agents.
#[derive(Default)]
struct Registry {
    names: Vec<String>,
}

#[agent]
impl Registry {
    #[expose]
    fn register(&mut self, name: String, _agent: Proxy) -> Result<(), RemoteError> {
        if self.names.contains(&name) {
            return Err(RemoteError::value_error(format!("{name} is taken")));
        }
        self.names.push(name);
        Ok(())
    }

    #[expose]
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

struct Meter {
    volts: f64,
}

#[agent]
impl Meter {
    #[expose]
    fn read(&self) -> f64 {
        self.volts
    }
}

/// A manager answers when the agent has started, or with the error. A factory may register the
/// agent earlier.
#[test]
fn managers_answer_when_the_agent_lives() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (house, grid) = (bind(&runtime).await, bind(&runtime).await);
        let registry = grid.spawn(Registry::default()).expect("room");
        let registry_url = registry.url().to_string();
        let log = Log::default();
        let factories = Factories::new()
            .agent("Slow", ["fails"], {
                let (runtime, log) = (runtime.clone(), log.clone());
                move |fails: bool| Slow { runtime: runtime.clone(), log: log.clone(), fails }
            })
            .agent_in("Local", ["volts"], |ctx: Context, volts: f64| {
                ctx.container()?.spawn(Meter { volts })
            })
            .async_agent_in("Registered", ["name", "volts"], {
                let url = registry_url.clone();
                move |ctx: Context, name: String, volts: f64| {
                    let url = url.clone();
                    async move {
                        let container = ctx.container()?;
                        let registry: RegistryProxy = container.connect(url.as_str()).await?;
                        let meter = container.spawn_started(Meter { volts }).await?;
                        if let Err(error) = Proxy::from(registry)
                            .call("register")
                            .arg(name)
                            .arg(&meter)
                            .send::<()>()
                            .await
                        {
                            meter.remove();
                            return Err(error);
                        }
                        Ok::<_, Error>(meter)
                    }
                }
            });
        let manager = house.spawn(Manager::new(factories)).expect("room");
        let manager: ManagerProxy = grid.connect(manager.url().clone()).await.expect("there");

        let start = runtime.now();
        let (slow, _): (SlowProxy, String) =
            manager.spawn("Slow").arg(false).send().await.expect("a start");
        assert_eq!(runtime.now() - start, Duration::from_secs(1));
        assert_eq!(slow.read().await, Ok(()));
        let failed = manager.spawn("Slow").arg(true).send::<(Proxy, String)>().await;
        assert_eq!(failed.expect_err("a failure").to_string(), "ValueError: no sensor");

        let (meter, url): (MeterProxy, String) =
            manager.spawn("Local").kwarg("volts", 230.0).send().await.expect("made");
        assert_eq!(meter.read().await, Ok(230.0));
        assert_eq!(url, house.agents()[2].0.to_string());
        let (meter, _): (MeterProxy, String) =
            manager.spawn("Registered").arg("one").arg(400.0).send().await.expect("made");
        assert_eq!(meter.read().await, Ok(400.0));
        assert_eq!(registry.proxy().names().await, Ok(vec!["one".to_owned()]));
        let agents = house.agent_count();
        let taken = manager.spawn("Registered").arg("one").arg(1.0).send::<(Proxy, String)>().await;
        assert_eq!(taken.expect_err("taken").to_string(), "ValueError: one is taken");
        assert_eq!(house.agent_count(), agents);
        // Arguments are checked as usual.
        let wrong = manager.spawn("Registered").arg("one").send::<(Proxy, String)>().await;
        assert!(wrong.expect_err("a missing value").to_string().contains("'volts'"));
    });
}

/// A factory cannot return an agent of another container than the manager's.
#[test]
fn a_factory_makes_agents_of_its_container_only() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (house, grid) = (bind(&runtime).await, bind(&runtime).await);
        let elsewhere = grid.clone();
        let factories =
            Factories::new().agent("Elsewhere", [], move || elsewhere.spawn(Meter { volts: 1.0 }));
        let manager = house.spawn(Manager::new(factories)).expect("room");
        let manager: ManagerProxy = grid.connect(manager.url().clone()).await.expect("there");
        let made = manager.spawn("Elsewhere").send::<(Proxy, String)>().await;
        let text = made.expect_err("an agent of another container").to_string();
        assert!(text.contains("not in the manager's container"), "{text}");
    });
}
