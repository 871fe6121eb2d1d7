//! What managers can make, whatever they run on.

/// An agent with a label, and perhaps a suffix to that.
pub(crate) const SPAWNED: &str = "interop_agents:Spawned";
/// The same, with a suffix of its own.
pub(crate) const CREATE: &str = "interop_agents:Spawned.create";

pub(crate) fn label(label: &str, suffix: Option<&str>) -> String {
    format!("{label}{}", suffix.unwrap_or_default())
}
