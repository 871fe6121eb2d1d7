//! Routing: from the root service down to the function at a path.

use super::{Arguments, Caller, Outcome, Service};
use crate::wire::RemoteError;

/// Finds the service of the function at `path`, and the function's name in it.
///
/// `resolve` does not check that the function exists: that happens when it is called. It does not check whether the
/// caller [may](Service::admit) call the function either.
///
/// # Errors
/// Returns a `LookupError` in aiomas' words if a service on the path does not exist.
pub fn resolve<'s, 'p, L>(
    root: &'s dyn Service<L>,
    path: &'p str,
) -> Result<(&'s dyn Service<L>, &'p str), RemoteError> {
    let (service, name) = resolve_at(root, path.as_bytes(), 0, |_, _| Ok(()))?;
    Ok((service, &path[path.len() - name.len()..]))
}

#[inline]
fn resolve_at<'s, 'p, L>(
    service: &'s dyn Service<L>,
    path: &'p [u8],
    start: usize,
    admit: impl Fn(&dyn Service<L>, &[u8]) -> Result<(), RemoteError>,
) -> Result<(&'s dyn Service<L>, &'p [u8]), RemoteError> {
    let mut service = service;
    let mut rest = path.get(start..).unwrap_or_default();
    loop {
        admit(service, rest)?;
        let (name, below) = match slash(rest) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err(not_found(path, rest));
        }
        let Some(below) = below else {
            return Ok((service, name));
        };
        service = match service.service_bytes(name) {
            Some(service) => service,
            None => return Err(no_service(service, path, rest, below)),
        };
        rest = below;
    }
}

/// Returns the position of the first slash.
#[inline]
fn slash(path: &[u8]) -> Option<usize> {
    let among = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'/');
    // Names are short: most end within the first word, and the rest of most paths fits into one word.
    if let Some(word) = path.first_chunk() {
        let found = slash_in(u64::from_le_bytes(*word));
        return found.or_else(|| among(&path[8..]).map(|at| 8 + at));
    }
    match (path.first_chunk(), path.last_chunk()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            let at = slash_in(u64::from(first) | u64::from(last) << 32)?;
            // The halves may overlap.
            Some(if at < 4 { at } else { at + path.len() - 8 })
        }
        _ => among(path),
    }
}

/// Returns the index of the first slash in a word, from the lowest byte.
#[inline]
const fn slash_in(word: u64) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGHEST: u64 = ONES << 7;
    // Finds zero bytes: only in the first zero byte is the highest bit guaranteed to be meaningful.
    let zeros = word ^ (ONES * b'/' as u64);
    let found = zeros.wrapping_sub(ONES) & !zeros & HIGHEST;
    if found == 0 { None } else { Some((found.trailing_zeros() / 8) as usize) }
}

/// Calls the function at `path`, a [`Path`](super::Path) or a string.
///
/// The outcome is never [`NotFound`](Outcome::NotFound) or [`NotExposed`](Outcome::NotExposed): `dispatch` turns them
/// into the failures that aiomas answers with.
///
/// ```
/// use std::convert::Infallible;
///
/// use aiomas_core::rpc::{Caller, Outcome, Request, ServiceDict, dispatch};
/// use aiomas_core::wire::{CodecContext, Format, Payload};
///
/// let root = ServiceDict::<Infallible>::new("Root").function("add", ["a", "b"], |a: i64, b: i64| a + b);
/// let content = r#"["add", [3], {"b": 4}]"#.into();
/// let content = Payload::new(Format::Json, content, CodecContext::default());
/// let request = Request::parse(&content)?;
/// let Outcome::Done(answer) = dispatch(&root, &request.path, &request.arguments, &Caller::local()) else {
///     unreachable!("all functions answer at once")
/// };
/// assert_eq!(answer?.bytes(), b"7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dispatch<L>(
    root: &dyn Service<L>,
    path: impl AsRef<[u8]>,
    arguments: &Arguments<'_>,
    caller: &Caller,
) -> Outcome<L> {
    call_at(root, path.as_ref(), 0, arguments, caller)
}

/// Calls the function at `path`, whose first `start` bytes have already led to `service`.
pub fn dispatch_at<L>(
    service: &dyn Service<L>,
    path: impl AsRef<[u8]>,
    start: usize,
    arguments: &Arguments<'_>,
    caller: &Caller,
) -> Outcome<L> {
    call_at(service, path.as_ref(), start, arguments, caller)
}

fn call_at<L>(
    service: &dyn Service<L>,
    path: &[u8],
    start: usize,
    arguments: &Arguments<'_>,
    caller: &Caller,
) -> Outcome<L> {
    let admit = |service: &dyn Service<L>, rest: &[u8]| service.admit(rest, caller);
    let (service, name) = match resolve_at(service, path, start, admit) {
        Ok(found) => found,
        Err(error) => return error.into(),
    };
    let mut outcome = service.call_bytes(name, arguments, caller);
    match outcome {
        Outcome::Done(_) | Outcome::Later(_) => {}
        Outcome::NotFound => outcome = no_function(service, path, name, caller).into(),
        Outcome::NotExposed => outcome = not_exposed(service.type_name(), name).into(),
    }
    outcome
}

/// Returns the error for a path whose next name is not a service.
///
/// `rest` is the end of `path` from that name on. If the name is a function, the error is about the name after it,
/// because a function contains nothing.
#[cold]
fn no_service<L>(service: &dyn Service<L>, path: &[u8], rest: &[u8], below: &[u8]) -> RemoteError {
    let name = &rest[..rest.len() - below.len() - 1];
    let function = str::from_utf8(name).is_ok_and(|name| service.access(name).is_some());
    not_found(path, if function { below } else { rest })
}

/// Returns the error for a missing name, which begins `rest`, the end of `path`.
#[cold]
fn not_found(path: &[u8], rest: &[u8]) -> RemoteError {
    let name = &rest[..slash(rest).unwrap_or(rest.len())];
    let parent = &path[..path.len() - rest.len()];
    let parent = parent.strip_suffix(b"/").unwrap_or(parent);
    let [name, parent] = [name, parent].map(String::from_utf8_lossy);
    RemoteError::lookup(format_args!("Name \"{name}\" not found in \"{parent}\""))
}

#[cold]
fn not_exposed(type_name: &str, name: &[u8]) -> RemoteError {
    let name = String::from_utf8_lossy(name);
    RemoteError::lookup(format_args!("\"{type_name}.{name}\" is not exposed"))
}

/// Returns the error for a path whose last name is not a function of `service`.
///
/// If the name is a service, only a caller who may call that service learns its type.
#[cold]
fn no_function<L>(
    service: &dyn Service<L>,
    path: &[u8],
    name: &[u8],
    caller: &Caller,
) -> RemoteError {
    let Some(inner) = service.service_bytes(name) else { return not_found(path, name) };
    inner.admit(b"", caller).err().unwrap_or_else(|| {
        let type_name = inner.type_name();
        RemoteError::type_error(format_args!("'{type_name}' object is not callable"))
    })
}
