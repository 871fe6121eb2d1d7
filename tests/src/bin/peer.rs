//! A Rust server with the same services as `tests/python/server.py`, in every codec at once.

use std::process::ExitCode;

use aiomas_tests::peer::{Options, run};
use clap::Parser;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer: {error}");
            ExitCode::FAILURE
        }
    }
}
