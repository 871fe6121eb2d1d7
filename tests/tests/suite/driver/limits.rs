//! Listeners and handles at their limits.

use std::io::{self, ErrorKind};
use std::sync::Mutex;
use std::time::Duration;

use aiomas::{Error, agent, service};
use aiomas::{
    Proxy, Runtime,
    rpc::{RpcClient, RpcServer},
};
use aiomas_core::agent::Address;
use aiomas_core::connection::{CloseReason, Config, Limits, NotAdmitted, TimeoutReason};
use aiomas_core::rpc::ServiceRef;
use aiomas_core::wire::RemoteError;
use aiomas_sim::{Host, Sim};
use aiomas_tests::message;
use aiomas_tests::raw::Raw;
use aiomas_tests::scripted_runtime::ScriptedRuntime;

/// Keeps its arguments.
#[derive(Default)]
struct Keeper {
    kept: Mutex<Vec<Proxy>>,
}

#[service]
impl Keeper {
    #[expose]
    fn keep(&self, services: Vec<Proxy>) -> usize {
        let mut kept = self.kept.lock().unwrap();
        kept.extend(services);
        kept.len()
    }

    #[expose]
    fn forget(&self) {
        self.kept.lock().unwrap().clear();
    }

    #[expose]
    fn panic(&self) {
        panic!("the password is 1234");
    }

    #[expose]
    fn fail(&self) -> Result<(), RemoteError> {
        let text =
            "Traceback (most recent call last):\n  File \"/home/me\"\nE: \x1b[2Jno\r\nmore\n";
        Err(RemoteError::from_text(text))
    }
}

async fn serve(host: &Host, settings: impl FnOnce(&mut Config)) -> RpcServer {
    let builder = host.rpc().service(Keeper::default()).config(settings);
    builder.listen(format!("tcp://{}:0", host.name())).await.expect("a free port")
}

async fn connect(host: &Host, server: &RpcServer) -> RpcClient {
    host.rpc().connect(server.address()).await.expect("a listener")
}

/// Returns whether the server has accepted the client and answers.
async fn is_in(client: &RpcClient) -> bool {
    match client.remote().call("forget").send::<()>().await {
        Ok(()) => true,
        Err(Error::Lost(_) | Error::Refused(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

/// A peer at its limit of connections is refused another one. Other peers are accepted, and the
/// listener continues.
#[test]
fn connections_per_peer_and_per_listener() {
    let sim = Sim::new(1);
    let (server, greedy, other) = (sim.host("server"), sim.host("greedy"), sim.host("other"));
    sim.block_on(async {
        let server = serve(&server, |config| {
            config.limits.max_connections_per_peer = 2;
            config.limits.max_connections = 3;
        })
        .await;
        let one = connect(&greedy, &server).await;
        let two = connect(&greedy, &server).await;
        assert!(is_in(&one).await && is_in(&two).await);
        let three = connect(&greedy, &server).await;
        assert!(!is_in(&three).await);
        let stats = server.admission();
        assert_eq!((stats.open, stats.admitted, stats.refused, stats.failed), (2, 2, 1, 0));
        assert_eq!(stats.last_refusal, Some(NotAdmitted::TooManyFromPeer { limit: 2 }));
        let theirs = connect(&other, &server).await;
        assert!(is_in(&theirs).await);
        // Now the server is full for all peers.
        let full = connect(&other, &server).await;
        assert!(!is_in(&full).await);
        assert_eq!(server.admission().last_refusal, Some(NotAdmitted::TooMany { limit: 3 }));
        // A closed connection frees its slot.
        drop(one);
        greedy.sleep(Duration::from_secs(1)).await;
        assert_eq!(server.admission().open, 2);
        let again = connect(&greedy, &server).await;
        assert!(is_in(&again).await && is_in(&two).await && is_in(&theirs).await);
        drop((two, again, theirs));
        greedy.sleep(Duration::from_secs(1)).await;
        let stats = server.admission();
        assert_eq!((stats.open, stats.admitted, stats.refused), (0, 4, 2));
    });
}

struct Quiet;

#[agent]
impl Quiet {}

/// The same for containers, channels, and streams whose peers have no address.
#[test]
fn connections_of_containers_and_channels() {
    let sim = Sim::new(1);
    let (home, guest) = (sim.host("home"), sim.host("guest"));
    sim.block_on(async {
        let mut limits = Limits::default();
        limits.max_connections_per_peer = 1;
        let container = home.container().limits(limits.clone()).bind("tcp://home:0").await.unwrap();
        let url = container.spawn(Quiet).unwrap().url().clone();
        let one = guest.container().bind("tcp://guest:0").await.unwrap();
        let two = guest.container().bind("tcp://guest:0").await.unwrap();
        let _remote = one.connect::<Proxy>(&url).await.unwrap();
        assert!(matches!(two.connect::<Proxy>(&url).await, Err(Error::Connect(_))));
        let stats = container.admission();
        assert_eq!((stats.open, stats.refused), (1, 1));

        limits.max_connections = 2;
        let mut listener = home.channel().limits(limits).listen("local://home").await.unwrap();
        let mut ends = Vec::new();
        for _ in 0..2 {
            ends.push(home.channel().connect("local://home").await.unwrap());
            ends.push(listener.accept().await.unwrap());
        }
        // The third of them is never accepted.
        let third = home.channel().connect("local://home").await.unwrap();
        home.spawn(async move {
            let fourth = listener.accept().await.unwrap();
            let request = fourth.recv().await.expect("a request");
            request.reply("ohai").expect("open");
            assert_eq!(listener.admission().refused, 1);
            fourth.closed().await;
        });
        third.closed().await;
        ends.clear();
        home.sleep(Duration::from_secs(20)).await;
        let fourth = home.channel().connect("local://home").await.unwrap();
        assert_eq!(fourth.send::<String>("who?").await.unwrap(), "ohai");
    });
}

/// No accept error ends a listener or makes it spin.
#[test]
fn errors_of_accepting() {
    let runtime = ScriptedRuntime::default();
    let gone = |count| (0..count).map(|_| ErrorKind::ConnectionAborted.into());
    // EMFILE and ENFILE, on Linux.
    let full = |count| (0..count).map(|i| io::Error::from_raw_os_error(23 + i % 2));
    runtime.block_on(async {
        let server = aiomas::rpc::builder(runtime.clone()).service(Keeper::default());
        let server = server.listen("tcp://here:0").await.expect("a free port");
        runtime.fail_accepts(gone(100).chain(full(50)));
        let start = (runtime.now(), runtime.polls());
        let client = aiomas::rpc::builder(runtime.clone());
        let client = client.connect(server.address()).await.expect("a listener");
        assert_eq!(client.remote().call("forget").send::<()>().await, Ok(()));
        assert_eq!(server.admission().failed, 150);
        // Aborted connections cost no time; after each other error the listener waits.
        assert_eq!(runtime.now() - start.0, Duration::from_secs(5));
        assert!(runtime.polls() - start.1 < 200);
        // Endless aborted connections do not block other tasks.
        runtime.fail_accepts(gone(100_000));
        let again = aiomas::rpc::builder(runtime.clone());
        let again = again.connect(server.address()).await.expect("a listener");
        assert_eq!(again.remote().call("forget").send::<()>().await, Ok(()));
        assert_eq!(runtime.now() - start.0, Duration::from_secs(15));
    });
    assert!(runtime.spins() <= 2);
}

/// The same for a program with its own accept loop.
#[test]
fn errors_of_accepting_channels() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let builder = || aiomas::channel::builder(runtime.clone());
        let mut listener = builder().listen("tcp://here:0").await.expect("a free port");
        let kinds = [ErrorKind::ConnectionAborted, ErrorKind::Other, ErrorKind::PermissionDenied];
        runtime.fail_accepts(kinds.map(io::Error::from));
        let channel = builder().connect(listener.address().clone()).await.expect("a listener");
        let call = channel.send::<u8>(&1);
        let accepted = listener.accept().await.expect("no error");
        accepted.recv().await.expect("a request").reply(&2).expect("open");
        assert_eq!(call.await, Ok(2));
        assert_eq!(listener.admission().failed, 3);
    });
}

async fn dial(host: &Host, to: &Address) -> Raw<Host> {
    Raw::dial(host, to).await.expect("a listener")
}

/// An exposed server disconnects clients that are silent, too slow, or stop.
#[test]
fn silence_and_drops() {
    let sim = Sim::new(1);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async {
        let reasons = std::sync::Arc::<Mutex<Vec<CloseReason>>>::default();
        let server = server.rpc().service(Keeper::default()).limits(Limits::exposed());
        let server = server.on_disconnect({
            let reasons = reasons.clone();
            move |_, reason| reasons.lock().unwrap().push(reason.clone())
        });
        let server = server.listen("tcp://server:0").await.expect("a free port");
        let silent = dial(&client, server.address()).await;
        let mut dripping = dial(&client, server.address()).await;
        let idle = connect(&client, &server).await;
        assert!(is_in(&idle).await);
        let start = client.now();
        // The first frame is complete; the next one never will be.
        dripping.write(&message::frame(b"[0, 0, [\"forget\", [], {}]]")).await.unwrap();
        dripping.write(b"\0\0\0\x80").await.unwrap();
        while dripping.write(b" ").await.is_ok() {
            client.sleep(Duration::from_secs(1)).await;
            assert!(client.now() - start < Duration::from_secs(20), "the victim never closes");
        }
        idle.closed().await;
        assert_eq!((client.now() - start).as_secs(), 300);
        let reasons = std::mem::take(&mut *reasons.lock().unwrap());
        let [
            CloseReason::TimedOut(first),
            CloseReason::TimedOut(TimeoutReason::Frame { received: 11..=15, .. }),
            CloseReason::TimedOut(last),
        ] = reasons[..]
        else {
            panic!("{reasons:?}");
        };
        assert_eq!(first, TimeoutReason::FirstFrame { after: Duration::from_secs(10) });
        assert_eq!(last, TimeoutReason::Idle { after: Duration::from_secs(300) });
        assert_eq!(server.admission().open, 0);
        drop((silent, dripping));
    });
}

/// A running method and its waiting peer are not idle. The idle time restarts with the answer.
#[test]
fn a_waiting_peer_is_not_idle() {
    struct Slow(Host);

    #[service]
    impl Slow {
        #[expose]
        async fn work(&self, seconds: u64) -> u64 {
            self.0.sleep(Duration::from_secs(seconds)).await;
            seconds
        }
    }

    let sim = Sim::new(1);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async {
        let slow = Slow(server.clone());
        let builder = server.rpc().service(slow).limits(Limits::exposed());
        let server = builder.listen("tcp://server:0").await.expect("a free port");
        let client_handle = connect(&client, &server).await;
        let remote = client_handle.remote();
        assert_eq!(remote.call("work").arg(5000).send::<u64>().await, Ok(5000));
        client.sleep(Duration::from_secs(299)).await;
        assert_eq!(remote.call("work").arg(0).send::<u64>().await, Ok(0));
        let start = client.now();
        client_handle.closed().await;
        assert_eq!((client.now() - start).as_secs(), 300);
    });
}

/// Methods continue after their caller has disconnected. Until they end, they keep their slot;
/// otherwise a peer could run any number of them by reconnecting.
#[test]
fn methods_of_callers_that_are_gone_count() {
    struct Slow(Host);

    #[service]
    impl Slow {
        #[expose]
        async fn work(&self) {
            self.0.sleep(Duration::from_secs(100)).await;
        }
    }

    let sim = Sim::new(1);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async {
        let builder = server.rpc().service(Slow(server.clone()));
        let builder = builder.config(|config| config.limits.max_connections_per_peer = 2);
        let server = builder.listen("tcp://server:0").await.expect("a free port");
        let start = client.now();
        for _ in 0..10 {
            let mut raw = dial(&client, server.address()).await;
            // A refused connection may be closed before this is written.
            let _written = raw.write(&message::frame(b"[0, 0, [\"work\", [], {}]]")).await;
            client.sleep(Duration::from_secs(1)).await;
        }
        // A peer that has ended its side may still read, but not forever.
        client.sleep(Duration::from_secs(20)).await;
        assert!(server.clients().is_empty());
        let stats = server.admission();
        assert_eq!((stats.open, stats.admitted, stats.refused), (2, 2, 8));
        while server.admission().open > 0 {
            client.sleep(Duration::from_secs(1)).await;
        }
        // The second one arrived after one second, and the check runs once per second.
        assert!((101..=102).contains(&(client.now() - start).as_secs()));
    });
}

/// Remote peers receive neither tracebacks nor panic messages; their texts become one safe line.
#[test]
fn failures_under_each_profile() {
    let sim = Sim::builder(1).allow_panics("the password is 1234").build();
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async {
        for (limits, panic, traceback) in [
            (Limits::default(), "the password is 1234", true),
            (Limits::exposed(), "the method panicked", false),
        ] {
            let server = serve(&server, |config| config.limits = limits).await;
            let client = connect(&client, &server).await;
            let failure = |method: &'static str| {
                let call = client.remote().call(method).send::<()>();
                async move {
                    let error = call.await.expect_err("a failure");
                    (error.to_string(), error.remote().expect("the peer's").text().to_owned())
                }
            };
            let (shown, text) = failure("panic").await;
            assert_eq!(shown, format!("Panic: {panic}"));
            assert_eq!(text, format!("Panic: {panic}\n"));
            let (shown, text) = failure("fail").await;
            let more = if traceback { r"\r\nmore" } else { "" };
            assert_eq!(shown, format!(r"E: \u{{1b}}[2Jno{more}"));
            assert_eq!((text.contains("/home/me"), text.contains("more")), (traceback, traceback));
            let (shown, _) = failure("a\x1b[31m\r\nb").await;
            let more = if traceback { r#"\r\nb" not found in """# } else { "" };
            assert_eq!(shown, format!(r#"LookupError: Name "a\u{{1b}}[31m{more}"#));
        }
    });
}

/// Received references are kept up to a limit per sender.
#[test]
fn references_that_are_kept() {
    let sim = Sim::new(1);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async {
        let server = serve(&server, |config| config.limits.max_proxies = 10).await;
        let (one, other) = (connect(&client, &server).await, connect(&client, &server).await);
        let keep = |client: &RpcClient, count: usize| {
            let services = vec![ServiceRef::new("mine"); count];
            client.remote().call("keep").arg(services).send::<usize>()
        };
        assert_eq!(keep(&one, 6).await, Ok(6));
        let error = keep(&one, 5).await.expect_err("too many");
        assert_eq!(
            error.to_string(),
            "TypeError: keep(): argument 'services': 10 references to services of the peer are \
             kept already (`Limits::max_proxies`)"
        );
        // References in failed calls are not kept.
        assert_eq!(keep(&one, 4).await, Ok(10));
        assert_eq!(keep(&other, 10).await, Ok(20));
        assert!(is_in(&one).await, "all are forgotten");
        assert_eq!(keep(&one, 10).await, Ok(10));
    });
}

/// A path beyond the limit is not found.
#[test]
fn paths_are_bounded() {
    let sim = Sim::new(1);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async {
        let server = serve(&server, |config| config.limits.budget.path = 100).await;
        let client = connect(&client, &server).await;
        let call = |length: usize| {
            let call = client.remote().call(&"x".repeat(length)).send::<()>();
            async move { call.await.expect_err("no such method").to_string() }
        };
        for length in [30, 100] {
            let name = "x".repeat(length);
            let text = format!("LookupError: Name \"{name}\" not found in \"\"");
            assert_eq!(call(length).await, text);
        }
        let text = "LookupError: the path has 101 bytes; it may have 100 (`Budget::path`)";
        assert_eq!(call(101).await, text);
        let own = vec![ServiceRef::new("x".repeat(101))];
        let error = client.remote().call("keep").arg(own).send::<usize>().await.unwrap_err();
        assert!(
            error.to_string().ends_with("101 bytes; it may have 100 (`Budget::path`)"),
            "{error}"
        );
    });
}

/// A service has the same limit of waiting calls as an agent. Its server sets the limit.
#[test]
fn services_have_mailboxes_of_that_size() {
    struct Busy(Host, u32);

    #[service]
    impl Busy {
        #[expose]
        async fn work(&mut self) {
            self.1 += 1;
            self.0.sleep(Duration::from_secs(1)).await;
        }
    }

    let sim = Sim::new(1);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async {
        for most in [0, 2, 2000] {
            let builder = server.rpc().service(Busy(server.clone(), 0));
            let builder = builder.config(|config| config.limits.max_mailbox = most);
            let server = builder.listen("tcp://server:0").await.expect("a free port");
            let client = connect(&client, &server).await;
            // One call runs, the limit waits, and one more is refused.
            let calls: Vec<_> =
                (0..most + 2).map(|_| client.remote().call("work").send::<()>()).collect();
            let mut refused = Vec::new();
            for call in calls {
                refused.extend(call.await.err());
            }
            let texts: Vec<_> = refused.iter().map(ToString::to_string).collect();
            let setting = "already (`Limits::max_mailbox` there)";
            let text = format!("OverloadedError: {most} calls wait for their turn {setting}");
            assert_eq!(texts, [text]);
        }
    });
}

/// Requests of one read count one after the other: those answered at once never exceed the limit.
#[test]
fn requests_that_are_read_together() {
    struct Slow(Host);

    #[service]
    impl Slow {
        #[expose]
        fn at_once(&self, number: usize) -> usize {
            number
        }

        #[expose]
        async fn later(&self, number: usize) -> usize {
            self.0.sleep(Duration::from_secs(1)).await;
            number
        }
    }

    const MOST: usize = 4;
    let sim = Sim::new(1);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async {
        let builder = server.rpc().service(Slow(server.clone()));
        let builder = builder.config(|config| config.limits.max_calls_in = MOST);
        let server = builder.listen("tcp://server:0").await.expect("a free port");
        let request = |id: usize, method: &str| {
            message::frame(format!("[0, {id}, [\"{method}\", [{id}], {{}}]]").as_bytes())
        };
        // The number of answers, for all requests of one kind, and for alternating ones.
        for (methods, expected) in [
            (["at_once", "at_once"], 100),
            (["later", "later"], MOST),
            (["later", "at_once"], MOST + 3),
        ] {
            let mut raw = dial(&client, server.address()).await;
            let requests: Vec<u8> = (0..100).flat_map(|id| request(id, methods[id % 2])).collect();
            raw.write(&requests).await.expect("a successful write");
            let mut results = 0;
            for _ in 0..100 {
                let answer = raw.read().await.expect("an answer");
                let (kind, id, content): (u64, usize, serde_json::Value) =
                    serde_json::from_slice(&answer).expect("an answer");
                if kind == 1 {
                    assert_eq!(content, id);
                    results += 1;
                } else {
                    assert!(content.to_string().contains("Limits::max_calls_in"), "{content}");
                }
            }
            assert_eq!(results, expected, "{methods:?}");
        }
    });
}
