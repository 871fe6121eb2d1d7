//! Functions with typed parameters, as [`ServiceDict`](super::ServiceDict) accepts them.

use serde::de::DeserializeOwned;

use super::Bound;
use super::binding::absent;
pub use super::returned::{Boxed, Dynamic, Fallible, Plain, Return};
use crate::wire::RemoteError;

/// A function or closure of up to eight decodable parameters.
///
/// `P` is the tuple of the parameter types. A call may omit a parameter of type `Option`, as serde allows for a field
/// of a struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called with {N} decoded arguments",
    note = "it needs one owned parameter of a type that implements `serde::Deserialize` for each name"
)]
pub trait Function<const N: usize, P> {
    /// The return type of the function.
    type Output;

    /// Returns `true` for each parameter that a call may omit.
    fn optional() -> [bool; N];

    /// Decodes the arguments and calls the function.
    ///
    /// # Errors
    /// Returns a `TypeError` if an argument does not fit its parameter.
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

/// A [`Function`] with a context of the host in front of its parameters.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called with a `{C}` and {N} decoded arguments",
    note = "it needs the context, and then one owned parameter of a type that implements \
            `serde::Deserialize` for each name"
)]
pub trait FunctionIn<C, const N: usize, P> {
    /// The return type of the function.
    type Output;

    /// Returns `true` for each parameter that a call may omit.
    fn optional() -> [bool; N];

    /// Decodes the arguments.
    ///
    /// # Errors
    /// Returns a `TypeError` if an argument does not fit its parameter.
    fn decode(bound: &Bound<'_>) -> Result<P, RemoteError>;

    /// Calls the function.
    fn call(&self, context: C, arguments: P) -> Self::Output;
}

macro_rules! function_in {
    ($n:literal: $($p:ident $index:literal),*) => {
        impl<C, Func, R, $($p: DeserializeOwned),*> FunctionIn<C, $n, ($($p,)*)> for Func
        where
            Func: Fn(C, $($p),*) -> R,
        {
            type Output = R;

            fn optional() -> [bool; $n] {
                [$(absent::<$p>().is_ok()),*]
            }

            fn decode(bound: &Bound<'_>) -> Result<($($p,)*), RemoteError> {
                let _ = bound;
                Ok(($(bound.required::<$p>($index)?,)*))
            }

            #[allow(non_snake_case, reason = "the names of the types")]
            fn call(&self, context: C, arguments: ($($p,)*)) -> R {
                let ($($p,)*) = arguments;
                self(context, $($p),*)
            }
        }
    };
}

function_in!(0:);
function_in!(1: A 0);
function_in!(2: A 0, B 1);
function_in!(3: A 0, B 1, D 2);
function_in!(4: A 0, B 1, D 2, E 3);
function_in!(5: A 0, B 1, D 2, E 3, F 4);
function_in!(6: A 0, B 1, D 2, E 3, F 4, G 5);
function_in!(7: A 0, B 1, D 2, E 3, F 4, G 5, H 6);
function_in!(8: A 0, B 1, D 2, E 3, F 4, G 5, H 6, I 7);
