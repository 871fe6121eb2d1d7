//! Python's operators, for the services.

use aiomas_core::wire::{Integer, RemoteError, Value};

use super::MAX_SIZE;

/// `a + b`: numbers, strings, lists.
pub(crate) fn add(a: Value, b: Value) -> Result<Value, RemoteError> {
    match (&a, &b) {
        (Value::Str(a), Value::Str(b)) => return Ok(format!("{a}{b}").into()),
        (Value::List(a), Value::List(b)) => return Ok(Value::List([&a[..], b].concat())),
        _ => {}
    }
    arithmetic(&a, &b, i128::checked_add, |a, b| a + b, "+")
}

/// `a * b`: numbers, strings and lists by numbers.
pub(crate) fn multiply(a: Value, b: Value) -> Result<Value, RemoteError> {
    let times = |length: usize| {
        let times = usize::try_from(b.as_i64().unwrap_or_default()).unwrap_or_default();
        let fits = length.saturating_mul(times) <= MAX_SIZE;
        if fits { Ok(times) } else { Err(RemoteError::new("MemoryError", "")) }
    };
    match &a {
        Value::Str(text) => Ok(text.repeat(times(text.len())?).into()),
        Value::List(items) => {
            let copies = std::iter::repeat_n(items, times(items.len())?);
            Ok(Value::List(copies.flatten().cloned().collect()))
        }
        _ => arithmetic(&a, &b, i128::checked_mul, |a, b| a * b, "*"),
    }
}

/// `-a`.
pub(crate) fn negate(a: Value) -> Result<Value, RemoteError> {
    match a {
        // Subtraction would lose -0.0.
        Value::Float(a) => Ok((-a).into()),
        a => arithmetic(&0.into(), &a, i128::checked_sub, |a, b| a - b, "-"),
    }
}

fn arithmetic(
    a: &Value,
    b: &Value,
    exact: impl Fn(i128, i128) -> Option<i128>,
    inexact: impl Fn(f64, f64) -> f64,
    sign: &str,
) -> Result<Value, RemoteError> {
    let small = |value: &Value| match value {
        Value::Int(number) => Integer::as_i128(number),
        _ => None,
    };
    if let Some(number) = small(a).zip(small(b)).and_then(|(a, b)| exact(a, b)) {
        return Ok(number.into());
    }
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => Ok(inexact(a, b).into()),
        _ => Err(RemoteError::type_error(format_args!("unsupported operand types for {sign}"))),
    }
}
