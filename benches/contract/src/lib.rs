//! The contract of all contestants of the benches, aiomas and others: one command line, one method
//! of measurement, one line of JSON as the result.
//!
//! ```text
//! PROGRAM CONTESTANT serve [--address A] [--agents N]
//! PROGRAM CONTESTANT call --address A [--in-flight N] [--payload BYTES] [--connections C] [--agents N]
//!                         [--seconds S] [--warmup S] | [--calls N]
//! PROGRAM CONTESTANT hold --address A --connections C
//! ```
//!
//! `serve` prints a [`Serving`], and ends with its standard input. `call` keeps the given number of
//! calls in flight on each connection, prints a [`Measuring`] when the measured time begins, and a
//! [`Report`] at the end. `hold` opens connections, makes a call on each, prints a [`Holding`], and
//! keeps them open until its standard input ends.

mod address;
mod meter;
mod options;
mod report;

pub use address::Address;
pub use meter::{Laps, Meter};
pub use options::{Hold, Load, Options, Role, Serve, Skills, parse};
pub use report::{Holding, Measuring, Report, Serving, Spawned, say};

use std::io::Read;

/// Ends the process at the end of standard input, when its parent is gone.
pub fn end_with_input() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        // A read error means the end, too.
        let _read = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
}

/// Waits until the standard input ends.
pub fn wait_for_end_of_input() {
    let mut rest = Vec::new();
    let _read = std::io::stdin().read_to_end(&mut rest);
}

/// Raises the limit of open files to the system's maximum.
pub fn open_many_files() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // If the limit is too low, opening files reports the error.
    let _set = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}
