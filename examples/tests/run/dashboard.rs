use aiomas_tests::process::Process;

#[cfg(unix)]
use super::interrupt;
use super::{LIMIT, example, run};

/// Returns the numbers of the readings a view has shown, and how many it missed.
fn shown(lines: &[String], view: &str) -> (Vec<u64>, u64) {
    let mut missed = None;
    let mut numbers = Vec::new();
    for line in lines.iter().filter_map(|line| line.strip_prefix(view)) {
        let mut words = line.split_whitespace();
        if let Some(rest) = line.strip_prefix(" has missed ") {
            let number = rest.strip_suffix(" readings").and_then(|rest| rest.parse().ok());
            missed = Some(number.expect("a number"));
        } else {
            numbers.push(words.next().and_then(|word| word.parse().ok()).expect("a number"));
        }
    }
    (numbers, missed.expect("a number of missed readings"))
}

#[test]
fn a_slow_view_misses_what_a_fast_one_shows() {
    let lines = run("dashboard");
    let [wall, phone] = ["wall", "phone"].map(|view| {
        let (numbers, missed) = shown(&lines, view);
        assert!(numbers.is_sorted_by(|earlier, later| earlier < later), "{numbers:?}");
        let first = numbers.first().expect("shown readings");
        assert_eq!(numbers.len() as u64 + missed, 50 + 1 - first, "{numbers:?}");
        assert_eq!(numbers.last(), Some(&50));
        numbers
    });
    // If the phone had held up the producer or the wall, both views would have shown the same
    // readings. Drawing takes the phone 25 times the period; on a busy machine the wall may be
    // late, too.
    assert!(phone.len() < wall.len(), "{phone:?} {wall:?}");
}

#[cfg(unix)]
#[test]
fn in_processes_of_their_own() {
    let start = |arguments: &[&str]| {
        let mut command = example("dashboard");
        command.args(arguments);
        Process::spawn(command)
    };
    let mut feed = start(&["--listen", "tcp://127.0.0.1:0"]);
    let line = feed.read();
    let address = line.strip_prefix("the feed is at ").expect("an address");
    let mut view = start(&["--connect", address, "100"]);
    let mut lines: Vec<_> = (0..6).map(|_| view.read()).collect();
    interrupt(&feed);
    assert!(feed.finish(LIMIT).is_empty());

    // The view received the end of the feed, and did not lose its connection.
    lines.extend(view.finish(LIMIT));
    let (numbers, missed) = shown(&lines, "view");
    let first = numbers.first().expect("shown readings");
    let last = numbers.last().expect("shown readings");
    assert!(numbers.len() as u64 + missed > last - first, "{lines:#?}");
}
