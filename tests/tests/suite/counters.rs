//! Counters of connections, servers and containers: exact, and equal at both ends.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

use std::time::Duration;

use aiomas_core::connection::{Close, CloseReason, Limits, Stats};
use aiomas_core::wire::RemoteError;
use aiomas_sim::{Connections, Container, Context, Error, Host, Proxy, Sim, agent, rpc::RpcServer};

const SECOND: Duration = Duration::from_secs(1);

/// An agent that is sometimes slow.
struct Clerk;

#[agent]
impl Clerk {
    #[expose]
    fn double(&self, number: i64) -> i64 {
        2 * number
    }

    #[expose]
    fn fail(&self) -> Result<(), RemoteError> {
        Err(RemoteError::value_error("no"))
    }

    #[expose]
    async fn sleep(&mut self, #[context] context: Context, seconds: f64) -> Result<(), Error> {
        context.clock()?.sleep(seconds).await
    }
}

/// Returns the numbers on which both ends must agree, as the caller sees them.
fn outward(stats: Stats) -> [u64; 5] {
    let Stats { requests_out, results_in, failures_in, frames_out, bytes_out, .. } = stats;
    [requests_out, results_in, failures_in, frames_out, bytes_out]
}

/// Returns the same numbers, as the callee sees them.
fn inward(stats: Stats) -> [u64; 5] {
    let Stats { requests_in, results_out, failures_out, frames_in, bytes_in, .. } = stats;
    [requests_in, results_out, failures_out, frames_in, bytes_in]
}

async fn bind(host: &Host) -> Container {
    host.container().bind(format!("tcp://{}:5555", host.name())).await.unwrap()
}

/// Makes ten calls: six results, two failures, one timeout, one cancelled.
async fn converse(host: &Host, clerk: &Proxy) {
    for number in 0..5 {
        let twice: i64 = clerk.call("double").arg(number).send().await.unwrap();
        assert_eq!(twice, 2 * number);
    }
    for method in ["fail", "unknown"] {
        let failed = clerk.call(method).send::<()>().await;
        assert!(matches!(failed, Err(Error::Remote(_))), "{failed:?}");
    }
    let impatient = clerk.with_timeout(SECOND).call("sleep").arg(2.0).send::<()>().await;
    assert_eq!(impatient, Err(Error::TimedOut { after: SECOND, sent: true }));
    drop(clerk.call("sleep").arg(0.5).send::<()>());
    host.sleep(5 * SECOND).await;
    let () = clerk.call("sleep").arg(0.5).send().await.unwrap();
}

#[test]
fn both_ends_of_a_connection_count_alike() {
    let sim = Sim::new(1);
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    sim.block_on(async {
        let server = bind(&house).await;
        server.spawn(Clerk).unwrap();
        let client = bind(&grid).await;
        let clerk: Proxy = client.connect("tcp://house:5555/0").await.unwrap();
        converse(&grid, &clerk).await;

        let (near, far) = (client.peers()[0].state(), server.peers()[0].state());
        assert_eq!(outward(near.stats)[..3], [11, 7, 2], "`validate_aid` counts as well");
        assert_eq!((near.stats.unanswered, near.stats.late_answers), (2, 2));
        // The late answer has been sent.
        assert_eq!(inward(far.stats)[..3], [11, 9, 2]);
        assert_eq!(outward(near.stats)[3..], inward(far.stats)[3..]);
        assert_eq!(outward(far.stats)[..3], [0; 3]);
        assert_eq!(far.stats.bytes_out, near.stats.bytes_in);
        assert_eq!(
            (near.calls_out, near.bytes_queued, far.calls_in, far.bytes_queued),
            (0, 0, 0, 0)
        );
    });
}

#[test]
fn a_container_sums_up() {
    let sim = Sim::new(2);
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    sim.block_on(async {
        let client = bind(&grid).await;
        // Without a listener: attempts at 0, 0.5 and 1.25 s.
        let search = client.connect::<Proxy>("tcp://house:5555/0").within(SECOND + SECOND / 2);
        search.await.unwrap_err();
        let stats = client.stats();
        assert_eq!((stats.dials, stats.failed_dials), (3, 3));

        let server = bind(&house).await;
        server.spawn(Clerk).unwrap();
        let clerk: Proxy = client.connect("tcp://house:5555/0").await.unwrap();
        let own =
            server.spawn(Clerk).unwrap().connect::<Proxy>("tcp://house:5555/0").await.unwrap();
        let sleeping: Vec<_> = (0..3).map(|_| clerk.call("sleep").arg(1.0).send::<()>()).collect();
        house.sleep(SECOND / 2).await;
        let local = own.call("sleep").arg(1.0).send::<()>();
        house.sleep(SECOND / 10).await;
        let (near, far) = (client.stats(), server.stats());
        assert_eq!((far.agents, far.waiting, far.local_calls), (2, 3, 1));
        assert_eq!((near.agents, near.waiting, near.local_calls), (0, 0, 0));
        assert_eq!((near.connections.open, near.connections.calls_out), (1, 3));
        assert_eq!((far.connections.open, far.connections.calls_in), (1, 3));
        assert_eq!((far.admission.admitted, far.dials, near.dials), (1, 0, 4));
        for call in sleeping {
            call.await.unwrap();
        }
        local.await.unwrap();
        assert_eq!((server.stats().waiting, server.stats().local_calls), (0, 0));

        // Closed connections have been counted; one closed in order is not lost.
        let before = client.stats().connections;
        client.peers()[0].close();
        house.sleep(SECOND).await;
        let after = client.stats().connections;
        assert_eq!((after.open, after.closed, after.lost), (0, 1, 0));
        assert_eq!(after.stats, before.stats);
        assert_eq!(outward(after.stats), inward(server.stats().connections.stats));

        let clerk: Proxy = client.connect("tcp://house:5555/0").await.unwrap();
        let lost = clerk.call("sleep").arg(9.0).send::<()>();
        house.sleep(SECOND).await;
        sim.reset_streams();
        assert!(matches!(lost.await, Err(Error::Lost(CloseReason::Broken(_)))));
        house.sleep(SECOND).await;
        let stats = client.stats().connections;
        assert_eq!((stats.open, stats.closed, stats.lost), (0, 2, 1));
        assert_eq!(stats.stats.unanswered, 1);
        assert_eq!((stats.calls_out, stats.bytes_queued), (0, 0));
    });
}

#[test]
fn servers_clients_and_channels_count() {
    let sim = Sim::new(3);
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    sim.block_on(async {
        let mut limits = Limits::default();
        limits.max_calls_in = 1;
        let server: RpcServer =
            house.rpc().limits(limits).service(Clerk).listen("tcp://house:5556").await.unwrap();
        let clients = [(); 2].map(|()| grid.rpc().connect("tcp://house:5556"));
        let [first, second] = clients;
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let _: i64 = first.remote().call("double").arg(1).send().await.unwrap();
        // The context of an RPC service has no container, so the call fails.
        second.remote().call("fail").send::<()>().await.unwrap_err();
        let Connections { open, stats, .. } = server.stats();
        assert_eq!(open, 2);
        assert_eq!(inward(stats)[..3], [2, 1, 1]);
        let (mut sum, other) = (first.peer().state().stats, second.peer().state().stats);
        sum += other;
        assert_eq!(inward(stats), outward(sum));
        assert_eq!(
            sum,
            [first.peer().state().stats, second.peer().state().stats].into_iter().sum()
        );
        first.close_with(Close::AfterFlush);
        first.closed().await;
        house.sleep(SECOND).await;
        assert_eq!((server.stats().open, server.stats().closed), (1, 1));
        assert_eq!(server.stats().stats, stats, "closed connections still count");

        let mut listener = house.channel().listen("tcp://house:5557").await.unwrap();
        let near = grid.channel().connect("tcp://house:5557").await.unwrap();
        let far = listener.accept().await.unwrap();
        let call = near.send::<String>("ohai");
        assert_eq!(near.peer().state().stats.requests_out, 1);
        far.recv().await.unwrap().reply("cya").unwrap();
        assert_eq!(call.await.unwrap(), "cya");
        assert_eq!(outward(near.peer().state().stats), inward(far.peer().state().stats));
        assert_eq!(outward(near.peer().state().stats)[..3], [1, 1, 0]);
    });
}
