//! The end of connections, servers, containers, handles and calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aiomas_core::agent::Refusal;
use aiomas_core::connection::{Close, CloseReason};
use aiomas_core::driver::{self, Runtime};
use aiomas_core::{Error, agent, service};

use super::{Root, RootProxy, TCP, connect, poll, serve, soon, start};

/// A door that is closed until it is opened, for handlers to wait at.
#[derive(Clone, Default)]
struct Door(Arc<std::sync::Mutex<(bool, Vec<std::task::Waker>)>>);

impl Door {
    fn open(&self) {
        let wakers = {
            let mut state = self.0.lock().expect("nobody panics");
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    async fn pass(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.0.lock().expect("nobody panics");
            if state.0 {
                return std::task::Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }
}

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

/// Its calls are lost, with the reason; the next one is refused.
pub async fn the_peer_closes_its_side<R: Runtime>(runtime: R) {
    let mut listener =
        driver::channel::builder(runtime.clone()).listen(TCP).await.expect("it listens");
    let client = driver::channel::builder(runtime.clone()).connect(listener.address()).await;
    let client = client.expect("it connects");
    let peer = listener.accept().await.expect("a channel");
    let call = client.send::<()>("hello");
    let request = soon(&runtime, peer.recv()).await.expect("a request");
    peer.close(Close::Now);
    assert_eq!(soon(&runtime, peer.closed()).await, CloseReason::Local);
    assert!(matches!(soon(&runtime, call).await, Err(Error::Lost(_))));
    let _reason = soon(&runtime, client.closed()).await;
    assert!(matches!(client.send::<()>("hello").await, Err(Error::Refused(_))));
    assert!(client.recv().await.is_none());
    assert!(matches!(request.reply(&1), Err(Error::Refused(_))));
}

/// What has been called is answered before the connection goes; what is called then is refused.
pub async fn shutdown_answers_what_was_called<R: Runtime>(runtime: R) {
    let (keeper, entered, door, finished) = Gatekeeper::new();
    let server = driver::container::builder(runtime.clone()).bind(TCP).await.expect("it listens");
    let agent = server.spawn(keeper).expect("room");
    let client = driver::container::builder(runtime.clone()).bind(TCP).await.expect("it listens");
    let remote: GatekeeperProxy = client.connect(agent.url()).await.expect("it is there");
    let call = remote.pass();
    soon(&runtime, entered.pass()).await;
    let stopping = server.clone();
    let ended = start(&runtime, async move { stopping.shutdown().await });
    // Once the container refuses agents, the shutdown has begun.
    while server.spawn(Gatekeeper::new().0).is_ok() {
        soon(&runtime, remote.as_ref().call("nothing").send::<()>()).await.expect_err("refused");
    }
    door.open();
    assert_eq!(soon(&runtime, call).await, Ok(1));
    soon(&runtime, ended).await.expect("it ends");
    assert_eq!(finished.load(Ordering::SeqCst), 1);
    let late = soon(&runtime, remote.pass()).await;
    assert!(matches!(late, Err(Error::Lost(_) | Error::Refused(_))), "{late:?}");
    let spawned = server.spawn(Gatekeeper::new().0).map(drop);
    assert_eq!(spawned, Err(Error::Container(Refusal::ShutDown)));
}

/// Without draining, callers are told at once; the method goes on.
pub async fn shutdown_at_once_loses_what_was_called<R: Runtime>(runtime: R) {
    let (keeper, entered, door, finished) = Gatekeeper::new();
    let server = driver::container::builder(runtime.clone()).bind(TCP).await.expect("it listens");
    let agent = server.spawn(keeper).expect("room");
    let client = driver::container::builder(runtime.clone()).bind(TCP).await.expect("it listens");
    let remote: GatekeeperProxy = client.connect(agent.url()).await.expect("it is there");
    let call = remote.pass();
    soon(&runtime, entered.pass()).await;
    soon(&runtime, server.shutdown_by(Close::Now)).await.expect("it ends");
    assert!(matches!(soon(&runtime, call).await, Err(Error::Lost(_))));
    assert_eq!((server.agents(), server.connections()), (0, 0));
    assert_eq!(finished.load(Ordering::SeqCst), 0);
    door.open();
    soon(&runtime, client.shutdown()).await.expect("it ends");
}

/// Its clients see the end of their connections.
pub async fn a_server_is_shut_down<R: Runtime>(runtime: R) {
    let server = serve(&runtime, TCP).await.expect("it listens");
    let client = connect(&runtime, &server).await.expect("it connects");
    assert_eq!(client.remote_as::<RootProxy>().add(1, 2).await, Ok(3));
    let stuck = client.remote_as::<RootProxy>().wait();
    // That a call has come is seen by the answer to a later one.
    assert_eq!(client.remote_as::<RootProxy>().add(1, 2).await, Ok(3));
    soon(&runtime, server.shutdown_by(Close::Now)).await;
    assert!(matches!(soon(&runtime, stuck).await, Err(Error::Lost(_))));
    soon(&runtime, client.closed()).await;
}

struct Guest(Arc<AtomicUsize>);

#[service]
impl Guest {
    #[expose]
    fn visit(&self) {}
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The last handle of a client closes its connection, whichever kind it is and in whatever order they go; and
/// what calls have started is answered before.
pub async fn handles_dropped_in_any_order<R: Runtime>(runtime: R) {
    let server = serve(&runtime, TCP).await.expect("it listens");
    for order in 0..6 {
        let dropped = Arc::<AtomicUsize>::default();
        let client = driver::rpc::builder(runtime.clone()).service(Guest(dropped.clone()));
        let client = client.connect(server.address()).await.expect("it connects");
        let mut handles: Vec<Option<Box<dyn std::any::Any + Send>>> = vec![
            Some(Box::new(client.clone())),
            Some(Box::new(client.remote())),
            Some(Box::new(client.remote_as::<RootProxy>())),
        ];
        let call = client.remote_as::<RootProxy>().add(order, 1);
        drop(client);
        let order = order as usize;
        let first = order / 2;
        let rest: Vec<_> = (0..3).filter(|other| *other != first).collect();
        for index in [first, rest[order % 2], rest[1 - order % 2]] {
            handles[index] = None;
        }
        assert_eq!(soon(&runtime, call).await, Ok(order as i64 + 1));
        // The server's end goes, and with it the client's service.
        while dropped.load(Ordering::SeqCst) == 0 || !server.clients().is_empty() {
            soon(&runtime, yield_now()).await;
        }
    }
    // A container goes with its last handle or agent.
    let container =
        driver::container::builder(runtime.clone()).bind(TCP).await.expect("it listens");
    let address = container.address().clone();
    let agent = container.spawn(Gatekeeper::new().0).expect("room");
    drop(container);
    let client = driver::container::builder(runtime.clone()).bind(TCP).await.expect("it listens");
    let _remote: GatekeeperProxy = client.connect(agent.url()).await.expect("it is there");
    drop(agent);
    loop {
        match driver::container::builder(runtime.clone()).bind(&address).await {
            Ok(again) => break soon(&runtime, again.shutdown()).await.expect("it ends"),
            Err(Error::Bind { .. }) => soon(&runtime, yield_now()).await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// Before it is polled, while it waits, when it is answered: its place is free, others go on.
pub async fn a_call_dropped_at_any_point<R: Runtime>(runtime: R) {
    let server = serve(&runtime, TCP).await.expect("it listens");
    let mut limits = aiomas_core::connection::Limits::default();
    limits.max_calls_out = 8;
    let client = driver::rpc::builder(runtime.clone()).limits(limits);
    let client = client.connect(server.address()).await.expect("it connects");
    let remote: RootProxy = client.remote_as();
    for polls in 0..200_i64 {
        let mut call = remote.add(polls, 1);
        let mut answer = None;
        for _ in 0..polls % 4 {
            match poll(&mut call) {
                std::task::Poll::Ready(result) => {
                    answer = Some(result);
                    break;
                }
                std::task::Poll::Pending => soon(&runtime, yield_now()).await,
            }
        }
        assert!(answer.is_none_or(|answer| answer == Ok(polls + 1)));
        drop(call);
        assert_eq!(soon(&runtime, remote.add(polls, 2)).await, Ok(polls + 2));
    }
    // Whoever was answered and never looked has left nothing behind either.
    let unread: Vec<_> = (0..8).map(|number| remote.add(number, 0)).collect();
    drop(unread);
    assert_eq!(soon(&runtime, remote.add(1, 1)).await, Ok(2));
}

/// As soon as shutdown says so.
pub async fn an_address_is_free_after_shutdown<R: Runtime>(runtime: R) {
    for address in super::addresses() {
        let mut address = address;
        for _ in 0..3 {
            let container = driver::container::builder(runtime.clone()).bind(&address).await;
            let container = container.expect("the address is free");
            address = container.address().clone();
            soon(&runtime, container.shutdown()).await.expect("it ends");
            let server = driver::rpc::builder(runtime.clone()).service(Root).listen(&address).await;
            soon(&runtime, server.expect("the address is free").shutdown()).await;
        }
    }
}
