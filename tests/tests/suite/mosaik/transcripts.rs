//! Recorded conversations of mosaik, replayed.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use aiomas_mosaik::End;
use aiomas_tests::message;
use aiomas_tests::mosaik::RawMosaik;
use aiomas_tests::mosaik::counter::Counters;
use aiomas_tests::scripted_runtime::ScriptedRuntime;
use serde_json::{Value, json};

/// Recorded from mosaik's own Python API, and from aiomas.
const NAMES: [&str; 8] = [
    "aiomas-cmd-ask",
    "aiomas-cmd-async",
    "aiomas-cmd-failure",
    "aiomas-connect-plain",
    "mosaik_api-cmd-ask",
    "mosaik_api-cmd-async",
    "mosaik_api-cmd-failure",
    "mosaik_api-connect-plain",
];

/// Returns the frames of a conversation, with a flag for those of mosaik.
fn load(name: &str) -> Vec<(bool, Vec<u8>, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/transcripts/mosaik");
    let text = fs::read(folder.join(name).with_extension("json")).unwrap();
    let events: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let frames = events.iter().filter(|event| event["event"] == "frame");
    let frame = |event: &Value| {
        let hex = event["frame_hex"].as_str().unwrap();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let message = serde_json::from_slice(&message::payloads(&bytes)[0]).unwrap();
        (event["direction"] == "mosaik->simulator", bytes, message)
    };
    frames.map(frame).collect()
}

/// Returns the part that must be equal: of failures in mosaik's form, the type and the message.
fn essence(mut message: Value) -> Value {
    if message[0] == 2 {
        let failure = message[2].as_array().map(|lines| lines[..2].to_vec());
        message[2] = json!(failure);
    }
    message
}

/// Returns whether aiomas sends the same message, in which case the bytes are equal.
fn order_of_keys_matters(name: &str, message: &Value) -> bool {
    name.starts_with("aiomas") && message[0] != 2
}

#[test]
fn as_the_simulator_we_say_the_same() {
    for name in NAMES {
        let mosaik = RawMosaik::connect(ScriptedRuntime::default(), Counters::default());
        let mut said = VecDeque::new();
        let mut same = 0;
        for (by_mosaik, frame, message) in load(name) {
            if by_mosaik {
                mosaik.send(&frame);
                said.extend(mosaik.receive());
                if message[2][0] == "stop" {
                    break;
                }
                continue;
            }
            let ours = said.pop_front().unwrap_or_else(|| panic!("{name}: {message} is missing"));
            let told: Value = serde_json::from_slice(&ours).unwrap();
            if message[0] == 2 && !message[2].is_array() {
                // The failures of aiomas have another form, which mosaik misreads.
                assert_eq!(essence(told)[2], json!(["ValueError", "ohno"]));
                continue;
            }
            assert_eq!(essence(told), essence(message.clone()), "{name}");
            same += usize::from(order_of_keys_matters(name, &message) && ours == frame[4..]);
        }
        assert!(said.is_empty() && mosaik.is_closed(), "{name}: {said:?}");
        assert_eq!(mosaik.end().unwrap(), End::Stopped, "{name}");
        assert_eq!(same > 0, name.starts_with("aiomas"), "{name}: {same} frames");
    }
}
