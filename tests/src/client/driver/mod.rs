//! The client on the driver, for any async runtime.

mod agents;
mod channel;
mod manager;
mod rpc;

use std::fmt::Debug;
use std::time::Instant;

use aiomas::{Builder, Error, Runtime};
use aiomas_core::connection::CloseReason;
use aiomas_core::wire::RemoteError;

use super::{LIMIT, Server};
use crate::peer::Kind;
use crate::runtimes::Sleep;

/// Runs all tests of a kind against a server, and returns their number.
pub(super) async fn challenge<R: Runtime>(runtime: R, server: &Server, kind: Kind) -> usize {
    let mut session = Session { sleep: Sleep::on(&runtime), runtime, server, passed: 0 };
    match kind {
        Kind::Channel => channel::challenge(&mut session).await,
        Kind::Rpc => rpc::challenge(&mut session).await,
        Kind::Agent => agents::challenge(&mut session).await,
        Kind::Manager => manager::challenge(&mut session).await,
    }
    session.passed
}

/// Runs scenarios in sequence: async functions with the session as their argument.
macro_rules! put_to {
    ($session:ident: $($scenario:ident)*) => {$(
        let start = std::time::Instant::now();
        $session.within_limit($scenario($session)).await;
        $session.pass(stringify!($scenario), start);
    )*};
}

use put_to;

/// A server under test, and the client's runtime.
struct Session<'a, R> {
    runtime: R,
    server: &'a Server,
    sleep: Sleep,
    passed: usize,
}

impl<R: Runtime> Session<'_, R> {
    async fn within_limit(&self, scenario: impl Future<Output = ()>) {
        tokio::select! {
            () = scenario => {}
            () = self.sleep.wait(LIMIT) => panic!("nothing has come for {LIMIT:?}"),
        }
    }

    fn pass(&mut self, scenario: &str, start: Instant) {
        self.server.report(scenario, start);
        self.passed += 1;
    }

    /// Configures a builder to match the server.
    fn fit<L>(&self, builder: fn(R) -> Builder<R, L>) -> Builder<R, L> {
        let builder = builder(self.runtime.clone())
            .codec(self.server.codec)
            .types(self.server.serializers.types());
        match &self.server.tls {
            Some(tls) => builder.tls(tls.clone()),
            None => builder,
        }
    }
}

/// Returns the remote error of a failed call.
#[track_caller]
fn failure<T: Debug>(result: Result<T, Error>) -> RemoteError {
    match result {
        Err(Error::Remote(error)) => error,
        other => panic!("{other:?} in place of a failure"),
    }
}

/// Returns the reason for which a call's connection was lost.
#[track_caller]
fn loss<T: Debug>(result: Result<T, Error>) -> CloseReason {
    match result {
        Err(Error::Lost(reason)) => reason,
        other => panic!("{other:?} in place of a lost connection"),
    }
}
