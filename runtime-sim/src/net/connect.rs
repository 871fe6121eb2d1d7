//! Listening and connecting.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::task::Waker;

use aiomas_core::agent::Address;

use super::bind_addr::{Backlog, BindAddr};
use super::connection::{HalfStreamId, HostId};
use super::network::{Env, Net};
use crate::fault::Fault;
use crate::trace::Step;

/// The maximum number of streams not accepted yet. Later connects go unanswered and are repeated.
const MAX_BACKLOG: usize = 1024;

/// The result of a connect.
pub(crate) enum Connecting {
    Opened(HalfStreamId),
    /// No reply arrived.
    Unanswered,
}

impl Net {
    /// Resolves the name in an address, as the host `from` sees it.
    pub(crate) fn resolve(&self, from: HostId, address: &Address) -> io::Result<HostId> {
        let Address::Tcp { host: name, .. } = address else { return Ok(from) };
        if matches!(&**name, "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" | "::") {
            return Ok(from);
        }
        self.host_by_name(name).ok_or_else(|| {
            let message = format!("there is no host called {name} in this simulation");
            io::Error::new(ErrorKind::HostUnreachable, message)
        })
    }

    /// Makes a host listen. Returns the address and the serial number of the listener.
    pub(crate) fn listen(
        &mut self,
        env: &mut Env,
        host: HostId,
        on: &Address,
    ) -> io::Result<(Address, u64)> {
        if self.resolve(host, on)? != host {
            let message = "that is another host";
            return Err(io::Error::new(ErrorKind::AddrNotAvailable, message));
        }
        let mut address = on.clone();
        if let Address::Tcp { port: port @ 0, .. } = &mut address {
            *port = self.free_port(host)?;
        }
        let key = (host, BindAddr::of(&address)?);
        if self.listeners.contains_key(&key) {
            let message = format!("{address} has a listener already");
            return Err(io::Error::new(ErrorKind::AddrInUse, message));
        }
        self.last_listener += 1;
        let serial = self.last_listener;
        env.note(Step::Listen, host as u64, serial);
        let backlog = Backlog { serial, streams: VecDeque::new(), waker: None };
        self.listeners.insert(key, backlog);
        Ok((address, serial))
    }

    /// Takes the next stream not accepted yet.
    pub(crate) fn accept(
        &mut self,
        key: &(HostId, BindAddr),
        serial: u64,
        waker: &Waker,
    ) -> io::Result<Option<HalfStreamId>> {
        let backlog = self.listeners.get_mut(key).filter(|backlog| backlog.serial == serial);
        let backlog = backlog.ok_or(ErrorKind::NotConnected)?;
        let stream = backlog.streams.pop_front();
        if stream.is_none() {
            backlog.waker = Some(waker.clone());
        }
        Ok(stream)
    }

    /// Closes a listener.
    pub(crate) fn close(&mut self, env: &mut Env, key: &(HostId, BindAddr), serial: u64) {
        if self.listeners.get(key).is_some_and(|backlog| backlog.serial == serial)
            && let Some(backlog) = self.listeners.remove(key)
        {
            // Clients not accepted yet see their stream end.
            for half_stream in backlog.streams {
                self.discard(env, half_stream);
            }
        }
    }

    fn free_port(&mut self, host: HostId) -> io::Result<u16> {
        for _ in 0..=u16::MAX {
            let last = &mut self.hosts[host].last_port;
            *last = last.checked_add(1).unwrap_or(49_152);
            let port = *last;
            if !self.listeners.contains_key(&(host, BindAddr::Port(port))) {
                return Ok(port);
            }
        }
        Err(io::Error::new(ErrorKind::AddrInUse, "all ports are taken"))
    }

    /// Connects a host to an address of the host `to`.
    pub(crate) fn connect(
        &mut self,
        env: &mut Env,
        from: HostId,
        to: HostId,
        address: &Address,
    ) -> io::Result<Connecting> {
        env.note(Step::Dial, from as u64, to as u64);
        if self.is_cut(from, to) {
            return Ok(Connecting::Unanswered);
        }
        let key = (to, BindAddr::of(address)?);
        let Some(backlog) = self.listeners.get(&key) else {
            return Err(ErrorKind::ConnectionRefused.into());
        };
        if env.rng.happens(Fault::Refuse, self.links.between(from, to).refuse) {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        if backlog.streams.len() >= MAX_BACKLOG {
            return Ok(Connecting::Unanswered);
        }
        let port = self.free_port(from)?;
        let dialler = match address {
            Address::Tcp { .. } => format!("tcp://{}:{port}", self.hosts[from].name),
            _ => address.to_string(),
        };
        let peers = [address.to_string(), dialler];
        let half_stream = self.connections.open([from, to], peers.map(Into::into));
        if let Some(backlog) = self.listeners.get_mut(&key) {
            backlog.streams.push_back(half_stream.back());
            env.wakers.extend(backlog.waker.take());
        }
        Ok(Connecting::Opened(half_stream))
    }
}
