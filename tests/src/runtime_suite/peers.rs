//! Lists of peers, and connections closed by one side.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas::{Context, Error, agent, service};
use aiomas::{Peer, Runtime, rpc::RpcServer};
use aiomas_core::connection::{Close, CloseReason, Side};
use aiomas_core::rpc::{Caller, ServiceDict, authorize};
use aiomas_core::wire::{Codec, RemoteError};

use super::door::{Door, Gate, GateProxy};
use super::{Root, RootProxy, TCP, connect, ipc, serve, soon, until};

/// Peers are listed with their known properties, while they are connected.
pub async fn peers_are_listed<R: Runtime>(runtime: R) {
    let gate = Gate::default();
    let begin = runtime.now();
    let server = aiomas::rpc::builder(runtime.clone()).service(gate.clone()).listen(TCP).await;
    let server = server.expect("a listener");
    let client = aiomas::rpc::builder(runtime.clone()).codec(Codec::MsgPack);
    let client = client.connect(server.address()).await.expect("a connection");
    let remote: GateProxy = client.remote_as();
    let calls = [remote.pass(), remote.pass()];
    soon(&runtime, gate.entered.pass()).await;
    until(&runtime, || server.peers()[0].state().calls_in == 2).await;
    let [peer] = &server.peers()[..] else { panic!("{:?}", server.peers()) };
    let [again] = &server.clients()[..] else { panic!("{:?}", server.clients()) };
    assert_eq!(*peer, again.peer());
    assert_eq!(peer.address(), again.peer().address());
    assert_eq!((peer.caller().connection(), peer.certificate()), (Some(peer.id()), None));
    let state = peer.state();
    assert_eq!((state.open, state.side), (true, Side::Listener));
    assert_eq!((state.codec, state.calls_in, state.calls_out), (Codec::MsgPack, 2, 0));
    assert_eq!(state.stats.frames_in, 2);
    assert!((begin..=runtime.now()).contains(&state.since));
    gate.door.open();
    for call in calls {
        assert_eq!(soon(&runtime, call).await, Ok(42));
    }
    assert_eq!(peer.state().calls_in, 0);
    drop((client, remote));
    soon(&runtime, peer.closed()).await;
    assert!(!peer.state().open);
    until(&runtime, || server.peers().is_empty()).await;
}

/// Closes the connection of its caller.
struct Doorkeeper {
    entered: Door,
    door: Door,
}

#[agent]
impl Doorkeeper {
    #[expose]
    async fn wait(&self) -> &'static str {
        self.entered.open();
        self.door.pass().await;
        "done"
    }

    #[expose]
    fn close(&self, #[context] ctx: &Context) -> &'static str {
        peer(ctx).close();
        "bye"
    }

    #[expose]
    async fn close_later(&self, #[context] ctx: Context) -> &'static str {
        super::yield_now().await;
        peer(&ctx).close();
        super::yield_now().await;
        "bye"
    }

    #[expose]
    fn cut(&self, #[context] ctx: &Context) -> &'static str {
        peer(ctx).close_with(Close::Now);
        "never sent"
    }

    #[expose]
    fn is_alone(&self, #[context] ctx: &Context) -> bool {
        ctx.peer().is_none()
    }
}

fn peer(ctx: &Context) -> Peer {
    ctx.peer().expect("a remote caller")
}

impl Doorkeeper {
    fn new() -> Self {
        Self { entered: Door::default(), door: Door::default() }
    }
}

/// The method's own answer is still written, and those of other running calls.
pub async fn a_method_closes_its_connection<R: Runtime>(runtime: R) {
    let bind = || aiomas::container::builder(runtime.clone()).bind(TCP);
    let (home, other) = (bind().await.expect("bound"), bind().await.expect("bound"));
    let keeper = Doorkeeper::new();
    let (entered, door) = (keeper.entered.clone(), keeper.door.clone());
    let agent = home.spawn(keeper).expect("room");
    assert_eq!(agent.proxy().is_alone().await, Ok(true));
    for later in [false, true] {
        let remote: DoorkeeperProxy =
            soon(&runtime, other.connect(agent.url())).await.expect("there");
        assert_eq!(soon(&runtime, remote.is_alone()).await, Ok(false));
        let waits = remote.wait();
        soon(&runtime, entered.pass()).await;
        let [peer] = &home.peers()[..] else { panic!("{:?}", home.peers()) };
        let bye = if later { remote.close_later() } else { remote.close() };
        assert_eq!(soon(&runtime, bye).await.as_deref(), Ok("bye"));
        assert!(!peer.state().open);
        if !later {
            // The close waits for earlier calls.
            assert_eq!(peer.state().calls_in, 1);
        }
        door.open();
        assert_eq!(soon(&runtime, waits).await.as_deref(), Ok("done"));
        assert_eq!(soon(&runtime, peer.closed()).await, CloseReason::Local);
        until(&runtime, || other.connection_count() == 0).await;
        assert!(remote.is_alone().await.is_err());
    }
}

/// No further answer is written on this connection; other connections are not affected.
pub async fn a_method_cuts_its_connection<R: Runtime>(runtime: R) {
    let bind = || aiomas::container::builder(runtime.clone()).bind(TCP);
    let (home, one, other) =
        (bind().await.expect("bound"), bind().await.expect("bound"), bind().await.expect("bound"));
    let keeper = Doorkeeper::new();
    let entered = keeper.entered.clone();
    let agent = home.spawn(keeper).expect("room");
    let cut: DoorkeeperProxy = soon(&runtime, one.connect(agent.url())).await.expect("there");
    let goes_on: DoorkeeperProxy = soon(&runtime, other.connect(agent.url())).await.expect("there");
    let waits = cut.wait();
    soon(&runtime, entered.pass()).await;
    for call in [waits, cut.cut()] {
        assert!(matches!(soon(&runtime, call).await, Err(Error::Lost(_))));
    }
    assert_eq!(soon(&runtime, goes_on.is_alone()).await, Ok(false));
    until(&runtime, || home.connection_count() == 1).await;
}

/// Either side can close, regardless of the dialler.
pub async fn peers_are_closed_from_outside<R: Runtime>(runtime: R) {
    let bind = || aiomas::container::builder(runtime.clone()).bind(TCP);
    let (home, other) = (bind().await.expect("bound"), bind().await.expect("bound"));
    let agent = home.spawn(Doorkeeper::new()).expect("room");
    for (side, end) in [(Side::Dialler, &other), (Side::Listener, &home)] {
        let remote: DoorkeeperProxy =
            soon(&runtime, other.connect(agent.url())).await.expect("there");
        assert_eq!(soon(&runtime, remote.is_alone()).await, Ok(false));
        let [peer] = &end.peers()[..] else { panic!("{:?}", end.peers()) };
        assert_eq!((peer.state().side, peer.state().codec), (side, Codec::Json));
        peer.close();
        assert_eq!(soon(&runtime, peer.closed()).await, CloseReason::Local);
        assert!(soon(&runtime, remote.is_alone()).await.is_err());
        until(&runtime, || home.connection_count() + other.connection_count() == 0).await;
    }
    // A server's connection, closed gracefully and at once.
    let server = serve(&runtime, TCP).await.expect("a listener");
    for end in [Peer::close as fn(&Peer), |peer| peer.close_with(Close::Now)] {
        let client = connect(&runtime, &server).await.expect("a connection");
        assert_eq!(client.remote_as::<RootProxy>().add(1, 2).await, Ok(3));
        server.peers().iter().for_each(end);
        soon(&runtime, client.closed()).await;
        until(&runtime, || server.peers().is_empty()).await;
    }
}

/// Callbacks report connections of both sides, with the reason. A panic in a callback has no other
/// effect.
pub async fn containers_tell_who_comes_and_goes<R: Runtime>(runtime: R) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let told = |name: &'static str| {
        let (came, went) = (log.clone(), log.clone());
        aiomas::container::builder(runtime.clone())
            .on_connect(move |peer| {
                let line = format!("{name} {} {:?}", peer.id(), peer.state().side);
                came.lock().expect("no panic under the lock").push(line);
                panic!("on purpose");
            })
            .on_disconnect(move |peer, reason| {
                went.lock()
                    .expect("no panic under the lock")
                    .push(format!("{name} {} {reason}", peer.id()));
                panic!("on purpose");
            })
            .bind(TCP)
    };
    let (home, other) = (told("home").await.expect("bound"), told("other").await.expect("bound"));
    let agent = home.spawn(Doorkeeper::new()).expect("room");
    for _ in 0..2 {
        let remote: DoorkeeperProxy =
            soon(&runtime, other.connect(agent.url())).await.expect("there");
        assert_eq!(soon(&runtime, remote.close()).await.as_deref(), Ok("bye"));
        until(&runtime, || home.connection_count() + other.connection_count() == 0).await;
    }
    until(&runtime, || log.lock().expect("no panic under the lock").len() == 8).await;
    let log = log.lock().expect("no panic under the lock");
    let of = |name: &str| -> Vec<_> {
        log.iter().filter_map(|line| line.strip_prefix(name)).map(str::trim).collect()
    };
    let home = ["1 Listener", "1 closed on this side", "2 Listener", "2 closed on this side"];
    assert_eq!(of("home"), home);
    let other = ["1 Dialler", "1 closed by the peer", "2 Dialler", "2 closed by the peer"];
    assert_eq!(of("other"), other);
}

/// The callback receives the peer, even if a handle of the client existed.
pub async fn servers_tell_who_goes<R: Runtime>(runtime: R) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let went = log.clone();
    let server = aiomas::rpc::builder(runtime.clone())
        .service(Root)
        .on_disconnect(move |peer: &Peer, reason| {
            let line = (peer.clone(), peer.state().open, reason.clone());
            went.lock().expect("no panic under the lock").push(line);
        })
        .listen(TCP)
        .await
        .expect("a listener");
    let client = connect(&runtime, &server).await.expect("a connection");
    assert_eq!(client.remote_as::<RootProxy>().add(1, 2).await, Ok(3));
    let [known] = &server.clients()[..] else { panic!("{:?}", server.clients()) };
    client.close();
    assert_eq!(soon(&runtime, client.closed()).await, CloseReason::Local);
    until(&runtime, || log.lock().expect("no panic under the lock").len() == 1).await;
    let log = log.lock().expect("no panic under the lock");
    assert_eq!(log[0], (known.peer(), false, CloseReason::Peer));
    assert_eq!(log[0].0.address(), known.peer().address());
}

/// The paths passed to a check.
type Asked = Arc<Mutex<Vec<String>>>;

/// Returns a check that permits the paths in `allowed`, and records all requested ones.
fn only(
    allowed: &'static [&'static str],
) -> (impl Fn(&Caller, &str) -> Result<(), RemoteError> + Send + Sync, Asked) {
    let asked = Asked::default();
    let asks = asked.clone();
    let check = move |_: &Caller, path: &str| {
        asks.lock().expect("no panic under the lock").push(path.to_owned());
        match path {
            "panic" => panic!("on purpose"),
            path if allowed.contains(&path) => Ok(()),
            path => Err(RemoteError::permission(format_args!("no {path} for you"))),
        }
    };
    (check, asked)
}

struct House;

#[service]
impl House {
    #[service]
    fn open(&self) -> Root {
        Root
    }

    #[service]
    fn closed(&self) -> aiomas_core::rpc::Authorized<Root> {
        authorize(Root, only(&["echo"]).0)
    }
}

async fn house<R: Runtime>(runtime: &R) -> RpcServer {
    let root = authorize(House, only(&["open/add", "closed/add", "closed/echo"]).0);
    let root = authorize(root, |_, path| match path {
        "closed/echo" | "closed/add" | "open/add" | "panic" | "open/echo" => Ok(()),
        _ => Err(RemoteError::permission("the gate is shut")),
    });
    let server = aiomas::rpc::builder(runtime.clone()).service(root).listen(ipc()).await;
    server.expect("a listener")
}

/// Every check on the path of a call runs, outer ones first. The arguments are decoded afterwards.
pub async fn a_service_for_some<R: Runtime>(runtime: R) {
    let server = house(&runtime).await;
    let client = connect(&runtime, &server).await.expect("a connection");
    let remote: HouseProxy = client.remote_as();
    assert_eq!(soon(&runtime, remote.open().add(1, 2)).await, Ok(3));
    assert_eq!(soon(&runtime, remote.closed().echo("a".into())).await.as_deref(), Ok("a"));
    for (path, why) in [
        ("open/echo", "no open/echo for you"),
        ("closed/add", "no add for you"),
        ("open/fail", "the gate is shut"),
        // The error does not reveal whether the path exists.
        ("closed/nothing", "the gate is shut"),
        ("nothing", "the gate is shut"),
        ("", "the gate is shut"),
        ("closed//echo", "the gate is shut"),
    ] {
        // With invalid arguments.
        let call = client.remote().get(path.rsplit_once('/').map_or("", |(parent, _)| parent));
        let call = call.call(path.rsplit('/').next().unwrap_or(path)).arg([1]).kwarg("x", ());
        let error = soon(&runtime, call.send::<()>()).await.expect_err("refused");
        assert_eq!(error.remote(), Some(&RemoteError::permission(why)), "{path}");
        assert!(error.remote().expect("the peer's").text().contains("PermissionError: "));
    }
    // A check that panics refuses all calls.
    let error =
        soon(&runtime, client.remote().call("panic").send::<()>()).await.expect_err("refused");
    assert_eq!(error.remote().map(RemoteError::kind), Some("Panic"));
    assert_eq!(soon(&runtime, remote.open().add(1, 2)).await, Ok(3));
}

/// The container's check covers all calls of peers. An agent's own check also covers calls of local
/// agents.
pub async fn a_container_for_some<R: Runtime>(runtime: R) {
    let (check, asked) = only(&["validate_aid", "agents/0/add", "agents/1/add", "agents/1/sub"]);
    let builder = aiomas::container::builder(runtime.clone());
    let home = builder.clone().authorize(check).bind(TCP).await.expect("bound");
    let dict = || {
        ServiceDict::new("Dict").function("add", ["a", "b"], |a: i64, b: i64| a + b).function(
            "sub",
            ["a", "b"],
            |a: i64, b: i64| a - b,
        )
    };
    let free = home.spawn(dict()).expect("room");
    let guarded = home.spawn(authorize(dict(), only(&["add"]).0)).expect("room");
    assert_eq!(guarded.to_string(), format!("Dict('{}/1')", home.address()));
    let listed: Vec<_> = home.agents();
    assert_eq!(listed, [&free.url(), &guarded.url()].map(|url| ((*url).clone(), "Dict".into())));
    let other = builder.bind(TCP).await.expect("bound");
    let call = |proxy: &aiomas::Proxy, name: &str| {
        let call = proxy.call(name).arg(5).arg(3).with_timeout(Duration::from_secs(300));
        call.send::<i64>()
    };
    for (url, near, far) in [
        (free.url(), [None, None], [None, Some("no agents/0/sub for you")]),
        (guarded.url(), [None, Some("no sub for you")], [None, Some("no sub for you")]),
    ] {
        for (container, why) in [(&home, near), (&other, far)] {
            let proxy: aiomas::Proxy = soon(&runtime, container.connect(url)).await.expect("there");
            for ((name, result), why) in [("add", 8), ("sub", 2)].into_iter().zip(why) {
                let refused = |why| Err(Error::Remote(RemoteError::permission(why)));
                let expected = why.map_or(Ok(result), refused);
                assert_eq!(soon(&runtime, call(&proxy, name)).await, expected, "{url} {name}");
            }
        }
    }
    let asked = asked.lock().expect("no panic under the lock");
    let calls = ["agents/0/add", "agents/0/sub", "validate_aid", "agents/1/add", "agents/1/sub"];
    assert_eq!(asked.iter().filter(|path| *path != "validate_aid").count(), 4);
    assert!(asked.iter().all(|path| calls.contains(&path.as_str())), "{asked:?}");
}
