//! Names, addresses and files of sockets, for runtimes that use the system's sockets.
//!
//! An adapter implements [`Sockets`], which handles one address at a time, and uses [`dial`] and [`listen`] in its
//! [`Runtime`]:
//!
//! - A name is resolved in a detached thread, so that a hanging lookup does not keep a runtime from ending.
//! - All addresses of a name are dialled concurrently, with the delays of RFC 8305: an address that swallows packets
//!   costs a quarter of a second.
//! - All addresses of a name are bound, with one port. A name that resolves to loopback addresses only causes a
//!   warning.
//! - A TCP socket that has connected to itself is refused: the address has no listener.
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

/// The remedy for a listener whose name resolves to the loopback device.
const LOOPBACK_CURE: &str =
    "listen at 0.0.0.0 and advertise the name, or change its address in /etc/hosts";

/// The system's sockets in an async runtime.
///
/// The trait knows neither names nor files: [`dial`] and [`listen`] handle them for all runtimes. Sockets of `std` that
/// it receives are in nonblocking mode.
pub trait Sockets: Runtime {
    /// An open TCP socket, with undelayed small writes (`TCP_NODELAY`).
    type Tcp: Transport;
    /// A listening TCP socket.
    type TcpListener: Send + 'static;
    /// An open Unix socket.
    #[cfg(unix)]
    type Unix: Transport;
    /// A listening Unix socket.
    #[cfg(unix)]
    type UnixListener: Send + 'static;

    /// Resolves a host, with the preferred address first. The default asks the system (`getaddrinfo`) in a detached
    /// thread; at most 16 lookups run at a time.
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

    /// Connects to one address. Dropping the future cancels the attempt.
    ///
    /// # Errors
    /// The system's error.
    fn connect(
        &self,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static;

    /// Returns the addresses of both ends of a stream, ours first.
    ///
    /// # Errors
    /// The stream is broken.
    fn ends(stream: &Self::Tcp) -> io::Result<[SocketAddr; 2]>;

    /// Makes dropping the stream discard the connection at once (`SO_LINGER` of zero seconds).
    ///
    /// # Errors
    /// The system's error.
    fn reset(stream: &Self::Tcp) -> io::Result<()>;

    /// Wraps a listening TCP socket.
    ///
    /// # Errors
    /// The system's error.
    fn tcp_listener(&self, listener: StdTcpListener) -> io::Result<Self::TcpListener>;

    /// Accepts the next stream. See [`Listener::poll_accept`](super::Listener::poll_accept).
    ///
    /// # Errors
    /// The system's error.
    fn poll_accept(
        listener: &mut Self::TcpListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Tcp>>;

    /// Wraps an open Unix socket.
    ///
    /// # Errors
    /// The system's error.
    #[cfg(unix)]
    fn unix(&self, stream: StdUnixStream) -> io::Result<Self::Unix>;

    /// Wraps a listening Unix socket.
    ///
    /// # Errors
    /// The system's error.
    #[cfg(unix)]
    fn unix_listener(&self, listener: StdUnixListener) -> io::Result<Self::UnixListener>;

    /// Accepts the next stream. See [`Listener::poll_accept`](super::Listener::poll_accept).
    ///
    /// # Errors
    /// The system's error.
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
/// None of the addresses can be reached; the text lists each of them.
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
/// An address is in use, none belongs to this machine, or the system reports another error.
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

/// Waits for a socket of the runtime, and turns a panic into an error: some runtimes panic if a part for sockets is
/// missing.
///
/// # Errors
/// The error of the future, or the text of its panic.
pub async fn without_panic<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(of_panic(&*panic))))
    })
    .await
}

/// Converts a runtime's panic into an error. Its text names the missing part.
#[cold]
pub fn of_panic(panic: &(dyn Any + Send)) -> io::Error {
    io::Error::other(panics::text(panic).unwrap_or("the runtime cannot be used").to_owned())
}

/// Returns the addresses of a host, without duplicates.
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
    // The system may give a socket the very port that it dials, if no listener has it; TCP then connects the socket to
    // itself (RFC 9293, 3.5).
    if S::ends(&stream).is_ok_and(|[ours, theirs]| ours == theirs) {
        // Otherwise the port would stay taken for a minute, and the expected listener could not bind it.
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
