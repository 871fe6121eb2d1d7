//! The progress of a simulation, and its end.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use aiomas_sim::{Context, Error, Fault, Link, Proxy, Runtime, Sim, agent};

use super::{MS, SECOND, grid, house};

struct Seller;

#[agent]
impl Seller {
    #[expose]
    fn buy(&self, buyer: Proxy, #[context] ctx: &Context) -> Result<(), Error> {
        let clock = ctx.clock()?;
        ctx.spawn(async move {
            clock.sleep(3600.0).await.expect("a time");
            buyer.call("deliver").send::<()>().await.expect("delivered");
        })
    }
}

struct Buyer(Arc<Mutex<Vec<f64>>>);

#[agent]
impl Buyer {
    #[expose]
    fn deliver(&self, #[context] ctx: &Context) -> Result<(), Error> {
        self.0.lock().expect("no panic under the lock").push(ctx.clock()?.time());
        Ok(())
    }
}

/// Tasks run in virtual time, as long as their host lives.
#[test]
fn tasks_of_agents_continue() {
    let sim = Sim::new(1);
    sim.host("seller").start(|host| async move {
        let container = host.container().bind("tcp://seller:5555").await?;
        container.spawn(Seller)?;
        std::future::pending().await
    });
    let log = Arc::<Mutex<Vec<f64>>>::default();
    sim.block_on(async {
        let container = sim.host("buyer").container().bind("tcp://buyer:5555").await?;
        let buyer = container.spawn(Buyer(log.clone()))?;
        let seller: SellerProxy =
            container.connect("tcp://seller:5555/0").within(10 * SECOND).await?;
        let bought = container.clock().time();
        seller.buy(buyer.proxy().into()).await?;
        sim.host("buyer").sleep(3601 * SECOND).await;
        let delivered = log.lock().expect("no panic under the lock").clone();
        assert_eq!(delivered.len(), 1);
        assert!((delivered[0] - bought - 3600.0).abs() < 1.0, "{delivered:?} {bought}");

        seller.buy(buyer.proxy().into()).await?;
        sim.crash("seller").expect("a known host");
        sim.host("buyer").sleep(3601 * SECOND).await;
        assert_eq!(log.lock().expect("no panic under the lock").len(), 1);
        Ok::<_, Error>(())
    })
    .expect("no error");
}

fn panic_of(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn time_passes_only_as_far_as_it_should() {
    let sim = Sim::new(1);
    let log = Arc::<Mutex<Vec<u32>>>::default();
    let host = sim.host("a");
    for second in [3, 1, 2_u32] {
        let (log, waits) = (log.clone(), host.clone());
        host.spawn(async move {
            waits.sleep(second * SECOND).await;
            log.lock().expect("no panic under the lock").push(second);
        });
    }
    sim.run_for(2 * SECOND);
    assert_eq!(
        (sim.elapsed(), log.lock().expect("no panic under the lock").clone()),
        (2 * SECOND, vec![1, 2])
    );
    sim.run_until_idle();
    assert_eq!(
        (sim.elapsed(), log.lock().expect("no panic under the lock").clone()),
        (3 * SECOND, vec![1, 2, 3])
    );
    sim.run_for(SECOND);
    assert_eq!(sim.elapsed(), 4 * SECOND);
}

/// The simulation reports what each task waits for, instead of hanging.
#[test]
fn a_stuck_simulation_reports_its_tasks() {
    let sim = Sim::new(1);
    house(&sim);
    let message = panic_of(|| {
        sim.block_on(async {
            let (_container, meter) = grid(&sim).await.expect("present");
            meter.never().await.expect("an endless call");
        });
    });
    let expected = "\
stuck: no task is runnable; after 10s, 9 tasks wait:
  on grid: for another task
  on grid: to be dialled at tcp://grid:5555
  on grid: to read from tcp://house:5555
  on house: for another task (2 of them)
  on house: in a method that tcp://grid:49152 has called
  on house: to be dialled at tcp://house:5555
  on house: to read from tcp://grid:49152
  on main: for the answer of tcp://house:5555
with seed 1";
    assert_eq!(message, expected);
}

#[test]
fn an_endless_simulation_fails() {
    let sim = Sim::builder(1).max_time(100 * SECOND).build();
    let host = sim.host("a");
    let waits = host.clone();
    host.spawn(async move {
        loop {
            waits.sleep(SECOND).await;
        }
    });
    let message = panic_of(|| sim.run_until_idle());
    assert!(message.starts_with("no end: 100s have passed, the limit; after 100s"), "{message}");
    assert!(message.contains("on a: for the time 101s"), "{message}");
}

#[test]
fn a_task_that_polls_for_nothing_is_named() {
    let sim = Sim::builder(1).max_polls(1000).build();
    sim.host("a").spawn(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    let message = panic_of(|| sim.run_for(SECOND));
    assert_eq!(
        message,
        "busy: 1001 polls at 0ns, of which the last is of a task on a\nwith seed 1"
    );
}

/// A ready future that was not woken is a bug of its own.
#[test]
fn a_missing_wake_is_reported() {
    let sim = Sim::new(1);
    let ready = Arc::new(Mutex::new(false));
    let looks = ready.clone();
    sim.host("a").spawn(poll_fn(move |_| {
        if *looks.lock().expect("no panic under the lock") {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    sim.run_until_idle();
    *ready.lock().expect("no panic under the lock") = true;
    let waiting = sim.waiting().to_string();
    assert!(waiting.contains("on a: for nothing: it is ready, but was not woken"), "{waiting}");
}

fn a_run(seed: u64, without: Option<Fault>) -> (u64, u64) {
    let builder = Sim::builder(seed).link(Link::rough().reset(0.0).refuse(0.0));
    let builder = without.into_iter().fold(builder, |builder, fault| builder.without(fault));
    let sim = builder.spurious_wakes(0.1).build();
    house(&sim);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        let calls: Vec<_> = (0..50).map(|number| meter.read(number)).collect();
        for (number, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await, Ok(number as u64));
        }
        Ok::<_, Error>(())
    })
    .expect("nothing is lost");
    (sim.trace(), without.map_or(1, |fault| sim.faults()[fault]))
}

#[test]
fn the_same_seed_is_the_same_run() {
    let traces: Vec<u64> = (0..20).map(|seed| a_run(seed, None).0).collect();
    let again: Vec<u64> = (0..20).map(|seed| a_run(seed, None).0).collect();
    assert_eq!(traces, again);
    let mut different = traces;
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 20);
}

#[test]
fn each_fault_can_be_switched_off() {
    for fault in
        [Fault::Order, Fault::Wake, Fault::Latency, Fault::Bandwidth, Fault::Split, Fault::Stall]
    {
        let happened = (0..20).any(|seed| {
            let sim = a_run(seed, Some(fault));
            assert_eq!(sim.1, 0, "{fault}");
            sim.0 != a_run(seed, None).0
        });
        assert!(happened, "{fault} makes no difference");
    }
}

/// Partitions and crashes come and go, and stop after `calm`.
#[test]
fn random_partitions_and_crashes_end() {
    let builder = Sim::builder(7).partitions(SECOND, 100 * MS..SECOND).crashes(SECOND, SECOND);
    let sim = builder.build();
    house(&sim);
    sim.host("grid");
    sim.run_for(60 * SECOND);
    let faults = sim.faults();
    assert!(faults[Fault::Partition] > 10 && faults[Fault::Crash] > 10, "{faults}");
    sim.calm();
    sim.run_for(60 * SECOND);
    assert_eq!(sim.faults(), faults);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        assert_eq!(meter.read(1).await, Ok(1));
        Ok::<_, Error>(())
    })
    .expect("no error");
}
