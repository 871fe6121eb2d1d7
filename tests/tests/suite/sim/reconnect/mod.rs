//! Handles that outlive their connections.

mod agents;
mod rpc;
mod types;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas_sim::Sim;

/// The methods run so far, over all lives of a host.
type Log = Arc<Mutex<Vec<u64>>>;

/// The time limit of reconnecting.
const WITHIN: Duration = Duration::from_secs(10);

fn crash(sim: &Sim, time: Duration) {
    sim.at(time, |sim| sim.crash("tower").expect("a known host"));
}

fn restart(sim: &Sim, time: Duration) {
    sim.at(time, |sim| sim.restart("tower").expect("a known host"));
}
