//! Runs one attack in a simulation, and prints the victim's memory. An allocator counts the memory;
//! the output is a line of JSON.

use std::alloc::System;

use aiomas_sim::{Host, Sim};
use aiomas_tests::attack::{Attack, Run, limits, simulate};
use cap::Cap;
use clap::Parser;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Returns the memory that an attacker with this number of connections may cost: the sum of the
/// limits, which must also cover the connections themselves and bytes in flight in the simulated
/// network.
fn bound(name: &str, connections: usize) -> usize {
    let limits = limits();
    connections * (limits.max_frame + limits.max_input_bytes + limits.output_cap) + beside(name)
}

/// Returns the memory for data that methods hold or create.
fn beside(name: &str) -> usize {
    limits().max_frame
        * match name {
            // Two frames held by methods, and one being decompressed.
            "blosc_bombs" => 3,
            // The method's answer and its encoded bytes.
            "answers_that_are_not_read" => 1,
            _ => 0,
        }
}

#[derive(Parser)]
struct Options {
    /// The name of an attack. Without it, the names are listed.
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
