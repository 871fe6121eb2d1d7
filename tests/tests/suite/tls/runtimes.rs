//! The common suite of all runtimes.

use std::time::Duration;

use aiomas_async_std::AsyncStd;
use aiomas_sim::{Delay, Link, seeds};

use aiomas_smol::Smol;
use aiomas_tests::runtimes::on_tokio;
use aiomas_tests::{for_each_tls_case, runtime_suite};
use aiomas_tokio::Tokio;

/// Defines a test for each case.
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

mod tokio {
    use super::*;

    for_each_tls_case!(tests(Tokio::default(), on_tokio));
}

mod smol {
    use super::*;

    for_each_tls_case!(tests(Smol::default(), ::smol::block_on));
}

mod async_std {
    use super::*;

    for_each_tls_case!(tests(AsyncStd::default(), ::async_std::task::block_on));
}

/// With delays, and bytes that arrive in pieces.
mod sim {
    use super::*;

    macro_rules! tests {
        (() $($case:ident)*) => {
            $(
                #[test]
                fn $case() {
                    seeds(0..5).check(|builder| {
                        let latency = Delay::exponential(Duration::from_millis(20));
                        let sim = builder.link(Link::new().latency(latency).split(0.5)).build();
                        let case = runtime_suite::$case(sim.host("host"));
                        sim.block_on(case);
                    });
                }
            )*
        };
    }

    for_each_tls_case!(tests());
}
