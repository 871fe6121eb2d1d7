//! The expected results: the same farm computed independently, in one loop and without agents.
//!
//! This module shares no code with the tested one: neither the parser of wind, nor the power curve,
//! nor the rule.

use crate::step::Step;
use crate::turbine::KINDS;

/// The expected state of the farm, step by step.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The wind at four places, in cm/s.
    wind: Vec<[i128; 4]>,
    limit: i128,
    /// The maximum of each turbine in the next step.
    maxima: Vec<i128>,
    steps: usize,
}

impl Expected {
    /// Creates a farm with this number of turbines and this wind.
    pub(crate) fn new(wind: &str, turbines: usize, limit: u64) -> Self {
        let speed = |cell: &str| cell.trim().parse::<f64>().map_or(-1.0, |speed| speed * 100.0);
        let rows = wind.lines().skip(1).filter(|line| !line.is_empty()).map(|line| {
            let mut row = [0; 4];
            for (place, cell) in line.split(',').skip(1).enumerate() {
                row[place] = speed(cell).round() as i128;
            }
            row
        });
        let maxima = (0..turbines).map(|i| i128::from(KINDS[i % 3].rated_power)).collect();
        Self { wind: rows.collect(), limit: limit.into(), maxima, steps: 0 }
    }

    /// Computes the next step. The wind file must cover it.
    pub(crate) fn step(&mut self) -> Step {
        let row = self.wind[self.steps];
        let mut step = Step { time: 900 * self.steps as u64, ..Step::default() };
        let (mut sum, mut all) = (0, 0);
        let mut possible = vec![0; self.maxima.len()];
        for i in 0..self.maxima.len() {
            let kind = &KINDS[i % 3];
            let [cut_in, rated, cut_out] =
                [kind.cut_in, kind.rated_speed, kind.cut_out].map(i128::from);
            let (wind, peak) = (row[i % 4], i128::from(kind.rated_power));
            if wind >= cut_in && wind <= cut_out {
                possible[i] = peak;
                if wind < rated {
                    let cubes = wind * wind * wind - cut_in * cut_in * cut_in;
                    possible[i] = peak * cubes / (rated * rated * rated - cut_in * cut_in * cut_in);
                }
            }
            sum += possible[i];
            all += peak;
            step.wind.push(wind as f64 / 100.0);
            step.p_possible.push(possible[i] as u64);
            step.p_max.push(self.maxima[i] as u64);
            step.p.push(possible[i].min(self.maxima[i]) as u64);
        }
        for (i, possible) in possible.into_iter().enumerate() {
            let peak = i128::from(KINDS[i % 3].rated_power);
            let maximum = if sum > self.limit {
                possible * self.limit / sum
            } else {
                possible + (self.limit - sum) * peak / all
            };
            self.maxima[i] = maximum.min(peak);
        }
        self.steps += 1;
        step
    }
}
