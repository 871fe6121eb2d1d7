//! What wind turbines are, and what they make of wind.

/// Power, in watts. It is whole, so that results are the same everywhere, and a limit holds to the watt.
pub(crate) type Watts = u64;

/// The speed of wind, in centimetres per second.
pub(crate) type Speed = u32;

/// A kind of turbines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// What it feeds in at most.
    pub(crate) rated_power: Watts,
    /// With less wind it stands still.
    pub(crate) cut_in: Speed,
    /// From here on it feeds in its rated power.
    pub(crate) rated_speed: Speed,
    /// With more wind it stops, lest it break.
    pub(crate) cut_out: Speed,
}

/// The kinds of the farm, which take turns.
pub(crate) const KINDS: [Kind; 3] = [
    Kind { rated_power: 2_000_000, cut_in: 350, rated_speed: 1_300, cut_out: 2_500 },
    Kind { rated_power: 3_600_000, cut_in: 300, rated_speed: 1_200, cut_out: 2_500 },
    Kind { rated_power: 5_000_000, cut_in: 400, rated_speed: 1_400, cut_out: 3_000 },
];

impl Kind {
    /// The kind of the turbine with this number.
    pub(crate) const fn of(number: usize) -> &'static Self {
        &KINDS[number % KINDS.len()]
    }

    /// What this wind makes possible: between cut-in and rated speed, it grows with the cube of the speed.
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

/// Below the rated speed of any turbine, this times its rated power is far from what 64 bits hold.
const fn cube(speed: Speed) -> u64 {
    (speed as u64).pow(3)
}

/// The rated power of a farm of so many turbines.
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
        // (8^3 - 3.5^3) / (13^3 - 3.5^3) of two megawatts
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
