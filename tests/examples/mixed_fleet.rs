//! A mixed fleet: Rust agents on tokio call agents in a Python container, which call them back.
//!
//!     cargo run -p aiomas-tests --example mixed_fleet
//!
//! The first run installs aiomas into a virtual environment; see `aiomas_tests::python`.

use std::collections::BTreeMap;

use aiomas_tests::python::Setup;
use aiomas_tokio::{
    Container,
    container::{self, AgentUrl},
};
use aiomas_tokio::{Context, Error, Proxy, agent};

/// A thermometer that counts its readings.
struct Thermometer {
    readings: u32,
}

#[agent]
impl Thermometer {
    /// Returns the name, for the Python agent `Echo`.
    #[expose]
    fn name(&self) -> &str {
        "Thermometer"
    }

    #[expose]
    fn read(&mut self, #[default] offset: f64) -> f64 {
        self.readings += 1;
        20.0 + f64::from(self.readings) + offset
    }

    /// Passes a reference to this agent to the agent at `url`, which calls `name`.
    #[expose]
    async fn visit(&self, url: String, #[context] ctx: &Context) -> Result<String, Error> {
        let host: Proxy = ctx.container()?.connect(&*url).await?;
        let me = ctx.agent()?;
        let mut met: BTreeMap<String, String> = host.call("meet").arg(me).send().await?;
        Ok(met.remove("met").unwrap_or_default())
    }
}

/// Runs calls between our agents and those of a Python container. Returns lines that describe them.
pub(crate) async fn work_together(
    ours: &Container,
    echo: AgentUrl,
    caller: AgentUrl,
) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    let inside = ours.spawn(Thermometer { readings: 0 })?;
    let outside = ours.spawn(Thermometer { readings: 0 })?;

    // From Rust to Python. The compiler has no description of the agent, so its methods are called
    // by name.
    let python: Proxy = ours.connect(&echo).await?;
    let sum: i64 = python.call("add").arg(20).kwarg("b", 22).send().await?;
    lines.push(format!("Rust asked Python for 20 + 22: {sum}"));

    // And back over the same connection, through a reference.
    let met = inside.proxy().visit(echo.to_string()).await?;
    lines.push(format!("Python met a {met}, on {} connection", ours.connection_count()));

    // Python finds our agent by its URL, over a new connection.
    let python: Proxy = ours.connect(&caller).await?;
    let read = |offset: f64| {
        let args = (outside.url().to_string(), "read", [offset]);
        python.invoke::<_, _, f64>("call", &args, &())
    };
    lines.push(format!(
        "Python read {}° outside, on {} connections",
        read(-15.0).await?,
        ours.connection_count()
    ));

    // All calls are in flight before the first answer arrives.
    let calls: Vec<_> = (0..100).map(|_| read(0.0)).collect();
    let mut sum = 0.0;
    for call in calls {
        sum += call.await?;
    }
    lines.push(format!("Python read {}° on average, of 100 readings at once", sum / 100.0));

    // Failures contain the name and the text of the Python exception.
    match python.call("fail").arg("no battery").send::<()>().await {
        Err(Error::Remote(error)) => {
            lines.push(format!("Python failed: {}: {}", error.kind(), error.message()));
        }
        other => lines.push(format!("Python should have failed: {other:?}")),
    }
    Ok(lines)
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (python, ready) = Setup::new("agent", "json").serve("tcp://127.0.0.1:0");
    let url = |agent: &str| ready.info["agents"][agent].as_str().unwrap_or_default().parse();
    let ours = container::bind("tcp://127.0.0.1:0").await?;
    for line in work_together(&ours, url("Echo")?, url("Caller")?).await? {
        println!("{line}");
    }
    ours.shutdown().await?;
    python.stop();
    Ok(())
}
