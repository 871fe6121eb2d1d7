//! Streams of a [`Runtime`] without its type, and those within this process.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::host::{BoxFuture, Host};
use super::link::{Link, Task};
use super::place::Place;
use super::runtime::Runtime;
use super::transport::{Listener, Transport};
use crate::agent::Address;
use crate::rpc::{Caller, PeerCertificate};

/// See [`Runtime`].
pub(super) trait Network: Host {
    fn dial(&self, to: Address) -> BoxFuture<io::Result<Stream>>;
    fn listen(&self, on: Address) -> BoxFuture<io::Result<Box<dyn Incoming>>>;
}

/// A stream that has been opened, and has no task yet.
pub(super) struct Stream {
    peer: Option<Arc<str>>,
    certificate: Option<Arc<PeerCertificate>>,
    /// Its place on the listener that it came in by.
    pub(super) place: Option<Place>,
    start: Box<dyn FnOnce(Arc<Link>, Option<Place>) + Send>,
}

impl Stream {
    fn new<R: Runtime>(runtime: &R, transport: impl Transport) -> Self {
        let (peer, runtime) = (transport.peer().map(Arc::from), runtime.clone());
        let certificate = transport.certificate().map(Arc::new);
        let start = move |link, place| {
            let timer = runtime.timer();
            runtime.spawn(Task::new(link, transport, timer, place));
        };
        Self { peer, certificate, place: None, start: Box::new(start) }
    }

    /// The address at the other end, if it has one.
    pub(super) fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// Who is at the other end of the connection of this number.
    pub(super) fn caller(&self, connection: u64) -> Caller {
        let mut caller = Caller::new(connection);
        caller.peer.clone_from(&self.peer);
        caller.certificate.clone_from(&self.certificate);
        caller
    }

    /// Lets a task of its own move the link's bytes.
    pub(super) fn start(self, link: Arc<Link>) {
        (self.start)(link, self.place);
    }
}

/// See [`Listener`].
pub(super) trait Incoming: Send {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>>;
    fn address(&self) -> io::Result<Address>;
}

struct On<R, L> {
    runtime: R,
    listener: L,
}

impl<R: Runtime, L: Listener> Incoming for On<R, L> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let accepted = self.listener.poll_accept(cx);
        accepted.map(|stream| stream.map(|stream| Stream::new(&self.runtime, stream)))
    }

    fn address(&self) -> io::Result<Address> {
        self.listener.address()
    }
}

impl<R: Runtime> Network for R {
    fn dial(&self, to: Address) -> BoxFuture<io::Result<Stream>> {
        let runtime = self.clone();
        Box::pin(async move {
            match to {
                Address::Local(name) => Ok(Stream::new(&runtime, runtime.local().dial(&name)?)),
                to => Ok(Stream::new(&runtime, Runtime::dial(&runtime, to).await?)),
            }
        })
    }

    fn listen(&self, on: Address) -> BoxFuture<io::Result<Box<dyn Incoming>>> {
        let runtime = self.clone();
        Box::pin(async move {
            let incoming: Box<dyn Incoming> = match on {
                Address::Local(name) => {
                    let listener = runtime.local().listen(name)?;
                    Box::new(On { runtime, listener })
                }
                on => {
                    let listener = Runtime::listen(&runtime, on).await?;
                    Box::new(On { runtime, listener })
                }
            };
            Ok(incoming)
        })
    }
}
