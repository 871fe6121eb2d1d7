//! Mounts one attack in a simulation under a counting allocator, and tells in a line of JSON what it made the victim hold.

use std::alloc::System;

use aiomas_sim::{Host, Sim};
use aiomas_tests::attack::{Attack, Run, limits, simulate};
use cap::Cap;
use clap::Parser;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// How much memory an attacker who has so many connections may cost: what the limits say, which has to do for what the
/// connections are themselves, and for what is on its way in the simulated network.
fn bound(name: &str, connections: usize) -> usize {
    let limits = limits();
    connections * (limits.max_frame + limits.max_input_bytes + limits.output_cap) + beside(name)
}

/// What comes on top where an attack fills its limits: what methods hold, or make.
fn beside(name: &str) -> usize {
    limits().max_frame
        * match name {
            // Two that methods hold, and one that is unpacked.
            "blosc_bombs" => 3,
            // The method's answer, and its bytes.
            "answers_that_are_not_read" => 1,
            _ => 0,
        }
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
    let Run { calls, connections, took, before, panics, allocated: [after, again], .. } =
        simulate(Sim::builder(1), &name, &|| ALLOCATOR.allocated());
    let peak = ALLOCATOR.max_allocated() - before;
    let line = json!({
        "attack": name, "peak": peak, "bound": bound(&name, connections), "left": again.saturating_sub(after),
        "connections": connections, "calls": calls, "panics": panics, "seconds": took.as_secs_f64(),
    });
    println!("{line}");
}
