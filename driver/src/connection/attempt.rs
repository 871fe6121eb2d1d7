//! Calls that are being made.

use std::time::{Duration, Instant};

use super::slots::SlotKey;
use crate::transport::Timer;
use aiomas_core::connection::CallOptions;
use aiomas_core::internal::blob;
use aiomas_core::wire::{Body, CodecContext, CodecError, Format};

/// A call that has been made.
pub(crate) enum Attempt {
    /// It is on its way, and will be answered in this place.
    Sent(SlotKey),
    /// It waits until there is room.
    Waits(Unsent),
}

/// A call that waits until there is room.
pub(crate) struct Unsent {
    pub(super) body: Body,
    pub(super) options: CallOptions,
    pub(super) place: Option<u64>,
    /// When it has waited for too long.
    pub(super) deadline: Option<(Instant, Box<dyn Timer>)>,
}

impl Unsent {
    /// How much time the call was given.
    pub(crate) const fn timeout(&self) -> Option<Duration> {
        self.options.timeout
    }

    /// Its content.
    pub(crate) const fn body(&self) -> &Body {
        &self.body
    }
}

/// Appends content that was encoded before, maybe in another format.
pub(crate) fn append(
    body: &Body,
    format: Format,
    codec_context: &CodecContext,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    if format == body.format() {
        body.for_each_part(|bytes, shared| {
            if !shared.is_some_and(|shared| blob::leave_out(out, shared)) {
                out.extend_from_slice(bytes);
            }
        });
        return Ok(());
    }
    body.translate(format, codec_context, out)
}
