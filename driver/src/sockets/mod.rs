//! Names, addresses and files of sockets: what runtimes share whose sockets are those of the system.
//!
//! An adapter implements [`Sockets`], which knows one address at a time, and has [`dial`] and [`listen`] for its
//! [`Runtime`]:
//!
//! - A name is looked up in a detached thread, so that a lookup which hangs keeps no runtime from ending.
//! - All addresses of a name are dialled, side by side and in the rhythm of RFC 8305: one that swallows packets costs a
//!   quarter of a second.
//! - All addresses of a name are listened at, with one port. A warning tells of a name that leads to this machine alone.
//! - A port that has connected to itself, as TCP allows, is refused: no listener is there.
//! - Of several programs that start at the path of a Unix socket, one listens; it removes its own file and no other.

mod bind;
mod keep_alive;
mod listener;
mod names;
mod race;
#[cfg(unix)]
mod unix;

use std::any::Any;
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener as StdTcpListener};
#[cfg(unix)]
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::panics;
use super::runtime::Runtime;
use super::socket::Socket;
use super::trace;
use super::transport::Transport;
use aiomas_core::agent::Address;

pub use keep_alive::keep_alive;
pub use listener::TcpAcceptor;
#[cfg(unix)]
pub use listener::UnixAcceptor;

/// What to do about a listener at a name that leads to the loopback device.
const LOOPBACK_CURE: &str =
    "listen at 0.0.0.0 and advertise the name, or change its address in /etc/hosts";

/// The sockets of the system, as an async runtime has them.
///
/// It knows neither names nor files: [`dial`] and [`listen`] see to these for all runtimes alike. Sockets of `std` that it
/// gets are in nonblocking mode.
pub trait Sockets: Runtime {
    /// An open TCP socket, without delays for small writes (`TCP_NODELAY`).
    type Tcp: Transport;
    /// A TCP socket that listens.
    type TcpListener: Send + 'static;
    /// An open Unix socket.
    #[cfg(unix)]
    type Unix: Transport;
    /// A Unix socket that listens.
    #[cfg(unix)]
    type UnixListener: Send + 'static;

    /// Looks up the addresses of a host, the preferred one first. The default asks the system (`getaddrinfo`) in a
    /// detached thread; at most 16 of these run at a time.
    ///
    /// # Errors
    /// The name is unknown, or has no address.
    fn resolve(
        &self,
        host: Arc<str>,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        names::resolve(host, port)
    }

    /// Connects to one address. Dropping the future ends the attempt.
    ///
    /// # Errors
    /// As the system says.
    fn connect(
        &self,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static;

    /// The addresses of both ends of a stream, ours first.
    ///
    /// # Errors
    /// The stream is broken.
    fn ends(stream: &Self::Tcp) -> io::Result<[SocketAddr; 2]>;

    /// Makes the system forget the connection at once when the stream is dropped (`SO_LINGER` of zero seconds).
    ///
    /// # Errors
    /// As the system says.
    fn reset(stream: &Self::Tcp) -> io::Result<()>;

    /// Takes over a socket that listens.
    ///
    /// # Errors
    /// As the system says.
    fn tcp_listener(&self, listener: StdTcpListener) -> io::Result<Self::TcpListener>;

    /// The next stream. See [`Listener::poll_accept`](super::Listener::poll_accept).
    ///
    /// # Errors
    /// As the system says.
    fn poll_accept(
        listener: &mut Self::TcpListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Tcp>>;

    /// Takes over an open socket.
    ///
    /// # Errors
    /// As the system says.
    #[cfg(unix)]
    fn unix(&self, stream: StdUnixStream) -> io::Result<Self::Unix>;

    /// Takes over a socket that listens.
    ///
    /// # Errors
    /// As the system says.
    #[cfg(unix)]
    fn unix_listener(&self, listener: StdUnixListener) -> io::Result<Self::UnixListener>;

    /// The next stream. See [`Listener::poll_accept`](super::Listener::poll_accept).
    ///
    /// # Errors
    /// As the system says.
    #[cfg(unix)]
    fn poll_accept_unix(
        listener: &mut Self::UnixListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Unix>>;
}

/// An open TCP or Unix socket of a runtime.
#[cfg(unix)]
pub type Stream<S> = Socket<<S as Sockets>::Tcp, <S as Sockets>::Unix>;
/// An open TCP socket of a runtime.
#[cfg(not(unix))]
pub type Stream<S> = Socket<<S as Sockets>::Tcp, <S as Sockets>::Tcp>;

/// A listening TCP or Unix socket of a runtime.
#[cfg(unix)]
pub type Acceptor<S> = Socket<TcpAcceptor<S>, UnixAcceptor<S>>;
/// A listening TCP socket of a runtime.
#[cfg(not(unix))]
pub type Acceptor<S> = Socket<TcpAcceptor<S>, TcpAcceptor<S>>;

/// Opens a stream: [`Runtime::dial`] for an adapter.
///
/// # Errors
/// None of the addresses can be reached; the text has each of them.
pub fn dial<S: Sockets>(
    sockets: &S,
    to: Address,
) -> impl Future<Output = io::Result<Stream<S>>> + Send + 'static + use<S> {
    let sockets = sockets.clone();
    async move {
        match to {
            Address::Tcp { host, port } => {
                let found = resolve(&sockets, host, port).await?;
                let now = || sockets.now();
                let stream = race::race(now, sockets.timer(), found, |to| connect(&sockets, to));
                Ok(Socket::Tcp(stream.await?))
            }
            #[cfg(unix)]
            Address::Ipc(path) => {
                Ok(Socket::Unix(sockets.unix(unix::dial(&sockets, &path).await?)?))
            }
            other => Err(unsupported(&other)),
        }
    }
}

/// Listens: [`Runtime::listen`] for an adapter.
///
/// # Errors
/// An address is taken, none is one of this machine, or what else the system says.
pub fn listen<S: Sockets>(
    sockets: &S,
    on: Address,
) -> impl Future<Output = io::Result<Acceptor<S>>> + Send + 'static + use<S> {
    let sockets = sockets.clone();
    async move {
        match on {
            Address::Tcp { host, port } => {
                let found = resolve(&sockets, host.clone(), port).await?;
                let (listeners, port) = bind::bind_all(&found)?;
                let loopback = names::is_loopback_in_disguise(&host, &found);
                let address = Address::Tcp { host, port };
                if let Some(ip) = loopback {
                    trace::loopback_only(&address, ip, LOOPBACK_CURE);
                }
                Ok(Socket::Tcp(TcpAcceptor::new(&sockets, listeners, address)?))
            }
            #[cfg(unix)]
            Address::Ipc(path) => Ok(Socket::Unix(UnixAcceptor::bind(&sockets, path).await?)),
            other => Err(unsupported(&other)),
        }
    }
}

/// Waits for a socket that the runtime makes. A panic is an error: some runtimes panic where they lack what sockets need.
///
/// # Errors
/// The future's own, or the text of its panic.
pub async fn without_panic<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(of_panic(&*panic))))
    })
    .await
}

/// The error for a panic of a runtime, whose text says what is missing there.
#[cold]
pub fn of_panic(panic: &(dyn Any + Send)) -> io::Error {
    io::Error::other(panics::text(panic).unwrap_or("the runtime cannot be used").to_owned())
}

/// The addresses of a host, each of them once.
async fn resolve<S: Sockets>(
    sockets: &S,
    host: Arc<str>,
    port: u16,
) -> io::Result<Vec<SocketAddr>> {
    let mut found = sockets.resolve(host, port).await?;
    let mut seen = BTreeSet::new();
    found.retain(|address| seen.insert(*address));
    if found.is_empty() { Err(names::no_address()) } else { Ok(found) }
}

async fn connect<S: Sockets>(sockets: &S, to: SocketAddr) -> io::Result<S::Tcp> {
    let stream = sockets.connect(to).await?;
    // The system gives a socket any port that no listener has, the one that it dials included; TCP then connects the
    // socket to itself (RFC 9293, 3.5).
    if S::ends(&stream).is_ok_and(|[ours, theirs]| ours == theirs) {
        // Otherwise the port would be taken for a minute, and the listener that is waited for could not have it.
        let _reset = S::reset(&stream);
        return Err(io::Error::new(
            ErrorKind::ConnectionRefused,
            "connection refused: the port was connected to itself",
        ));
    }
    Ok(stream)
}

fn unsupported(address: &Address) -> io::Error {
    let message = format!("{address} is no address of a socket on this system");
    io::Error::new(ErrorKind::Unsupported, message)
}
