//! Remote procedure calls: a typed proxy, a call by name, and a callback.

use aiomas_tokio::{Context, Error, rpc, service};

struct MathServer;

#[service]
impl MathServer {
    /// Adds two numbers.
    #[expose]
    fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    /// Asks the client for a number, and doubles it.
    #[expose]
    async fn double_yours(&self, #[context] ctx: &Context) -> Result<i64, Error> {
        let client = ClientProxy::from(ctx.remote());
        Ok(2 * client.number().await?)
    }
}

struct Client;

#[service]
impl Client {
    #[expose]
    fn number(&self) -> i64 {
        21
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let server = rpc::listen("tcp://127.0.0.1:0", MathServer).await?;

    let client = rpc::builder().service(Client).connect(server.address()).await?;
    let remote: MathServerProxy = client.remote_as();
    println!("What's 3 + 4? {}", remote.add(3, 4).await?);
    println!("What's twice my number? {}", remote.double_yours().await?);

    // The same call without types: any service, any arguments.
    let sum: i64 = client.remote().call("add").arg(3).kwarg("b", 5).send().await?;
    println!("What's 3 + 5? {sum}");
    match client.remote().call("divide").arg(1).send::<f64>().await {
        Err(Error::Remote(error)) => println!("What's divide? {}", error.message()),
        other => println!("What's divide? {other:?}"),
    }

    server.shutdown().await;
    Ok(())
}
