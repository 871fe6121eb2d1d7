//! The guide in `docs`, and READMEs: complete, without broken links, and with working Python
//! programs. Rust programs are tests of the package `aiomas-guide`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aiomas_tests::process::Process;
use aiomas_tests::python;

/// Chapters whose Rust snippets are no programs.
const WITHOUT_PROGRAMS: [&str; 2] = ["design", "security"];
/// The time limit of a Python program.
const LIMIT: Duration = Duration::from_secs(300);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// Returns the texts of the guide by name.
fn chapters() -> BTreeMap<String, String> {
    let entries = fs::read_dir(root().join("docs")).expect("a guide");
    let paths = entries.map(|entry| entry.unwrap().path());
    let markdown = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    markdown.map(|path| (name(&path), read(&path))).collect()
}

/// The parts of a text: prose, and fenced blocks with their info strings.
#[derive(Default)]
struct Parts<'a> {
    prose: String,
    code: Vec<(&'a str, String)>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = Self::default();
        let mut open = false;
        for line in text.lines() {
            match (line.strip_prefix("```"), open) {
                (Some(words), false) => parts.code.push((words, String::new())),
                (Some(_), true) => {}
                (None, true) => parts.code.last_mut().unwrap().1.extend([line, "\n"]),
                (None, false) => parts.prose.extend([line, "\n"]),
            }
            open ^= line.starts_with("```");
        }
        assert!(!open, "a fence is not closed");
        parts
    }

    /// Returns the anchors of its headings, as GitHub and mdBook make them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.lines().filter_map(|line| line.strip_prefix('#'));
        let keep = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
        let anchor = |heading: &str| -> String {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            heading.chars().filter(keep).map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        headings.map(anchor).collect()
    }

    /// Returns the targets of its links.
    fn links(&self) -> impl Iterator<Item = &str> {
        self.prose.split("](").skip(1).filter_map(|rest| rest.split(')').next())
    }

    /// Returns the names of reference links: in backticks, as code, or after other words.
    fn references(&self) -> impl Iterator<Item = String> {
        let code = self.prose.split("[`").skip(1).filter_map(|piece| piece.split_once("`]"));
        let code = code.filter_map(|(name, rest)| {
            let alone = !rest.starts_with(['(', '[', ':']) && !name.contains('`');
            alone.then(|| format!("`{name}`"))
        });
        let named = self.prose.split("][").skip(1).filter_map(|rest| rest.split(']').next());
        code.chain(named.map(str::to_owned))
    }
}

#[test]
fn every_chapter_is_in_the_summary_and_every_program_is_run() {
    let chapters = chapters();
    let summary = Parts::of(&chapters["SUMMARY"]);
    let listed: Vec<_> = summary.links().map(|link| link.trim_end_matches(".md")).collect();
    let names: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(names.len(), listed.len(), "a chapter is listed twice");
    let there: BTreeSet<_> = chapters.keys().map(String::as_str).collect();
    let missing: Vec<_> = there.symmetric_difference(&names).copied().collect();
    assert_eq!(missing, ["SUMMARY"]);

    let tested = read(&root().join("docs/guide.rs"));
    for (name, text) in &chapters {
        let code = Parts::of(text).code;
        let rust =
            code.iter().filter(|(words, _)| words.starts_with("rust")).map(|(words, _)| words);
        let rust: Vec<_> = rust.collect();
        if WITHOUT_PROGRAMS.contains(&&**name) || rust.is_empty() {
            continue;
        }
        assert!(tested.contains(&format!("\"{name}.md\"")), "{name} is not in docs/guide.rs");
        for words in rust {
            let known = ["rust", "rust,no_run", "rust,should_panic"];
            assert!(known.contains(words), "{words} in {name}: a program that is not compiled");
        }
    }
}

/// Rustdoc would take the README's indented commands for programs, so its programs are tested
/// separately.
#[test]
fn programs_of_the_readme_are_tested_elsewhere() {
    let quickstart = read(&root().join("runtime-tokio/examples/quickstart.rs"));
    let (_, quickstart) = quickstart.split_once("\n\n").expect("a comment at the top");
    let (readme, overview) = (read(&root().join("README.md")), &chapters()["overview"]);
    let mut tested = Parts::of(overview).code;
    tested.push(("rust", quickstart.to_owned()));
    let programs = Parts::of(&readme).code;
    let programs: Vec<_> =
        programs.into_iter().filter(|(words, _)| words.starts_with("rust")).collect();
    assert!(!programs.is_empty(), "no program is found");
    for program in programs {
        assert!(tested.contains(&program), "no example, and not in the overview:\n{}", program.1);
    }
}

#[test]
fn links_lead_somewhere() {
    let docs = root().join("docs");
    let mut texts: Vec<_> = chapters()
        .into_iter()
        .map(|(name, text)| (docs.join(name).with_extension("md"), text))
        .collect();
    for other in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "fuzz/README.md"] {
        let path = root().join(other);
        texts.push((path.clone(), read(&path)));
    }
    let mut broken = Vec::new();
    for (path, text) in &texts {
        let parts = Parts::of(text);
        for link in parts.links().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            // A chapter's links stay within the book.
            let inside = !path.starts_with(&docs) || !file.starts_with("..");
            let found = inside
                && target.exists()
                && (anchor.is_empty() || Parts::of(&read(&target)).anchors().contains(anchor));
            if !found {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
        for name in parts.references() {
            if !text.contains(&format!("\n[{name}]: ")) {
                broken.push(format!("{}: [{name}] is not defined", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Until the repository has an address, the READMEs of packages link to files by path.
#[test]
fn links_of_packages_lead_to_files() {
    let mut count = 0;
    for package in published() {
        let folder = root().join(&package);
        for link in Parts::of(&read(&folder.join("README.md"))).links() {
            if !link.starts_with("https://") {
                count += 1;
                assert!(folder.join(link).exists(), "{link} in the README of {package}");
            }
        }
    }
    assert!(count > 10, "only {count} links are found");
}

/// Returns the folders of published packages.
fn published() -> Vec<String> {
    let workspace = read(&root().join("Cargo.toml"));
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = "));
    let members: Vec<String> = serde_json::from_str(members.expect("a list")).expect("of texts");
    let is_published = |member: &String| {
        !read(&root().join(member).join("Cargo.toml")).contains("publish = false")
    };
    members.into_iter().filter(is_published).collect()
}

/// Returns all Rust files of a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let (mut files, mut found) =
        (Vec::new(), entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
    found.sort();
    for path in found {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Returns the blocks that begin with a line starting with `start`. Each ends at its closing brace.
fn bodies<'a>(text: &'a str, start: &str) -> Vec<(&'a str, &'a str)> {
    let items = text.match_indices(start).filter(|(at, _)| text[..*at].ends_with('\n'));
    items
        .filter_map(|(at, _)| {
            let (head, rest) = text[at + start.len()..].split_once(" {\n")?;
            Some((head, rest.split("\n}").next()?))
        })
        .collect()
}

/// Returns the names of the items of a body, which are indented by four spaces.
fn items(body: &str) -> impl Iterator<Item = &str> {
    body.lines().filter_map(|line| line.strip_prefix("    ")).filter_map(|line| {
        let name = line.strip_prefix("pub ").unwrap_or(line);
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        let is_field = line.starts_with("pub ") && name[end..].starts_with(':');
        let is_variant = name.starts_with(char::is_uppercase);
        (is_field || is_variant).then_some(&name[..end])
    })
}

/// Checks that the chapter on errors has every variant of every error.
#[test]
fn every_error_is_explained() {
    let text = &chapters()["errors"];
    let (mut count, mut missing) = (0, Vec::new());
    for folder in ["core/src", "driver/src", "mosaik/src", "subproc/src"] {
        for path in sources(&root().join(folder)) {
            let source = read(&path);
            for (name, body) in bodies(&source, "pub enum ") {
                let above = source[..source.find(&format!("pub enum {name} {{")).unwrap()].lines();
                let is_error = above.rev().take(3).any(|line| line.contains("thiserror::Error"));
                for variant in items(body).filter(|_| is_error) {
                    count += 1;
                    let variant = format!("`{name}::{variant}`");
                    if !text.contains(&variant) {
                        missing.push(format!("{variant} of {}", path.display()));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "docs/errors.md lacks:\n{}", missing.join("\n"));
    assert!(count > 100, "only {count} are found: do sources look otherwise now?");
}

#[test]
fn every_setting_is_named() {
    let text = &chapters()["limits"];
    for (file, names) in [
        ("core/src/connection/limits.rs", &["Limits"][..]),
        ("core/src/connection/config.rs", &["Config"]),
        ("core/src/agent/config.rs", &["ContainerConfig"]),
        ("core/src/agent/retry.rs", &["RetryPolicy", "Backoff"]),
    ] {
        let source = read(&root().join(file));
        let structs = bodies(&source, "pub struct ");
        for name in names {
            let (_, body) = structs.iter().find(|(head, _)| head == name).expect(name);
            let fields: Vec<_> = items(body).collect();
            assert!(fields.len() > 2, "{name} has {fields:?}: do sources look otherwise now?");
            for field in fields {
                let named = [format!("`{field}`"), format!("::{field}`"), format!("`{field}.")];
                assert!(
                    named.iter().any(|named| text.contains(named)),
                    "{name}::{field} is not named"
                );
            }
        }
    }
}

/// Replaces the ports of the text by free ones.
fn with_free_ports(mut code: String) -> String {
    let listeners: Vec<_> = (5555..=5556)
        .filter(|port| code.contains(&port.to_string()))
        .map(|port| (port.to_string(), TcpListener::bind("127.0.0.1:0").unwrap()))
        .collect();
    for (port, free) in &listeners {
        code = code.replace(port, &free.local_addr().unwrap().port().to_string());
    }
    code
}

#[test]
fn programs_in_python_run_with_the_original() {
    let mut count = 0;
    for (name, text) in chapters() {
        for (_, code) in Parts::of(&text).code.into_iter().filter(|(words, _)| *words == "python") {
            count += 1;
            println!("{name}:\n{code}");
            let mut command = Command::new(python::interpreter());
            command
                .args(["-W", "ignore", "-c"])
                .arg(with_free_ports(code))
                .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("python"))
                .env("PYTHONDONTWRITEBYTECODE", "1");
            Process::spawn(command).finish(LIMIT);
        }
    }
    assert!(count >= 4, "only {count} programs are found");
}
