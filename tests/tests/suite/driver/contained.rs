//! Panics of user code in unexpected places: all other work continues, and every waiting task is
//! answered.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

use std::future::{Future, pending};
use std::io;
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use aiomas::{Container, container};
use aiomas::{Error, agent};
use aiomas::{Proxy, Runtime, rpc};
use aiomas_core::agent::{Address, RetryLimit};
use aiomas_core::clock::Date;
use aiomas_core::rpc::ServiceDict;
use aiomas_tests::scripted_runtime::{Acceptor, Alarm, Pipe, ScriptedRuntime};

/// Panics when dropped, with a payload that does the same.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 && !std::thread::panicking() {
            panic_any(Self(self.0 - 1));
        }
    }
}

/// Panics with a payload that panics when dropped.
fn explode() -> ! {
    panic_any(Bomb(3))
}

/// A future that is ready at once, and panics when dropped.
struct Sticky(#[expect(dead_code, reason = "it is dropped")] Bomb);

impl Future for Sticky {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// A runtime that panics on `spawn` while its flag is set.
#[derive(Clone)]
struct Moody {
    script: ScriptedRuntime,
    panics: Arc<AtomicBool>,
}

impl Runtime for Moody {
    type Stream = Pipe;
    type Listener = Acceptor;
    type Timer = Alarm;

    fn now(&self) -> Instant {
        self.script.now()
    }

    fn timer(&self) -> Alarm {
        self.script.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        assert!(!self.panics.load(Ordering::Relaxed), "no runtime here");
        self.script.spawn(task);
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Pipe>> + Send + 'static {
        self.script.dial(to)
    }

    fn listen(&self, on: Address) -> impl Future<Output = io::Result<Acceptor>> + Send + 'static {
        self.script.listen(on)
    }
}

impl Moody {
    fn on(script: &ScriptedRuntime) -> Self {
        Self { script: script.clone(), panics: Arc::default() }
    }

    fn panics(&self, panics: bool) {
        self.panics.store(panics, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Meter {
    stopped: Arc<AtomicUsize>,
}

#[agent]
impl Meter {
    #[expose]
    fn read(&self) -> u32 {
        230
    }

    #[expose]
    async fn wait(&self) {
        pending().await
    }

    #[on_stop]
    fn stop(&mut self) {
        self.stopped.fetch_add(1, Ordering::Relaxed);
    }
}

async fn bind(runtime: &impl Runtime) -> Container {
    container::bind(runtime.clone(), "tcp://here:0").await.expect("a free port")
}

/// Polls once.
fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_runtime_that_panics_leaves_nothing_busy() {
    let script = ScriptedRuntime::default();
    let runtime = Moody::on(&script);
    script.block_on(async {
        let house = bind(&script).await;
        let url = house.spawn(Meter::default()).expect("room").url().clone();
        let grid = bind(&runtime).await;
        runtime.panics(true);
        let error = grid.connect::<Proxy>(url.clone()).await.expect_err("no task runs");
        assert!(error.to_string().contains("the runtime"), "{error}");
        // Another task waits until the runtime works again.
        let patient = grid.connect::<Proxy>(url.clone()).within(Duration::from_secs(60));
        let mut patient = pin!(patient);
        assert!(poll(&mut patient).is_pending());
        runtime.panics(false);
        let meter = patient.await.expect("there");
        assert_eq!(meter.call("read").send().await, Ok(230));
        let meter: Proxy = grid.connect(url).await.expect("there");
        assert_eq!(meter.call("read").send().await, Ok(230));
        assert_eq!(grid.shutdown().await, Ok(()));
        assert_eq!(house.shutdown().await, Ok(()));
    });
    script.run();
    assert_eq!(script.tasks(), 0);
}

/// The task that makes the calls of a clock is started again.
#[test]
fn a_clock_whose_task_could_not_begin_makes_later_calls() {
    let script = ScriptedRuntime::default();
    let runtime = Moody::on(&script);
    script.block_on(async {
        let container = bind(&runtime).await;
        let made = Arc::<AtomicUsize>::default();
        let call = || {
            let made = made.clone();
            move || {
                made.fetch_add(1, Ordering::Relaxed);
            }
        };
        runtime.panics(true);
        let schedule = || container.clock().call_in(1.0, call());
        let scheduled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(schedule));
        assert!(scheduled.is_err());
        runtime.panics(false);
        container.clock().call_in(2.0, call()).expect("a time to come");
        container.clock().sleep(3.0).await.expect("passed time");
        assert_eq!(made.load(Ordering::Relaxed), 2);
    });
}

/// Every pending operation ends with its runtime.
#[test]
fn nothing_waits_for_a_runtime_that_has_ended() {
    let runtime = ScriptedRuntime::default();
    let stopped = Arc::<AtomicUsize>::default();
    let (container, meter, remote) = runtime.block_on(async {
        let (house, grid) = (bind(&runtime).await, bind(&runtime).await);
        let meter = grid.spawn(Meter { stopped: stopped.clone() }).expect("room");
        let there = house.spawn(Meter::default()).expect("room");
        let remote: MeterProxy = grid.connect(there.url().clone()).await.expect("there");
        (grid, meter, remote)
    });
    let connect = |patience| container.connect::<Proxy>("tcp://nowhere:1/0").retry(patience);
    let mut searches = [connect(RetryLimit::Once), connect(RetryLimit::Forever)];
    let (mut local, mut afar) = (meter.proxy().wait(), remote.wait());
    let (mut one, mut other) = (Box::pin(container.stopped()), Box::pin(container.stopped()));
    for search in &mut searches {
        assert!(poll(search).is_pending());
    }
    assert!(poll(&mut local).is_pending() && poll(&mut afar).is_pending());
    assert!(poll(&mut one).is_pending() && poll(&mut other).is_pending());
    runtime.end();
    for search in &mut searches {
        let Poll::Ready(Err(error)) = poll(search) else { panic!("the runtime has ended") };
        assert!(error.to_string().contains("the runtime"), "{error}");
    }
    let Poll::Ready(Err(Error::Runtime { text })) = poll(&mut local) else {
        panic!("the runtime has ended")
    };
    let address = container.address();
    assert_eq!(
        &*text,
        format!("the runtime that {address} was bound on has ended; bind it on another one")
    );
    assert!(matches!(poll(&mut afar), Poll::Ready(Err(Error::Lost(_)))));
    // The agent has not stopped, and each caller receives the error.
    for ended in [poll(&mut one), poll(&mut other), poll(&mut shutdown_boxed(&container))] {
        let Poll::Ready(Err(error)) = ended else { panic!("the runtime has ended") };
        assert_eq!(
            error.to_string(),
            format!(
                "1 agent has not stopped: Meter('{}'): the runtime has ended before its #[on_stop]; \
                 shut the container down first",
                meter.url()
            )
        );
    }
    assert_eq!(stopped.load(Ordering::Relaxed), 0);
    let error = container.spawn(Meter::default()).expect_err("ended");
    assert!(matches!(error, Error::Runtime { .. }), "{error}");
    let Poll::Ready(Err(error)) = poll(&mut connect(RetryLimit::Forever)) else { panic!("ended") };
    assert!(matches!(error, Error::Runtime { .. }), "{error}");
}

/// Returns the shutdown, to be polled by hand.
fn shutdown_boxed(container: &Container) -> Pin<Box<dyn Future<Output = Result<(), Error>>>> {
    let container = container.clone();
    Box::pin(async move { container.shutdown().await })
}

/// The behaviour of an agent at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Stops,
    /// The value that `#[on_stop]` awaits panics when dropped.
    Panics,
    /// `#[on_stop]` does not end, and panics when dropped.
    Stays,
}

struct Flawed {
    /// Panics as the agent is dropped.
    _bomb: Bomb,
    end: End,
}

#[agent]
impl Flawed {
    #[expose]
    fn read(&self) -> u32 {
        1
    }

    #[expose]
    fn explode(&self) {
        explode()
    }

    #[expose]
    async fn explode_later(&mut self) {
        std::future::ready(()).await;
        explode()
    }

    #[expose]
    async fn stick(&self) {
        Sticky(Bomb(3)).await;
    }

    /// Waits, and panics when cancelled.
    #[expose]
    async fn hold(&self) {
        let _bomb = Bomb(3);
        pending().await
    }

    #[on_stop]
    async fn stop(&mut self) {
        match self.end {
            End::Stops => {}
            End::Panics => Sticky(Bomb(3)).await,
            End::Stays => {
                let _bomb = Bomb(3);
                pending().await
            }
        }
    }
}

#[test]
fn agents_that_panic_when_dropped_delay_no_other() {
    for end in [End::Stops, End::Panics, End::Stays] {
        let runtime = ScriptedRuntime::default();
        let stopped = Arc::<AtomicUsize>::default();
        runtime.block_on(async {
            let container = bind(&runtime).await;
            let flawed = || Flawed { _bomb: Bomb(3), end };
            let removed = container.spawn(flawed()).expect("room");
            for _ in 0..3 {
                container.spawn(flawed()).expect("room");
                container.spawn(Meter { stopped: stopped.clone() }).expect("room");
            }
            assert!(removed.remove());
            assert!(!removed.remove());
            let ended = container.shutdown().await;
            assert_eq!(container.shutdown().await, ended, "the same each time");
            let text = ended.err().map(|error| error.to_string()).unwrap_or_default();
            match end {
                End::Stops => assert_eq!(text, ""),
                End::Panics => assert!(text.contains("its #[on_stop] failed: Panic"), "{text}"),
                End::Stays => assert!(text.contains("its #[on_stop] took longer than"), "{text}"),
            }
        });
        assert_eq!(stopped.load(Ordering::Relaxed), 3);
        runtime.run();
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
    }
}

/// A panic whose payload panics fails only its call. The next call runs.
#[test]
fn payloads_and_futures_that_panic_are_failures_of_their_call() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (house, grid) = (bind(&runtime).await, bind(&runtime).await);
        let flawed = house.spawn(Flawed { _bomb: Bomb(0), end: End::Stops }).expect("room");
        let afar: FlawedProxy = grid.connect(flawed.url().clone()).await.expect("there");
        for remote in [flawed.proxy(), afar] {
            for call in [remote.explode(), remote.explode_later(), remote.stick()] {
                let error = call.await.expect_err("a panic");
                assert_eq!(
                    error.remote().map(|error| error.kind().to_owned()),
                    Some("Panic".into())
                );
            }
            assert_eq!(remote.read().await, Ok(1));
        }
        // Within a container, a cancelled call drops its method.
        let mut held = flawed.proxy().hold();
        assert!(poll(&mut held).is_pending());
        drop(held);
        assert_eq!(flawed.proxy().read().await, Ok(1));
        assert_eq!(grid.shutdown().await, Ok(()));
        assert_eq!(house.shutdown().await, Ok(()));
    });
    runtime.run();
    assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
}

/// Callbacks, tasks and calls of clocks.
#[test]
fn payloads_that_panic_end_nothing_else() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let server = rpc::builder(runtime.clone())
            .service(ServiceDict::new("Root").function("half", ["a"], |a: u32| a / 2))
            .on_connect(|_| explode())
            .on_disconnect(|_, _| explode())
            .listen("tcp://here:0")
            .await
            .expect("a free port");
        for i in 0..3 {
            let client = rpc::builder(runtime.clone()).connect(server.address()).await;
            let client = client.expect("a listener");
            assert_eq!(client.remote().call("half").arg(2 * i).send().await, Ok(i));
        }
        server.shutdown().await;

        let container = container::builder(runtime.clone())
            .on_connect(|_| explode())
            .on_disconnect(|_, _| explode())
            .authorize(|_, path| if path == "explode" { explode() } else { Ok(()) })
            .external_clock(Date::MIN, 0.0)
            .bind("tcp://here:0")
            .await
            .expect("a free port");
        let meter = container.spawn(Meter::default()).expect("room");
        container.spawn_task(async { explode() });
        container.spawn_task(Sticky(Bomb(3)));
        let made = Arc::<AtomicUsize>::default();
        let also = made.clone();
        container.clock().call_in(1.0, || explode()).expect("a time to come");
        container
            .clock()
            .call_in(1.0, move || {
                also.fetch_add(1, Ordering::Relaxed);
            })
            .expect("to come");
        container.clock().set_time(1.0).expect("no error");
        assert_eq!(made.load(Ordering::Relaxed), 1);
        container.clock().set_time(2.0).expect("no error");

        let client = rpc::builder(runtime.clone()).connect(container.address()).await.expect("up");
        let error = client.remote().call("explode").send::<()>().await.expect_err("a panic");
        assert!(error.to_string().contains("Panic"), "{error}");
        let path = format!("agents/{}", meter.url().aid());
        assert_eq!(client.remote().get(&path).call("read").send().await, Ok(230));
        drop(client);
        assert_eq!(container.shutdown().await, Ok(()));
    });
    runtime.run();
    assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
}

/// A waker that panics.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker");
    }
}

fn poll_badly<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(&Arc::new(Panics).into()))
}

struct Queue(Arc<Mutex<Vec<Waker>>>);

#[agent]
impl Queue {
    /// Waits until it is released.
    #[expose]
    async fn alone(&mut self) {
        let mut waits = true;
        std::future::poll_fn(|cx| {
            if !std::mem::take(&mut waits) {
                return Poll::Ready(());
            }
            self.0.lock().expect("no panic under the lock").push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Other waiting tasks are woken nevertheless.
#[test]
fn panics_of_wakers_affect_no_other() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let wakers = Arc::<Mutex<Vec<Waker>>>::default();
        let (house, grid) = (bind(&runtime).await, bind(&runtime).await);
        let queue = house.spawn(Queue(wakers.clone())).expect("room");
        // Searches that end together.
        let mut searches: Vec<_> =
            (0..4).map(|_| grid.connect::<QueueProxy>(queue.url().clone())).collect();
        for (number, search) in searches.iter_mut().enumerate() {
            let polled = if number % 2 == 0 { poll_badly(search) } else { poll(search) };
            assert!(polled.is_pending());
        }
        let last: QueueProxy = grid.connect(queue.url().clone()).await.expect("there");
        for search in &mut searches {
            assert!(matches!(poll(search), Poll::Ready(Ok(_))));
        }
        // Calls that wait for their turn, locally and over a connection.
        let local = queue.proxy();
        let (mut first, mut second) = (local.alone(), last.alone());
        assert!(poll_badly(&mut first).is_pending() && poll(&mut second).is_pending());
        let third = local.alone();
        let go_on = move || {
            let wakers = std::mem::take(&mut *wakers.lock().expect("no panic under the lock"));
            wakers.into_iter().for_each(Waker::wake);
        };
        house.spawn_task({
            let runtime = runtime.clone();
            async move {
                for _ in 0..10 {
                    let mut timer = runtime.timer();
                    aiomas::Timer::set(&mut timer, runtime.now() + Duration::from_secs(1));
                    std::future::poll_fn(|cx| aiomas::Timer::poll(&mut timer, cx)).await;
                    go_on();
                }
            }
        });
        assert_eq!(third.await, Ok(()));
        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        // Tasks that wait for the shutdown.
        let mut ends: Vec<_> = (0..4).map(|_| shutdown_boxed(&house)).collect();
        for (number, end) in ends.iter_mut().enumerate() {
            let polled = if number % 2 == 0 { poll_badly(end) } else { poll(end) };
            assert!(polled.is_pending());
        }
        assert_eq!(house.shutdown().await, Ok(()));
        assert!(ends.iter_mut().all(|end| poll(end) == Poll::Ready(Ok(()))));
        assert_eq!(grid.shutdown().await, Ok(()));
    });
}

/// The connection goes on, and with it the calls of others.
#[test]
fn a_waker_that_panics_does_not_end_its_connection() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let (house, grid) = (bind(&runtime).await, bind(&runtime).await);
        let meter = house.spawn(Meter::default()).expect("room");
        let remote: MeterProxy = grid.connect(meter.url().clone()).await.expect("there");
        // Answers that come together.
        let mut calls: Vec<_> = (0..4).map(|_| remote.read()).collect();
        for (number, call) in calls.iter_mut().enumerate() {
            let polled = if number % 2 == 0 { poll_badly(call) } else { poll(call) };
            assert!(polled.is_pending());
        }
        assert_eq!(remote.read().await, Ok(230));
        for call in calls {
            assert_eq!(call.await, Ok(230));
        }
        assert_eq!(grid.shutdown().await, Ok(()));
        assert_eq!(house.shutdown().await, Ok(()));
    });
}

/// Captures of calls that a clock has not made, and of a service dropped with its server.
#[test]
fn captures_may_panic_as_they_are_dropped() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let container = bind(&runtime).await;
        for _ in 0..2 {
            let bomb = Bomb(2);
            let call = container.clock().call_in(1.0, move || drop(bomb)).expect("to come");
            let bomb = Bomb(2);
            container.clock().call_in(1.0, move || drop(bomb)).expect("to come");
            assert!(call.cancel());
        }
        assert_eq!(container.shutdown().await, Ok(()));
        drop(container);

        let bomb = Bomb(2);
        let root = ServiceDict::new("Root").function("half", ["a"], move |a: u32| {
            let Bomb(count) = &bomb;
            a / count
        });
        let server = rpc::builder(runtime.clone()).service(root).listen("tcp://here:0").await;
        let server = server.expect("a free port");
        let client = rpc::builder(runtime.clone()).connect(server.address()).await.expect("up");
        assert_eq!(client.remote().call("half").arg(4).send().await, Ok(2));
        server.shutdown().await;
    });
    runtime.run();
    assert_eq!(runtime.tasks(), 0);
}
