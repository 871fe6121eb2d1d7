//! The command line of `peer`, and its end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use aiomas_tests::runtimes::RuntimeKind;

use crate::{ipc_address, peer};

#[test]
fn wrong_usage() {
    for (args, text) in [
        (&["nonsense"][..], "invalid value 'nonsense'"),
        (&[], "required arguments"),
        (&["rpc", "--addr", "127.0.0.1:0"], "no \"tcp://\", \"ipc://\" or \"local://\""),
        (&["rpc", "--addr", "tcp://127.0.0.1:x"], "the port is no decimal number"),
        (&["rpc", "--serializers", "point,point"], "possible values: none, point,"),
        (&["agent", "--runtime", "sundial"], "possible values: poll, tokio"),
        (&["agent", "--clock", "sundial"], "must be `real` or `external:DATE`"),
        (&["agent", "--clock", "external:"], "cannot read the day of a date"),
    ] {
        let output = peer(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(text), "{args:?}: {stderr}");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn an_address_in_use() {
    let address = ipc_address();
    let path = address.trim_start_matches("ipc://[").trim_end_matches(']');
    let _taken = std::os::unix::net::UnixListener::bind(path).unwrap();
    for runtime in RuntimeKind::ALL {
        let args = ["rpc", "--addr", &address, "--runtime", runtime.name()];
        let output = peer(&args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.starts_with("peer: ") && stderr.contains(&address), "{stderr}");
        assert!(stderr.contains("Address already in use"), "{stderr}");
        assert_eq!(output.status.code(), Some(1));
    }
    std::fs::remove_file(path).unwrap();
}

/// The end of `/dev/null` has no effect, a signal has. The server removes its socket file.
fn ends_with(signal: &str, kind: &str, runtime: RuntimeKind) {
    let address = ipc_address();
    let path = address.trim_start_matches("ipc://[").trim_end_matches(']');
    let mut command = peer(&[kind, "--addr", &address, "--runtime", runtime.name()]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with(&format!("{{\"ready\":{{\"addr\":\"{address}\",\"agents\":{{")));
    // It accepts connections, so it has completed an iteration of its loop.
    let _stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!std::fs::exists(path).unwrap());
}

#[test]
fn ends_with_signals() {
    for runtime in RuntimeKind::ALL {
        for (signal, kind) in [("-TERM", "rpc"), ("-INT", "agent"), ("-TERM", "channel")] {
            ends_with(signal, kind, runtime);
        }
    }
}
