//! A container with agents.

use std::time::Instant;

use aiomas::{Container, Runtime, container};
use aiomas_bench_contract::{Serve, Serving, Spawned, open_many_files, say, wait_for_end_of_input};
use aiomas_core::agent::Address;

use super::{TestAgent, Variant, address, said, text};
use crate::machine;

pub(super) async fn serve<R: Runtime>(
    variant: Variant,
    runtime: R,
    serve: &Serve,
) -> Result<(), String> {
    open_many_files();
    let builder = variant.configured(container::builder(runtime), &serve.address);
    let container = builder.bind(&*address(&serve.address)).await.map_err(text)?;
    let agents = spawn(&container, serve.agents)?;
    let address = match container.address() {
        Address::Tcp { port, .. } => serve.address.bound(*port),
        _ => serve.address.clone(),
    };
    say(&Serving { address: address.to_string(), agents }).map_err(said)?;
    let (sender, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        wait_for_end_of_input();
        sender.send(())
    });
    ended.await.map_err(|error| error.to_string())?;
    drop(container);
    Ok(())
}

/// Spawns the agents. Measures the cost if there are many.
fn spawn(container: &Container, count: u32) -> Result<Option<Spawned>, String> {
    if count == 1 {
        container.spawn(TestAgent).map_err(text)?;
        return Ok(None);
    }
    let (begin, before) = (Instant::now(), machine::resident("self"));
    for _ in 0..count {
        container.spawn(TestAgent).map_err(text)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let bytes = machine::resident("self").saturating_sub(before);
    Ok(Some(Spawned { count, seconds, bytes }))
}
