//! One contestant in one mode.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aiomas_bench_contract::{Holding, Measuring, Report, Serving};
use clap::Args;

use super::contestant::Prepared;
use super::plan::{Calls, Does, Mode, Way};
use super::process::Child;
use super::record::{Called, Idle, Outcome, Record};
use crate::machine::{self, Ticks};

/// The time limit for each step of a contestant that is not measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// The conditions of a measurement.
#[derive(Clone, Debug, Args)]
pub(crate) struct Conditions {
    /// The number of rounds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// The measured time per round, in seconds.
    #[arg(long, default_value_t = 0.7, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Let the system choose CPUs. Otherwise clients run on CPU 0 and servers on CPU 1.
    #[arg(long)]
    pub(crate) no_pin: bool,
    /// Make this number of calls instead of calling for a time, as a smoke test.
    #[arg(long, hide = true, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) calls: Option<u64>,
    /// Divide the numbers of connections and agents by this, as a smoke test.
    #[arg(long, default_value_t = 1, hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) scale: u32,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.01..=600.0).contains(&number) => Ok(number),
        _ => Err("must be a time from 0.01 s to 600 s".into()),
    }
}

impl Conditions {
    fn client(&self) -> Option<usize> {
        (!self.no_pin).then_some(0)
    }

    fn server(&self) -> Option<usize> {
        (!self.no_pin).then_some(1)
    }

    /// Measures one round.
    pub(crate) fn measure(&self, who: &Prepared, mode: Mode, way: Way, round: u32) -> Record {
        let ticks = Ticks::now();
        let outcome = self.outcome(who, mode.scaled(self.scale).does, way);
        let outcome = outcome.unwrap_or_else(|why| Outcome::Failed { why });
        Record {
            round,
            mode: mode.name.into(),
            way,
            contestant: who.contestant.name.clone(),
            load: machine::load(),
            stolen: Ticks::now().stolen_since(ticks),
            outcome,
        }
    }

    fn outcome(&self, who: &Prepared, does: Does, way: Way) -> Result<Outcome, String> {
        let agents = match does {
            Does::Calls(calls) => calls.agents,
            Does::Spawn(agents) => agents,
            Does::Idle(_) => 1,
        };
        let mut server = Server::start(who, way, agents, self.server())?;
        let outcome = match does {
            Does::Calls(calls) => Outcome::Calls(self.call(who, &server, calls)?),
            Does::Idle(connections) => Outcome::Idle(self.idle(who, &server, connections)?),
            Does::Spawn(_) => {
                let spawned = server.serving.agents.take();
                Outcome::Spawned(spawned.ok_or("it does not say what agents have taken")?)
            }
        };
        server.end()?;
        Ok(outcome)
    }

    fn call(&self, who: &Prepared, server: &Server, calls: Calls) -> Result<Called, String> {
        let mut command = who.command();
        command.args(["call", "--address", &server.serving.address]);
        for (option, number) in [
            ("--in-flight", calls.in_flight),
            ("--payload", calls.payload),
            ("--connections", calls.connections),
            ("--agents", calls.agents),
        ] {
            command.args([option, &number.to_string()]);
        }
        let seconds = self.seconds.to_string();
        let warmup = (self.seconds / 4.0).max(0.05).to_string();
        match self.calls {
            Some(calls) => command.args(["--calls", &calls.to_string()]),
            None => command.args(["--seconds", &seconds, "--warmup", &warmup]),
        };
        let before = machine::resident(&server.id());
        let mut client = Child::start(command, self.client()).map_err(client_fails)?;
        client.line::<Measuring>(PATIENCE).map_err(client_fails)?;
        let cpu = machine::cpu_time(server.child.id());
        let report: Report =
            client.line(PATIENCE + Duration::from_secs_f64(self.seconds)).map_err(client_fails)?;
        let cpu = machine::cpu_time(server.child.id()).saturating_sub(cpu);
        let memory = [before, machine::resident(&server.id())];
        client.end().map_err(client_fails)?;
        let server_cpu = cpu.as_secs_f64() * 1e6 / report.calls as f64;
        Ok(Called { report, server_cpu, memory })
    }

    fn idle(&self, who: &Prepared, server: &Server, connections: u32) -> Result<Idle, String> {
        let one = Calls { in_flight: 1, payload: 0, connections: 1, agents: 1 };
        let alone = self.call(who, server, one)?;
        let before = machine::resident(&server.id());
        let mut command = who.command();
        command.args(["hold", "--address", &server.serving.address]);
        command.args(["--connections", &connections.to_string()]);
        let mut holder = Child::start(command, self.client()).map_err(client_fails)?;
        holder.line::<Holding>(PATIENCE).map_err(client_fails)?;
        let bytes = machine::resident(&server.id()).saturating_sub(before);
        let beside = self.call(who, server, one)?;
        holder.end().map_err(client_fails)?;
        Ok(Idle { connections, bytes, alone, beside })
    }
}

fn client_fails(error: String) -> String {
    format!("the client: {error}")
}

/// A running server.
struct Server {
    child: Child,
    serving: Serving,
    _file: Option<SocketFile>,
}

/// The file of a socket, removed when dropped.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Some servers have already removed it.
        let _removed = std::fs::remove_file(&self.0);
    }
}

impl Server {
    fn start(who: &Prepared, way: Way, agents: u32, cpu: Option<usize>) -> Result<Self, String> {
        let mut command = who.command();
        let (address, file) = address(way);
        command.args(["serve", "--address", &address]);
        if agents > 1 {
            command.args(["--agents", &agents.to_string()]);
        }
        let serves = |mut child: Child| {
            let serving = child.line(PATIENCE)?;
            Ok(Self { child, serving, _file: file })
        };
        let server = Child::start(command, cpu).and_then(serves);
        server.map_err(|error| format!("the server: {error}"))
    }

    fn id(&self) -> String {
        self.child.id().to_string()
    }

    fn end(self) -> Result<(), String> {
        self.child.end().map_err(|error| format!("the server: {error}"))
    }
}

/// Returns the address to listen at, and the file of a Unix socket.
fn address(way: Way) -> (String, Option<SocketFile>) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    match way {
        Way::Tcp => ("tcp://127.0.0.1:0".into(), None),
        Way::Tls => ("tls://127.0.0.1:0".into(), None),
        Way::Unix => {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let file = format!("aiomas-bench-{}-{number}", std::process::id());
            let file = std::env::temp_dir().join(file);
            (format!("ipc://[{}]", file.display()), Some(SocketFile(file)))
        }
    }
}
