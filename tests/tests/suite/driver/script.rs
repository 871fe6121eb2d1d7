//! Two ends of a channel under random scripts. See `driver_script`.

use aiomas_tests::driver_script;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn script() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..600)
}

fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    // More with `PROPTEST_CASES`.
    ProptestConfig { cases: default.cases.max(400), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_call_ends_and_nothing_is_left(script in script()) {
        prop_assert_eq!(driver_script::run(&script), driver_script::run(&script));
    }
}

/// Without this check, the property would also hold for idle channels.
#[test]
fn everything_occurs() {
    let mut runner = TestRunner::deterministic();
    let mut calls = [0; 4];
    for _ in 0..200 {
        let script = script().new_tree(&mut runner).unwrap().current();
        let outcome = driver_script::run(&script);
        calls.iter_mut().zip(outcome.calls).for_each(|(sum, count)| *sum += count);
    }
    assert!(calls.iter().min() >= Some(&20), "{calls:?}");
}
