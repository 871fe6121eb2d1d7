//! Handlers that fail in unusual ways.

use aiomas::Runtime;
use aiomas::{Error, agent};
use aiomas_core::wire::RemoteError;

use super::{RootProxy, TCP, connect, serve, soon, yield_now};

/// A panic fails the call; its connection and other calls continue.
pub async fn a_handler_panics<R: Runtime>(runtime: R) {
    let server = serve(&runtime, TCP).await.expect("a listener");
    let client = connect(&runtime, &server).await.expect("a connection");
    let remote: RootProxy = client.remote_as();
    let other = remote.wait();
    for call in [remote.panic(), remote.panic_later()] {
        let error = soon(&runtime, call).await.expect_err("a failure");
        let error = error.remote().expect("the peer's");
        assert_eq!(error.kind(), "Panic");
        assert!(error.message().starts_with("on purpose"), "{error}");
        assert_eq!(soon(&runtime, remote.add(1, 1)).await, Ok(2));
    }
    drop(other);
}

#[derive(Default)]
struct Clumsy {
    times: u32,
}

#[agent]
impl Clumsy {
    #[expose]
    fn stumble(&mut self) -> u32 {
        self.times += 1;
        panic!("on purpose, {}", self.times);
    }

    #[expose]
    async fn stumble_later(&mut self) -> u32 {
        self.times += 1;
        yield_now().await;
        panic!("on purpose, {}", self.times);
    }

    #[expose]
    fn times(&self) -> u32 {
        self.times
    }
}

/// The agent continues in its current state, for remote and local callers.
pub async fn an_agent_panics<R: Runtime>(runtime: R) {
    let home = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let agent = home.spawn(Clumsy::default()).expect("room");
    let other = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let remote: ClumsyProxy = soon(&runtime, other.connect(agent.url())).await.expect("there");
    let mut times = 0;
    for proxy in [remote, agent.proxy()] {
        for call in [proxy.stumble(), proxy.stumble_later()] {
            let error = soon(&runtime, call).await.expect_err("a failure");
            times += 1;
            let error = error.remote().expect("the agent's");
            let text = format!("on purpose, {times}");
            assert_eq!((error.kind(), error.message()), ("Panic", text.as_str()));
        }
        assert_eq!(soon(&runtime, proxy.times()).await, Ok(times));
    }
}

/// The caller receives a failure.
pub async fn a_request_is_dropped<R: Runtime>(runtime: R) {
    let mut listener =
        aiomas::channel::builder(runtime.clone()).listen(TCP).await.expect("a listener");
    let client = aiomas::channel::builder(runtime.clone()).connect(listener.address()).await;
    let client = client.expect("a connection");
    let peer = listener.accept().await.expect("a channel");
    let (taken, not_taken) = (client.send::<()>(&1), client.send::<()>(&2));
    drop(soon(&runtime, peer.recv()).await.expect("a request"));
    let error = soon(&runtime, taken).await.expect_err("a failure");
    assert_eq!(error.remote().map(RemoteError::message), Some("the request was dropped"));
    // The caller also receives one if the last handle is dropped before the request is taken.
    drop(peer);
    let error = soon(&runtime, not_taken).await.expect_err("a failure");
    assert!(matches!(error, Error::Remote(_) | Error::Lost(_)), "{error:?}");
}
