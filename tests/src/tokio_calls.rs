//! Calls between two containers on tokio, for the program `instructions`.

use aiomas_core::wire::Codec;
use aiomas_tokio::{Error, agent, container};

/// Gives back what it gets.
struct TestAgent;

#[agent]
impl TestAgent {
    #[expose]
    fn service(&self, value: i64) -> i64 {
        value
    }
}

/// Makes `calls` calls of `service(i64) -> i64` of an agent over TCP, with `in_flight` of them at a time, by
/// as many tasks. Both ends are on one thread.
///
/// # Panics
/// If the sockets fail, or a call does not come back with its own value.
pub fn tokio_round_trips(codec: Codec, calls: u32, in_flight: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        run(codec, calls, in_flight).await.expect("calls succeed");
    });
}

async fn run(codec: Codec, calls: u32, in_flight: u32) -> Result<(), Error> {
    let server = container::builder().codec(codec).bind("tcp://127.0.0.1:0").await?;
    let client = container::builder().codec(codec).bind("tcp://127.0.0.1:0").await?;
    let agent = server.spawn(TestAgent)?;
    let proxy: TestAgentProxy = client.connect(agent.url()).await?;
    let callers: Vec<_> = (0..in_flight)
        .map(|caller| {
            let proxy = proxy.clone();
            tokio::spawn(async move {
                for number in (caller..calls).step_by(in_flight as usize) {
                    let value = i64::from(number % 100);
                    assert_eq!(proxy.service(value).await?, value);
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("a caller does not panic")?;
    }
    client.shutdown().await?;
    server.shutdown().await
}
