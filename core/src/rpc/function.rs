//! Functions with typed parameters, as a [`ServiceDict`](super::ServiceDict) takes them.

use serde::de::DeserializeOwned;

use super::Bound;
use super::binding::absent;
pub use super::returned::{Boxed, Dynamic, Fallible, Plain, Return};
use crate::wire::RemoteError;

/// A function or closure of up to eight parameters that can be decoded. `P` is the tuple of their
/// types.
///
/// A parameter that is an `Option` may be left out, as a field of a struct may with serde.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called with {N} decoded arguments",
    note = "it needs one owned parameter of a type that implements `serde::Deserialize` for each name"
)]
pub trait Function<const N: usize, P> {
    /// What it returns.
    type Output;

    /// Which parameters may be left out.
    fn optional() -> [bool; N];

    /// Decodes the arguments and calls the function.
    ///
    /// # Errors
    /// A `TypeError`: an argument does not fit its parameter.
    fn invoke(&self, bound: &Bound<'_>) -> Result<Self::Output, RemoteError>;
}

macro_rules! function {
    ($n:literal: $($p:ident $index:literal),*) => {
        impl<Func, R, $($p: DeserializeOwned),*> Function<$n, ($($p,)*)> for Func
        where
            Func: Fn($($p),*) -> R,
        {
            type Output = R;

            fn optional() -> [bool; $n] {
                [$(absent::<$p>().is_ok()),*]
            }

            fn invoke(&self, bound: &Bound<'_>) -> Result<R, RemoteError> {
                let _ = bound;
                Ok(self($(bound.required::<$p>($index)?),*))
            }
        }
    };
}

function!(0:);
function!(1: A 0);
function!(2: A 0, B 1);
function!(3: A 0, B 1, C 2);
function!(4: A 0, B 1, C 2, D 3);
function!(5: A 0, B 1, C 2, D 3, E 4);
function!(6: A 0, B 1, C 2, D 3, E 4, F 5);
function!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
function!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
