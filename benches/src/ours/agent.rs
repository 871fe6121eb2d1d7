//! The called agent.

use aiomas::agent;
use aiomas_core::wire::Blob;

/// Returns its arguments.
pub(crate) struct TestAgent;

#[agent]
impl TestAgent {
    #[expose]
    fn service(&self, value: i64) -> i64 {
        value
    }

    #[expose]
    fn bytes(&self, value: Blob) -> Blob {
        value
    }

    /// JSON has no bytes.
    #[expose]
    fn text(&self, value: String) -> String {
        value
    }
}
