//! Names that have several addresses.

use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use aiomas::Runtime;
use aiomas::sockets::{self, Sockets};
use aiomas_core::agent::Address;
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketType, bind, connect, listen, socket};

use super::{Root, RootProxy, soon};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A runtime that resolves `several` to both addresses.
#[derive(Clone)]
struct Named<R>(R);

impl<R: Sockets> Runtime for Named<R> {
    type Stream = sockets::Stream<Self>;
    type Listener = sockets::Acceptor<Self>;
    type Timer = R::Timer;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> R::Timer {
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

impl<R: Sockets> Sockets for Named<R> {
    type Tcp = R::Tcp;
    type TcpListener = R::TcpListener;
    type Unix = R::Unix;
    type UnixListener = R::UnixListener;

    fn resolve(
        &self,
        host: Arc<str>,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        assert_eq!(&*host, "several");
        // Systems may return an address twice.
        let found = [ONE, OTHER, ONE].map(|ip| SocketAddr::new(IpAddr::V4(ip), port)).to_vec();
        async { Ok(found) }
    }

    fn connect(
        &self,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static {
        self.0.connect(to)
    }

    fn ends(stream: &Self::Tcp) -> io::Result<[SocketAddr; 2]> {
        R::ends(stream)
    }

    fn reset(stream: &Self::Tcp) -> io::Result<()> {
        R::reset(stream)
    }

    fn tcp_listener(&self, listener: TcpListener) -> io::Result<Self::TcpListener> {
        self.0.tcp_listener(listener)
    }

    fn poll_accept(
        listener: &mut Self::TcpListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Tcp>> {
        R::poll_accept(listener, cx)
    }

    fn unix(&self, stream: UnixStream) -> io::Result<Self::Unix> {
        self.0.unix(stream)
    }

    fn unix_listener(&self, listener: UnixListener) -> io::Result<Self::UnixListener> {
        self.0.unix_listener(listener)
    }

    fn poll_accept_unix(
        listener: &mut Self::UnixListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Unix>> {
        R::poll_accept_unix(listener, cx)
    }
}

/// Returns a listener at `address` with a full queue, which swallows packets.
fn black_hole(address: SocketAddrV4) -> Option<Vec<OwnedFd>> {
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    match bind(&listener, &address) {
        Err(Errno::ADDRINUSE) => return None,
        bound => bound.expect("an address of this machine"),
    }
    listen(&listener, 0).expect("a bound socket");
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let client = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        ioctl_fionbio(&client, true).expect("an option");
        let _under_way = connect(&client, &address);
        sockets.push(client);
    }
    Some(sockets)
}

/// One of the addresses swallows packets or refuses; the other one is reached.
pub async fn all_addresses_of_a_name_are_dialled<R: Sockets>(runtime: R) {
    for is_silent in [true, false] {
        let (server, port, _hole) = loop {
            let server = aiomas::rpc::builder(runtime.clone()).service(Root);
            let server = server.listen(format!("tcp://{OTHER}:0")).await.expect("a listener");
            let Address::Tcp { port, .. } = *server.address() else { unreachable!("it is TCP") };
            if !is_silent {
                break (server, port, Vec::new());
            }
            if let Some(hole) = black_hole(SocketAddrV4::new(ONE, port)) {
                break (server, port, hole);
            }
        };
        let client = aiomas::rpc::builder(Named(runtime.clone()));
        let client = soon(&runtime, client.connect(format!("tcp://several:{port}"))).await;
        let root: RootProxy = client.expect("one valid address").remote_as();
        assert_eq!(soon(&runtime, root.add(1, 2)).await, Ok(3));
        soon(&runtime, server.shutdown()).await;
    }
}

/// Both addresses have the same port, which is free again afterwards.
pub async fn all_addresses_of_a_name_are_listened_at<R: Sockets>(runtime: R) {
    let server = aiomas::rpc::builder(Named(runtime.clone())).service(Root);
    let server = server.listen("tcp://several:0").await.expect("a listener");
    let address = server.address().clone();
    let Address::Tcp { ref host, port } = address else { unreachable!("it is TCP") };
    assert!(&**host == "several" && port != 0, "{address}");
    for ip in [ONE, OTHER] {
        let client = aiomas::rpc::builder(runtime.clone()).connect(format!("tcp://{ip}:{port}"));
        let client = soon(&runtime, client).await.expect("a listener");
        assert_eq!(soon(&runtime, client.remote_as::<RootProxy>().add(1, 2)).await, Ok(3));
    }
    let taken = aiomas::rpc::builder(Named(runtime.clone())).service(Root).listen(&address).await;
    let error = taken.map(drop).expect_err("taken addresses");
    assert!(error.to_string().contains(&format!("{ONE}:{port}")), "{error}");
    soon(&runtime, server.shutdown()).await;
    let again = aiomas::rpc::builder(Named(runtime.clone())).service(Root).listen(&address).await;
    soon(&runtime, again.expect("free addresses").shutdown()).await;
}

/// An adapter knows the addresses of both ends, and can reset a connection.
pub async fn sockets_know_their_ends<R: Sockets>(runtime: R) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let stream = soon(&runtime, runtime.connect(address)).await.expect("a listener");
    let (mut peer, from) = listener.accept().expect("a client");
    assert_eq!(R::ends(&stream).expect("open"), [from, address]);
    R::reset(&stream).expect("an option");
    drop(stream);
    let read = peer.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(read, Err(ErrorKind::ConnectionReset));
}
