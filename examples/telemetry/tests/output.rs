//! Tests of the program's output.

use std::collections::BTreeMap;
use std::process::Command;

/// One span: its own lines, by the text before the colon.
type Span<'a> = BTreeMap<&'a str, &'a str>;

fn spans(text: &str) -> Vec<Span<'_>> {
    let begins = text.split("Span #").skip(1);
    begins
        .map(|span| {
            let lines = span.lines().skip(1).map(|line| line.trim().trim_start_matches("->  "));
            let pairs = lines.filter_map(|line| line.split_once(':'));
            // The attributes of events are indented further.
            let mut found = Span::new();
            for (name, value) in pairs {
                found.entry(name.trim()).or_insert_with(|| value.trim());
            }
            found
        })
        .collect()
}

#[test]
fn spans_are_nested_and_counters_counted() {
    let output = Command::new(env!("CARGO_BIN_EXE_telemetry")).output().expect("a built program");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{text}\n{log}");
    assert!(text.contains("the house takes 2 kW"), "{text}");

    let spans = spans(&text);
    let find = |kind: &str, path: &str| -> Vec<_> {
        let has = |span: &&Span<'_>, name, value| span.get(name).is_some_and(|v| v.contains(value));
        spans.iter().filter(|s| has(s, "Kind", kind) && has(s, "path", path)).collect()
    };
    let [total] = find("Server", "agents/2/total")[..] else { panic!("{text}") };
    assert_eq!(find("Client", "agents/2/total").len(), 1);
    assert!(total["peer"].contains("tcp://127.0.0.1:"), "{total:?}");
    assert!(total.contains_key("elapsed") && total.contains_key("id"), "{total:?}");
    for path in ["agents/0/read", "agents/1/read"] {
        let [call] = find("Client", path)[..] else { panic!("{path}: {text}") };
        let [request] = find("Server", path)[..] else { panic!("{path}: {text}") };
        assert_eq!(call["ParentSpanId"], total["SpanId"]);
        assert_eq!(request["ParentSpanId"], call["SpanId"]);
        assert_eq!(request["TraceId"], total["TraceId"]);
    }

    for (name, value) in
        [("aiomas.agents", 3), ("aiomas.requests.in", 2), ("aiomas.connections.open", 1)]
    {
        let metric = text.split(&format!("Name         : {name}\n")).nth(1);
        let metric = metric.unwrap_or_else(|| panic!("no {name}: {text}"));
        let line = metric.lines().find(|line| line.contains("Value")).expect("a value");
        assert!(line.trim().ends_with(&format!(": {value}")), "{name}: {line}");
    }
    assert_eq!(log.matches("opened").count(), 2, "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}
