//! The report of waiting tasks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The maximum number of lines in a report.
const MAX_LINES: usize = 60;

/// The events that each task waits for, at a moment when no task is runnable.
#[derive(Clone, Debug)]
pub struct StallReport {
    pub(crate) at: Duration,
    pub(crate) tasks: Vec<TaskWaits>,
}

/// The events that one task waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskWaits {
    pub(crate) host: Arc<str>,
    pub(crate) what: Vec<String>,
}

impl StallReport {
    /// Returns the number of tasks.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }
}

impl fmt::Display for StallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:?}, {} tasks wait:", self.at, self.tasks.len())?;
        for chunk in self.tasks.chunk_by(PartialEq::eq).take(MAX_LINES) {
            let TaskWaits { host, what } = &chunk[0];
            write!(f, "\n  on {host}: ")?;
            match &what[..] {
                [] => f.write_str("for another task")?,
                what => f.write_str(&what.join(", or "))?,
            }
            if chunk.len() > 1 {
                write!(f, " ({} of them)", chunk.len())?;
            }
        }
        let more = self.tasks.chunk_by(PartialEq::eq).count().saturating_sub(MAX_LINES);
        if more > 0 { write!(f, "\n  and {more} more") } else { Ok(()) }
    }
}
