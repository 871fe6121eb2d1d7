//! The services on the poll loop, with continuations for handlers that wait.

mod agents;
mod channel;
mod manager;
mod rpc;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aiomas_core::agent::{AgentUrl, ContainerError, NodeConfig, Serve};
use aiomas_core::clock::ExternalClock;
use aiomas_core::connection::{Close, Negotiate};
use aiomas_core::rpc::ServiceDict;

use super::end::End;
use super::{Agents, ClockKind, Kind, LINGER, Options, say_ready};
use crate::host::{Host, Later};

pub(crate) use agents::echo;

/// Serves until the program ends.
pub(super) fn run(options: &Options) -> io::Result<()> {
    let mut config = NodeConfig::default();
    config.connection.types = options.serializers.types();
    config.connection.linger = LINGER;
    if let Some(codec) = options.codec {
        config.connection.negotiate = Negotiate::Fixed(codec);
    }
    let serve = match options.kind {
        Kind::Channel => Serve::Content,
        Kind::Rpc => Serve::Service(Box::new(rpc::root())),
        Kind::Agent | Kind::Manager => Serve::Agents,
    };
    let mut host = Host::bind(&options.addr, config, serve)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", options.addr)))?;
    if let ClockKind::External(start) = options.clock {
        host.clock = ExternalClock::new(start, 0.0).map_err(io::Error::other)?.into();
    }
    let mut agents = Agents::new();
    let stopped = Arc::<AtomicBool>::default();
    match options.kind {
        Kind::Agent => agents = spawn_all(&mut host).map_err(io::Error::other)?,
        Kind::Manager => {
            let url = host.spawn(manager::manager(stopped.clone())).map_err(io::Error::other)?;
            agents.insert("Manager", url.to_string());
        }
        Kind::Channel | Kind::Rpc => {}
    }

    let end = End::new()?;
    say_ready(host.address(), &agents)?;
    loop {
        if host.turn(&end.fds(), None)? && end.has_come()? {
            return Ok(());
        }
        while let Some((ticket, content)) = host.next_request() {
            channel::answer(&mut host, ticket, &content);
        }
        if stopped.load(Ordering::Relaxed) {
            return finish(&mut host);
        }
    }
}

/// Answers all pending requests, and ends.
fn finish(host: &mut Host) -> io::Result<()> {
    let (start, node) = (Instant::now(), &mut host.events.node);
    node.shutdown(start, Close::AfterAnswers { within: LINGER });
    let deadline = start + LINGER;
    while host.events.node.connections() > 0 && Instant::now() < deadline {
        host.turn(&[], Some(deadline))?;
    }
    Ok(())
}

fn spawn_all(host: &mut Host) -> Result<Agents, ContainerError> {
    let mut urls = Agents::new();
    for (name, make) in
        [("Echo", echo as MakeAgent), ("Caller", agents::caller), ("Clock", agents::clock)]
    {
        urls.insert(name, host.spawn(make)?.to_string());
    }
    Ok(urls)
}

/// Creates an agent for a host, with its future URL.
type MakeAgent = fn(&Host, &AgentUrl) -> ServiceDict<Later>;
