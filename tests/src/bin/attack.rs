//! Mounts one attack in a simulation under a counting allocator, and tells in a line of JSON what it made the victim hold.

use std::alloc::System;

use aiomas_sim::{Host, Sim};
use aiomas_tests::attack::{Attack, BUFFER, Run, limits, simulate};
use cap::Cap;
use clap::Parser;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What a connection takes beside what its limits speak of: what is read at a time, answers on their way to the
/// connection, its state and its task.
const SMALL: usize = 160 * 1024;

/// How much memory an attacker who has so many connections may cost, and the simulated network with them.
fn bound(connections: usize) -> usize {
    let limits = limits();
    let connection = limits.max_frame + limits.max_input_bytes + limits.output_cap;
    // One message at a time is unpacked, and its values are made: two copies.
    let message = 2 * limits.max_frame;
    // Buffers grow by doubling.
    let network = 2 * 2 * BUFFER;
    connections * (connection + network + SMALL) + message
}

#[derive(Parser)]
struct Options {
    /// Which one. Without, their names are listed.
    name: Option<String>,
}

fn main() {
    let options = Options::parse();
    let Some(name) = options.name else {
        for attack in Attack::<Host>::all() {
            println!("{:>2} {}", attack.row, attack.name);
        }
        return;
    };
    let Run { calls, connections, took, before, allocated: [after, again], .. } =
        simulate(Sim::builder(1), &name, &|| ALLOCATOR.allocated());
    let peak = ALLOCATOR.max_allocated() - before;
    let line = json!({
        "attack": name, "peak": peak, "bound": bound(connections), "left": again.saturating_sub(after),
        "connections": connections, "calls": calls, "seconds": took.as_secs_f64(),
    });
    println!("{line}");
}
