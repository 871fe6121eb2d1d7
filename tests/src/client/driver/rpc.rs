//! Remote calls by typed and dynamic proxies, and local services, in both directions.

use std::collections::BTreeMap;
use std::time::Duration;

use aiomas::rpc::builder;
use aiomas::{Error, IntoService, Later, Proxy, Runtime, rpc::RpcClient};
use aiomas_core::connection::{CallRejected, Close, CloseReason};
use aiomas_core::rpc::{ServiceDict, ServiceRef};
use aiomas_core::wire::{RemoteError, Value};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{Session, failure, loss, put_to};
use crate::client::content;
use crate::peer::driver::doubler::{Doubler, DoublerProxy};
use crate::peer::driver::rpc::{Caught, Nested, RootProxy};
use crate::runtimes::is_pending;
use crate::types::{Celsius, Mode, Point, Serializers, Unserializable};

pub(super) async fn challenge<R: Runtime>(session: &mut Session<'_, R>) {
    put_to! { session:
        arguments nested_services errors good_and_bad_at_once slow_calls_delay_no_other
        calls_out_of_order late_answers_are_ignored proxies_from_the_server services_for_the_server
        concurrent_1000 mebibytes_8 closed
    }
    if session.server.serializers.has_both() {
        put_to! { session: typed_arguments }
    }
    if session.server.serializers == Serializers::PointCelsiusMode {
        put_to! { session: typed_enums }
    }
}

impl<R: Runtime> Session<'_, R> {
    /// Opens a client that offers `service`.
    async fn open_with(&self, service: impl IntoService) -> RpcClient {
        let builder = self.fit(builder).service(service);
        let client = builder.connect(self.server.address.clone()).await;
        client.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the server's root service, for a client that offers nothing.
    async fn root(&self) -> RootProxy {
        let client = self.fit(builder).connect(self.server.address.clone()).await;
        client.unwrap_or_else(|error| panic!("{error}")).remote_as()
    }
}

/// Returns a reference to a local service, to pass to the server.
fn own(path: &str) -> DoublerProxy {
    Proxy::from(ServiceRef::new(path)).into()
}

/// Positional and keyword arguments, defaults.
async fn arguments<R: Runtime>(session: &Session<'_, R>) {
    let root = session.root().await;
    assert_eq!(root.add(3.into(), 4.into()).await, Ok(7.into()));
    assert_eq!(root.add(1.5.into(), 2.into()).await, Ok(3.5.into()));
    assert_eq!(root.ident(().into()).await, Ok(().into()));
    let parts = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(root.join(parts(), None).await, Ok("a-b".to_owned()));
    assert_eq!(root.join(parts(), "ü".to_owned()).await, Ok("aüb".to_owned()));
    assert_eq!(root.echo(Vec::new(), BTreeMap::new()).await, Ok(Default::default()));
    let args = vec![1.into(), json!([2]).into()];
    let kwargs = BTreeMap::from([("x".to_owned(), Value::from(json!({"y": null})))]);
    assert_eq!(root.echo(args.clone(), kwargs.clone()).await, Ok((args, kwargs)));

    let root = Proxy::from(root);
    assert_eq!(root.call("add").arg(1).kwarg("b", 2).send().await, Ok(3));
    let sum = root.call("add").kwarg("b", "b").kwarg("a", "a").send().await;
    assert_eq!(sum, Ok("ab".to_owned()));
    assert_eq!(root.invoke("add", &[5], &json!({"b": 6})).await, Ok(11));
}

async fn nested_services<R: Runtime>(session: &Session<'_, R>) {
    let root = session.root().await;
    assert_eq!(root.math().call("mul").arg(6).arg(7).send().await, Ok(42));
    assert_eq!(root.math().get("deep").call("neg").arg(5).send().await, Ok(-5));
    assert_eq!(root.tools().upper("grün".to_owned()).await, Ok("GRÜN".to_owned()));
    assert_eq!(root.tools().inner().ping().await, Ok("pong".to_owned()));
    assert_eq!(Proxy::from(root).call("tools/inner/ping").send().await, Ok("pong".to_owned()));
}

/// The type of an error tells which side caused it.
async fn errors<R: Runtime>(session: &Session<'_, R>) {
    let typed = session.root().await;
    let kaputt = failure(typed.fail("kaputt".to_owned()).await);
    assert_eq!((kaputt.kind(), kaputt.message()), ("ValueError", "kaputt"));
    let unserializable =
        failure(Proxy::from(typed.clone()).call("unserializable").send::<()>().await);
    assert!(unserializable.text().contains("SerializationError"), "{unserializable}");

    let root = Proxy::from(typed.clone());
    for (path, name, parent) in content::NOT_FOUND {
        let error = failure(root.call(path).send::<()>().await);
        let text = format!("Name \"{name}\" not found in \"{parent}\"");
        assert!(error.kind() == "LookupError" && error.message().contains(&text), "{error}");
    }
    for path in ["hidden", "secret"] {
        let error = failure(root.call(path).send::<()>().await);
        let text = format!("{path}\" is not exposed");
        assert!(error.kind() == "LookupError" && error.message().contains(&text), "{error}");
    }
    let add = root.call("add").arg(1);
    for wrong in [
        root.call("math"),
        add.clone(),
        add.clone().arg(2).arg(3),
        add.clone().arg(2).kwarg("c", 3),
        add.clone().kwarg("a", 2),
    ] {
        assert_eq!(failure(wrong.send::<Value>().await).kind(), "TypeError");
    }
    let refused = add.clone().arg(Unserializable).send::<()>().await;
    assert!(matches!(refused, Err(Error::Refused(CallRejected::Codec(_)))), "{refused:?}");
    let no_text = add.arg(1).send::<String>().await;
    assert!(matches!(no_text, Err(Error::Answer(_))), "{no_text:?}");
    assert_eq!(typed.add(1.into(), 1.into()).await, Ok(2.into()));
}

async fn good_and_bad_at_once<R: Runtime>(session: &Session<'_, R>) {
    let root = session.root().await;
    let calls: Vec<_> = (0..200)
        .map(|i: i32| {
            let missing = Proxy::from(root.clone()).call("nope").send::<()>();
            (i, root.add(i.into(), 1.into()), root.fail(i.to_string()), missing)
        })
        .collect();
    for (i, good, bad, missing) in calls {
        assert_eq!(good.await, Ok((i + 1).into()));
        assert_eq!(failure(bad.await).message(), i.to_string());
        assert_eq!(failure(missing.await).kind(), "LookupError");
    }
}

async fn slow_calls_delay_no_other<R: Runtime>(session: &Session<'_, R>) {
    let root = session.root().await;
    let mut slow = root.slow(600_000.0, ().into());
    assert_eq!(root.slow(10.0, "fast".into()).await, Ok("fast".into()));
    assert_eq!(root.add(1.into(), 1.into()).await, Ok(2.into()));
    assert!(is_pending(&mut slow).await);
}

/// A held call, and the channel that releases it.
type Waiting = (i64, oneshot::Sender<()>);

/// Returns a service that holds calls until they are released.
fn gate() -> (ServiceDict<Later>, mpsc::UnboundedReceiver<Waiting>) {
    let (calls, waiting) = mpsc::unbounded_channel();
    let gate = ServiceDict::new("Gate").async_function("double", ["value"], move |value: i64| {
        let (open, opened) = oneshot::channel();
        let told = calls.send((value, open));
        async move {
            told.map_err(|_| RemoteError::new("RuntimeError", "the gate is gone"))?;
            opened.await.map_err(|error| RemoteError::new("RuntimeError", error))?;
            Ok::<_, RemoteError>(2 * value)
        }
    });
    (gate, waiting)
}

async fn calls_out_of_order<R: Runtime>(session: &Session<'_, R>) {
    let (gate, mut calls_at_gate) = gate();
    let root: RootProxy = session.open_with(gate).await.remote_as();
    let mut calls: Vec<_> = (0..10).map(|i: i32| root.call_me(own(""), i.into())).collect();
    let mut waiting = BTreeMap::new();
    while waiting.len() < calls.len() {
        waiting.extend(calls_at_gate.recv().await);
    }
    while let (Some(call), Some((value, open))) = (calls.pop(), waiting.pop_last()) {
        assert_eq!(open.send(()), Ok(()));
        assert_eq!(call.await, Ok((2 * value).into()));
        for call in &mut calls {
            assert!(is_pending(call).await);
        }
    }
}

/// A call that times out fails alone, even when its answer arrives later.
async fn late_answers_are_ignored<R: Runtime>(session: &Session<'_, R>) {
    let (gate, mut calls_at_gate) = gate();
    let root: RootProxy = session.open_with(gate).await.remote_as();
    let after = Duration::from_millis(50);
    let call = root.with_timeout(after).call_me(own(""), 1.into());
    let (_, open) = calls_at_gate.recv().await.expect("the server calls back");
    assert_eq!(call.await, Err(Error::TimedOut { after, sent: true }));
    // Only now can the server answer, before it answers the next call.
    assert_eq!(open.send(()), Ok(()));
    let call = root.call_me(own(""), 2.into());
    let (_, open) = calls_at_gate.recv().await.expect("the server calls back");
    assert_eq!(open.send(()), Ok(()));
    assert_eq!(call.await, Ok(4.into()));
    assert_eq!(root.add(1.into(), 1.into()).await, Ok(2.into()));
}

async fn proxies_from_the_server<R: Runtime>(session: &Session<'_, R>) {
    let root = session.root().await;
    let tools = root.get_tools().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(tools.as_ref().path(), "tools");
    assert_eq!(tools.upper("x".to_owned()).await, Ok("X".to_owned()));
    assert_eq!(tools.inner().ping().await, Ok("pong".to_owned()));
    assert_eq!(root.get_root().await.as_ref(), Ok(&root));
    // A service of the server cannot be passed on, not even back to the server.
    let refused = root.call_me(Proxy::from(tools).into(), 1.into()).await;
    assert!(matches!(refused, Err(Error::Refused(CallRejected::Codec(_)))), "{refused:?}");
}

/// The server calls the services that we pass to it.
async fn services_for_the_server<R: Runtime>(session: &Session<'_, R>) {
    let service = ServiceDict::<Later>::new("Client")
        .service("this", Doubler.into_service())
        .service("sub", Doubler.into_service())
        .function("double", ["value"], |value: i64| 2 * value);
    let root: RootProxy = session.open_with(service).await.remote_as();
    assert_eq!(root.call_me(own(""), 21.into()).await, Ok(42.into()));
    assert_eq!(root.call_me(own("this"), "ab".into()).await, Ok("abab".into()));
    let keywords = Proxy::from(root.clone()).call("call_me").kwarg("peer", own("sub"));
    assert_eq!(keywords.kwarg("value", [5]).send().await, Ok([5, 5]));
    for path in ["this", "sub"] {
        let caught = root.call_error(own(path)).await;
        assert_eq!(caught, Ok(Caught { caught: true, boom: Some(true) }));
    }
    let doubled = (0..100).map(|i| Value::from(2 * i)).collect();
    assert_eq!(root.call_many(own(""), 100).await, Ok(doubled));
    assert_eq!(root.nested(Nested { list: [own("sub")] }).await, Ok(42.into()));
    assert_eq!(root.call_remote(8.into()).await, Ok(16.into()));
}

/// The ids of proxies follow those of our types.
async fn typed_arguments<R: Runtime>(session: &Session<'_, R>) {
    let root: RootProxy = session.open_with(Doubler).await.remote_as();
    assert_eq!(root.mirror(Point::new(1, "x")).await, Ok(Point::new("x", 1)));
    assert_eq!(root.warmer(Celsius(20.5), 1.0).await, Ok(Celsius(21.5)));
    let nested = vec![(Point::new(0, 1), Celsius(1.5))];
    let ident = Proxy::from(root.clone()).call("ident").arg(&nested).send().await;
    assert_eq!(ident, Ok(nested));
    assert_eq!(root.call_me(own(""), 4.into()).await, Ok(8.into()));
}

async fn typed_enums<R: Runtime>(session: &Session<'_, R>) {
    let root: RootProxy = session.open_with(Doubler).await.remote_as();
    for mode in Mode::all() {
        assert_eq!(root.louder(mode.clone()).await, Ok(mode.louder()));
    }
    let nested = (Mode::all(), Celsius(1.5));
    let ident = Proxy::from(root.clone()).call("ident").arg(&nested).send().await;
    assert_eq!(ident, Ok(nested));
    // The ids of the server's proxies follow those of all types.
    assert_eq!(root.call_me(own(""), 4.into()).await, Ok(8.into()));
}

async fn concurrent_1000<R: Runtime>(session: &Session<'_, R>) {
    let root = session.root().await;
    let calls: Vec<_> = (0..1000).map(|i: i32| root.add(i.into(), i.into())).collect();
    for (i, call) in (0..).zip(calls) {
        assert_eq!(call.await, Ok((2 * i).into()));
    }
}

async fn mebibytes_8<R: Runtime>(session: &Session<'_, R>) {
    let text = Value::from("äbcdefgh".repeat(1 << 20));
    let answer = session.root().await.ident(text.clone()).await;
    assert!(answer == Ok(text), "the text differs");
}

/// Tests calls on a connection that we close.
async fn closed<R: Runtime>(session: &Session<'_, R>) {
    let client = session.open_with(Doubler).await;
    let root: RootProxy = client.remote_as();
    let pending = root.slow(600_000.0, ().into());
    assert_eq!(root.add(1.into(), 1.into()).await, Ok(2.into()));
    client.close_with(Close::Now);
    assert_eq!(client.closed().await, CloseReason::Local);
    assert_eq!(loss(pending.await), CloseReason::Local);
    assert_eq!(root.add(1.into(), 1.into()).await, Err(Error::Refused(CallRejected::Closed)));
}
