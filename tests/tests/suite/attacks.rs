//! Attacks of hostile peers: the table in `docs/security.md`.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aiomas::service;
use aiomas_core::connection::{Config, Connection, Limits, Side};
use aiomas_core::wire::{Codec, Format};

use aiomas_tests::attack::{Attack, Neighbour, Victim};
use aiomas_tests::for_each_attack;
use aiomas_tests::message::{REQUEST, message};
use aiomas_tests::process::Process;
use aiomas_tokio::{Tokio, rpc};
use bytes::BytesMut;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// Defines a test for each attack, which passes its name to `$run`.
macro_rules! tests {
    (($run:ident) $($row:literal $module:ident $name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $run(stringify!($name));
            }
        )*
    };
}

/// Runs the attack in a process of its own that counts its allocations. It checks the neighbour's
/// latency and all counts, see [`simulate`](aiomas_tests::attack::simulate).
mod simulated {
    use super::*;

    fn run(name: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attack"));
        // Backtraces would count as well.
        command.arg(name).env("RUST_BACKTRACE", "0");
        let lines = Process::spawn(command).finish(Duration::from_secs(600));
        let line = lines.last().expect("a line");
        let run: Value = serde_json::from_str(line).expect("JSON");
        let number = |key: &str| run[key].as_u64().unwrap_or_else(|| panic!("no {key}: {line}"));
        assert!(number("calls") > 0 && number("connections") > 0, "{line}");
        assert!(number("peak") > 0 && number("peak") <= number("bound"), "{line}");
        // List capacities and error texts vary in size. The simulation records panics.
        assert!(number("left") <= 256 + 512 * number("panics"), "{line}");
    }

    for_each_attack!(tests(run));
}

/// Runs the attack over TCP, in real time.
mod tokio_sockets {
    use super::*;

    /// The time after which a neighbour's call counts as lost, even on a busy machine. The
    /// simulation measures latencies.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn run(name: &str) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let victim = Victim::start(&Tokio::default(), "127.0.0.1").await.expect("free ports");
            let neighbour = Neighbour::connect(victim.target()).await.expect("a listener");
            neighbour.call(0).await.expect("an answer");
            let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let before = (tasks(), victim.connections());
            let attack = Attack::find(name).expect("an attack");
            let mut attacking = tokio::spawn(attack.run(victim.target()));
            let (mut worst, mut calls) = (Duration::ZERO, 0);
            let expected = loop {
                worst = worst.max(neighbour.call(calls).await.expect("an answer"));
                calls += 1;
                let pause = tokio::time::timeout(Duration::from_millis(10), &mut attacking);
                if let Ok(ended) = pause.await {
                    break ended.expect("no panic");
                }
            };
            assert!(worst < PATIENCE, "{worst:?}");
            let start = Instant::now();
            // The count before may include state of the connect, so the count after may be lower.
            while tasks() > before.0 || victim.connections() != before.1 {
                let left = (tasks(), victim.connections());
                assert!(start.elapsed() < Duration::from_secs(300), "{left:?} of {before:?}");
                neighbour.call(calls).await.expect("an answer");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if let Some(setting) = expected {
                let closed = victim.target().take_closed();
                let texts: Vec<_> = closed.iter().map(ToString::to_string).collect();
                assert!(texts.iter().any(|text| text.contains(setting)), "{texts:?}");
            }
            neighbour.leave().await;
            victim.shutdown().await;
        });
    }

    for_each_attack!(tests(run));
}

/// The cost of a frame in small pieces grows linearly (row 3).
#[test]
fn small_pieces_cost_no_more_than_their_bytes() {
    let processor_time = |length: usize| {
        let frame = message(Format::Json, REQUEST, 1, "x".repeat(length));
        let mut config = Config::new(Codec::Json);
        config.limits = Limits::trusted();
        let config = Arc::new(config);
        let time = || {
            let time = clock_gettime(ClockId::ThreadCPUTime);
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        };
        let once = || {
            let now = Instant::now();
            let mut connection = Connection::<()>::new(config.clone(), Side::Listener, now);
            let mut input = BytesMut::new();
            let start = time();
            for piece in frame.chunks(256) {
                input.extend_from_slice(piece);
                connection.handle_input(now, &mut input);
            }
            assert_eq!(connection.calls_in(), 1);
            time() - start
        };
        (0..5).map(|_| once()).min().expect("some")
    };
    let (short, long) = (processor_time(1 << 20), processor_time(1 << 23));
    // Linear growth means a factor of 8, quadratic growth of 64.
    assert!(long < 24 * short, "{short:?}, and {long:?} for eight times as much");
}

/// A server without file descriptors continues, and accepts again once some are free (row 20).
#[test]
fn no_file_descriptors_are_left() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 32 && exec \"$0\" rpc --runtime tokio"]);
    command.arg(env!("CARGO_BIN_EXE_peer"));
    let (server, ready) = Process::serve(command);
    let address = ready.addr.trim_start_matches("tcp://");
    // The system completes the handshake of further connections, up to the backlog.
    let open: Vec<_> = (0..60).filter_map(|_| TcpStream::connect(address).ok()).collect();
    assert!(open.len() > 32, "{} were let in by the system", open.len());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = rpc::connect(ready.addr.as_str()).await.expect("the system lets it in");
        let call = client.remote().call("add").arg(1).arg(2).send::<i64>();
        let early = tokio::time::timeout(Duration::from_millis(300), call).await;
        assert!(early.is_err(), "there is room: {early:?}");
        drop(open);
        let call = client.remote().call("add").arg(1).arg(2).send::<i64>();
        let late = tokio::time::timeout(Duration::from_secs(300), call).await;
        assert_eq!(late.expect("no error"), Ok(3));
    });
    drop(runtime);
    server.stop();
}

/// Methods that block other tasks until they are released.
struct Rude(Arc<AtomicBool>);

#[service]
impl Rude {
    /// Blocks its thread within `block_in_place`. Otherwise tokio's I/O thread might block, without
    /// a replacement.
    #[expose]
    fn block(&self) {
        tokio::task::block_in_place(|| {
            while !self.0.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }

    /// Is always pending, without a wait.
    #[expose]
    async fn spin(&self) {
        std::future::poll_fn(|cx| {
            if self.0.load(Ordering::Relaxed) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }

    #[expose]
    fn ping(&self, number: u64) -> u64 {
        number
    }
}

/// On several threads, a blocking method does not delay other connections (row 29). Neither does
/// one that spins. Calls on the same connection wait for a method that blocks.
#[test]
fn methods_that_block_and_spin() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let may_end = Arc::new(AtomicBool::new(false));
        let builder = rpc::builder().service(Rude(may_end.clone()));
        let server = builder.listen("tcp://127.0.0.1:0").await.expect("a free port");
        let neighbour = rpc::connect(server.address()).await.expect("a listener");
        let ping = || async {
            let ping = neighbour.remote().call("ping").arg(1).send::<u64>();
            let answered = tokio::time::timeout(Duration::from_secs(60), ping).await;
            // Otherwise the method, and thus the test, would not end.
            may_end.fetch_or(answered.is_err(), Ordering::Relaxed);
            assert_eq!(answered.expect("an answer"), Ok(1));
        };
        ping().await;
        for method in ["block", "spin"] {
            may_end.store(false, Ordering::Relaxed);
            let attacker = rpc::connect(server.address()).await.expect("a listener");
            let mut rude = attacker.remote().call(method).send::<()>();
            for _ in 0..20 {
                ping().await;
                let pause = tokio::time::timeout(Duration::from_millis(5), &mut rude).await;
                assert!(pause.is_err(), "{method} may not end: {pause:?}");
            }
            may_end.store(true, Ordering::Relaxed);
            assert_eq!(rude.await, Ok(()));
        }
    });
}
