use super::{example, run};

#[test]
fn the_server_refuses_who_has_no_certificate_of_its_authority() {
    let lines = run("tls_pair");
    assert_eq!(lines[0], "with a certificate: good day, CN=grid");
    for (line, who, why) in [
        (&lines[1], "without a certificate: ", ": certificate required (alert 116)"),
        (&lines[3], "with another authority's: ", ": unknown CA (alert 48)"),
    ] {
        assert!(line.starts_with(who) && line.ends_with(why), "{line}");
    }
    for (line, why) in [
        (&lines[2], "the peer has shown no certificate"),
        (&lines[4], "the peer's certificate is signed by no authority that is trusted here"),
    ] {
        let said = line.strip_prefix("  the server: refused tcp://127.0.0.1:").expect(line);
        assert_eq!(said.split_once(": ").map(|(_port, reason)| reason), Some(why));
    }
    assert_eq!(lines.len(), 5);
}

#[test]
fn files_that_are_not_there() {
    let mut client = example("tls_pair");
    client.args(["client", "ca.pem", "no.pem", "no.key", "tcp://127.0.0.1:1"]);
    let output = client.output().expect("it can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("ca.pem") && !output.status.success(), "{stderr}");
}
