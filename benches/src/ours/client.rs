//! Callers: each makes one call after the other, in a task of its own.

use std::sync::Arc;

use aiomas::{
    Container, Error, Proxy, Runtime, container,
    rpc::{self, RpcClient},
};
use aiomas_bench_contract::{
    Address, Hold, Holding, Laps, Load, Meter, open_many_files, say, wait_for_end_of_input,
};
use aiomas_core::wire::{Blob, Codec};
use tokio::sync::mpsc;

use super::{Style, TestAgentProxy, Variant, address, said, text};

pub(super) async fn call<R: Runtime>(
    variant: Variant,
    runtime: R,
    load: &Load,
) -> Result<(), String> {
    open_many_files();
    let callees = if load.connections == 1 {
        Callees::in_container(variant, &runtime, load).await?
    } else {
        Callees::over_connections(variant, &runtime, &load.address, load.connections).await?
    };
    let (callees, content) = (Arc::new(callees), Content::of(variant, load));
    let meter = Meter::start(load);
    // The channel closes when all callers have ended.
    let (sender, mut ended) = mpsc::unbounded_channel();
    for number in 0..(load.connections * load.in_flight) as usize {
        let caller = Caller {
            style: variant.style,
            content: content.clone(),
            callees: callees.clone(),
            number,
            // With many agents, each caller calls them in turn.
            step: if load.agents > 1 { load.in_flight as usize } else { 0 },
        };
        let (meter, sender) = (meter.clone(), sender.clone());
        runtime.spawn(async move {
            if let Err(error) = caller.run(meter.laps()).await {
                // A closed receiver means that another caller has failed already.
                let _sent = sender.send(error);
            }
        });
    }
    drop(sender);
    if let Some(error) = ended.recv().await {
        return Err(error);
    }
    say(&meter.report()?).map_err(said)
}

pub(super) async fn hold<R: Runtime>(
    variant: Variant,
    runtime: R,
    hold: &Hold,
) -> Result<(), String> {
    open_many_files();
    let (address, count) = (&hold.address, hold.connections);
    let callees = Callees::over_connections(variant, &runtime, address, count).await?;
    for callee in &callees.agents {
        callee.typed.service(1).await.map_err(text)?;
    }
    say(&Holding { holding: count }).map_err(said)?;
    wait_for_end_of_input();
    Ok(())
}

/// The proxies to call, and the handles that keep them alive.
struct Callees {
    agents: Vec<Callee>,
    _container: Option<Container>,
    _clients: Vec<RpcClient>,
}

struct Callee {
    typed: TestAgentProxy,
    dynamic: Proxy,
}

impl From<Proxy> for Callee {
    fn from(proxy: Proxy) -> Self {
        Self { typed: proxy.clone().into(), dynamic: proxy }
    }
}

impl Callees {
    /// Connects to all agents, from another container.
    async fn in_container<R: Runtime>(
        variant: Variant,
        runtime: &R,
        load: &Load,
    ) -> Result<Self, String> {
        /// The number of concurrent lookups of agents.
        const SEARCHES: u32 = 256;
        let builder = variant.configured(container::builder(runtime.clone()), &load.address);
        let container = builder.bind("tcp://127.0.0.1:0").await.map_err(text)?;
        let mut agents = Vec::new();
        for first in (0..load.agents).step_by(SEARCHES as usize) {
            let (sender, mut found) = mpsc::unbounded_channel();
            for aid in first..load.agents.min(first + SEARCHES) {
                let url = format!("{}/{aid}", address(&load.address));
                let (container, sender) = (container.clone(), sender.clone());
                runtime.spawn(async move {
                    let proxy = container.connect::<Proxy>(&*url).await;
                    let _sent = sender.send(proxy);
                });
            }
            drop(sender);
            while let Some(proxy) = found.recv().await {
                agents.push(proxy.map_err(text)?.into());
            }
        }
        Ok(Self { agents, _container: Some(container), _clients: Vec::new() })
    }

    /// Connects to the first agent over each of many connections. A container would share one
    /// connection.
    async fn over_connections<R: Runtime>(
        variant: Variant,
        runtime: &R,
        to: &Address,
        count: u32,
    ) -> Result<Self, String> {
        let builder = variant.configured(rpc::builder(runtime.clone()), to);
        let (mut agents, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let client = builder.clone().connect(&*address(to)).await.map_err(text)?;
            agents.push(client.remote().get("agents/0").into());
            clients.push(client);
        }
        Ok(Self { agents, _container: None, _clients: clients })
    }
}

/// The content of calls.
#[derive(Clone)]
enum Content {
    Number,
    Bytes(Blob),
    /// JSON has no bytes.
    Text(Arc<str>),
}

impl Content {
    fn of(variant: Variant, load: &Load) -> Self {
        let length = load.payload as usize;
        match (length, variant.codec) {
            (0, _) => Self::Number,
            (_, Codec::Json) => Self::Text("x".repeat(length).into()),
            _ => Self::Bytes(vec![b'x'; length].into()),
        }
    }
}

struct Caller {
    style: Style,
    content: Content,
    callees: Arc<Callees>,
    number: usize,
    step: usize,
}

impl Caller {
    async fn run(self, mut laps: Laps<'_>) -> Result<(), String> {
        let (mut next, mut number) = (self.number, 0);
        while laps.another() {
            let callee = &self.callees.agents[next % self.callees.agents.len()];
            if !self.call(callee, number).await.map_err(text)? {
                return Err("the answer differs from the argument".into());
            }
            next += self.step;
            number = (number + 1) % 100;
        }
        Ok(())
    }

    /// Returns whether the answer equals the argument; payloads are compared by length.
    async fn call(&self, Callee { typed, dynamic }: &Callee, number: i64) -> Result<bool, Error> {
        Ok(match (&self.content, self.style) {
            (Content::Number, Style::Typed) => typed.service(number).await? == number,
            (Content::Number, Style::Dynamic) => {
                dynamic.call("service").arg(number).send::<i64>().await? == number
            }
            (Content::Bytes(bytes), Style::Typed) => {
                typed.bytes(bytes.clone()).await?.len() == bytes.len()
            }
            (Content::Bytes(bytes), Style::Dynamic) => {
                dynamic.call("bytes").arg(bytes).send::<Blob>().await?.len() == bytes.len()
            }
            (Content::Text(text), Style::Typed) => {
                typed.text((**text).to_owned()).await?.len() == text.len()
            }
            (Content::Text(text), Style::Dynamic) => {
                dynamic.call("text").arg(&**text).send::<String>().await?.len() == text.len()
            }
        })
    }
}
