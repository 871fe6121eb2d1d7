//! High load.

use std::sync::atomic::{AtomicUsize, Ordering};

use aiomas::Runtime;
use aiomas::{Error, agent, service};
use aiomas_core::agent::Address;
use aiomas_core::connection::Limits;
use aiomas_core::wire::{Blob, Codec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::door::Door;
use super::{Receiver, Root, RootProxy, TCP, addresses, connect, poll, serve, soon, start};

/// Answers once all callers have called.
#[derive(Default)]
struct Meeting {
    came: AtomicUsize,
    door: Door,
}

#[service]
impl Meeting {
    #[expose]
    async fn meet(&self, number: usize, of: usize) -> usize {
        if self.came.fetch_add(1, Ordering::SeqCst) + 1 == of {
            self.door.open();
        }
        self.door.pass().await;
        number
    }
}

/// A thousand concurrent calls each receive their own answer. One task makes them, or a task each.
pub async fn a_thousand_calls_in_flight<R: Runtime>(runtime: R) {
    for address in addresses() {
        for tasks in [false, true] {
            let server = aiomas::rpc::builder(runtime.clone()).service(Meeting::default());
            let server = server.listen(address.clone()).await.expect("a listener");
            let client = connect(&runtime, &server).await.expect("a connection");
            let remote: MeetingProxy = client.remote_as();
            let calls: Vec<Receiver<_>> = (0..1000)
                .map(|number| -> Receiver<_> {
                    if tasks {
                        let remote = remote.clone();
                        Box::pin(start(&runtime, async move { remote.meet(number, 1000).await }))
                    } else {
                        Box::pin(remote.meet(number, 1000))
                    }
                })
                .collect();
            for (number, call) in calls.into_iter().enumerate() {
                assert_eq!(soon(&runtime, call).await, Ok(number));
            }
            soon(&runtime, server.shutdown()).await;
        }
    }
}

/// More data than all buffers hold, in both directions at the same time. Neither side delays its
/// reads until the other has read.
pub async fn eight_mebibytes_both_ways_at_once<R: Runtime>(runtime: R) {
    for address in addresses() {
        both_ways_at_once(&runtime, address, Address::clone).await;
    }
}

/// Runs the case; `way` maps the server's address to the client's.
pub(super) async fn both_ways_at_once<R: Runtime>(
    runtime: &R,
    address: Address,
    way: impl Fn(&Address) -> Address,
) {
    let builder = aiomas::rpc::builder(runtime.clone()).codec(Codec::MsgPack).service(Root);
    let server = builder.clone().listen(address).await.expect("a listener");
    let client = builder.connect(way(server.address())).await.expect("a connection");
    let text = "x".repeat(8 << 20);
    let there: RootProxy = client.remote_as();
    // An answer shows that the server has the connection.
    assert_eq!(soon(runtime, there.add(1, 1)).await, Ok(2));
    let back: RootProxy = server.clients()[0].remote_as();
    let calls = [&there, &back, &there, &back].map(|peer| peer.echo(text.clone()));
    for call in calls {
        assert!(soon(runtime, call).await.expect("an answer") == text);
    }
    soon(runtime, server.shutdown()).await;
}

struct Mirror;

#[service]
impl Mirror {
    #[expose]
    fn mirror(&self, number: u32, blob: Blob) -> (Blob, u32, Blob) {
        (blob.clone(), number, blob)
    }
}

/// Arrays of all sizes are in flight concurrently. The first ones are unchanged after all others
/// have arrived, so no reused buffer is still shared.
pub async fn blobs_of_all_sizes<R: Runtime>(runtime: R) {
    let blob = |number: u32| {
        let length = [0, 100, 32 << 10, 70_000, 256 << 10, 300_000, 1 << 20, 3 << 20];
        let bytes =
            (0..length[number as usize % length.len()]).map(|at: u32| at.wrapping_mul(at) ^ number);
        Blob::from(bytes.map(|byte| byte as u8).collect::<Vec<_>>())
    };
    for (address, codec) in
        addresses().into_iter().zip([Codec::MsgPack, Codec::MsgPack, Codec::MsgPackBlosc])
    {
        let builder = aiomas::rpc::builder(runtime.clone()).codec(codec).service(Mirror);
        let server = builder.clone().listen(address).await.expect("a listener");
        let client = builder.connect(server.address()).await.expect("a connection");
        let (typed, dynamic) = (client.remote_as::<MirrorProxy>(), client.remote());
        let mut came = Vec::new();
        for round in 0..3 {
            let numbers = round * 16..(round + 1) * 16;
            let calls: Vec<_> = numbers
                .map(|number| match number % 3 {
                    0 => dynamic.call("mirror").arg(number).kwarg("blob", blob(number)).send(),
                    _ => typed.mirror(number, blob(number)),
                })
                .collect();
            for call in calls {
                came.push(soon(&runtime, call).await.expect("an answer"));
            }
        }
        for (number, (one, same, other)) in (0..).zip(came) {
            let sent = blob(number);
            assert!(same == number && one == sent && other == sent, "{number} over {codec:?}");
        }
        soon(&runtime, server.shutdown()).await;
    }
}

/// A channel whose requests are not taken delays only its own callers.
pub async fn a_slow_reader_delays_no_other<R: Runtime>(runtime: R) {
    let mut listener =
        aiomas::channel::builder(runtime.clone()).listen(TCP).await.expect("a listener");
    let slow = aiomas::channel::builder(runtime.clone()).connect(listener.address()).await;
    let slow = slow.expect("a connection");
    let slow_end = listener.accept().await.expect("a channel");
    let quick = aiomas::channel::builder(runtime.clone()).connect(listener.address()).await;
    let quick = quick.expect("a connection");
    let quick_end = listener.accept().await.expect("a channel");
    let waiting: Vec<_> = (0..1000).map(|number| slow.send::<u32>(&number)).collect();
    for number in 0..100_u32 {
        let call = quick.send::<u32>(&number);
        let request = soon(&runtime, quick_end.recv()).await.expect("a request");
        request.reply(&number).expect("a sent answer");
        assert_eq!(soon(&runtime, call).await, Ok(number));
    }
    for (number, call) in (0..).zip(waiting) {
        let request = soon(&runtime, slow_end.recv()).await.expect("a request");
        request.reply(&number).expect("a sent answer");
        assert_eq!(soon(&runtime, call).await, Ok(number));
    }
}

/// Calls beyond a limit wait in order. A cancelled one passes its turn on.
pub async fn calls_wait_for_room<R: Runtime>(runtime: R) {
    let server = serve(&runtime, TCP).await.expect("a listener");
    let mut limits = Limits::default();
    limits.max_calls_out = 2;
    let client = aiomas::rpc::builder(runtime.clone()).limits(limits);
    let client = client.connect(server.address()).await.expect("a connection");
    let remote: RootProxy = client.remote_as();

    let mut stuck = [remote.wait(), remote.wait()];
    let mut waiting: Vec<_> = (0..10).map(|number| remote.add(number, 1)).collect();
    assert!(waiting.iter_mut().all(|call| poll(call).is_pending()));
    let [first, _second] = &mut stuck;
    assert!(poll(first).is_pending());
    // Some are cancelled, among them the next ones.
    waiting.drain(..3);
    let tasks: Vec<_> = waiting.into_iter().map(|call| start(&runtime, call)).collect();
    drop(stuck);
    for (number, call) in (3..).zip(tasks) {
        assert_eq!(soon(&runtime, call).await, Ok(number + 1));
    }

    // The same with the limit of unwritten bytes.
    let mut limits = Limits::default();
    limits.output_high = 1 << 20;
    let client = aiomas::rpc::builder(runtime.clone()).limits(limits);
    let client = client.connect(server.address()).await.expect("a connection");
    let remote: RootProxy = client.remote_as();
    let text = "x".repeat(1 << 20);
    let tasks: Vec<_> = (0..8).map(|_| start(&runtime, remote.echo(text.clone()))).collect();
    for call in tasks {
        match soon(&runtime, call).await {
            Ok(answer) => assert!(answer == text),
            Err(error) => panic!("{error}: {}", soon(&runtime, client.closed()).await),
        }
    }
}

/// All connections are open at the same time, over each kind of stream.
pub async fn a_thousand_connections<R: Runtime>(runtime: R) {
    allow_open_files();
    for address in addresses() {
        let server = aiomas::rpc::builder(runtime.clone()).service(Root).listen(address).await;
        let server = server.expect("a listener");
        let mut clients = Vec::new();
        for number in 0..1000 {
            let client = connect(&runtime, &server).await.expect("a connection");
            let sum = client.remote_as::<RootProxy>().add(number, 0);
            assert_eq!(soon(&runtime, sum).await, Ok(number));
            clients.push(client);
        }
        assert_eq!(server.clients().len(), 1000);
        let calls: Vec<_> =
            clients.iter().map(|client| client.remote_as::<RootProxy>().add(1, 1)).collect();
        for call in calls {
            assert_eq!(soon(&runtime, call).await, Ok(2));
        }
        soon(&runtime, server.shutdown()).await;
        for client in clients {
            soon(&runtime, client.closed()).await;
        }
    }
}

/// Raises the limit of open files to the system's maximum. A connection within the process needs
/// two files, and the default limit is usually 1,024.
fn allow_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("permitted");
}

struct Number(u32);

#[agent]
impl Number {
    #[expose]
    fn number(&self) -> u32 {
        self.0
    }
}

/// A container with 100,000 agents, called from another one.
pub async fn a_hundred_thousand_agents<R: Runtime>(runtime: R) {
    let builder = aiomas::container::builder(runtime.clone());
    let city = builder.clone().bind(TCP).await.expect("a listener");
    let urls: Vec<_> = (0..100_000)
        .map(|number| Ok(city.spawn(Number(number))?.url().clone()))
        .collect::<Result<_, Error>>()
        .expect("room");
    assert_eq!(city.agent_count(), 100_000);
    let visitor = builder.bind(TCP).await.expect("a listener");
    for number in (0..100_000).step_by(9_973) {
        let url = &urls[number as usize];
        let agent: NumberProxy =
            soon(&runtime, visitor.connect(url)).await.expect("an existing agent");
        assert_eq!(soon(&runtime, agent.number()).await, Ok(number));
    }
    assert!(city.remove("99999") && !city.remove("99999"));
    let gone = soon(&runtime, visitor.connect::<NumberProxy>(&urls[99_999])).await;
    assert!(matches!(gone, Err(Error::Connect(_))));
    soon(&runtime, visitor.shutdown()).await.expect("a clean end");
    soon(&runtime, city.shutdown()).await.expect("a clean end");
    assert_eq!(city.agent_count(), 0);
}
