//! Connections that come back: the server is killed, twice, and started again at the same port.
//!
//!     cargo run --example reconnect
//!
//! The program starts itself as the server, and is its client. It prints what it does to the server, what becomes of
//! calls that are made before, while and after the server is gone, and what the client's line does meanwhile:
//!
//! ```text
//! process 4711 serves at tcp://127.0.0.1:40123
//! 230 V in process 4711
//! -- the server is killed while a call is in flight
//! that call fails: the connection was lost before the answer came: closed by the peer
//! the line is Lost
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

/// Tells which process it is in.
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

    /// Ends when there is an alarm.
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

/// The server: says where it listens, and ends with its standard input.
async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let server = rpc::listen(address, Meter::default()).await?;
    println!("{}", server.address());
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    server.shutdown().await;
    Ok(())
}

/// The client, which has the server as a child.
async fn call() -> Result<(), Box<dyn Error>> {
    let mut server = Server::start("tcp://127.0.0.1:0").await?;
    let address = server.address.clone();

    // When the connection is lost, the next call dials again, for half a minute at most.
    let reconnect = RetryPolicy::from(Duration::from_secs(30));
    let client = rpc::builder().reconnect(reconnect).connect(&*address).await?;
    let meter: MeterProxy = client.remote_as();
    let line = client.remote().reconnecting().ok_or("this client reconnects")?;
    println!("{}", meter.read().await?);

    println!("-- the server is killed while a call is in flight");
    let watch = meter.watch();
    // Calls arrive in their order: when a later one is answered, this one is in flight.
    meter.read().await?;
    // As `kill -9` does: it has no time to tell anybody.
    server.process.kill().await?;
    // Nobody knows whether the server has done what was asked, so it is not asked again.
    if let Err(error) = watch.await {
        println!("that call fails: {error}");
    }
    println!("the line is {:?}", line.changed(ConnectionState::Connected).await);

    println!("-- calls while there is no server");
    if let Err(error) = meter.with_timeout(Duration::from_millis(100)).read().await {
        println!("one with a timeout fails: {error}");
    }
    let patient = meter.read();
    println!("one without waits; the line is {:?}", line.state());
    let mut server = Server::start(&address).await?;
    println!("{}", patient.await?);
    println!("the line is {:?}", line.state());

    println!("-- the server is killed while an idempotent call is in flight");
    // To watch twice does no harm, nor does the alarm. Such a call is made again by whoever waits for it.
    let meter = meter.idempotent();
    let watch = tokio::spawn(meter.watch());
    meter.read().await?;
    server.process.kill().await?;
    let server = Server::start(&address).await?;
    meter.alarm().await?;
    println!("that call is answered: {}", watch.await??);

    println!("-- the server ends");
    server.stop().await?;
    println!("the line is {:?}", line.changed(ConnectionState::Connected).await);
    Ok(())
}

/// This program once more, as the server.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts it, and waits until it says where it listens.
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

    /// Lets it end by itself.
    async fn stop(mut self) -> Result<(), Box<dyn Error>> {
        // This closes its standard input.
        let status = self.process.wait().await?;
        if status.success() { Ok(()) } else { Err(format!("the server: {status}").into()) }
    }
}
