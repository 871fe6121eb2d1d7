//! Containers on a network with configurable faults.
//!
//! Time is virtual: it jumps to the next event. Everything runs in one thread, and runs are
//! reproducible.

mod agents;
mod net;
mod site;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use aiomas_core::agent::{Address, AgentUrl, ConnId, NodeAction, NodeConfig, NodeEvent};
use aiomas_core::wire::RemoteError;

pub use agents::{Later, TestAgent};
pub use site::{Context, Dials, Site};

use crate::pair::{Cut, Cuts, LONG_AGO};
use net::{Piece, Stream};
use site::Dial;

/// More steps than any test needs.
const MAX_STEPS: usize = 1_000_000;

/// Containers and the network between them.
#[derive(Debug)]
pub struct World {
    /// The containers.
    pub sites: Vec<Site>,
    /// The latency of each byte, and of each half of a dial.
    pub latency: Duration,
    /// The splitting of bytes into pieces.
    pub cuts: Cuts,
    /// Whether cancelled attempts to connect continue nevertheless.
    pub late_dials: bool,
    /// Whether input comes byte by byte, with spurious calls in between and outdated times. The
    /// results must not change.
    pub varied: bool,
    streams: BTreeMap<u64, Stream>,
    next_stream: u64,
    /// Pairs of containers that cannot reach each other.
    partitions: BTreeSet<(usize, usize)>,
    start: Instant,
    now: Instant,
    trace: DefaultHasher,
}

impl World {
    /// Creates `count` containers with `agents` agents each, on a network without faults.
    #[must_use]
    pub fn new(count: usize, agents: usize, config: &NodeConfig) -> Self {
        let now = Instant::now();
        let site = |index| Site::new(index, agents, config, now);
        Self {
            sites: (0..count).map(site).collect(),
            latency: Duration::ZERO,
            cuts: Cuts::Whole,
            late_dials: false,
            varied: false,
            streams: BTreeMap::new(),
            next_stream: 0,
            partitions: BTreeSet::new(),
            start: now,
            now,
            trace: DefaultHasher::new(),
        }
    }

    /// Returns the virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Returns a hash of all written bytes and all events, with their times.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    /// Returns the URL of an agent, which need not exist.
    #[must_use]
    pub fn url(&self, site: usize, aid: usize) -> AgentUrl {
        AgentUrl::new(self.sites[site].address.clone(), aid.to_string())
    }

    /// Starts or ends a partition between two containers.
    pub fn set_partition(&mut self, a: usize, b: usize, on: bool) {
        let pair = (a.min(b), a.max(b));
        if on {
            self.partitions.insert(pair);
        } else {
            self.partitions.remove(&pair);
        }
    }

    fn is_reachable(&self, (a, b): (usize, usize)) -> bool {
        !self.partitions.contains(&(a.min(b), a.max(b)))
    }

    /// Returns how many streams are open on either end.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Cuts a stream: both ends see an error, or one of them sees the end.
    pub fn cut(&mut self, nth: usize, how: Cut) {
        let now = self.now;
        let Some(stream) = self.streams.values_mut().nth(nth) else { return };
        match how {
            Cut::Reset => stream.ends.iter_mut().for_each(|end| end.cut(now)),
            Cut::Eof => {
                let end = &mut stream.ends[nth & 1];
                if !end.over {
                    end.send(now, Piece::End(Cut::Eof));
                }
            }
        }
    }

    /// Kills a container and starts a new one at its address, without the old state.
    pub fn restart(&mut self, site: usize) {
        let arrives = self.now + self.latency;
        for stream in self.streams.values_mut() {
            for end in &mut stream.ends {
                if end.site == site && end.conn.is_some() {
                    end.close(arrives, Cut::Reset);
                }
            }
        }
        self.streams.retain(|_, stream| !stream.is_over());
        self.sites[site].restart(self.now);
    }

    /// Returns the connections that a container has opened, with their addresses.
    pub fn dialled(&self, site: usize) -> impl Iterator<Item = (ConnId, &Address)> {
        self.streams.values().filter(move |stream| stream.ends[0].site == site).filter_map(
            |stream| Some((stream.ends[0].conn?, &self.sites[stream.ends[1].site].address)),
        )
    }

    /// Returns the connections of a container.
    pub fn connections(&self, site: usize) -> impl Iterator<Item = ConnId> {
        let ends = self.streams.values().flat_map(|stream| &stream.ends);
        ends.filter(move |end| end.site == site).filter_map(|end| end.conn)
    }

    /// Processes events until none is left.
    ///
    /// # Panics
    /// The events do not end, or a node requested a needless wake-up.
    pub fn drive(&mut self) {
        self.run_until(None);
    }

    /// Processes all events within `time`.
    ///
    /// # Panics
    /// As for [`drive`](Self::drive).
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.run_until(Some(until));
        self.now = until;
    }

    fn run_until(&mut self, until: Option<Instant>) {
        for _ in 0..MAX_STEPS {
            if self.turn() {
                continue;
            }
            match self.next_event() {
                Some(next) if until.is_none_or(|until| next <= until) => {
                    assert!(next > self.now, "T1: something was due and has not happened");
                    self.now = next;
                    assert!(self.turn(), "T1: nothing happened when something was due");
                }
                _ => return,
            }
        }
        panic!("T2: the events do not end: {self:?}");
    }

    fn next_event(&self) -> Option<Instant> {
        let dials = self.sites.iter().enumerate().flat_map(|(index, site)| {
            let due = move |dial: &&Dial| self.outcome(index, &dial.address).is_some();
            site.dialling.iter().filter(due).map(|dial| dial.due)
        });
        let open = self.streams.values().filter(|stream| self.is_reachable(stream.sites()));
        let arrivals = open.flat_map(|stream| &stream.ends).filter_map(|end| end.arrival());
        let sites = self.sites.iter().filter_map(Site::next_event);
        dials.chain(arrivals).chain(sites).min()
    }

    /// Processes one event on each site, at this time.
    fn turn(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.sites.len() {
            any |= self.turn_of(index);
        }
        let ids: Vec<u64> = self.streams.keys().copied().collect();
        for id in ids {
            for end in [0, 1] {
                any |= self.write(id, end) || self.read(id, end);
            }
        }
        any
    }

    fn turn_of(&mut self, index: usize) -> bool {
        if self.varied {
            self.call_for_no_reason(index);
        }
        let mut any = self.poll(index);
        if let Some(at) = self.due_dial(index) {
            let dial = self.sites[index].dialling.remove(at);
            self.finish_dial(index, dial);
            any = true;
        }
        any |= self.sites[index].wake(self.now);
        self.poll(index) || any
    }

    fn call_for_no_reason(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.sites[index].node;
        if node.poll_timeout().is_none_or(|at| at > now) {
            node.handle_timeout(now);
        }
        for end in self.streams.values_mut().flat_map(|stream| &mut stream.ends) {
            if let Some(conn) = end.conn.filter(|_| end.site == index) {
                node.handle_input(now, conn, &mut end.input);
                node.handle_transmitted(now, conn, 0);
            }
        }
    }

    /// Returns the time to pass to nodes: if `varied`, one before the latest time they know.
    fn told(&self) -> Instant {
        let earlier = self.now.checked_sub(LONG_AGO).filter(|_| self.varied);
        earlier.unwrap_or(self.now)
    }

    /// Takes all outputs of a node, as required after any input.
    fn poll(&mut self, index: usize) -> bool {
        let mut any = false;
        loop {
            let site = &mut self.sites[index];
            if let Some(action) = site.node.poll_action() {
                self.act(index, action);
            } else if let Some(event) = site.node.poll_event() {
                self.note(index, &event);
                self.sites[index].take(self.now, event);
            } else {
                return any;
            }
            any = true;
        }
    }

    fn note(&mut self, index: usize, event: &NodeEvent<Context, Later>) {
        (index, self.elapsed(), format!("{event:?}")).hash(&mut self.trace);
    }

    fn act(&mut self, index: usize, action: NodeAction) {
        let arrives = self.now + self.latency;
        let site = &mut self.sites[index];
        match action {
            NodeAction::Dial { id, address } => {
                site.dialling.push(Dial { id, address, due: arrives });
            }
            NodeAction::CancelDial { id } => {
                if !self.late_dials {
                    site.dialling.retain(|dial| dial.id != id);
                }
            }
            NodeAction::Write { conn, transmit } => {
                let end = self.end(index, conn).expect("a stream that is open");
                end.output.push_back(transmit);
            }
            NodeAction::Close { conn } => {
                let end = self.end(index, conn).expect("a stream that is closed once");
                end.close(arrives, Cut::Eof);
                self.streams.retain(|_, stream| !stream.is_over());
            }
            other => panic!("an unknown action: {other:?}"),
        }
    }

    fn end(&mut self, site: usize, conn: ConnId) -> Option<&mut net::End> {
        let ends = self.streams.values_mut().flat_map(|stream| &mut stream.ends);
        ends.into_iter().find(|end| end.site == site && end.conn == Some(conn))
    }

    /// Returns the result of dialling `address` now, with the site. `None` means pending.
    fn outcome(&self, from: usize, address: &Address) -> Option<Result<usize, ErrorKind>> {
        let Some(to) = self.sites.iter().position(|site| site.address == *address) else {
            return Some(Err(ErrorKind::ConnectionRefused));
        };
        match self.sites[to].dials {
            Dials::Accepted if self.is_reachable((from, to)) => Some(Ok(to)),
            Dials::Refused => Some(Err(ErrorKind::ConnectionRefused)),
            _ => None,
        }
    }

    fn due_dial(&self, index: usize) -> Option<usize> {
        let is_due =
            |dial: &Dial| dial.due <= self.now && self.outcome(index, &dial.address).is_some();
        self.sites[index].dialling.iter().position(is_due)
    }

    fn finish_dial(&mut self, from: usize, dial: Dial) {
        let now = self.now;
        match self.outcome(from, &dial.address) {
            Some(Ok(to)) => {
                let conn = self.sites[from].node.handle_dialled(now, dial.id, Ok(()));
                let dialler = conn.expect("a connection");
                let listener = self.sites[to].node.handle_accepted(now, None).ok();
                let mut stream = Stream::new((from, dialler), (to, listener));
                if listener.is_none() {
                    stream.ends[1].close(now + self.latency, Cut::Eof);
                }
                self.streams.insert(self.next_stream, stream);
                self.next_stream += 1;
            }
            Some(Err(error)) => {
                let none = self.sites[from].node.handle_dialled(now, dial.id, Err(error.into()));
                assert_eq!(none, None);
            }
            None => {}
        }
    }

    fn write(&mut self, id: u64, end: usize) -> bool {
        let (arrives, told) = (self.now + self.latency, self.told());
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let (sites, end) = (stream.sites(), &mut stream.ends[end]);
        let (site, Some(conn)) = (end.site, end.conn) else { return false };
        let reachable = !self.partitions.contains(&(sites.0.min(sites.1), sites.0.max(sites.1)));
        if !reachable || end.output.is_empty() {
            return false;
        }
        if end.over {
            end.output.clear();
            self.sites[site].node.handle_lost(told, conn, ErrorKind::BrokenPipe);
            self.poll(site);
            return true;
        }
        let Some(bytes) = end.next_write(&mut self.cuts) else { return false };
        (id, site, &bytes[..]).hash(&mut self.trace);
        let count = bytes.len();
        end.send(arrives, Piece::Bytes(bytes));
        self.sites[site].node.handle_transmitted(told, conn, count);
        self.poll(site);
        true
    }

    /// Delivers the next piece from `end` to the other one.
    fn read(&mut self, id: u64, end: usize) -> bool {
        let (now, told, arrives) = (self.now, self.told(), self.now + self.latency);
        let Some(stream) = self.streams.get(&id) else { return false };
        if !self.is_reachable(stream.sites()) {
            return false;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let Some(piece) = stream.ends[end].arrive(now) else { return false };
        let to = &mut stream.ends[1 - end];
        let Some(conn) = to.conn else {
            // Bytes written to a closed stream break it.
            if matches!(piece, Piece::Bytes(_)) {
                to.close(arrives, Cut::Reset);
            }
            return true;
        };
        let site = to.site;
        let node = &mut self.sites[site].node;
        match piece {
            Piece::Bytes(bytes) => {
                for part in bytes.chunks(if self.varied { 1 } else { bytes.len() }) {
                    to.input.extend_from_slice(part);
                    node.handle_input(told, conn, &mut to.input);
                }
            }
            Piece::End(Cut::Eof) => node.handle_eof(told, conn, to.input.len()),
            Piece::End(Cut::Reset) => node.handle_lost(told, conn, ErrorKind::ConnectionReset),
        }
        self.poll(site);
        true
    }
}

/// Returns the failure of a call whose relayed call failed.
pub(crate) fn relay_error(error: impl std::fmt::Display) -> RemoteError {
    RemoteError::new("RelayError", error)
}
