//! tarpc as a contestant: with bincode, JSON and MessagePack, over TCP, on one thread of tokio.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use aiomas_bench_contract::{
    Hold, Holding, Load, Meter, Role, Serve, Serving, Skills, end_with_input, open_many_files,
    parse, say, wait_for_end_of_input,
};
use futures::{Sink, Stream, StreamExt};
use rmp_serde::{decode, encode};
use serde::{Deserialize, Serialize};
use tarpc::serde_transport::tcp;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::{Bincode, Json};
use tarpc::tokio_util::bytes::{Bytes, BytesMut};
use tarpc::{ClientMessage, Response, Transport, client, context};
use tokio_serde::{Deserializer, Serializer};

#[tarpc::service]
trait TestAgent {
    async fn service(value: i64) -> i64;
    async fn bytes(value: Vec<u8>) -> Vec<u8>;
    async fn text(value: String) -> String;
}

#[derive(Clone)]
struct Server;

impl TestAgent for Server {
    async fn service(self, _: context::Context, value: i64) -> i64 {
        value
    }

    async fn bytes(self, _: context::Context, value: Vec<u8>) -> Vec<u8> {
        value
    }

    async fn text(self, _: context::Context, value: String) -> String {
        value
    }
}
