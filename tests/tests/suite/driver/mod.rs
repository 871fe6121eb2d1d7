//! The driver, on a runtime that goes by a script.

mod agents;
mod calls;
mod limits;
mod rpc;
mod script;

use aiomas_core::driver::channel::{self, Channel};
use aiomas_tests::script::Script;

type Builder = channel::Builder<Script>;

/// A channel whose ends are made with the same settings.
async fn pair(runtime: &Script, settings: impl Fn(Builder) -> Builder) -> (Channel, Channel) {
    let builder = || settings(channel::builder(runtime.clone()));
    let mut listener = builder().listen("tcp://here:0").await.expect("a free port");
    let dialled = builder().connect(listener.address().clone()).await.expect("it listens");
    (dialled, listener.accept().await.expect("a stream"))
}
