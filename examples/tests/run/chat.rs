use std::process::Command;

use aiomas_tests::process::Process;

#[cfg(unix)]
use super::interrupt;
use super::{LIMIT, example, run};

fn chat(arguments: &[&str]) -> Command {
    let mut command = example("chat");
    command.args(arguments);
    command
}

#[test]
fn all_hear_the_same_in_the_same_order() {
    let lines = run("chat");
    let heard = |name: &str| {
        let begin = format!("{name} hears: ");
        lines.iter().filter_map(|line| line.strip_prefix(&*begin)).collect::<Vec<_>>()
    };
    let all = [
        "* Ada has come",
        "* Ben has come",
        "* Cleo has come",
        "Ada: Shall we have lunch?",
        "Ben: At noon.",
        "Cleo: See you there!",
        "* Ben has gone",
    ];
    assert_eq!(heard("Ada"), all);
    assert_eq!(heard("Cleo"), all[2..]);
    assert_eq!(lines.len(), 2 * all.len() - 2);
}

#[cfg(unix)]
#[test]
fn in_processes_of_their_own() {
    let mut room = Process::spawn(chat(&["--listen", "tcp://127.0.0.1:0"]));
    let line = room.read();
    let address = line.strip_prefix("the room is at ").expect("an address");
    let enter = |name| Process::spawn(chat(&["--connect", address, name]));

    let mut ada = enter("Ada");
    assert_eq!(ada.read(), "* Ada has come");
    let mut ben = enter("Ben");
    for guest in [&mut ada, &mut ben] {
        assert_eq!(guest.read(), "* Ben has come");
    }
    ben.write("Is the room empty?");
    for guest in [&mut ada, &mut ben] {
        assert_eq!(guest.read(), "Ben: Is the room empty?");
    }
    // A killed guest sends no goodbye.
    drop(ben);
    assert_eq!(ada.read(), "* Ben has gone");
    ada.stop();

    interrupt(&room);
    assert_eq!(room.finish(LIMIT), ["the room is closed"]);
}

#[test]
fn invalid_arguments() {
    let output = chat(&["--connect", "tcp://127.0.0.1:1"]).output().expect("a program");
    assert!(!output.status.success() && output.stdout.is_empty());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("--connect ADDRESS NAME"), "{stderr}");
}
