//! The suite that is the same on every runtime.

use std::future::Future;

use aiomas_async_std::AsyncStd;
use aiomas_smol::Smol;
use aiomas_tests::runtimes::on_tokio;
use aiomas_tests::{for_each_case, runtime_suite};
use aiomas_tokio::Tokio;

/// A test for each case.
macro_rules! tests {
    (($runtime:expr, $run:path) $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $run(runtime_suite::$case($runtime));
            }
        )*
    };
}

mod tokio_multi_thread {
    use super::*;

    for_each_case!(tests(Tokio::default(), on_tokio));
}

mod tokio_current_thread {
    use super::*;

    fn run(case: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(case);
    }

    for_each_case!(tests(Tokio::default(), run));
}

mod smol {
    use super::*;

    for_each_case!(tests(Smol::default(), ::smol::block_on));
}

mod async_std {
    use super::*;

    for_each_case!(tests(AsyncStd::default(), ::async_std::task::block_on));
}
