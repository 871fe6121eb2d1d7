//! Spans and events for `tracing`, if the feature of that name is on. Without it, all of this is empty: types
//! without size, and functions that do nothing with what they are given.
//!
//! What there is, at which targets and levels, is in the guide, `docs/operating.md`. Nothing is told under a lock:
//! subscribers are user code.

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(super) use off::*;
#[cfg(feature = "tracing")]
pub(super) use on::*;
