//! Attacks on managers and their clocks.

use aiomas::Runtime;
use aiomas_core::wire::Format;
use serde_json::{Value, json};

use super::victim::{FACTORY, MAX_AGENTS};
use super::{Ended, Target, parse, request};
use crate::message::{self, FAILURE, REQUEST, RESULT};
use crate::raw::Raw;

/// Returns the answer to a request.
async fn ask<R: Runtime>(raw: &mut Raw<R>, frame: &[u8]) -> (u64, Value) {
    raw.write(frame).await.expect("an open stream");
    let (kind, _, content) = parse(&raw.read().await.expect("an answer"));
    (kind, content)
}

/// Makes a call that must fail with an error of this kind.
async fn fails<R: Runtime>(raw: &mut Raw<R>, frame: &[u8], with: &str) {
    let (kind, content) = ask(raw, frame).await;
    assert_eq!(kind, FAILURE, "{content}");
    let text = content.as_str().expect("a text");
    assert!(text.starts_with(with), "{text}");
}

/// Returns a call with keyword arguments.
fn call(path: &str, args: &Value, kwargs: &Value) -> Vec<u8> {
    message::message(Format::Json, REQUEST, 1, (path, args, kwargs))
}

/// Unknown factories, named like code, files and shell commands, and a factory with wrong
/// arguments.
pub(super) async fn unknown_factories<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    let long = "x".repeat(500);
    let names = [
        "",
        "os:system",
        "builtins:eval",
        "__class__",
        "../../bin/sh",
        "victim",
        "Clerk",
        "victim:clerk",
        "victim:Clerk ",
        "victim:Clerk\0",
        "victim:Clerk.__init__",
        "victim:Clerk; true",
        "$(true)",
        "--help",
        "\u{202e}",
        &long,
    ];
    for name in names {
        let frame = call("agents/2/spawn", &json!([name, 1]), &json!({"times": 1}));
        fails(&mut raw, &frame, "LookupError: ").await;
    }
    let deep = (0..20).fold(json!(1), |inner, _| json!([inner]));
    for (args, kwargs) in [
        (json!([]), json!({})),
        (json!([7]), json!({})),
        (json!([[FACTORY]]), json!({})),
        (json!([FACTORY, "text"]), json!({})),
        (json!([FACTORY, -1]), json!({})),
        (json!([FACTORY, 1, 2]), json!({})),
        (json!([FACTORY, 1]), json!({"times": 1})),
        (json!([FACTORY]), json!({"__class__": "os"})),
        (json!([FACTORY]), json!({"self": 1, "cls": 2})),
        (json!([FACTORY]), json!({"qualname": "other"})),
        (json!([FACTORY]), json!({"times": {"__type__": [0, "now"]}})),
        (json!([FACTORY, deep]), json!({})),
        (json!([FACTORY, vec![0; 2000]]), json!({})),
    ] {
        let (kind, content) = ask(&mut raw, &call("agents/2/spawn", &args, &kwargs)).await;
        assert_eq!(kind, FAILURE, "{args}, {kwargs}: {content}");
    }
    for path in ["agents/2/stopped", "agents/2/factories", "agents/2/__init__", "agents/2/new"] {
        fails(&mut raw, &request(1, path, [0; 0]), "LookupError: ").await;
    }
    None
}

/// Agents are spawned up to the limit. They stay, because a client of a manager may spawn agents.
pub(super) async fn agents_without_end<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    let spawn = request(1, "agents/2/spawn", (FACTORY, 7));
    let mut made = 0;
    while let (RESULT, _) = ask(&mut raw, &spawn).await {
        made += 1;
        assert!(made < MAX_AGENTS, "the sleepers have no end");
    }
    for _ in 0..100 {
        fails(&mut raw, &spawn, "RuntimeError: ").await;
    }
    let last = format!("agents/{}/ping", MAX_AGENTS - 1);
    assert_eq!(ask(&mut raw, &request(1, &last, [3])).await, (RESULT, json!(3)));
    None
}

async fn time<R: Runtime>(raw: &mut Raw<R>) -> f64 {
    let (kind, content) = ask(raw, &request(1, "agents/0/time", [0; 0])).await;
    assert_eq!(kind, RESULT, "{content}");
    content.as_f64().expect("a time")
}

/// Clocks are set back, to the present, to non-numbers, and beyond all dates.
pub(super) async fn clocks_that_are_set_to_anything<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial_at(&target.agents).await;
    let before = time(&mut raw).await;
    for to in
        [json!(before), json!(before - 1.0), json!(-1e300), json!(-0.0), json!(1e12), json!(1e300)]
    {
        fails(&mut raw, &request(1, "agents/2/set_time", [to]), "ValueError: ").await;
    }
    for to in [json!("now"), json!(null), json!([1]), json!({"__type__": [0, "2000-01-01"]})] {
        let (kind, content) = ask(&mut raw, &request(1, "agents/2/set_time", [to])).await;
        assert_eq!(kind, FAILURE, "{content}");
    }
    for number in ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"] {
        for path in ["agents/2/set_time", "agents/0/nap"] {
            let frame =
                message::frame(format!("[0, 1, [\"{path}\", [{number}], {{}}]]").as_bytes());
            let (kind, content) = ask(&mut raw, &frame).await;
            assert_eq!(kind, FAILURE, "{path}({number}): {content}");
        }
    }
    for dt in [0.0, -0.0, -1.0, f64::MIN, -f64::MIN_POSITIVE] {
        fails(&mut raw, &request(1, "agents/0/nap", [dt]), "ValueError: ").await;
    }
    for date in ["99999-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "2000-02-30T00:00:00Z", "", "now"]
    {
        let date = json!({"__type__": [0, date]});
        let (kind, content) = ask(&mut raw, &request(1, "agents/0/nap_until", [&date])).await;
        assert_eq!(kind, FAILURE, "{date}: {content}");
    }
    assert_eq!(time(&mut raw).await.to_bits(), before.to_bits(), "the clock stands still");
    // The clock still accepts a later time.
    let later = before + 1.0;
    assert_eq!(ask(&mut raw, &request(1, "agents/2/set_time", [later])).await.0, RESULT);
    assert_eq!(time(&mut raw).await.to_bits(), later.to_bits());
    None
}

/// Each sleeper is a pending request, so the limit of requests bounds sleepers.
pub(super) async fn sleeps_without_end<R: Runtime>(target: Target<R>) -> Ended {
    const MANY: usize = 1000;
    let mut raw = target.dial_at(&target.agents).await;
    let mut other = target.dial_at(&target.agents).await;
    raw.write(&request(1, "agents/0/nap", [1]).repeat(MANY)).await.expect("an open stream");
    for _ in 0..MANY - target.limits.max_calls_in {
        let (kind, _, content) = parse(&raw.read().await.expect("an answer"));
        assert_eq!(kind, FAILURE);
        assert!(content.to_string().contains("Limits::max_calls_in"), "{content}");
    }
    // All sleepers end when the clock is set.
    let later = time(&mut other).await + 2.0;
    assert_eq!(ask(&mut other, &request(1, "agents/2/set_time", [later])).await.0, RESULT);
    for _ in 0..target.limits.max_calls_in {
        assert_eq!(parse(&raw.read().await.expect("an answer")).0, RESULT);
    }
    None
}
