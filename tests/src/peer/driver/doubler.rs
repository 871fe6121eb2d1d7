//! The service that clients offer for callbacks.

use aiomas::service;
use aiomas_core::wire::{RemoteError, Value};

use crate::peer::number::multiply;

/// Doubles values, and fails on request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubler;

#[service]
impl Doubler {
    #[expose]
    fn double(&self, value: Value) -> Result<Value, RemoteError> {
        multiply(value, 2.into())
    }

    #[expose]
    fn boom(&self) -> Result<(), RemoteError> {
        Err(RemoteError::new("KeyError", "'boom'"))
    }
}
