//! External clocks: a day of two houses passes within milliseconds.
//!
//!     cargo run --example external_clock
//!
//! Appliances sleep until their next switching time, and report each switch to a meter in another
//! container. They use their container's clock, as they would use the wall clock. In this example
//! the clocks advance only when set. The program sets them to the earliest time for which an
//! appliance waits, and continues once the switch is done. It sets them through the manager of each
//! container, as a co-simulation does for containers in other processes. It prints:
//!
//! ```text
//! 2026-01-01T05:00:00+00:00 southern heating: 1.5 kW
//! 2026-01-01T06:00:00+00:00 northern heating: 2 kW
//! ...
//! 2026-01-02T00:00:00+00:00 meter: 25.1 kWh
//! a day took 27 ms
//! ```

use std::collections::VecDeque;
use std::time::Instant;

use aiomas_tokio::clock::Date;
use aiomas_tokio::manager::{self, Factories, Manager, ManagerProxy};
use aiomas_tokio::{Container, Context, Error, agent, container};

/// Seconds per hour; clocks count in seconds.
const HOUR: f64 = 3600.0;

/// An appliance that switches by a timetable.
struct Appliance {
    name: &'static str,
    /// The current power, in kW.
    power: f64,
    /// The hour and the power, in kW, of each switch.
    timetable: VecDeque<(f64, f64)>,
    meter: MeterProxy,
}

#[agent]
impl Appliance {
    /// Returns the time of the next switch, in seconds.
    #[expose]
    fn due(&self) -> Option<f64> {
        self.timetable.front().map(|(hour, _)| hour * HOUR)
    }

    /// Sleeps until the next switch. Returns a line that describes the switch.
    #[expose]
    async fn switch(&mut self, #[context] ctx: &Context) -> Result<String, Error> {
        let clock = ctx.clock()?;
        if let Some((hour, power)) = self.timetable.pop_front() {
            clock.sleep_until(hour * HOUR).await?;
            self.meter.switched(clock.time(), power - self.power).await?;
            self.power = power;
        }
        Ok(format!("{} {}: {} kW", clock.utc_now(), self.name, self.power))
    }
}

/// Sums up the energy of all appliances.
#[derive(Default)]
struct Meter {
    power: f64,
    energy: f64,
    /// The time of the last change of power.
    since: f64,
}

#[agent]
impl Meter {
    /// Records a change of power at `time`. The appliance's clock may be ahead of the meter's.
    #[expose]
    fn switched(&mut self, time: f64, change: f64) {
        self.energy += self.power * (time - self.since) / HOUR;
        self.power += change;
        self.since = time;
    }

    /// Returns the energy so far, in kWh.
    #[expose]
    fn read(&mut self, #[context] ctx: &Context) -> Result<String, Error> {
        let clock = ctx.clock()?;
        self.switched(clock.time(), 0.0);
        Ok(format!("{} meter: {:.1} kWh", clock.utc_now(), self.energy))
    }
}

/// Starts a container whose clock its manager sets. Returns it with the manager's proxy for `head`.
async fn standing(head: &Container, start: Date) -> Result<(Container, ManagerProxy), Error> {
    let builder = container::builder().external_clock(start, 0.0);
    let container = builder.bind("tcp://127.0.0.1:0").await?;
    let manager = container.spawn(Manager::new(Factories::new()))?;
    Ok((container, head.connect(manager.url()).await?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let start = "2026-01-01T00:00:00Z".parse()?;
    let head = container::bind("tcp://127.0.0.1:0").await?;
    let (grid, grid_manager) = standing(&head, start).await?;
    let (north, north_manager) = standing(&head, start).await?;
    let (south, south_manager) = standing(&head, start).await?;
    let managers = [grid_manager, north_manager, south_manager];

    let meter = grid.spawn(Meter::default())?;
    let mut appliances: Vec<ApplianceProxy> = Vec::new();
    for (house, name, timetable) in [
        (&north, "northern heating", vec![(6.0, 2.0), (8.0, 0.0), (17.0, 2.0), (22.0, 0.0)]),
        (&north, "northern oven", vec![(12.0, 3.0), (13.0, 0.0)]),
        (&south, "southern heating", vec![(5.0, 1.5), (7.0, 0.0), (18.0, 1.5), (21.0, 0.0)]),
        (&south, "southern lamp", vec![(17.0, 0.1), (23.0, 0.0)]),
    ] {
        let meter = house.connect(meter.url()).await?;
        let appliance = Appliance { name, power: 0.0, timetable: timetable.into(), meter };
        let url = house.spawn(appliance)?.url().clone();
        appliances.push(head.connect(url).await?);
    }

    // All appliances sleep, each until its own time. Calls arrive in order: all appliances sleep
    // before a clock is set.
    let mut asleep = Vec::new();
    for appliance in &appliances {
        if let Some(due) = appliance.due().await? {
            asleep.push((due, appliance, appliance.switch()));
        }
    }
    while let Some(next) = asleep.iter().map(|(due, ..)| *due).reduce(f64::min) {
        manager::set_time(&managers, next).await?;
        let (awake, others): (Vec<_>, _) = asleep.into_iter().partition(|(due, ..)| *due <= next);
        asleep = others;
        for (_, appliance, switched) in awake {
            println!("{}", switched.await?);
            if let Some(due) = appliance.due().await? {
                asleep.push((due, appliance, appliance.switch()));
            }
        }
    }
    manager::set_time(&managers, 24.0 * HOUR).await?;
    println!("{}", meter.proxy().read().await?);
    println!("a day took {} ms", begin.elapsed().as_millis());

    for container in [south, north, grid, head] {
        container.shutdown().await?;
    }
    Ok(())
}
