//! mosaik's end of a connection, byte by byte.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use aiomas_core::driver::{Runtime, Transport, channel};
use aiomas_core::wire::{Deframer, Notation};
use aiomas_mosaik::{End, Error, Server, Simulator};
use bytes::{Buf, Bytes, BytesMut};

use crate::message;
use crate::script::{Pipe, Script};

/// Who speaks to a simulator as mosaik does, or otherwise.
#[derive(Debug)]
pub struct RawMosaik {
    runtime: Script,
    wire: Arc<Mutex<Wire>>,
    outcome: Arc<Mutex<Option<Result<End, Error>>>>,
}

/// What a task of its own sends and receives.
#[derive(Debug, Default)]
struct Wire {
    output: BytesMut,
    input: BytesMut,
    /// The simulator has closed the connection.
    ended: bool,
    hung_up: bool,
    task: Option<Waker>,
}

impl Wire {
    fn poll(&mut self, stream: &mut Pipe, cx: &mut Context<'_>) -> Poll<()> {
        self.task = Some(cx.waker().clone());
        while !self.output.is_empty() && !self.ended {
            match stream.poll_send(cx, &[IoSlice::new(&self.output)]) {
                Poll::Ready(Ok(count)) => self.output.advance(count),
                // Nobody gets it.
                Poll::Ready(Err(_)) => self.output.clear(),
                Poll::Pending => break,
            }
        }
        while !self.ended {
            self.input.reserve(1 << 10);
            match stream.poll_recv(cx, &mut self.input) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => self.ended = true,
                Poll::Pending => break,
            }
        }
        if self.hung_up { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl RawMosaik {
    /// Connects to a simulator.
    ///
    /// # Panics
    /// If that does not work.
    pub fn connect(runtime: Script, simulator: impl Simulator + 'static) -> Self {
        let wire = Arc::<Mutex<Wire>>::default();
        let outcome = Arc::<Mutex<_>>::default();
        runtime.block_on(async {
            let server = Server::bind(channel::builder(runtime.clone()), "tcp://here:0").await;
            let server = server.expect("a free port");
            let address = server.address().clone();
            let result = outcome.clone();
            runtime.spawn(async move {
                let end = server.run(simulator).await;
                *lock(&result) = Some(end);
            });
            let mut stream = runtime.dial(address).await.expect("it listens");
            let wire = wire.clone();
            runtime.spawn(poll_fn(move |cx| lock(&wire).poll(&mut stream, cx)));
        });
        Self { runtime, wire, outcome }
    }

    fn change(&self, change: impl FnOnce(&mut Wire)) {
        let task = {
            let mut wire = lock(&self.wire);
            change(&mut wire);
            wire.task.take()
        };
        task.into_iter().for_each(Waker::wake);
    }

    /// Sends bytes. If the simulator is gone, nobody gets them.
    pub fn send(&self, bytes: &[u8]) {
        self.change(|wire| wire.output.extend_from_slice(bytes));
    }

    /// Sends a request, `[function, args, kwargs]`.
    pub fn request(&self, id: u64, content: &serde_json::Value) {
        self.send(&message::message(Notation::Json, message::REQUEST, id, content));
    }

    /// Lets the simulator work until it has nothing to do. Returns the payloads of the frames that it has sent.
    ///
    /// # Panics
    /// If that are no frames.
    pub fn receive(&self) -> Vec<Bytes> {
        self.runtime.run();
        let deframer = Deframer::new(usize::MAX);
        let mut wire = lock(&self.wire);
        let next = || deframer.next_frame(&mut wire.input).expect("no limit");
        std::iter::from_fn(next).collect()
    }

    /// Whether the simulator has closed the connection, as far as was [received](Self::receive).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.wire).ended
    }

    /// Hangs up, and returns what came of the simulation.
    ///
    /// # Errors
    /// What the simulator has ended with.
    ///
    /// # Panics
    /// If the simulator goes on, or something is left.
    pub fn end(self) -> Result<End, Error> {
        self.change(|wire| wire.hung_up = true);
        self.runtime.run();
        assert_eq!((self.runtime.tasks(), self.runtime.ends()), (0, 0), "something is left");
        assert!(self.runtime.spins() < 100, "somebody is busy for nothing");
        lock(&self.outcome).take().expect("the simulator ends when mosaik does")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics")
}
