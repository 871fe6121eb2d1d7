//! Handles and futures dropped in every order and at any point.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aiomas::Runtime;
use aiomas::{Error, agent, service};
use aiomas_core::agent::RetryLimit;

use super::door::Gate;
use super::{RootProxy, TCP, local, pause, poll, serve, soon, until, yield_now};

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

/// Dropping the last handle of a client closes its connection. Kind and order do not matter.
/// Started calls are answered before.
pub async fn handles_dropped_in_any_order<R: Runtime>(runtime: R) {
    let server = serve(&runtime, TCP).await.expect("a listener");
    for order in 0..6 {
        let dropped = Arc::<AtomicUsize>::default();
        let client = aiomas::rpc::builder(runtime.clone()).service(Guest(dropped.clone()));
        let client = client.connect(server.address()).await.expect("a connection");
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
        // The server's end closes, and the client's service is dropped.
        until(&runtime, || dropped.load(Ordering::SeqCst) == 1 && server.clients().is_empty())
            .await;
    }
}

struct Lodger {
    gate: Gate,
    dropped: Arc<AtomicUsize>,
}

#[agent]
impl Lodger {
    #[expose]
    async fn knock(&self) {
        self.gate.entered.open();
        self.gate.door.pass().await;
    }
}

impl Drop for Lodger {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns all permutations of `count` items.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let insert = |order: Vec<usize>| {
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, last);
            order
        })
    };
    orders(last).into_iter().flat_map(insert).collect()
}

/// Dropping the last handle and agent of a container ends it and drops its contents. Proxies do not
/// keep it alive. Started calls are answered before.
pub async fn containers_dropped_in_any_order<R: Runtime>(runtime: R) {
    for (number, order) in orders(5).into_iter().enumerate() {
        let builder = aiomas::container::builder(runtime.clone());
        let (gate, dropped) = (Gate::default(), Arc::<AtomicUsize>::default());
        let home = builder.clone().bind(TCP).await.expect("a listener");
        let visitor = builder.bind(TCP).await.expect("a listener");
        let address = home.address().clone();
        let agent = home.spawn(Lodger { gate: gate.clone(), dropped: dropped.clone() });
        let agent = agent.expect("room");
        let remote: LodgerProxy =
            soon(&runtime, visitor.connect(agent.url())).await.expect("there");
        let local = agent.proxy();
        // Every other time without a call.
        let call = (number % 2 == 0).then(|| remote.knock());
        if call.is_some() {
            soon(&runtime, gate.entered.pass()).await;
        }
        let mut handles: [Option<Box<dyn std::any::Any + Send>>; 5] = [
            Some(Box::new(home)),
            Some(Box::new(agent)),
            Some(Box::new(visitor)),
            Some(Box::new(remote)),
            Some(Box::new(local)),
        ];
        for index in &order {
            if handles[..2].iter().any(Option::is_some) {
                assert_eq!(dropped.load(Ordering::SeqCst), 0, "{order:?}");
            }
            handles[*index] = None;
        }
        gate.door.open();
        if let Some(call) = call {
            assert_eq!(soon(&runtime, call).await, Ok(()), "{order:?}");
        }
        until(&runtime, || dropped.load(Ordering::SeqCst) == 1).await;
        // The address is free afterwards.
        let listens = || aiomas::channel::builder(runtime.clone()).listen(&address);
        soon(&runtime, async {
            while let Err(error) = listens().await {
                assert!(matches!(error, Error::Bind { .. }), "{error}");
                pause(&runtime).await;
            }
        })
        .await;
    }
}

/// Calls are dropped before the first poll, while waiting, and once answered. Its slot is released,
/// and other calls proceed.
pub async fn a_call_dropped_at_any_point<R: Runtime>(runtime: R) {
    let server = serve(&runtime, TCP).await.expect("a listener");
    let mut limits = aiomas_core::connection::Limits::default();
    limits.max_calls_out = 8;
    let client = aiomas::rpc::builder(runtime.clone()).limits(limits);
    let client = client.connect(server.address()).await.expect("a connection");
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
    // An unread answer leaves no state either.
    let unread: Vec<_> = (0..8).map(|number| remote.add(number, 0)).collect();
    drop(unread);
    assert_eq!(soon(&runtime, remote.add(1, 1)).await, Ok(2));
}

/// Dropping a wait loses nothing.
pub async fn waits_dropped_at_any_point<R: Runtime>(runtime: R) {
    let mut listener =
        aiomas::channel::builder(runtime.clone()).listen(TCP).await.expect("a listener");
    assert!(poll(&mut pin!(listener.accept())).is_pending());
    let address = listener.address().clone();
    let client = aiomas::channel::builder(runtime.clone()).connect(&address).await;
    let client = client.expect("a connection");
    let peer = soon(&runtime, listener.accept()).await.expect("a channel");
    assert!(poll(&mut pin!(peer.recv())).is_pending());
    assert!(poll(&mut pin!(peer.closed())).is_pending());
    let call = client.send::<u32>(&20);
    let request = soon(&runtime, peer.recv()).await.expect("a request");
    request.reply(&22).expect("a sent answer");
    assert_eq!(soon(&runtime, call).await, Ok(22));

    // An endless search, and a shutdown that continues by itself.
    let container = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let url = format!("{}/0", local());
    let mut search = container.connect::<LodgerProxy>(&url).retry(RetryLimit::Forever);
    assert!(poll(&mut search).is_pending());
    drop(search);
    let dropped = Arc::<AtomicUsize>::default();
    let lodger = Lodger { gate: Gate::default(), dropped: dropped.clone() };
    let _agent = container.spawn(lodger).expect("room");
    let _polled = poll(&mut pin!(container.shutdown())).map(drop);
    until(&runtime, || dropped.load(Ordering::SeqCst) == 1).await;
    soon(&runtime, container.shutdown()).await.expect("a clean end");
}
