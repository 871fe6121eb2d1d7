//! Paths: from the root service down to a function.

use super::{Arguments, Caller, Outcome, Service};
use crate::wire::RemoteError;

/// Finds the service that has the function at `path`, and the function's name in it. Whether there
/// is such a function is found out by calling it; whether somebody [may](Service::admit), is not asked.
///
/// # Errors
/// A `LookupError` in aiomas' words.
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

/// Where the first slash is.
#[inline]
fn slash(path: &[u8]) -> Option<usize> {
    let among = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'/');
    // Names are short: most of them end within the first word, and the rest of most paths fits one.
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

/// Which byte of a word is the first slash, counted from the lowest one.
#[inline]
const fn slash_in(word: u64) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGHEST: u64 = ONES << 7;
    // A byte of zero, the first one at least, is the only one in which the highest bit gets set.
    let zeros = word ^ (ONES * b'/' as u64);
    let found = zeros.wrapping_sub(ONES) & !zeros & HIGHEST;
    if found == 0 { None } else { Some((found.trailing_zeros() / 8) as usize) }
}

/// Calls the function at `path`, a [`Path`](super::Path) or a string.
///
/// The outcome is never [`NotFound`](Outcome::NotFound) or [`NotExposed`](Outcome::NotExposed): these
/// have become the failures that aiomas answers with.
pub fn dispatch<L>(
    root: &dyn Service<L>,
    path: impl AsRef<[u8]>,
    arguments: &Arguments<'_>,
    caller: &Caller,
) -> Outcome<L> {
    call_at(root, path.as_ref(), 0, arguments, caller)
}

/// Calls the function at `path`, of which the first `start` bytes have led to `service` already.
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

/// The first name in `rest`, the end of `path`, is no service; perhaps it is a function, in which there
/// is nothing.
#[cold]
fn no_service<L>(service: &dyn Service<L>, path: &[u8], rest: &[u8], below: &[u8]) -> RemoteError {
    let name = &rest[..rest.len() - below.len() - 1];
    let function = str::from_utf8(name).is_ok_and(|name| service.access(name).is_some());
    not_found(path, if function { below } else { rest })
}

/// The first name in `rest`, the end of `path`, is not there.
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

/// The last name of `path` is no function in `service`. If it is a service, only those are told its type who may call it.
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
