//! Without the feature `tracing`: nothing.

#![allow(clippy::needless_pass_by_ref_mut, reason = "as it is with the feature")]

use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::agent::Address;
use crate::connection::{CallId, CloseReason, Connection, ReplyToken, Why};
use crate::driver::Error;
use crate::driver::host::{Callee, Host};
use crate::driver::later::{Answer, Later};
use crate::driver::link::Link;
use crate::rpc::{Caller, Outcome, Path, RequestError};
use crate::wire::{Payload, RemoteError};

pub(in crate::driver) struct CallSpan;

#[inline(always)]
pub(in crate::driver) fn call(_: &str, _: &str, _: impl FnOnce() -> Option<Callee>) -> CallSpan {
    CallSpan
}

impl CallSpan {
    pub(in crate::driver) const NONE: Self = Self;

    #[inline(always)]
    pub(in crate::driver) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    #[inline(always)]
    pub(in crate::driver) fn id(&self, _: impl FnOnce() -> Option<CallId>) {}

    #[inline(always)]
    pub(in crate::driver) fn end(&mut self, _: &Result<Payload, Error>) {}

    #[inline(always)]
    pub(in crate::driver) fn given_up(&mut self) {}
}

#[derive(Clone, Copy)]
pub(in crate::driver) struct Id<'a>(PhantomData<&'a ()>);

impl<'a> Id<'a> {
    pub(in crate::driver) const NONE: Self = Self(PhantomData);

    #[inline(always)]
    pub(in crate::driver) fn of(_: &'a ReplyToken) -> Self {
        Self(PhantomData)
    }
}

#[inline(always)]
pub(in crate::driver) fn request(
    _: impl Fn() -> Arc<dyn Host>,
    _: &Caller,
    _: Id<'_>,
    _: &Path<'_>,
    run: impl FnOnce() -> Outcome<Later>,
) -> Outcome<Later> {
    run()
}

pub(in crate::driver) struct RequestSpan;

#[inline(always)]
pub(in crate::driver) fn received(
    _: impl FnOnce() -> Arc<dyn Host>,
    _: &Caller,
    _: &ReplyToken,
) -> RequestSpan {
    RequestSpan
}

impl RequestSpan {
    #[inline(always)]
    pub(in crate::driver) fn end(&mut self, _: &Answer) {}
}

#[inline(always)]
pub(in crate::driver) fn carry(later: Later) -> Later {
    later
}

#[inline(always)]
pub(in crate::driver) fn malformed(
    _: impl FnOnce() -> Arc<dyn Host>,
    _: &Caller,
    _: &RequestError,
) {
}

#[inline(always)]
pub(in crate::driver) fn panicked(_: &RemoteError) {}

#[inline(always)]
pub(in crate::driver) fn hook_failed(_: &str, _: &RemoteError) {}

#[inline(always)]
pub(in crate::driver) fn opened(_: &Link) {}

#[inline(always)]
pub(in crate::driver) fn closed(_: &Link, _: &CloseReason) {}

#[inline(always)]
pub(in crate::driver) fn responded(_: &Link, _: &Result<(), Why>) {}

#[derive(Default)]
pub(in crate::driver) struct Noticed(());

impl Noticed {
    #[inline(always)]
    pub(in crate::driver) fn look<X>(&mut self, _: &Connection<X>) {}

    #[inline(always)]
    pub(in crate::driver) fn sent(&mut self, _: &Result<(), Why>) {}

    #[inline(always)]
    pub(in crate::driver) fn tell(&mut self, _: &Link) {}
}

pub(in crate::driver) struct Dial;

impl Dial {
    #[inline(always)]
    pub(in crate::driver) fn start(
        _: impl FnOnce() -> Arc<dyn Host>,
        _: &Address,
        _: impl FnOnce() -> u32,
    ) -> Self {
        Self
    }

    #[inline(always)]
    pub(in crate::driver) fn wait(
        &self,
        _: Instant,
        _: impl FnOnce(&Address) -> Option<Instant>,
    ) -> Option<Duration> {
        None
    }

    #[inline(always)]
    pub(in crate::driver) fn opened(self) {}

    #[inline(always)]
    pub(in crate::driver) fn failed(self, _: &dyn Display, _: Option<Duration>) {}
}

#[inline(always)]
pub(in crate::driver) fn refused(
    _: &dyn Host,
    _: impl FnOnce() -> Option<String>,
    _: &dyn Display,
) {
}

/// The one event that a program without `tracing` has to see, for all seems to be well there.
#[cfg(feature = "sockets")]
pub(in crate::driver) fn loopback_only(address: &Address, ip: std::net::IpAddr, cure: &str) {
    use std::io::Write;

    let address = address.to_string();
    let address = crate::wire::Printable(&address);
    // A program may have no standard error.
    let _written = writeln!(
        std::io::stderr(),
        "aiomas: only this machine reaches {address}, for the name leads to {ip}; {cure}"
    );
}

#[inline(always)]
pub(in crate::driver) fn no_stream(_: &std::io::Error) {}
