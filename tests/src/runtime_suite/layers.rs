//! The basic functions of each layer.

use std::collections::HashSet;

use aiomas::Runtime;
use aiomas::{Context, Error, agent, service};
use aiomas_core::agent::Address;
use aiomas_core::wire::{Codec, RemoteError};

use super::{Root, RootProxy, TCP, addresses, oneshot, soon, start};

const CODECS: [Codec; 3] = [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc];

/// Returns each codec with an address of each kind.
fn ways() -> impl Iterator<Item = (Address, Codec)> {
    CODECS.into_iter().flat_map(|codec| addresses().map(|address| (address, codec)))
}

/// Tests requests in both directions, with and without success.
pub async fn channels_over_every_transport<R: Runtime>(runtime: R) {
    for (address, codec) in ways() {
        let listening = aiomas::channel::builder(runtime.clone()).listen(address).await;
        let mut listener = listening.expect("a listener");
        let address = listener.address().clone();
        let server = start(&runtime, async move {
            let channel = listener.accept().await?;
            let request = channel.recv().await.expect("a request");
            let text: String = request.content()?;
            let answer: String = channel.send(&format!("{text}?")).await?;
            request.reply(&answer)?;
            let request = channel.recv().await.expect("another request");
            assert!(matches!(request.content::<u32>(), Err(Error::Content(_))));
            request.fail(RemoteError::value_error("no"))?;
            assert!(channel.recv().await.is_none());
            Ok::<_, Error>(())
        });
        let client = aiomas::channel::builder(runtime.clone()).codec(codec);
        let client = client.connect(address).await.expect("a connection");
        let call = client.send::<String>("ohai");
        let request = soon(&runtime, client.recv()).await.expect("a request");
        assert_eq!(request.content::<String>().expect("a text"), "ohai?");
        request.reply("cya").expect("a sent answer");
        assert_eq!(soon(&runtime, call).await.expect("an answer"), "cya");
        let error = client.send::<()>("again").await.expect_err("a failure");
        assert_eq!(error, Error::Remote(RemoteError::value_error("no")));
        drop(client);
        soon(&runtime, server).await.expect("the server succeeds");
    }
}

/// Tests typed and dynamic calls.
pub async fn rpc_over_every_transport<R: Runtime>(runtime: R) {
    for (address, codec) in ways() {
        let server = aiomas::rpc::builder(runtime.clone()).service(Root).listen(address).await;
        let server = server.expect("a listener");
        let client = aiomas::rpc::builder(runtime.clone()).codec(codec);
        let client = client.connect(server.address()).await.expect("a connection");
        let remote: RootProxy = client.remote_as();
        assert_eq!(remote.add(3, 4).await, Ok(7));
        assert_eq!(remote.echo("äöü".into()).await, Ok("äöü".into()));
        let error = remote.fail("oh no".into()).await.expect_err("a failure");
        assert_eq!(error.remote().map(RemoteError::message), Some("oh no"));
        let call = client.remote().call("add").arg(1).kwarg("b", 2).send::<i64>();
        assert_eq!(call.await, Ok(3));
        let error = client.remote().call("add").arg(1).send::<i64>().await.expect_err("a failure");
        assert_eq!(error.remote().map(RemoteError::kind), Some("TypeError"));
        drop((remote, client));
        soon(&runtime, server.shutdown()).await;
    }
}

struct Echo;

#[agent]
impl Echo {
    #[expose]
    fn echo(&self, value: i64) -> i64 {
        value
    }

    #[expose]
    async fn ask(&self, other: EchoProxy, value: i64) -> Result<i64, Error> {
        other.echo(value).await
    }

    #[expose]
    async fn introduce(&self, #[context] ctx: &Context, other: EchoProxy) -> Result<i64, Error> {
        other.ask(ctx.agent()?.into(), 5).await
    }
}

/// Tests agents in two containers and in one.
pub async fn agents_over_every_transport<R: Runtime>(runtime: R) {
    for ((one, codec), (other, _)) in ways().zip(ways()) {
        let builder = aiomas::container::builder(runtime.clone()).codec(codec);
        let one = builder.clone().bind(one).await.expect("a listener");
        let other = builder.bind(other).await.expect("a listener");
        let a = one.spawn(Echo).expect("room");
        let b = one.spawn(Echo).expect("room");
        let c = other.spawn(Echo).expect("room");
        assert_eq!(a.to_string(), format!("Echo('{}/0')", one.address()));
        for url in [b.url(), c.url()] {
            let remote: EchoProxy =
                soon(&runtime, a.connect(url)).await.expect("an existing agent");
            assert_eq!(remote.to_string(), format!("EchoProxy('{url}')"));
            assert_eq!(remote.echo(1).await, Ok(1));
            // The callback uses the same connection, or stays within the container.
            assert_eq!(soon(&runtime, remote.ask(a.proxy(), 2)).await, Ok(2));
            assert_eq!(soon(&runtime, remote.introduce(a.proxy())).await, Ok(5));
        }
        assert_eq!((one.connection_count(), other.connection_count()), (1, 1));
        soon(&runtime, one.shutdown()).await.expect("a clean end");
        soon(&runtime, other.shutdown()).await.expect("a clean end");
    }
}

struct Keeper {
    kept: std::sync::Mutex<Vec<ListenerProxy>>,
}

#[service]
impl Keeper {
    #[expose]
    async fn keep(&self, listener: ListenerProxy) -> Result<i64, Error> {
        let number = listener.number().await?;
        self.kept.lock().expect("no panic under the lock").push(listener);
        Ok(number)
    }

    /// Calls all references kept before.
    #[expose]
    async fn sum(&self) -> Result<i64, Error> {
        let kept = self.kept.lock().expect("no panic under the lock").clone();
        let mut sum = 0;
        for listener in kept {
            sum += listener.number().await?;
        }
        Ok(sum)
    }

    #[expose]
    async fn ask_back(&self, #[context] ctx: &Context) -> Result<i64, Error> {
        ctx.remote().get("listener").call("number").send().await
    }
}

struct Listener;

#[service]
impl Listener {
    #[expose]
    fn number(&self) -> i64 {
        21
    }
}

struct Client;

#[service]
impl Client {
    #[service]
    fn listener(&self) -> Listener {
        Listener
    }
}

/// References can be called during the call and after it. A server can call clients on its own.
pub async fn proxies_go_both_ways_and_last<R: Runtime>(runtime: R) {
    let (connected, client_handle) = oneshot();
    let connected = std::sync::Mutex::new(Some(connected));
    let keeper = Keeper { kept: Vec::new().into() };
    let server = aiomas::rpc::builder(runtime.clone())
        .service(keeper)
        .on_connect(move |client| {
            if let Some(send) = connected.lock().expect("no panic under the lock").take() {
                send(client);
            }
        })
        .listen(TCP)
        .await
        .expect("a listener");
    let client = aiomas::rpc::builder(runtime.clone()).service(Client);
    let client = client.connect(server.address()).await.expect("a connection");
    let keeper: KeeperProxy = client.remote_as();
    let own =
        || ListenerProxy::from(aiomas::Proxy::from(aiomas_core::rpc::ServiceRef::new("listener")));
    assert_eq!(soon(&runtime, keeper.keep(own())).await, Ok(21));
    assert_eq!(soon(&runtime, keeper.keep(own())).await, Ok(21));
    assert_eq!(soon(&runtime, keeper.sum()).await, Ok(42));
    assert_eq!(soon(&runtime, keeper.ask_back()).await, Ok(21));
    let client_handle = soon(&runtime, client_handle).await;
    let remote: ClientProxy = client_handle.remote_as();
    assert_eq!(soon(&runtime, remote.listener().number()).await, Ok(21));
    assert!(matches!(own().number().await, Err(Error::NoTarget { .. })));
    // A peer's reference cannot be passed on.
    let error = keeper.keep(ListenerProxy::from(client.remote())).await.expect_err("refused");
    assert!(
        matches!(error, Error::Refused(aiomas_core::connection::CallRejected::Codec(_))),
        "{error}"
    );
    assert!(error.to_string().contains("send its URL (`AgentUrl`)"), "{error}");
}

/// Proxies can be compared, hashed, kept and printed.
#[expect(clippy::mutable_key_type, reason = "they are hashed by what does not change")]
pub async fn proxies_are_values<R: Runtime>(runtime: R) {
    let server = super::serve(&runtime, TCP).await.expect("a listener");
    let client = super::connect(&runtime, &server).await.expect("a connection");
    let other = super::connect(&runtime, &server).await.expect("a connection");
    let all = HashSet::from([
        client.remote(),
        client.remote().clone(),
        client.remote().get("a").get("b"),
        client.remote().get("a/b"),
        other.remote(),
    ]);
    assert_eq!(all.len(), 3);
    assert_eq!(client.remote_as::<RootProxy>(), client.remote().into());
    let printed = client.remote_as::<RootProxy>().to_string();
    assert_eq!(printed, format!("RootProxy('{}/')", server.address()));
}
