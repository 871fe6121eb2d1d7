//! Agents in three processes: the program starts itself as children, and drives their managers.

use aiomas_subproc::{Child, Launcher};
use aiomas_tokio::clock::Date;
use aiomas_tokio::manager::Factories;
use aiomas_tokio::{Context, Error, agent, container};

/// A meter of a constant load, which counts kilowatt hours.
struct Meter {
    kilowatts: f64,
}

#[agent]
impl Meter {
    #[expose]
    fn read(&self, #[context] ctx: &Context) -> Result<f64, Error> {
        Ok(self.kilowatts * ctx.clock()?.time() / 3600.0)
    }
}

/// Returns the factories of the agents that the children can create.
fn factories() -> Factories {
    Factories::new().agent("Meter", ["kilowatts"], |kilowatts: f64| Meter { kilowatts })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(child) = Child::from_env() {
        let start: Date = "2026-01-01T00:00:00+01:00".parse()?;
        let builder = container::builder().external_clock(start, 0.0);
        return Ok(child.run(builder, factories()).await?);
    }

    let container = container::bind("tcp://127.0.0.1:0").await?;
    let fleet = Launcher::new(3).launch(&container).await?;
    let mut meters = Vec::new();
    for (number, manager) in (1..).zip(fleet.managers()) {
        let making = manager.spawn("Meter").arg(number);
        let (meter, _): (MeterProxy, String) = making.send().await?;
        meters.push(meter);
    }
    for hour in 1..=2 {
        fleet.set_time(f64::from(hour) * 3600.0).await?;
        for meter in &meters {
            println!("after {hour} h: {} kWh", meter.read().await?);
        }
    }
    fleet.stop().await?;
    container.shutdown().await?;
    Ok(())
}
