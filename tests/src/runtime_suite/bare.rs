//! Peers that do with their stream what no connection would: they end one side of it, or do not read.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aiomas_core::agent::Address;
use aiomas_core::connection::{CloseReason, Limits};
use aiomas_core::driver::{self, Listener, RpcServer, Runtime, Transport};
use aiomas_core::wire::RemoteError;
use aiomas_core::{Error, service};
use bytes::{Buf, BytesMut};
use serde_json::{Value, json};

use super::door::Gate;
use super::{TCP, addresses, connect, oneshot, soon, until};

/// A stream that is not driven: messages go over it in JSON when the test says so.
struct Bare<R: Runtime> {
    runtime: R,
    stream: R::Stream,
    input: BytesMut,
}

impl<R: Runtime> Bare<R> {
    fn new(runtime: &R, stream: R::Stream) -> Self {
        Self { runtime: runtime.clone(), stream, input: BytesMut::new() }
    }

    async fn dial(runtime: &R, to: &Address) -> Self {
        let stream = soon(runtime, Runtime::dial(runtime, to.clone())).await.expect("a stream");
        Self::new(runtime, stream)
    }

    async fn accept(runtime: &R, listener: &mut R::Listener) -> Self {
        let stream = soon(runtime, poll_fn(|cx| listener.poll_accept(cx))).await.expect("a stream");
        Self::new(runtime, stream)
    }

    async fn send(&mut self, message: Value) {
        self.send_all([message]).await;
    }

    async fn send_all(&mut self, messages: impl IntoIterator<Item = Value>) {
        let mut frames = Vec::new();
        for message in messages {
            let payload = message.to_string();
            frames.extend((payload.len() as u32).to_be_bytes());
            frames.extend(payload.as_bytes());
        }
        let mut left = &frames[..];
        while !left.is_empty() {
            let slices = [IoSlice::new(left)];
            let sent = soon(&self.runtime, poll_fn(|cx| self.stream.poll_send(cx, &slices))).await;
            left = &left[sent.expect("it is written")..];
        }
        let flushed = soon(&self.runtime, poll_fn(|cx| self.stream.poll_flush(cx))).await;
        flushed.expect("it is written");
    }

    /// Ends our side of the stream; the other one goes on.
    async fn end(&mut self) {
        let ended = soon(&self.runtime, poll_fn(|cx| self.stream.poll_shutdown(cx))).await;
        ended.expect("it ends");
    }

    /// The next message; `None` at the end, which must not be within one.
    async fn read(&mut self) -> Option<Value> {
        loop {
            if self.input.len() >= 4 {
                let length = u32::from_be_bytes([0, 1, 2, 3].map(|i| self.input[i])) as usize;
                if self.input.len() >= 4 + length {
                    self.input.advance(4);
                    let payload = self.input.split_to(length);
                    return Some(serde_json::from_slice(&payload).expect("JSON"));
                }
            }
            if self.more().await == 0 {
                assert!(self.input.is_empty(), "the stream ends within a frame");
                return None;
            }
        }
    }

    /// Reads what there is; 0 is the end.
    async fn more(&mut self) -> usize {
        self.input.reserve(64 * 1024);
        let read = poll_fn(|cx| self.stream.poll_recv(cx, &mut self.input));
        soon(&self.runtime, read).await.expect("it can be read")
    }
}

/// What a call of a method without arguments looks like.
fn request(id: u64, path: &str) -> Value {
    json!([0, id, [path, [], {}]])
}

/// A peer that has ended its side still gets the answers to what it has asked, and then the end. What we have asked
/// is lost at once: nothing more can come. So it is for those who listen and those who dial.
pub async fn the_peer_ends_its_side_only<R: Runtime>(runtime: R) {
    let [tcp, ipc, _] = addresses();
    for address in [tcp, ipc] {
        let gate = Gate::default();
        let (connected, client) = oneshot();
        let connected = std::sync::Mutex::new(Some(connected));
        let builder = driver::rpc::builder(runtime.clone()).service(gate.clone());
        let builder = builder.on_connect(move |client| {
            let connected = connected.lock().expect("nobody panics").take();
            connected.expect("one client")(client);
        });
        let server = builder.listen(address.clone()).await.expect("it listens");
        let peer = Bare::dial(&runtime, server.address()).await;
        let client = soon(&runtime, client).await;
        half_close(&runtime, peer, &gate, client.remote()).await;
        soon(&runtime, client.closed()).await;
        soon(&runtime, server.shutdown()).await;

        let gate = Gate::default();
        let mut listener = Runtime::listen(&runtime, address).await.expect("it listens");
        let client = driver::rpc::builder(runtime.clone()).service(gate.clone());
        let client = client.connect(listener.address().expect("it has one"));
        let client = soon(&runtime, client).await.expect("it connects");
        let peer = Bare::accept(&runtime, &mut listener).await;
        half_close(&runtime, peer, &gate, client.remote()).await;
        soon(&runtime, client.closed()).await;
    }
}

async fn half_close<R: Runtime>(runtime: &R, mut peer: Bare<R>, gate: &Gate, ours: driver::Proxy) {
    peer.send(request(7, "pass")).await;
    soon(runtime, gate.entered.pass()).await;
    let lost = ours.call("anything").send::<()>();
    peer.end().await;
    // That shows that the end has been read, while the method still runs.
    let lost = soon(runtime, lost).await;
    assert_eq!(lost, Err(Error::Lost(CloseReason::Peer)));
    gate.door.open();
    assert_eq!(peer.read().await, Some(request(0, "anything")));
    assert_eq!(peer.read().await, Some(json!([1, 7, 42])));
    assert_eq!(peer.read().await, None);
}

/// Whoever goes reads what it has asked for to its end, and then ends its side: the peer reads an end, not an error.
pub async fn we_end_our_side_after_the_answers<R: Runtime>(runtime: R) {
    let [tcp, ipc, _] = addresses();
    for address in [tcp, ipc] {
        let mut listener = Runtime::listen(&runtime, address).await.expect("it listens");
        let client = driver::rpc::builder(runtime.clone());
        let client = client.connect(listener.address().expect("it has one"));
        let client = soon(&runtime, client).await.expect("it connects");
        let mut peer = Bare::accept(&runtime, &mut listener).await;
        let call = client.remote().call("name").send::<String>();
        drop(client);
        assert_eq!(peer.read().await, Some(request(0, "name")));
        // It takes no calls any more.
        peer.send(request(9, "late")).await;
        let refused = peer.read().await.expect("an answer");
        assert_eq!((&refused[0], &refused[1]), (&json!(2), &json!(9)), "{refused}");
        peer.send(json!([1, 0, "peer"])).await;
        assert_eq!(soon(&runtime, call).await.as_deref(), Ok("peer"));
        assert_eq!(peer.read().await, None);
    }
}

/// Long answers, and how many have been given.
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
) -> (RpcServer, Bare<R>, Arc<std::sync::Mutex<Vec<CloseReason>>>) {
    let gone = Arc::<std::sync::Mutex<Vec<_>>>::default();
    let builder = driver::rpc::builder(runtime.clone()).limits(limits).service(Press::default());
    let server = builder.on_disconnect({
        let gone = gone.clone();
        move |_, reason| gone.lock().expect("nobody panics").push(reason.clone())
    });
    let server = server.listen(TCP).await.expect("it listens");
    let mut peer = Bare::dial(runtime, server.address()).await;
    peer.send_all((0..PAGES).map(|id| request(id as u64, "page"))).await;
    (server, peer, gone)
}

/// Its answers wait for it, and others go on; when it reads at last, they are all there.
pub async fn a_peer_that_does_not_read_delays_nobody_else<R: Runtime>(runtime: R) {
    let (server, mut peer, _) = press(&runtime, Limits::default()).await;
    let other = connect(&runtime, &server).await.expect("it connects");
    loop {
        let pages = other.remote().call("pages").send::<usize>();
        if soon(&runtime, pages).await == Ok(PAGES) {
            break;
        }
    }
    for id in 0..PAGES {
        let answer = peer.read().await.expect("an answer");
        assert_eq!((&answer[0], &answer[1]), (&json!(1), &json!(id)));
        assert_eq!(answer[2].as_str().map(str::len), Some(PAGE));
    }
    peer.end().await;
    assert_eq!(peer.read().await, None);
    soon(&runtime, server.shutdown()).await;
}

/// No more than `output_cap` is held for a peer; who does not read that is cut off, and nobody else.
pub async fn a_peer_that_never_reads_is_cut_off<R: Runtime>(runtime: R) {
    let mut limits = Limits::default();
    limits.output_cap = 2 * PAGE;
    let (server, peer, gone) = press(&runtime, limits).await;
    until(&runtime, || !gone.lock().expect("nobody panics").is_empty()).await;
    let reasons = std::mem::take(&mut *gone.lock().expect("nobody panics"));
    assert!(matches!(reasons[..], [CloseReason::Overflow { .. }]), "{reasons:?}");
    let other = connect(&runtime, &server).await.expect("it connects");
    let pages = soon(&runtime, other.remote().call("pages").send::<usize>()).await;
    assert!(pages.as_ref().is_ok_and(|pages| (2..=PAGES).contains(pages)), "{pages:?}");
    let missing = other.remote().call("nothing").send::<()>();
    let error = soon(&runtime, missing).await.expect_err("a failure");
    assert_eq!(error.remote().map(RemoteError::kind), Some("LookupError"));
    drop(peer);
    soon(&runtime, server.shutdown()).await;
}
