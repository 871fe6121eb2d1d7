//! Dialling peers that are missing, late, or gone.

use std::collections::HashMap;
use std::time::Duration;

use aiomas::{
    Container, Runtime,
    reconnect::{ConnectionState, RetryPolicy},
};
use aiomas::{Error, Proxy, agent};
use aiomas_core::agent::{Address, ConnectError, RetryLimit};
use aiomas_core::connection::{CallRejected, Close};

use super::{Root, RootProxy, TCP, ipc, local, serve, soon, start};

struct Late;

#[agent]
impl Late {
    #[expose]
    fn here(&self) -> bool {
        true
    }
}

/// Returns a container with short delays between attempts.
async fn hasty<R: Runtime>(runtime: &R) -> Container {
    let builder = aiomas::container::builder(runtime.clone()).container_config(|config| {
        config.backoff.first = Duration::from_millis(5);
        config.backoff.max = Duration::from_millis(20);
    });
    builder.bind(TCP).await.expect("a listener")
}

/// Each kind of patience determines the time of the error. Without patience the error comes at
/// once; with a time limit, at its end; otherwise, when the container ends.
pub async fn no_listener<R: Runtime>(runtime: R) {
    for address in [ipc(), local()] {
        no_agent_is_found(&runtime, &address).await;
    }
    let container = hasty(&runtime).await;
    for bad in ["tcp://127.0.0.1/0", "http://127.0.0.1:80/0", "tcp://127.0.0.1:80"] {
        assert!(matches!(container.connect::<LateProxy>(bad).await, Err(Error::Url(_))), "{bad}");
    }
}

/// Dials with every kind of patience.
pub(super) async fn no_agent_is_found<R: Runtime>(runtime: &R, address: &Address) {
    let says = |error: &Error| {
        let text = error.to_string();
        assert!(text.contains(&address.to_string()) && text.contains("no listener"), "{text}");
    };
    let channel = aiomas::channel::builder(runtime.clone()).connect(address);
    let error = soon(runtime, channel).await.expect_err("no listener");
    assert!(matches!(error, Error::Dial { .. }), "{error:?}");
    says(&error);
    let client = aiomas::rpc::builder(runtime.clone()).connect(address);
    let error = soon(runtime, client).await.expect_err("no listener");
    assert!(matches!(error, Error::Dial { .. }), "{error:?}");
    says(&error);

    let attempts = |result: Result<LateProxy, Error>| {
        let error = result.expect_err("no listener");
        says(&error);
        match error {
            Error::Connect(ConnectError::Unreachable { attempts, .. }) => attempts,
            error => panic!("{error:?}"),
        }
    };
    let container = hasty(runtime).await;
    let url = format!("{address}/0");
    let once = container.connect(&url).retry(RetryLimit::Once);
    assert_eq!(attempts(soon(runtime, once).await), 1);
    let no_time = container.connect(&url).retry(RetryLimit::Within(Duration::ZERO));
    let error = soon(runtime, no_time).await.map(|_: LateProxy| ()).expect_err("no listener");
    assert!(matches!(error, Error::Connect(_)), "{error:?}");
    // On a busy machine, a short time may pass with one attempt, or end during another one.
    let mut time = Duration::from_millis(50);
    loop {
        let begun = runtime.now();
        let until = container.connect::<LateProxy>(&url).retry(RetryLimit::Within(time));
        let found = soon(runtime, until).await;
        assert!(runtime.now() - begun >= time, "patience was not over");
        let under_way = matches!(found, Err(Error::Connect(ConnectError::TimedOut { .. })));
        if !under_way && attempts(found) > 1 {
            break;
        }
        time *= 2;
        assert!(time < super::LONG, "only one attempt");
    }
    let forever = container.connect::<LateProxy>(&url).retry(RetryLimit::Forever);
    let forever = start(runtime, forever);
    // Its attempts continue while other dials come and go.
    assert!(attempts(soon(runtime, container.connect(&url)).await) >= 1);
    soon(runtime, container.shutdown()).await.expect("a clean end");
    let refused = soon(runtime, forever).await.map(drop);
    assert!(matches!(refused, Err(Error::Connect(ConnectError::Refused(_)))), "{refused:?}");
}

/// Dials with patience find it.
pub async fn a_listener_starts_late<R: Runtime>(runtime: R) {
    for address in [ipc(), local()] {
        for patience in PATIENT {
            found_late(&runtime, &address, patience, || ()).await;
        }
    }
}

/// Clients without a container, of both kinds, find it with patience, and fail without.
pub async fn a_server_starts_late<R: Runtime>(runtime: R) {
    for patience in PATIENT {
        let address = ipc();
        let rpc = || aiomas::rpc::builder(runtime.clone());
        let channel = || aiomas::channel::builder(runtime.clone());
        let client = start(&runtime, rpc().retry(patience).connect(address.clone()));
        let end = start(&runtime, channel().retry(patience).connect(address.clone()));
        // Their first attempts have failed by then.
        super::pause(&runtime).await;
        for _ in 0..2 {
            let error = soon(&runtime, rpc().connect(&address)).await.expect_err("no listener");
            assert!(matches!(error, Error::Dial { .. }), "{error:?}");
        }
        let time = Duration::from_millis(30);
        let begun = runtime.now();
        let brief = channel().retry(RetryLimit::Within(time)).connect(&address);
        let error = soon(&runtime, brief).await.expect_err("no listener");
        assert!(matches!(error, Error::Dial { .. }), "{error:?}");
        assert!(runtime.now() - begun >= time, "patience was not over");
        let server = rpc().service(Root).listen(&address).await.expect("a free address");
        let client = soon(&runtime, client).await.expect("present");
        assert_eq!(soon(&runtime, client.remote_as::<RootProxy>().add(1, 2)).await, Ok(3));
        let end = soon(&runtime, end).await.expect("present");
        assert_eq!(
            soon(&runtime, end.send::<i64>(&("add", (3, 4), HashMap::<(), ()>::new()))).await,
            Ok(7)
        );
        soon(&runtime, server.shutdown()).await;
    }
}

/// Policies that wait long enough.
pub(super) const PATIENT: [RetryLimit; 2] = [RetryLimit::Forever, RetryLimit::Within(super::LONG)];

/// Dials before the listener exists; `make_way` makes it possible.
pub(super) async fn found_late<R: Runtime>(
    runtime: &R,
    address: &Address,
    patience: RetryLimit,
    make_way: impl FnOnce(),
) {
    let container = hasty(runtime).await;
    let url = format!("{address}/0");
    let search = || container.connect::<LateProxy>(&url).retry(patience);
    let begun = start(runtime, search());
    // At least one attempt has failed by then.
    soon(runtime, container.connect::<LateProxy>(&url)).await.expect_err("no listener");
    make_way();
    let late = aiomas::container::builder(runtime.clone()).bind(address).await;
    let late = late.expect("the address is still free");
    late.spawn(Late).expect("room");
    let remote = match soon(runtime, begun).await {
        // The container was asked before the agent was there.
        Err(Error::Connect(ConnectError::NoSuchAgent { .. })) => soon(runtime, search()).await,
        found => found,
    };
    let remote = remote.expect("present");
    assert_eq!(soon(runtime, remote.here()).await, Ok(true));
    soon(runtime, late.shutdown()).await.expect("a clean end");
}

/// After a lost connection, the next dial opens a new one. A reconnecting proxy does so by itself.
pub async fn a_connection_comes_back<R: Runtime>(runtime: R) {
    let container = hasty(&runtime).await;
    let mut address = TCP.parse().expect("an address");
    let mut line: Option<LateProxy> = None;
    for _ in 0..3 {
        let home = aiomas::container::builder(runtime.clone()).bind(&address).await;
        let home = home.expect("the address is free");
        address = home.address().clone();
        let agent = home.spawn(Late).expect("room");
        let search = || container.connect::<LateProxy>(agent.url()).within(super::LONG);
        let remote = soon(&runtime, search()).await.expect("an existing agent");
        let comes_back = match line.take() {
            Some(line) => line,
            None => {
                soon(&runtime, search().reconnect(super::LONG)).await.expect("an existing agent")
            }
        };
        assert_eq!(soon(&runtime, remote.here()).await, Ok(true));
        assert_eq!(soon(&runtime, comes_back.here()).await, Ok(true));
        drop(agent);
        soon(&runtime, home.shutdown()).await.expect("a clean end");
        let lost = soon(&runtime, remote.here()).await;
        assert!(matches!(lost, Err(Error::Lost(_) | Error::Refused(_))), "{lost:?}");
        let watched = Proxy::from(comes_back.clone()).reconnecting().expect("a reconnecting proxy");
        if watched.state() == ConnectionState::Connected {
            soon(&runtime, watched.changed(ConnectionState::Connected)).await;
        }
        assert_eq!(watched.state(), ConnectionState::Lost);
        line = Some(comes_back);
    }
    // The connection gives up, and dials again on the next call.
    let lost = line.expect("three times");
    let after = Duration::from_millis(20);
    let late = soon(&runtime, lost.with_timeout(after).here()).await;
    assert_eq!(late, Err(Error::TimedOut { after, sent: false }));
    soon(&runtime, container.shutdown()).await.expect("a clean end");
    let refused = soon(&runtime, lost.here()).await;
    assert!(matches!(refused, Err(Error::Connect(ConnectError::Refused(_)))), "{refused:?}");
}

/// A reconnecting RPC client finds its server again, and sends queued calls in order. It gives up
/// in time.
pub async fn a_client_comes_back<R: Runtime>(runtime: R) {
    for address in [TCP.parse().expect("an address"), ipc(), local()] {
        let server = serve(&runtime, &address.to_string()).await.expect("a free address");
        let address = server.address().clone();
        let mut reconnect = RetryPolicy::from(super::LONG);
        (reconnect.backoff.first, reconnect.backoff.max) =
            (Duration::from_millis(5), Duration::from_millis(20));
        let builder = aiomas::rpc::builder(runtime.clone());
        let client = soon(&runtime, builder.reconnect(reconnect).connect(&address)).await;
        let client = client.expect("a listener");
        let root: RootProxy = client.remote_as();
        assert_eq!(soon(&runtime, root.add(1, 2)).await, Ok(3));
        let waits = root.wait();
        // The call runs, since the next one is answered.
        assert_eq!(soon(&runtime, root.add(1, 2)).await, Ok(3));
        soon(&runtime, server.shutdown_with(Close::Now)).await;
        let lost = soon(&runtime, waits).await;
        assert!(matches!(lost, Err(Error::Lost(_))), "{lost:?}");
        let calls: Vec<_> = (0..10).map(|number| root.add(number, 1)).collect();
        let server = serve(&runtime, &address.to_string()).await.expect("a free address");
        for (number, call) in (0..10).zip(calls) {
            assert_eq!(soon(&runtime, call).await, Ok(number + 1));
        }
        soon(&runtime, server.shutdown_with(Close::Now)).await;
        client.close_with(Close::Now);
        let closed = soon(&runtime, root.add(1, 2)).await;
        assert_eq!(closed, Err(Error::Refused(CallRejected::Closed)));
    }
}
