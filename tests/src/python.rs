//! Python peers: the programs of `tests/python`, which run the original aiomas.
//!
//! They need Python 3.11 or later (mosaik 3.7: 3.12) with its modules `venv` and `pip`. The first
//! run also needs a package index, or a mirror configured for pip: it installs the packages into a
//! virtual environment under Cargo's target directory. No test is skipped: without Python, the
//! tests fail.

use std::env;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;

use crate::certificates::Pem;
use crate::process::{Process, Ready};

/// aiomas.
static AIOMAS: Environment = Environment {
    name: "python-venv",
    minimum: "3.11",
    requirements: include_str!("../python/requirements.txt"),
    interpreter: OnceLock::new(),
};
/// The dependencies of the package `aiomas-rs` of this repository.
static PACKAGE: Environment = Environment {
    name: "python-package-venv",
    minimum: "3.11",
    requirements: include_str!("../python/package-requirements.txt"),
    interpreter: OnceLock::new(),
};
/// mosaik, separate from aiomas.
static MOSAIK_3_6: Environment = Environment {
    name: "mosaik-venv",
    minimum: "3.11",
    requirements: include_str!("../python/mosaik/requirements.txt"),
    interpreter: OnceLock::new(),
};
/// Uses the syntax of Python 3.12.
static MOSAIK_3_7: Environment = Environment {
    name: "mosaik-3.7-venv",
    minimum: "3.12",
    requirements: include_str!("../python/mosaik/requirements-3.7.txt"),
    interpreter: OnceLock::new(),
};
/// Prints the version. The status is 1 if Python is older than the argument.
const VERSION: &str = "import sys; print(sys.version); \
                       sys.exit(sys.version_info < tuple(map(int, sys.argv[1].split('.'))))";
/// The time limit for all scenarios of one kind.
const SCENARIOS: Duration = Duration::from_secs(1800);

/// The configuration of a Python peer.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// `channel`, `rpc`, `agent` or `manager`.
    pub kind: &'static str,
    /// `json`, `msgpack` or `msgpackblosc`.
    pub codec: &'static str,
    /// `none`, or user types in the order of their ids: `point,celsius` or `celsius,point`.
    pub serializers: &'static str,
    /// The clock of the server: `real`, or `external:DATE` with its first date.
    pub clock: &'static str,
    /// The TLS files, if the peer uses TLS.
    pub tls: Option<&'a Pem>,
}

impl Setup<'_> {
    /// Creates a configuration without user types, with the real clock.
    pub fn new(kind: &'static str, codec: &'static str) -> Self {
        Self { kind, codec, serializers: "none", clock: "real", tls: None }
    }

    /// Starts a Python server that listens on `addr`, and waits until it is ready.
    pub fn serve(self, addr: &str) -> (Process, Ready) {
        Process::serve(self.server(addr))
    }

    /// Returns the command that starts a Python server.
    pub fn server(self, addr: &str) -> Command {
        self.command("server.py", addr, self.clock)
    }

    /// Runs a Python client that tests the server at `addr`.
    ///
    /// Returns the number of scenarios.
    ///
    /// # Panics
    ///
    /// A scenario fails.
    pub fn challenge(self, addr: &str) -> usize {
        let kind_of_clock = self.clock.split(':').next().unwrap_or(self.clock);
        let client = Process::spawn(self.command("client.py", addr, kind_of_clock));
        let lines = client.finish(SCENARIOS);
        let summary = lines.last().map(|line| serde_json::from_str(line));
        match summary {
            Some(Ok(Line { summary: Summary { passed, failed: 0 } })) if passed > 0 => passed,
            _ => panic!("{self:?}: {}", lines.join("\n")),
        }
    }

    fn command(self, program: &str, addr: &str, clock: &str) -> Command {
        let mut command = self::program(program);
        command
            .args([self.kind, "--addr", addr, "--codec", self.codec])
            .args(["--serializers", self.serializers, "--clock", clock])
            .args(self.tls.into_iter().flat_map(Pem::arguments));
        command
    }
}

/// Returns the command of a program in `tests/python`.
///
/// # Panics
///
/// As for [`interpreter`].
pub fn program(name: &str) -> Command {
    run_in(interpreter(), name)
}

/// A version of mosaik.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mosaik {
    /// 3.6.0.
    V3_6,
    /// 3.7.1, which needs Python 3.12.
    V3_7,
}

impl Mosaik {
    /// All versions under test.
    pub const ALL: [Self; 2] = [Self::V3_6, Self::V3_7];

    /// Returns the command of a program in `tests/python/mosaik`.
    ///
    /// # Panics
    ///
    /// As for [`interpreter`](Self::interpreter).
    #[must_use]
    pub fn program(self, name: &str) -> Command {
        run_in(self.interpreter(), &format!("mosaik/{name}"))
    }

    /// Returns the Python interpreter with this version. The first call installs it.
    ///
    /// # Panics
    ///
    /// The installation fails; the message names the missing tool.
    #[must_use]
    pub fn interpreter(self) -> &'static Path {
        match self {
            Self::V3_6 => MOSAIK_3_6.interpreter(),
            Self::V3_7 => MOSAIK_3_7.interpreter(),
        }
    }
}

/// Returns the command of a program in `tests/python/mosaik`, with [`Mosaik::V3_6`].
///
/// # Panics
///
/// As for [`Mosaik::interpreter`].
pub fn mosaik_program(name: &str) -> Command {
    Mosaik::V3_6.program(name)
}

fn run_in(interpreter: &Path, program: &str) -> Command {
    let mut command = Command::new(interpreter);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(program))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The last line of `client.py`.
#[derive(Deserialize)]
struct Line {
    summary: Summary,
}

#[derive(Deserialize)]
struct Summary {
    passed: usize,
    failed: usize,
}

/// Returns the Python interpreter with aiomas 2.0.1. The first call installs it, which takes some
/// seconds.
///
/// # Panics
///
/// The installation fails; the message names the missing tool.
pub fn interpreter() -> &'static Path {
    AIOMAS.interpreter()
}

/// Returns the Python for the tests of the package `aiomas-rs`.
///
/// # Panics
///
/// As [`interpreter`].
pub fn package_interpreter() -> &'static Path {
    PACKAGE.interpreter()
}

/// Like [`interpreter`], but returns an error.
///
/// # Errors
///
/// The installation fails; the text names the missing tool.
pub fn try_interpreter() -> Result<&'static Path, String> {
    AIOMAS.try_interpreter()
}

/// A virtual environment.
struct Environment {
    name: &'static str,
    /// The oldest supported version of Python.
    minimum: &'static str,
    requirements: &'static str,
    interpreter: OnceLock<Result<PathBuf, SetupError>>,
}

/// The reason for which an environment cannot be set up.
#[derive(Debug)]
enum SetupError {
    NoPython { minimum: &'static str },
    Io(io::Error),
    Failed { step: &'static str, hint: &'static str, output: String },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPython { minimum } => write!(
                f,
                "no Python {minimum} or later in PATH, among the versions of pyenv, nor named by the \
                 variable PYTHON; install python{minimum}, with the module venv"
            ),
            Self::Io(error) => write!(f, "cannot set up the virtual environment: {error}"),
            Self::Failed { step, hint, output } => write!(f, "`{step}` failed; {hint}\n{output}"),
        }
    }
}

impl From<io::Error> for SetupError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Environment {
    fn interpreter(&'static self) -> &'static Path {
        self.try_interpreter().unwrap_or_else(|error| panic!("no Python peers: {error}"))
    }

    fn try_interpreter(&'static self) -> Result<&'static Path, String> {
        let result = self.interpreter.get_or_init(|| self.create()).as_deref();
        result.map_err(SetupError::to_string)
    }

    /// Creates the virtual environment, unless it exists for this Python and these requirements.
    ///
    /// It is created under a temporary name and then renamed, so that other processes see either
    /// all of it or none. Of two concurrent processes, the first one wins.
    fn create(&self) -> Result<PathBuf, SetupError> {
        let (python, version) =
            find_python(self.minimum).ok_or(SetupError::NoPython { minimum: self.minimum })?;
        let mut hasher = DefaultHasher::new();
        (self.requirements, &python, version).hash(&mut hasher);
        let place = target_directory().join(format!("{}-{:016x}", self.name, hasher.finish()));
        let finished = place.join("bin/python");
        if finished.exists() {
            return Ok(finished);
        }

        let draft = place.with_extension(process::id().to_string());
        let installed = self.install(&python, &draft);
        if installed.is_err() || fs::rename(&draft, &place).is_err() {
            // The creation failed, or another process was faster.
            let _ = fs::remove_dir_all(&draft);
        }
        installed?;
        fs::metadata(&finished)?;
        Ok(finished)
    }

    fn install(&self, python: &Path, place: &Path) -> Result<(), SetupError> {
        run(
            Command::new(python).args(["-m", "venv"]).arg(place),
            "python3 -m venv",
            "Python needs the modules venv and ensurepip (Debian, Ubuntu: apt-get install python3-venv)",
        )?;
        let requirements = place.join("requirements.txt");
        fs::write(&requirements, self.requirements)?;
        run(
            Command::new(place.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(&requirements),
            "pip install -r requirements.txt",
            "it needs a network, or a mirror in the configuration of pip",
        )
    }
}

/// Returns the first Python that is not older than `minimum`, and its version.
fn find_python(minimum: &str) -> Option<(PathBuf, String)> {
    let named = env::var_os("PYTHON").map(PathBuf::from);
    let usual = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
    let candidates = named.into_iter().chain(usual.map(PathBuf::from)).chain(pyenv());
    candidates.into_iter().find_map(|python| {
        let output = Command::new(&python).args(["-c", VERSION, minimum]).output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some((python, version))
    })
}

/// Returns the versions installed by pyenv. In PATH, it offers only the chosen one.
fn pyenv() -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok());
    let versions = versions.into_iter().flatten().flatten();
    let mut pythons: Vec<_> = versions.map(|entry| entry.path().join("bin/python3")).collect();
    pythons.sort();
    pythons
}

/// Returns Cargo's target directory, which contains this program.
#[must_use]
pub fn target_directory() -> PathBuf {
    env::current_exe()
        .ok()
        .and_then(|exe| {
            exe.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists()).map(PathBuf::from)
        })
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
}

fn run(command: &mut Command, step: &'static str, hint: &'static str) -> Result<(), SetupError> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let output = [output.stdout, output.stderr].concat();
    let output = String::from_utf8_lossy(&output).into_owned();
    Err(SetupError::Failed { step, hint, output })
}
