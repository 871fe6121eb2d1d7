//! Peers with streams that no connection would produce: they end one side only, or do not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aiomas::{Error, service};
use aiomas::{Listener, Runtime, rpc::RpcServer};
use aiomas_core::connection::{CloseReason, Limits, TimeoutReason};
use aiomas_core::wire::RemoteError;
use serde_json::{Value, json};

use super::door::Gate;
use super::{TCP, addresses, connect, oneshot, soon, until};
use crate::message;
use crate::raw::Raw;

/// Writes messages in JSON, all at once.
async fn send<R: Runtime>(peer: &mut Raw<R>, messages: impl IntoIterator<Item = Value>) {
    let frames = messages.into_iter().map(|message| message::frame(message.to_string().as_bytes()));
    peer.write(&frames.collect::<Vec<_>>().concat()).await.expect("a successful write");
}

/// Reads the next message. Returns `None` at the end, which must not be within a message.
async fn read<R: Runtime>(peer: &mut Raw<R>) -> Option<Value> {
    let payload = peer.try_read().await.expect("a successful read")?;
    Some(serde_json::from_slice(&payload).expect("JSON"))
}

/// Returns a call of a method without arguments.
fn request(id: u64, path: &str) -> Value {
    json!([0, id, [path, [], {}]])
}

/// A peer that ended its side still receives pending answers, and the end. Calls to it fail at
/// once, because no answer can arrive. This holds for the listening and the dialling side.
pub async fn the_peer_ends_its_side_only<R: Runtime>(runtime: R) {
    let [tcp, ipc, _] = addresses();
    for address in [tcp, ipc] {
        let gate = Gate::default();
        let (connected, client) = oneshot();
        let connected = std::sync::Mutex::new(Some(connected));
        let builder = aiomas::rpc::builder(runtime.clone()).service(gate.clone());
        let builder = builder.on_connect(move |client| {
            let connected = connected.lock().expect("no panic under the lock").take();
            connected.expect("one client")(client);
        });
        let server = builder.listen(address.clone()).await.expect("a listener");
        let peer = Raw::dial(&runtime, server.address()).await.expect("a stream");
        let client = soon(&runtime, client).await;
        half_close(&runtime, peer, &gate, client.remote()).await;
        soon(&runtime, client.closed()).await;
        soon(&runtime, server.shutdown()).await;

        let gate = Gate::default();
        let mut listener = Runtime::listen(&runtime, address).await.expect("a listener");
        let client = aiomas::rpc::builder(runtime.clone()).service(gate.clone());
        let client = client.connect(listener.address().expect("an address"));
        let client = soon(&runtime, client).await.expect("a connection");
        let peer = Raw::accept(&runtime, &mut listener).await.expect("a stream");
        half_close(&runtime, peer, &gate, client.remote()).await;
        soon(&runtime, client.closed()).await;
    }
}

async fn half_close<R: Runtime>(runtime: &R, mut peer: Raw<R>, gate: &Gate, ours: aiomas::Proxy) {
    send(&mut peer, [request(7, "pass")]).await;
    soon(runtime, gate.entered.pass()).await;
    let lost = ours.call("anything").send::<()>();
    peer.end().await.expect("a clean end");
    // This shows that the end has been read, while the method still runs.
    let lost = soon(runtime, lost).await;
    assert_eq!(lost, Err(Error::Lost(CloseReason::Peer)));
    gate.door.open();
    assert_eq!(read(&mut peer).await, Some(request(0, "anything")));
    assert_eq!(read(&mut peer).await, Some(json!([1, 7, 42])));
    assert_eq!(read(&mut peer).await, None);
}

/// A closing side first reads the answers to its calls, and then ends its side. The peer reads an
/// end, not an error.
pub async fn we_end_our_side_after_the_answers<R: Runtime>(runtime: R) {
    let [tcp, ipc, _] = addresses();
    for address in [tcp, ipc] {
        let mut listener = Runtime::listen(&runtime, address).await.expect("a listener");
        let client = aiomas::rpc::builder(runtime.clone());
        let client = client.connect(listener.address().expect("an address"));
        let client = soon(&runtime, client).await.expect("a connection");
        let mut peer = Raw::accept(&runtime, &mut listener).await.expect("a stream");
        let call = client.remote().call("name").send::<String>();
        drop(client);
        assert_eq!(read(&mut peer).await, Some(request(0, "name")));
        // The closing side accepts no further calls.
        send(&mut peer, [request(9, "late")]).await;
        let refused = read(&mut peer).await.expect("an answer");
        assert_eq!((&refused[0], &refused[1]), (&json!(2), &json!(9)), "{refused}");
        send(&mut peer, [json!([1, 0, "peer"])]).await;
        assert_eq!(soon(&runtime, call).await.as_deref(), Ok("peer"));
        assert_eq!(read(&mut peer).await, None);
    }
}

/// Returns long answers, and counts them.
#[derive(Clone, Default)]
struct Press(Arc<AtomicUsize>);

/// More than all buffers of a stream hold.
const PAGES: usize = 24;
const PAGE: usize = 1 << 20;

#[service]
impl Press {
    #[expose]
    fn page(&self) -> String {
        self.0.fetch_add(1, Ordering::SeqCst);
        "x".repeat(PAGE)
    }

    #[expose]
    fn pages(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

async fn press<R: Runtime>(
    runtime: &R,
    limits: Limits,
) -> (RpcServer, Raw<R>, Arc<std::sync::Mutex<Vec<CloseReason>>>) {
    let gone = Arc::<std::sync::Mutex<Vec<_>>>::default();
    let builder = aiomas::rpc::builder(runtime.clone()).limits(limits).service(Press::default());
    let server = builder.on_disconnect({
        let gone = gone.clone();
        move |_, reason| gone.lock().expect("no panic under the lock").push(reason.clone())
    });
    let server = server.listen(TCP).await.expect("a listener");
    let mut peer = Raw::dial(runtime, server.address()).await.expect("a stream");
    send(&mut peer, (0..PAGES).map(|id| request(id as u64, "page"))).await;
    (server, peer, gone)
}

/// The answers wait for their peer, while other peers proceed. When the peer reads, all arrive.
pub async fn a_peer_that_does_not_read_delays_no_other<R: Runtime>(runtime: R) {
    let mut limits = Limits::default();
    limits.output_high = 2 * PAGE;
    let (server, mut peer, _) = press(&runtime, limits).await;
    let other = connect(&runtime, &server).await.expect("a connection");
    let pages = || soon(&runtime, other.remote().call("pages").send::<usize>());
    while pages().await.expect("an answer") < 2 {}
    for id in 0..PAGES {
        let answer = read(&mut peer).await.expect("an answer");
        assert_eq!((&answer[0], &answer[1]), (&json!(1), &json!(id)));
        assert_eq!(answer[2].as_str().map(str::len), Some(PAGE));
    }
    assert_eq!(pages().await, Ok(PAGES));
    peer.end().await.expect("a clean end");
    assert_eq!(read(&mut peer).await, None);
    soon(&runtime, server.shutdown()).await;
}

/// Methods run only as fast as the peer reads. A peer that reads nothing for `send_timeout` is
/// disconnected, and no other.
pub async fn a_peer_that_never_reads_is_cut_off<R: Runtime>(runtime: R) {
    let mut limits = Limits::default();
    limits.output_high = 2 * PAGE;
    limits.send_timeout = Some(Duration::from_millis(100));
    let (server, peer, gone) = press(&runtime, limits).await;
    until(&runtime, || !gone.lock().expect("no panic under the lock").is_empty()).await;
    let reasons = std::mem::take(&mut *gone.lock().expect("no panic under the lock"));
    let timed_out =
        |reason: &_| matches!(reason, CloseReason::TimedOut(TimeoutReason::Output { .. }));
    assert!(matches!(&reasons[..], [reason] if timed_out(reason)), "{reasons:?}");
    let other = connect(&runtime, &server).await.expect("a connection");
    let pages = soon(&runtime, other.remote().call("pages").send::<usize>()).await;
    assert!(pages.as_ref().is_ok_and(|pages| (2..=PAGES).contains(pages)), "{pages:?}");
    let missing = other.remote().call("nothing").send::<()>();
    let error = soon(&runtime, missing).await.expect_err("a failure");
    assert_eq!(error.remote().map(RemoteError::kind), Some("LookupError"));
    drop(peer);
    soon(&runtime, server.shutdown()).await;
}
