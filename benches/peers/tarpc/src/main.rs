//! tarpc as a contestant: with bincode, JSON and MessagePack, over TCP, on one thread of tokio.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use aiomas_bench_contract::{
    Hold, Holding, Laps, Load, Meter, Role, Serve, Serving, Skills, end_with_input,
    open_many_files, parse, say, wait_for_end_of_input,
};
use futures::StreamExt;
use serde_bytes::ByteBuf;
use tarpc::client::{self, RpcError};
use tarpc::context;
use tarpc::serde_transport::Transport;
use tarpc::server::{BaseChannel, Channel};
use tokio::net::{TcpListener, TcpStream};
use tokio_serde::formats::{Bincode, Json, MessagePack};

#[tarpc::service]
trait TestAgent {
    async fn service(value: i64) -> i64;
    async fn bytes(value: ByteBuf) -> ByteBuf;
    async fn text(value: String) -> String;
}

#[derive(Clone)]
struct Server;

impl TestAgent for Server {
    async fn service(self, _: context::Context, value: i64) -> i64 {
        value
    }

    async fn bytes(self, _: context::Context, value: ByteBuf) -> ByteBuf {
        value
    }

    async fn text(self, _: context::Context, value: String) -> String {
        value
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Codec {
    Bincode,
    Json,
    MsgPack,
}

impl Codec {
    fn named(name: &str) -> Option<Self> {
        match name {
            "tarpc-bincode" => Some(Self::Bincode),
            "tarpc-json" => Some(Self::Json),
            "tarpc-msgpack" => Some(Self::MsgPack),
            _ => None,
        }
    }
}

fn main() -> ExitCode {
    let skills = |name: &str| Codec::named(name).map(|_| Skills::PEER);
    let options = parse(std::env::args_os(), skills).unwrap_or_else(|error| error.exit());
    let codec = Codec::named(&options.contestant).expect("a known codec");
    open_many_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        runtime.block_on(async {
            match &options.role {
                Role::Serve(options) => serve(codec, options).await,
                Role::Call(load) => call(codec, load).await,
                Role::Hold(options) => hold(codec, options).await,
            }
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(codec: Codec, options: &Serve) -> Result<(), String> {
    end_with_input();
    let listener = TcpListener::bind(options.address.tcp()?).await.map_err(text)?;
    let port = listener.local_addr().map_err(text)?.port();
    say(&Serving { address: options.address.bound(port).to_string(), agents: None }).map_err(text)?;
    /// Serves a connection. The type of its transport depends on the codec.
    macro_rules! serve {
        ($stream:ident, $codec:ident) => {{
            let channel = BaseChannel::with_defaults(Transport::from(($stream, $codec::default())));
            let requests = channel.execute(Server.serve());
            tokio::spawn(requests.for_each(|response| async {
                tokio::spawn(response);
            }));
        }};
    }
    loop {
        let (stream, _) = listener.accept().await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        match codec {
            Codec::Bincode => serve!(stream, Bincode),
            Codec::Json => serve!(stream, Json),
            Codec::MsgPack => serve!(stream, MessagePack),
        }
    }
}

async fn open(codec: Codec, address: &str) -> io::Result<TestAgentClient> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut config = client::Config::default();
    // The maximum number of concurrent calls, instead of the default of 1,000.
    config.max_in_flight_requests = 1 << 16;
    macro_rules! open {
        ($codec:ident) => {
            TestAgentClient::new(config, Transport::from((stream, $codec::default()))).spawn()
        };
    }
    Ok(match codec {
        Codec::Bincode => open!(Bincode),
        Codec::Json => open!(Json),
        Codec::MsgPack => open!(MessagePack),
    })
}

async fn open_all(
    codec: Codec,
    address: &str,
    count: u32,
) -> Result<Vec<TestAgentClient>, String> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(open(codec, address).await.map_err(text)?);
    }
    Ok(clients)
}

async fn call(codec: Codec, load: &Load) -> Result<(), String> {
    let clients = open_all(codec, load.address.tcp()?, load.connections).await?;
    let (meter, mut callers) = (Meter::start(load), Vec::new());
    let payload: Arc<str> = "x".repeat(load.payload as usize).into();
    for client in &clients {
        for _ in 0..load.in_flight {
            let (client, meter, payload) = (client.clone(), meter.clone(), payload.clone());
            callers.push(tokio::spawn(async move {
                caller(codec, client, meter.laps(), &payload).await
            }));
        }
    }
    for caller in callers {
        caller.await.map_err(text)?.map_err(text)?;
    }
    say(&meter.report()?).map_err(text)
}

/// JSON carries text instead of bytes.
async fn caller(
    codec: Codec,
    client: TestAgentClient,
    mut laps: Laps<'_>,
    payload: &str,
) -> Result<(), RpcError> {
    let mut number = 0;
    while laps.another() {
        number = (number + 1) % 100;
        let same = if payload.is_empty() {
            client.service(context::current(), number).await? == number
        } else if codec == Codec::Json {
            client.text(context::current(), payload.to_owned()).await?.len() == payload.len()
        } else {
            let bytes = ByteBuf::from(payload);
            client.bytes(context::current(), bytes).await?.len() == payload.len()
        };
        assert!(same, "the answer differs from the argument");
    }
    Ok(())
}

async fn hold(codec: Codec, options: &Hold) -> Result<(), String> {
    let clients = open_all(codec, options.address.tcp()?, options.connections).await?;
    for client in &clients {
        client.service(context::current(), 1).await.map_err(text)?;
    }
    say(&Holding { holding: options.connections }).map_err(text)?;
    wait_for_end_of_input();
    Ok(())
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
