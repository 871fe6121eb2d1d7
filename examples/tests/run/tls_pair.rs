use std::process::Command;

use aiomas_tests::certificates::{Authority, KeyKind, Pem};
use aiomas_tests::process::Process;

use super::{LIMIT, example, run};

#[test]
fn the_server_refuses_clients_without_its_certificate() {
    let lines = run("tls_pair");
    assert_eq!(lines[0], "with a certificate: good day, CN=grid");
    for (line, who, why) in [
        (&lines[1], "without a certificate: ", ": certificate required (alert 116)"),
        (&lines[3], "with another authority's: ", ": unknown CA (alert 48)"),
    ] {
        assert!(line.starts_with(who) && line.contains(why), "{line}");
    }
    for (line, why) in [
        (&lines[2], "the peer has shown no certificate"),
        (&lines[4], "the peer's certificate is signed by no authority in "),
    ] {
        let said = line.strip_prefix("  the server: refused tcp://127.0.0.1:").expect(line);
        let reason = said.split_once(": ").map(|(_port, reason)| reason);
        assert!(reason.is_some_and(|reason| reason.starts_with(why)), "{line}");
    }
    assert_eq!(lines.len(), 5);
}

/// Returns the program in one of the two roles, with existing files.
fn role(role: &str, files: &Pem, address: &str) -> Command {
    let [_, ca, _, certificate, _, key] = files.arguments();
    let mut program = example("tls_pair");
    program.arg(role).args([ca, certificate, key]).arg(address);
    program
}

#[test]
fn both_with_files_of_others() {
    let authority = Authority::new(KeyKind::Ec);
    let [house, grid] = ["house", "grid"].map(|name| authority.sign(name).files());
    let mut server = Process::spawn(role("server", &house, "tcp://127.0.0.1:0"));
    let client = Process::spawn(role("client", &grid, &server.read()));
    assert_eq!(client.finish(LIMIT), ["good day, CN=grid"]);
    server.stop();
}
