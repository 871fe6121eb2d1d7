//! Requests without RPC. Each is answered with its content, unless that is a command.

use std::convert::Infallible;
use std::sync::Arc;

use aiomas::channel::{self, Listener};
use aiomas::{
    Error, Runtime,
    channel::{Channel, Request},
};
use aiomas_core::agent::Address;
use aiomas_core::connection::Close;
use aiomas_core::wire::{RemoteError, Value};
use serde_json::json;

use super::configured;
use super::cut::{Cut, Cuttable};
use crate::peer::{MAX_SIZE, Options};
use crate::runtimes::{Sleep, is_pending};
use crate::types::Unserializable;

/// Accepts channels.
pub(super) struct Server<R> {
    runtime: Cuttable<R>,
    listener: Listener,
}

impl<R: Runtime> Server<R> {
    pub(super) async fn listen(runtime: R, options: &Options) -> Result<Self, Error> {
        let runtime = Cuttable::new(runtime);
        let builder = configured(channel::builder(runtime.clone()), options)?;
        let listener = builder.listen(options.addr.clone()).await?;
        Ok(Self { runtime, listener })
    }

    pub(super) const fn address(&self) -> &Address {
        self.listener.address()
    }

    /// Answers all requests.
    pub(super) async fn serve(mut self) -> Infallible {
        loop {
            // An error is temporary, or concerns only one incoming stream.
            if let Ok(channel) = self.listener.accept().await {
                let peer = Peer {
                    channel,
                    cut: self.runtime.last_accepted(),
                    sleep: Sleep::on(&self.runtime),
                };
                let runtime = self.runtime.clone();
                self.runtime.spawn(async move {
                    while let Some(request) = peer.channel.recv().await {
                        // Requests start in order of arrival, and run concurrently.
                        let mut answer = Box::pin(peer.clone().answer(request));
                        if is_pending(&mut answer).await {
                            runtime.spawn(answer);
                        }
                    }
                });
            }
        }
    }
}

/// The peer of a channel.
#[derive(Clone)]
struct Peer {
    channel: Channel,
    cut: Arc<Cut>,
    sleep: Sleep,
}

impl Peer {
    async fn answer(self, request: Request) {
        let answered = match request.content::<Value>() {
            Ok(content) => match content.get("cmd").and_then(Value::as_str) {
                Some(command) => self.obey(request, command, &content).await,
                None => request.reply(&content),
            },
            Err(error) => request.fail(error),
        };
        // The client has received a failure, or is gone.
        drop(answered);
    }

    async fn obey(self, request: Request, command: &str, content: &Value) -> Result<(), Error> {
        let value = || content.get("value").cloned().unwrap_or_default();
        let number = |name| content.get(name).and_then(Value::as_f64).unwrap_or_default();
        match command {
            "fail" => {
                let message = content.get("msg").and_then(Value::as_str).unwrap_or_default();
                request.fail(RemoteError::value_error(message))
            }
            "delay" => match self.sleep.wait_ms(number("ms")).await {
                Ok(()) => request.reply(&value()),
                Err(error) => request.fail(error),
            },
            "callback" => match self.channel.send::<Value>(&json!({"cb": value()})).await {
                Ok(result) => request.reply(&json!({"cb_result": result})),
                Err(Error::Remote(_)) => request.reply(&json!({"cb_error": true})),
                Err(error) => request.fail(error),
            },
            "blob" => match number("size") as usize {
                size @ ..=MAX_SIZE => request.reply(&"x".repeat(size)),
                _ => request.fail(RemoteError::new("MemoryError", "")),
            },
            "unserializable" => request.reply(&Unserializable),
            "close" => {
                self.channel.close_with(Close::Now);
                Ok(())
            }
            "half" => {
                self.cut.halve_next_write();
                request.reply(&"y".repeat(1000))
            }
            _ => request.reply(content),
        }
    }
}
