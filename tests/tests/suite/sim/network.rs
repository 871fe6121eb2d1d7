//! Delays and faults of links.

use std::io::ErrorKind;

use aiomas_core::agent::{Address, ConnectError};
use aiomas_core::connection::CloseReason;
use aiomas_sim::{Error, Fault, Link, Runtime, Sim};

use super::{MS, SECOND, grid, house};

#[test]
fn bytes_take_their_time() {
    let sim = Sim::builder(1).link(Link::new().latency(10 * MS)).build();
    house(&sim);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        // Both halves of the dial, a request and its answer.
        assert_eq!(sim.elapsed(), 40 * MS);
        assert_eq!(meter.read(1).await, Ok(1));
        assert_eq!(sim.elapsed(), 60 * MS);
        let error = meter.with_timeout(20 * MS - MS / 2).read(2).await;
        assert!(matches!(error, Err(Error::TimedOut { .. })));
        assert_eq!(meter.with_timeout(20 * MS + MS / 2).read(2).await, Ok(2));
        Ok::<_, Error>(())
    })
    .expect("no error");
}

#[test]
fn each_link_has_its_own() {
    let far = Link::new().latency(100 * MS);
    let sim = Sim::builder(1).link_between("grid", "house", far).build();
    house(&sim);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        assert_eq!(sim.elapsed(), 400 * MS);
        sim.set_link("house", "grid", Link::new()).expect("known hosts");
        assert_eq!(meter.read(1).await, Ok(1));
        assert_eq!(sim.elapsed(), 400 * MS);
        // Other links are unchanged.
        let container = sim.host("other").container().bind("tcp://other:1").await?;
        container.connect::<super::MeterProxy>("tcp://house:5555/0").await?;
        assert_eq!(sim.elapsed(), 400 * MS);
        Ok::<_, Error>(())
    })
    .expect("no error");
}

/// One megabyte at 100 kilobytes per second takes ten seconds.
#[test]
fn links_are_only_so_wide() {
    let sim = Sim::builder(1).link(Link::new().bandwidth(100_000)).build();
    house(&sim);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        let begin = sim.elapsed();
        assert_eq!(meter.size("x".repeat(1_000_000)).await, Ok(1_000_000));
        let took = sim.elapsed() - begin;
        assert!((10 * SECOND..11 * SECOND).contains(&took), "{took:?}");
        Ok::<_, Error>(())
    })
    .expect("no error");
}

#[test]
fn splits_and_small_buffers_lose_nothing() {
    let sim = Sim::builder(1).link(Link::new().split(1.0).buffer(10).latency(MS)).build();
    house(&sim);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        assert_eq!(meter.size("x".repeat(5_000)).await, Ok(5_000));
        Ok::<_, Error>(())
    })
    .expect("no error");
    assert!(sim.faults()[Fault::Split] > 500);
}

#[test]
fn data_sent_during_a_partition_arrives_later() {
    let sim = Sim::new(1);
    house(&sim);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        sim.partition("grid", "house").expect("known hosts");
        sim.at(5 * SECOND, |sim| sim.heal("house", "grid").expect("known hosts"));
        let error = meter.with_timeout(SECOND).read(1).await;
        assert_eq!(error, Err(Error::TimedOut { after: SECOND, sent: true }));
        assert_eq!(meter.read(2).await, Ok(2));
        assert_eq!(sim.elapsed(), 5 * SECOND);
        Ok::<_, Error>(())
    })
    .expect("no error");
}

/// As on real systems, attempts are repeated after 1, 3, 7 ... seconds.
#[test]
fn dials_during_a_partition_are_repeated() {
    let sim = Sim::new(1);
    house(&sim);
    let grid = sim.host("grid");
    sim.block_on(async {
        sim.partition("grid", "house").expect("known hosts");
        sim.at(2 * SECOND, |sim| sim.heal("house", "grid").expect("known hosts"));
        let to: Address = "tcp://house:5555".parse().expect("an address");
        grid.dial(to.clone()).await.expect("a listener");
        assert_eq!(sim.elapsed(), 3 * SECOND);
        sim.partition("grid", "house").expect("known hosts");
        let error = grid.dial(to).await.expect_err("no listener");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(sim.elapsed(), (3 + 127) * SECOND);
    });
}

#[test]
fn streams_break_in_the_middle() {
    let sim = Sim::new(3);
    house(&sim);
    sim.block_on(async {
        let (_container, meter) = grid(&sim).await?;
        sim.set_link("grid", "house", Link::new().reset(1.0)).expect("known hosts");
        let error = meter.read(1).await;
        let reset = CloseReason::Broken(ErrorKind::ConnectionReset);
        assert_eq!(error, Err(Error::Lost(reset)));
        Ok::<_, Error>(())
    })
    .expect("no error");
    assert_eq!(sim.faults()[Fault::Reset], 1);
}

#[test]
fn all_streams_can_be_broken_at_once() {
    let sim = Sim::new(3);
    house(&sim);
    sim.block_on(async {
        let (container, meter) = grid(&sim).await?;
        let call = meter.never();
        sim.reset_streams();
        assert!(matches!(call.await, Err(Error::Lost(_))));
        let meter: super::MeterProxy = container.connect("tcp://house:5555/0").await?;
        assert_eq!(meter.read(1).await, Ok(1));
        Ok::<_, Error>(())
    })
    .expect("no error");
}

#[test]
fn dials_are_refused() {
    let sim = Sim::builder(1).link(Link::new().refuse(1.0)).build();
    house(&sim);
    sim.block_on(async {
        let container = sim.host("grid").container().bind("tcp://grid:1").await.expect("bound");
        let error = container.connect::<super::MeterProxy>("tcp://house:5555/0").await;
        let Err(Error::Connect(ConnectError::Unreachable { attempts: 1, last, .. })) = error else {
            panic!("{error:?}");
        };
        assert!(last.to_string().contains("connection refused"), "{last}");
    });
    assert_eq!(sim.faults()[Fault::Refuse], 1);
}

#[test]
fn unknown_links_and_hosts() {
    let sim = Sim::new(1);
    house(&sim);
    let error = sim.partition("house", "hosue").expect_err("a wrong name");
    assert_eq!(error.to_string(), "there is no host called \"hosue\" in this simulation");
    assert_eq!(sim.set_link("a", "house", Link::new()).expect_err("a wrong name").name, "a");
    assert_eq!(sim.heal("a", "house").expect_err("a wrong name").name, "a");
    assert_eq!(sim.crash("a").expect_err("a wrong name").name, "a");
    assert_eq!(sim.power_off("a").expect_err("a wrong name").name, "a");
    assert_eq!(sim.restart("a").expect_err("a wrong name").name, "a");
    sim.block_on(async {
        let builder = || sim.host("house").rpc();
        let error = builder().connect("tcp://hosue:5555").await.expect_err("a wrong name");
        assert_eq!(
            error.to_string(),
            "cannot connect to tcp://hosue:5555: there is no host called hosue in this simulation"
        );
        let error = builder().connect("tcp://house:1").await.expect_err("no listener");
        assert!(matches!(error, Error::Dial { kind: ErrorKind::ConnectionRefused, .. }), "{error}");
        let container = || sim.host("grid").container();
        let error = container().bind("tcp://house:1").await.expect_err("another host");
        assert_eq!(error.to_string(), "cannot listen at tcp://house:1: that is another host");
        let _grid = container().bind("tcp://grid:1").await.expect("bound");
        let error = container().bind("tcp://grid:1").await.expect_err("taken");
        assert!(matches!(error, Error::Bind { kind: ErrorKind::AddrInUse, .. }), "{error}");
        let bound = container().bind("local://a").await;
        let _there = bound.expect("names are the simulation's own");
    });
}
