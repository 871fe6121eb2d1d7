//! How a simulation fails.

use crate::host::Host;
use crate::panics::{Cause, Panic, fail, watch};
use crate::sim::Sim;

impl Sim {
    /// The panics so far, in order: all of them [allowed](crate::SimBuilder::allow_panics), or the simulation would have
    /// failed.
    #[must_use]
    pub fn panics(&self) -> Vec<Panic> {
        self.world.lock().panics.all.clone()
    }

    /// Runs code of a host, and notes the panics in it, whoever catches them. `None`: it has panicked itself.
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

    /// Lets the last panic fail the simulation even if it is allowed: what has panicked is the test itself.
    pub(crate) fn forbid_last(&self) {
        let panics = &mut self.world.lock().panics;
        if let Some(last) = panics.all.last() {
            panics.fatal.get_or_insert_with(|| last.clone());
        }
    }

    /// Fails if there was a panic that is not allowed.
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

    /// Fails because the simulation cannot go on.
    #[track_caller]
    pub(crate) fn give_up(&self, text: String) -> ! {
        fail(Cause { text, location: None }, format_args!("\nwith seed {}", self.seed()));
    }
}
