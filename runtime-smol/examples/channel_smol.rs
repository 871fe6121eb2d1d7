//! A request-reply channel: any content as request, any content as reply.

use aiomas_smol::{
    Error,
    channel::{self, Channel},
};
use futures_lite::future::try_zip;

/// Handles the connection of a client.
async fn handle_client(channel: Channel) -> Result<(), Error> {
    while let Some(request) = channel.recv().await {
        println!("{}", request.content::<String>()?);
        request.reply("cya")?;
    }
    Ok(())
}

/// Sends one request. Dropping the last handle closes the channel, and with it the server's end.
async fn ask(channel: Channel) -> Result<(), Error> {
    let reply: String = channel.send("ohai").await?;
    println!("{reply}");
    Ok(())
}

#[macro_rules_attribute::apply(smol_macros::main!)]
async fn main() -> Result<(), Error> {
    let mut listener = channel::listen("tcp://127.0.0.1:0").await?;
    let client = channel::connect(listener.address()).await?;
    let server = listener.accept().await?;
    try_zip(handle_client(server), ask(client)).await?;
    Ok(())
}
