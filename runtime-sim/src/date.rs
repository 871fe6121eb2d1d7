//! The date of a simulation, which a test can step.

use std::time::Duration;

use crate::sim::Sim;
use crate::trace::Step;

impl Sim {
    /// Steps the date of all hosts by a number of seconds, which may be negative. A time server or
    /// an operator does the same to a real clock. Virtual time is not affected. Every task is
    /// woken, because tasks that wait for a date must check it again.
    ///
    /// # Panics
    /// The number is not finite, or exceeds the range of [`Duration`].
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
