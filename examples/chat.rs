//! A chat server that calls its clients.

use aiomas_tokio::{Error, rpc, service};

struct Room;

#[service]
impl Room {
    #[expose]
    fn topic(&self) -> &str {
        "anything"
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let server = rpc::listen("tcp://127.0.0.1:0", Room).await?;
    let client = rpc::connect(server.address()).await?;
    let room: RoomProxy = client.remote_as();
    println!("we talk about {}", room.topic().await?);
    server.shutdown().await;
    Ok(())
}
