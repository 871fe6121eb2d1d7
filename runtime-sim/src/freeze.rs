//! Frozen hosts.

use crate::host::Host;
use crate::trace::Step;

impl Host {
    /// Pauses the host's programs, as SIGSTOP pauses processes. They resume when the host is
    /// [thawed](Self::thaw), and end when it is stopped or restarted. Its streams stay open: data
    /// from peers arrives but is not read.
    ///
    /// ```
    /// # use aiomas_sim::Sim;
    /// # use std::time::Duration;
    /// let sim = Sim::new(1);
    /// sim.at(Duration::from_secs(5), |sim| sim.host("bob").freeze());
    /// sim.at(Duration::from_secs(9), |sim| sim.host("bob").thaw());
    /// ```
    pub fn freeze(&self) {
        let mut state = self.world.lock();
        state.env.note(Step::Freeze, self.id as u64, 0);
        state.tasks.freeze(self.id);
    }

    /// Resumes the programs of a [frozen](Self::freeze) host.
    pub fn thaw(&self) {
        let mut state = self.world.lock();
        state.env.note(Step::Thaw, self.id as u64, 0);
        state.tasks.thaw(self.id);
    }
}
