//! The first example of aiomas, in Rust: two agents in a container.
//!
//! One agent calls the other.

use aiomas_tokio::{Error, agent, container};

struct TestAgent;

#[agent]
impl TestAgent {
    #[expose]
    fn service(&self, value: i64) -> i64 {
        value
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let container = container::bind("tcp://127.0.0.1:0").await?;
    let a = container.spawn(TestAgent)?;
    let b = container.spawn(TestAgent)?;
    println!("Ohai, I am {a}");
    println!("Ohai, I am {b}");

    for (one, other) in [(&a, &b), (&b, &a)] {
        let remote: TestAgentProxy = one.connect(other.url()).await?;
        println!("{one} got {} from {remote}", remote.service(42).await?);
    }
    container.shutdown().await
}
