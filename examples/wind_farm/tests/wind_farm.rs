//! Tests of the program, with real mosaik and without.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aiomas_tests::python;
use serde_json::Value;

const LIMIT: u64 = 5_300_000;

/// The output folder of a run, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("wind-farm-{}-{name}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).expect("a written file")
    }

    /// Returns the sums of an attribute over all turbines, step by step.
    fn sums(&self, attr: &str) -> Vec<u64> {
        let days = self.read("days.jsonl");
        let steps = days.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let sum = |step: Value| {
            let values = step[attr].as_array().expect("one of each turbine");
            values.iter().map(|value| value.as_u64().expect("watts")).sum()
        };
        steps.map(sum).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn wind_farm(args: &[&str], out: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wind_farm"));
    command.args(args).arg("--out").arg(&out.0);
    command
}

fn with_mosaik(args: &[&str], out: &Folder) -> Command {
    let mut command = wind_farm(&["run"], out);
    command.arg("--python").arg(python::Mosaik::V3_6.interpreter()).args(args);
    command
}

/// Returns the standard output of a successful run.
fn succeed(mut command: Command) -> String {
    let output = command.output().expect("a program");
    let [stdout, stderr] = texts(&output);
    assert!(output.status.success(), "{}\n{stdout}{stderr}", output.status);
    stdout
}

/// Returns the status and the standard error of a failed run.
fn fail(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("a program");
    let [stdout, stderr] = texts(&output);
    assert!(!output.status.success(), "{stdout}");
    (output.status.code(), stderr)
}

fn texts(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned())
}

/// Returns the output of a simulation.
fn simulated(args: &[&str]) -> String {
    let out = Folder::new(&args.concat());
    succeed(wind_farm(&[&["simulate"], args].concat(), &out));
    out.read("days.jsonl")
}

#[test]
fn the_week_is_what_its_program_makes() {
    let output = Command::new(env!("CARGO_BIN_EXE_make_wind")).output().expect("a program");
    assert!(output.status.success());
    assert!(output.stdout == include_bytes!("../data/week.csv"), "run make_wind to update it");
}

/// The program itself compares each step with the independent computation and the limit. This test
/// shows that control was needed.
#[test]
fn mosaik_runs_a_day() {
    let out = Folder::new("mosaik");
    let said = succeed(with_mosaik(&[], &out));
    assert!(said.starts_with("3 turbines, 96 steps: each as computed independently"), "{said}");

    let (possible, maxima, powers) = (out.sums("p_possible"), out.sums("p_max"), out.sums("p"));
    assert_eq!(powers.len(), 96);
    assert_eq!(possible.iter().filter(|power| **power > LIMIT).count(), 24);
    // The power never exceeds the limit, and stays just below it while the wind suffices.
    assert!(powers.iter().all(|power| *power <= LIMIT));
    assert!(maxima[1..].iter().all(|maximum| *maximum <= LIMIT));
    assert!(powers.iter().any(|power| *power > LIMIT - 3));

    let picture = out.read("days.svg");
    for text in
        ["<svg", "without control", "with control", "limit", "mean wind", "time of day", "14:00"]
    {
        assert!(picture.contains(text), "{text}");
    }
    let lines = picture.matches("stroke-width=\"2\" points=").count();
    assert_eq!(lines, 4 + 4, "the lines and their legends");
    assert!(out.read("days.jsonl") == simulated(&[]), "mosaik and the simulation differ");
}

/// The first step has no maxima yet.
#[test]
fn only_the_first_step_may_be_above_the_limit() {
    let out = Folder::new("first");
    succeed(with_mosaik(&["--limit", "1234.567", "--turbines", "7", "--children", "3"], &out));
    let powers = out.sums("p");
    assert!(powers[0] > 1_234_567, "{}", powers[0]);
    assert!(powers[1..].iter().all(|power| *power <= 1_234_567), "{powers:?}");
}

#[test]
fn another_week_of_wind() {
    let out = Folder::new("wind");
    let path = out.0.join("100 % calm.csv");
    let rows = (0..96).map(|step| format!("{},2.5,2.5,2.5,2.5\n", step * 15));
    let text = rows.fold("minute,north,east,south,west\n".to_owned(), |text, row| text + &row);
    fs::write(&path, text).expect("a successful write");
    let wind = ["--wind", path.to_str().expect("a name in UTF-8")];
    succeed(with_mosaik(&wind, &out));
    assert_eq!(out.sums("p"), [0; 96]);
}

/// The results depend neither on the order of events nor on the placement of agents.
#[test]
fn a_simulation_is_always_the_same() {
    let first = simulated(&["--days", "2"]);
    assert_eq!(first.lines().count(), 192);
    for args in [["--seed", "2", "--children", "1"], ["--seed", "3", "--children", "7"]] {
        assert!(simulated(&[&["--days", "2"], &args[..]].concat()) == first, "{args:?}");
    }
}

#[test]
fn a_thousand_turbines_are_simulated() {
    let out = Folder::new("thousand");
    let said = succeed(wind_farm(&["simulate", "--turbines", "1000"], &out));
    assert!(said.starts_with("1000 turbines, 96 steps: each as computed independently"), "{said}");
}

#[test]
fn a_broken_file_of_wind() {
    let out = Folder::new("broken");
    let path = out.0.join("wind.csv");
    let text = include_str!("../data/week.csv").replacen("\n30,", "\n30,-", 1);
    fs::write(&path, text).expect("a successful write");
    let path = path.to_str().expect("a name in UTF-8");
    let (status, said) = fail(with_mosaik(&["--wind", path], &out));
    assert_eq!(status, Some(1));
    let why = format!("wind_farm: {path}, line 4: \"-8.21\" in the north is");
    assert!(said.starts_with(&why), "{said}");
    assert!(!out.0.join("days.jsonl").exists(), "nothing was started");
}

#[test]
fn impossible_farms() {
    let out = Folder::new("none");
    for (args, why) in [
        (["--turbines", "0"], "it has to be a number from 1 to 100000"),
        (["--turbines", "3.5"], "it has to be a number from 1 to 100000"),
        (["--limit", "0"], "it has to be a power in kW, above 0"),
        (["--limit", "-2000"], "it has to be a power in kW, above 0"),
        (["--limit", "inf"], "it has to be a power in kW, above 0"),
        (["--children", "0"], "it has to be a number from 1 to 256"),
    ] {
        let (status, said) = fail(wind_farm(&["simulate", args[0], args[1]], &out));
        assert_eq!(status, Some(2), "{args:?}: {said}");
        assert!(said.contains(why), "{args:?}: {said}");
    }
    let (status, said) = fail(wind_farm(&["simulate", "--days", "8"], &out));
    assert_eq!(
        (status, said.contains("672 rows are too few for 768 steps")),
        (Some(1), true),
        "{said}"
    );
}

#[test]
fn a_missing_python() {
    let out = Folder::new("python");
    let (status, said) = fail(wind_farm(&["run", "--python", "/no/python"], &out));
    assert_eq!(status, Some(1));
    assert!(said.starts_with("wind_farm: cannot start Python: /no/python: "), "{said}");

    let (status, said) = fail(wind_farm(&["run", "--python", "false"], &out));
    assert_eq!(status, Some(1));
    let why = "wind_farm: mosaik has ended after 0 of 96 steps: exit status: 1\n";
    assert_eq!(said, why);
}
