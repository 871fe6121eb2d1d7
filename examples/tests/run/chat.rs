use super::run;

#[test]
fn the_server_is_called() {
    assert_eq!(run("chat"), ["we talk about anything"]);
}
