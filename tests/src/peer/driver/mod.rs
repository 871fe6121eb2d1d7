//! The services on the driver, for any async runtime.

pub(crate) mod agents;
mod channel;
mod cut;
pub(crate) mod doubler;
pub(crate) mod manager;
pub(crate) mod rpc;

use std::error::Error;

use aiomas::manager::Manager;
use aiomas::{Builder, Container, Runtime, container};
use aiomas_core::connection::Close;

use super::end::End;
use super::{Agents, ClockKind, Kind, LINGER, Options, say_ready};
use crate::runtimes::Sleep;

/// Serves until the program ends.
pub(super) async fn run<R: Runtime>(runtime: R, options: &Options) -> Result<(), Box<dyn Error>> {
    let end = End::new()?.watch();
    match options.kind {
        Kind::Channel => {
            let server = channel::Server::listen(runtime, options).await?;
            say_ready(server.address(), &Agents::new())?;
            tokio::select! {
                ended = end => ended??,
                never = server.serve() => match never {},
            }
        }
        Kind::Rpc => {
            let root = rpc::Root::new(Sleep::on(&runtime));
            let builder = configured(aiomas::rpc::builder(runtime), options)?.service(root);
            let server = builder.listen(options.addr.clone()).await?;
            say_ready(server.address(), &Agents::new())?;
            end.await??;
            server.shutdown_with(Close::Now).await;
        }
        Kind::Agent => {
            let container = bind(runtime, options).await?;
            say_ready(container.address(), &spawn_all(&container)?)?;
            end.await??;
            container.shutdown_with(Close::Now).await?;
        }
        Kind::Manager => {
            let container = bind(runtime, options).await?;
            let manager = Manager::new(manager::factories());
            let stopped = manager.stopped();
            let url = container.spawn(manager)?.url().to_string();
            say_ready(container.address(), &Agents::from([("Manager", url)]))?;
            tokio::select! {
                ended = end => ended??,
                () = stopped => {}
            }
            container.shutdown().await?;
        }
    }
    Ok(())
}

fn configured<R: Runtime, L>(
    builder: Builder<R, L>,
    options: &Options,
) -> Result<Builder<R, L>, aiomas::Error> {
    let mut builder =
        builder.types(options.serializers.types()).config(|config| config.linger = LINGER);
    if let Some(codec) = options.codec {
        builder = builder.codec(codec);
    }
    Ok(match options.tls.config()? {
        Some(tls) => builder.tls(tls),
        None => builder,
    })
}

async fn bind<R: Runtime>(runtime: R, options: &Options) -> Result<Container, aiomas::Error> {
    let mut builder = configured(container::builder(runtime), options)?.drain(LINGER);
    if let ClockKind::External(start) = options.clock {
        builder = builder.external_clock(start, 0.0);
    }
    builder.bind(options.addr.clone()).await
}

fn spawn_all(container: &Container) -> Result<Agents, aiomas::Error> {
    Ok(Agents::from([
        ("Echo", container.spawn(agents::Echo)?.url().to_string()),
        ("Caller", container.spawn(agents::Caller)?.url().to_string()),
        ("Clock", container.spawn(agents::Clock)?.url().to_string()),
    ]))
}
