//! Writes the public API of each published package as text, `tests/api/*.txt`. A change of the API
//! shows up in the diff, and an unintended one fails in CI.
//!
//! The data come from rustdoc's JSON output, which is unstable in every compiler. Therefore this
//! program uses the pinned compiler below, and enables nightly features for its rustdoc only.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use public_api::Builder;

/// The compiler whose rustdoc writes the JSON that this version of `public-api` reads.
const TOOLCHAIN: &str = "1.95.0";
/// The variable that makes this program act as rustdoc.
const AS_RUSTDOC: &str = "AIOMAS_API_AS_RUSTDOC";

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Writes the public API of each published package to `tests/api/`.
#[derive(Parser)]
struct Args {
    /// Write nothing, and fail on any change.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let result = match env::var_os(AS_RUSTDOC) {
        Some(_) => rustdoc(),
        None => run(Args::parse()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// Runs only rustdoc as a nightly tool. If all of cargo ran so, build scripts would notice, and all
/// code would be compiled again.
fn rustdoc() -> Fallible<ExitCode> {
    let mut command = Command::new("rustup");
    command.args(["run", TOOLCHAIN, "rustdoc"]).args(env::args_os().skip(1));
    // Cargo requests the version as well.
    if env::args_os().any(|arg| arg == "--crate-name") {
        command.args(["-Z", "unstable-options", "--output-format", "json"]);
    }
    let status = command.env("RUSTC_BOOTSTRAP", "1").status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(args: Args) -> Fallible<ExitCode> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (packages, target) = metadata(&folder.join("../.."))?;
    document(&packages, &target)?;
    let mut same = true;
    for package in &packages {
        let json = target.join("doc").join(format!("{}.json", package.replace('-', "_")));
        let (file, now) = (folder.join(format!("{package}.txt")), public(&json)?);
        if !args.check {
            fs::write(&file, &now)?;
            continue;
        }
        let before =
            fs::read_to_string(&file).map_err(|error| format!("{package}.txt: {error}"))?;
        same &= compare(package, &before, &now);
    }
    let known: BTreeSet<_> = packages.iter().map(|package| format!("{package}.txt")).collect();
    for file in fs::read_dir(folder)? {
        let name = file?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".txt") && !known.contains(&name) {
            println!("{name}: there is no such package");
            same = false;
        }
    }
    if same {
        return Ok(ExitCode::SUCCESS);
    }
    println!("The public API is another. If that is meant: cargo run -p aiomas-api-tests");
    Ok(ExitCode::FAILURE)
}

/// Returns the published packages, and cargo's target directory.
fn metadata(root: &Path) -> Fallible<(Vec<String>, PathBuf)> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.output()?.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?.iter();
    let published = packages.filter(|package| package["publish"].is_null());
    let names = published.filter_map(|package| package["name"].as_str()).map(str::to_owned);
    let target = metadata["target_directory"].as_str().ok_or("no target directory")?;
    Ok((names.collect(), target.into()))
}

/// Runs rustdoc for the public API, with all features.
fn document(packages: &[String], target: &Path) -> Fallible<()> {
    let mut cargo = Command::new("rustup");
    cargo.args(["run", TOOLCHAIN, "cargo", "doc", "--lib", "--no-deps", "--all-features"]);
    cargo.args(packages.iter().flat_map(|package| ["-p", package]));
    cargo.arg("--target-dir").arg(target);
    cargo.env("RUSTDOC", env::current_exe()?).env(AS_RUSTDOC, "1");
    if cargo.status()?.success() {
        return Ok(());
    }
    let install = format!("rustup toolchain install {TOOLCHAIN} --profile minimal");
    Err(format!("no documentation; the toolchain is to be had by: {install}").into())
}

/// Returns the public API of a package, line by line.
fn public(json: &Path) -> Fallible<String> {
    let api = Builder::from_rustdoc_json(json).omit_blanket_impls(true).build()?;
    let (mut lines, mut said, mut of_std) = (String::new(), BTreeSet::new(), false);
    for item in api.items() {
        let line = item.to_string();
        if line.starts_with("impl") {
            let implemented = implemented(&line);
            of_std = implemented.is_some_and(is_of_std);
            if implemented.is_some_and(goes_without_saying) {
                continue;
            }
        } else if of_std && (line.starts_with("pub fn ") || line.starts_with("pub const fn ")) {
            // The trait already contains this item.
            continue;
        } else {
            of_std &= line.starts_with("pub type ");
        }
        // An item with several paths is described at each of them.
        if said.insert(line.clone()) {
            lines.extend([&line, "\n"]);
        }
    }
    Ok(lines)
}

/// Returns the trait in `impl<T: Bound> Trait for Type`.
fn implemented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    let mut depth = 0_usize;
    let end = rest.char_indices().find(|(at, c)| {
        match c {
            '<' => depth += 1,
            // Except the `>` of an arrow.
            '>' if !rest[..*at].ends_with('-') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *c == ' '
    });
    Some(rest[end?.0..].trim_start().split_once(" for ")?.0)
}

/// Returns whether a trait is a well-known one of the standard library.
fn is_of_std(name: &str) -> bool {
    ["core::", "alloc::", "std::", "serde_core::"].iter().any(|package| name.starts_with(package))
}

/// Returns whether the line is an auto trait. Only a missing one is listed: `!core::marker::Send`.
fn goes_without_saying(name: &str) -> bool {
    let auto = ["core::marker::", "core::panic::unwind_safe::"];
    (name != "core::marker::Copy" && auto.iter().any(|module| name.starts_with(module)))
        || name.ends_with("UnwindSafe")
        || name.ends_with("Freeze")
        || name.ends_with("Unpin")
}

/// Returns whether the API is unchanged, and prints the changes.
fn compare(package: &str, before: &str, now: &str) -> bool {
    let [old, new] = [before, now].map(|text| text.lines().collect::<BTreeSet<_>>());
    let gone = old.difference(&new).map(|line| format!("-{line}"));
    let added = new.difference(&old).map(|line| format!("+{line}"));
    let changed: Vec<_> = gone.chain(added).collect();
    if !changed.is_empty() {
        println!("{package}:\n{}", changed.join("\n"));
    }
    changed.is_empty()
}
