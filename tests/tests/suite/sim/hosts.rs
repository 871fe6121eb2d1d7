//! Hosts that stop and start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aiomas_core::connection::{CloseReason, Limits};
use aiomas_sim::{Error, Fault, Host, Link, Runtime, Sim};

use super::{MS, MeterProxy, SECOND, grid, house};

#[test]
fn a_caller_of_a_crashed_host_gets_an_error() {
    let sim = Sim::builder(1).link(Link::new().latency(10 * MS)).build();
    house(&sim);
    sim.block_on(async {
        let (container, meter) = grid(&sim).await?;
        sim.at(SECOND, |sim| sim.crash("house").expect("a known host"));
        assert!(matches!(meter.never().await, Err(Error::Lost(CloseReason::Peer))));
        assert_eq!(sim.elapsed(), SECOND + 40 * MS + 10 * MS);
        assert!(container.connect::<MeterProxy>("tcp://house:5555/0").await.is_err());
        sim.at(SECOND, |sim| sim.restart("house").expect("a known host"));
        let meter: MeterProxy = container.connect("tcp://house:5555/0").within(5 * SECOND).await?;
        assert_eq!(meter.read(1).await, Ok(1));
        Ok::<_, Error>(())
    })
    .expect("no error");
    assert_eq!(sim.faults()[Fault::Crash], 1);
}

/// A call has no result until the host is back and rejects it.
#[test]
fn a_call_to_a_host_without_power_is_unanswered() {
    let sim = Sim::new(1);
    house(&sim);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        let call = meter.never();
        sim.at(SECOND, |sim| sim.power_off("house").expect("a known host"));
        sim.host("grid").sleep(2 * SECOND).await;
        assert_eq!(
            meter.with_timeout(SECOND).read(1).await,
            Err(Error::TimedOut { after: SECOND, sent: true })
        );
        sim.at(SECOND, |sim| sim.restart("house").expect("a known host"));
        assert!(matches!(call.await, Err(Error::Lost(_))));
        assert_eq!(sim.elapsed(), 4 * SECOND);
        Ok::<_, Error>(())
    })
    .expect("no error");
}

/// A call without a timeout still ends, for both directions of the connection.
#[test]
fn a_call_to_a_host_without_power_ends() {
    for (keep_alive, found_out) in [(Some(60 * SECOND), 121), (Some(7 * SECOND), 14), (None, 1000)]
    {
        let sim = Sim::new(1);
        house(&sim);
        sim.block_on(async {
            let mut limits = Limits::default();
            limits.keep_alive = keep_alive;
            let container =
                sim.host("grid").container().limits(limits).bind("tcp://grid:1").await?;
            let meter: MeterProxy = container.connect("tcp://house:5555/0").await?;
            sim.at(SECOND, |sim| sim.power_off("house").expect("a known host"));
            sim.at(1000 * SECOND, |sim| sim.reset_streams());
            let error = meter.never().await.expect_err("no listener");
            let kind = if keep_alive.is_some() { "timed out" } else { "connection reset" };
            assert!(error.to_string().contains(kind), "{error}");
            assert_eq!(sim.elapsed(), found_out * SECOND);
            Ok::<_, Error>(())
        })
        .expect("no error");
    }
}

#[test]
fn all_tasks_of_a_host_end_with_it() {
    let sim = Sim::new(1);
    let house = house(&sim);
    sim.run_until_idle();
    let before = sim.tasks();
    let dropped = Arc::new(AtomicU32::new(0));
    let counted = Counted(dropped.clone());
    house.spawn(async move {
        let _counted = counted;
        std::future::pending::<()>().await;
    });
    sim.run_until_idle();
    assert_eq!(sim.tasks(), before + 1);
    sim.crash("house").expect("a known host");
    assert_eq!((sim.tasks(), dropped.load(Ordering::Relaxed)), (0, 1));
    // Handles from before the restart have no effect.
    house.spawn(async { panic!("this is not run") });
    sim.run_until_idle();
    sim.block_on(async {
        let error = house.rpc().connect("tcp://house:1").await.expect_err("ended");
        assert_eq!(error.to_string(), "cannot connect to tcp://house:1: house has been stopped");
    });
    sim.restart("house").expect("a known host");
    sim.run_until_idle();
    assert_eq!(sim.tasks(), before);
}

/// Dropping the simulation drops a program that holds its own host.
#[test]
fn nothing_is_left_of_a_simulation() {
    let dropped = Arc::new(AtomicU32::new(0));
    let sim = Sim::new(1);
    let (host, counted) = (sim.host("a"), Arc::new(Counted(dropped.clone())));
    let itself = host.clone();
    host.start(move |_| {
        let held = (itself.clone(), counted.clone());
        async move {
            let _held = held;
            std::future::pending().await
        }
    });
    sim.run_until_idle();
    drop((host, sim));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn programs_know_where_they_run() {
    let sim = Sim::new(1);
    sim.host("a").start(|host| async move {
        assert_eq!(Host::default().name(), host.name());
        let container = aiomas_sim::container::bind("tcp://localhost:1").await?;
        container.spawn(super::Meter)?;
        std::future::pending().await
    });
    sim.block_on(async {
        assert_eq!(&*Host::default().name(), "main");
        let container = aiomas_sim::container::bind("tcp://main:0").await?;
        let meter: MeterProxy = container.connect("tcp://a:1/0").within(SECOND).await?;
        assert_eq!(meter.read(5).await, Ok(5));
        Ok::<_, Error>(())
    })
    .expect("no error");
}

#[test]
#[should_panic = "the program of a has ended with: no luck"]
fn a_program_that_fails_ends_the_simulation() {
    let sim = Sim::new(1);
    sim.host("a").start(|_| async { Err("no luck".into()) });
    sim.run_for(SECOND);
}

/// Dates and clocks show the simulated time.
#[test]
fn clocks_show_the_simulated_time() {
    let sim = Sim::new(1);
    sim.block_on(async {
        let container = aiomas_sim::container::bind("tcp://main:0").await.expect("bound");
        let clock = container.clock();
        clock.sleep(3600.0).await.expect("a wake-up");
        assert_eq!(clock.time(), 3600.0);
        assert_eq!(clock.utc_now().to_string(), "2000-01-01T01:00:00+00:00");
    });
    assert_eq!(sim.elapsed(), 3600 * SECOND);
}
