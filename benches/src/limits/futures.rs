//! tokio with one future per call and manual buffers: the upper limit of libraries on tokio.
//!
//! It runs on one thread, without atomics and without `Send` types.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use aiomas_bench_contract::{
    Address, Hold, Holding, Load, Meter, Serving, end_with_input, open_many_files, say,
    wait_for_end_of_input,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::LocalSet;

use super::{READ, cut, frame};

/// The position of the call number in a frame, after its length.
const NUMBER: std::ops::Range<usize> = 4..8;

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

fn on_one_thread<T>(main: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.unwrap_or_else(|error| panic!("tokio: {error}")), main)
}

pub(super) fn serve(address: &Address) -> io::Result<()> {
    end_with_input();
    open_many_files();
    on_one_thread(async {
        match address {
            Address::Unix(path) => {
                let listener = UnixListener::bind(path)?;
                say(&Serving { address: address.to_string(), agents: None })?;
                loop {
                    tokio::task::spawn_local(echo(listener.accept().await?.0));
                }
            }
            Address::Tcp(host) | Address::Tls(host) => {
                let listener = TcpListener::bind(host).await?;
                let address = address.bound(listener.local_addr()?.port());
                say(&Serving { address: address.to_string(), agents: None })?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    tokio::task::spawn_local(echo(stream));
                }
            }
        }
    })
}

async fn echo(mut stream: impl Stream) {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(1..) if stream.write_all(&buffer).await.is_ok() => {
                // A full buffer means that large frames arrive, so it grows.
                if buffer.len() == buffer.capacity() && buffer.capacity() < 16 * READ {
                    buffer.reserve(2 * buffer.capacity());
                }
                buffer.clear();
            }
            _ => return,
        }
    }
}

pub(super) fn call(load: &Load) -> Result<(), String> {
    open_many_files();
    on_one_thread(async {
        let mut connections = Vec::new();
        for _ in 0..load.connections {
            connections.push(open(&load.address).await?);
        }
        let (frame, meter) = (Rc::<[u8]>::from(frame(load)), Meter::start(load));
        let mut callers = Vec::new();
        for connection in &connections {
            for _ in 0..load.in_flight {
                let (connection, frame) = (connection.clone(), frame.clone());
                let meter = meter.clone();
                callers.push(tokio::task::spawn_local(async move {
                    let mut laps = meter.laps();
                    while laps.another() {
                        connection.call(&frame).await?;
                    }
                    Ok::<_, io::Error>(())
                }));
            }
        }
        for caller in callers {
            let ended = caller.await.map_err(|error| error.to_string())?;
            ended.map_err(|error| error.to_string())?;
        }
        say(&meter.report()?).map_err(|error| error.to_string())
    })
}

pub(super) fn hold(hold: &Hold) -> Result<(), String> {
    open_many_files();
    let (address, count) = (&hold.address, hold.connections);
    on_one_thread(async {
        let (length, mut connections) = ([0, 0, 0, 4, 0, 0, 0, 0], Vec::new());
        for _ in 0..count {
            let connection = open(address).await?;
            connection.call(&length).await.map_err(|error| error.to_string())?;
            connections.push(connection);
        }
        say(&Holding { holding: count }).map_err(|error| error.to_string())?;
        wait_for_end_of_input();
        Ok(())
    })
}

async fn open(address: &Address) -> Result<Rc<Connection>, String> {
    let connection = Rc::<Connection>::default();
    let open = async {
        match address {
            Address::Unix(path) => {
                spawn(UnixStream::connect(path).await?, &connection);
            }
            Address::Tcp(host) | Address::Tls(host) => {
                let stream = TcpStream::connect(host).await?;
                stream.set_nodelay(true)?;
                spawn(stream, &connection);
            }
        }
        Ok::<_, io::Error>(())
    };
    open.await.map_err(|error| format!("{address}: {error}"))?;
    Ok(connection)
}

fn spawn(mut stream: impl Stream + 'static, connection: &Rc<Connection>) {
    let connection = connection.clone();
    tokio::task::spawn_local(async move {
        let mut buffers = Buffers::default();
        let Err(error) = poll_fn(|cx| buffers.turn(Pin::new(&mut stream), &connection, cx)).await;
        connection.fail(error.kind());
    });
}

/// The state shared by the calls and the task of a connection.
#[derive(Default)]
struct Connection {
    output: RefCell<Vec<u8>>,
    calls: RefCell<Vec<Slot>>,
    free: RefCell<Vec<usize>>,
    /// The waker of the task, if it has nothing to write.
    task: Cell<Option<Waker>>,
    failed: Cell<Option<io::ErrorKind>>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Free,
    Made,
    Waits(Waker),
    Ended,
}

impl Connection {
    async fn call(&self, frame: &[u8]) -> io::Result<()> {
        let place = self.send(frame);
        poll_fn(|cx| self.poll_ended(place, cx)).await
    }

    /// Appends a frame to the output. Returns the slot of its call.
    fn send(&self, frame: &[u8]) -> usize {
        let (mut calls, mut output) = (self.calls.borrow_mut(), self.output.borrow_mut());
        let place = self.free.borrow_mut().pop().unwrap_or(calls.len());
        if place == calls.len() {
            calls.push(Slot::Free);
        }
        calls[place] = Slot::Made;
        let start = output.len();
        output.extend_from_slice(frame);
        output[start..][NUMBER].copy_from_slice(&(place as u32).to_be_bytes());
        if let Some(task) = self.task.take() {
            task.wake();
        }
        place
    }

    fn poll_ended(&self, place: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.failed.get() {
            return Poll::Ready(Err(kind.into()));
        }
        let slot = &mut self.calls.borrow_mut()[place];
        if matches!(slot, Slot::Ended) {
            *slot = Slot::Free;
            self.free.borrow_mut().push(place);
            return Poll::Ready(Ok(()));
        }
        *slot = Slot::Waits(cx.waker().clone());
        Poll::Pending
    }

    fn answer(&self, place: usize) -> io::Result<()> {
        let mut calls = self.calls.borrow_mut();
        let slot = calls.get_mut(place).ok_or(io::ErrorKind::InvalidData)?;
        match std::mem::replace(slot, Slot::Ended) {
            Slot::Waits(waker) => waker.wake(),
            Slot::Made => {}
            Slot::Free | Slot::Ended => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(())
    }

    fn fail(&self, kind: io::ErrorKind) {
        self.failed.set(Some(kind));
        for slot in &mut *self.calls.borrow_mut() {
            if let Slot::Waits(waker) = std::mem::take(slot) {
                waker.wake();
            }
        }
    }
}

/// The buffers of a connection's task.
struct Buffers {
    /// Received bytes of an incomplete frame.
    input: Vec<u8>,
    filled: usize,
    /// The bytes being written.
    output: Vec<u8>,
    written: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { input: vec![0; 4096], filled: 0, output: Vec::new(), written: 0 }
    }
}

impl Buffers {
    /// Writes and reads until no work is left. Returns only on an error.
    fn turn(
        &mut self,
        mut stream: Pin<&mut impl Stream>,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Infallible, io::Error>> {
        loop {
            let writes = self.write(stream.as_mut(), connection, cx)?;
            let mut buffer = ReadBuf::new(&mut self.input);
            buffer.set_filled(self.filled);
            let read = stream.as_mut().poll_read(cx, &mut buffer)?;
            let filled = buffer.filled().len();
            if read.is_pending() {
                if writes.is_ready() {
                    connection.task.set(Some(cx.waker().clone()));
                }
                return Poll::Pending;
            }
            if filled == self.filled {
                return Poll::Ready(Err(cut()));
            }
            self.filled = filled;
            self.parse(connection)?;
        }
    }

    /// Writes all pending bytes.
    fn write(
        &mut self,
        mut stream: Pin<&mut impl Stream>,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.output.len() {
                let output = &self.output[self.written..];
                self.written += ready!(stream.as_mut().poll_write(cx, output))?;
            }
            self.output.clear();
            self.written = 0;
            std::mem::swap(&mut self.output, &mut connection.output.borrow_mut());
            if self.output.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes the complete frames out.
    fn parse(&mut self, connection: &Connection) -> io::Result<()> {
        let (mut start, full) = (0, self.filled == self.input.len());
        let word = |bytes: &[u8]| bytes.try_into().map(u32::from_be_bytes).unwrap_or(0) as usize;
        let mut missing = 0;
        while let Some(head) = self.input[start..self.filled].get(..NUMBER.end) {
            let end = start + 4 + word(&head[..4]);
            if end > self.filled {
                missing = end - start;
                break;
            }
            connection.answer(word(&head[NUMBER]))?;
            start = end;
        }
        if start > 0 {
            self.input.copy_within(start..self.filled, 0);
            self.filled -= start;
        }
        // A full buffer means that large frames arrive, so it grows.
        let room = if full { missing.max(READ) } else { missing };
        if room > self.input.len() {
            self.input.resize(room, 0);
        }
        Ok(())
    }
}
