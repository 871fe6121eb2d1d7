//! Settings and helpers shared by all connections to mosaik.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::time::Duration;

use aiomas::channel::Builder;
use aiomas::{Runtime, Timer};
use aiomas_core::connection::Config;
use aiomas_core::wire::Value;
use futures_lite::future::or;
use serde::Serialize;

/// Sets the protocol of mosaik for channels, and keeps their limits and TLS.
pub(crate) fn as_mosaik<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    builder.config(|config| {
        let mut mosaik = Config::mosaik();
        mosaik.limits = config.limits.clone();
        // After closing, mosaik reads no more answers.
        mosaik.linger = Duration::ZERO;
        *config = mosaik;
    })
}

/// A request of the form `[function, args, kwargs]`.
#[derive(Serialize)]
pub(crate) struct Request<'a, A, K = BTreeMap<&'a str, Value>>(
    pub(crate) &'a str,
    pub(crate) A,
    pub(crate) K,
);

impl<'a, A> Request<'a, A> {
    pub(crate) const fn new(function: &'a str, args: A) -> Self {
        Self(function, args, BTreeMap::new())
    }
}

/// No positional arguments.
pub(crate) const NONE: [(); 0] = [];

pub(crate) async fn sleep<R: Runtime>(runtime: &R, time: Duration) {
    let mut timer = runtime.timer();
    match runtime.now().checked_add(time) {
        Some(at) => timer.set(at),
        None => std::future::pending().await,
    }
    poll_fn(|cx| timer.poll(cx)).await;
}

/// Returns the output of `future`, or `None` if it takes longer than `time`.
pub(crate) async fn within<R: Runtime, T>(
    runtime: &R,
    time: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    or(async { Some(future.await) }, async {
        sleep(runtime, time).await;
        None
    })
    .await
}
