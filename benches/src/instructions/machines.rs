//! Calls without a runtime: between two connections, and in an event loop.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use aiomas_core::agent::{Address, AgentUrl, NodeConfig, NodeEvent, RetryLimit, Serve, Target};
use aiomas_core::connection::{CallOptions, Config, Connection, Event, Side, Transmit};
use aiomas_core::rpc::{self, Caller, Outcome, ServiceDict, encode_call};
use aiomas_core::wire::{Codec, Types};
use aiomas_tests::poll_loop::{EventLoop, test_agent};
use bytes::{Buf, BytesMut};

/// Makes `calls` calls of `agents/0/service(i64) -> i64` between two connections in memory.
///
/// This includes all steps but system calls: encode, deframe, route, answer, encode, deframe,
/// match, decode.
///
/// # Panics
/// A call returns another value.
pub(super) fn core_round_trips(codec: Codec, calls: u32) {
    let now = Instant::now();
    let mut config = Config::new(codec);
    config.types = Types::default().for_container();
    let config = Arc::new(config);
    let mut client = Connection::<u32>::new(config.clone(), Side::Dialler, now);
    let mut server = Connection::<Infallible>::new(config, Side::Listener, now);
    let agents = ServiceDict::new("Agents").service("0", test_agent());
    let root: ServiceDict<Infallible> = ServiceDict::new("Root").service("agents", agents);
    let (mut to_server, mut to_client) = (Stream::default(), Stream::default());

    for number in 0..calls {
        let args = (i64::from(number % 100),);
        client
            .call_with(now, CallOptions::default(), number, |format, codec_context, out| {
                encode_call(format, codec_context, "agents/0/service", &args, &(), out)
            })
            .expect("the call is taken");
        to_server.carry(now, &mut client);
        while let Some(event) = server.poll_input(now, &mut to_server.input) {
            if let Event::Request(request) = event {
                let call = rpc::Request::parse(&request.content).expect("a call");
                let outcome = rpc::dispatch(&root, &call.path, &call.arguments, &Caller::new(0));
                let Outcome::Done(result) = outcome else { panic!("not done") };
                server.answer(now, request.token, &result).expect("the answer is taken");
            }
        }
        to_client.carry(now, &mut server);
        let mut ended = 0;
        while let Some(event) = client.poll_input(now, &mut to_client.input) {
            if let Event::Answer { ctx, result, .. } = event {
                let value: i64 = result.expect("a result").decode().expect("a number");
                assert_eq!((ctx, value), (number, args.0));
                ended += 1;
            }
        }
        assert!(ended == 1);
    }
}

/// A simulated socket with its two buffers.
#[derive(Default)]
struct Stream {
    transmit: Transmit,
    input: BytesMut,
}

/// The number of bytes a reader requests at a time.
const READ: usize = 64 * 1024;

impl Stream {
    fn carry<X>(&mut self, now: Instant, from: &mut Connection<X>) {
        while from.refill(&mut self.transmit) {
            let mut written = 0;
            while self.transmit.has_remaining() {
                let chunk = self.transmit.chunk();
                if self.input.capacity() - self.input.len() < chunk.len() {
                    self.input.reserve(READ.max(chunk.len()));
                }
                self.input.extend_from_slice(chunk);
                written += chunk.len();
                let length = chunk.len();
                self.transmit.advance(length);
            }
            from.handle_transmitted(now, written);
        }
    }
}

/// Makes `calls` calls of an agent's `service(i64) -> i64` over a Unix socket.
///
/// One event loop on `poll(2)` holds both ends, with [`IN_FLIGHT`] calls in flight.
///
/// # Panics
/// A socket fails, or a call returns another value.
pub(super) fn poll_round_trips(codec: Codec, calls: u32) {
    let mut config = NodeConfig::default();
    config.connection = Config::new(codec);
    let address = "tcp://127.0.0.1:0".parse().expect("an address");
    let mut events: EventLoop<u32, Infallible> =
        EventLoop::bind(&address, config, Serve::Agents).expect("a free port");
    let agent = events.node.spawn(test_agent()).expect("room for an agent");
    let path = std::env::temp_dir().join(format!("aiomas-instructions-{}", std::process::id()));
    let door = events.listen(&Address::Ipc(path.to_string_lossy().into())).expect("a socket");
    let url = AgentUrl::new(door, agent.aid());
    events.node.connect(Instant::now(), url, RetryLimit::Once, 0);

    let (mut target, mut started, mut ended) = (None, 0, 0);
    while ended < calls {
        events.turn(&[], None).expect("poll");
        while let Some(event) = events.node.poll_event() {
            match event {
                NodeEvent::Connected { remote, .. } => target = Some(Target::from(&remote)),
                NodeEvent::Answer { ctx, result, .. } => {
                    let value: u32 = result.expect("a result").decode().expect("a number");
                    assert_eq!(value, ctx % 100);
                    ended += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        let Some(target) = &target else { continue };
        let now = Instant::now();
        while started < calls && started - ended < IN_FLIGHT {
            let args = (started % 100,);
            let options = CallOptions::default();
            let call = events.node.call(now, target, "service", &args, &(), options, started);
            call.expect("the call is taken");
            started += 1;
        }
    }
}

/// Calls in flight of [`poll_round_trips`].
const IN_FLIGHT: u32 = 64;
