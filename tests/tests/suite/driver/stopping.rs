//! `#[on_stop]`: all agents stop concurrently, within a time limit, and each failure is reported.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aiomas::{Container, container};
use aiomas::{Context, Proxy, Runtime, StopFailure, Timer};
use aiomas::{Error, agent};
use aiomas_core::connection::Close;
use aiomas_core::wire::RemoteError;
use aiomas_tests::scripted_runtime::ScriptedRuntime;

const DRAIN: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(100);

async fn sleep(runtime: &ScriptedRuntime, time: Duration) {
    let mut timer = runtime.timer();
    timer.set(runtime.now() + time);
    poll_fn(|cx| timer.poll(cx)).await;
}

/// An agent with a slow stop.
struct Valve {
    runtime: ScriptedRuntime,
    takes: Duration,
    /// The numbers of agents that are stopping, and that have stopped.
    counts: Arc<[AtomicUsize; 2]>,
}

#[agent]
impl Valve {
    /// Runs for longer than the container.
    #[expose]
    async fn run(&self) {
        sleep(&self.runtime, LONG).await;
    }

    /// Runs for `ms` milliseconds.
    #[expose]
    async fn run_for(&mut self, ms: u64) {
        sleep(&self.runtime, Duration::from_millis(ms)).await;
    }

    #[expose]
    async fn quit(&self, #[context] ctx: &Context) -> Result<(), Error> {
        ctx.container()?.shutdown().await
    }

    /// Makes another agent of the container quit.
    #[expose]
    async fn quit_by(&self, other: Proxy) -> Result<(), Error> {
        other.call("quit").send().await
    }

    #[expose]
    async fn quit_other(&self, #[context] _ctx: Context, other: Proxy) -> Result<(), Error> {
        other.call("quit").send().await
    }

    #[on_stop]
    async fn stop(&mut self) -> Result<(), RemoteError> {
        self.counts[0].fetch_add(1, Ordering::Relaxed);
        sleep(&self.runtime, self.takes).await;
        self.counts[1].fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

struct World {
    runtime: ScriptedRuntime,
    counts: Arc<[AtomicUsize; 2]>,
    plant: Container,
    other: Container,
}

impl World {
    async fn new(runtime: &ScriptedRuntime) -> Self {
        let builder = container::builder(runtime.clone()).drain(DRAIN);
        let plant = builder.clone().bind("tcp://plant:0").await.expect("a free port");
        let other = builder.bind("tcp://other:0").await.expect("a free port");
        Self { runtime: runtime.clone(), counts: Arc::default(), plant, other }
    }

    /// Returns the name of an agent, and a remote proxy.
    async fn valve(&self, takes_ms: u64) -> (String, ValveProxy) {
        let takes = Duration::from_millis(takes_ms);
        let (runtime, counts) = (self.runtime.clone(), self.counts.clone());
        let valve = self.plant.spawn(Valve { runtime, takes, counts }).expect("room");
        let remote = self.other.connect(valve.url().clone()).await.expect("there");
        (valve.to_string(), remote)
    }

    fn counts(&self) -> [usize; 2] {
        [0, 1].map(|index| self.counts[index].load(Ordering::Relaxed))
    }

    /// Shuts down. Returns the duration and the result.
    async fn shutdown(&self, how: Close) -> (Duration, Result<(), Error>) {
        // The calls have arrived.
        self.runtime.run();
        let start = self.runtime.now();
        let ended = self.plant.shutdown_with(how).await;
        (self.runtime.now() - start, ended)
    }
}

const DRAINS: Close = Close::AfterAnswers { within: DRAIN };

fn text(result: Result<(), Error>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

/// Runs a test, and checks that no task remains.
fn on_script(test: impl AsyncFnOnce(&World)) {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let world = World::new(&runtime).await;
        test(&world).await;
        world.other.shutdown().await.expect("no agents");
    });
    runtime.pass(LONG);
    assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
}

#[test]
fn agents_stop_side_by_side() {
    on_script(async |world| {
        for _ in 0..400 {
            world.valve(10).await;
        }
        assert_eq!(world.shutdown(DRAINS).await, (Duration::from_millis(10), Ok(())));
        assert_eq!(world.counts(), [400, 400]);
    });
}

/// Other agents stop as usual. The shutdown takes its limit for calls and then that for agents.
#[test]
fn an_agent_that_is_busy_is_named() {
    on_script(async |world| {
        for _ in 0..10 {
            world.valve(10).await;
        }
        let (name, busy) = world.valve(10).await;
        let call = busy.run();
        for _ in 0..10 {
            world.valve(10).await;
        }
        let (time, ended) = world.shutdown(DRAINS).await;
        assert_eq!(time, 2 * DRAIN);
        let error = ended.expect_err("a busy agent");
        let Error::NotStopped { agents } = &error else { panic!("{error:#?}") };
        assert_eq!(agents[0].why, StopFailure::Busy { after: DRAIN });
        assert_eq!(
            error.to_string(),
            format!(
                "1 agent has not stopped: {name}: it was still busy after 2s (`Builder::drain`), so its #[on_stop] \
                 did not run"
            )
        );
        assert_eq!(world.counts(), [20, 20]);
        assert!(matches!(call.await, Err(Error::Lost(_))));
    });
}

/// A running call ends before `#[on_stop]`, if it does so in time.
#[test]
fn a_stop_waits_for_the_calls_that_run() {
    on_script(async |world| {
        let (_, busy) = world.valve(500).await;
        let call = busy.run_for(3000);
        let (time, ended) = world.shutdown(DRAINS).await;
        assert_eq!((time, ended), (Duration::from_millis(3500), Ok(())));
        assert!(matches!(call.await, Err(Error::Lost(_))));
        assert_eq!(world.counts(), [1, 1]);
    });
}

#[test]
fn agents_that_take_too_long_or_fail_are_named() {
    on_script(async |world| {
        let (slow, _) = world.valve(2001).await;
        let (_, _quick) = world.valve(1999).await;
        let (slower, _) = world.valve(60_000).await;
        let (time, ended) = world.shutdown(DRAINS).await;
        assert_eq!(time, DRAIN);
        assert_eq!(
            text(ended),
            format!(
                "2 agents have not stopped: {slow}: its #[on_stop] took longer than 2s (`Builder::drain`); \
                 {slower}: its #[on_stop] took longer than 2s (`Builder::drain`)"
            )
        );
        assert_eq!(world.counts(), [3, 1]);
    });
}

/// Each agent starts to stop; slower ones continue by themselves.
#[test]
fn at_once_is_at_once() {
    on_script(async |world| {
        let (idle, _) = world.valve(10).await;
        let (busy, remote) = world.valve(10).await;
        let (long, _) = world.valve(60_000).await;
        let call = remote.run();
        let (time, ended) = world.shutdown(Close::Now).await;
        assert_eq!(time, Duration::ZERO);
        let text = text(ended);
        assert!([&idle, &busy, &long].iter().all(|name| text.contains(*name)), "{text}");
        assert!(
            text.contains("its #[on_stop] goes on, for `Close::Now` does not wait for it"),
            "{text}"
        );
        assert!(matches!(call.await, Err(Error::Lost(_))));
        sleep(&world.runtime, Duration::from_millis(10)).await;
        assert_eq!(world.counts(), [2, 1]);
    });
}

/// The caller cuts the shutdown short, in either of its two phases.
#[test]
fn an_end_that_drains_can_be_cut_short() {
    for after in [0, 2500] {
        on_script(async |world| {
            let (busy, remote) = world.valve(10).await;
            let call = remote.run();
            // The calls have arrived.
            world.runtime.run();
            let plant = world.plant.clone();
            world.plant.spawn_task(async move { drop(plant.shutdown().await) });
            sleep(&world.runtime, Duration::from_millis(after)).await;
            let (time, ended) = world.shutdown(Close::Now).await;
            assert_eq!(time, Duration::ZERO);
            let text = text(ended);
            assert!(text.contains(&busy), "after {after} ms: {text:?}");
            assert!(matches!(call.await, Err(Error::Lost(_))));
        });
    }
}

/// The method's own call is answered, and the container ends afterwards.
#[test]
fn a_method_does_not_wait_for_itself() {
    on_script(async |world| {
        let (_, valve) = world.valve(10).await;
        assert_eq!(valve.quit().await, Ok(()));
        assert_eq!(world.plant.stopped().await, Ok(()));
        assert_eq!(world.counts(), [1, 1]);
    });
    // Through another agent of the container.
    on_script(async |world| {
        let (_, one) = world.valve(10).await;
        world.valve(10).await;
        let other = world.plant.agents()[1].0.clone();
        let path: Proxy = world.plant.connect(other).await.expect("here");
        drop(path);
        assert_eq!(one.quit().await, Ok(()));
        assert_eq!(world.plant.stopped().await, Ok(()));
        assert_eq!(world.counts(), [2, 2]);
    });
    // It waits for the container of another agent.
    on_script(async |world| {
        let (runtime, counts) = (world.runtime.clone(), world.counts.clone());
        let takes = Duration::from_millis(500);
        let there = world.other.spawn(Valve { runtime, takes, counts }).expect("room");
        let here: ValveProxy = world.other.connect(there.url().clone()).await.expect("here");
        assert_eq!(here.quit().await, Ok(()));
        assert_eq!(world.other.stopped().await, Ok(()));
        assert_eq!(world.shutdown(DRAINS).await.1, Ok(()));
    });
}

/// The shutdown waits for `#[on_stop]` of removed agents, too.
#[test]
fn the_end_waits_for_agents_that_were_removed() {
    on_script(async |world| {
        let (_, _valve) = world.valve(1500).await;
        assert!(world.plant.remove("0"));
        assert_eq!(world.shutdown(DRAINS).await, (Duration::from_millis(1500), Ok(())));
        assert_eq!(world.counts(), [1, 1]);
    });
}

struct Clumsy;

#[agent]
impl Clumsy {
    #[on_stop]
    async fn stop(&self, #[context] ctx: Context) -> Result<(), Error> {
        // Within a hook this is no deadlock either.
        ctx.container()?.shutdown().await?;
        Err(RemoteError::value_error("it is stuck").into())
    }
}

#[test]
fn a_failed_stop_is_reported() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let container =
            container::bind(runtime.clone(), "tcp://here:0").await.expect("a free port");
        let agents: Vec<_> = (0..10).map(|_| container.spawn(Clumsy).expect("room")).collect();
        let error = container.shutdown().await.expect_err("failures");
        let text = error.to_string();
        assert!(text.starts_with("10 agents have not stopped: Clumsy('tcp://here:"), "{text}");
        assert!(text.contains("/0'): its #[on_stop] failed: ValueError: it is stuck; "), "{text}");
        assert!(text.ends_with("; and 2 more"), "{text}");
        drop(agents);
    });
    runtime.run();
    assert_eq!(runtime.tasks(), 0);
}
