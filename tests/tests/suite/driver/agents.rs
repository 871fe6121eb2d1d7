//! Agents: the order of their calls, deadlocks, and their end.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use aiomas::{AgentRef, Call, Context, Proxy, Runtime};
use aiomas::{Container, container};
use aiomas::{Error, agent};
use aiomas_core::wire::RemoteError;
use aiomas_tests::scripted_runtime::ScriptedRuntime;

type Log = Arc<Mutex<Vec<String>>>;

/// Lets other tasks run once.
async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct Worker {
    log: Log,
    started: Mutex<Option<Call<()>>>,
}

impl Worker {
    fn new(log: &Log) -> Self {
        Self { log: log.clone(), started: Mutex::default() }
    }

    fn note(&self, what: impl Into<String>) {
        self.log.lock().expect("no panic under the lock").push(what.into());
    }
}

#[agent]
impl Worker {
    #[expose]
    async fn alone(&mut self, name: String, #[default] pauses: u32) {
        self.note(name);
        for _ in 0..pauses {
            pause().await;
        }
    }

    #[expose]
    async fn beside(&self, name: String, #[default] pauses: u32) {
        self.note(name);
        for _ in 0..pauses {
            pause().await;
        }
    }

    /// Starts a task that calls the agent itself, and does not wait for it.
    #[expose]
    async fn start(&mut self, other: Proxy, me: Proxy) {
        // Dropping the handle would end the task.
        *self.started.get_mut().expect("no panic under the lock") =
            Some(other.call("report").arg(me).send());
    }

    /// Waits, and then calls.
    #[expose]
    async fn report(&self, to: Proxy) -> Result<(), RemoteError> {
        for _ in 0..3 {
            pause().await;
        }
        let reported = to.call("alone").arg("report").send::<()>().await;
        self.note(format!("{reported:?}"));
        Ok(())
    }

    /// Would wait for itself.
    #[expose]
    async fn circle(&mut self, me: Proxy) -> Result<(), Error> {
        me.call("alone").arg("never").send().await
    }

    #[expose]
    async fn leave(&mut self, #[context] context: Context) -> Result<bool, Error> {
        let aid = context.url().map(|url| url.aid().to_owned()).unwrap_or_default();
        Ok(context.container()?.remove(&aid))
    }

    #[on_stop]
    fn stop(&mut self) {
        self.note("stop");
    }
}

async fn setup(runtime: &ScriptedRuntime) -> (Container, AgentRef<Worker>, Log) {
    let container = container::bind(runtime.clone(), "tcp://here:0").await.expect("a free port");
    let log = Log::default();
    let worker = container.spawn(Worker::new(&log)).expect("room");
    (container, worker, log)
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().expect("no panic under the lock"))
}

#[test]
fn calls_start_in_order_of_arrival() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (container, worker, log) = setup(&runtime).await;
        let remote: WorkerProxy = worker.proxy();
        let mut names = Vec::new();
        let mut calls = Vec::new();
        for round in 0..20 {
            let name = format!("{round}");
            names.push(name.clone());
            calls.push(match round % 3 {
                0 => remote.alone(name, Some(2)),
                _ => remote.beside(name, Some(1)),
            });
            if round % 4 == 3 {
                pause().await;
            }
        }
        for call in calls {
            assert_eq!(call.await, Ok(()));
        }
        assert_eq!(taken(&log), names);
        container.shutdown().await.expect("never fails");
        assert_eq!(taken(&log), ["stop"]);
    });
    runtime.run();
    assert_eq!(runtime.tasks(), 0);
}

/// A task of a call that has ended waits only for current calls.
#[test]
fn waiting_for_another_call_is_no_deadlock() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (container, worker, log) = setup(&runtime).await;
        let other = container.spawn(Worker::new(&log)).expect("room");
        let (me, other): (WorkerProxy, WorkerProxy) = (worker.proxy(), other.proxy());
        let (me, other) = (Proxy::from(me), Proxy::from(other));
        me.call("start").arg(other.clone()).arg(me.clone()).send::<()>().await.expect("a start");
        let busy = me.call("alone").arg("busy").arg(20).send::<()>();
        busy.await.expect("a clean end");
        other.call("alone").arg("end").send::<()>().await.expect("a clean end");
        assert_eq!(taken(&log), ["busy", "report", "Ok(())", "end"]);
    });
}

#[test]
fn waiting_for_itself_is_a_deadlock() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (container, worker, _) = setup(&runtime).await;
        let me: WorkerProxy = worker.proxy();
        let error = me.circle(me.clone().into()).await.expect_err("a deadlock");
        assert_eq!(
            error.to_string(),
            format!(
                "DeadlockError: alone() would wait for itself: agent \"{}\" (Worker) is busy with the call \
                 that makes it; make it in a task of its own, or expose the methods with `&self`",
                worker.url().aid()
            )
        );
        drop(container);
    });
}

#[test]
fn an_agent_that_removes_itself_ends_as_others_do() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (container, worker, log) = setup(&runtime).await;
        let me: WorkerProxy = worker.proxy();
        assert_eq!(me.leave().await, Ok(true));
        assert_eq!(container.agent_count(), 0);
        container.shutdown().await.expect("never fails");
        assert_eq!(taken(&log), ["stop"]);
    });
}

struct Fragile {
    start: bool,
    stop: bool,
    later: bool,
}

#[agent]
impl Fragile {
    #[on_start]
    async fn start(&mut self) {
        if self.later {
            pause().await;
        }
        assert!(!self.start, "no start");
    }

    #[expose]
    fn panics(&mut self) {
        panic!("at once");
    }

    #[expose]
    async fn panics_later(&mut self) {
        pause().await;
        panic!("later");
    }

    #[expose]
    fn lives(&self) -> bool {
        true
    }

    #[on_stop]
    async fn stop(&mut self) {
        if self.later {
            pause().await;
        }
        assert!(!self.stop, "no stop");
    }
}

#[test]
fn a_panic_is_a_failure_of_the_call() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let server = container::bind(runtime.clone(), "tcp://here:0").await.expect("a free port");
        let agent = Fragile { start: false, stop: false, later: false };
        let agent = server.spawn(agent).expect("a start");
        let client = container::bind(runtime.clone(), "tcp://here:0").await.expect("a free port");
        let afar =
            client.connect::<FragileProxy>(agent.url().clone()).await.expect("a living agent");
        for remote in [agent.proxy(), afar] {
            let error = remote.panics().await.expect_err("a panic").to_string();
            assert_eq!(error, "Panic: at once");
            let error = remote.panics_later().await.expect_err("a panic").to_string();
            assert_eq!(error, "Panic: later");
            assert_eq!(remote.lives().await, Ok(true));
        }
    });
}

/// A container ends, even if its agents' hooks panic.
#[test]
fn a_panic_in_a_hook_ends_nothing_else() {
    for later in [false, true] {
        let runtime = ScriptedRuntime::default();
        runtime.block_on(async {
            let container =
                container::bind(runtime.clone(), "tcp://here:0").await.expect("a free port");
            let spawned = container.spawn(Fragile { start: true, stop: false, later });
            if later {
                spawned.expect("a start");
                for _ in 0..4 {
                    pause().await;
                }
            } else {
                let error = spawned.expect_err("a panic").to_string();
                assert_eq!(error, "Panic: no start");
            }
            assert_eq!(container.agent_count(), 0);
            for _ in 0..2 {
                let agent = Fragile { start: false, stop: true, later };
                container.spawn(agent).expect("a start");
            }
            let error = container.shutdown().await.expect_err("unstopped agents").to_string();
            assert!(error.starts_with("2 agents have not stopped: "), "{error}");
            assert!(error.contains("its #[on_stop] failed: Panic: no stop"), "{error}");
        });
        runtime.run();
        assert_eq!(runtime.tasks(), 0);
    }
}

struct Stuck;

#[agent]
impl Stuck {
    #[expose]
    async fn stay(&mut self) {
        let _alone = &mut *self;
        std::future::pending().await
    }

    #[on_stop]
    async fn stop(&mut self) {
        self.stay().await;
    }
}

/// It has the same time limit as other parts of the close.
#[test]
fn an_agent_that_does_not_stop_delays_the_end_within_a_limit() {
    let runtime = ScriptedRuntime::default();
    let container = runtime.block_on(async {
        let builder = container::builder(runtime.clone());
        let container = builder.bind("tcp://here:0").await.expect("a free port");
        let stuck = container.spawn(Stuck).expect("room");
        let staying = stuck.proxy().stay();
        drop(staying);
        container
    });
    let started = runtime.now();
    let ended = runtime.block_on(container.shutdown());
    assert!(matches!(ended, Err(Error::NotStopped { agents }) if agents.len() == 1));
    assert_eq!(runtime.now() - started, Duration::from_secs(10));
}
