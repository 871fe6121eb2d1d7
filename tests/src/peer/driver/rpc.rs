//! The tree of services. A `peer` is a service of the caller.

use std::collections::BTreeMap;

use aiomas::{Context, Error, Later, Proxy, service};
use aiomas_core::rpc::{ServiceDict, ServiceRef};
use aiomas_core::wire::{RemoteError, Value};
use serde::{Deserialize, Serialize};

use super::doubler::DoublerProxy;
use crate::peer::fail;
use crate::peer::number::{add, multiply, negate};
use crate::runtimes::Sleep;
use crate::types::{Celsius, Mode, Point, Unserializable};

/// The root service.
#[derive(Debug)]
pub(crate) struct Root {
    sleep: Sleep,
}

/// Positional and keyword arguments.
pub(crate) type AllArguments = (Vec<Value>, BTreeMap<String, Value>);

#[service]
impl Root {
    pub(super) const fn new(sleep: Sleep) -> Self {
        Self { sleep }
    }

    /// Python's operators accept more types than Rust's, so these functions accept any value.
    #[service]
    fn math(&self) -> ServiceDict<Later> {
        let deep = ServiceDict::new("ServiceDict").function("neg", ["a"], negate);
        ServiceDict::new("ServiceDict").function("mul", ["a", "b"], multiply).service("deep", deep)
    }

    #[service]
    fn tools(&self) -> Tools {
        Tools
    }

    #[expose]
    fn add(&self, a: Value, b: Value) -> Result<Value, RemoteError> {
        add(a, b)
    }

    #[expose]
    fn echo(
        &self,
        #[args] args: Vec<Value>,
        #[kwargs] kwargs: BTreeMap<String, Value>,
    ) -> AllArguments {
        (args, kwargs)
    }

    #[expose]
    fn ident(&self, value: Value) -> Value {
        value
    }

    #[expose]
    fn join(&self, parts: Vec<String>, #[default = "-".to_owned()] sep: String) -> String {
        parts.join(&sep)
    }

    #[expose]
    async fn slow(&self, ms: f64, value: Value) -> Result<Value, RemoteError> {
        self.sleep.wait_ms(ms).await?;
        Ok(value)
    }

    #[expose]
    fn fail(&self, message: String) -> Result<(), RemoteError> {
        fail(message)
    }

    /// A method that exists but is not exposed.
    #[allow(dead_code)]
    fn hidden(&self) {}

    #[allow(dead_code)]
    fn secret(&self) {}

    #[expose]
    fn unserializable(&self) -> Unserializable {
        Unserializable
    }

    #[expose]
    fn get_tools(&self) -> ToolsProxy {
        Proxy::from(ServiceRef::new("tools")).into()
    }

    #[expose]
    fn get_root(&self) -> RootProxy {
        Proxy::from(ServiceRef::new("")).into()
    }

    #[expose]
    async fn call_me(&self, peer: DoublerProxy, value: Value) -> Result<Value, Error> {
        peer.double(value).await
    }

    #[expose]
    async fn call_many(&self, peer: DoublerProxy, n: u32) -> Result<Vec<Value>, Error> {
        // Start all calls before waiting for the first answer.
        let calls: Vec<_> = (0..n).map(|i| peer.double(i.into())).collect();
        let mut doubled = Vec::new();
        for call in calls {
            doubled.push(call.await?);
        }
        Ok(doubled)
    }

    #[expose]
    async fn call_error(&self, peer: DoublerProxy) -> Result<Caught, Error> {
        match peer.boom().await {
            Ok(()) => Ok(Caught { caught: false, boom: None }),
            Err(Error::Remote(error)) => {
                Ok(Caught { caught: true, boom: Some(error.text().contains("boom")) })
            }
            Err(error) => Err(error),
        }
    }

    #[expose]
    async fn call_remote(&self, value: Value, #[context] ctx: &Context) -> Result<Value, Error> {
        DoublerProxy::from(ctx.remote()).double(value).await
    }

    #[expose]
    async fn nested(&self, proxies: Nested) -> Result<Value, Error> {
        let Nested { list: [peer] } = proxies;
        peer.double(21.into()).await
    }

    #[expose]
    fn mirror(&self, point: Point) -> Point {
        Point { x: point.y, y: point.x }
    }

    #[expose]
    fn warmer(&self, celsius: Celsius, d: f64) -> Celsius {
        Celsius(celsius.0 + d)
    }

    #[expose]
    fn louder(&self, mode: Mode) -> Mode {
        mode.louder()
    }
}

/// The argument of `nested`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Nested {
    pub(crate) list: [DoublerProxy; 1],
}

/// The result of `call_error`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Caught {
    pub(crate) caught: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) boom: Option<bool>,
}

/// A service in the root service.
#[derive(Debug)]
pub(crate) struct Tools;

#[service]
impl Tools {
    #[service]
    fn inner(&self) -> Inner {
        Inner
    }

    #[expose]
    fn upper(&self, text: String) -> String {
        text.to_uppercase()
    }
}

/// A service in [`Tools`].
#[derive(Debug)]
pub(crate) struct Inner;

#[service]
impl Inner {
    #[expose]
    fn ping(&self) -> &'static str {
        "pong"
    }
}
