//! Tasks that have waited leave no state.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use aiomas::manager::{Factories, Manager};
use aiomas::{Proxy, agent, service};
use aiomas::{
    Runtime,
    channel::{Channel, Request},
    reconnect::ConnectionState,
};
use aiomas_core::clock::Date;
use aiomas_core::connection::Negotiate;
use aiomas_core::wire::Codec;
use aiomas_sim::{Host, Link, Sim};

const LONG: Duration = Duration::from_secs(10_000);

struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// Tasks that have polled a future. A registered waker holds its task.
#[derive(Default)]
struct Tasks(Vec<Arc<Task>>);

impl Tasks {
    /// Polls a future in a task of its own.
    fn poll<F: Future>(&mut self, future: Pin<&mut F>) -> Poll<F::Output> {
        let task = Arc::new(Task);
        self.0.push(task.clone());
        future.poll(&mut Context::from_waker(&Waker::from(task)))
    }

    fn registered(&self) -> usize {
        self.0.iter().filter(|task| Arc::strong_count(task) > 1).count()
    }
}

/// Waits many times, each time in three tasks in turn. The last one is registered.
async fn leaves_nothing<F: Future>(host: &Host, what: &str, mut wait: impl FnMut() -> F) {
    let mut tasks = Tasks::default();
    for _ in 0..100 {
        let mut future = pin!(wait());
        for _ in 0..3 {
            assert!(tasks.poll(future.as_mut()).is_pending(), "{what}: the wait has ended");
            assert_eq!(tasks.registered(), 1, "{what}: tasks that have polled one future");
        }
    }
    host.sleep(Duration::from_millis(10)).await;
    assert_eq!(tasks.registered(), 0, "{what}: tasks that no longer wait");
}

struct Desk;

#[service]
impl Desk {
    #[expose]
    async fn stay(&self) {
        std::future::pending().await
    }
}

struct Clerk;

#[agent]
impl Clerk {
    #[expose]
    async fn stay(&mut self) {
        std::future::pending().await
    }
}

fn sim() -> Sim {
    Sim::builder(1).link(Link::new().latency(Duration::from_millis(1))).build()
}

/// Returns a client's channel, a server's, and a request the server has received.
async fn asked(sim: &Sim, negotiate: Negotiate) -> (Channel, Channel, Request) {
    let (server, client) = (sim.host("server"), sim.host("client"));
    let mut listener = server.channel().listen("tcp://server:0").await.expect("a free port");
    let builder = client.channel().negotiate(negotiate);
    let ours = builder.connect(listener.address().clone()).await.expect("a listener");
    let theirs = listener.accept().await.expect("a channel");
    // Hello is complete.
    let call = ours.send::<u8>(&1);
    theirs.recv().await.expect("a request").reply(&1).expect("open");
    assert_eq!(call.await, Ok(1));
    let call = ours.send::<u8>(&2);
    let request = theirs.recv().await.expect("a request");
    // The caller waits while the channel is open.
    client.spawn(async move { drop(call.await) });
    (ours, theirs, request)
}

/// With and without the extension for cancellation.
#[test]
fn channels_and_their_requests() {
    for negotiate in [
        Negotiate::Fixed(Codec::Json),
        Negotiate::Hello { base: Codec::Json, offer: vec![Codec::MsgPack] },
    ] {
        let sim = sim();
        sim.block_on(async {
            let host = sim.host("server");
            let (ours, theirs, request) = asked(&sim, negotiate).await;
            let peer = ours.peer();
            leaves_nothing(&host, "Channel::closed", || theirs.closed()).await;
            leaves_nothing(&host, "Peer::closed", || peer.closed()).await;
            leaves_nothing(&host, "Channel::recv", || theirs.recv()).await;
            leaves_nothing(&host, "Request::cancelled", || request.cancelled()).await;
            leaves_nothing(&host, "Call", || ours.send::<u8>(&3)).await;
        });
    }
}

/// Each request is answered, after its task has waited for its cancellation.
#[test]
fn requests_that_are_answered() {
    let sim = sim();
    sim.block_on(async {
        let hello = Negotiate::Hello { base: Codec::Json, offer: vec![Codec::MsgPack] };
        let (ours, theirs, _request) = asked(&sim, hello).await;
        let mut tasks = Tasks::default();
        for number in 0..10_000 {
            let call = ours.send::<u32>(&number);
            let request = theirs.recv().await.expect("a request");
            {
                let (cancelled, closed) = (pin!(request.cancelled()), pin!(theirs.closed()));
                assert!(tasks.poll(cancelled).is_pending());
                assert!(tasks.poll(closed).is_pending());
            }
            request.reply(&number).expect("open");
            assert_eq!(call.await, Ok(number));
        }
        assert_eq!(tasks.registered(), 0);
    });
}

#[test]
fn rpc_clients_and_lines() {
    let sim = sim();
    sim.block_on(async {
        let (host, town) = (sim.host("server"), sim.host("client"));
        let server = host.rpc().service(Desk).listen("tcp://server:0").await.expect("a free port");
        let address = server.address().clone();
        let client = town.rpc().connect(address.clone()).await.expect("a listener");
        let stay = |proxy: &Proxy| proxy.call("stay").send::<()>();
        leaves_nothing(&host, "RpcClient::closed", || client.closed()).await;
        leaves_nothing(&host, "Call", || stay(&client.remote())).await;

        let narrow = town.rpc().config(|config| config.limits.max_calls_out = 1);
        let narrow = narrow.connect(address.clone()).await.expect("a listener");
        let _only = stay(&narrow.remote());
        leaves_nothing(&host, "Call without room", || stay(&narrow.remote())).await;

        let builder = town.rpc().reconnect(LONG);
        let reconnecting = builder.connect(address).await.expect("a listener");
        let line = reconnecting.remote().reconnecting().expect("a reconnecting proxy");
        leaves_nothing(&host, "Line::changed", || line.changed(ConnectionState::Connected)).await;
        leaves_nothing(&host, "Call over a line", || stay(&reconnecting.remote())).await;
        server.shutdown().await;
        town.sleep(Duration::from_millis(10)).await;
        assert_eq!(line.state(), ConnectionState::Lost);
        leaves_nothing(&host, "Line::changed, lost", || line.changed(ConnectionState::Lost)).await;
        leaves_nothing(&host, "Call without a connection", || stay(&reconnecting.remote())).await;
        assert!(matches!(line.state(), ConnectionState::Dialling { .. }));
        let state = line.state();
        leaves_nothing(&host, "Line::changed, dialling", || line.changed(state)).await;
    });
}

#[test]
fn containers_and_clocks() {
    let sim = sim();
    sim.block_on(async {
        let (host, town) = (sim.host("server"), sim.host("client"));
        let builder = host.container().external_clock(Date::MIN, 0.0);
        let container = builder.bind("tcp://server:0").await.expect("a free port");
        let near = container.spawn(Clerk).expect("room");
        let other = town.container().bind("tcp://client:0").await.expect("a free port");
        let far: Proxy = other.connect(near.url()).await.expect("an existing agent");
        let proxy: Proxy = near.connect(near.url()).await.expect("a local agent");
        let stay = |proxy: &Proxy| proxy.call("stay").send::<()>();
        let busy = stay(&far);
        host.sleep(Duration::from_millis(10)).await;
        leaves_nothing(&host, "Call of a busy agent", || stay(&far)).await;
        leaves_nothing(&host, "local Call of a busy agent", || stay(&proxy)).await;
        leaves_nothing(&host, "Clock::sleep, external", || container.clock().sleep(1e6)).await;
        leaves_nothing(&host, "Clock::sleep, real", || other.clock().sleep(1e6)).await;
        leaves_nothing(&host, "Container::connect", || {
            other.connect::<Proxy>("tcp://nowhere:1/0").within(LONG)
        })
        .await;

        let manager = Manager::new(Factories::new());
        leaves_nothing(&host, "Manager::stopped", || manager.stopped()).await;
        let stopped = manager.stopped();
        leaves_nothing(&host, "Stopped, cloned", || stopped.clone()).await;
        leaves_nothing(&host, "Container::shutdown", || container.shutdown()).await;
        drop(busy);
    });
}
