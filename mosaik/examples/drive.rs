//! A driver of counter simulators in any language, without mosaik, which measures their speed.
//!
//! cargo run --release -p aiomas-mosaik --example drive -- 10000 target/release/examples/counter %(addr)s
//!
//! The number in front of the command is the number of steps.

use std::process::Command;
use std::time::Instant;

use aiomas_mosaik::{Error, Inputs, Outputs, Time, proxy};
use aiomas_tokio::channel;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let steps: Time = words.next().ok_or("how many steps?")?.parse()?;
    let words: Vec<String> = words.collect();
    let [program, args @ ..] = words.as_slice() else { return Err("which command?".into()) };
    let command = |address: &str| {
        let mut command = Command::new(program);
        command.args(args.iter().map(|word| word.replace("%(addr)s", address)));
        command
    };
    let (value, took) = drive(command, steps).await?;
    println!("counted to {value} in {took:.2} s: {:.0} steps per second", steps as f64 / took);
    Ok(())
}

/// Runs a counter for `steps` steps, with an input for each.
///
/// Returns the value it has reached, and the time in seconds.
async fn drive(command: impl FnOnce(&str) -> Command, steps: Time) -> Result<(i64, f64), Error> {
    let connected = proxy::start(channel::builder(), command).await?;
    let mut counters = connected.init("Counters", 1.0, &(), ()).await?;
    let counter = counters.create(1, "Counter", &()).await?.remove(0).eid;
    counters.setup_done().await?;
    let outputs = Outputs::from_iter([(&counter, "value")]);
    let (mut time, mut value) = (0, None);
    let begin = Instant::now();
    while time < steps {
        let inputs = Inputs::from_iter([(&counter, "delta", "Drive.me", 2)]);
        let next = counters.step(time, &inputs, steps).await?;
        value = counters.get_data(&outputs).await?.get(&counter, "value").cloned();
        time = next.unwrap_or(steps);
    }
    let took = begin.elapsed().as_secs_f64();
    counters.stop().await?;
    Ok((value.and_then(|value| value.as_i64()).unwrap_or_default(), took))
}
