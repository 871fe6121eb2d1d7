//! Directed tests of one connection, or a pair.

mod calls;
mod close;
mod codecs;
mod extensions;
mod flow;
mod heartbeats;
mod hello;
mod limits;
mod patience;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aiomas_core::connection::{
    CallId, CallOptions, CallRejected, CloseReason, Config, Connection, Event, Request, Side,
};
use aiomas_core::wire::{Codec, Format};
use aiomas_tests::message;
use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;

const SECOND: Duration = Duration::from_secs(1);

/// A connection with the test as its peer.
struct Solo {
    connection: Connection<u64>,
    now: Instant,
    input: BytesMut,
}

impl Solo {
    fn new(side: Side, config: Config) -> Self {
        let now = Instant::now();
        let mut connection = Connection::new(Arc::new(config), side, now);
        if let Some(event) = connection.poll_event() {
            assert!(matches!(event, Event::Open { .. }));
        }
        Self { connection, now, input: BytesMut::new() }
    }

    fn listener(config: Config) -> Self {
        Self::new(Side::Listener, config)
    }

    fn dialler(config: Config) -> Self {
        Self::new(Side::Dialler, config)
    }

    fn call(&mut self, content: impl Serialize) -> Result<CallId, CallRejected> {
        let options = CallOptions::default();
        self.connection.call(self.now, &content, options, 0).map_err(|refused| refused.why)
    }

    fn input(&mut self, bytes: impl AsRef<[u8]>) {
        self.input.extend_from_slice(bytes.as_ref());
        self.connection.handle_input(self.now, &mut self.input);
    }

    fn request(&mut self, id: impl Serialize, content: impl Serialize) {
        self.input(message::message(Format::Json, message::REQUEST, id, content));
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.connection.handle_timeout(self.now);
    }

    fn events(&mut self) -> Vec<Event<u64>> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// Returns the requests among the events. Other events fail.
    fn requests(&mut self) -> Vec<Request> {
        let request = |event| match event {
            Event::Request(request) => request,
            event => panic!("{event:?}"),
        };
        self.events().into_iter().map(request).collect()
    }

    fn take(&mut self) -> Vec<Bytes> {
        let bytes = self
            .connection
            .poll_transmit()
            .map_or_else(Bytes::new, |mut transmit| transmit.copy_to_bytes(transmit.remaining()));
        message::payloads(&bytes)
    }

    /// Returns the sent payloads, and marks them as written.
    fn sent(&mut self) -> Vec<Bytes> {
        let sent = self.take();
        self.connection.handle_transmitted(self.now, usize::MAX);
        sent
    }

    fn reply(&mut self, request: Request, value: impl Serialize) -> Result<(), CallRejected> {
        self.connection.reply(self.now, request.token, &value)
    }

    /// Returns the reason for the close, after any other events.
    fn closed(&mut self) -> Option<CloseReason> {
        match self.events().pop() {
            Some(Event::Closed { reason }) => {
                assert!(self.connection.is_closed());
                Some(reason)
            }
            _ => None,
        }
    }
}

fn json() -> Config {
    Config::new(Codec::Json)
}

fn msgpack() -> Config {
    Config::new(Codec::MsgPack)
}

/// A value that cannot be encoded.
struct Unencodable;

impl Serialize for Unencodable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this"))
    }
}
