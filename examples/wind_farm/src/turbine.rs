//! Kinds of wind turbines, and their power curves.

/// Power, in watts. Integers make results the same on all machines, and exact to the watt.
pub(crate) type Watts = u64;

/// Wind speed, in cm/s.
pub(crate) type Speed = u32;

/// A kind of turbine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The maximum power.
    pub(crate) rated_power: Watts,
    /// The wind speed below which the turbine stands still.
    pub(crate) cut_in: Speed,
    /// The wind speed from which the turbine feeds in its rated power.
    pub(crate) rated_speed: Speed,
    /// The wind speed above which the turbine stops to avoid damage.
    pub(crate) cut_out: Speed,
}

/// The kinds of the farm, assigned in turn.
pub(crate) const KINDS: [Kind; 3] = [
    Kind { rated_power: 2_000_000, cut_in: 350, rated_speed: 1_300, cut_out: 2_500 },
    Kind { rated_power: 3_600_000, cut_in: 300, rated_speed: 1_200, cut_out: 2_500 },
    Kind { rated_power: 5_000_000, cut_in: 400, rated_speed: 1_400, cut_out: 3_000 },
];

impl Kind {
    /// Returns the kind of the turbine with this number.
    pub(crate) const fn of(number: usize) -> &'static Self {
        &KINDS[number % KINDS.len()]
    }

    /// Returns the power at this wind speed. Between cut-in and rated speed it grows with the cube.
    pub(crate) const fn power(&self, wind: Speed) -> Watts {
        if wind < self.cut_in || wind > self.cut_out {
            return 0;
        }
        if wind >= self.rated_speed {
            return self.rated_power;
        }
        let part = cube(wind) - cube(self.cut_in);
        let whole = cube(self.rated_speed) - cube(self.cut_in);
        self.rated_power * part / whole
    }
}

/// Returns the cube of a speed. Below the rated speed of any turbine, the cube times the rated
/// power fits easily into 64 bits.
const fn cube(speed: Speed) -> u64 {
    (speed as u64).pow(3)
}

/// Returns the rated power of a farm with this number of turbines.
pub(crate) fn rated_power(turbines: usize) -> Watts {
    (0..turbines).map(|number| Kind::of(number).rated_power).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_curve() {
        let kind = Kind::of(3);
        assert_eq!(kind, &KINDS[0]);
        // (8^3 - 3.5^3) / (13^3 - 3.5^3) of 2 MW
        for (wind, power) in [
            (0, 0),
            (349, 0),
            (350, 0),
            (800, 435_559),
            (1_299, 1_995_296),
            (1_300, 2_000_000),
            (2_500, 2_000_000),
            (2_501, 0),
        ] {
            assert_eq!(kind.power(wind), power, "{wind} cm/s");
        }
    }

    #[test]
    fn more_wind_is_more_power_until_it_is_too_much() {
        for kind in &KINDS {
            let powers = (kind.cut_in..=kind.cut_out).map(|wind| kind.power(wind));
            assert!(powers.is_sorted());
        }
        assert_eq!(rated_power(4), 12_600_000);
    }
}
