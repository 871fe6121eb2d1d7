//! Custom codecs.

use super::{Root, RootProxy, addresses, ipc, soon, start};
use crate::codecs::BACKWARDS;
use aiomas::Runtime;
use aiomas::{Error, agent};
use aiomas_core::connection::CloseReason;

struct Parrot;

#[agent]
impl Parrot {
    #[expose]
    fn echo(&self, value: Vec<i64>) -> Vec<i64> {
        value
    }
}

/// Tests a custom codec in all layers and both directions. A peer with another codec receives no
/// answer.
pub async fn a_custom_codec<R: Runtime>(runtime: R) {
    for address in addresses() {
        let builder = aiomas::rpc::builder(runtime.clone()).codec(BACKWARDS);
        let server = builder.clone().service(Root).listen(&address).await.expect("a listener");
        let client = builder.connect(server.address()).await.expect("a connection");
        let remote: RootProxy = client.remote_as();
        assert_eq!(soon(&runtime, remote.add(3, 4)).await, Ok(7));
        let long = "x".repeat(100_000);
        assert!(soon(&runtime, remote.echo(long.clone())).await == Ok(long));
        assert_eq!(server.peers()[0].state().codec, BACKWARDS);
        assert!(soon(&runtime, remote.fail("no".into())).await.is_err());
        let plain = aiomas::rpc::builder(runtime.clone());
        let plain = plain.connect(server.address()).await.expect("a connection");
        let lost = soon(&runtime, plain.remote_as::<RootProxy>().add(3, 4)).await;
        assert!(matches!(lost, Err(Error::Lost(_))), "{lost:?}");
        soon(&runtime, server.shutdown()).await;
    }
    let builder = aiomas::container::builder(runtime.clone()).codec(BACKWARDS);
    let (one, other) = (builder.clone().bind(ipc()).await, builder.bind(ipc()).await);
    let (one, other) = (one.expect("bound"), other.expect("bound"));
    let agent = one.spawn(Parrot).expect("room");
    let remote: ParrotProxy = soon(&runtime, other.connect(agent.url())).await.expect("there");
    assert_eq!(soon(&runtime, remote.echo(vec![1, 2])).await, Ok(vec![1, 2]));

    let builder = aiomas::channel::builder(runtime.clone());
    let mut listener = builder.clone().codec(BACKWARDS).listen(ipc()).await.expect("a listener");
    let address = listener.address().clone();
    let accepted = start(&runtime, async move {
        (listener.accept().await.expect("one"), listener.accept().await.expect("another"))
    });
    let good = builder.clone().codec(BACKWARDS).connect(&address).await.expect("a connection");
    let call = good.send::<String>("ohai");
    let bad = builder.connect(&address).await.expect("a connection");
    let (one, other) = soon(&runtime, accepted).await;
    let request = soon(&runtime, one.recv()).await.expect("a request");
    let text: String = request.content().expect("a text");
    request.reply(&text).expect("open");
    assert_eq!(soon(&runtime, call).await.as_deref(), Ok("ohai"));
    let lost = bad.send::<String>("ohai");
    let reason = soon(&runtime, other.closed()).await;
    assert!(
        matches!(reason, CloseReason::Malformed { codec, .. } if codec == BACKWARDS),
        "{reason:?}"
    );
    assert!(matches!(soon(&runtime, lost).await, Err(Error::Lost(_))));
}
