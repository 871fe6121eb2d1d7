//! The examples, which are the same on each runtime.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use aiomas_tests::process::Process;

/// The examples of each runtime.
const EXAMPLES: [&str; 3] = ["quickstart", "channel", "rpc"];
/// The time limit of an example.
const LIMIT: Duration = Duration::from_secs(300);

const TOKIO: Adapter = Adapter {
    folder: "runtime-tokio",
    suffix: "",
    import: "use aiomas_tokio::",
    main: "#[tokio::main(flavor = \"current_thread\")]",
};

const OTHERS: [Adapter; 2] = [
    Adapter {
        folder: "runtime-smol",
        suffix: "_smol",
        import: "use aiomas_smol::",
        main: "#[macro_rules_attribute::apply(smol_macros::main!)]",
    },
    Adapter {
        folder: "runtime-async-std",
        suffix: "_async_std",
        import: "use aiomas_async_std::",
        main: "#[async_std::main]",
    },
];

struct Adapter {
    folder: &'static str,
    /// Cargo requires unique names of examples.
    suffix: &'static str,
    /// The beginning of the import line.
    import: &'static str,
    /// The line above `main`.
    main: &'static str,
}

impl Adapter {
    fn name(&self, example: &str) -> String {
        format!("{example}{}", self.suffix)
    }

    fn path(&self, example: &str) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        root.join(self.folder).join("examples").join(self.name(example)).with_extension("rs")
    }

    /// Returns the text of an example.
    fn read(&self, example: &str) -> String {
        let path = self.path(example);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    }

    /// Returns the tokio example with our import and our attribute.
    fn derive(&self, example: &str) -> String {
        let text = TOKIO.read(example);
        for own in [TOKIO.import, TOKIO.main, "tokio"] {
            let times = if own == "tokio" { 2 } else { 1 };
            assert_eq!(text.matches(own).count(), times, "\"{own}\" in {example} on tokio");
        }
        text.replace(TOKIO.import, self.import).replace(TOKIO.main, self.main)
    }
}

#[test]
fn they_differ_in_their_import_and_the_attribute_of_main() {
    for adapter in OTHERS {
        for example in EXAMPLES {
            let (is, should_be) = (adapter.read(example), adapter.derive(example));
            if is == should_be {
                continue;
            }
            let same = is.lines().zip(should_be.lines()).take_while(|(a, b)| a == b).count();
            let line = |text: &str| text.lines().nth(same).unwrap_or("the end").to_owned();
            panic!(
                "{path}, line {number}:\n  is:        {}\n  should be: {}\nTo make it anew:\n  \
                 sed -e 's/^{}/{}/' -e 's/^#.tokio::main.*/{}/' {} > {path}",
                line(&is),
                line(&should_be),
                TOKIO.import,
                adapter.import,
                adapter.main,
                TOKIO.path(example).display(),
                path = adapter.path(example).display(),
                number = same + 1,
            );
        }
    }
}

/// Returns the output of the first example, according to the README.
fn told_by_the_readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("README.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let block = text.split_once("\n```text\n").and_then(|(_, rest)| rest.split_once("\n```"));
    block.expect("output in the README").0.to_owned()
}

/// Builds all examples, and returns their paths by name.
fn build() -> BTreeMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").expect("cargo runs the tests");
    let mut command = Command::new(cargo);
    // The same arguments as `cargo test --workspace`, so that its artefacts are reused.
    command.args(["build", "--workspace", "--examples", "--message-format=json"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output().expect("cargo can be started");
    assert!(output.status.success(), "the examples cannot be built");
    let messages = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let messages = messages.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
    messages
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            Some((name.to_owned(), message["executable"].as_str()?.into()))
        })
        .collect()
}

/// Returns the output of a program, without ports.
fn run(program: &Path) -> Vec<String> {
    run_with(program, &[])
}

fn run_with(program: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let lines = Process::spawn(command).finish(LIMIT);
    lines.iter().map(|line| without_ports(line)).collect()
}

fn without_ports(line: &str) -> String {
    let mut pieces = line.split("127.0.0.1:");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|digit: char| digit.is_ascii_digit());
        assert!(rest.len() < piece.len(), "no port: {line}");
        text.extend(["127.0.0.1:PORT", rest]);
    }
    text
}

#[test]
fn they_print_the_same_on_each_runtime() {
    let programs = build();
    let run = |adapter: &Adapter, example| run(&programs[&adapter.name(example)]);
    for example in EXAMPLES {
        let lines = run(&TOKIO, example);
        for adapter in &OTHERS {
            assert_eq!(run(adapter, example), lines, "{}", adapter.name(example));
        }
        match example {
            "quickstart" => {
                assert_eq!(lines[0], "Ohai, I am TestAgent('tcp://127.0.0.1:PORT/0')");
                let told = told_by_the_readme();
                assert_eq!(lines, told.lines().map(without_ports).collect::<Vec<_>>());
            }
            "channel" => assert_eq!(lines, ["ohai", "cya"]),
            _ => assert_eq!(lines[..2], ["What's 3 + 4? 7", "What's twice my number? 42"]),
        }
    }
}

#[test]
fn a_program_starts_itself() {
    let lines = run(&build()["child_processes"]);
    let expected = (1..=2).flat_map(|hour| {
        (1..=3).map(move |number| format!("after {hour} h: {} kWh", hour * number))
    });
    assert_eq!(lines, expected.collect::<Vec<_>>());
}

#[test]
fn many_agents_greet_each_other() {
    let program = &build()["hundred_thousand"];
    let lines = run_with(program, &["100", "3001"]);
    let begins = |line: &str| line.split(" in ").next().unwrap_or_default().to_owned();
    assert_eq!(
        lines.iter().map(|line| begins(line)).collect::<Vec<_>>(),
        [
            "one container: 100 agents",
            "one container: 3001 messages",
            "two containers: 100 agents",
            "two containers: 3001 messages",
        ]
    );
    for (arguments, text) in [
        (&["1"][..], "1 is no number"),
        (&["2", "x"], "x is no number"),
        (&["2", "2", "2"], "what is 2?"),
    ] {
        let output = Command::new(program).args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.starts_with(text), "{stderr}");
        assert_eq!(output.status.code(), Some(2));
    }
}
