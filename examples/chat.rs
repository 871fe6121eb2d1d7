//! A chat: guests enter a room with a reference to themselves, through which the room calls them
//! back.
//!
//!     cargo run --example chat
//!
//! lets Ada, Ben and Cleo talk over TCP within one process, and prints the lines that Ada and Cleo
//! hear:
//!
//!     Ada hears: * Ada has come
//!     Ada hears: * Ben has come
//!     ...
//!
//! To talk yourself, open a room and enter it from other terminals or machines. Ctrl-C closes the
//! room. The room sends each line you type to all guests. Ctrl-D ends the input, and you leave.
//!
//!     cargo run --example chat -- --listen tcp://127.0.0.1:5555
//!     cargo run --example chat -- --connect tcp://127.0.0.1:5555 Ada

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aiomas_tokio::rpc::{CallerId, ServiceRef};
use aiomas_tokio::{
    Context, Error, Proxy,
    rpc::{self, RpcClient, RpcServer},
    service,
};
use tokio::sync::mpsc;

/// The time the room waits for an unresponsive guest before it removes the guest.
const PATIENCE: Duration = Duration::from_secs(30);
/// The number of unread lines after which a guest blocks.
const UNREAD: usize = 64;

/// The name and the proxy of each guest, by connection.
type Guests = BTreeMap<CallerId, (String, GuestProxy)>;

/// The service of the server.
#[derive(Clone, Default)]
struct Room {
    guests: Arc<Mutex<Guests>>,
}

#[service]
impl Room {
    #[expose]
    async fn enter(&self, #[context] ctx: &Context, name: String, guest: GuestProxy) {
        let guest = guest.with_timeout(PATIENCE);
        self.guests().insert(ctx.caller().id, (name.clone(), guest));
        self.tell(format!("* {name} has come")).await;
    }

    /// Sends a line to all guests. Returns when all have received it.
    #[expose]
    async fn say(&self, #[context] ctx: &Context, text: String) -> Result<(), String> {
        let name = self.guests().get(&ctx.caller().id).map(|(name, _)| name.clone());
        let name = name.ok_or("enter before you speak")?;
        self.tell(format!("{name}: {text}")).await;
        Ok(())
    }

    async fn tell(&self, text: String) {
        // Start all calls before waiting for the first answer, so all guests hear all lines in the
        // same order.
        let call = |(caller, (_, guest)): (&CallerId, &(_, GuestProxy))| {
            (*caller, guest.hear(text.clone()))
        };
        let calls: Vec<_> = self.guests().iter().map(call).collect();
        for (caller, call) in calls {
            if call.await.is_err() {
                self.guests().remove(&caller);
            }
        }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().expect("no panic under the lock")
    }
}

async fn open(address: &str) -> Result<RpcServer, Error> {
    let room = Room::default();
    let builder = rpc::builder().service(room.clone()).on_disconnect(move |peer, _| {
        let guest = room.guests().remove(&peer.caller().id);
        if let Some((name, _)) = guest {
            let room = room.clone();
            tokio::spawn(async move { room.tell(format!("* {name} has gone")).await });
        }
    });
    builder.listen(address).await
}

/// The service of the client, which the room calls.
struct Guest {
    heard: mpsc::Sender<String>,
}

#[service]
impl Guest {
    #[expose]
    async fn hear(&self, text: String) -> Result<(), String> {
        self.heard.send(text).await.map_err(|_| "not there any more".to_owned())
    }
}

/// A guest's proxy of the room, and the lines heard there.
struct Visit {
    client: RpcClient,
    room: RoomProxy,
    heard: mpsc::Receiver<String>,
}

async fn enter(address: &str, name: &str) -> Result<Visit, Error> {
    let (sender, heard) = mpsc::channel(UNREAD);
    let client = rpc::builder().service(Guest { heard: sender }).connect(address).await?;
    let room: RoomProxy = client.remote_as();
    // A reference to the root service of this side.
    let myself = Proxy::from(ServiceRef::new(""));
    room.enter(name.to_owned(), myself.into()).await?;
    Ok(Visit { client, room, heard })
}

async fn serve(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let server = open(address).await?;
    println!("the room is at {}", server.address());
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    println!("the room is closed");
    Ok(())
}

async fn talk(address: &str, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut visit = enter(address, name).await?;
    // A thread reads standard input, so that a pending read does not delay the end of the program.
    let (sender, mut typed) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.blocking_send(line))
    });
    loop {
        tokio::select! {
            Some(text) = visit.heard.recv() => println!("{text}"),
            line = typed.recv() => match line {
                Some(line) => visit.room.say(line).await?,
                None => return Ok(()),
            },
            reason = visit.client.closed() => {
                return Err(format!("the room is closed: {reason}").into());
            }
        }
    }
}

async fn demo() -> Result<(), Box<dyn std::error::Error>> {
    let server = open("tcp://127.0.0.1:0").await?;
    let address = server.address().to_string();
    let ada = enter(&address, "Ada").await?;
    let ben = enter(&address, "Ben").await?;
    let cleo = enter(&address, "Cleo").await?;
    ada.room.say("Shall we have lunch?".into()).await?;
    ben.room.say("At noon.".into()).await?;
    cleo.room.say("See you there!".into()).await?;
    // Dropping the last handles closes the connection, and the room tells the other guests.
    drop(ben);
    let mut guests = [("Ada", ada), ("Cleo", cleo)];
    for (name, visit) in &mut guests {
        while let Some(text) = visit.heard.recv().await {
            println!("{name} hears: {text}");
            if text == "* Ben has gone" {
                break;
            }
        }
    }
    server.shutdown().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => demo().await,
        ["--listen", address] => serve(address).await,
        ["--connect", address, name] => talk(address, name).await,
        _ => Err("usage: chat [--listen ADDRESS | --connect ADDRESS NAME]".into()),
    }
}
