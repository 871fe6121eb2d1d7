//! Slow handshakes, in virtual time.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas::Error;
use aiomas::tls::TlsConfig;
use aiomas::tls::rustls::ClientConnection;
use aiomas::tls::rustls::version::TLS13;
use aiomas::{Listener, Proxy, Runtime, Transport};
use aiomas_core::connection::{Limits, NotAdmitted, TlsError};
use aiomas_sim::{Delay, Link, Sim, agent};
use aiomas_tests::certificates::{Authority, KeyKind, VALID};

const ADDRESS: &str = "tcp://server:1";
const SECOND: Duration = Duration::from_secs(1);

fn config(authority: &Authority) -> TlsConfig {
    authority.sign_for("peer", &["server"], VALID).config()
}

/// Returns limits with this time for a handshake.
fn within(time: Duration) -> Limits {
    let mut limits = Limits::default();
    limits.handshake = time;
    limits
}

/// Runs a future in a task, and returns a waiter for its output.
fn start<T: Send + 'static>(
    host: &aiomas_sim::Host,
    future: impl Future<Output = T> + Send + 'static,
) -> Arc<Mutex<Option<T>>> {
    let place = Arc::new(Mutex::new(None));
    let output = place.clone();
    host.spawn(async move {
        let value = future.await;
        *output.lock().unwrap() = Some(value);
    });
    place
}

#[test]
fn a_server_disconnects_silent_clients() {
    let (sim, authority) = (Sim::new(1), Authority::new(KeyKind::Ec));
    sim.block_on(async {
        let (server, client) = (sim.host("server"), sim.host("client"));
        let listener = server.channel().tls(config(&authority)).listen(ADDRESS).await;
        let mut listener = listener.unwrap();
        let _silent = client.dial(ADDRESS.parse().unwrap()).await.unwrap();
        let error = listener.accept().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no TLS at tcp://server:1: no TLS handshake within 10s (`Limits::handshake`)",
        );
        assert_eq!(sim.elapsed(), 10 * SECOND);
    });
}

/// An occasional byte does not extend the time limit.
#[test]
fn a_server_gives_slow_clients_up() {
    let (sim, authority) = (Sim::new(1), Authority::new(KeyKind::Ec));
    sim.block_on(async {
        let (server, client) = (sim.host("server"), sim.host("client"));
        let listener = server.channel().tls(config(&authority)).listen(ADDRESS).await;
        let mut listener = listener.unwrap();
        let mut hello = Vec::new();
        let name = "server".try_into().unwrap();
        let session = ClientConnection::new(config(&authority).client().clone(), name);
        session.unwrap().write_tls(&mut hello).unwrap();
        let slow = client.clone();
        client.spawn(async move {
            let mut stream = slow.dial(ADDRESS.parse().unwrap()).await.unwrap();
            for byte in hello {
                let byte = [byte];
                if poll_fn(|cx| stream.poll_send(cx, &[IoSlice::new(&byte)])).await.is_err() {
                    return;
                }
                slow.sleep(SECOND).await;
            }
            panic!("the victim never closes");
        });
        let error = listener.accept().await.unwrap_err();
        assert!(error.to_string().contains("no TLS handshake within 10s"), "{error}");
        assert_eq!(sim.elapsed(), 10 * SECOND);
    });
}

#[test]
fn a_client_disconnects_from_silent_servers() {
    let (sim, authority) = (Sim::new(1), Authority::new(KeyKind::Ec));
    sim.block_on(async {
        let (server, client) = (sim.host("server"), sim.host("client"));
        let mut listener = server.listen(ADDRESS.parse().unwrap()).await.unwrap();
        let silent = start(&server, async move {
            let stream = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            (listener, stream)
        });
        let channel = client.channel().tls(config(&authority)).limits(within(3 * SECOND));
        let error = channel.connect(ADDRESS).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no TLS at tcp://server:1: no TLS handshake within 3s (`Limits::handshake`)",
        );
        assert_eq!(sim.elapsed(), 3 * SECOND);
        // A container has a limit of its own.
        let container = client.container().tls(config(&authority)).limits(within(60 * SECOND));
        let container = container.bind("tcp://client:1").await.unwrap();
        let error = container.connect::<Proxy>("tcp://server:1/0").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot reach tcp://server:1 (no connection within 10s, `ContainerConfig::dial_timeout`, 1 attempt)",
        );
        assert_eq!(sim.elapsed(), 13 * SECOND);
        container.shutdown().await.unwrap();
        drop(silent);
    });
}

/// A client that stalls in its handshake takes only slots of its own address. So does one that
/// drips. The time limit frees the slots. Refusals are reported.
#[test]
fn handshakes_that_do_not_end_take_places() {
    let (sim, authority) = (Sim::new(1), Authority::new(KeyKind::Ec));
    sim.block_on(async {
        let (server, attacker) = (sim.host("server"), sim.host("attacker"));
        let refused = Arc::<Mutex<Vec<_>>>::default();
        let tls = config(&authority).on_refused({
            let refused = refused.clone();
            move |peer, error| {
                refused.lock().unwrap().push((peer.map(str::to_owned), error.clone()));
            }
        });
        let mut limits = within(5 * SECOND);
        limits.max_connections_per_peer = 3;
        let rpc = server.rpc().tls(tls).limits(limits).listen(ADDRESS).await.unwrap();
        let dial = || attacker.dial(ADDRESS.parse().unwrap());
        let silent = [dial().await.unwrap(), dial().await.unwrap()];
        let mut dripping = dial().await.unwrap();
        // The header of a record, whose content never arrives.
        poll_fn(|cx| dripping.poll_send(cx, &[IoSlice::new(b"\x16\x03\x01\x02")])).await.unwrap();
        let connect = |host: &aiomas_sim::Host| {
            host.rpc().tls(config(&authority)).limits(within(60 * SECOND)).connect(ADDRESS)
        };
        let error = connect(&attacker).await.unwrap_err();
        assert!(matches!(error, Error::Tls { error: TlsError::Closed, .. }), "{error}");
        let stats = rpc.admission();
        assert_eq!((stats.open, stats.refused), (3, 1));
        assert_eq!(stats.last_refusal, Some(NotAdmitted::TooManyFromPeer { limit: 3 }));
        let other = connect(&sim.host("other")).await.unwrap();
        assert_eq!(sim.elapsed(), Duration::ZERO);
        assert_eq!(rpc.admission().open, 4);
        attacker.sleep(5 * SECOND).await;
        // Its slots are free; the other client's is still taken.
        attacker.sleep(SECOND).await;
        assert_eq!(rpc.admission().open, 1);
        let again = connect(&attacker).await.unwrap();
        let refused = refused.lock().unwrap().clone();
        let timed_out = TlsError::TimedOut { after: 5 * SECOND };
        assert_eq!(refused.len(), 3);
        assert!(refused.iter().all(|(peer, error)| peer.is_some() && *error == timed_out));
        let stats = rpc.admission();
        assert_eq!((stats.open, stats.admitted, stats.failed), (2, 5, 3));
        drop((silent, dripping, other, again));
        attacker.sleep(20 * SECOND).await;
        assert_eq!(rpc.admission().open, 0);
        rpc.shutdown().await;
    });
}

/// Concurrent handshakes have a limit over all addresses.
#[test]
fn so_many_handshakes_are_under_way() {
    let (sim, authority) = (Sim::new(1), Authority::new(KeyKind::Ec));
    sim.block_on(async {
        let server = sim.host("server");
        let mut limits = within(5 * SECOND);
        limits.max_connections = 2;
        let channel = server.channel().tls(config(&authority)).limits(limits);
        let mut listener = channel.listen(ADDRESS).await.unwrap();
        let mut silent = Vec::new();
        for name in ["a", "b", "c"] {
            silent.push(sim.host(name).dial(ADDRESS.parse().unwrap()).await.unwrap());
        }
        for _ in 0..2 {
            let error = listener.accept().await.unwrap_err();
            assert!(error.to_string().contains("no TLS handshake within 5s"), "{error}");
        }
        assert_eq!(sim.elapsed(), 5 * SECOND);
        let stats = listener.admission();
        assert_eq!((stats.admitted, stats.refused, stats.failed), (2, 1, 2));
        assert_eq!(stats.last_refusal, Some(NotAdmitted::TooMany { limit: 2 }));
    });
}

#[test]
fn nothing_is_left_of_a_listener() {
    let (sim, authority) = (Sim::new(1), Authority::new(KeyKind::Ec));
    sim.block_on(async {
        let (server, client) = (sim.host("server"), sim.host("client"));
        let rpc = server.rpc().tls(config(&authority)).listen(ADDRESS).await.unwrap();
        let silent = client.dial(ADDRESS.parse().unwrap()).await.unwrap();
        client.sleep(SECOND).await;
        rpc.shutdown().await;
        client.sleep(SECOND).await;
        assert_eq!(sim.tasks(), 0);
        drop(silent);
        assert_eq!(sim.streams(), 0);
    });
}

/// A TLS 1.3 client is connected before it is verified. It may have sent much data by then.
#[test]
fn a_refused_client_gets_the_reason() {
    let (sim, authority) = (Sim::new(1), Authority::new(KeyKind::Ec));
    let stranger = authority.sign_for("stranger", &["server"], VALID).anonymous(&TLS13);
    let latency = Duration::from_millis(20);
    sim.block_on(async {
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.set_link("server", "client", Link::new().latency(latency)).unwrap();
        let _rpc = server.rpc().tls(config(&authority)).listen(ADDRESS).await.unwrap();
        let channel = client.channel().tls(stranger).connect(ADDRESS).await.unwrap();
        let error = channel.send::<()>(&"x".repeat(100_000)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the connection was lost before the answer came: \
             the peer wants a certificate of us: certificate required (alert 116); give us one (`TlsConfig::from_pem_files`)",
        );
    });
}

struct Meter;

#[agent]
impl Meter {
    #[expose]
    fn read(&self, of: String) -> String {
        of
    }
}

/// Keys and random numbers differ between runs. With Ed25519 all lengths are equal, and so are the
/// events.
#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let latency = Delay::exponential(Duration::from_millis(20));
        let link = Link::new().latency(latency).split(0.5);
        let sim = Sim::builder(seed).link(link).build();
        let authority = Authority::new(KeyKind::Ed25519);
        sim.block_on(async {
            let (server, client) = (sim.host("server"), sim.host("client"));
            let house = server.container().tls(config(&authority)).bind(ADDRESS).await.unwrap();
            let meter = house.spawn(Meter).unwrap();
            let grid = client.container().tls(config(&authority)).bind("tcp://client:1").await;
            let grid = grid.unwrap();
            let remote: MeterProxy = grid.connect(meter.url()).await.unwrap();
            let text = "x".repeat(50_000);
            assert_eq!(remote.read(text.clone()).await, Ok(text));
            grid.shutdown().await.unwrap();
            house.shutdown().await.unwrap();
        });
        (sim.elapsed(), sim.faults())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
