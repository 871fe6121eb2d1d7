//! The end of connections, servers, containers, handles and calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aiomas::Runtime;
use aiomas::{Error, agent};
use aiomas_core::agent::ContainerError;
use aiomas_core::connection::{Close, CloseReason};

use super::door::{Door, Gate};
use super::{Root, RootProxy, TCP, connect, serve, soon, start};

struct Gatekeeper {
    entered: Door,
    door: Door,
    finished: Arc<AtomicUsize>,
}

#[agent]
impl Gatekeeper {
    #[expose]
    async fn pass(&self) -> usize {
        self.entered.open();
        self.door.pass().await;
        self.finished.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Gatekeeper {
    fn new() -> (Self, Door, Door, Arc<AtomicUsize>) {
        let (entered, door, finished) = (Door::default(), Door::default(), Arc::default());
        let keeper =
            Self { entered: entered.clone(), door: door.clone(), finished: Arc::clone(&finished) };
        (keeper, entered, door, finished)
    }
}

/// Pending calls fail with the reason; the next one is rejected.
pub async fn the_peer_closes_its_side<R: Runtime>(runtime: R) {
    let mut listener =
        aiomas::channel::builder(runtime.clone()).listen(TCP).await.expect("a listener");
    let client = aiomas::channel::builder(runtime.clone()).connect(listener.address()).await;
    let client = client.expect("a connection");
    let peer = listener.accept().await.expect("a channel");
    let call = client.send::<()>("hello");
    let request = soon(&runtime, peer.recv()).await.expect("a request");
    peer.close_with(Close::Now);
    assert_eq!(soon(&runtime, peer.closed()).await, CloseReason::Local);
    assert!(matches!(soon(&runtime, call).await, Err(Error::Lost(_))));
    let _reason = soon(&runtime, client.closed()).await;
    assert!(matches!(client.send::<()>("hello").await, Err(Error::Refused(_))));
    assert!(client.recv().await.is_none());
    assert!(matches!(request.reply(&1), Err(Error::Refused(_))));
}

/// Pending calls are answered before the connection closes; new calls are rejected.
pub async fn shutdown_answers_what_was_called<R: Runtime>(runtime: R) {
    let (keeper, entered, door, finished) = Gatekeeper::new();
    let server = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("a listener");
    let agent = server.spawn(keeper).expect("room");
    let client = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("a listener");
    let remote: GatekeeperProxy = client.connect(agent.url()).await.expect("an existing agent");
    let call = remote.pass();
    soon(&runtime, entered.pass()).await;
    let stopping = server.clone();
    let ended = start(&runtime, async move { stopping.shutdown().await });
    // Once the container rejects agents, the shutdown has begun.
    while server.spawn(Gatekeeper::new().0).is_ok() {
        soon(&runtime, remote.as_ref().call("nothing").send::<()>()).await.expect_err("refused");
    }
    door.open();
    assert_eq!(soon(&runtime, call).await, Ok(1));
    soon(&runtime, ended).await.expect("a clean end");
    assert_eq!(finished.load(Ordering::SeqCst), 1);
    let late = soon(&runtime, remote.pass()).await;
    assert!(matches!(late, Err(Error::Lost(_) | Error::Refused(_))), "{late:?}");
    let spawned = server.spawn(Gatekeeper::new().0).map(drop);
    assert_eq!(spawned, Err(Error::Container(ContainerError::ShutDown)));
}

/// Methods that take longer than `drain` do not delay the shutdown.
pub async fn shutdown_waits_no_longer_than_it_should<R: Runtime>(runtime: R) {
    let (keeper, entered, _door, finished) = Gatekeeper::new();
    let server = aiomas::container::builder(runtime.clone()).drain(Duration::from_millis(20));
    let server = server.bind(TCP).await.expect("a listener");
    let agent = server.spawn(keeper).expect("room");
    let client = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("a listener");
    let remote: GatekeeperProxy = client.connect(agent.url()).await.expect("an existing agent");
    let call = remote.pass();
    soon(&runtime, entered.pass()).await;
    let begun = runtime.now();
    soon(&runtime, server.shutdown()).await.expect("a clean end");
    assert!(runtime.now() - begun >= Duration::from_millis(20));
    assert!(matches!(soon(&runtime, call).await, Err(Error::Lost(_))));
    assert_eq!(finished.load(Ordering::SeqCst), 0);
}

/// Without draining, callers receive the error at once; the method continues.
pub async fn shutdown_at_once_loses_what_was_called<R: Runtime>(runtime: R) {
    let (keeper, entered, door, finished) = Gatekeeper::new();
    let server = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("a listener");
    let agent = server.spawn(keeper).expect("room");
    let client = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("a listener");
    let remote: GatekeeperProxy = client.connect(agent.url()).await.expect("an existing agent");
    let call = remote.pass();
    soon(&runtime, entered.pass()).await;
    soon(&runtime, server.shutdown_with(Close::Now)).await.expect("a clean end");
    assert!(matches!(soon(&runtime, call).await, Err(Error::Lost(_))));
    assert_eq!((server.agent_count(), server.connection_count()), (0, 0));
    assert_eq!(finished.load(Ordering::SeqCst), 0);
    door.open();
    soon(&runtime, client.shutdown()).await.expect("a clean end");
}

/// The clients see the end of their connections.
pub async fn a_server_is_shut_down<R: Runtime>(runtime: R) {
    let server = serve(&runtime, TCP).await.expect("a listener");
    let client = connect(&runtime, &server).await.expect("a connection");
    assert_eq!(client.remote_as::<RootProxy>().add(1, 2).await, Ok(3));
    let stuck = client.remote_as::<RootProxy>().wait();
    // The answer to a later call shows that the earlier one has arrived.
    assert_eq!(client.remote_as::<RootProxy>().add(1, 2).await, Ok(3));
    soon(&runtime, server.shutdown_with(Close::Now)).await;
    assert!(matches!(soon(&runtime, stuck).await, Err(Error::Lost(_))));
    soon(&runtime, client.closed()).await;
}

/// With draining, pending calls of clients are answered first.
pub async fn a_server_answers_what_was_called<R: Runtime>(runtime: R) {
    let gate = Gate::default();
    let server = aiomas::rpc::builder(runtime.clone()).service(gate.clone());
    let server = server.listen(TCP).await.expect("a listener");
    let client = connect(&runtime, &server).await.expect("a connection");
    let call = client.remote().call("pass").send::<u32>();
    soon(&runtime, gate.entered.pass()).await;
    let ended = start(&runtime, server.shutdown());
    // Once the server rejects calls, the shutdown has begun.
    loop {
        let other = soon(&runtime, client.remote().call("nothing").send::<()>()).await;
        if other.expect_err("a failure").remote().is_none_or(|error| error.kind() != "LookupError")
        {
            break;
        }
    }
    gate.door.open();
    assert_eq!(soon(&runtime, call).await, Ok(42));
    soon(&runtime, ended).await;
    soon(&runtime, client.closed()).await;
}

/// The address is free as soon as the shutdown returns.
pub async fn an_address_is_free_after_shutdown<R: Runtime>(runtime: R) {
    for address in super::addresses() {
        let mut address = address;
        for _ in 0..3 {
            let container = aiomas::container::builder(runtime.clone()).bind(&address).await;
            let container = container.expect("the address is free");
            address = container.address().clone();
            soon(&runtime, container.shutdown()).await.expect("a clean end");
            let server = aiomas::rpc::builder(runtime.clone()).service(Root).listen(&address).await;
            soon(&runtime, server.expect("the address is free").shutdown()).await;
        }
    }
}
