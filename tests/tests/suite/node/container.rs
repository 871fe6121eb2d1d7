//! The answers of a container.

use aiomas_core::agent::{NodeConfig, Route, Target};

use super::{Nodes, local};

/// Tests the routes from the first node to the second one, and to itself.
fn everywhere(test: impl Fn(&mut Nodes, usize, &dyn Fn(&str) -> Target)) {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    test(&mut nodes, 0, &local);
    let route = nodes.connect("0").route;
    assert!(matches!(route, Route::Connection(_)));
    test(&mut nodes, 0, &|path| Target::new(route, path));
    nodes.assert_quiet();
}

#[test]
fn validate_aid_knows_agents_by_strings_only() {
    everywhere(|nodes, side, target| {
        nodes.call(side, &target(""), "validate_aid", ("0",), 1);
        assert_eq!(nodes.result(side), (1, Some(String::from("TestAgent"))));
        for aid in ["1", "00", "", "-1", "é", "0/"] {
            nodes.call(side, &target(""), "validate_aid", (aid,), 2);
            assert_eq!(nodes.result::<Option<String>>(side), (2, None), "{aid:?}");
        }
        nodes.call(side, &target(""), "validate_aid", (0,), 3);
        assert_eq!(nodes.result::<Option<String>>(side), (3, None));
        nodes.call(side, &target(""), "validate_aid", ((),), 4);
        assert_eq!(nodes.result::<Option<String>>(side), (4, None));
        nodes.call(side, &target(""), "validate_aid", ([["0"]],), 5);
        assert_eq!(nodes.result::<Option<String>>(side), (5, None));
        nodes.call(side, &target(""), "validate_aid", (), 6);
        assert_eq!(nodes.failure(side).1.kind(), "TypeError");
    });
}

#[test]
fn missing_names_are_reported_as_in_aiomas() {
    everywhere(|nodes, side, target| {
        let mut failure = |path: &str| {
            // The last name is that of the method.
            let (service, method) = path.rsplit_once('/').unwrap_or(("", path));
            nodes.call(side, &target(service), method, (), 1);
            nodes.failure(side).1.to_string()
        };
        for (path, name, parent) in [
            ("", "", ""),
            ("x", "x", ""),
            ("Agents/0/echo", "Agents", ""),
            ("agents/x", "x", "agents"),
            ("agents/1/echo", "1", "agents"),
            ("agents/00/echo", "00", "agents"),
            ("agents//echo", "", "agents"),
            ("agents/0/x", "x", "agents/0"),
            ("agents/0/", "", "agents/0"),
            ("agents/0/__class__", "__class__", "agents/0"),
            ("agents/0/echo/x", "x", "agents/0/echo"),
        ] {
            let expected = format!("LookupError: Name \"{name}\" not found in \"{parent}\"");
            assert_eq!(failure(path), expected, "{path}");
        }
        assert!(failure("agents/0").starts_with("TypeError: "), "{}", failure("agents/0"));
        assert!(failure("agents").starts_with("TypeError: "), "{}", failure("agents"));
        let long = "x/".repeat(100_000) + "y";
        assert!(failure(&long).starts_with("LookupError: "));
    });
}
