//! The programs of separate processes: both simulators, and containers with turbines' agents.

use std::future::Future;
use std::path::Path;

use aiomas_mosaik::Args;
use aiomas_subproc::{Child, Launcher};
use aiomas_tokio::wire::Codec;
use aiomas_tokio::{channel, container};
use tokio::runtime;

use crate::agents::{factories, start};
use crate::error::Error;
use crate::simulators::{Agents, Turbines};
use crate::wind::{Wind, WindFile};

/// Runs as a container for agents until the parent stops it.
pub(crate) fn be_child(child: Child) -> Result<(), Error> {
    block_on(async {
        let builder = container::builder().external_clock(start()?, 0.0);
        Ok(child.run(builder, factories()).await?)
    })
}

/// Serves mosaik as the simulator of turbines.
pub(crate) fn turbines(mosaik: Args, wind: Option<&Path>) -> Result<(), Error> {
    mosaik.log();
    let wind = Wind::parse(&WindFile::read(wind)?, 0)?;
    block_on(async {
        mosaik.run(channel::builder(), Turbines::new(wind)).await?;
        Ok(())
    })
}

/// Serves mosaik as the simulator of agents, with this number of child processes.
pub(crate) fn agents(mosaik: Args, children: usize) -> Result<(), Error> {
    mosaik.log();
    block_on(async {
        let builder = container::builder().codec(Codec::MsgPack).external_clock(start()?, 0.0);
        let container = builder.bind("tcp://127.0.0.1:0").await?;
        let fleet = Launcher::new(children).launch(&container).await?;
        let simulator = Agents::new(container.clone(), fleet.managers().cloned().collect());
        let served = mosaik.run(channel::builder(), simulator).await;
        fleet.stop().await?;
        container.shutdown().await?;
        served?;
        Ok(())
    })
}

fn block_on(future: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
