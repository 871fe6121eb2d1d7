//! Agents that a manager spawns.

use aiomas::agent;
use aiomas::manager::Factories;

use crate::peer::manager::{CREATE, SPAWNED, label};

/// An agent spawned by a manager.
#[derive(Debug)]
pub(crate) struct Spawned {
    label: String,
}

#[agent]
impl Spawned {
    fn new(label: String, suffix: Option<String>) -> Self {
        Self { label: self::label(&label, suffix.as_deref()) }
    }

    #[expose]
    fn get_label(&self) -> &str {
        &self.label
    }
}

pub(super) fn factories() -> Factories {
    Factories::new().agent(SPAWNED, ["label", "suffix"], Spawned::new).async_agent(
        CREATE,
        ["label"],
        async |label: String| Spawned::new(label, Some("!".to_owned())),
    )
}
