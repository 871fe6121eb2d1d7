//! The order in which the calls to one agent start.

use aiomas_core::agent::{NodeConfig, NodeEvent};
use aiomas_core::connection::{Close, CloseReason};
use aiomas_core::wire::Format;
use aiomas_tests::message::{REQUEST, message};
use aiomas_tests::world::Later;
use bytes::BytesMut;

use super::{Nodes, local, ms};

#[test]
fn shared_calls_run_concurrently_and_exclusive_ones_alone() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 2);
    let agent = local("agents/0");
    for (ctx, method) in (0..).zip(["hold", "hold", "hold_alone", "echo", "set", "hold"]) {
        nodes.call(0, &agent, method, (ctx,), ctx);
    }
    // Another agent is not affected.
    nodes.call(0, &local("agents/1"), "set", (9,), 9);
    assert_eq!([nodes.reply_held(0), nodes.reply_held(0)], [0, 1]);
    assert_eq!([nodes.result(0), nodes.result(0), nodes.result(0)], [(9, 9), (0, 0), (1, 1)]);
    // The exclusive call started when both had ended, and blocks all others.
    let (ticket, later) = nodes.later(0);
    assert!(matches!(later, Later::Hold { value: 2 }));
    nodes.assert_quiet();
    nodes.nodes[0].reply(nodes.now, ticket, &2);
    nodes.run();
    assert_eq!([nodes.result(0), nodes.result(0), nodes.result(0)], [(2, 2), (3, 3), (4, 4)]);
    assert_eq!(nodes.reply_held(0), 5);
    assert_eq!(nodes.result(0), (5, 5));
    nodes.assert_quiet();
}

#[test]
fn the_mailbox_is_bounded() {
    let mut config = NodeConfig::default();
    config.connection.limits.max_mailbox = 2;
    let mut nodes = Nodes::new(&config, 1);
    for ctx in 0..4 {
        nodes.call(0, &local("agents/0"), "hold_alone", (ctx,), ctx);
    }
    let (ticket, _) = nodes.later(0);
    let (ctx, error) = nodes.failure(0);
    assert_eq!((ctx, error.kind()), (3, "OverloadedError"));
    assert_eq!(
        error.message(),
        "2 calls wait for their turn already (`Limits::max_mailbox` there)"
    );
    nodes.nodes[0].reply(nodes.now, ticket, &0);
    nodes.run();
    assert_eq!(nodes.result(0), (0, 0));
    // A slot is free again.
    nodes.call(0, &local("agents/0"), "hold_alone", (4,), 4);
    for ctx in [1, 2, 4] {
        assert_eq!(nodes.reply_held(0), ctx);
        assert_eq!(nodes.result(0), (ctx, ctx));
    }
    nodes.assert_quiet();
}

/// One connection, or the node's own agents, cannot fill it for others.
#[test]
fn the_mailbox_is_shared() {
    let mut config = NodeConfig::default();
    config.connection.limits.max_mailbox = 2;
    let mut nodes = Nodes::new(&config, 1);
    let remote = (&nodes.connect("0")).into();
    nodes.call(1, &local("agents/0"), "hold_alone", (0,), 0);
    for ctx in [1, 2] {
        nodes.call(1, &local("agents/0"), "set", (ctx,), ctx);
    }
    let (ticket, _) = nodes.later(1);
    nodes.call(0, &remote, "set", (3,), 3);
    let (ctx, error) = nodes.failure(1);
    assert_eq!((ctx, error.kind()), (2, "OverloadedError"));
    nodes.call(0, &remote, "set", (4,), 4);
    let (ctx, error) = nodes.failure(0);
    assert_eq!((ctx, error.kind()), (4, "OverloadedError"), "the connection has its share");
    nodes.nodes[1].reply(nodes.now, ticket, &0);
    nodes.run();
    assert_eq!([nodes.result(1), nodes.result(1), nodes.result(0)], [(0, 0), (1, 1), (3, 3)]);
    nodes.assert_quiet();
}

#[test]
fn a_call_that_waits_keeps_its_own_bytes() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let (now, node) = (nodes.now, &mut nodes.nodes[0]);
    let conn = node.handle_accepted(now, None).unwrap();
    let call = |path: &str, length: usize| {
        let content = (path, ["x".repeat(length)], serde_json::Map::new());
        message(Format::Json, REQUEST, 1, content)
    };
    let mut busy = BytesMut::from(
        &message(Format::Json, REQUEST, 0, ("agents/0/hold_alone", [0], serde_json::Map::new()))[..],
    );
    node.handle_input(now, conn, &mut busy);
    for length in [40, 1000, 100_000] {
        // It is read together with a call that is answered at once.
        let calls = [call("agents/0/set", length), call("agents/7/set", 200_000)].concat();
        let mut input = BytesMut::from(&calls[..]);
        node.handle_input(now, conn, &mut input);
        assert!(input.is_empty() && input.try_reclaim(calls.len()), "{length}: the call is held");
    }
}

#[test]
fn many_calls_that_wait_take_no_stack() {
    const CALLS: u64 = 10_000;
    let mut config = NodeConfig::default();
    config.connection.limits.max_mailbox = CALLS as u32;
    // A stack too small for 10,000 nested calls.
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let test = small.spawn(move || {
        let mut nodes = Nodes::new(&config, 1);
        let remote = nodes.connect("0");
        for target in [local("agents/0"), (&remote).into()] {
            nodes.call(0, &target, "hold_alone", (0,), 0);
            let side = nodes.events.iter().position(|events| !events.is_empty()).unwrap();
            for ctx in 1..=CALLS {
                nodes.call(0, &target, ["set", "echo", "fail"][ctx as usize % 3], (ctx,), ctx);
            }
            assert_eq!(nodes.reply_held(side), 0);
            for ctx in 0..=CALLS {
                assert_eq!(nodes.answer(0).0, ctx);
            }
            nodes.assert_quiet();
        }
    });
    test.unwrap().join().unwrap();
}

#[test]
fn closing_after_answers_lets_them_out() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let target = (&nodes.connect("0")).into();
    nodes.call(0, &target, "hold_alone", (1,), 1);
    nodes.call(0, &target, "set", (2,), 2);
    let (ticket, _) = nodes.later(1);
    nodes.nodes[1].shutdown(nodes.now, Close::AfterAnswers { within: ms(100) });
    nodes.run();
    nodes.assert_quiet();
    // New calls are refused.
    nodes.call(0, &target, "echo", (3,), 3);
    assert_eq!(nodes.failure(0).1.to_string(), "ConnectionError: the peer is shutting down");
    nodes.nodes[1].reply(nodes.now, ticket, &1);
    nodes.run();
    assert_eq!([nodes.result(0), nodes.result(0)], [(1, 1), (2, 2)]);
    let closed = |event| matches!(event, Some(NodeEvent::Closed { reason, .. }) if reason == CloseReason::Local);
    assert!(closed(nodes.events[1].pop_front()));
    assert!(matches!(nodes.events[1].pop_front(), Some(NodeEvent::Stopped)));
    assert!(matches!(nodes.events[0].pop_front(), Some(NodeEvent::Closed { .. })));
    nodes.assert_quiet();
    assert_eq!(nodes.nodes.each_ref().map(|node| node.connections()), [0, 0]);
}

#[test]
fn a_second_shutdown_may_be_in_more_of_a_hurry() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let target = (&nodes.connect("0")).into();
    nodes.call(0, &target, "hold", (1,), 1);
    let (ticket, _) = nodes.later(1);
    nodes.nodes[1].shutdown(nodes.now, Close::AfterAnswers { within: ms(10_000) });
    nodes.run();
    nodes.assert_quiet();
    nodes.nodes[1].shutdown(nodes.now, Close::Now);
    nodes.run();
    assert!(matches!(nodes.events[1].pop_front(), Some(NodeEvent::Closed { .. })));
    assert!(matches!(nodes.events[1].pop_front(), Some(NodeEvent::Stopped)));
    assert!(matches!(nodes.answer(0), (1, Err(_))));
    // Too late.
    nodes.nodes[1].reply(nodes.now, ticket, &1);
    nodes.run();
    assert!(nodes.events[1].is_empty());
}

#[test]
fn a_peer_that_goes_away_does_not_hold_the_agent() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let target = (&nodes.connect("0")).into();
    nodes.call(0, &target, "hold_alone", (1,), 1);
    nodes.call(0, &target, "set", (2,), 2);
    let conn = nodes.conns[0].unwrap();
    nodes.nodes[0].close(nodes.now, conn, Close::Now);
    nodes.run();
    assert!(matches!(nodes.answer(0), (1, Err(_))));
    assert!(matches!(nodes.answer(0), (2, Err(_))));
    // The exclusive call still runs.
    nodes.call(1, &local("agents/0"), "set", (3,), 3);
    assert_eq!(nodes.reply_held(1), 1);
    let answered = nodes.events[1].iter().any(|e| matches!(e, NodeEvent::Answer { ctx: 3, .. }));
    assert!(answered, "{:?}", nodes.events);
}
