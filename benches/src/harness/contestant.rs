//! The contestants, and how to start them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use aiomas_bench_contract::Skills;
use aiomas_tests::python;

use crate::limits::LIMITS;
use crate::ours::{self, Variant};

/// The folders of peers, each with the names of its contestants.
const PEERS: [(&str, &[&str]); 2] =
    [("tarpc", &["tarpc-bincode", "tarpc-json", "tarpc-msgpack"]), ("jsonrpsee", &["jsonrpsee"])];

/// The contestants measured by default.
pub(crate) const USUAL: [&str; 11] = [
    "limit",
    "ours-tokio-json-typed",
    "ours-tokio-msgpack-typed",
    "ours-tokio-msgpack-dynamic",
    "ours-tokio-blosc-typed",
    "ours-smol-msgpack-typed",
    "ours-async-std-msgpack-typed",
    "tarpc",
    "jsonrpsee",
    "python-json",
    "python-msgpack",
];

/// A contestant.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) skills: Skills,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Part of this program.
    Own,
    /// A separate package.
    Peer(&'static str),
    /// The original aiomas.
    Python,
}

impl Contestant {
    /// Returns all contestants.
    pub(crate) fn all() -> Vec<Self> {
        let new = |name: &str, skills, kind| Self { name: name.into(), skills, kind };
        let limits = LIMITS.iter().map(|&(name, skills)| new(name, skills, Kind::Own));
        let ours = Variant::all().map(|ours| new(&ours.name(), ours::SKILLS, Kind::Own));
        let peers = PEERS.into_iter().flat_map(|(package, names)| {
            names.iter().map(move |name| new(name, Skills::PEER, Kind::Peer(package)))
        });
        let python = ["python-json", "python-msgpack", "python-blosc"];
        let python = python
            .into_iter()
            .map(|name| new(name, Skills { unix: true, ..Skills::PEER }, Kind::Python));
        limits.chain(ours).chain(peers).chain(python).collect()
    }

    /// Builds the contestant if needed. Its command then lacks only a role.
    ///
    /// # Errors
    /// The build fails; the text contains the reason.
    pub(crate) fn prepare(&self) -> Result<Prepared, String> {
        let (program, leading) = match self.kind {
            Kind::Own => {
                let program = env::current_exe().map_err(|error| error.to_string())?;
                (program, vec!["contestant".into()])
            }
            Kind::Peer(package) => (build(package)?, Vec::new()),
            Kind::Python => {
                let script = here().join("python/contestant.py");
                (python::try_interpreter()?.into(), vec![script])
            }
        };
        Ok(Prepared { contestant: self.clone(), program, leading })
    }
}

/// A contestant that is ready to start.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) contestant: Contestant,
    program: PathBuf,
    leading: Vec<PathBuf>,
}

impl Prepared {
    /// Returns the command without its role.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.leading).arg(&self.contestant.name);
        // For Python: the compatibility module for the old aiomas is part of its tests.
        command.env("PYTHONPATH", here().join("../tests/python"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Returns the folder of this package.
fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds a peer, unless it is built. Returns the path of the program.
fn build(package: &str) -> Result<PathBuf, String> {
    eprintln!("building {package} ...");
    let target = here().join("../target/peers");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(here().join("peers").join(package).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(target.join("release").join(format!("aiomas-bench-{package}")));
    }
    let text = String::from_utf8_lossy(&output.stderr);
    eprintln!("{text}");
    let error = text.lines().find(|line| line.starts_with("error")).unwrap_or("no error message");
    Err(format!("the build fails: {error}"))
}
