//! Requests and answers without RPC.

use std::collections::BTreeMap;
use std::time::Duration;

use aiomas::channel::builder;
use aiomas::{
    Call, Error, Runtime,
    channel::{Channel, Request},
};
use aiomas_core::connection::{CallRejected, CloseReason};
use aiomas_core::wire::{RemoteError, Value};
use serde::Serialize;
use serde_json::json;

use super::{Session, failure, loss, put_to};
use crate::client::content;
use crate::runtimes::is_pending;
use crate::types::{Celsius, Point, Unserializable};

pub(super) async fn challenge<R: Runtime>(session: &mut Session<'_, R>) {
    put_to! { session:
        values non_finite failures refused slow_requests_delay_no_other out_of_order
        requests_of_the_server concurrent_1000 channels_10 mebibytes_8 server_closes half_an_answer
        late_answers_are_ignored dropped_handles_close
    }
    if session.server.serializers.has_both() {
        put_to! { session: typed_values }
    }
}

impl<R: Runtime> Session<'_, R> {
    async fn open(&self) -> Channel {
        let channel = self.fit(builder).connect(self.server.address.clone()).await;
        channel.unwrap_or_else(|error| panic!("{error}"))
    }
}

async fn expect_echo(channel: &Channel, value: Value) {
    let answer = channel.send::<Value>(&value).await;
    assert!(answer.as_ref() == Ok(&value), "{answer:.300?} in place of {value:.300?}");
}

/// Returns the next request of the server, and the answer it expects.
async fn next_callback(channel: &Channel) -> (Request, Value) {
    let request = channel.recv().await.expect("the server asks back");
    let content: BTreeMap<String, Value> = request.content().expect("a callback");
    let value = content.get("cb").expect("a callback").clone();
    (request, value)
}

fn call_back(channel: &Channel, value: impl Serialize) -> Call<Value> {
    channel.send(&json!({"cmd": "callback", "value": value}))
}

fn called_back(value: impl Serialize) -> Result<Value, Error> {
    Ok(json!({"cb_result": value}).into())
}

async fn values<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    for value in content::values(session.server.codec.format()) {
        expect_echo(&channel, value).await;
    }
    let minus_zero: Result<f64, _> = channel.send(&-0.0).await;
    assert!(minus_zero.is_ok_and(|zero| zero == 0.0 && zero.is_sign_negative()));
}

async fn non_finite<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let numbers: Result<[f64; 3], _> =
        channel.send(&[f64::INFINITY, f64::NEG_INFINITY, f64::NAN]).await;
    assert!(matches!(numbers, Ok([f64::INFINITY, f64::NEG_INFINITY, nan]) if nan.is_nan()));
}

async fn typed_values<R: Runtime>(session: &Session<'_, R>) {
    let content = content::typed(session.server.serializers);
    let answer = session.open().await.send::<(Celsius, Vec<Point>)>(&content).await;
    assert_eq!(answer, Ok(content));
}

/// A failed request does not affect the channel.
async fn failures<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    for text in ["ohno", "Ärger 💥", ""] {
        let error = failure(channel.send::<Value>(&json!({"cmd": "fail", "msg": text})).await);
        assert_eq!((error.kind(), error.message()), ("ValueError", text));
    }
    let error = failure(channel.send::<Value>(&json!({"cmd": "unserializable"})).await);
    assert!(error.text().contains("SerializationError"), "{error}");
    expect_echo(&channel, "still here".into()).await;
}

/// Local errors are distinguishable from remote ones.
async fn refused<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let refused = channel.send::<Value>(&Unserializable).await;
    assert!(matches!(refused, Err(Error::Refused(CallRejected::Codec(_)))), "{refused:?}");
    let no_number = channel.send::<i64>("text").await;
    assert!(matches!(no_number, Err(Error::Answer(_))), "{no_number:?}");
    expect_echo(&channel, "still here".into()).await;
}

async fn slow_requests_delay_no_other<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let mut slow = channel.send::<Value>(&json!({"cmd": "delay", "ms": 600_000, "value": null}));
    let fast = channel.send(&json!({"cmd": "delay", "ms": 10, "value": "fast"})).await;
    assert_eq!(fast, Ok("fast".to_owned()));
    expect_echo(&channel, "faster".into()).await;
    assert!(is_pending(&mut slow).await);
}

/// Each answer is sent as soon as it is known: here in the reverse order of the requests.
async fn out_of_order<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let mut calls: Vec<_> = (0..10).map(|i| call_back(&channel, i)).collect();
    // A server may handle requests concurrently.
    let mut requests = BTreeMap::new();
    while requests.len() < calls.len() {
        let (request, value) = next_callback(&channel).await;
        requests.insert(value.as_i64(), request);
    }
    while let (Some(call), Some((i, request))) = (calls.pop(), requests.pop_last()) {
        assert_eq!(request.reply(&i), Ok(()));
        assert_eq!(call.await, called_back(i));
        for call in &mut calls {
            assert!(is_pending(call).await);
        }
    }
}

/// The server calls back while our request is pending.
async fn requests_of_the_server<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    for value in [json!(1), json!("x"), json!([1, {"y": null}])] {
        let call = call_back(&channel, &value);
        let (request, asked) = next_callback(&channel).await;
        assert_eq!(asked, value.clone().into());
        assert_eq!(request.reply(&[&value, &value]), Ok(()));
        assert_eq!(call.await, called_back([&value, &value]));
    }
    let failed = Ok(json!({"cb_error": true}).into());
    let call = call_back(&channel, "boom");
    let (request, _) = next_callback(&channel).await;
    assert_eq!(request.fail(RemoteError::new("KeyError", "'boom'")), Ok(()));
    assert_eq!(call.await, failed);
    // Dropping a request fails it.
    let call = call_back(&channel, "dropped");
    drop(next_callback(&channel).await);
    assert_eq!(call.await, failed);
}

async fn concurrent_1000<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let content = |i: usize| Value::from(json!([i, "x".repeat(i % 50)]));
    let calls: Vec<_> = (0..1000).map(|i| channel.send::<Value>(&content(i))).collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await, Ok(content(i)));
    }
}

async fn channels_10<R: Runtime>(session: &Session<'_, R>) {
    let mut channels = Vec::new();
    for _ in 0..10 {
        channels.push(session.open().await);
    }
    let pairs = (0..100).flat_map(|i| (0..channels.len()).map(move |n| (n, i)));
    let calls: Vec<_> = pairs.map(|pair| (pair, channels[pair.0].send(&pair))).collect();
    for (pair, call) in calls {
        assert_eq!(call.await, Ok(pair));
    }
}

async fn mebibytes_8<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let size = 8 << 20;
    expect_echo(&channel, content::large(session.server.codec.format(), size)).await;
    let blob = channel.send::<String>(&json!({"cmd": "blob", "size": size})).await;
    assert!(blob == Ok("x".repeat(size)), "the blob differs");
}

/// All pending requests fail, and so do later ones.
async fn server_closes<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let pending = channel.send::<Value>(&json!({"cmd": "delay", "ms": 600_000, "value": null}));
    let closing = channel.send::<Value>(&json!({"cmd": "close"})).await;
    assert_eq!(loss(closing), CloseReason::Peer);
    assert_eq!(loss(pending.await), CloseReason::Peer);
    assert_eq!(channel.closed().await, CloseReason::Peer);
    assert!(channel.recv().await.is_none());
    let late = channel.send::<Value>("too late").await;
    assert_eq!(late, Err(Error::Refused(CallRejected::Closed)));
}

async fn half_an_answer<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let reason = loss(channel.send::<Value>(&json!({"cmd": "half"})).await);
    assert!(matches!(reason, CloseReason::Truncated { unread: 5.. }), "{reason:?}");
}

/// A call that times out fails alone, even when its answer arrives later.
async fn late_answers_are_ignored<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let after = Duration::from_millis(50);
    let content = json!({"cmd": "callback", "value": "late"});
    let call = channel.with_timeout(after).send::<Value>(&content);
    let (request, _) = next_callback(&channel).await;
    assert_eq!(call.await, Err(Error::TimedOut { after, sent: true }));
    // Now the server answers, and then calls again.
    assert_eq!(request.reply("late"), Ok(()));
    let call = call_back(&channel, "in time");
    let (request, _) = next_callback(&channel).await;
    assert_eq!(request.reply("in time"), Ok(()));
    assert_eq!(call.await, called_back("in time"));
    expect_echo(&channel, "still here".into()).await;
}

/// Dropping the last handle closes a channel, once all pending requests are answered.
async fn dropped_handles_close<R: Runtime>(session: &Session<'_, R>) {
    let channel = session.open().await;
    let call = channel.send::<String>(&json!({"cmd": "delay", "ms": 10, "value": "last"}));
    drop(channel);
    assert_eq!(call.await, Ok("last".to_owned()));
}
