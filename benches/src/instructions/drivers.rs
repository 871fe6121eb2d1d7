//! Calls between two containers on a runtime.

use aiomas::{Error, Runtime, container};
use aiomas_core::wire::Codec;
use tokio::sync::mpsc;

use crate::ours::{On, TestAgent, TestAgentProxy};

/// Makes `calls` calls of an agent over TCP, `in_flight` of them at a time. The method is
/// `service(i64) -> i64`.
///
/// Each call in flight has its own task. Both ends run in this process.
///
/// # Panics
/// A socket fails, or a call returns another value.
pub(super) fn round_trips(on: On, codec: Codec, calls: u32, in_flight: u32) {
    let result = match on {
        On::Tokio => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(run(aiomas_tokio::Tokio::default(), codec, calls, in_flight))
        }
        On::Smol => smol::block_on(run(aiomas_smol::Smol::default(), codec, calls, in_flight)),
        On::AsyncStd => {
            let runtime = aiomas_async_std::AsyncStd::default();
            async_std::task::block_on(run(runtime, codec, calls, in_flight))
        }
    };
    result.expect("calls succeed");
}

async fn run<R: Runtime>(
    runtime: R,
    codec: Codec,
    calls: u32,
    in_flight: u32,
) -> Result<(), Error> {
    let bind = || container::builder(runtime.clone()).codec(codec).bind("tcp://127.0.0.1:0");
    let (server, client) = (bind().await?, bind().await?);
    let agent = server.spawn(TestAgent)?;
    let proxy: TestAgentProxy = client.connect(agent.url()).await?;
    let (sender, mut ended) = mpsc::unbounded_channel();
    for caller in 0..in_flight {
        let (proxy, sender) = (proxy.clone(), sender.clone());
        runtime.spawn(async move {
            for number in (caller..calls).step_by(in_flight as usize) {
                let value = i64::from(number % 100);
                match proxy.service(value).await {
                    Ok(answer) if answer == value => {}
                    other => {
                        // The receiver reports the first error; a later one may find it closed.
                        let _sent = sender.send(other);
                        return;
                    }
                }
            }
        });
    }
    drop(sender);
    if let Some(other) = ended.recv().await {
        panic!("{:?}", other?);
    }
    client.shutdown().await?;
    server.shutdown().await
}
