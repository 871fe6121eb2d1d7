//! Hosts that stand still.

use crate::host::Host;
use crate::trace::Step;

impl Host {
    /// Stops the host's programs where they are, as SIGSTOP stops processes, until it is [thawed](Self::thaw), stopped
    /// or restarted. Its streams stay open: what others send arrives, and is not read.
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

    /// Lets the programs of a [frozen](Self::freeze) host go on.
    pub fn thaw(&self) {
        let mut state = self.world.lock();
        state.env.note(Step::Thaw, self.id as u64, 0);
        state.tasks.thaw(self.id);
    }
}
