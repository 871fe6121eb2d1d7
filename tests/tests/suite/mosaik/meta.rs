//! Descriptions of simulators.

use aiomas_mosaik::{ApiVersion, Meta, Model, Stepping};
use serde_json::json;

fn model() -> Model {
    Model::public().attrs(["a", "b"])
}

/// Returns the error of a simulator with this model.
fn wrong(stepping: Stepping, model: Model) -> String {
    let checked = Meta::new(stepping).model("M", model).check();
    checked.err().map_or_else(String::new, |error| error.message().to_owned())
}

#[test]
fn on_the_wire_it_is_as_mosaik_wants_it() {
    let meta = Meta::hybrid()
        .model("Free", Model::private().any_inputs())
        .model("M", model().params(["p"]).non_trigger(["a"]).persistent(["b"]))
        .extra_methods(["total"]);
    let expected = json!({
        "api_version": "3.0", "type": "hybrid",
        "models": {
            "Free": {"public": false, "params": [], "attrs": [], "any_inputs": true},
            "M": {
                "public": true, "params": ["p"], "attrs": ["a", "b"],
                "non-trigger": ["a"], "persistent": ["b"],
            },
        },
        "extra_methods": ["total"],
    });
    assert_eq!(serde_json::to_value(&meta).unwrap(), expected);
    assert_eq!(serde_json::from_value::<Meta>(expected).unwrap(), meta);
    meta.check().unwrap();
}

#[test]
fn missing_fields_are_inferred_as_by_mosaik() {
    let meta = json!({
        "api_version": "2.2",
        "models": {"M": {"public": true, "trigger": ["a"], "non-trigger": ["b"], "new": 1}},
        "colour": "blue",
    });
    let meta: Meta = serde_json::from_value(meta).unwrap();
    assert_eq!((meta.api_version, meta.stepping), (ApiVersion::V2_2, Stepping::TimeBased));
    assert_eq!(meta.models["M"].attrs, ["a", "b"]);
    assert!(meta.models["M"].params.is_empty());
}

#[test]
fn versions() {
    for (text, version) in [("3", "3.0"), ("3.0.16", "3.0"), ("2.2", "2.2"), ("3.1", "3.1")] {
        let version_read: ApiVersion = text.parse().unwrap();
        assert_eq!(version_read.to_string(), version);
    }
    for text in ["", ".", "3.", "3.x", "-3", "3.0.x"] {
        assert!(text.parse::<ApiVersion>().is_err(), "{text}");
    }
    assert!(ApiVersion::V2_2 < ApiVersion::V3_0);
    for version in ["4.0", "1.0"] {
        let meta = Meta::time_based().api_version(version.parse().unwrap());
        let error = meta.check().unwrap_err().to_string();
        assert!(error.contains(&format!("version {version} of mosaik's API")), "{error}");
    }
}

#[test]
fn parts_of_attributes() {
    use Stepping::{EventBased, Hybrid, TimeBased};
    let with = |change: fn(Model) -> Model| change(model());
    for (stepping, model, expected) in [
        (TimeBased, model(), ""),
        (EventBased, model(), ""),
        (Hybrid, model(), ""),
        (Hybrid, with(|m| m.trigger(["a"]).non_trigger(["b"])), ""),
        (Hybrid, with(|m| m.trigger(["a"]).non_persistent(["b"])), ""),
        (TimeBased, with(|m| m.non_trigger(["a", "b"]).persistent(["b", "a"])), ""),
        (EventBased, with(|m| m.any_inputs().trigger(["x"])), ""),
        (Hybrid, with(|m| m.trigger(["x"])), r#""x" is in trigger, but not in attrs"#),
        (
            Hybrid,
            with(|m| m.any_inputs().persistent(["x"])),
            r#""x" is in persistent, but not in attrs"#,
        ),
        (
            Hybrid,
            with(|m| m.trigger(["a", "b"]).non_trigger(["b"])),
            r#""b" is in non-trigger as well as in trigger"#,
        ),
        (
            Hybrid,
            with(|m| m.persistent(["a"]).non_persistent::<&str>([])),
            r#""b" is neither in persistent nor in non-persistent"#,
        ),
        (
            TimeBased,
            with(|m| m.trigger(["a"])),
            r#""a" is in trigger, which time-based simulators have none of"#,
        ),
        (
            TimeBased,
            with(|m| m.persistent(["a"])),
            r#""b" is not in persistent, as all attributes of time-based simulators are"#,
        ),
        (
            EventBased,
            with(|m| m.persistent(["a"])),
            r#""a" is in persistent, which event-based simulators have none of"#,
        ),
        (
            EventBased,
            with(|m| m.trigger(["a"])),
            r#""b" is not in trigger, as all attributes of event-based simulators are"#,
        ),
    ] {
        let message = wrong(stepping, model);
        assert_eq!(message.strip_prefix("the model \"M\": ").unwrap_or(&message), expected);
    }
}
