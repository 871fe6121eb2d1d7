use super::run;

/// Returns the processes that have served, and their addresses.
fn servers(lines: &[String]) -> Vec<(&str, &str)> {
    let serves = lines.iter().filter_map(|line| line.split_once(" serves at "));
    serves.filter(|(process, _)| process.starts_with("process ")).collect()
}

#[test]
fn calls_succeed_after_a_restart_of_the_server() {
    let lines = run("reconnect");
    let [(a, address), (b, b_address), (c, c_address)] = servers(&lines)[..] else {
        panic!("{lines:#?}")
    };
    assert_eq!([b_address, c_address], [address; 2]);
    assert!(a != b && b != c && c != a, "{a}, {b}, {c}");

    // The beginnings of the lines.
    let expected = [
        &*format!("{a} serves at "),
        &format!("230 V in {a}"),
        "-- the server is killed while a call is in flight",
        "that call fails: the connection was lost before the answer came: ",
        "the connection is Lost",
        "-- calls without a server",
        "a call with a timeout fails: the request could not be sent within 100ms",
        "a call without a timeout waits; the connection is Dialling { attempt: ",
        &format!("{b} serves at "),
        &format!("230 V in {b}"),
        "the connection is Connected",
        "-- the server is killed while an idempotent call is in flight",
        &format!("{c} serves at "),
        &format!("that call is answered: alarm in {c}"),
        "-- the server ends",
        "the connection is Lost",
    ];
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected} is missing in {lines:#?}");
    }
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
}
