//! A request-reply channel: any content there, any content back.

use aiomas_tokio::{Channel, Error, channel};

/// Handles the connection of a client.
async fn handle_client(channel: Channel) -> Result<(), Error> {
    while let Some(request) = channel.recv().await {
        println!("{}", request.content::<String>()?);
        request.reply("cya")?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut listener = channel::listen("tcp://127.0.0.1:0").await?;
    let address = listener.address().clone();
    let server = tokio::spawn(async move { handle_client(listener.accept().await?).await });

    let channel = channel::connect(address).await?;
    let reply: String = channel.send("ohai").await?;
    println!("{reply}");

    // The last handle closes the channel, and with it the server's end.
    drop(channel);
    server.await.expect("the server does not panic")
}
