//! mosaik's end of a connection, byte by byte.

use std::future::poll_fn;
use std::io::IoSlice;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use aiomas::{Listener, Runtime, Transport, channel};
use aiomas_core::agent::Address;
use aiomas_core::wire::{Deframer, Format};
use aiomas_mosaik::{End, Error, Simulator};
use bytes::{Buf, Bytes, BytesMut};

use crate::message;
use crate::scripted_runtime::{Pipe, ScriptedRuntime};

/// The address that a simulator connects to.
const MOSAIK: &str = "tcp://mosaik:0";

/// A peer of a simulator, byte by byte.
#[derive(Debug)]
pub struct RawPeer {
    runtime: ScriptedRuntime,
    wire: Arc<Mutex<Wire>>,
}

/// A peer that a simulator has connected to: mosaik, or a hostile program.
#[derive(Debug)]
pub struct RawMosaik {
    peer: RawPeer,
    outcome: Arc<Mutex<Option<Result<End, Error>>>>,
}

/// The bytes sent and received by a separate task.
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
                // The simulator is gone.
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

impl RawPeer {
    /// Connects to a listening simulator.
    ///
    /// # Panics
    /// The address has no listener.
    #[must_use]
    pub fn dial(runtime: &ScriptedRuntime, address: &Address) -> Self {
        let stream = runtime.block_on(runtime.dial(address.clone()));
        Self::new(runtime, stream.expect("a listener"))
    }

    fn new(runtime: &ScriptedRuntime, mut stream: Pipe) -> Self {
        let wire = Arc::<Mutex<Wire>>::default();
        let task = wire.clone();
        runtime.spawn(poll_fn(move |cx| lock(&task).poll(&mut stream, cx)));
        Self { runtime: runtime.clone(), wire }
    }

    fn change(&self, change: impl FnOnce(&mut Wire)) {
        let task = {
            let mut wire = lock(&self.wire);
            change(&mut wire);
            wire.task.take()
        };
        task.into_iter().for_each(Waker::wake);
    }

    /// Sends bytes. They are discarded if the simulator is gone.
    pub fn send(&self, bytes: &[u8]) {
        self.change(|wire| wire.output.extend_from_slice(bytes));
    }

    /// Sends a request, `[function, args, kwargs]`.
    pub fn request(&self, id: u64, content: &serde_json::Value) {
        self.send(&message::message(Format::Json, message::REQUEST, id, content));
    }

    /// Runs the simulator until it is idle. Returns the payloads of the frames it has sent.
    ///
    /// # Panics
    /// The sent bytes are not whole frames.
    pub fn receive(&self) -> Vec<Bytes> {
        self.runtime.run();
        let deframer = Deframer::new(usize::MAX);
        let mut wire = lock(&self.wire);
        let next = || deframer.next_frame(&mut wire.input).expect("no limit");
        std::iter::from_fn(next).collect()
    }

    /// Returns whether the simulator has closed the connection, as of the last
    /// [`receive`](Self::receive).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.wire).ended
    }

    /// Closes the connection.
    pub fn hang_up(self) {
        self.change(|wire| wire.hung_up = true);
        self.runtime.run();
    }
}

impl RawMosaik {
    /// Lets a simulator connect.
    ///
    /// # Panics
    /// The connection fails.
    pub fn connect(runtime: ScriptedRuntime, simulator: impl Simulator + 'static) -> Self {
        let outcome = Arc::<Mutex<_>>::default();
        let stream = runtime.block_on(async {
            let mut listener = runtime.listen(MOSAIK.parse().expect("an address")).await;
            let listener = listener.as_mut().expect("a free port");
            let address = listener.address().expect("an address");
            let (builder, result) = (channel::builder(runtime.clone()), outcome.clone());
            runtime.spawn(async move {
                let end = aiomas_mosaik::connect(builder, address, simulator).await;
                *lock(&result) = Some(end);
            });
            poll_fn(|cx| listener.poll_accept(cx)).await.expect("a stream")
        });
        Self { peer: RawPeer::new(&runtime, stream), outcome }
    }

    /// Closes the connection, and returns the result of the simulation.
    ///
    /// # Errors
    /// The simulator ended with an error.
    ///
    /// # Panics
    /// The simulator continues, or tasks or streams remain.
    pub fn end(self) -> Result<End, Error> {
        let runtime = self.peer.runtime.clone();
        self.peer.hang_up();
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0), "something is left");
        assert!(runtime.spins() < 100, "a task polls in a busy loop");
        lock(&self.outcome).take().expect("the simulator ends when mosaik does")
    }
}

impl Deref for RawMosaik {
    type Target = RawPeer;

    fn deref(&self) -> &RawPeer {
        &self.peer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic under the lock")
}
