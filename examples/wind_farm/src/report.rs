//! The summary of a run.

use std::time::Duration;

use crate::day::Point;
use crate::run::Seconds;
use crate::turbine::Watts;
use crate::wind::STEP;

/// The calls to each turbine's agent per step: the gateway sends a reading, and the controller asks
/// for it and sets the maximum.
const CALLS: usize = 3;

/// Prints a summary of a run that passed all checks.
pub(crate) fn report(
    turbines: usize,
    limit: Watts,
    points: &[Point],
    took: Duration,
    seconds: Option<Seconds>,
) {
    let steps = points.len();
    let energy = |of: fn(&Point) -> Watts| {
        let sum: f64 = points.iter().map(|point| of(point) as f64).sum();
        sum * f64::from(STEP) / 3600.0 / 1e6
    };
    let (fed_in, possible) = (energy(|point| point.power), energy(|point| point.possible));
    let above = points.iter().filter(|point| point.possible > limit).count();
    println!(
        "{turbines} turbines, {steps} steps: each as computed independently, and none after the first \
         above the limit of {:.3} MW",
        limit as f64 / 1e6
    );
    println!(
        "{fed_in:.3} MWh were fed in of {possible:.3} MWh that were possible; {above} steps would have \
         been above the limit"
    );
    let (took, calls) = (took.as_secs_f64(), CALLS * turbines * steps);
    let Some(seconds) = seconds else {
        let rate = calls as f64 / took;
        println!("{took:.2} s, {calls} calls of turbines' agents, {rate:.0} a second");
        return;
    };
    let Seconds { start, run, python, turbines, agents, recorder } = seconds;
    println!(
        "{took:.2} s: {:.2} s to start Python, {start:.2} s to create and connect everything, {run:.2} s \
         to run",
        took - start - run
    );
    println!(
        "of these: {turbines:.2} s for the turbines, {agents:.2} s for the agents ({calls} calls, {:.0} a \
         second), {recorder:.2} s for recording, {:.2} s for mosaik and JSON, in which Python was busy for \
         {:.2} s",
        calls as f64 / agents,
        run - turbines - agents - recorder,
        python - recorder
    );
}
