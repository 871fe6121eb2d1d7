//! Resolves names in detached threads.
//!
//! `getaddrinfo` blocks, for half a minute if no name server answers, and cannot be cancelled. A runtime that ends
//! waits for its pool of blocking threads, so a cancelled lookup would delay the process. These threads belong to no
//! runtime: they end with the process, or when no name is left to resolve.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::lock::lock;

/// The maximum number of concurrent lookups; further names wait.
const MAX_THREADS: usize = 16;

static SYSTEM: Resolver =
    Resolver::new(MAX_THREADS, &|host| Ok((host, 0).to_socket_addrs()?.collect()));

/// Resolves a host. An IP address needs no lookup.
pub(super) async fn resolve(host: Arc<str>, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let mut found = SYSTEM.look_up(host).await?;
    found.iter_mut().for_each(|address| address.set_port(port));
    Ok(found)
}

pub(super) fn no_address() -> io::Error {
    io::Error::new(ErrorKind::AddrNotAvailable, "the name has no address")
}

/// Returns the address of a name that unexpectedly resolves to this machine only. Debian gives the machine's own name
/// the address 127.0.1.1, and remote peers cannot reach a listener there.
pub(super) fn is_loopback_in_disguise(host: &str, found: &[SocketAddr]) -> Option<IpAddr> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    // RFC 6761, 6.3, and the IPv6 names in `/etc/hosts`.
    let is_plain = host.parse::<IpAddr>().is_ok()
        || host == "localhost"
        || host.ends_with(".localhost")
        || host.starts_with("localhost.")
        || host.starts_with("localhost4")
        || host.starts_with("localhost6")
        || host == "ip6-localhost"
        || host == "ip6-loopback";
    let is_loopback = found.iter().all(|address| address.ip().to_canonical().is_loopback());
    found.first().filter(|_| is_loopback && !is_plain).map(|address| address.ip())
}

type Found = Result<Vec<SocketAddr>, (ErrorKind, Arc<str>)>;

/// A blocking lookup of a host.
type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Sync;

/// Names under lookup, and the tasks that wait for them. Tasks that ask for the same name share one lookup.
struct Resolver {
    lookup: &'static Lookup,
    max_threads: usize,
    state: Mutex<State>,
}

struct State {
    threads: usize,
    last_id: u64,
    /// The names that no thread has taken yet, in the order of the requests.
    queue: BTreeMap<u64, Arc<str>>,
    /// The names in the queue and in a thread.
    names: BTreeMap<Arc<str>, Name>,
    /// The results that their tasks have not taken yet.
    results: BTreeMap<u64, Found>,
}

struct Name {
    /// The position in the queue.
    place: u64,
    waiters: BTreeMap<u64, Option<Waker>>,
}

impl Resolver {
    const fn new(max_threads: usize, lookup: &'static Lookup) -> Self {
        let state = State {
            threads: 0,
            last_id: 0,
            queue: BTreeMap::new(),
            names: BTreeMap::new(),
            results: BTreeMap::new(),
        };
        Self { lookup, max_threads, state: Mutex::new(state) }
    }

    /// Resolves a name. Dropping the future removes the name from the queue, unless a thread has taken it.
    fn look_up(&'static self, host: Arc<str>) -> impl Future<Output = io::Result<Vec<SocketAddr>>> {
        let (id, starts) = {
            let mut state = lock(&self.state);
            state.last_id += 1;
            let id = state.last_id;
            let State { queue, names, threads, .. } = &mut *state;
            let name = names.entry(host.clone()).or_insert_with(|| {
                queue.insert(id, host.clone());
                Name { place: id, waiters: BTreeMap::new() }
            });
            name.waiters.insert(id, None);
            // No thread is idle: each has a name, or ends.
            let starts = name.place == id && *threads < self.max_threads;
            *threads += usize::from(starts);
            (id, starts)
        };
        let waiting = Waiting { resolver: self, host, id };
        if starts {
            let thread = thread::Builder::new().name("aiomas-names".to_owned());
            if let Err(error) = thread.spawn(|| self.run()) {
                self.without_thread(&error);
            }
        }
        waiting
    }

    /// Runs a thread: resolves names until none is left.
    fn run(&self) {
        loop {
            let name = {
                let mut state = lock(&self.state);
                match state.queue.pop_first() {
                    Some((_, name)) => name,
                    None => {
                        state.threads -= 1;
                        return;
                    }
                }
            };
            let found = match catch_unwind(AssertUnwindSafe(|| (self.lookup)(&name))) {
                Ok(Ok(found)) => Ok(found),
                Ok(Err(error)) => Err((error.kind(), error.to_string().into())),
                Err(_) => Err((ErrorKind::Other, "looking the name up has panicked".into())),
            };
            self.end(&name, &found);
        }
    }

    /// Handles a failure to start a thread. Running threads take all names.
    fn without_thread(&self, error: &io::Error) {
        let names = {
            let mut state = lock(&self.state);
            state.threads -= 1;
            if state.threads > 0 { BTreeMap::new() } else { std::mem::take(&mut state.queue) }
        };
        let text: Arc<str> = format!("no thread can be started to look a name up: {error}").into();
        for name in names.values() {
            self.end(name, &Err((error.kind(), text.clone())));
        }
    }

    /// Delivers a result to all tasks that wait for it.
    fn end(&self, name: &str, found: &Found) {
        let wakers: Vec<_> = {
            let mut state = lock(&self.state);
            let State { names, results, .. } = &mut *state;
            let waiters = names.remove(name).map(|name| name.waiters).unwrap_or_default();
            results.extend(waiters.keys().map(|id| (*id, found.clone())));
            waiters.into_values().flatten().collect()
        };
        for waker in wakers {
            // A runtime may have ended meanwhile; the thread goes on.
            drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
        }
    }
}

/// A task's wait for a name.
struct Waiting {
    resolver: &'static Resolver,
    host: Arc<str>,
    id: u64,
}

impl Future for Waiting {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.resolver.state);
        if let Some(found) = state.results.remove(&self.id) {
            return Poll::Ready(found.map_err(|(kind, text)| io::Error::new(kind, &*text)));
        }
        let waiters = state.names.get_mut(&self.host).map(|name| &mut name.waiters);
        let old = waiters
            .and_then(|waiters| waiters.get_mut(&self.id))
            .and_then(|waker| waker.replace(cx.waker().clone()));
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _waker = {
            let mut state = lock(&self.resolver.state);
            state.results.remove(&self.id);
            let State { names, queue, .. } = &mut *state;
            let Some(name) = names.get_mut(&self.host) else { return };
            let waker = name.waiters.remove(&self.id);
            // A thread that has taken the name goes on, for later tasks.
            if name.waiters.is_empty() && queue.remove(&name.place).is_some() {
                names.remove(&self.host);
            }
            waker
        };
    }
}

#[cfg(test)]
mod tests;
