//! Streams controlled by a script.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use aiomas::{Listener, Transport};
use aiomas_core::agent::Address;
use bytes::{Buf, BytesMut};

use super::ScriptedRuntime;

/// All streams of a runtime, and its listeners.
#[derive(Debug)]
pub(super) struct Net {
    script: VecDeque<u8>,
    /// The errors of the next attempts to accept.
    pub(super) accept_errors: VecDeque<io::Error>,
    pub(super) capacity: usize,
    listeners: BTreeMap<Address, Arc<Mutex<Backlog>>>,
    last_port: u16,
    /// Both directions of each stream.
    ways: Vec<Weak<Mutex<Way>>>,
}

#[derive(Debug, Default)]
struct Backlog {
    streams: VecDeque<Pipe>,
    waker: Option<Waker>,
}

/// One direction of a stream.
#[derive(Debug)]
struct Way {
    bytes: BytesMut,
    capacity: usize,
    ended: bool,
    deserted: bool,
    broken: Option<ErrorKind>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a stream.
///
/// Each possible read or write takes a byte of the script. A multiple of 4 makes the stream report
/// that it is pending. Any other byte moves up to a quarter of its value in bytes, or sixteen times
/// as many if its lowest bits are 3.
#[derive(Debug)]
pub struct Pipe {
    runtime: ScriptedRuntime,
    input: Arc<Mutex<Way>>,
    output: Arc<Mutex<Way>>,
}

impl Net {
    pub(super) const fn new(script: VecDeque<u8>) -> Self {
        Self {
            script,
            accept_errors: VecDeque::new(),
            capacity: 64 * 1024,
            listeners: BTreeMap::new(),
            last_port: 1024,
            ways: Vec::new(),
        }
    }

    pub(super) fn ends(&self) -> usize {
        self.ways.iter().map(Weak::strong_count).sum::<usize>() / 2
    }

    pub(super) fn cut(&self, error: ErrorKind) -> Vec<Waker> {
        let ways = self.ways.iter().filter_map(Weak::upgrade);
        ways.flat_map(|way| {
            let mut way = lock(&way);
            way.broken = Some(error);
            way.bytes.clear();
            way.wakers()
        })
        .collect()
    }

    /// Returns how many bytes may move now, or `None` to wait.
    fn step(&mut self) -> Option<usize> {
        let Some(byte) = self.script.pop_front() else { return Some(usize::MAX) };
        let count = usize::from(byte >> 2) + 1;
        match byte & 3 {
            0 => None,
            3 => Some(16 * count),
            _ => Some(count),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn dial(runtime: &ScriptedRuntime, to: &Address) -> io::Result<Pipe> {
    let (backlog, (here, there)) = {
        let net = &mut runtime.lock().net;
        let backlog = net.listeners.get(to).cloned().ok_or(ErrorKind::ConnectionRefused)?;
        let way = || {
            Arc::new(Mutex::new(Way {
                bytes: BytesMut::new(),
                capacity: net.capacity,
                ended: false,
                deserted: false,
                broken: None,
                reader: None,
                writer: None,
            }))
        };
        let (one, other) = (way(), way());
        net.ways.retain(|way| way.strong_count() > 0);
        net.ways.extend([Arc::downgrade(&one), Arc::downgrade(&other)]);
        let here = Pipe { runtime: runtime.clone(), input: one.clone(), output: other.clone() };
        (backlog, (here, Pipe { runtime: runtime.clone(), input: other, output: one }))
    };
    let waker = {
        let mut backlog = lock(&backlog);
        backlog.streams.push_back(there);
        backlog.waker.take()
    };
    waker.into_iter().for_each(Waker::wake);
    Ok(here)
}

pub(super) fn listen(runtime: &ScriptedRuntime, on: Address) -> io::Result<Acceptor> {
    let net = &mut runtime.lock().net;
    let address = match on {
        Address::Tcp { host, port: 0 } => {
            net.last_port += 1;
            Address::Tcp { host, port: net.last_port }
        }
        address => address,
    };
    if net.listeners.contains_key(&address) {
        return Err(ErrorKind::AddrInUse.into());
    }
    let backlog = Arc::<Mutex<Backlog>>::default();
    net.listeners.insert(address.clone(), backlog.clone());
    Ok(Acceptor { runtime: runtime.clone(), address, backlog })
}

impl Way {
    fn wakers(&mut self) -> Vec<Waker> {
        [self.reader.take(), self.writer.take()].into_iter().flatten().collect()
    }
}

impl Pipe {
    /// Returns how many bytes may move, or `None` if the wake-up is withheld.
    fn step(&self, cx: &Context<'_>) -> Option<usize> {
        let mut state = self.runtime.lock();
        let step = state.net.step();
        if step.is_none() {
            state.withheld.push_back(cx.waker().clone());
        }
        step
    }

    fn moved(&self) {
        self.runtime.lock().moves += 1;
    }
}

impl Transport for Pipe {
    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let room = input.capacity() - input.len();
        assert!(room > 0, "a read needs room");
        let (count, writer) = {
            let mut way = lock(&self.input);
            if let Some(error) = way.broken {
                return Poll::Ready(Err(error.into()));
            }
            if way.bytes.is_empty() && !way.ended {
                way.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let Some(step) = self.step(cx) else { return Poll::Pending };
            let count = step.min(way.bytes.len()).min(room);
            input.extend_from_slice(&way.bytes[..count]);
            way.bytes.advance(count);
            (count, way.writer.take())
        };
        self.moved();
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(output.iter().any(|slice| !slice.is_empty()), "the write must not be empty");
        let (count, reader) = {
            let mut way = lock(&self.output);
            if let Some(error) = way.broken {
                return Poll::Ready(Err(error.into()));
            }
            if way.deserted || way.ended {
                return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
            }
            if way.bytes.len() >= way.capacity {
                way.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let Some(mut step) = self.step(cx) else { return Poll::Pending };
            step = step.min(way.capacity - way.bytes.len());
            let before = way.bytes.len();
            for slice in output {
                let count = slice.len().min(step);
                way.bytes.extend_from_slice(&slice[..count]);
                step -= count;
            }
            (way.bytes.len() - before, way.reader.take())
        };
        self.moved();
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.step(cx).is_none() {
            return Poll::Pending;
        }
        let wakers = {
            let mut way = lock(&self.output);
            way.ended = true;
            way.wakers()
        };
        wakers.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }

    fn peer(&self) -> Option<String> {
        Some("script://peer".to_owned())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let output = {
            let mut way = lock(&self.output);
            way.ended = true;
            way.wakers()
        };
        let input = {
            let mut way = lock(&self.input);
            way.deserted = true;
            way.wakers()
        };
        output.into_iter().chain(input).for_each(Waker::wake);
    }
}

/// Accepts dialled streams.
#[derive(Debug)]
pub struct Acceptor {
    runtime: ScriptedRuntime,
    address: Address,
    backlog: Arc<Mutex<Backlog>>,
}

impl Listener for Acceptor {
    type Stream = Pipe;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pipe>> {
        if let Some(error) = self.runtime.lock().net.accept_errors.pop_front() {
            return Poll::Ready(Err(error));
        }
        let mut backlog = lock(&self.backlog);
        match backlog.streams.pop_front() {
            Some(stream) => Poll::Ready(Ok(stream)),
            None => {
                backlog.waker = Some(cx.waker().clone());
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
        self.runtime.lock().net.listeners.remove(&self.address);
        let waiting = std::mem::take(&mut lock(&self.backlog).streams);
        drop(waiting);
    }
}
