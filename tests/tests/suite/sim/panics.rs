//! A panic anywhere in a simulation fails it, unless it is allowed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aiomas_sim::{Context, Error, Host, Runtime, Sim, SimBuilder, agent, container};

use super::SECOND;

/// An agent that panics in a chosen place.
#[derive(Clone, Default)]
struct Shaky {
    on_start: bool,
    on_stop: bool,
    on_drop: bool,
}

/// Panics, with a different text for each place.
fn fall(what: &str) {
    panic!("{what} falls");
}

/// Panics when dropped.
struct Falls(&'static str);

impl Drop for Falls {
    fn drop(&mut self) {
        fall(self.0);
    }
}

#[agent]
impl Shaky {
    #[on_start]
    fn start(&mut self) {
        if self.on_start {
            fall("on_start");
        }
    }

    #[on_stop]
    async fn stop(&mut self, #[context] ctx: &Context) -> Result<(), Error> {
        if self.on_stop {
            ctx.clock()?.sleep(1.0).await?;
            fall("on_stop");
        }
        Ok(())
    }

    #[expose]
    fn method(&self) {
        fall("method");
    }

    #[expose]
    async fn later(&mut self, #[context] ctx: &Context) -> Result<(), Error> {
        ctx.clock()?.sleep(1.0).await?;
        fall("later");
        Ok(())
    }

    #[expose]
    fn resumes(&self) {
        resume_unwind(Box::new("resumed falls".to_owned()));
    }

    #[expose]
    fn spawns(&self, #[context] ctx: &Context) -> Result<(), Error> {
        let clock = ctx.clock()?;
        ctx.spawn(async move {
            clock.sleep(1.0).await.expect("a time");
            fall("spawned");
        })
    }

    #[expose]
    fn calls(&self, #[context] ctx: &Context) -> Result<(), Error> {
        ctx.clock()?.call_in(1.0, || fall("called")).map(drop)
    }

    #[expose]
    async fn dropped(&self) {
        let _falls = Falls("dropped");
        std::future::pending().await
    }

    #[expose]
    fn fine(&self) -> u32 {
        1
    }
}

impl Drop for Shaky {
    fn drop(&mut self) {
        if self.on_drop {
            fall("on_drop");
        }
    }
}

/// Starts a host with an agent, now and after each restart.
fn house(sim: &Sim, shaky: &Shaky, builder: impl Fn(Builder) -> Builder + Send + Sync + 'static) {
    let shaky = shaky.clone();
    sim.host("house").start(move |host| {
        let (shaky, builder) = (shaky.clone(), builder(host.container()));
        async move {
            let container = builder.bind("tcp://house:5555").await?;
            container.spawn(shaky)?;
            std::future::pending().await
        }
    });
}

type Builder = container::Builder<Host>;

/// Runs a caller of the agent, and all tasks for a minute after it.
fn visit<F: Future<Output = ()>>(sim: &Sim, visit: impl FnOnce(ShakyProxy) -> F) {
    sim.block_on(async {
        let container = sim.host("grid").container().bind("tcp://grid:5555").await.expect("bound");
        let found = container.connect("tcp://house:5555/0").within(10 * SECOND).await;
        visit(found.expect("an existing agent")).await;
        container.shutdown().await.expect("a clean end");
    });
    sim.run_for(60 * SECOND);
}

fn message(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("a failure");
    *panic.downcast::<String>().expect("a message")
}

/// Checks the simulation's message after a panic on `host`.
#[track_caller]
fn falls(what: &str, host: &str, test: impl FnOnce(&Sim)) {
    let text = message(|| test(&Sim::new(7)));
    let expected = format!("{what} falls\non {host}, after ");
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.ends_with(", with seed 7"), "{text}");
    if what != "resumed" {
        assert!(text.contains(concat!(", at ", file!(), ":")), "{text}");
    }
}

fn plain(builder: Builder) -> Builder {
    builder
}

#[test]
fn methods_and_their_tasks() {
    type Method = fn(ShakyProxy) -> aiomas_sim::Call<()>;
    let methods: [(&str, Method); 5] = [
        ("method", |shaky| shaky.method()),
        ("later", |shaky| shaky.later()),
        ("resumed", |shaky| shaky.resumes()),
        ("spawned", |shaky| shaky.spawns()),
        ("called", |shaky| shaky.calls()),
    ];
    for (what, method) in methods {
        falls(what, "house", |sim| {
            house(sim, &Shaky::default(), plain);
            visit(sim, |shaky| async move { drop(method(shaky).await) });
        });
    }
    // A cancelled call drops its method.
    falls("dropped", "house", |sim| {
        house(sim, &Shaky::default(), plain);
        visit(sim, |shaky| async move {
            let given_up = shaky.as_ref().call("dropped").with_timeout(SECOND).send::<()>();
            assert!(given_up.await.is_err());
        });
        sim.crash("house").expect("a known host");
    });
}

#[test]
fn hooks_of_agents() {
    falls("on_start", "house", |sim| {
        house(sim, &Shaky { on_start: true, ..Shaky::default() }, plain);
        sim.run_for(SECOND);
    });
    for (what, shaky) in [
        ("on_stop", Shaky { on_stop: true, ..Shaky::default() }),
        ("on_drop", Shaky { on_drop: true, ..Shaky::default() }),
    ] {
        falls(what, "house", |sim| {
            sim.host("house").spawn(async move {
                let container = container::bind("tcp://house:5555").await.expect("bound");
                // A panic during the test's own panic would abort the process.
                container.spawn(shaky).expect("room");
                container.shutdown().await.expect("a clean end");
            });
            sim.run_for(60 * SECOND);
        });
    }
}

#[test]
fn hooks_of_containers() {
    let ping = |shaky: ShakyProxy| async move { drop(shaky.fine().await) };
    falls("on_connect", "house", |sim| {
        house(sim, &Shaky::default(), |builder| builder.on_connect(|_| fall("on_connect")));
        visit(sim, ping);
    });
    falls("on_disconnect", "house", |sim| {
        let on_disconnect = |builder: Builder| builder.on_disconnect(|_, _| fall("on_disconnect"));
        house(sim, &Shaky::default(), on_disconnect);
        visit(sim, ping);
    });
    falls("check", "house", |sim| {
        house(sim, &Shaky::default(), |builder| {
            builder.authorize(|_, _| {
                fall("check");
                Ok(())
            })
        });
        visit(sim, ping);
    });
}

#[test]
fn tasks_and_programs() {
    falls("task", "house", |sim| {
        sim.host("house").spawn(async { fall("task") });
        sim.run_until_idle();
    });
    falls("task", "house", |sim| {
        sim.host("house").start(|host| async move {
            let container = host.container().bind("tcp://house:5555").await?;
            container.spawn_task(async { fall("task") });
            std::future::pending().await
        });
        sim.run_for(SECOND);
    });
    falls("program", "house", |sim| {
        sim.host("house").start(|host| async move {
            host.sleep(SECOND).await;
            fall("program");
            Ok(())
        });
        sim.run_for(10 * SECOND);
    });
    falls("restart", "house", |sim| {
        let starts = AtomicU32::new(0);
        sim.host("house").start(move |_| {
            if starts.fetch_add(1, Ordering::Relaxed) > 0 {
                fall("restart");
            }
            std::future::pending()
        });
        sim.run_for(SECOND);
        sim.crash("house").expect("a known host");
        sim.restart("house").expect("a known host");
        sim.run_for(SECOND);
    });
    falls("action", "main", |sim| {
        sim.at(SECOND, |_| fall("action"));
        sim.run_for(10 * SECOND);
    });
}

/// Drops values of a crashed host, and of a simulation that ends. No code runs any more by then.
#[test]
fn panics_in_drop() {
    let waits = |falls: Falls| async move {
        let _falls = falls;
        std::future::pending::<()>().await
    };
    falls("crashed", "house", |sim| {
        sim.host("house").spawn(waits(Falls("crashed")));
        sim.run_for(SECOND);
        sim.crash("house").expect("a known host");
        sim.run_for(SECOND);
    });
    let text = message(|| {
        let sim = Sim::new(7);
        sim.host("house").spawn(waits(Falls("ended")));
        sim.run_for(SECOND);
    });
    assert!(text.starts_with("ended falls\non house, after 1s, at "), "{text}");
}

/// The message has the location of the panic, and the time of the simulation.
#[test]
fn a_failure_has_its_place_and_time() {
    let text = message(|| {
        let sim = Sim::new(3);
        let host = sim.host("house");
        host.clone().spawn(async move {
            host.sleep(90 * SECOND).await;
            fall("it");
        });
        sim.run_until_idle();
    });
    let (what, place) = text.split_once(", at ").expect("a place");
    assert_eq!(what, "it falls\non house, after 90s");
    assert!(place.starts_with(concat!(file!(), ":")), "{text}");
    assert!(place.ends_with(", with seed 3"), "{text}");
}

/// The test's own future fails the test, regardless of allowed panics.
#[test]
fn the_test_itself_may_not_panic() {
    let text = message(|| {
        let sim = Sim::builder(1).allow_panics("falls").build();
        sim.block_on(async { fall("the test") });
    });
    assert!(text.starts_with("the test falls\non main, after 0ns, at "), "{text}");
}

/// An allowed panic has the same effect as outside of simulations.
#[test]
fn panics_that_are_allowed() {
    let sim = Sim::builder(1).allow_panics("method falls").allow_panics("spawned falls").build();
    house(&sim, &Shaky::default(), plain);
    visit(&sim, |shaky| async move {
        let error = shaky.method().await.expect_err("a failure");
        assert_eq!(error.to_string(), "Panic: method falls");
        assert_eq!(shaky.spawns().await, Ok(()));
        assert_eq!(shaky.fine().await, Ok(1));
    });
    let panics = sim.panics();
    let texts: Vec<_> = panics.iter().map(|panic| (&*panic.message, &*panic.host)).collect();
    assert_eq!(texts, [("method falls", "house"), ("spawned falls", "house")]);
    assert_eq!(panics[1].at, panics[0].at + SECOND);
    assert!(panics.iter().all(|panic| panic.location.is_some()));

    let text = message(|| {
        let sim = Sim::builder(1).allow_panics("method falls").build();
        house(&sim, &Shaky::default(), plain);
        visit(&sim, |shaky| async move { drop((shaky.method().await, shaky.later().await)) });
    });
    assert!(text.starts_with("later falls\n"), "{text}");
}

/// A replaced hook of the process hides locations, but no panic.
#[test]
fn the_driver_reports_panics_too() {
    let sim = Sim::builder(1).allow_panics("resumed falls").build();
    house(&sim, &Shaky::default(), plain);
    visit(&sim, |shaky| async move { drop(shaky.resumes().await) });
    let [panic] = &sim.panics()[..] else { panic!("{:?}", sim.panics()) };
    assert_eq!((&*panic.message, &panic.location), ("resumed falls", &None));
}

/// Runs a test for a seed; the builder's faults do not matter.
fn seeds(test: impl Fn(SimBuilder) + Sync) -> String {
    message(|| aiomas_sim::seeds(5..6).check(test))
}

#[test]
fn seeds_tell_of_panics() {
    let text = seeds(|builder| {
        let sim = builder.build();
        house(&sim, &Shaky::default(), plain);
        visit(&sim, |shaky| async move { drop(shaky.spawns().await) });
    });
    assert!(text.starts_with("seed 5 fails: spawned falls\non house, after 1"), "{text}");
    assert!(text.contains("\nIt takes: no faults at all. To repeat it:\n    AIOMAS_SIM_SEED=5 "));
}

/// A different failure without some fault is not the failure to report.
#[test]
fn a_failure_stays_itself_when_faults_are_switched_off() {
    let text = seeds(|builder| {
        let sim = builder.link(aiomas_sim::Link::new().latency(SECOND)).build();
        house(&sim, &Shaky::default(), plain);
        visit(&sim, |shaky| async move { assert_eq!(shaky.fine().await, Ok(1)) });
        assert!(sim.faults()[aiomas_sim::Fault::Latency] == 0, "number {} is late", sim.seed());
        panic!("there is no latency");
    });
    assert!(text.starts_with("seed 5 fails: number 5 is late\nat "), "{text}");
    assert!(text.contains("It takes: latency. To repeat it:"), "{text}");
}

/// A run repeated through the environment runs once.
#[test]
fn a_replay_does_not_shrink_again() {
    let runs = Arc::new(AtomicU32::new(0));
    let failing = |builder: SimBuilder| {
        runs.fetch_add(1, Ordering::Relaxed);
        builder.build().block_on(async { fall("it") });
    };
    if std::env::var_os("AIOMAS_SIM_SEED").is_some() {
        let text = message(|| aiomas_sim::seeds(0..10).check(failing));
        println!("{} run: {text}", runs.load(Ordering::Relaxed));
        return;
    }
    let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "sim::panics::a_replay_does_not_shrink_again", "--nocapture"]);
    let output = command.env("AIOMAS_SIM_SEED", "77").output().expect("a running program");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 run: seed 77 fails: it falls\non main, after 0ns, at "), "{text}");
    assert!(output.status.success() && !text.contains("It takes"), "{text}");
}
