//! A busy agent, or another service, that several connections call.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas::{Call, Error, Proxy, agent, service};
use aiomas_sim::{Host, Link, Sim};

const SECOND: Duration = Duration::from_secs(1);

/// The started calls.
type Log = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Worker(Host, Log);

impl Worker {
    async fn begin(&self, name: String) {
        self.1.lock().unwrap().push(name);
        self.0.sleep(SECOND).await;
    }
}

#[agent]
impl Worker {
    #[expose]
    async fn work(&mut self, name: String) {
        self.begin(name).await;
    }
}

struct Desk(Worker);

#[service]
impl Desk {
    #[expose]
    async fn work(&mut self, name: String) {
        self.0.begin(name).await;
    }
}

fn sim() -> Sim {
    Sim::builder(1).link(Link::new().latency(Duration::from_millis(1))).build()
}

fn work(proxy: &Proxy, name: impl Into<String>) -> Call<()> {
    proxy.call("work").arg(name.into()).send()
}

/// Waits for calls, and returns the errors of the failed ones.
async fn refused(calls: impl IntoIterator<Item = Call<()>>) -> Vec<String> {
    let mut texts = Vec::new();
    for call in calls {
        match call.await {
            Ok(()) => {}
            Err(Error::Remote(error)) => texts.push(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
    texts
}

/// A busy connection takes neither the slots nor the turns of other connections.
#[test]
fn one_connection_does_not_fill_an_agents_mailbox() {
    let sim = sim();
    let (host, log) = (sim.host("server"), Log::default());
    sim.block_on(async {
        let container = host.container().config(|config| config.limits.max_mailbox = 8);
        let container = container.bind("tcp://server:0").await.expect("a free port");
        let worker = container.spawn(Worker(host.clone(), log.clone())).expect("room");
        let mut clients = Vec::new();
        for name in ["flood", "one", "other"] {
            let client = sim.host(name).container().bind("tcp://0.0.0.0:0").await.expect("a port");
            let proxy: Proxy = client.connect(worker.url()).await.expect("an existing agent");
            clients.push((client, proxy));
        }
        let [flood, one, other] = [0, 1, 2].map(|client| &clients[client].1);
        let flooding: Vec<_> = (0..12).map(|n| work(flood, format!("flood {n}"))).collect();
        host.sleep(SECOND / 10).await;
        let ones: Vec<_> = (0..2).map(|n| work(one, format!("one {n}"))).collect();
        let others = [work(other, "other 0")];
        // The first one runs and eight wait, three of which lose their slots.
        assert_eq!(refused(ones).await, [""; 0]);
        assert_eq!(refused(others).await, [""; 0]);
        let texts = refused(flooding).await;
        let text =
            "OverloadedError: 8 calls wait for their turn already (`Limits::max_mailbox` there)";
        assert_eq!(texts, [text; 6]);
        let log = std::mem::take(&mut *log.lock().unwrap());
        let expected = [
            "flood 0", "flood 1", "one 0", "other 0", "flood 2", "one 1", "flood 3", "flood 4",
            "flood 5",
        ];
        assert_eq!(log, expected);
    });
}

/// A connection alone has all slots, and as many again for served calls.
#[test]
fn a_single_connection_has_all_slots() {
    let sim = sim();
    let (host, log) = (sim.host("server"), Log::default());
    sim.block_on(async {
        let container = host.container().config(|config| config.limits.max_mailbox = 8);
        let container = container.bind("tcp://server:0").await.expect("a free port");
        let worker = container.spawn(Worker(host.clone(), log.clone())).expect("room");
        let client = sim.host("client").container().bind("tcp://client:0").await.expect("a port");
        let proxy: Proxy = client.connect(worker.url()).await.expect("an existing agent");
        let mut calls: Vec<_> = (0..9).map(|n| work(&proxy, format!("{n}"))).collect();
        host.sleep(5 * SECOND + SECOND / 2).await;
        calls.extend((9..14).map(|n| work(&proxy, format!("{n}"))));
        assert_eq!(refused(calls).await, [""; 0]);
        let expected: Vec<_> = (0..14).map(|n| n.to_string()).collect();
        assert_eq!(*log.lock().unwrap(), expected);
    });
}

/// Two servers may number their connections alike, and have separate limits.
#[test]
fn listeners_share_a_service_fairly() {
    let sim = sim();
    let (host, log) = (sim.host("server"), Log::default());
    sim.block_on(async {
        let builder = host.rpc().service(Desk(Worker(host.clone(), log.clone())));
        let mut clients = Vec::new();
        for most in [8, 2] {
            let server = builder.clone().config(|config| config.limits.max_mailbox = most);
            let server = server.listen("tcp://server:0").await.expect("a free port");
            let client = sim.host("client").rpc().connect(server.address().clone()).await;
            clients.push((server, client.expect("a listener")));
        }
        let [wide, narrow] = [0, 1].map(|client| clients[client].1.remote());
        let flooding: Vec<_> = (0..9).map(|n| work(&wide, format!("wide {n}"))).collect();
        host.sleep(SECOND / 10).await;
        let calls: Vec<_> = (0..3).map(|n| work(&narrow, format!("narrow {n}"))).collect();
        let text =
            "OverloadedError: 8 calls wait for their turn already (`Limits::max_mailbox` there)";
        assert_eq!(refused(calls).await, [text], "two may wait");
        assert_eq!(refused(flooding).await, [text; 2]);
        let log = std::mem::take(&mut *log.lock().unwrap());
        assert_eq!(log[..5], ["wide 0", "wide 1", "narrow 0", "wide 2", "narrow 1"]);
    });
}
