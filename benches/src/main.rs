//! The cost of calls, beside other libraries and the limits of the machine. See
//! `docs/performance.md`.

mod codec;
mod harness;
mod instructions;
mod limits;
mod machine;
mod ours;
mod syscalls;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "What calls cost, beside other libraries and the limits of the machine.")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(harness::Run),
    Table(harness::Table),
    Gate(harness::Gate),
    Syscalls(syscalls::Syscalls),
    Instructions(instructions::Instructions),
    Codec(codec::Codecs),
    /// Run a built-in contestant as a server or a client: NAME serve|call|hold ...
    #[command(disable_help_flag = true)]
    Contestant {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let result = match Options::parse().command {
        Command::Run(options) => {
            let (modes, contestants) = options.plan().unwrap_or_else(refuse);
            harness::run(&options, &modes, &contestants)
        }
        Command::Table(options) => harness::table(&options),
        Command::Gate(options) => harness::gate(&options),
        Command::Syscalls(options) => {
            let contestants = options.plan().unwrap_or_else(refuse);
            syscalls::syscalls_per_call(&contestants)
        }
        Command::Instructions(options) => instructions::instructions_per_call(&options),
        Command::Codec(options) => codec::codecs(&options),
        Command::Contestant { arguments } => contestant(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the program because of invalid options.
fn refuse<T>(error: String) -> T {
    Options::command().error(ErrorKind::InvalidValue, error).exit()
}

fn contestant(arguments: Vec<OsString>) -> Result<(), String> {
    let words = ["bench contestant".into()].into_iter().chain(arguments);
    let skills = |name: &str| {
        let limit = limits::LIMITS.into_iter().find(|(limit, _)| *limit == name);
        let limit = limit.map(|(_, skills)| skills);
        limit.or_else(|| ours::Variant::named(name).map(|_| ours::SKILLS))
    };
    let options = aiomas_bench_contract::parse(words, skills).unwrap_or_else(|error| error.exit());
    match ours::Variant::named(&options.contestant) {
        Some(variant) => variant.run(&options),
        None => limits::run(&options),
    }
}
