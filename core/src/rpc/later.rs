//! Answers that come later, and async functions in services.
//!
//! The host polls the futures; this module never waits.

use std::future::Future;
use std::pin::Pin;

use super::function::{Function, Return};
use super::{Outcome, ServiceDict};
use crate::wire::{Body, RemoteError};

/// The answer of a method: the encoded result, or a failure.
pub type Answer = Result<Body, RemoteError>;

/// A deferred answer, as services of an async host return it.
pub type Later = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl ServiceDict<Later> {
    /// Adds an async function, or a closure that returns a future.
    ///
    /// Its parameters and the output of the future are as for [`function`](Self::function). It runs concurrently with
    /// all other functions: only its caller waits.
    ///
    /// ```
    /// use aiomas_core::rpc::ServiceDict;
    /// use aiomas_core::rpc::Later;
    ///
    /// let root = ServiceDict::<Later>::new("Root").async_function(
    ///     "add",
    ///     ["a", "b"],
    ///     async |a: i64, b: i64| a + b,
    /// );
    /// ```
    #[must_use]
    pub fn async_function<const N: usize, P, R, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        function: F,
    ) -> Self
    where
        F: Function<N, P> + Send + Sync + 'static,
        F::Output: Future<Output: Return<R>> + Send + 'static,
    {
        self.function_with(name, parameters, function, |result, arguments| {
            let (format, codec_context) = (arguments.format(), arguments.codec_context().clone());
            Outcome::Later(Box::pin(async move { result.await.answer(format, &codec_context) }))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::rpc::{Access, Caller, Request, Service, dispatch};
    use crate::wire::{CodecContext, Format, Payload, RemoteError};

    /// Calls a function, polls its answer once, and returns the text if ready.
    fn call(dict: &ServiceDict<Later>, content: &str) -> Option<String> {
        let payload =
            Payload::new(Format::Json, content.to_owned().into(), CodecContext::default());
        let request = Request::parse(&payload).unwrap();
        let answer = match dispatch(dict, &request.path, &request.arguments, &Caller::default()) {
            Outcome::Done(answer) => answer,
            Outcome::Later(mut later) => {
                match later.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => return None,
                }
            }
            outcome => panic!("{outcome:?}"),
        };
        Some(match answer {
            Ok(body) => String::from_utf8(body.bytes().to_vec()).unwrap(),
            Err(error) => error.to_string(),
        })
    }

    async fn join(parts: Vec<String>, sep: Option<String>) -> String {
        parts.join(sep.as_deref().unwrap_or("-"))
    }

    #[test]
    fn arguments_and_results_are_those_of_functions() {
        let dict = ServiceDict::new("Root")
            .async_function("join", ["parts", "sep"], join)
            .async_function("half", ["a"], |a: u32| async move {
                if a & 1 == 0 { Ok(a / 2) } else { Err(RemoteError::value_error("it is odd")) }
            });
        let call = |content| call(&dict, content).unwrap();
        assert_eq!(call(r#"["join", [["a", "b"]], {}]"#), r#""a-b""#);
        assert_eq!(call(r#"["join", [], {"sep": "+", "parts": ["a", "b"]}]"#), r#""a+b""#);
        assert_eq!(call(r#"["half", [4], {}]"#), "2");
        assert_eq!(call(r#"["half", [3], {}]"#), "ValueError: it is odd");
        assert!(call(r#"["half", ["x"], {}]"#).starts_with("TypeError"));
        assert!(call(r#"["half", [], {}]"#).contains("missing 1 required"));
        assert_eq!(dict.access("half"), Some(Access::Shared));
    }

    #[test]
    fn a_result_that_cannot_be_encoded() {
        let keys = || ready(std::collections::BTreeMap::from([(vec![1], 2)]));
        let dict = ServiceDict::new("Root").async_function("keys", [], keys);
        let answer = call(&dict, r#"["keys", [], {}]"#).unwrap();
        assert!(answer.contains("SerializationError"), "{answer}");
    }

    /// Only the answer comes later: wrong arguments fail at once.
    #[test]
    fn the_answer_comes_later() {
        let dict = ServiceDict::new("Root").async_function("wait", ["a"], |_: i64| pending::<()>());
        assert_eq!(call(&dict, r#"["wait", [1], {}]"#), None);
        assert!(call(&dict, r#"["wait", [1, 2], {}]"#).is_some());
    }
}
