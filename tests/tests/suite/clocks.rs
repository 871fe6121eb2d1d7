//! Clocks of containers: scheduled calls, misuse, a million timers.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aiomas::Runtime;
use aiomas::{Container, Context, agent, clock::Clock};
use aiomas_core::agent::Address;
use aiomas_core::clock::{Date, When};
use aiomas_sim::{Error, Host, Sim, clock::TimerHandle, container};
use serde_json::json;

type Log = Arc<Mutex<Vec<&'static str>>>;

fn start() -> Date {
    "2020-01-01T01:00:00+01:00".parse().unwrap()
}

/// Returns a container with an external clock.
async fn external() -> Container {
    container::builder().external_clock(start(), 0.0).bind("tcp://main:0").await.unwrap()
}

/// Returns a container with the simulation's clock.
async fn simulated() -> Container {
    container::bind("tcp://main:0").await.unwrap()
}

fn note(log: &Log, what: &'static str) -> impl FnOnce() + Send + 'static {
    let log = log.clone();
    move || log.lock().unwrap().push(what)
}

fn take(log: &Log) -> Vec<&'static str> {
    std::mem::take(&mut *log.lock().unwrap())
}

fn text<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn an_external_clock_makes_calls_in_the_order_of_their_times() {
    Sim::new(1).block_on(async {
        let (container, log) = (external().await, Log::default());
        let clock = container.clock();
        clock.call_in(20.0, note(&log, "20")).unwrap();
        clock.call_at(10.0, note(&log, "10a")).unwrap();
        clock.call_at(start().shift(15.0).unwrap(), note(&log, "15")).unwrap();
        clock.call_in(10.0, note(&log, "10b")).unwrap();
        let cancelled = clock.call_in(12.0, note(&log, "12")).unwrap();
        assert!(cancelled.cancel());
        assert!(!cancelled.cancel());

        clock.set_time(9.9).unwrap();
        assert!(take(&log).is_empty());
        clock.set_time(10.0).unwrap();
        assert_eq!(take(&log), ["10a", "10b"]);
        clock.set_time(30.0).unwrap();
        assert_eq!(take(&log), ["15", "20"]);
        assert!(!cancelled.cancel());
    });
}

/// Sleepers and calls share one queue. A sleeper continues when its task is polled.
#[test]
fn calls_see_the_new_time_and_sleepers_too() {
    Sim::new(1).block_on(async {
        let (container, seen) = (external().await, Arc::new(Mutex::new(Vec::new())));
        let clock = container.clock();
        for dt in [1.0, 2.0] {
            let (this, seen) = (clock.clone(), seen.clone());
            clock.call_in(dt, move || seen.lock().unwrap().push(this.time())).unwrap();
        }
        let mut sleep = std::pin::pin!(clock.sleep(1.0));
        std::future::poll_fn(|cx| {
            assert!(sleep.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        clock.set_time(5.0).unwrap();
        sleep.await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [5.0, 5.0]);
    });
}

/// A call scheduled by a call runs after all earlier due ones, at any depth.
#[test]
fn a_call_may_set_the_clock_and_ask_for_more_calls() {
    Sim::new(1).block_on(async {
        let (container, log) = (external().await, Log::default());
        let clock = container.clock().clone();
        let (this, more) = (clock.clone(), log.clone());
        clock
            .call_in(1.0, move || {
                more.lock().unwrap().push("first");
                this.call_in(1.0, note(&more, "third")).unwrap();
                this.set_time(2.0).unwrap();
                assert_eq!(this.time(), 2.0);
            })
            .unwrap();
        clock.call_in(1.0, note(&log, "second")).unwrap();
        clock.set_time(1.0).unwrap();
        assert_eq!(take(&log), ["first", "second", "third"]);

        /// Sets the clock repeatedly, from within the calls.
        fn go_on(clock: &Clock) {
            let this = clock.clone();
            let call = move || {
                if this.time() < 100_000.0 {
                    go_on(&this);
                    this.set_time(this.time() + 1.0).unwrap();
                }
            };
            clock.call_in(1.0, call).unwrap();
        }
        go_on(&clock);
        clock.set_time(3.0).unwrap();
        assert_eq!(clock.time(), 100_000.0);
    });
}

#[test]
fn a_panicking_call_has_no_other_effect() {
    let sim = Sim::builder(1).allow_panics("on purpose").build();
    sim.block_on(async {
        for container in [external().await, simulated().await] {
            let (clock, log) = (container.clock(), Log::default());
            clock.call_in(1.0, || panic!("on purpose")).unwrap();
            clock.call_in(1.0, note(&log, "after")).unwrap();
            // The simulation's clock cannot be set. It advances during the sleep.
            if clock.set_time(1.0).is_err() {
                clock.sleep(2.0).await.unwrap();
            }
            assert_eq!(take(&log), ["after"]);
        }
    });
}

#[test]
fn times_of_calls_are_those_of_sleeps() {
    Sim::new(1).block_on(async {
        let (external, simulated) = (external().await, simulated().await);
        for container in [&external, &simulated] {
            let clock = container.clock();
            let (now, nothing) = (clock.utc_now(), || ());
            let past = |when: String| format!("Date \"{when}\" is in the past");
            assert_eq!(text(clock.call_at(0.0, nothing)), past("0".into()));
            assert_eq!(text(clock.call_at(-1.0, nothing)), past("-1".into()));
            assert_eq!(text(clock.call_at(now, nothing)), past(now.to_string()));
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let error = format!("time must be finite but is {bad}");
                assert_eq!(text(clock.call_in(bad, nothing)), error);
                assert_eq!(text(clock.call_at(bad, nothing)), error);
            }
        }
        let error = text(external.clock().call_in(0.0, || ()));
        assert_eq!(error, "dt must be > 0 but is 0");
        let error = text(simulated.clock().call_in(1e300, || ()));
        assert!(error.ends_with("too long"), "{error}");
        // The same as in asyncio.
        let log = Log::default();
        simulated.clock().call_in(-1.0, note(&log, "soon")).unwrap();
        simulated.clock().sleep(1.0).await.unwrap();
        assert_eq!(take(&log), ["soon"]);
    });
}

/// Calls run at their exact times, to the nanosecond, on the simulation's dates.
#[test]
fn a_simulated_clock_makes_calls_at_their_times() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let container = simulated().await;
        let (clock, log) = (container.clock(), Arc::new(Mutex::new(Vec::new())));
        clock.sleep(3600.0).await.unwrap();
        let note = |name: &'static str| {
            let (clock, log) = (clock.clone(), log.clone());
            move || log.lock().unwrap().push((name, clock.utc_now().to_string()))
        };
        let date: Date = "2000-01-01T03:00:00+01:00".parse().unwrap();
        clock.call_at(date, note("date")).unwrap();
        clock.call_at(3601.0, note("time")).unwrap();
        clock.call_in(0.5, note("dt")).unwrap();
        let cancelled = clock.call_in(0.25, note("cancelled")).unwrap();
        assert!(cancelled.cancel());
        clock.sleep(7200.0).await.unwrap();
        let expected = [
            ("dt", "2000-01-01T01:00:00.500000+00:00"),
            ("time", "2000-01-01T01:00:01+00:00"),
            ("date", "2000-01-01T02:00:00+00:00"),
        ];
        assert_eq!(*log.lock().unwrap(), expected.map(|(name, at)| (name, at.to_owned())));
        assert_eq!(sim.elapsed(), Duration::from_secs(3 * 3600));
    });
}

fn shifted(clock: &Clock, seconds: f64) -> Date {
    clock.utc_now().shift(seconds).unwrap()
}

/// A time server steps the date, forward and back. Dates follow; durations and times do not.
#[test]
fn dates_follow_the_steps_of_the_date() {
    for step in [3600.0, -3600.0] {
        let sim = Sim::new(1);
        sim.block_on(async {
            let (container, log) = (simulated().await, Log::default());
            let clock = container.clock();
            let before = clock.utc_now();
            clock.call_in(10.0, note(&log, "in ten seconds")).unwrap();
            clock.call_at(10.0, note(&log, "at ten seconds")).unwrap();
            let date = shifted(clock, 3610.0);
            clock.call_at(date, note(&log, "at the date")).unwrap();
            let gone = clock.call_at(shifted(clock, 3605.0), note(&log, "cancelled")).unwrap();
            sim.step_date(step);
            assert_eq!((clock.time(), clock.utc_now()), (0.0, before.shift(step).unwrap()));
            assert!(gone.cancel());
            clock.sleep(20.0).await.unwrap();
            assert_eq!(take(&log)[..2], ["in ten seconds", "at ten seconds"][..]);
            // By the current date.
            clock.sleep_until(shifted(clock, 1.0)).await.unwrap();
            assert_eq!(clock.time(), 21.0);
            assert_eq!(clock.utc_now(), before.shift(21.0 + step).unwrap());
        });
    }
}

/// A wait ends when its date has come, or when a step skips it.
#[test]
fn waits_for_a_date_follow_its_steps() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let (container, log) = (simulated().await, Log::default());
        let clock = container.clock();
        let date = shifted(clock, 7200.0);
        clock.call_at(date, note(&log, "call")).unwrap();
        // After half an hour the date steps forward by one hour, and after another half hour back
        // by two.
        sim.at(Duration::from_secs(1800), |sim| sim.step_date(3600.0));
        sim.at(Duration::from_secs(3599), |sim| sim.step_date(-7200.0));
        let sleeping = clock.sleep_until(date);
        sleeping.await.unwrap();
        assert_eq!((clock.time(), clock.utc_now()), (10_800.0, date));
        assert_eq!(take(&log), ["call"]);
        // The step of the date skips the rest.
        let date = shifted(clock, 7200.0);
        clock.call_at(date, note(&log, "call")).unwrap();
        sim.at(Duration::from_secs(60), |sim| sim.step_date(1e6));
        clock.sleep_until(date).await.unwrap();
        assert_eq!((clock.time(), take(&log)), (10_860.0, vec!["call"]));
        let error = text(clock.sleep_until(date).await);
        assert_eq!(error, format!("Date \"{date}\" is in the past"));
    });
    sim.run_until_idle();
    assert_eq!(sim.tasks(), 0);
}

/// A runtime that does not report steps, like real systems. A step is noticed within one second.
#[test]
fn unreported_steps_are_noticed_within_a_second() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let unannounced = Unannounced { host: sim.host("main"), by: Arc::default() };
        let builder = aiomas::container::builder(unannounced.clone());
        let container = builder.bind("tcp://main:0").await.unwrap();
        let (clock, log) = (container.clock(), Log::default());
        let date = shifted(clock, 3600.0);
        clock.call_at(date, note(&log, "call")).unwrap();
        let by = unannounced.by.clone();
        sim.at(Duration::from_millis(500), move |_| by.store(4000, Ordering::Relaxed));
        clock.sleep_until(date).await.unwrap();
        assert!(clock.time() <= 1.5, "{}", clock.time());
        clock.sleep(0.001).await.unwrap();
        assert_eq!(take(&log), ["call"]);
        // A dropped future leaves no timer that checks the date.
        let mut gone = Box::pin(clock.sleep_until(shifted(clock, 3600.0)));
        assert!(futures_lite::future::poll_once(&mut gone).await.is_none());
    });
    let elapsed = sim.elapsed();
    sim.run_until_idle();
    assert_eq!((sim.tasks(), sim.elapsed()), (0, elapsed));
}

#[derive(Clone)]
struct Unannounced {
    host: Host,
    /// The offset of its date, in seconds.
    by: Arc<AtomicUsize>,
}

impl Runtime for Unannounced {
    type Stream = aiomas_sim::Stream;
    type Listener = aiomas_sim::Acceptor;
    type Timer = aiomas_sim::Alarm;

    fn now(&self) -> Instant {
        self.host.now()
    }

    fn since_epoch(&self) -> Duration {
        self.host.since_epoch() + Duration::from_secs(self.by.load(Ordering::Relaxed) as u64)
    }

    fn timer(&self) -> Self::Timer {
        self.host.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.host.spawn(task);
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        self.host.dial(to)
    }

    fn listen(
        &self,
        on: Address,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send + 'static {
        self.host.listen(on)
    }
}

/// Cancelled calls leave neither a task nor a timer.
#[test]
fn what_is_cancelled_leaves_nothing() {
    let sim = Sim::new(1);
    let container = sim.block_on(simulated());
    sim.run_until_idle();
    let (tasks, elapsed) = (sim.tasks(), sim.elapsed());
    let clock = container.clock();
    let hours: Vec<_> = (1..=10)
        .map(|hour| clock.call_in(f64::from(hour) * 3600.0, || panic!()).unwrap())
        .collect();
    assert_eq!(sim.tasks(), tasks + 1);
    assert!(hours.iter().rev().all(TimerHandle::cancel));
    sim.run_until_idle();
    assert_eq!((sim.tasks(), sim.elapsed()), (tasks, elapsed));
}

#[test]
fn calls_are_gone_with_their_clock() {
    let sim = Sim::new(1);
    for container in [sim.block_on(external()), sim.block_on(simulated())] {
        let held = Arc::new(());
        let holds = held.clone();
        let handle = container.clock().call_in(3600.0, move || drop(holds)).unwrap();
        assert_eq!(Arc::strong_count(&held), 2);
        sim.block_on(container.shutdown()).unwrap();
        drop(container);
        let elapsed = sim.elapsed();
        sim.run_until_idle();
        assert_eq!((Arc::strong_count(&held), sim.elapsed()), (1, elapsed));
        assert!(!handle.cancel());
    }
    assert_eq!(sim.tasks(), 0);
}

/// Half of a million calls are cancelled; each of the others runs at its time.
#[test]
fn a_million_timers() {
    const MILLION: usize = 1_000_000;
    let sim = Sim::new(1);
    sim.block_on(async {
        for container in [external().await, simulated().await] {
            let clock = container.clock();
            let (calls, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let handles: Vec<_> = (0..MILLION)
                .map(|number| {
                    // All times up to a million, shuffled.
                    let at = number * 611_953 % MILLION + 1;
                    let (calls, last) = (calls.clone(), last.clone());
                    let call = move || {
                        calls.fetch_add(1, Ordering::Relaxed);
                        assert!(last.swap(at, Ordering::Relaxed) < at);
                    };
                    clock.call_in(at as f64 / 1e3, call).unwrap()
                })
                .collect();
            assert!(handles.iter().step_by(2).all(TimerHandle::cancel));
            for passed in [MILLION / 4, MILLION] {
                // Between two calls, to avoid rounding errors.
                let time = (passed as f64 + 0.5) / 1e3;
                if clock.set_time(time).is_err() {
                    clock.sleep_until(time).await.unwrap();
                }
                assert!(last.load(Ordering::Relaxed).abs_diff(passed) < 1000);
            }
            assert_eq!(calls.load(Ordering::Relaxed), MILLION / 2);
        }
    });
}

/// Exposes its container's clock to peers.
struct Timekeeper;

#[agent]
impl Timekeeper {
    #[expose]
    fn set_time(&self, time: f64, #[context] ctx: &Context) -> Result<(), Error> {
        ctx.clock()?.set_time(time)
    }

    #[expose]
    async fn sleep(&self, dt: f64, #[context] ctx: &Context) -> Result<f64, Error> {
        let clock = ctx.clock()?;
        clock.sleep(dt).await?;
        Ok(clock.time())
    }

    #[expose]
    async fn sleep_until(&self, when: When, #[context] ctx: &Context) -> Result<f64, Error> {
        let clock = ctx.clock()?;
        clock.sleep_until(when).await?;
        Ok(clock.time())
    }
}

/// A peer can only advance an external clock, and its sleepers still wake up.
#[test]
fn a_peer_cannot_break_a_clock() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let there = external().await;
        let agent = there.spawn(Timekeeper).unwrap();
        let here = simulated().await;
        let peer: TimekeeperProxy = here.connect(agent.url().clone()).await.unwrap();
        let sleeping = peer.sleep(10.0);
        peer.set_time(5.0).await.unwrap();

        let refused = async |result: Result<f64, Error>| {
            let error = result.unwrap_err();
            assert_eq!(error.remote().map(|error| error.kind()), Some("ValueError"), "{error}");
            assert_eq!(there.clock().time(), 5.0);
        };
        let set = async |time| peer.set_time(time).await.map(|()| time);
        for time in [5.0, 4.999, 0.0, -1.0, f64::MIN, 1e300, f64::MAX] {
            refused(set(time).await).await;
        }
        for time in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            refused(set(time).await).await;
            refused(peer.sleep(time).await).await;
            refused(peer.sleep_until(When::Time(time)).await).await;
        }
        for dt in [0.0, -0.0, -1.0, f64::MIN_POSITIVE, f64::MIN] {
            refused(peer.sleep(dt).await).await;
        }
        for date in [Date::MIN, start(), start().shift(5.0).unwrap()] {
            refused(peer.sleep_until(When::Date(date)).await).await;
        }
        for bad in [json!("5"), json!(null), json!([5]), json!({"__type__": [0, "yesterday"]})] {
            let result = peer.as_ref().call("sleep_until").arg(&bad).send::<f64>().await;
            assert!(matches!(result, Err(Error::Remote(_))), "{bad}: {result:?}");
        }

        // A hundred calls sleep until the largest date, and are dropped.
        let forgotten: Vec<_> = (0..100).map(|_| peer.sleep_until(When::Date(Date::MAX))).collect();
        peer.set_time(9.0).await.unwrap();
        drop(forgotten);
        peer.set_time(10.0).await.unwrap();
        assert_eq!(sleeping.await, Ok(10.0));
    });
}
