//! Proxies of agents.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aiomas_core::agent::{ConnectError, ContainerError};
use aiomas_core::connection::{CallRejected, Limits};
use aiomas_sim::{Call, Container, Error, Link, Proxy, Sim, agent, reconnect::ConnectionState};

use super::super::{MS, SECOND};
use super::{Log, WITHIN, crash, restart};

#[derive(Debug)]
struct Bell(Log);

#[agent]
impl Bell {
    #[expose]
    fn ring(&self, number: u64) -> u64 {
        self.0.lock().expect("no panic under the lock").push(number);
        number
    }

    #[expose]
    async fn never(&self) {
        std::future::pending().await
    }

    /// Does not answer the first call.
    #[expose]
    async fn hang(&self, number: u64) -> u64 {
        let runs = {
            let mut log = self.0.lock().expect("no panic under the lock");
            log.push(number);
            log.iter().filter(|logged| **logged == number).count()
        };
        if runs == 1 {
            std::future::pending::<()>().await;
        }
        number
    }
}

/// Starts a host `tower` with a bell, now and after each restart.
fn tower(sim: &Sim) -> Log {
    let log = Log::default();
    let logged = log.clone();
    sim.host("tower").start(move |host| {
        let log = logged.clone();
        async move {
            let container = host.container().bind("tcp://tower:1").await?;
            container.spawn(Bell(log))?;
            std::future::pending().await
        }
    });
    log
}

/// Returns a container on another host, and its reconnecting proxy of the bell.
async fn ringer(sim: &Sim) -> (Container, BellProxy) {
    let container = sim.host("town").container().bind("tcp://town:1").await.expect("bound");
    let bell = container.connect("tcp://tower:1/0").within(SECOND).reconnect(WITHIN).await;
    (container, bell.expect("an existing agent"))
}

fn line(bell: &BellProxy) -> aiomas_sim::reconnect::ReconnectingConnection {
    Proxy::from(bell.clone()).reconnecting().expect("a reconnecting proxy")
}

fn poll<T>(call: &mut Call<T>) -> Poll<Result<T, Error>>
where
    Call<T>: Future<Output = Result<T, Error>>,
{
    Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
}

/// A call in flight is lost, and not repeated; the next one dials.
#[test]
fn a_proxy_outlives_its_connection() {
    let sim = Sim::new(1);
    let log = tower(&sim);
    sim.block_on(async {
        let (_container, bell) = ringer(&sim).await;
        let line = line(&bell);
        assert_eq!(bell.ring(1).await, Ok(1));
        assert_eq!(line.state(), ConnectionState::Connected);
        crash(&sim, SECOND);
        let result = bell.hang(2).await;
        assert!(matches!(result, Err(Error::Lost(_))), "{result:?}");
        assert_eq!(line.state(), ConnectionState::Lost);
        restart(&sim, 3 * SECOND);
        let begun = sim.elapsed();
        assert_eq!(bell.ring(3).await, Ok(3));
        let took = sim.elapsed() - begun;
        assert!((3 * SECOND..6 * SECOND).contains(&took), "{took:?}");
        assert_eq!(line.state(), ConnectionState::Connected);
        // The same without a call in flight.
        sim.reset_streams();
        sim.host("town").sleep(MS).await;
        assert_eq!(bell.with_timeout(SECOND).ring(4).await, Ok(4));
    });
    assert_eq!(*log.lock().expect("no panic under the lock"), [1, 2, 3, 4]);
}

#[test]
fn a_reconnecting_proxy_reports_its_state() {
    let sim = Sim::new(1);
    tower(&sim);
    sim.block_on(async {
        let (_container, bell) = ringer(&sim).await;
        let line = line(&bell);
        crash(&sim, SECOND);
        let mut states = vec![line.state()];
        states.push(line.changed(ConnectionState::Connected).await);
        assert_eq!(sim.elapsed(), SECOND);
        let call = bell.ring(1);
        restart(&sim, SECOND);
        while states.last() != Some(&ConnectionState::Connected) || states.len() == 1 {
            let last = *states.last().expect("at least one");
            let next = if line.state() == last { line.changed(last).await } else { line.state() };
            states.push(next);
        }
        // Attempts after 0, 0.5 and 1.25 seconds.
        let dialling = |attempt| ConnectionState::Dialling { attempt };
        let expected = [
            ConnectionState::Connected,
            ConnectionState::Lost,
            dialling(1),
            dialling(2),
            dialling(3),
            ConnectionState::Connected,
        ];
        assert_eq!(states, expected);
        assert_eq!(call.await, Ok(1));
        drop(bell);
        assert_eq!(line.state(), ConnectionState::Closed);
    });
}

/// Idempotent calls end once, but may run more than once.
#[test]
fn idempotent_calls_are_made_again() {
    let sim = Sim::new(1);
    let log = tower(&sim);
    sim.block_on(async {
        let (_container, bell) = ringer(&sim).await;
        crash(&sim, SECOND);
        restart(&sim, 3 * SECOND);
        assert_eq!(bell.idempotent().hang(1).await, Ok(1));
        assert!(sim.elapsed() > 3 * SECOND);
        // They are repeated until their timeout, which starts when they are made.
        crash(&sim, SECOND);
        let begun = sim.elapsed();
        let call = bell.idempotent().with_timeout(3 * SECOND).hang(2);
        assert_eq!(call.await, Err(Error::TimedOut { after: 3 * SECOND, sent: true }));
        assert_eq!(sim.elapsed() - begun, 3 * SECOND);
        // A timeout does not repeat a call.
        restart(&sim, Duration::ZERO);
        let call = bell.idempotent().with_timeout(3 * SECOND).hang(3);
        assert_eq!(call.await, Err(Error::TimedOut { after: 3 * SECOND, sent: true }));
    });
    assert_eq!(*log.lock().expect("no panic under the lock"), [1, 1, 2, 3]);
}

/// Without a timeout, the time limit of reconnecting applies.
#[test]
fn idempotent_calls_are_lost_in_the_end() {
    let sim = Sim::new(1);
    tower(&sim);
    sim.block_on(async {
        let (_container, bell) = ringer(&sim).await;
        // The host is back at once each time, but never for long.
        for second in 1..20 {
            crash(&sim, second * SECOND);
            restart(&sim, second * SECOND + MS);
        }
        let result = bell.idempotent().never().await;
        assert!(matches!(result, Err(Error::Lost(_) | Error::Connect(_))), "{result:?}");
        assert!((WITHIN..WITHIN * 2).contains(&sim.elapsed()), "{:?}", sim.elapsed());
    });
}

/// Waiting calls share their attempts, and are sent in order, polled or not.
#[test]
fn calls_that_wait_are_sent_in_order() {
    for seed in 0..20 {
        let sim = Sim::builder(seed).link(Link::new().latency(10 * MS)).build();
        let log = tower(&sim);
        sim.block_on(async {
            let (_container, bell) = ringer(&sim).await;
            let town = sim.host("town");
            crash(&sim, Duration::ZERO);
            town.sleep(SECOND).await;
            let mut calls: Vec<_> = (0..100).map(|number| bell.ring(number)).collect();
            // Some are dropped.
            drop(calls.remove(50));
            restart(&sim, 2 * SECOND);
            town.sleep(5 * SECOND).await;
            assert_eq!(log.lock().expect("no panic under the lock").len(), 99);
            assert_eq!(line(&bell).state(), ConnectionState::Connected);
            for (call, number) in calls.into_iter().zip((0..50).chain(51..)) {
                assert_eq!(call.await, Ok(number));
            }
        });
        let expected: Vec<_> = (0..50).chain(51..100).collect();
        assert_eq!(*log.lock().expect("no panic under the lock"), expected);
    }
}

#[test]
fn a_client_gives_up_and_starts_again() {
    let sim = Sim::new(1);
    tower(&sim);
    sim.block_on(async {
        let (_container, bell) = ringer(&sim).await;
        let line = line(&bell);
        crash(&sim, Duration::ZERO);
        assert_eq!(line.changed(ConnectionState::Connected).await, ConnectionState::Lost);
        let (one, other) = (bell.ring(1), bell.ring(2));
        let failed = one.await;
        let is_unreachable = |result: &Result<u64, Error>| {
            matches!(result, Err(Error::Connect(ConnectError::Unreachable { attempts, .. })) if *attempts > 3)
        };
        assert!(is_unreachable(&failed), "{failed:?}");
        assert_eq!((sim.elapsed(), line.state()), (WITHIN, ConnectionState::GaveUp));
        assert_eq!(other.await, failed);
        assert_eq!(sim.elapsed(), WITHIN, "the search has ended, too");
        restart(&sim, 2 * SECOND);
        assert_eq!(bell.ring(3).await, Ok(3));
        assert_eq!(line.state(), ConnectionState::Connected);
    });
}

#[test]
fn a_timeout_includes_the_wait_for_a_connection() {
    let sim = Sim::new(1);
    let log = tower(&sim);
    sim.block_on(async {
        let (_container, bell) = ringer(&sim).await;
        crash(&sim, Duration::ZERO);
        sim.host("town").sleep(MS).await;
        let after = 2 * SECOND;
        let begun = sim.elapsed();
        assert_eq!(
            bell.with_timeout(after).ring(1).await,
            Err(Error::TimedOut { after, sent: false })
        );
        assert_eq!(sim.elapsed() - begun, after);
        // Part of the timeout has passed when the call is sent.
        restart(&sim, SECOND);
        let begun = sim.elapsed();
        let after = 5 * SECOND;
        assert_eq!(
            bell.with_timeout(after).hang(2).await,
            Err(Error::TimedOut { after, sent: true })
        );
        assert_eq!(sim.elapsed() - begun, after);
        // A call that is not polled is not sent after its timeout.
        crash(&sim, Duration::ZERO);
        sim.host("town").sleep(MS).await;
        let late = bell.with_timeout(SECOND).ring(3);
        restart(&sim, 2 * SECOND);
        assert_eq!(bell.ring(4).await, Ok(4));
        assert_eq!(late.await, Err(Error::TimedOut { after: SECOND, sent: false }));
    });
    assert_eq!(*log.lock().expect("no panic under the lock"), [2, 4]);
}

#[test]
fn only_so_many_calls_wait() {
    let sim = Sim::new(1);
    tower(&sim);
    sim.block_on(async {
        let mut limits = Limits::default();
        limits.max_calls_out = 2;
        let container = sim.host("town").container().limits(limits).bind("tcp://town:1").await;
        let container = container.expect("bound");
        let bell = container.connect::<BellProxy>("tcp://tower:1/0").reconnect(WITHIN).await;
        let bell = bell.expect("an existing agent");
        // Calls that wait for output when the connection breaks have not been sent.
        let mut calls: Vec<_> = (0..4).map(|number| bell.hang(number)).collect();
        for call in &mut calls {
            assert!(poll(call).is_pending());
        }
        crash(&sim, MS);
        sim.host("town").sleep(2 * MS).await;
        for call in &mut calls[..2] {
            assert!(matches!(poll(call), Poll::Ready(Err(Error::Lost(_)))));
        }
        assert!(calls[2..].iter_mut().all(|call| poll(call).is_pending()));
        let refused = bell.ring(5).await;
        assert_eq!(refused, Err(Error::Refused(CallRejected::TooManyCalls { limit: 2 })));
        calls.pop();
        let call = bell.ring(6);
        restart(&sim, SECOND);
        assert_eq!(call.await, Ok(6));
    });
}

#[test]
fn a_shutdown_ends_waiting_calls() {
    let sim = Sim::new(1);
    tower(&sim);
    sim.block_on(async {
        let (container, bell) = ringer(&sim).await;
        crash(&sim, Duration::ZERO);
        sim.host("town").sleep(MS).await;
        let call = bell.ring(1);
        sim.host("town").sleep(MS).await;
        container.shutdown().await.expect("a clean end");
        let shut_down = Err(Error::Connect(ConnectError::Refused(ContainerError::ShutDown)));
        assert_eq!(call.await, shut_down);
        assert_eq!(bell.ring(2).await, shut_down);
        assert_eq!(line(&bell).state(), ConnectionState::GaveUp);
    });
    sim.run_until_idle();
    assert_eq!((sim.tasks(), sim.streams()), (0, 0), "{}", sim.waiting());
}

/// Without handles, dialling stops.
#[test]
fn a_dropped_reconnecting_proxy_leaves_no_state() {
    let sim = Sim::new(1);
    tower(&sim);
    sim.block_on(async {
        let (container, bell) = ringer(&sim).await;
        crash(&sim, Duration::ZERO);
        sim.host("town").sleep(MS).await;
        let (call, before) = (bell.ring(1), sim.tasks());
        drop(bell);
        sim.host("town").sleep(MS).await;
        assert!(sim.tasks() >= before, "the call holds a handle");
        drop(call);
        sim.host("town").sleep(MS).await;
        assert_eq!(sim.tasks(), before - 1);
        container.shutdown().await.expect("a clean end");
    });
    sim.run_until_idle();
    assert_eq!((sim.tasks(), sim.streams()), (0, 0), "{}", sim.waiting());
}

/// The host stops, and its tasks can no longer be notified there.
#[test]
fn no_call_waits_for_an_ended_runtime() {
    let sim = Sim::new(1);
    tower(&sim);
    sim.block_on(async {
        let town = sim.host("town");
        town.start(|_| std::future::pending());
        let (_container, bell) = ringer(&sim).await;
        crash(&sim, Duration::ZERO);
        town.sleep(MS).await;
        let call = bell.ring(1);
        sim.at(SECOND, |sim| sim.crash("town").expect("a known host"));
        let result = call.await;
        assert!(matches!(result, Err(Error::Refused(_) | Error::Connect(_))), "{result:?}");
        assert_eq!(sim.elapsed(), SECOND + MS);
    });
}

/// A restarted container without the agent is not asked again.
#[test]
fn a_removed_agent_is_not_searched_again() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let container = sim.host("town").container().bind("tcp://town:1").await.expect("bound");
        let other = sim.host("other").container().bind("tcp://other:1").await.expect("bound");
        let agent = other.spawn(Bell(Log::default())).expect("room");
        let bell = container.connect::<BellProxy>(agent.url()).reconnect(WITHIN).await;
        let bell = bell.expect("an existing agent");
        agent.remove();
        sim.reset_streams();
        sim.host("town").sleep(MS).await;
        let begun = sim.elapsed();
        let result = bell.ring(1).await;
        assert!(
            matches!(result, Err(Error::Connect(ConnectError::NoSuchAgent { .. }))),
            "{result:?}"
        );
        assert_eq!(sim.elapsed(), begun);
    });
}
