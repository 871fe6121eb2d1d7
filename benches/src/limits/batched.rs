//! One thread per end, with `epoll` and one write per read.

use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use aiomas_bench_contract::{
    Address, Hold, Holding, Load, Meter, Report, Serving, end_with_input, open_many_files, say,
    wait_for_end_of_input,
};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use super::{READ, cut, frame};

/// A socket, and the bytes still to be written.
struct Stream {
    socket: OwnedFd,
    output: Vec<u8>,
    written: usize,
    /// Whether `epoll` watches for writability.
    waits: bool,
}

impl Stream {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // Unix sockets have no such option, and need none.
        let _set = rustix::net::sockopt::set_tcp_nodelay(&socket, true);
        Ok(Self { socket, output: Vec::new(), written: 0, waits: false })
    }

    /// Reads once. Returns `None` if no bytes are available.
    fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::io::read(&self.socket, buffer) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn has_output(&self) -> bool {
        self.written < self.output.len()
    }

    /// Writes as much as the socket accepts.
    fn write(&mut self) -> io::Result<()> {
        while self.has_output() {
            match rustix::io::write(&self.socket, &self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Writes, and registers the needed events with `epoll`. A server that cannot write does not
    /// `read`.
    fn turn(&mut self, poll: &OwnedFd, key: usize, read: bool) -> io::Result<()> {
        self.write()?;
        if self.waits != self.has_output() {
            self.waits = self.has_output();
            let mut flags = EventFlags::empty();
            flags.set(EventFlags::IN, read || !self.waits);
            flags.set(EventFlags::OUT, self.waits);
            epoll::modify(poll, &self.socket, EventData::new_u64(key as u64), flags)?;
        }
        Ok(())
    }
}

fn wait(poll: &OwnedFd, events: &mut Vec<Event>) -> io::Result<()> {
    events.clear();
    match epoll::wait(poll, rustix::buffer::spare_capacity(events), None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn watch(poll: &OwnedFd, socket: impl AsFd, key: usize) -> io::Result<()> {
    epoll::add(poll, socket, EventData::new_u64(key as u64), EventFlags::IN)?;
    Ok(())
}

pub(super) fn serve(address: &Address) -> io::Result<()> {
    end_with_input();
    open_many_files();
    let (listener, address): (OwnedFd, _) = match address {
        Address::Unix(path) => (UnixListener::bind(path)?.into(), address.clone()),
        Address::Tcp(host) | Address::Tls(host) => {
            let listener = TcpListener::bind(host)?;
            let address = address.bound(listener.local_addr()?.port());
            (listener.into(), address)
        }
    };
    say(&Serving { address: address.to_string(), agents: None })?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    watch(&poll, &listener, 0)?;
    let (mut events, mut streams) = (Vec::with_capacity(1024), vec![None]);
    let mut buffer = vec![0; 16 * READ];
    loop {
        wait(&poll, &mut events)?;
        for event in &events {
            let key = event.data.u64() as usize;
            if key == 0 {
                let stream = Stream::new(rustix::net::accept(&listener)?)?;
                watch(&poll, &stream.socket, streams.len())?;
                streams.push(Some(stream));
                continue;
            }
            if let Some(stream) = &mut streams[key]
                && echo(stream, &poll, key, &mut buffer).is_err()
            {
                streams[key] = None;
            }
        }
    }
}

/// Echoes all received bytes. Fails at the end of the stream.
fn echo(stream: &mut Stream, poll: &OwnedFd, key: usize, buffer: &mut [u8]) -> io::Result<()> {
    if !stream.has_output() {
        match stream.read(buffer)? {
            Some(0) => return Err(cut()),
            Some(count) => stream.output.extend_from_slice(&buffer[..count]),
            None => {}
        }
    }
    stream.turn(poll, key, false)
}

fn open(address: &Address) -> io::Result<OwnedFd> {
    Ok(match address {
        Address::Unix(path) => UnixStream::connect(path)?.into(),
        Address::Tcp(host) | Address::Tls(host) => TcpStream::connect(host)?.into(),
    })
}

pub(super) fn hold(hold: &Hold) -> Result<(), String> {
    open_many_files();
    let open = || {
        let (socket, mut answer) = (open(&hold.address)?, [0; 4]);
        rustix::io::write(&socket, b"call")?;
        rustix::io::read(&socket, &mut answer)?;
        Ok(socket)
    };
    let sockets: io::Result<Vec<_>> = (0..hold.connections).map(|_| open()).collect();
    let _open = sockets.map_err(|error| format!("{}: {error}", hold.address))?;
    say(&Holding { holding: hold.connections }).map_err(|error| error.to_string())?;
    wait_for_end_of_input();
    Ok(())
}

/// A connection of the client.
struct Caller {
    stream: Stream,
    /// The number of bytes of an incomplete frame.
    partial: usize,
    /// The start times and sizes of the batches of calls in flight.
    begun: VecDeque<(Instant, u32)>,
}

pub(super) fn call(load: &Load) -> Result<(), String> {
    open_many_files();
    run(load)
        .map_err(|error| format!("{}: {error}", load.address))?
        .and_then(|report| say(&report).map_err(|error| error.to_string()))
}

fn run(load: &Load) -> io::Result<Result<Report, String>> {
    let frame = frame(load);
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut callers = Vec::new();
    for key in 0..load.connections as usize {
        let stream = Stream::new(open(&load.address)?)?;
        watch(&poll, &stream.socket, key)?;
        callers.push(Caller { stream, partial: 0, begun: VecDeque::new() });
    }
    let meter = Meter::start(load);
    let mut open = 0;
    for (key, caller) in callers.iter_mut().enumerate() {
        open += caller.make(&frame, meter.first(load.in_flight), Instant::now());
        caller.stream.turn(&poll, key, true)?;
    }
    let (mut events, mut buffer) = (Vec::with_capacity(1024), vec![0; 16 * READ]);
    while open > 0 {
        wait(&poll, &mut events)?;
        for event in &events {
            let key = event.data.u64() as usize;
            let caller = &mut callers[key];
            let read = caller.stream.read(&mut buffer)?;
            if read == Some(0) {
                return Err(cut());
            }
            caller.partial += read.unwrap_or(0);
            let (mut ended, now) = ((caller.partial / frame.len()) as u32, Instant::now());
            caller.partial %= frame.len();
            open -= ended;
            let mut next = 0;
            while ended > 0 {
                let Some((begun, calls)) = caller.begun.front_mut() else { return Err(cut()) };
                let some = ended.min(*calls);
                next += meter.ended(*begun, some, now);
                (ended, *calls) = (ended - some, *calls - some);
                if *calls == 0 {
                    caller.begun.pop_front();
                }
            }
            open += caller.make(&frame, next, now);
            caller.stream.turn(&poll, key, true)?;
        }
    }
    Ok(meter.report())
}

impl Caller {
    /// Makes `calls` calls.
    fn make(&mut self, frame: &[u8], calls: u32, now: Instant) -> u32 {
        if calls > 0 {
            self.begun.push_back((now, calls));
        }
        for _ in 0..calls {
            self.stream.output.extend_from_slice(frame);
        }
        calls
    }
}
