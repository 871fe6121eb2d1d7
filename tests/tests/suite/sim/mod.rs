//! The simulated runtime, and the driver on it, with all faults.

mod addresses;
mod frozen;
mod hosts;
mod network;
mod panics;
mod reconnect;
mod running;
mod seeds;
mod stress;

use std::time::Duration;

use aiomas_sim::{Container, Error, Host, Sim, agent};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// An agent to call.
#[derive(Debug)]
pub(crate) struct Meter;

#[agent]
impl Meter {
    #[expose]
    fn read(&self, number: u64) -> u64 {
        number
    }

    #[expose]
    fn size(&self, text: String) -> usize {
        text.len()
    }

    #[expose]
    async fn never(&self) {
        std::future::pending().await
    }
}

/// Starts a host `house` with a meter, now and after each restart.
fn house(sim: &Sim) -> Host {
    let house = sim.host("house");
    house.start(|host| async move {
        let container = host.container().bind("tcp://house:5555").await?;
        container.spawn(Meter)?;
        std::future::pending().await
    });
    house
}

/// Returns a container on the host `grid`, and its proxy of the meter.
async fn grid(sim: &Sim) -> Result<(Container, MeterProxy), Error> {
    let container = sim.host("grid").container().bind("tcp://grid:5555").await?;
    let meter = container.connect("tcp://house:5555/0").within(10 * SECOND).await?;
    Ok((container, meter))
}
