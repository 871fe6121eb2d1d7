//! Agents that are spawned in child processes.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use aiomas::manager::Factories;
use aiomas::{Context, Error, Proxy, agent};

/// An agent that describes itself and its container.
#[derive(Debug)]
pub struct Worker {
    name: String,
    /// The file to which it writes at its end.
    log: Option<String>,
}

#[agent]
impl Worker {
    #[expose]
    fn name(&self) -> &str {
        &self.name
    }

    /// Returns the process id.
    #[expose]
    fn process(&self) -> u32 {
        std::process::id()
    }

    #[expose]
    fn time(&self, #[context] ctx: &Context) -> Result<f64, Error> {
        Ok(ctx.clock()?.time())
    }

    /// Sleeps until a time of the container's clock.
    #[expose]
    async fn sleep_until(&self, time: f64, #[context] ctx: &Context) -> Result<f64, Error> {
        let clock = ctx.clock()?;
        clock.sleep_until(time).await?;
        Ok(clock.time())
    }

    /// Asks a remote agent for its name.
    #[expose]
    async fn ask(&self, url: String, #[context] ctx: &Context) -> Result<String, Error> {
        let other: Proxy = ctx.container()?.connect(url).await?;
        other.invoke("name", &(), &()).await
    }

    /// Writes to standard output.
    #[expose]
    fn say(&self, text: String) {
        println!("{text}");
    }

    #[on_stop]
    fn stop(&self) -> std::io::Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let mut log = OpenOptions::new().append(true).create(true).open(log)?;
        // One write, because several processes append to the file.
        log.write_all(format!("{}\n", self.name).as_bytes())
    }
}

/// An agent that does not end.
#[derive(Debug)]
pub struct Sticky;

#[agent]
impl Sticky {
    #[on_stop]
    fn stop(&self) {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Returns the factories of the children.
#[must_use]
pub fn factories() -> Factories {
    Factories::new()
        .agent("Worker", ["name", "log"], |name: String, log: Option<String>| Worker { name, log })
        .agent("Sticky", [], || Sticky)
        .agent("Impossible", [], || Err::<Sticky, _>(std::io::Error::other("out of paper")))
        .async_agent("Panic", [], async || -> Sticky { panic!("on purpose") })
}
