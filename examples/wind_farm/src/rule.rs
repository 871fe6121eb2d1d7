//! The rule that keeps a farm below its limit.

use crate::turbine::Watts;

/// Shares a limit out among turbines. Returns the maximum of each until the next step.
///
/// `possible` is the power that the wind allows, not the power fed in: a throttled turbine would
/// seem to need no more. If the sum exceeds the limit, each turbine gets its share in proportion.
/// Otherwise each turbine keeps its possible power, and the rest of the limit is reserved for more
/// wind, in proportion to rated powers.
///
/// Maxima hold until the next step, regardless of the wind. Therefore their sum never exceeds the
/// limit, and turbines have maxima even in a calm.
pub(crate) fn share(limit: Watts, possible: &[Watts], rated: &[Watts]) -> Vec<Watts> {
    let sum: Watts = possible.iter().sum();
    if sum > limit {
        return possible.iter().map(|power| part(limit, *power, sum)).collect();
    }
    let all: Watts = rated.iter().sum();
    let shares = possible.iter().zip(rated);
    shares.map(|(power, rated)| power + part(limit - sum, *rated, all)).collect()
}

/// Returns the share of `total` that `one` has in `all`. It is rounded down, so that shares never
/// exceed the total.
fn part(total: Watts, one: Watts, all: Watts) -> Watts {
    let part = u128::from(total) * u128::from(one) / u128::from(all.max(1));
    Watts::try_from(part).unwrap_or(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_limit_in_proportion() {
        assert_eq!(share(100, &[50, 100, 0, 50], &[100; 4]), [25, 50, 0, 25]);
        assert_eq!(share(100, &[100, 100, 100], &[100; 3]), [33, 33, 33]);
    }

    #[test]
    fn below_it_there_is_room_for_more_wind() {
        assert_eq!(share(100, &[20, 30], &[100, 300]), [20 + 12, 30 + 37]);
        assert_eq!(share(100, &[0, 0], &[100, 300]), [25, 75]);
        assert_eq!(share(100, &[60, 40], &[100, 300]), [60, 40]);
        assert_eq!(share(100, &[], &[]), [0; 0]);
    }

    #[test]
    fn never_more_than_the_limit() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..1_000 {
            let rated: Vec<Watts> = (0..random.usize(1..50)).map(|_| random.u64(1..9)).collect();
            let possible: Vec<Watts> = rated.iter().map(|rated| random.u64(0..=*rated)).collect();
            let limit = random.u64(1..200);
            let maxima = share(limit, &possible, &rated);
            assert!(maxima.iter().sum::<Watts>() <= limit, "{limit} {possible:?} {rated:?}");
            if possible.iter().sum::<Watts>() <= limit {
                assert!(maxima.iter().zip(&possible).all(|(max, possible)| max >= possible));
            }
        }
    }
}
