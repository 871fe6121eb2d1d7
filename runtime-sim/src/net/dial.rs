//! How streams come to be.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aiomas_core::agent::Address;
use aiomas_core::driver::{Listener, waits};

use super::{Backlog, Place, Stream, WayId};
use crate::fault::Fault;
use crate::host::{Host, HostId};
use crate::trace::Step;
use crate::world::{State, Wakers, World};

/// How many streams may wait to be accepted. Others are heard when they knock again.
const MAX_BACKLOG: usize = 1024;
/// How long it takes until who hears nothing knocks again. The time doubles; as with Linux there are six more
/// attempts.
const KNOCK_AGAIN: Duration = Duration::from_secs(1);
const KNOCKS: u32 = 7;

/// Accepts streams on a host.
pub struct Acceptor {
    world: Arc<World>,
    address: Address,
    /// Where it listens, and as which.
    key: (HostId, Place),
    serial: u64,
}

/// What comes of a knock.
enum Knock {
    Opened(WayId),
    /// Nobody has heard it.
    Unheard,
}

pub(crate) fn listen(host: &Host, on: &Address) -> io::Result<Acceptor> {
    host.check()?;
    let mut state = host.world.lock();
    let state = &mut *state;
    let mut address = on.clone();
    if let Address::Tcp { host: name, port } = &mut address {
        let is_own = state.resolve(host.id, name)? == host.id;
        if !is_own {
            let message = format!("{name} is another host");
            return Err(io::Error::new(ErrorKind::AddrNotAvailable, message));
        }
        if *port == 0 {
            *port = state.free_port(host.id)?;
        }
    }
    let place = Place::of(&address).ok_or(ErrorKind::Unsupported)?;
    let key = (host.id, place);
    if state.net.listeners.contains_key(&key) {
        let message = format!("somebody listens at {address} already");
        return Err(io::Error::new(ErrorKind::AddrInUse, message));
    }
    state.net.last_listener += 1;
    let serial = state.net.last_listener;
    state.note(Step::Listen, host.id as u64, serial);
    let backlog = Backlog { serial, streams: VecDeque::new(), waker: None };
    state.net.listeners.insert(key.clone(), backlog);
    Ok(Acceptor { world: host.world.clone(), address, key, serial })
}

pub(crate) async fn dial(host: Host, to: Address) -> io::Result<Stream> {
    host.check()?;
    let from = host.id;
    let target = match &to {
        Address::Tcp { host: name, .. } => host.world.lock().resolve(from, name)?,
        _ => from,
    };
    let place = Place::of(&to).ok_or(ErrorKind::Unsupported)?;
    let mut wait = KNOCK_AGAIN;
    for _ in 0..KNOCKS {
        let there = host.world.lock().latency(from, target);
        host.sleep(there).await;
        let knocked =
            host.world.change(|state, wakers| state.knock(from, (target, &place), &to, wakers));
        // The stream is open now on that side, and the way back is still to come.
        let opened = match knocked {
            Ok(Knock::Opened(way)) => Ok(Stream::new(host.world.clone(), way)),
            Err(error) => Err(error),
            Ok(Knock::Unheard) => {
                host.sleep(wait).await;
                wait *= 2;
                continue;
            }
        };
        let back = host.world.lock().latency(target, from);
        host.sleep(back).await;
        return opened.map_err(Into::into);
    }
    Err(io::Error::new(ErrorKind::TimedOut, format!("{to} has not been heard of")))
}

impl State {
    /// The host that another one knows by this name.
    fn resolve(&self, from: HostId, name: &str) -> io::Result<HostId> {
        if matches!(name, "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" | "::") {
            return Ok(from);
        }
        self.host_by_name(name).ok_or_else(|| {
            let message = format!("there is no host called {name} in this simulation");
            io::Error::new(ErrorKind::HostUnreachable, message)
        })
    }

    fn free_port(&mut self, host: HostId) -> io::Result<u16> {
        for _ in 0..=u16::MAX {
            let last = &mut self.hosts[host].last_port;
            *last = last.checked_add(1).unwrap_or(49_152);
            let port = *last;
            if !self.net.listeners.contains_key(&(host, Place::Port(port))) {
                return Ok(port);
            }
        }
        Err(io::Error::new(ErrorKind::AddrInUse, "all ports are taken"))
    }

    /// The host of `from` asks for a stream.
    fn knock(
        &mut self,
        from: HostId,
        (to, place): (HostId, &Place),
        dialled: &Address,
        wakers: &mut Wakers,
    ) -> Result<Knock, ErrorKind> {
        self.note(Step::Dial, from as u64, to as u64);
        if self.is_cut(from, to) {
            return Ok(Knock::Unheard);
        }
        let refuse = self.net.links.between(from, to).refuse;
        let key = (to, place.clone());
        let Some(backlog) = self.net.listeners.get(&key) else {
            return Err(ErrorKind::ConnectionRefused);
        };
        if self.chance.happens(Fault::Refuse, refuse) {
            return Err(ErrorKind::ConnectionRefused);
        }
        if backlog.streams.len() >= MAX_BACKLOG {
            return Ok(Knock::Unheard);
        }
        let port = self.free_port(from).map_err(|error| error.kind())?;
        let dialler = match place {
            Place::Port(_) => format!("tcp://{}:{port}", self.hosts[from].name),
            Place::Path(_) => dialled.to_string(),
        };
        let peers = [dialled.to_string(), dialler];
        let way = self.net.connections.open([from, to], peers.map(Into::into));
        if let Some(backlog) = self.net.listeners.get_mut(&key) {
            backlog.streams.push_back(way.back());
            wakers.extend(backlog.waker.take());
        }
        Ok(Knock::Opened(way))
    }
}

impl Listener for Acceptor {
    type Stream = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let accepted = {
            let net = &mut self.world.lock().net;
            let backlog = net.listeners.get_mut(&self.key);
            let backlog = backlog.filter(|backlog| backlog.serial == self.serial);
            let backlog = backlog.ok_or(ErrorKind::NotConnected)?;
            let stream = backlog.streams.pop_front();
            if stream.is_none() {
                backlog.waker = Some(cx.waker().clone());
            }
            stream
        };
        match accepted {
            Some(way) => Poll::Ready(Ok(Stream::new(self.world.clone(), way))),
            None => {
                waits::note(|| format!("to be dialled at {}", self.address));
                Poll::Pending
            }
        }
    }

    fn address(&self) -> io::Result<Address> {
        Ok(self.address.clone())
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.world.change(|state, wakers| {
            let listeners = &mut state.net.listeners;
            if listeners.get(&self.key).is_some_and(|backlog| backlog.serial == self.serial)
                && let Some(backlog) = listeners.remove(&self.key)
            {
                // Those who wait to be accepted see their stream end.
                for way in backlog.streams {
                    state.desert(way, wakers);
                }
            }
        });
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acceptor").field(&self.address).finish()
    }
}
