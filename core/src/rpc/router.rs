//! Paths: from the root service down to a function.

use super::{Arguments, Caller, Outcome, Service};
use crate::wire::RemoteError;

/// Finds the service that has the function at `path`, and the function's name in it. Whether there
/// is such a function is found out by calling it.
///
/// # Errors
/// A `LookupError` in aiomas' words.
pub fn resolve<'s, 'p, L>(
    root: &'s dyn Service<L>,
    path: &'p str,
) -> Result<(&'s dyn Service<L>, &'p str), RemoteError> {
    resolve_at(root, path, 0)
}

fn resolve_at<'s, 'p, L>(
    service: &'s dyn Service<L>,
    path: &'p str,
    start: usize,
) -> Result<(&'s dyn Service<L>, &'p str), RemoteError> {
    let mut service = service;
    let mut rest = path.get(start..).unwrap_or_default();
    loop {
        // Names are short: a plain loop beats what `split_once` sets up.
        let (name, below) = match rest.bytes().position(|byte| byte == b'/') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err(not_found(path, rest));
        }
        let Some(below) = below else {
            return Ok((service, name));
        };
        service = match service.service(name) {
            Some(service) => service,
            None if service.access(name).is_some() => return Err(not_found(path, below)),
            None => return Err(not_found(path, rest)),
        };
        rest = below;
    }
}

/// Calls the function at `path`.
///
/// The outcome is never [`NotFound`](Outcome::NotFound) or [`NotExposed`](Outcome::NotExposed): these
/// have become the failures that aiomas answers with.
pub fn dispatch<L>(
    root: &dyn Service<L>,
    path: &str,
    arguments: &Arguments<'_>,
    caller: &Caller,
) -> Outcome<L> {
    dispatch_at(root, path, 0, arguments, caller)
}

/// Calls the function at `path`, of which the first `start` bytes have led to `service` already.
pub fn dispatch_at<L>(
    service: &dyn Service<L>,
    path: &str,
    start: usize,
    arguments: &Arguments<'_>,
    caller: &Caller,
) -> Outcome<L> {
    let (service, name) = match resolve_at(service, path, start) {
        Ok(found) => found,
        Err(error) => return error.into(),
    };
    match service.call(name, arguments, caller) {
        Outcome::NotFound => match service.service(name) {
            Some(service) => not_callable(service.type_name()).into(),
            None => not_found(path, name).into(),
        },
        Outcome::NotExposed => {
            RemoteError::lookup(format_args!("\"{}.{name}\" is not exposed", service.type_name()))
                .into()
        }
        answer => answer,
    }
}

/// The first name in `rest`, the end of `path`, is not there.
#[cold]
fn not_found(path: &str, rest: &str) -> RemoteError {
    let name = rest.split('/').next().unwrap_or_default();
    let parent = &path[..path.len() - rest.len()];
    let parent = parent.strip_suffix('/').unwrap_or(parent);
    RemoteError::lookup(format_args!("Name \"{name}\" not found in \"{parent}\""))
}

#[cold]
fn not_callable(type_name: &str) -> RemoteError {
    RemoteError::type_error(format_args!("'{type_name}' object is not callable"))
}
