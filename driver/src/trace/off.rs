//! The empty implementation, without the feature `tracing`.

#![allow(clippy::needless_pass_by_ref_mut, reason = "as it is with the feature")]

use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Error;
use crate::connection::Connection;
use crate::host::{Callee, Host};
use crate::later::{Answer, Later};
use aiomas_core::agent::Address;
use aiomas_core::connection::{
    CallId, CallRejected, CloseReason, Connection as Machine, ReplyToken,
};
use aiomas_core::rpc::{Caller, Outcome, Path, RequestError};
use aiomas_core::wire::{Payload, RemoteError};

pub(crate) struct CallSpan;

#[inline(always)]
pub(crate) fn call(_: &str, _: &str, _: impl FnOnce() -> Option<Callee>) -> CallSpan {
    CallSpan
}

impl CallSpan {
    pub(crate) const NONE: Self = Self;

    #[inline(always)]
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    #[inline(always)]
    pub(crate) fn id(&self, _: impl FnOnce() -> Option<CallId>) {}

    #[inline(always)]
    pub(crate) fn end(&mut self, _: &Result<Payload, Error>) {}

    #[inline(always)]
    pub(crate) fn given_up(&mut self) {}
}

#[derive(Clone, Copy)]
pub(crate) struct Id<'a>(PhantomData<&'a ()>);

impl<'a> Id<'a> {
    pub(crate) const NONE: Self = Self(PhantomData);

    #[inline(always)]
    pub(crate) fn of(_: &'a ReplyToken) -> Self {
        Self(PhantomData)
    }
}

#[inline(always)]
pub(crate) fn request(
    _: impl Fn() -> Arc<dyn Host>,
    _: &Caller,
    _: Id<'_>,
    _: &Path<'_>,
    run: impl FnOnce() -> Outcome<Later>,
) -> Outcome<Later> {
    run()
}

pub(crate) struct RequestSpan;

#[inline(always)]
pub(crate) fn received(
    _: impl FnOnce() -> Arc<dyn Host>,
    _: &Caller,
    _: &ReplyToken,
) -> RequestSpan {
    RequestSpan
}

impl RequestSpan {
    #[inline(always)]
    pub(crate) fn end(&mut self, _: &Answer) {}
}

#[inline(always)]
pub(crate) fn carry(later: Later) -> Later {
    later
}

#[inline(always)]
pub(crate) fn malformed(_: impl FnOnce() -> Arc<dyn Host>, _: &Caller, _: &RequestError) {}

#[inline(always)]
pub(crate) fn panicked(_: &RemoteError) {}

#[inline(always)]
pub(crate) fn hook_failed(_: &str, _: &RemoteError) {}

#[inline(always)]
pub(crate) fn opened(_: &Connection) {}

#[inline(always)]
pub(crate) fn closed(_: &Connection, _: &CloseReason) {}

#[inline(always)]
pub(crate) fn responded(_: &Connection, _: &Result<(), CallRejected>) {}

#[derive(Default)]
pub(crate) struct Noticed(());

impl Noticed {
    #[inline(always)]
    pub(crate) fn look<X>(&mut self, _: &Machine<X>) {}

    #[inline(always)]
    pub(crate) fn sent(&mut self, _: &Result<(), CallRejected>) {}

    #[inline(always)]
    pub(crate) fn tell(&mut self, _: &Connection) {}
}

pub(crate) struct Dial;

impl Dial {
    #[inline(always)]
    pub(crate) fn start(
        _: impl FnOnce() -> Arc<dyn Host>,
        _: &Address,
        _: impl FnOnce() -> u32,
    ) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn wait(
        &self,
        _: Instant,
        _: impl FnOnce(&Address) -> Option<Instant>,
    ) -> Option<Duration> {
        None
    }

    #[inline(always)]
    pub(crate) fn opened(self) {}

    #[inline(always)]
    pub(crate) fn failed(self, _: &dyn Display, _: Option<Duration>) {}
}

#[inline(always)]
pub(crate) fn refused(_: &dyn Host, _: impl FnOnce() -> Option<String>, _: &dyn Display) {}

/// Warns on standard error: a program without `tracing` must see this event, because everything else seems to work.
#[cfg(feature = "sockets")]
pub(crate) fn loopback_only(address: &Address, ip: std::net::IpAddr, cure: &str) {
    use std::io::Write;

    let address = address.to_string();
    let address = aiomas_core::wire::Printable(&address);
    // A program may have no standard error.
    let _written = writeln!(
        std::io::stderr(),
        "aiomas: only this machine reaches {address}, for the name leads to {ip}; {cure}"
    );
}

#[inline(always)]
pub(crate) fn no_stream(_: &std::io::Error) {}
