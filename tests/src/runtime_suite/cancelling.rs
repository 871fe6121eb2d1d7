//! Cancelled calls.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aiomas::{
    Container, Context, OnDisconnect, Runtime,
    rpc::{RpcClient, RpcServer},
};
use aiomas::{Error, agent};
use aiomas_core::connection::{Close, Negotiate};
use aiomas_core::wire::Codec;

use super::door::Gate;
use super::{TCP, local, pause, soon, start, until, yield_now};

/// A short time, which on a busy machine may pass before a method has started.
const SHORT: Duration = Duration::from_millis(100);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(1000);

/// The numbers of methods that started, ended, and were dropped before their end.
#[derive(Clone, Default)]
struct Fates(Arc<[AtomicUsize; 3]>);

impl Fates {
    fn count(&self) -> [usize; 3] {
        [0, 1, 2].map(|what| self.0[what].load(Ordering::SeqCst))
    }

    fn begin(&self) -> Fate {
        self.0[0].fetch_add(1, Ordering::SeqCst);
        Fate { fates: self.clone(), what: 2 }
    }
}

/// The record of one running method: dropped, unless it ends.
struct Fate {
    fates: Fates,
    what: usize,
}

impl Fate {
    fn end(mut self) {
        self.what = 1;
    }
}

impl Drop for Fate {
    fn drop(&mut self) {
        self.fates.0[self.what].fetch_add(1, Ordering::SeqCst);
    }
}

/// Each of its calls waits until it is released.
#[derive(Clone, Default)]
struct Patient {
    fates: Fates,
    gate: Gate,
}

#[agent]
impl Patient {
    #[expose]
    async fn alone(&mut self) {
        let fate = self.fates.begin();
        self.gate.door.pass().await;
        fate.end();
    }

    #[expose]
    async fn beside(&self) {
        let fate = self.fates.begin();
        self.gate.door.pass().await;
        fate.end();
    }

    /// Returns the remaining time in seconds, if the caller has sent a deadline.
    #[expose]
    async fn left(&self, #[context] context: Context) -> Option<f64> {
        assert_eq!(context.deadline(), context.caller().deadline);
        yield_now().await;
        context.time_left().map(|left| left.as_secs_f64())
    }

    #[expose]
    fn ping(&self) -> bool {
        true
    }
}

fn hello() -> Negotiate {
    Negotiate::Hello { base: Codec::Json, offer: vec![Codec::MsgPack] }
}

async fn serve<R: Runtime>(runtime: &R, patient: &Patient, orphans: OnDisconnect) -> RpcServer {
    let builder = aiomas::rpc::builder(runtime.clone()).service(patient.clone());
    builder.calls_on_disconnect(orphans).listen(TCP).await.expect("a free port")
}

/// Connects, and waits until Hello is answered.
async fn connect<R: Runtime>(runtime: &R, server: &RpcServer, negotiate: Negotiate) -> RpcClient {
    let builder = aiomas::rpc::builder(runtime.clone()).negotiate(negotiate);
    let client = builder.connect(server.address()).await.expect("a listener");
    let ping = client.remote_as::<PatientProxy>().ping();
    assert_eq!(soon(runtime, ping).await, Ok(true));
    client
}

/// Returns containers that have agreed on all extensions, or on none.
async fn containers<R: Runtime>(runtime: &R, negotiate: Negotiate) -> [Container; 2] {
    let bind =
        || aiomas::container::builder(runtime.clone()).negotiate(negotiate.clone()).bind(TCP);
    [bind().await.expect("a free port"), bind().await.expect("a free port")]
}

/// Dropping a call drops its running method. A waiting method never starts, and the agent is free
/// for others. This holds over connections and within the container.
pub async fn a_dropped_call_ends_its_method<R: Runtime>(runtime: R) {
    let server_patient = Patient::default();
    let server = serve(&runtime, &server_patient, OnDisconnect::Finish).await;
    let client = connect(&runtime, &server, hello()).await;
    let agent_patient = Patient::default();
    let [home, other] = containers(&runtime, hello()).await;
    let agent = home.spawn(agent_patient.clone()).expect("room");
    let remote: PatientProxy = soon(&runtime, other.connect(agent.url())).await.expect("there");
    for (proxy, fates) in [
        (client.remote_as::<PatientProxy>(), &server_patient.fates),
        (remote, &agent_patient.fates),
        (agent.proxy(), &agent_patient.fates),
    ] {
        let [begun, ended, dropped] = fates.count();
        let running = proxy.alone();
        until(&runtime, || fates.count()[0] == begun + 1).await;
        let waiting = [proxy.beside(), proxy.alone()];
        let last = start(&runtime, proxy.ping());
        drop(waiting);
        drop(running);
        assert_eq!(soon(&runtime, last).await, Ok(true));
        until(&runtime, || fates.count()[2] == dropped + 1).await;
        assert_eq!(fates.count(), [begun + 1, ended, dropped + 1]);
    }
}

/// Without the extension, a dropped call sends no cancellation.
pub async fn without_hello_a_method_runs_to_its_end<R: Runtime>(runtime: R) {
    let patient = Patient::default();
    let server = serve(&runtime, &patient, OnDisconnect::Finish).await;
    let client = connect(&runtime, &server, Negotiate::Fixed(Codec::Json)).await;
    let proxy: PatientProxy = client.remote_as();
    let unhurried = PatientProxy::from(client.remote().with_timeout(LONG));
    assert_eq!(soon(&runtime, unhurried.left()).await, Ok(None));
    let impatient = PatientProxy::from(client.remote().with_timeout(SHORT));
    let (dropped, late, lost) = (proxy.beside(), impatient.beside(), proxy.beside());
    until(&runtime, || patient.fates.count()[0] == 3).await;
    drop(dropped);
    assert_eq!(soon(&runtime, late).await, Err(Error::TimedOut { after: SHORT, sent: true }));
    assert_eq!(soon(&runtime, proxy.ping()).await, Ok(true));
    client.close_with(Close::Now);
    assert!(soon(&runtime, lost).await.is_err());
    assert_eq!(patient.fates.count(), [3, 0, 0]);
    patient.gate.door.open();
    until(&runtime, || patient.fates.count()[1] == 3).await;
}

/// A method sees its remaining time, and is dropped at its deadline, started or not.
pub async fn a_deadline_ends_a_method<R: Runtime>(runtime: R) {
    let server_patient = Patient::default();
    let server = serve(&runtime, &server_patient, OnDisconnect::Finish).await;
    let client = connect(&runtime, &server, hello()).await;
    let agent_patient = Patient::default();
    let [home, other] = containers(&runtime, hello()).await;
    let agent = home.spawn(agent_patient.clone()).expect("room");
    let remote = soon(&runtime, other.connect(agent.url())).await.expect("there");
    for (proxy, fates) in [
        (client.remote(), &server_patient.fates),
        (remote, &agent_patient.fates),
        (agent.proxy().into(), &agent_patient.fates),
    ] {
        let patient = PatientProxy::from(proxy.clone());
        assert_eq!(soon(&runtime, patient.left()).await, Ok(None));
        let patient = PatientProxy::from(proxy.with_timeout(LONG));
        let left = soon(&runtime, patient.left()).await.expect("an answer").expect("a deadline");
        assert!(left > 0.0 && left <= LONG.as_secs_f64(), "{left}");
        let [begun, ended, dropped] = fates.count();
        let all_dropped = || {
            let [begun_now, _, dropped_now] = fates.count();
            begun_now - begun == dropped_now - dropped
        };
        // Repeats with longer times, until a method has started before its deadline.
        let mut time = SHORT;
        while fates.count()[0] == begun {
            assert!(time < LONG, "none begins");
            let running = PatientProxy::from(proxy.with_timeout(time)).alone();
            assert_eq!(
                soon(&runtime, running).await,
                Err(Error::TimedOut { after: time, sent: true })
            );
            time *= 2;
        }
        until(&runtime, all_dropped).await;
        // The agent is free for later calls, and for calls behind one that never started.
        let before = fates.count()[0];
        let running = patient.alone();
        until(&runtime, || fates.count()[0] > before).await;
        let impatient = PatientProxy::from(proxy.with_timeout(SHORT));
        let waiting = impatient.alone();
        assert_eq!(
            soon(&runtime, waiting).await,
            Err(Error::TimedOut { after: SHORT, sent: true })
        );
        let last = start(&runtime, patient.ping());
        // The message may arrive later, but it does arrive.
        pause(&runtime).await;
        drop(running);
        assert_eq!(soon(&runtime, last).await, Ok(true));
        assert_eq!(fates.count()[1], ended);
        until(&runtime, all_dropped).await;
    }
}

/// `OnDisconnect` decides whether methods of disconnected callers continue, with or without Hello,
/// on both sides.
pub async fn orphaned_calls_end_or_not<R: Runtime>(runtime: R) {
    for (orphans, negotiate) in [
        (OnDisconnect::Finish, hello()),
        (OnDisconnect::Cancel, hello()),
        (OnDisconnect::Cancel, Negotiate::Fixed(Codec::Json)),
    ] {
        let patient = Patient::default();
        let server = serve(&runtime, &patient, orphans).await;
        let client = connect(&runtime, &server, negotiate.clone()).await;
        let builder = || {
            let builder = aiomas::container::builder(runtime.clone()).calls_on_disconnect(orphans);
            builder.negotiate(negotiate.clone())
        };
        let home = builder().bind(TCP).await.expect("a free port");
        let agent_patient = Patient::default();
        let agent = home.spawn(agent_patient.clone()).expect("room");
        let visitor = builder().bind(TCP).await.expect("a free port");
        let remote: PatientProxy =
            soon(&runtime, visitor.connect(agent.url())).await.expect("there");
        let calls = [client.remote_as::<PatientProxy>(), remote]
            .map(|proxy| [proxy.alone(), proxy.alone()]);
        let fates = [&patient.fates, &agent_patient.fates];
        until(&runtime, || fates.iter().all(|fates| fates.count()[0] == 1)).await;
        client.close_with(Close::Now);
        soon(&runtime, visitor.shutdown_with(Close::Now)).await.expect("a clean end");
        for call in calls.into_iter().flatten() {
            assert!(soon(&runtime, call).await.is_err());
        }
        if orphans == OnDisconnect::Cancel {
            until(&runtime, || fates.iter().all(|fates| fates.count() == [1, 0, 1])).await;
            let alive: PatientProxy = agent.proxy();
            assert_eq!(soon(&runtime, alive.ping()).await, Ok(true));
        } else {
            pause(&runtime).await;
            patient.gate.door.open();
            agent_patient.gate.door.open();
            until(&runtime, || fates.iter().all(|fates| fates.count() == [2, 2, 0])).await;
        }
    }
}

/// A cancelled request leaves the queue, or notifies the task that has taken it.
pub async fn requests_on_channels_are_cancelled<R: Runtime>(runtime: R) {
    let builder = aiomas::channel::builder(runtime.clone());
    let mut listener = builder.listen(local()).await.expect("a free name");
    let builder = aiomas::channel::builder(runtime.clone()).negotiate(hello());
    let client = builder.connect(listener.address()).await.expect("a listener");
    let peer = soon(&runtime, listener.accept()).await.expect("a channel");
    let first = client.send::<u32>(&1);
    let request = soon(&runtime, peer.recv()).await.expect("a request");
    request.reply(&1).expect("a sent answer");
    assert_eq!(soon(&runtime, first).await, Ok(1));
    let taken = client.with_timeout(LONG).send::<u32>(&2);
    let request = soon(&runtime, peer.recv()).await.expect("a request");
    assert!(request.time_left().is_some_and(|left| left <= LONG && left > Duration::ZERO));
    assert!(request.deadline().is_some() && !request.is_cancelled());
    let queued = client.send::<u32>(&3);
    drop(taken);
    soon(&runtime, request.cancelled()).await;
    assert!(request.is_cancelled());
    drop(queued);
    let late = client.with_timeout(SHORT).send::<u32>(&4);
    assert_eq!(soon(&runtime, late).await, Err(Error::TimedOut { after: SHORT, sent: true }));
    let last = client.send::<u32>(&5);
    let mut next = soon(&runtime, peer.recv()).await.expect("a request");
    if next.content::<u32>() == Ok(4) {
        // The deadline of the receiver is slightly later.
        soon(&runtime, next.cancelled()).await;
        next = soon(&runtime, peer.recv()).await.expect("a request");
    }
    assert_eq!(next.content::<u32>(), Ok(5), "the earlier ones are gone");
    next.reply(&5).expect("a sent answer");
    assert_eq!(soon(&runtime, last).await, Ok(5));
    assert!(matches!(request.reply(&2), Err(Error::Refused(_))), "the request has been cancelled");
}
