//! Checks `docs/parity.md`: it covers all of aiomas, and its names exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aiomas_tests::process::Process;
use aiomas_tests::python::program;

/// A row of the table: a name of aiomas, its replacement, its test.
struct Row {
    here: String,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the parts in backticks.
fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Returns the rows of all tables, by their first column.
fn table() -> BTreeMap<String, Row> {
    let text = fs::read_to_string(root().join("docs/parity.md")).expect("a file");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [names, here, tests, _] = cells[..] else { panic!("not four columns: {line}") };
        for name in code(names) {
            let tests = code(tests).map(str::to_owned).collect();
            let old = rows.insert(name.to_owned(), Row { here: here.to_owned(), tests });
            assert!(old.is_none(), "{name} occurs twice");
        }
    }
    rows
}

#[test]
fn every_public_name_of_aiomas_has_a_row() {
    let names = Process::spawn(program("names.py")).finish(std::time::Duration::from_secs(300));
    assert!(names.len() > 100, "{names:?}");
    let (names, rows) = (BTreeSet::from_iter(names), table());
    let missing: Vec<_> = names.iter().filter(|name| !rows.contains_key(*name)).collect();
    assert!(missing.is_empty(), "docs/parity.md does not have {missing:?}");
    let invented: Vec<_> = rows.keys().filter(|name| !names.contains(*name)).collect();
    assert!(invented.is_empty(), "aiomas does not have {invented:?}");
}

/// Returns whether a test has this name, in which `*` stands for one part.
fn fits(test: &str, name: &str) -> bool {
    let (test, name) = (test.split("::"), name.split("::"));
    test.clone().count() == name.clone().count()
        && test.zip(name).all(|(part, wanted)| wanted == "*" || part == wanted)
}

#[test]
fn every_row_is_shown_by_tests_that_are_there() {
    let this = std::env::current_exe().expect("a program");
    let listed = Command::new(this).arg("--list").output().expect("a running program");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let tests: Vec<_> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    assert!(tests.contains(&"parity::every_row_is_shown_by_tests_that_are_there"));
    for (name, row) in table() {
        assert!(!row.tests.is_empty() || row.here == "not needed", "no test shows {name}");
        for wanted in &row.tests {
            assert!(tests.iter().any(|test| fits(test, wanted)), "{name}: no test {wanted}");
        }
    }
}

/// Returns all lines of public Rust code.
fn sources() -> String {
    let mut folders: Vec<_> =
        ["core/src", "driver/src", "macros/src", "runtime-tokio/src", "subproc/src"]
            .map(|folder| root().join(folder))
            .into();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text += &fs::read_to_string(path).expect("a text");
            }
        }
    }
    text
}

#[test]
fn replacements_exist() {
    let sources = sources();
    let words: Vec<_> = sources
        .lines()
        .map(|line| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
        })
        .map(Vec::from_iter)
        .collect();
    // As an item, or as a variant of an enum at the start of its line.
    let is_there = |name: &str| {
        let items = ["fn", "struct", "enum", "trait", "mod", "type", "const", "macro_rules"];
        words.iter().any(|words| {
            words.windows(2).any(|two| items.contains(&two[0]) && two[1] == name)
                || words.first() == Some(&name)
                || (words.first() == Some(&"pub") && words.get(1) == Some(&name))
        })
    };
    for (name, row) in table() {
        for code in code(&row.here) {
            let code = code.trim_start_matches("#[").trim_end_matches(']');
            let path = code.split(['(', '<', ' ']).next().unwrap_or(code);
            for part in path.split("::").filter(|part| !part.is_empty()) {
                // The macros generate proxies.
                let proxy_of = part.strip_suffix("Proxy");
                assert!(
                    is_there(part) || proxy_of.is_some_and(is_there),
                    "{name}: there is no {part} of {code}"
                );
            }
        }
    }
}
