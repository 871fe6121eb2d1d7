//! The contract of all contestants of the benches, ours and theirs: one command line, one way to measure, one
//! line of JSON as the result.
//!
//! ```text
//! PROGRAM CONTESTANT serve [--address A] [--agents N]
//! PROGRAM CONTESTANT call --address A [--in-flight N] [--payload BYTES] [--connections C] [--agents N]
//!                         [--seconds S] [--warmup S] | [--calls N]
//! PROGRAM CONTESTANT hold --address A --connections C
//! ```
//!
//! `serve` prints a [`Serving`], and ends with its standard input. `call` keeps so many calls in flight on each
//! connection, prints a [`Measuring`] when the time that counts begins, and a [`Report`] at the end. `hold` opens
//! connections, makes a call on each, prints a [`Holding`], and keeps them until its standard input ends.

mod address;
mod meter;
mod options;
mod report;

pub use address::Address;
pub use meter::{Laps, Meter};
pub use options::{Hold, Load, Options, Role, Serve, Skills, parse};
pub use report::{Holding, Measuring, Report, Serving, Spawned, say};

use std::io::Read;

/// Ends the process when its standard input does: whoever has started it is gone.
pub fn end_with_input() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        // An end that is an error is one, too.
        let _read = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
}

/// Waits until the standard input ends.
pub fn wait_for_end_of_input() {
    let mut rest = Vec::new();
    let _read = std::io::stdin().read_to_end(&mut rest);
}

/// Lets this process open as many files as the system lets it.
pub fn open_many_files() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // If it is too few, whoever opens them says so.
    let _set = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}
