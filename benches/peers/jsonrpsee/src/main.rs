//! jsonrpsee as a contestant: JSON-RPC over WebSockets, on one thread of tokio.

use std::process::ExitCode;
use std::sync::Arc;

use aiomas_bench_contract::{
    Hold, Holding, Laps, Load, Meter, Role, Serve, Serving, Skills, end_with_input,
    open_many_files, parse, say, wait_for_end_of_input,
};
use jsonrpsee::RpcModule;
use jsonrpsee::async_client::{Client, ClientBuilder};
use jsonrpsee::client_transport::ws::{Url, WsTransportClientBuilder};
use jsonrpsee::core::client::{ClientT, Error};
use jsonrpsee::rpc_params;
use jsonrpsee::server::{Server, ServerConfig};
use jsonrpsee::types::ErrorObjectOwned;

/// The largest message: the largest payload and its envelope.
const LARGEST: u32 = 16 << 20;

fn main() -> ExitCode {
    let skills = |name: &str| (name == "jsonrpsee").then_some(Skills::PEER);
    let options = parse(std::env::args_os(), skills).unwrap_or_else(|error| error.exit());
    open_many_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        runtime.block_on(async {
            match &options.role {
                Role::Serve(options) => serve(options).await,
                Role::Call(load) => call(load).await,
                Role::Hold(options) => hold(options).await,
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

async fn serve(options: &Serve) -> Result<(), String> {
    end_with_input();
    let mut module = RpcModule::new(());
    let service = module.register_method("service", |parameters, _, _| {
        parameters.one::<i64>().map_err(ErrorObjectOwned::from)
    });
    service.map_err(text)?;
    let text_method = module.register_method("text", |parameters, _, _| {
        parameters.one::<String>().map_err(ErrorObjectOwned::from)
    });
    text_method.map_err(text)?;
    let config = ServerConfig::builder()
        .ws_only()
        .max_connections(1 << 15)
        .max_request_body_size(LARGEST)
        .max_response_body_size(LARGEST)
        .set_tcp_no_delay(true)
        .build();
    let server = Server::builder().set_config(config).build(options.address.tcp()?).await;
    let server = server.map_err(text)?;
    let address = options.address.bound(server.local_addr().map_err(text)?.port());
    let serving = server.start(module);
    say(&Serving { address: address.to_string(), agents: None }).map_err(text)?;
    serving.stopped().await;
    Ok(())
}

async fn open_all(address: &str, count: u32) -> Result<Vec<Arc<Client>>, String> {
    let url = Url::parse(&format!("ws://{address}")).map_err(text)?;
    let mut clients = Vec::new();
    for _ in 0..count {
        let transport = WsTransportClientBuilder::default()
            .max_request_size(LARGEST)
            .max_response_size(LARGEST)
            .build(url.clone())
            .await;
        let (sender, receiver) = transport.map_err(text)?;
        let client = ClientBuilder::default().max_concurrent_requests(1 << 16);
        clients.push(Arc::new(client.build_with_tokio(sender, receiver)));
    }
    Ok(clients)
}

async fn call(load: &Load) -> Result<(), String> {
    let clients = open_all(load.address.tcp()?, load.connections).await?;
    let (meter, mut callers) = (Meter::start(load), Vec::new());
    let payload: Arc<str> = "x".repeat(load.payload as usize).into();
    for client in &clients {
        for _ in 0..load.in_flight {
            let (client, meter, payload) = (client.clone(), meter.clone(), payload.clone());
            callers.push(tokio::spawn(async move {
                caller(&client, meter.laps(), &payload).await
            }));
        }
    }
    for caller in callers {
        caller.await.map_err(text)?.map_err(text)?;
    }
    say(&meter.report()?).map_err(text)
}

async fn caller(client: &Client, mut laps: Laps<'_>, payload: &str) -> Result<(), Error> {
    let mut number = 0_i64;
    while laps.another() {
        number = (number + 1) % 100;
        let same = if payload.is_empty() {
            client.request::<i64, _>("service", rpc_params![number]).await? == number
        } else {
            let answer: String = client.request("text", rpc_params![payload]).await?;
            answer.len() == payload.len()
        };
        assert!(same, "the answer differs from the argument");
    }
    Ok(())
}

async fn hold(options: &Hold) -> Result<(), String> {
    let clients = open_all(options.address.tcp()?, options.connections).await?;
    for client in &clients {
        client.request::<i64, _>("service", rpc_params![1]).await.map_err(text)?;
    }
    say(&Holding { holding: options.connections }).map_err(text)?;
    wait_for_end_of_input();
    Ok(())
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
