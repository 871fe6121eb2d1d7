//! mosaik's end of a connection, byte by byte.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use aiomas_core::driver::{Runtime, Transport, channel};
use aiomas_core::wire::Notation;
use aiomas_mosaik::{End, Error, Server, Simulator};
use bytes::{Bytes, BytesMut};

use crate::message;
use crate::script::{Pipe, Script};

/// Who speaks to a simulator as mosaik does, or otherwise.
#[derive(Debug)]
pub struct RawMosaik {
    runtime: Script,
    stream: Option<Pipe>,
    /// What has come, and is no whole frame yet.
    input: BytesMut,
    ended: bool,
    outcome: Arc<Mutex<Option<Result<End, Error>>>>,
}

impl RawMosaik {
    /// Connects to a simulator.
    ///
    /// # Panics
    /// If that does not work.
    pub fn connect(runtime: Script, simulator: impl Simulator + 'static) -> Self {
        let outcome = Arc::<Mutex<_>>::default();
        let stream = runtime.block_on(async {
            let server = Server::bind(channel::builder(runtime.clone()), "tcp://here:0").await;
            let server = server.expect("a free port");
            let address = server.address().clone();
            let result = outcome.clone();
            runtime.spawn(async move {
                let end = server.run(simulator).await;
                *result.lock().expect("nobody panics") = Some(end);
            });
            runtime.dial(address).await.expect("it listens")
        });
        Self { runtime, stream: Some(stream), input: BytesMut::new(), ended: false, outcome }
    }

    /// Sends bytes. If the simulator is gone, nobody gets them.
    pub fn send(&mut self, mut bytes: &[u8]) {
        let Some(stream) = &mut self.stream else { return };
        self.runtime.block_on(async {
            while !bytes.is_empty() {
                match poll_fn(|cx| stream.poll_send(cx, &[IoSlice::new(bytes)])).await {
                    Ok(count) => bytes = &bytes[count..],
                    Err(_) => return,
                }
            }
        });
    }

    /// Sends a request, `[function, args, kwargs]`.
    pub fn request(&mut self, id: u64, content: &serde_json::Value) {
        self.send(&message::message(Notation::Json, message::REQUEST, id, content));
    }

    /// Lets the simulator work until it has nothing to do. Returns the payloads of the frames that it has sent.
    pub fn receive(&mut self) -> Vec<Bytes> {
        loop {
            self.runtime.run();
            let (Some(stream), input) = (&mut self.stream, &mut self.input) else { break };
            let before = input.len();
            self.ended |= self.runtime.block_on(poll_fn(|cx| {
                loop {
                    input.reserve(1 << 16);
                    match stream.poll_recv(cx, input) {
                        Poll::Ready(Ok(1..)) => {}
                        Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(true),
                        Poll::Pending => return Poll::Ready(false),
                    }
                }
            }));
            if self.ended || input.len() == before {
                break;
            }
        }
        let mut payloads = Vec::new();
        while let Some(header) = self.input.first_chunk::<4>() {
            let end = 4 + u32::from_be_bytes(*header) as usize;
            if self.input.len() < end {
                break;
            }
            payloads.push(self.input.split_to(end).freeze().slice(4..));
        }
        payloads
    }

    /// Whether the simulator has closed the connection, as far as was [received](Self::receive).
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.ended
    }

    /// Hangs up, and returns what came of the simulation.
    ///
    /// # Panics
    /// If the simulator goes on, or something is left.
    pub fn end(mut self) -> Result<End, Error> {
        self.stream = None;
        self.runtime.run();
        let outcome = self.outcome.lock().expect("nobody panics").take();
        assert_eq!((self.runtime.tasks(), self.runtime.ends()), (0, 0), "something is left");
        outcome.expect("the simulator ends when mosaik does")
    }
}
