//! The common suite of all runtimes.

use std::future::Future;
use std::time::Duration;

use aiomas_async_std::AsyncStd;
use aiomas_sim::{Host, Link, Sim};
use aiomas_smol::Smol;
use aiomas_tests::runtimes::on_tokio;
use aiomas_tests::{for_each_case, for_each_socket_case, runtime_suite};
use aiomas_tokio::Tokio;

/// Defines a test for each case, which passes a runtime from `$run`.
macro_rules! tests {
    (($run:ident) $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $run(runtime_suite::$case);
            }
        )*
    };
}

mod tokio_multi_thread {
    use super::*;

    fn run<F: Future<Output = ()>>(case: impl FnOnce(Tokio) -> F) {
        on_tokio(case(Tokio::default()));
    }

    for_each_case!(tests(run));
    for_each_socket_case!(tests(run));
}

mod tokio_current_thread {
    use super::*;

    fn run<F: Future<Output = ()>>(case: impl FnOnce(Tokio) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(case(Tokio::default()));
    }

    for_each_case!(tests(run));
    for_each_socket_case!(tests(run));
}

mod smol {
    use super::*;

    fn run<F: Future<Output = ()>>(case: impl FnOnce(Smol) -> F) {
        ::smol::block_on(case(Smol::default()));
    }

    for_each_case!(tests(run));
    for_each_socket_case!(tests(run));
}

mod async_std {
    use super::*;

    fn run<F: Future<Output = ()>>(case: impl FnOnce(AsyncStd) -> F) {
        ::async_std::task::block_on(case(AsyncStd::default()));
    }

    for_each_case!(tests(run));
    for_each_socket_case!(tests(run));
}

/// The order of all events is random here.
mod sim {
    use super::*;

    fn run<F: Future<Output = ()>>(case: impl Fn(Host) -> F) {
        for seed in 0..3 {
            let sim = Sim::builder(seed).allow_panics("on purpose").build();
            sim.block_on(case(sim.host("main")));
        }
    }

    for_each_case!(tests(run));
}

/// Adds latency, pieces and full buffers, but loses no bytes.
mod sim_slow {
    use super::*;

    fn run<F: Future<Output = ()>>(case: impl Fn(Host) -> F) {
        let link = Link::new().latency(Duration::ZERO..Duration::from_millis(3)).split(0.3);
        let link = link.buffer(30_000).stall(0.01, Duration::ZERO..Duration::from_millis(100));
        let sim =
            Sim::builder(1).link(link).spurious_wakes(0.05).allow_panics("on purpose").build();
        sim.block_on(case(sim.host("main")));
    }

    for_each_case!(tests(run));
}
