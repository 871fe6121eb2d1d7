//! The Python package `aiomas-rs`: its own tests, in a virtual environment that it is installed into.

use std::fs;
use std::path::Path;
use std::process::Command;

use aiomas_tests::python;

/// The package is built with Cargo rather than with maturin, which would not use what is built already.
#[test]
fn passes_its_own_tests() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime-asyncio");
    let built = python::target_directory().join("python-package");
    let cargo = run(Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json", "--target-dir"])
        .arg(&built)
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml")));
    let library = cargo
        .lines()
        .filter(|line| line.contains("\"name\":\"aiomas_asyncio\""))
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|line| Some(line.get("filenames")?.get(0)?.as_str()?.to_owned()))
        .expect("the extension module among what Cargo has built");

    let installed = built.join("site");
    let module = installed.join("aiomas_rs");
    fs::create_dir_all(&module).expect("a folder for the package");
    for entry in fs::read_dir(package.join("python/aiomas_rs")).expect("the package's modules") {
        let entry = entry.expect("a module");
        if entry.file_type().expect("its type").is_file() {
            fs::copy(entry.path(), module.join(entry.file_name())).expect("a copy of the module");
        }
    }
    fs::copy(library, module.join("_native.abi3.so")).expect("a copy of the extension module");

    run(Command::new(python::package_interpreter())
        .args(["-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .current_dir(&package)
        .env("PYTHONPATH", &installed)
        .env("PYTHONDONTWRITEBYTECODE", "1"));
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}
