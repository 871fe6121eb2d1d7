//! Spans and events for `tracing`, with the feature of that name. Without the feature, this module is empty: types
//! without size, and functions that ignore their arguments.
//!
//! The page `docs/operating.md` of the guide lists the spans and events, with their targets and levels. No event is
//! emitted under a lock: subscribers are user code.

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(super) use off::*;
#[cfg(feature = "tracing")]
pub(super) use on::*;
