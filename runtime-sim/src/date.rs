//! The date of a simulation, which can step.

use std::time::Duration;

use crate::sim::Sim;
use crate::trace::Step;

impl Sim {
    /// Steps the date of all hosts by a number of seconds, backward if that is negative, as a time server or an operator
    /// does. The time is not affected. Every task is woken, as those have to look that wait for a date.
    ///
    /// # Panics
    /// The number is not finite, or more than a [`Duration`] holds.
    pub fn step_date(&self, seconds: f64) {
        let by = Duration::from_secs_f64(seconds.abs());
        self.world.change(|state| {
            state.env.note(Step::Date, seconds.is_sign_negative().into(), by.as_nanos() as u64);
            state.env.step_date(by, seconds.is_sign_negative());
            for task in state.tasks.ids() {
                state.tasks.queue(task);
            }
        });
    }
}
