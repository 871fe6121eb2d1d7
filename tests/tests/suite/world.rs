//! Containers on a faulty network, against a model. See `container_ops`.

use aiomas_tests::container_ops;
use proptest::collection::vec;
use proptest::prelude::*;

fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    // More with `PROPTEST_CASES`.
    ProptestConfig { cases: default.cases.max(1000), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn everything_ends_once_and_the_same_way_each_time(script in vec(any::<u8>(), 0..400)) {
        let plain = container_ops::run(&script, false);
        prop_assert_eq!(plain, container_ops::run(&script, false));
        prop_assert_eq!(plain, container_ops::run(&script, true));
    }
}

/// Without this check, the property would also hold for an idle world.
#[test]
fn everything_occurs() {
    let mut state = 1_u64;
    let mut connects = [0; 2];
    let mut calls = [0; 4];
    for _ in 0..100 {
        let script: Vec<u8> = (0..400)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let outcome = container_ops::run(&script, false);
        connects.iter_mut().zip(outcome.connects).for_each(|(sum, count)| *sum += count);
        calls.iter_mut().zip(outcome.calls).for_each(|(sum, count)| *sum += count);
    }
    let least = connects.into_iter().chain(calls).min();
    assert!(least >= Some(20), "{connects:?} {calls:?}");
}
