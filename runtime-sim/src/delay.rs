//! Random delays.

use std::ops::Range;
use std::time::Duration;

/// A delay: constant, or drawn anew from a distribution each time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Uniform { from: Duration, to: Duration },
    Exponential { mean: Duration },
}

impl Delay {
    /// A delay of zero.
    pub const ZERO: Self = Self::fixed(Duration::ZERO);

    /// Creates a constant delay.
    #[must_use]
    pub const fn fixed(time: Duration) -> Self {
        Self(Kind::Uniform { from: time, to: time })
    }

    /// Creates a delay with a uniform distribution over a range. An empty range yields its start.
    #[must_use]
    pub const fn between(times: Range<Duration>) -> Self {
        Self(Kind::Uniform { from: times.start, to: times.end })
    }

    /// Creates a delay with an exponential distribution, the time between independent events:
    /// mostly short, sometimes long.
    #[must_use]
    pub const fn exponential(mean: Duration) -> Self {
        Self(Kind::Exponential { mean })
    }

    pub(crate) const fn is_zero(&self) -> bool {
        match self.0 {
            Kind::Uniform { from, to } => from.is_zero() && to.is_zero(),
            Kind::Exponential { mean } => mean.is_zero(),
        }
    }

    pub(crate) fn draw(&self, random: &mut fastrand::Rng) -> Duration {
        match self.0 {
            Kind::Uniform { from, to } if to <= from => from,
            Kind::Uniform { from, to } => {
                let range = (to - from).as_nanos().try_into().unwrap_or(u64::MAX);
                from + Duration::from_nanos(random.u64(..range))
            }
            // The argument of the logarithm is in (0, 1].
            Kind::Exponential { mean } => mean.mul_f64(-(1.0 - random.f64()).ln()),
        }
    }
}

impl From<Duration> for Delay {
    fn from(time: Duration) -> Self {
        Self::fixed(time)
    }
}

impl From<Range<Duration>> for Delay {
    fn from(times: Range<Duration>) -> Self {
        Self::between(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn draws(delay: Delay) -> impl Iterator<Item = Duration> {
        let mut random = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(move || delay.draw(&mut random)).take(10_000)
    }

    fn mean(delay: Delay) -> f64 {
        draws(delay).map(|time| time.as_secs_f64()).sum::<f64>() / 10_000.0
    }

    #[test]
    fn each_kind_has_its_distribution() {
        assert!(draws(SECOND.into()).all(|time| time == SECOND));
        assert!(draws((SECOND..SECOND).into()).all(|time| time == SECOND));
        let range = SECOND..3 * SECOND;
        assert!(draws(range.clone().into()).all(|time| range.contains(&time)));
        assert!((mean(range.into()) - 2.0).abs() < 0.05);
        let exponential = Delay::exponential(SECOND);
        assert!((mean(exponential) - 1.0).abs() < 0.05);
        // A draw exceeds the mean with probability 1/e.
        let above = draws(exponential).filter(|time| *time > SECOND).count();
        assert!((3400..3950).contains(&above), "{above}");
    }
}
