//! The code that the macros generate, called as a connection would call it.

mod agent;
mod proxy;
mod service;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aiomas::__macro::{Answer, Later};
use aiomas_core::rpc::{Caller, Outcome, Request, Service, dispatch};
use aiomas_core::wire::{CodecContext, Format, Payload};

/// Makes a call, `["add", [1], {"b": 2}]`, from a caller with the number 7. Returns the result or
/// the error, as text.
fn call(service: &dyn Service<Later>, content: &str) -> String {
    let payload = Payload::new(Format::Json, content.to_owned().into(), CodecContext::default());
    let request = Request::parse(&payload).expect("a well-formed request");
    match dispatch(service, &request.path, &request.arguments, &Caller::new(7)) {
        Outcome::Done(answer) => text(answer),
        Outcome::Later(later) => text(now(later)),
        outcome => panic!("unexpected outcome: {outcome:?}"),
    }
}

fn text(answer: Answer) -> String {
    match answer {
        Ok(body) => String::from_utf8(body.bytes().to_vec()).expect("JSON is text"),
        Err(error) => error.to_string(),
    }
}

/// Returns the output of a future that waits only to be polled again.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// Is ready at its second poll.
async fn yield_once() {
    let mut polled = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
