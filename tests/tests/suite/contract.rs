//! The contract of `Connection`: T1 to T8.
//!
//! T1, T2, T4 and T5 are checked after every operation of every run, see `connection_ops`. Nodes
//! have the same contract, see `world`, and containers have property tests of their own, in the
//! core.

use aiomas_tests::connection_ops::{Variation, run};
use aiomas_tests::pair_ops;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    // More with `PROPTEST_CASES`.
    ProptestConfig { cases: default.cases.max(2000), failure_persistence: None, ..default }
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn varied(script: &[u8], variation: Variation) -> Result<(), TestCaseError> {
    prop_assert_eq!(run(script, Variation::default()), run(script, variation));
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn t3_time_does_not_go_back(script in script()) {
        varied(&script, Variation { clamped: true, ..Variation::default() })?;
    }

    #[test]
    fn t6_no_matter_how_input_is_cut(script in script()) {
        varied(&script, Variation { bytewise: true, ..Variation::default() })?;
    }

    #[test]
    fn t7_same_inputs_same_outputs(script in script()) {
        varied(&script, Variation::default())?;
    }

    #[test]
    fn t8_spurious_calls_change_nothing(script in script()) {
        varied(&script, Variation { spurious: true, ..Variation::default() })?;
    }

    #[test]
    fn every_call_of_a_pair_ends_once(script in vec(any::<u8>(), 0..120)) {
        let plain = pair_ops::run(&script, false);
        prop_assert_eq!(&plain, &pair_ops::run(&script, false));
        prop_assert_eq!(&plain, &pair_ops::run(&script, true));
    }
}

/// Results that the scripts must sometimes have, or the properties prove little.
const OUTCOMES: [&str; 32] = [
    "Open {",
    "Request(",
    "Request(until",
    "cause: Caller }",
    "cause: Deadline }",
    "Err(Cancelled)",
    "Answer {",
    "result: Ok(",
    "Err(Remote(",
    "Err(TimedOut {",
    "Err(Lost(",
    "Writable",
    "TooManyCalls",
    "OutputFull",
    "Refused { why: TooLong",
    "Err(TooLong",
    "Err(Codec(",
    "Closed { reason: Local }",
    "Closed { reason: Peer }",
    "Closed { reason: Truncated",
    "Closed { reason: Broken",
    "Closed { reason: Frame",
    "Closed { reason: Malformed",
    "Closed { reason: CodecNotAccepted",
    "Closed { reason: UnknownReply }",
    "Closed { reason: UnknownType",
    "Closed { reason: TimedOut(Idle {",
    "Closed { reason: TimedOut(Handshake {",
    "Closed { reason: TimedOut(FirstFrame {",
    "Closed { reason: TimedOut(Frame {",
    "Closed { reason: TimedOut(Output {",
    "Closed { reason: TimedOut(Drain) }",
];

#[test]
fn the_scripts_lead_everywhere() {
    let mut runner = TestRunner::deterministic();
    let mut missing = OUTCOMES.to_vec();
    for _ in 0..20_000 {
        let script = script().new_tree(&mut runner).unwrap().current();
        let log = run(&script, Variation::default()).log;
        missing.retain(|outcome| !log.iter().any(|line| line.contains(outcome)));
        if missing.is_empty() {
            return;
        }
    }
    panic!("never seen: {missing:?}");
}
