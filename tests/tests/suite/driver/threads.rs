//! Tokio from foreign threads, and after its end.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use aiomas::Error;
use aiomas_core::connection::Close;
use aiomas_tests::runtimes::on_tokio;
use aiomas_tokio::container::RetryLimit;
use aiomas_tokio::{Proxy, agent, channel, container, rpc};
use tokio::runtime::{Builder, Runtime};

const LONG: Duration = Duration::from_secs(300);

struct Meter;

#[agent]
impl Meter {
    #[expose]
    fn read(&self) -> f64 {
        230.0
    }

    #[expose]
    async fn wait(&self) {
        std::future::pending().await
    }

    #[on_stop]
    fn stop(&mut self) {}
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads")
}

fn is_missing<T>(result: Result<T, Error>, text: &str) {
    match result {
        Err(Error::Runtime { text: why }) => assert!(why.contains(text), "{why}"),
        Err(error) => panic!("{error:#?}"),
        Ok(_) => panic!("it works"),
    }
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let none = "there is no tokio runtime on this thread";
    smol::block_on(async {
        for address in ["tcp://127.0.0.1:0", "local://off-runtime"] {
            is_missing(container::bind(address).await, none);
            is_missing(channel::listen(address).await, none);
            is_missing(channel::connect(address).await, none);
            is_missing(rpc::connect(address).await, none);
            is_missing(rpc::builder().listen(address).await, none);
        }
    });
}

#[test]
fn a_runtime_without_timers_or_sockets_is_an_error() {
    let bare = Builder::new_current_thread().build().expect("a runtime");
    bare.block_on(async {
        is_missing(container::bind("tcp://127.0.0.1:0").await, "enable_time");
    });
    let bare = Builder::new_current_thread().enable_time().build().expect("a runtime");
    bare.block_on(async {
        let error = container::bind("tcp://127.0.0.1:0").await.expect_err("no sockets");
        assert!(error.to_string().contains("enable_io"), "{error}");
        let error = rpc::connect("tcp://127.0.0.1:1").await.expect_err("no sockets");
        assert!(error.to_string().contains("enable_io"), "{error}");
        // Within the process no runtime is needed.
        let house = container::bind("local://bare-house").await.expect("bound");
        let grid = container::bind("local://bare-grid").await.expect("bound");
        let meter = house.spawn(Meter).expect("room");
        let remote: MeterProxy = grid.connect(meter.url()).await.expect("there");
        assert_eq!(remote.read().await, Ok(230.0));
        let error = grid.connect::<Proxy>("tcp://127.0.0.1:1/0").await.expect_err("no sockets");
        assert!(error.to_string().contains("enable_io"), "{error}");
        assert_eq!(grid.shutdown().await, Ok(()));
        assert_eq!(house.shutdown().await, Ok(()));
    });
}

/// All handles work on any thread while the runtime lives.
#[test]
fn handles_work_on_other_threads() {
    on_tokio(async {
        let house = container::bind("tcp://127.0.0.1:0").await.expect("a port");
        let url = house.spawn(Meter).expect("room").url().to_string();
        let grid = container::bind("tcp://127.0.0.1:0").await.expect("a port");
        let (there, to) = (grid.clone(), url.clone());
        let elsewhere = thread::spawn(move || {
            smol::block_on(async {
                let meter: MeterProxy = there.connect(to.as_str()).within(LONG).await?;
                assert_eq!(meter.read().await, Ok(230.0));
                let unanswered = Proxy::from(meter).with_timeout(Duration::from_millis(5));
                let late = unanswered.call("wait").send::<()>().await;
                assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
                let local = there.spawn_started(Meter).await?;
                assert_eq!(local.proxy().read().await, Ok(230.0));
                let late = Proxy::from(local.proxy()).with_timeout(Duration::from_millis(5));
                let late = late.call("wait").send::<()>().await;
                assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
                there.clock().sleep(0.001).await?;
                let (sender, receiver) = mpsc::channel();
                there.clock().call_in(0.001, move || sender.send(()).expect("a receiver"))?;
                receiver.recv_timeout(LONG).expect("a call");
                let (sender, receiver) = mpsc::channel();
                there.spawn_task(async move { sender.send(()).expect("a receiver") });
                receiver.recv_timeout(LONG).expect("a running program");
                let error = there.connect::<Proxy>("tcp://127.0.0.1:1/0").await;
                assert!(matches!(error, Err(Error::Connect(_))), "{error:?}");
                there.shutdown().await
            })
        });
        let ended =
            tokio::task::spawn_blocking(move || elsewhere.join()).await.expect("a clean end");
        assert_eq!(ended.expect("no panic"), Ok(()));
        assert_eq!(grid.shutdown().await, Ok(()));
        // The cancelled method still runs there.
        let error = house.shutdown_with(Close::Now).await.expect_err("its agent is busy");
        assert!(matches!(error, Error::NotStopped { .. }), "{error}");
    });
}

/// Waiting tasks on other threads, and later ones, receive an error when the runtime ends.
#[test]
fn a_runtime_that_ends_answers_all_waiting_tasks() {
    let runtime = runtime();
    let (house, grid, meter, client, mut listener) = runtime.block_on(async {
        let house = container::bind("tcp://127.0.0.1:0").await.expect("a port");
        let grid = container::bind("tcp://127.0.0.1:0").await.expect("a port");
        let meter = house.spawn(Meter).expect("room");
        let client = rpc::builder().reconnect(LONG).connect(house.address()).await;
        let listener = channel::listen("tcp://127.0.0.1:0").await.expect("a port");
        (house, grid, meter, client.expect("a listener"), listener)
    });
    let (begun, beginning) = mpsc::channel();
    let mut threads = Vec::new();
    macro_rules! waits {
        ($future:expr) => {{
            let begun = begun.clone();
            threads.push(thread::spawn(move || {
                smol::block_on(async {
                    let mut waits = std::pin::pin!($future);
                    let mut told = false;
                    let ended: Result<_, Error> = std::future::poll_fn(|cx| {
                        let polled = std::future::Future::poll(waits.as_mut(), cx);
                        if !std::mem::replace(&mut told, true) {
                            begun.send(polled.is_pending()).expect("a receiver");
                        }
                        polled
                    })
                    .await;
                    ended.err().map(|error| error.to_string())
                })
            }));
            assert!(beginning.recv_timeout(LONG).expect("a waiting call"), "it waits");
        }};
    }
    let remote: MeterProxy = runtime.block_on(grid.connect(meter.url())).expect("there");
    let (there, local) = (grid.clone(), meter.proxy());
    waits!(async {
        there.connect::<Proxy>("tcp://127.0.0.1:1/0").retry(RetryLimit::Forever).await.map(drop)
    });
    waits!(async { remote.wait().await });
    waits!(async { local.wait().await });
    let there = house.clone();
    waits!(async { there.stopped().await });
    let there = grid.clone();
    waits!(async { there.clock().sleep(1e6).await });
    waits!(async { listener.accept().await.map(drop) });
    waits!(async { client.remote().get("agents/0").call("wait").send::<()>().await });

    runtime.shutdown_background();
    for (number, thread) in threads.into_iter().enumerate() {
        let error = thread.join().expect("no panic").expect("ended");
        assert!(!error.is_empty(), "{number}");
    }
    // Later calls.
    smol::block_on(async {
        for container in [&house, &grid] {
            is_missing(container.connect::<Proxy>("tcp://127.0.0.1:1/0").await, "has ended");
            is_missing(container.spawn(Meter), "has ended");
            is_missing(container.clock().sleep(1.0).await, "has ended");
            let again = container.shutdown().await;
            assert_eq!(again, container.stopped().await);
        }
        let error = house.stopped().await.expect_err("its agent has not stopped").to_string();
        assert!(error.contains(&meter.to_string()), "{error}");
        assert_eq!(grid.stopped().await, Ok(()), "a container without agents");
        assert!(meter.proxy().read().await.is_err());
    });
}
