//! A live feed: a producer measures at its own pace and pushes readings to all subscribers.
//!
//! A slow view delays neither the producer nor the other views. It misses readings, and learns how
//! many.
//!
//!     cargo run --example dashboard
//!
//! runs a fast view and a slow one. It prints the readings they show and, at the end, how many they
//! missed:
//!
//!     wall    5 ██████████████████ 9.4 kW
//!     phone   1 █████████████ 6.8 kW
//!     wall    6 ███████████████████ 9.7 kW
//!     ...
//!     wall has missed 0 readings
//!     ...
//!     phone has missed 32 readings
//!
//! To run a feed until Ctrl-C, and a remote view of it that takes 300 ms to draw:
//!
//!     cargo run --example dashboard -- --listen tcp://127.0.0.1:5556
//!     cargo run --example dashboard -- --connect tcp://127.0.0.1:5556 300

use std::ops::RangeInclusive;
use std::time::Duration;

use aiomas_tokio::rpc::ServiceRef;
use aiomas_tokio::{
    Error, Proxy,
    rpc::{self, RpcServer},
    service,
};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

/// The time between two readings.
const PERIOD: Duration = Duration::from_millis(40);
/// The number of readings a view may be behind. Beyond that it misses the oldest ones.
const BEHIND: usize = 8;
/// The time a view may take for a reading before the feed drops the view.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Serialize, Deserialize)]
struct Reading {
    number: u32,
    kilowatts: f64,
}

struct Feed {
    readings: broadcast::WeakSender<Reading>,
}

#[service]
impl Feed {
    /// Pushes readings to a view until the producer ends. Returns the number of missed readings.
    #[expose]
    async fn subscribe(&self, view: ViewProxy) -> u64 {
        let view = view.with_timeout(PATIENCE);
        let readings = self.readings.upgrade().map(|readings| readings.subscribe());
        let Some(mut readings) = readings else { return 0 };
        let mut missed = 0;
        loop {
            match readings.recv().await {
                // One call at a time: the queue for a slow view is bounded.
                Ok(reading) => {
                    // The call fails if the view is gone or stuck, or if the server shuts down.
                    if view.show(reading).await.is_err() {
                        return missed + 1 + readings.len() as u64;
                    }
                }
                Err(RecvError::Lagged(number)) => missed += number,
                Err(RecvError::Closed) => return missed,
            }
        }
    }
}

async fn open(address: &str) -> Result<(RpcServer, broadcast::Sender<Reading>), Error> {
    let readings = broadcast::Sender::new(BEHIND);
    let server = rpc::listen(address, Feed { readings: readings.downgrade() }).await?;
    Ok((server, readings))
}

/// Simulates the power of a wind turbine. Dropping the sender ends the feed.
async fn produce(readings: broadcast::Sender<Reading>, numbers: RangeInclusive<u32>) {
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in numbers {
        ticks.tick().await;
        let kilowatts = 6.0 + 4.0 * (f64::from(number) / 5.0).sin();
        // This fails without subscribers, which is fine.
        let _ = readings.send(Reading { number, kilowatts });
    }
}

struct View {
    name: String,
    /// The time it takes to draw a reading.
    takes: Duration,
}

#[service]
impl View {
    #[expose]
    async fn show(&self, reading: Reading) {
        sleep(self.takes).await;
        let Reading { number, kilowatts } = reading;
        let bar = "█".repeat((2.0 * kilowatts) as usize);
        println!("{:<5} {number:>3} {bar} {kilowatts:.1} kW", self.name);
    }
}

async fn view(address: &str, name: &str, takes: Duration) -> Result<(), Error> {
    let view = View { name: name.to_owned(), takes };
    let client = rpc::builder().service(view).connect(address).await?;
    let feed: FeedProxy = client.remote_as();
    // A reference to the root service of this side, which is the view.
    let myself = Proxy::from(ServiceRef::new(""));
    let missed = feed.subscribe(myself.into()).await?;
    println!("{name} has missed {missed} readings");
    Ok(())
}

async fn serve(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let (server, readings) = open(address).await?;
    println!("the feed is at {}", server.address());
    tokio::select! {
        () = produce(readings, 1..=u32::MAX) => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    // The producer has ended the subscriptions. The server answers them before it closes the
    // connections.
    server.shutdown().await;
    Ok(())
}

async fn demo() -> Result<(), Box<dyn std::error::Error>> {
    let (server, readings) = open("tcp://127.0.0.1:0").await?;
    let address = server.address().to_string();
    let (_, wall, phone) = tokio::join!(
        produce(readings, 1..=50),
        view(&address, "wall", Duration::ZERO),
        view(&address, "phone", Duration::from_secs(1)),
    );
    wall?;
    phone?;
    server.shutdown().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => demo().await,
        ["--listen", address] => serve(address).await,
        ["--connect", address, takes] => {
            let takes = Duration::from_millis(takes.parse()?);
            Ok(view(address, "view", takes).await?)
        }
        _ => Err("usage: dashboard [--listen ADDRESS | --connect ADDRESS MILLISECONDS]".into()),
    }
}
