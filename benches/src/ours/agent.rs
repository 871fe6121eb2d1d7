//! Who is called.

use aiomas::agent;
use aiomas_core::wire::Blob;

/// Gives back what it gets.
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
