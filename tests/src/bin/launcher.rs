//! A parent with child processes, in one program that starts itself.
//!
//! The parent prints the same as a server, with the URLs of its children's managers, and ends with
//! its standard input.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use aiomas::Proxy;
use aiomas::{Runtime, container};
use aiomas_async_std::AsyncStd;
use aiomas_core::clock::Date;
use aiomas_smol::Smol;
use aiomas_subproc::{Child, Launcher};
use aiomas_tests::runtimes::{RuntimeKind, on_tokio};
use aiomas_tests::workers::factories;
use aiomas_tokio::Tokio;
use clap::Parser;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The time a child has to end after its parent.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
struct Options {
    /// The number of children.
    #[arg(long, default_value_t = 3)]
    children: usize,
    /// Give each child an agent that does not end.
    #[arg(long)]
    sticky: bool,
    /// Ignore signals, as a parent that handles them would.
    #[arg(long)]
    patient: bool,
    /// The runtime of the children; the parent runs on tokio.
    #[arg(long, default_value = "tokio")]
    runtime: RuntimeKind,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let run = match (Child::from_env(), options.runtime) {
        (None, _) => on_tokio(parent(&options)),
        (Some(child), RuntimeKind::Smol) => smol::block_on(run(child, Smol::default())),
        (Some(child), RuntimeKind::AsyncStd) => {
            async_std::task::block_on(run(child, AsyncStd::default()))
        }
        (Some(child), RuntimeKind::Tokio | RuntimeKind::Poll) => {
            on_tokio(run(child, Tokio::default()))
        }
    };
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("launcher: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run<R: Runtime>(child: Child, runtime: R) -> Result<(), Box<dyn Error>> {
    let start: Date = "2020-01-01T00:00:00+00:00".parse()?;
    let builder = container::builder(runtime).external_clock(start, -1.0);
    Ok(child.grace(GRACE).run(builder, factories()).await?)
}

async fn parent(options: &Options) -> Result<(), Box<dyn Error>> {
    if options.patient {
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Default::default())?;
        }
    }
    let container = aiomas_tokio::container::bind("tcp://127.0.0.1:0").await?;
    let fleet = Launcher::new(options.children).launch(&container).await?;
    if options.sticky {
        for manager in fleet.managers() {
            manager.spawn("Sticky").send::<(Proxy, String)>().await?;
        }
    }
    let managers: Vec<_> =
        fleet.managers().filter_map(|manager| Some(manager.as_ref().url()?.to_string())).collect();
    let ready = json!({"ready": {"addr": container.address().to_string(), "managers": managers}});
    writeln!(io::stdout(), "{ready}")?;
    // Blocking is fine: the parent has no other work meanwhile.
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    fleet.stop().await?;
    Ok(container.shutdown().await?)
}
