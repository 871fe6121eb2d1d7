//! The core in an event loop of one's own: `poll(2)`, non-blocking sockets, no async at all.
//!
//! [`EventLoop`] is the part to copy: it moves bytes between sockets and a [`Node`], and tells it the time.
//! [`main`] is an application on it: a container that listens on a TCP and on a Unix socket, and two agents
//! that talk to each other through the latter.
//!
//! `polling` would do as well as `rustix`, but registering a socket with it takes `unsafe`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where the sockets and the time come from"
)]

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aiomas_core::agent::{
    Address, AgentUrl, ConnId, DialError, DialId, Node, NodeAction, NodeConfig, NodeEvent,
    RetryLimit, Serve, Target,
};
use aiomas_core::connection::{CallOptions, Close, Transmit};
use aiomas_core::rpc::ServiceDict;
use bytes::{Buf, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, read, write, writev};
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay, socket_error};
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, accept_with, connect,
    getpeername, getsockname, socket_with,
};

/// A [`Node`] on sockets.
#[derive(Debug)]
pub struct EventLoop<X, L> {
    /// The protocol. After using it, call [`turn`](EventLoop::turn).
    pub node: Node<X, L>,
    listeners: Vec<Listener>,
    dials: BTreeMap<DialId, OwnedFd>,
    streams: BTreeMap<ConnId, Stream>,
    /// All sockets are read into this.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Listener {
    socket: OwnedFd,
    /// Of a Unix socket: the file, its device and its number there.
    file: Option<(PathBuf, u64, u64)>,
}

#[derive(Debug)]
struct Stream {
    socket: OwnedFd,
    input: BytesMut,
    output: VecDeque<Transmit>,
}

/// The owner of a file descriptor in the list for `poll`.
#[derive(Clone, Copy)]
enum Source {
    Listener(usize),
    Dial(DialId),
    Stream(ConnId),
    Extra,
}

impl<X, L> EventLoop<X, L> {
    /// A node that listens at `address`, which agents' URLs begin with. Port 0 is any free port.
    pub fn bind(address: &Address, config: NodeConfig, serve: Serve<L>) -> io::Result<Self> {
        let (listener, address) = Listener::bind(address)?;
        Ok(Self {
            node: Node::new(config, address, serve, seed(), Instant::now()),
            listeners: vec![listener],
            dials: BTreeMap::new(),
            streams: BTreeMap::new(),
            scratch: vec![0; 64 * 1024],
        })
    }

    /// Listens at one more address.
    pub fn listen(&mut self, address: &Address) -> io::Result<Address> {
        let (listener, address) = Listener::bind(address)?;
        self.listeners.push(listener);
        Ok(address)
    }

    /// Opens a stream to something that is no container, which is not dialled by the node. Waits until the
    /// stream is open.
    pub fn open(&mut self, address: &Address) -> io::Result<ConnId> {
        let socket = dial(address, true)?;
        let conn = self.node.handle_opened(Instant::now()).map_err(io::Error::other)?;
        self.add(conn, socket);
        Ok(conn)
    }

    /// Writes bytes to a stream, past the protocol: as many as it takes at once.
    pub fn write_raw(&mut self, conn: ConnId, bytes: &[u8]) -> io::Result<usize> {
        match self.streams.get_mut(&conn) {
            Some(stream) => Ok(write(&stream.socket, bytes)?),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Does what the node wants done, then waits: for a socket, for one of `extra` to become readable, or
    /// until the node or the caller has something due. Says whether one of `extra` is readable.
    pub fn turn(&mut self, extra: &[BorrowedFd<'_>], due: Option<Instant>) -> io::Result<bool> {
        while let Some(action) = self.node.poll_action() {
            self.act(action);
        }
        let due = if self.node.has_events() {
            // A socket may fail as soon as it is used: nothing more needs to happen.
            Some(Instant::now())
        } else {
            self.node.poll_timeout().into_iter().chain(due).min()
        };
        let ready = self.wait(extra, due)?;
        let now = Instant::now();
        for (source, flags) in &ready {
            match *source {
                Source::Extra => {}
                Source::Listener(index) => self.accept(now, index),
                Source::Dial(id) => self.dialled(now, id),
                Source::Stream(conn) => {
                    if flags.contains(PollFlags::OUT) {
                        self.write(now, conn);
                    }
                    if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                        self.read(now, conn);
                    }
                }
            }
        }
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
        }
        Ok(ready.iter().any(|(source, _)| matches!(source, Source::Extra)))
    }

    fn wait(
        &self,
        extra: &[BorrowedFd<'_>],
        due: Option<Instant>,
    ) -> io::Result<Vec<(Source, PollFlags)>> {
        let mut sources = Vec::new();
        let mut fds = Vec::new();
        let mut add = |source, fd, flags| {
            sources.push(source);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        for (index, listener) in self.listeners.iter().enumerate() {
            add(Source::Listener(index), listener.socket.as_fd(), PollFlags::IN);
        }
        for (id, socket) in &self.dials {
            add(Source::Dial(*id), socket.as_fd(), PollFlags::OUT);
        }
        for (conn, stream) in &self.streams {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, self.node.wants_read(*conn));
            flags.set(PollFlags::OUT, !stream.output.is_empty());
            // Without flags, poll would still report that the peer has gone, over and over.
            if !flags.is_empty() {
                add(Source::Stream(*conn), stream.socket.as_fd(), flags);
            }
        }
        for fd in extra {
            add(Source::Extra, *fd, PollFlags::IN);
        }
        let timeout = due.map(|at| {
            let wait = at.saturating_duration_since(Instant::now());
            Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() }
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = fds.iter().map(PollFd::revents);
        Ok(sources.into_iter().zip(flags).filter(|(_, flags)| !flags.is_empty()).collect())
    }

    fn act(&mut self, action: NodeAction) {
        match action {
            NodeAction::Dial { id, address } => match dial(&address, false) {
                Ok(socket) => {
                    self.dials.insert(id, socket);
                }
                Err(error) => {
                    self.node.handle_dialled(Instant::now(), id, Err(DialError::from(error)));
                }
            },
            NodeAction::CancelDial { id } => {
                self.dials.remove(&id);
            }
            NodeAction::Write { conn, transmit } => {
                if let Some(stream) = self.streams.get_mut(&conn) {
                    stream.output.push_back(transmit);
                    self.write(Instant::now(), conn);
                }
            }
            NodeAction::Close { conn } => {
                self.streams.remove(&conn);
            }
            _ => {}
        }
    }

    fn accept(&mut self, now: Instant, listener: usize) {
        // An error here (too many open files, a connection that is gone already) is of no concern to
        // those that are open.
        while let Ok(socket) = self.listeners[listener].accept() {
            // A peer on a Unix socket has no address.
            let peer = getpeername(&socket).ok().flatten();
            let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
            let peer = peer.map(|peer| peer.to_string());
            // Dropping a refused socket closes it.
            if let Ok(conn) = self.node.handle_accepted(now, peer.as_deref()) {
                self.add(conn, socket);
            }
        }
    }

    fn dialled(&mut self, now: Instant, id: DialId) {
        let Some(socket) = self.dials.remove(&id) else { return };
        let result = match socket_error(&socket) {
            // TCP connects a local port without a listener to itself. It is closed without a trace, so that the listener
            // that is waited for can have the port.
            Ok(Ok(())) if ends_are_equal(&socket) => {
                let _set = set_socket_linger(&socket, Some(Duration::ZERO));
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(io::Error::from(error).into()),
        };
        if let Some(conn) = self.node.handle_dialled(now, id, result) {
            self.add(conn, socket);
        }
    }

    fn add(&mut self, conn: ConnId, socket: OwnedFd) {
        self.streams
            .insert(conn, Stream { socket, input: BytesMut::new(), output: VecDeque::new() });
    }

    fn read(&mut self, now: Instant, conn: ConnId) {
        let Some(stream) = self.streams.get_mut(&conn) else { return };
        match read(&stream.socket, &mut self.scratch[..]) {
            Ok(0) => self.node.handle_eof(now, conn, stream.input.len()),
            Ok(count) => {
                stream.input.extend_from_slice(&self.scratch[..count]);
                self.node.handle_input(now, conn, &mut stream.input);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => self.node.handle_lost(now, conn, error.kind()),
        }
    }

    fn write(&mut self, now: Instant, conn: ConnId) {
        let Some(stream) = self.streams.get_mut(&conn) else { return };
        while let Some(transmit) = stream.output.front_mut() {
            let mut slices = [IoSlice::new(&[]); 16];
            let count = transmit.chunks_vectored(&mut slices);
            match writev(&stream.socket, &slices[..count]) {
                Ok(written) => {
                    transmit.advance(written);
                    if !transmit.has_remaining() {
                        stream.output.pop_front();
                    }
                    self.node.handle_transmitted(now, conn, written);
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(error) => return self.node.handle_lost(now, conn, error.kind()),
            }
        }
    }
}

fn ends_are_equal(socket: &OwnedFd) -> bool {
    getsockname(socket).is_ok_and(|ours| getpeername(socket) == Ok(Some(ours)))
}

fn no_transport() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "there are no local:// addresses here")
}

/// Something random: `std` seeds each of these anew.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

impl Listener {
    fn bind(address: &Address) -> io::Result<(Self, Address)> {
        match address {
            Address::Tcp { host, port } => {
                let listener = TcpListener::bind((&**host, *port))?;
                listener.set_nonblocking(true)?;
                let port = listener.local_addr()?.port();
                let address = Address::Tcp { host: host.clone(), port };
                Ok((Self { socket: listener.into(), file: None }, address))
            }
            Address::Ipc(path) => {
                // A process that was killed leaves its socket behind. (If several programs start at the same path
                // at once, a lock is needed as well: see the driver's.)
                let is_socket = std::fs::symlink_metadata(&**path)
                    .is_ok_and(|meta| meta.file_type().is_socket());
                if is_socket
                    && let Err(error) = dial(address, false)
                    && error.kind() == io::ErrorKind::ConnectionRefused
                {
                    std::fs::remove_file(&**path)?;
                }
                let listener = UnixListener::bind(&**path)?;
                listener.set_nonblocking(true)?;
                let path = std::path::absolute(&**path)?;
                let meta = std::fs::symlink_metadata(&path)?;
                let file = Some((path, meta.dev(), meta.ino()));
                Ok((Self { socket: listener.into(), file }, address.clone()))
            }
            _ => Err(no_transport()),
        }
    }

    fn accept(&self) -> io::Result<OwnedFd> {
        let socket = accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
        if self.file.is_none() {
            set_tcp_nodelay(&socket, true)?;
        }
        Ok(socket)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some((path, device, inode)) = &self.file
            && let Ok(meta) = std::fs::symlink_metadata(path)
            // It may be another program's by now.
            && (meta.dev(), meta.ino()) == (*device, *inode)
        {
            let _removed = std::fs::remove_file(path);
        }
    }
}

/// Connects a socket; or begins to, and `poll` tells when that is done. (Looking a name up blocks in any
/// case: use addresses.)
fn dial(address: &Address, wait: bool) -> io::Result<OwnedFd> {
    let to: SocketAddrAny = match address {
        Address::Tcp { host, port } => {
            let mut found = (&**host, *port).to_socket_addrs()?;
            found.next().ok_or(io::ErrorKind::NotFound)?.into()
        }
        Address::Ipc(path) => SocketAddrUnix::new(&**path)?.into(),
        _ => return Err(no_transport()),
    };
    let family = to.address_family();
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if family != AddressFamily::UNIX {
        // Messages are gathered before they are written; the kernel need not wait for more.
        set_tcp_nodelay(&socket, true)?;
    }
    ioctl_fionbio(&socket, !wait)?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// An agent that gives back what it gets.
#[must_use]
pub fn test_agent<L>() -> ServiceDict<L> {
    ServiceDict::new("TestAgent").function("service", ["value"], |value: i64| value)
}

/// Runs the application.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = "tcp://127.0.0.1:0".parse()?;
    let mut events: EventLoop<(), Infallible> =
        EventLoop::bind(&address, NodeConfig::default(), Serve::Agents)?;
    let a = events.node.spawn(test_agent())?;
    let b = events.node.spawn(test_agent())?;
    println!("Ohai, I am TestAgent('{a}')");
    println!("Ohai, I am TestAgent('{b}')");

    // It listens on a Unix socket as well. That address is not its own name, so it is dialled: both ends
    // of that stream are ours.
    let path = std::env::temp_dir().join(format!("aiomas-poll-loop-{}", std::process::id()));
    let door = events.listen(&Address::Ipc(path.to_string_lossy().into()))?;
    let url = AgentUrl::new(door, b.aid());
    events.node.connect(Instant::now(), url.clone(), RetryLimit::Once, ());
    loop {
        events.turn(&[], None)?;
        while let Some(event) = events.node.poll_event() {
            match event {
                NodeEvent::Connected { remote, .. } => {
                    let (target, now) = (Target::from(&remote), Instant::now());
                    let options = CallOptions::timeout(Duration::from_secs(5));
                    let call = events.node.call(now, &target, "service", &(42,), &(), options, ());
                    call.map_err(|refused| refused.why)?;
                }
                NodeEvent::Answer { result, .. } => {
                    let value: i64 = result?.decode()?;
                    println!("TestAgent('{a}') got {value} from TestAgentProxy('{url}')");
                    events.node.shutdown(Instant::now(), Close::AfterFlush);
                }
                NodeEvent::ConnectFailed { error, .. } => return Err(error.into()),
                NodeEvent::Stopped => return Ok(()),
                _ => {}
            }
        }
    }
}
