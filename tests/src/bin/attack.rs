//! Mounts one attack in a simulation under a counting allocator, and tells in a line of JSON what it made the victim hold.

use std::alloc::System;

use aiomas_sim::{Host, Sim};
use aiomas_tests::attack::{Attack, Run, simulate};
use cap::Cap;
use clap::Parser;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

#[derive(Parser)]
struct Options {
    /// Which one; all of them, each in a process of its own, unless told.
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
    let Run { calls, took, before, allocated: [after, again], .. } =
        simulate(Sim::builder(1), &name, &|| ALLOCATOR.allocated());
    let peak = ALLOCATOR.max_allocated() - before;
    let line = json!({
        "attack": name, "peak": peak, "left": again.saturating_sub(after), "before": before,
        "calls": calls, "seconds": took.as_secs_f64(),
    });
    println!("{line}");
}
