//! Names with several addresses, and the time limit of an attempt, in virtual time.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aiomas::Transport;
use aiomas::sockets::{self, Sockets};
use aiomas_core::agent::{Address, ConnectError};
use aiomas_sim::{Container, Error, Host, Runtime, Sim, Stream};

use super::{MS, MeterProxy, SECOND, house};

/// A host that resolves names to several addresses, each of which is a host.
#[derive(Clone)]
struct Resolver(Host);

const HOSTS: [&str; 5] = ["silent", "deaf", "house", "mirror", "closed"];

fn ip_of(host: &str) -> [u8; 4] {
    let number = HOSTS.iter().position(|name| *name == host).expect("a host");
    [10, 0, 0, number as u8]
}

thread_local! {
    static RESET: Cell<usize> = const { Cell::new(0) };
}

impl Runtime for Resolver {
    type Stream = sockets::Stream<Self>;
    type Listener = sockets::Acceptor<Self>;
    type Timer = aiomas_sim::Alarm;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Self::Timer {
        self.0.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        sockets::dial(self, to)
    }

    fn listen(
        &self,
        on: Address,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send + 'static {
        sockets::listen(self, on)
    }
}

impl Sockets for Resolver {
    type Tcp = Stream;
    type TcpListener = ();
    type Unix = Stream;
    type UnixListener = ();

    /// Resolves `silent+house` to the addresses of both.
    fn resolve(
        &self,
        host: Arc<str>,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let found = host.split('+').map(|host| SocketAddr::from((ip_of(host), port))).collect();
        async { Ok(found) }
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        let host =
            HOSTS.into_iter().find(|host| to.ip() == IpAddr::from(ip_of(host))).expect("a host");
        self.0.dial(Address::Tcp { host: host.into(), port: to.port() })
    }

    /// A dial to `mirror` connects to itself.
    fn ends(stream: &Stream) -> io::Result<[SocketAddr; 2]> {
        let is_mirror = stream.peer().is_some_and(|peer| peer.contains("mirror"));
        let [ours, theirs] = [([127, 0, 0, 1], 40_004), ([127, 0, 0, 1], 5555)];
        Ok([ours.into(), if is_mirror { ours } else { theirs }.into()])
    }

    fn reset(_: &Stream) -> io::Result<()> {
        RESET.set(RESET.get() + 1);
        Ok(())
    }

    fn tcp_listener(&self, _: TcpListener) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn poll_accept(_: &mut (), _: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        Poll::Pending
    }

    fn unix(&self, _: UnixStream) -> io::Result<Stream> {
        Err(ErrorKind::Unsupported.into())
    }

    fn unix_listener(&self, _: UnixListener) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn poll_accept_unix(_: &mut (), _: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        Poll::Pending
    }
}

/// `house` and `mirror` listen, `silent` and `deaf` drop all packets, and `closed` refuses.
fn sim() -> Sim {
    let sim = Sim::new(1);
    house(&sim);
    sim.host("mirror").start(|host| async move {
        let _container = host.container().bind("tcp://mirror:5555").await?;
        std::future::pending().await
    });
    for host in HOSTS {
        sim.host(host);
    }
    for host in ["silent", "deaf"] {
        sim.partition("main", host).expect("known hosts");
    }
    // They listen before the first attempt.
    sim.run_until_idle();
    sim
}

async fn meter(sim: &Sim, name: &str) -> Result<(Container, MeterProxy), Error> {
    let builder = aiomas::container::builder(Resolver(sim.host("main")));
    let container = builder.bind(format!("local://{name}")).await?;
    let meter = container.connect(format!("tcp://{name}:5555/0")).await?;
    Ok((container, meter))
}

#[test]
fn a_silent_address_costs_a_quarter_of_a_second() {
    for (name, after) in [
        ("house", 0),
        ("silent+house", 250),
        ("silent+deaf+house", 500),
        ("closed+house", 0),
        ("closed+silent+closed+house", 250),
        ("house+silent", 0),
    ] {
        let sim = sim();
        sim.block_on(async {
            let (_container, meter) = meter(&sim, name).await.expect(name);
            assert_eq!(sim.elapsed(), after * MS, "{name}");
            assert_eq!(meter.read(1).await, Ok(1));
        });
    }
}

/// Clients without a container have the same limit per attempt, with any patience.
#[test]
fn an_attempt_has_a_time_limit() {
    let sim = sim();
    sim.block_on(async {
        let client = || aiomas::rpc::builder(sim.host("main"));
        let channel = || aiomas::channel::builder(sim.host("main"));
        let text = |result: Result<(), Error>| {
            let error = result.expect_err("silent");
            assert!(matches!(error, Error::Dial { kind: ErrorKind::TimedOut, .. }), "{error:?}");
            error.to_string()
        };
        let address = "tcp://silent:5555";
        let says = |what: &str| format!("cannot connect to {address}: no connection within {what}");
        let mut passed = Duration::ZERO;
        let mut after = |time| {
            passed += time;
            assert_eq!(sim.elapsed(), passed);
        };
        assert_eq!(text(client().connect(address).await.map(drop)), says("10s (`dial_timeout`)"));
        after(10 * SECOND);
        assert_eq!(text(channel().connect(address).await.map(drop)), says("10s (`dial_timeout`)"));
        after(10 * SECOND);
        let brief = client().dial_timeout(2 * SECOND).connect(address).await;
        assert_eq!(text(brief.map(drop)), says("2s (`dial_timeout`)"));
        after(2 * SECOND);
        let brief = channel().dial_timeout(2 * SECOND).connect(address).await;
        assert_eq!(text(brief.map(drop)), says("2s (`dial_timeout`)"));
        after(2 * SECOND);
        let within = client().within(3 * SECOND).connect(address).await;
        assert_eq!(text(within.map(drop)), says("3s (`within`)"));
        after(3 * SECOND);

        // The same for several addresses.
        let several = aiomas::rpc::builder(Resolver(sim.host("main")));
        let error = several.connect("tcp://silent+deaf:5555").await.map(drop);
        assert!(text(error).ends_with("no connection within 10s (`dial_timeout`)"));
        after(10 * SECOND);
        let error = meter(&sim, "silent+deaf").await.map(drop).expect_err("silent hosts");
        assert!(matches!(error, Error::Connect(ConnectError::Unreachable { attempts: 1, .. })));
        after(10 * SECOND);
    });
}

/// A port on which TCP connected to itself counts as closed, and is freed.
#[test]
fn a_self_connected_port_is_refused() {
    let sim = sim();
    sim.block_on(async {
        RESET.set(0);
        let error = meter(&sim, "mirror").await.map(drop).expect_err("a connection to itself");
        let text = error.to_string();
        assert!(text.starts_with("no listener at tcp://mirror:5555"), "{text}");
        assert!(text.contains("the port was connected to itself, 1 attempt"), "{text}");
        assert_eq!(RESET.get(), 1);
        // Another address of the name may have a listener.
        let (_container, meter) = meter(&sim, "mirror+house").await.expect("present");
        assert_eq!((meter.read(1).await, RESET.get()), (Ok(1), 2));
        let client = aiomas::channel::builder(Resolver(sim.host("main")));
        let error = client
            .connect("tcp://mirror:5555")
            .await
            .map(drop)
            .expect_err("a connection to itself");
        assert!(matches!(error, Error::Dial { kind: ErrorKind::ConnectionRefused, .. }));
    });
}
