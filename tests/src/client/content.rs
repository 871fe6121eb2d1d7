//! Requests for servers, and the expected answers.

use aiomas_core::clock::Date;
use aiomas_core::wire::{CodecContext, Format, Value};
use serde_json::json;

use crate::types::{Celsius, Point, Serializers};

/// Functions missing on an RPC server, with the error's missing part and place.
pub(super) const NOT_FOUND: [(&str, &str, &str); 8] = [
    ("nope", "nope", ""),
    ("nope/nope", "nope", ""),
    ("math/nope", "nope", "math"),
    ("math/deep/mul", "mul", "math/deep"),
    ("tools/inner/upper", "upper", "tools/inner"),
    ("", "", ""),
    ("/add", "", ""),
    ("math/", "", "math"),
];

/// Dates with all their optional parts.
pub(super) const DATES: [&str; 5] = [
    "2010-03-27T00:00:00+01:00",
    "2017-12-29T13:37:42.123456+00:00",
    "1969-12-31T23:59:59.999999-11:30",
    "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59+00:00",
];

/// Returns the date at time 0 of external clocks.
pub(super) fn clock_start() -> Date {
    "2020-01-01T00:00:00+00:00".parse().unwrap_or(Date::MAX)
}

/// Invalid factory names with a meaning to a shell, an interpreter or a loader.
pub(super) const NO_FACTORIES: [&str; 14] = [
    "",
    "nonsense",
    "no_such_mod:X",
    "interop_agents:Nope",
    "interop_agents:Spawned\0",
    " interop_agents:Spawned",
    "interop_agents:Spawned --addr tcp://0.0.0.0:1",
    "interop_agents:Spawned; touch /tmp/aiomas-was-here",
    "$(touch /tmp/aiomas-was-here)",
    "AIOMAS_CHILD=tcp://0.0.0.0:1",
    "../../../../bin/sh",
    "os:no_such_function",
    "builtins:no_such_function",
    "\u{1b}[2J\u{202e}",
];

/// Answers of `validate_aid` from a container with the agents `Echo`, `Caller` and `Clock`.
pub(super) fn aids() -> [(Value, Option<String>); 8] {
    [
        (json!("0"), Some("Echo")),
        (json!("1"), Some("Caller")),
        (json!("2"), Some("Clock")),
        (json!("3"), None),
        (json!(""), None),
        (json!("00"), None),
        (json!("agents/0"), None),
        (json!(0), None),
    ]
    .map(|(aid, name)| (aid.into(), name.map(str::to_owned)))
}

/// Returns values of all kinds.
pub(super) fn values(format: Format) -> Vec<Value> {
    let powers = [7, 8, 15, 16, 31, 32, 53, 63].map(|power| 1_i128 << power);
    let near = powers.into_iter().flat_map(|power| [power - 1, power, power + 1]);
    let integers = near.clone().chain(near.map(|number| -number)).chain([0, 1, -32, -33]);
    let integers = integers.filter(|number| *number >= i64::MIN.into()).chain([u64::MAX.into()]);
    let mut values: Vec<Value> = integers.map(Value::from).collect();
    values.extend(
        [0.0, 1.0, 1.5, -1e-300, 1e300, 5e-324, std::f64::consts::PI, 1e16].map(Value::from),
    );
    values.extend([0, 1, 31, 32, 255, 256, 65535, 65536].map(|length| "a".repeat(length).into()));
    values.extend(["Grüße, 世界 🎉", "\"\\/\0\x1f\x7f\u{2028}"].map(Value::from));
    values
        .extend([0, 1, 15, 16, 70_000].into_iter().flat_map(|length| [list(length), map(length)]));
    values.extend(
        [
            json!([null, true, false]),
            json!([[], [[]], {}, [{}], {"": {}}]),
            json!({"b": [1, 2.5, null, {"c": "ü"}], "a": 1}),
            json!([null, [true, [1, ["x", []]]]]),
            // Similar to a typed value.
            json!([{"_type_": [0, 1]}, {"type": [0, 1]}, {"__TYPE__": null}]),
        ]
        .map(Value::from),
    );
    match format {
        Format::Json => only_json(&mut values),
        Format::MsgPack => only_msgpack(&mut values),
    }
    values
}

fn only_json(values: &mut Vec<Value>) {
    for digits in ["18446744073709551616", "-18446744073709551616", &format!("1{:040}", 0)] {
        values.push(Value::Int(digits.parse().unwrap_or_else(|error| panic!("{error}"))));
    }
    let half_a_pair = Value::Surrogates(vec![0xd800, 0x78]);
    values.push(Value::Map(vec![(half_a_pair.clone(), half_a_pair)]));
}

fn only_msgpack(values: &mut Vec<Value>) {
    values.extend([0, 1, 255, 256, 70_000].map(bytes));
    let keys: [Value; 6] = [1.into(), (-1).into(), ().into(), 2.5.into(), bytes(3), list(2)];
    let entries = keys.into_iter().map(|key| (key.clone(), key));
    values.push(Value::Map(entries.collect()));
    let truths = [true, false].map(|key| (key.into(), key.into()));
    values.push(Value::Map(truths.into()));
}

fn map(length: usize) -> Value {
    Value::Map((0..length).map(|i| (i.to_string().into(), i.into())).collect())
}

fn list(length: usize) -> Value {
    Value::List((0..length).map(Value::from).collect())
}

fn bytes(length: usize) -> Value {
    // Random enough to compress badly.
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    Value::Bytes(std::iter::repeat_with(&mut next).take(length).collect())
}

/// Returns a value of this many bytes.
pub(super) fn large(format: Format, size: usize) -> Value {
    match format {
        Format::Json => "0123456789abcdef".repeat(size / 16).into(),
        Format::MsgPack => bytes(size),
    }
}

/// Returns nested values of the user types.
pub(super) fn typed(serializers: Serializers) -> (Celsius, Vec<Point>) {
    let codec_context = CodecContext::new(serializers.types(), Default::default());
    let nested =
        Value::encode(&codec_context, &Celsius(1.0)).unwrap_or_else(|error| panic!("{error}"));
    let points =
        vec![Point::new(1, 2), Point::new((), json!({"k": ["x"]})), Point::new("x", nested)];
    (Celsius(-40.5), points)
}
