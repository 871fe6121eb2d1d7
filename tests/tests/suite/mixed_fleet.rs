//! The example `mixed_fleet`, with each codec.

#[path = "../../examples/mixed_fleet.rs"]
#[allow(dead_code, reason = "its `main` speaks JSON only")]
mod example;

use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::on_tokio;
use aiomas_tokio::wire::Codec;
use aiomas_tokio::{Proxy, container};

use crate::CODECS;

#[test]
fn works_together() {
    for codec in CODECS {
        let (python, ready) = Setup::new("agent", codec.name()).serve("tcp://127.0.0.1:0");
        let url = |agent: &str| ready.info["agents"][agent].as_str().unwrap().parse().unwrap();
        let lines = on_tokio(async {
            let builder = container::builder().codec(codec);
            let ours = builder.bind("tcp://127.0.0.1:0").await.unwrap();
            let lines = example::work_together(&ours, url("Echo"), url("Caller")).await.unwrap();
            ours.shutdown().await.unwrap();
            lines
        });
        assert_eq!(
            lines,
            [
                "Rust asked Python for 20 + 22: 42",
                "Python met a Thermometer, on 1 connection",
                "Python read 6° outside, on 2 connections",
                "Python read 71.5° on average, of 100 readings at once",
                "Python failed: ValueError: no battery",
            ]
        );
        python.stop();
    }
}

/// Python closes a connection it cannot decode, without a message.
#[test]
fn another_codec_than_pythons_is_an_error() {
    for [ours, theirs] in [[Codec::Json, Codec::MsgPack], [Codec::MsgPack, Codec::Json]] {
        let (python, ready) = Setup::new("agent", theirs.name()).serve("tcp://127.0.0.1:0");
        let error = on_tokio(async {
            let ours = container::builder().codec(ours).bind("tcp://127.0.0.1:0").await.unwrap();
            let error = ours.connect::<Proxy>(ready.info["agents"]["Echo"].as_str().unwrap());
            error.await.unwrap_err().to_string()
        });
        let end = format!(
            "closed by the peer without an answer to what was written in {}; a Python container \
             understands only the codec that it was made with (`builder().codec(..)`)",
            ours.name()
        );
        assert!(error.ends_with(&end), "{error}");
        python.stop();
    }
}
