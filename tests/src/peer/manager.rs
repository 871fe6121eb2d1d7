//! The factories of managers, on all runtimes.

/// An agent with a label, and an optional suffix.
pub(crate) const SPAWNED: &str = "interop_agents:Spawned";
/// The same agent, with a suffix of its own.
pub(crate) const CREATE: &str = "interop_agents:Spawned.create";

pub(crate) fn label(label: &str, suffix: Option<&str>) -> String {
    format!("{label}{}", suffix.unwrap_or_default())
}
