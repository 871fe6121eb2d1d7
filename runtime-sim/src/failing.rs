//! Failures of a simulation.

use crate::host::Host;
use crate::panics::{Cause, Panic, fail, watch};
use crate::sim::Sim;

impl Sim {
    /// Returns the panics so far, in order. All of them are
    /// [allowed](crate::SimBuilder::allow_panics); any other panic fails the simulation.
    #[must_use]
    pub fn panics(&self) -> Vec<Panic> {
        self.world.lock().panics.all.clone()
    }

    /// Runs code of a host and records its panics, including caught ones. Returns `None` if the
    /// code itself panicked.
    pub(crate) fn enter<T>(&self, host: Host, code: impl FnOnce() -> T) -> Option<T> {
        let id = host.id;
        let (result, seen) = watch(|| host.enter(code));
        if !seen.is_empty() {
            let state = &mut *self.world.lock();
            let (name, at) = (state.net.name(id).clone(), state.env.elapsed());
            for seen in seen {
                let (message, location) = (seen.message, seen.location);
                let panic = Panic { message, location, host: name.clone(), at };
                let allowed = self.settings.allowed.iter();
                if !allowed.into_iter().any(|text| panic.message.contains(&**text)) {
                    state.panics.fatal.get_or_insert_with(|| panic.clone());
                }
                state.panics.all.push(panic);
            }
        }
        result
    }

    /// Makes the last panic fatal even if it is allowed, because the test itself panicked.
    pub(crate) fn forbid_last(&self) {
        let panics = &mut self.world.lock().panics;
        if let Some(last) = panics.all.last() {
            panics.fatal.get_or_insert_with(|| last.clone());
        }
    }

    /// Fails if a panic happened that is not allowed.
    #[track_caller]
    pub(crate) fn check(&self) {
        let fatal = self.world.lock().panics.fatal.take();
        if let Some(panic) = fatal {
            let text = panic.to_string();
            fail(
                Cause { text, location: panic.location },
                format_args!(", with seed {}", self.seed()),
            );
        }
    }

    /// Fails a simulation that cannot continue.
    #[track_caller]
    pub(crate) fn give_up(&self, text: String) -> ! {
        fail(Cause { text, location: None }, format_args!("\nwith seed {}", self.seed()));
    }
}
