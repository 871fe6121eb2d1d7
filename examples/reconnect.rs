//! Reconnecting connections: the server is killed twice, and restarted at the same port.
//!
//!     cargo run --example reconnect
//!
//! The program starts itself as the server, and is its client. It prints each action on the server,
//! the result of calls made before, during and after its absence, and the state of the client's
//! connection:
//!
//! ```text
//! process 4711 serves at tcp://127.0.0.1:40123
//! 230 V in process 4711
//! -- the server is killed while a call is in flight
//! that call fails: the connection was lost before the answer came: closed by the peer
//! the connection is Lost
//! ...
//! ```

use std::env;
use std::error::Error;
use std::process::{self, Stdio};
use std::time::Duration;

use aiomas_tokio::{
    reconnect::{ConnectionState, RetryPolicy},
    rpc, service,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;

/// Returns its process id.
#[derive(Default)]
struct Meter {
    alarm: Notify,
}

#[service]
impl Meter {
    #[expose]
    fn read(&self) -> String {
        format!("230 V in process {}", process::id())
    }

    /// Returns when an alarm is raised.
    #[expose]
    async fn watch(&self) -> String {
        self.alarm.notified().await;
        format!("alarm in process {}", process::id())
    }

    #[expose]
    fn alarm(&self) {
        self.alarm.notify_one();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        Some(address) => serve(&address).await,
        None => call().await,
    }
}

/// Runs the server: prints its address, and ends at the end of standard input.
async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let server = rpc::listen(address, Meter::default()).await?;
    println!("{}", server.address());
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    server.shutdown().await;
    Ok(())
}

/// Runs the client, with the server as a child process.
async fn call() -> Result<(), Box<dyn Error>> {
    let mut server = Server::start("tcp://127.0.0.1:0").await?;
    let address = server.address.clone();

    // When the connection is lost, the next call dials again, for 30 s at most.
    let reconnect = RetryPolicy::from(Duration::from_secs(30));
    let client = rpc::builder().reconnect(reconnect).connect(&*address).await?;
    let meter: MeterProxy = client.remote_as();
    let connection = client.remote().reconnecting().ok_or("this client reconnects")?;
    println!("{}", meter.read().await?);

    println!("-- the server is killed while a call is in flight");
    let watch = meter.watch();
    // Calls arrive in order: once this call is answered, the earlier one is in flight.
    meter.read().await?;
    // Like `kill -9`: the server cannot notify its clients.
    server.process.kill().await?;
    // The client cannot know whether the server executed the call, so the call is not repeated.
    if let Err(error) = watch.await {
        println!("that call fails: {error}");
    }
    println!("the connection is {:?}", connection.changed(ConnectionState::Connected).await);

    println!("-- calls without a server");
    if let Err(error) = meter.with_timeout(Duration::from_millis(100)).read().await {
        println!("a call with a timeout fails: {error}");
    }
    let patient = meter.read();
    println!("a call without a timeout waits; the connection is {:?}", connection.state());
    let mut server = Server::start(&address).await?;
    println!("{}", patient.await?);
    println!("the connection is {:?}", connection.state());

    println!("-- the server is killed while an idempotent call is in flight");
    // `watch` and `alarm` may run twice. The client repeats an idempotent call while its caller
    // waits.
    let meter = meter.idempotent();
    let watch = tokio::spawn(meter.watch());
    meter.read().await?;
    server.process.kill().await?;
    let server = Server::start(&address).await?;
    meter.alarm().await?;
    println!("that call is answered: {}", watch.await??);

    println!("-- the server ends");
    server.stop().await?;
    println!("the connection is {:?}", connection.changed(ConnectionState::Connected).await);
    Ok(())
}

/// A process of this program that runs as the server.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts the server, and waits until it prints its address.
    async fn start(address: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(env::current_exe()?)
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("its output is a pipe")?;
        let line = BufReader::new(output).lines().next_line().await?;
        let address = line.ok_or("the server has ended at once")?;
        println!("process {} serves at {address}", process.id().unwrap_or_default());
        Ok(Self { process, address })
    }

    /// Lets the server end by itself.
    async fn stop(mut self) -> Result<(), Box<dyn Error>> {
        // This closes the server's standard input.
        let status = self.process.wait().await?;
        if status.success() { Ok(()) } else { Err(format!("the server: {status}").into()) }
    }
}
