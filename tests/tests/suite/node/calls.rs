//! The host's calls to its own agents and to remote ones, through the same interface.

use aiomas_core::agent::{
    AgentUrl, ConnectError, Node, NodeConfig, NodeEvent, RetryLimit, Route, Serve, Target,
};
use aiomas_core::clock::Date;
use aiomas_core::connection::{CallError, CallOptions, CallRejected, Close};
use aiomas_core::rpc::{RemoteRef, ServiceDict, ServiceRef};
use aiomas_core::wire::RemoteError;
use aiomas_tests::world::Later;

use super::{Nodes, local, ms};

#[test]
fn local_calls_take_no_connection_but_are_by_value() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 0);
    let dict = ServiceDict::<Later>::new("Dict")
        .function("path", ["service"], |service: RemoteRef| service.path().to_owned())
        .function("next", ["date"], |date: Date| date)
        .function("own", [], || ServiceRef::new("agents/0"))
        .function("swap", ["a", "b"], |a: i64, b: Option<String>| (b, a));
    nodes.nodes[0].spawn(dict).unwrap();
    let agent = local("agents/0");
    nodes.call(0, &agent, "path", (ServiceRef::new("agents/7"),), 1);
    assert_eq!(nodes.result(0), (1, String::from("agents/7")));
    let date: Date = "2024-02-29T12:00:00Z".parse().unwrap();
    nodes.call(0, &agent, "next", (&date,), 2);
    assert_eq!(nodes.result(0), (2, date));
    nodes.call(0, &agent, "own", (), 3);
    assert_eq!(nodes.result::<RemoteRef>(0).1.path(), "agents/0");
    nodes.call(0, &agent, "swap", (1, "x"), 4);
    assert_eq!(nodes.result(0), (4, (Some(String::from("x")), 1)));
    nodes.call(0, &agent, "swap", ("x", 1), 5);
    assert_eq!(nodes.failure(0).1.kind(), "TypeError");
    assert_eq!(nodes.nodes[0].connections(), 0);
    nodes.assert_quiet();
}

#[test]
fn a_value_that_cannot_be_encoded_is_refused() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let stranger: RemoteRef = {
        nodes.call(0, &local("agents/0"), "back", (1, ServiceRef::new("agents/0")), 1);
        match nodes.later(0) {
            (ticket, Later::Back { reference, .. }) => {
                nodes.nodes[0].reply(nodes.now, ticket, &1);
                reference
            }
            other => panic!("{other:?}"),
        }
    };
    let (now, options) = (nodes.now, CallOptions::default());
    let refused =
        nodes.nodes[0].call(now, &local("agents/0"), "echo", &(stranger,), &(), options, 2);
    let refused = refused.unwrap_err();
    assert!(matches!((refused.why, refused.ctx), (CallRejected::Codec(_), 2)));
    assert_eq!(nodes.nodes[0].calls(), 0);
}

#[test]
fn local_calls_end_in_time() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let options = CallOptions::timeout(ms(50));
    let (now, agent) = (nodes.now, local("agents/0"));
    nodes.nodes[0].call(now, &agent, "hold_alone", &(1,), &(), options, 1).unwrap();
    nodes.nodes[0].call(now, &agent, "set", &(2,), &(), options, 2).unwrap();
    assert_eq!(nodes.nodes[0].poll_timeout(), Some(now + ms(50)));
    nodes.nodes[0].handle_timeout(now + ms(49));
    nodes.run();
    let (ticket, _) = nodes.later(0);
    nodes.assert_quiet();
    nodes.now += ms(50);
    nodes.nodes[0].handle_timeout(nodes.now);
    nodes.run();
    for ctx in [1, 2] {
        let expected = CallError::TimedOut { after: ms(50), sent: true };
        let (ended, result) = nodes.answer(0);
        assert_eq!((ended, result.unwrap_err()), (ctx, expected));
    }
    assert_eq!((nodes.nodes[0].poll_timeout(), nodes.nodes[0].calls()), (None, 0));
    // The answer is too late for its caller, but it frees the agent.
    nodes.nodes[0].reply(nodes.now, ticket, &1);
    nodes.call(0, &agent, "set", (3,), 3);
    assert_eq!(nodes.result(0), (3, 3));
    nodes.assert_quiet();
}

#[test]
fn calls_can_be_cancelled() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let remote = nodes.connect("0");
    for (target, side) in [(local("agents/0"), 0), (Target::from(&remote), 1)] {
        let (now, options) = (nodes.now, CallOptions::default());
        let call = nodes.nodes[0].call(now, &target, "hold", &(1,), &(), options, 1).unwrap();
        nodes.run();
        assert_eq!(nodes.nodes[0].cancel(nodes.now, call), Some(1));
        assert_eq!(nodes.nodes[0].cancel(nodes.now, call), None);
        assert_eq!(nodes.reply_held(side), 1);
        nodes.assert_quiet();
        assert_eq!(nodes.nodes[0].calls(), 0);
    }
}

#[test]
fn references_go_both_ways_over_one_connection() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 2);
    let target = (&nodes.connect("1")).into();
    nodes.call(0, &target, "back", (7, ServiceRef::new("agents/0")), 1);
    let (ticket, later) = nodes.later(1);
    let Later::Back { reference, value } = later else { panic!("{later:?}") };
    assert_eq!(ticket.route(), Route::Connection(nodes.conns[1].unwrap()));
    let back = Target::reference(ticket.route(), &reference);
    // The reverse direction, during the first call, and once more from there.
    nodes.call(1, &back, "back", (8, ServiceRef::new("agents/1")), 2);
    let (inner, later) = nodes.later(0);
    let Later::Back { reference, .. } = later else { panic!("{later:?}") };
    let forth = Target::reference(inner.route(), &reference);
    nodes.call(0, &forth, "echo", (9,), 3);
    assert_eq!(nodes.result(0), (3, 9));
    nodes.nodes[0].reply(nodes.now, inner, &8);
    nodes.run();
    assert_eq!(nodes.result(1), (2, 8));
    nodes.nodes[1].reply(nodes.now, ticket, &value);
    nodes.run();
    assert_eq!(nodes.result(0), (1, 7));
    assert_eq!(nodes.nodes.each_ref().map(|node| node.connections()), [1, 1]);
    nodes.assert_quiet();
}

#[test]
fn the_id_of_a_closed_connection_is_not_reused() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let old = nodes.connect("0");
    nodes.call(0, &(&old).into(), "hold", (1,), 1);
    let (ticket, _) = nodes.later(1);
    let conns = nodes.conns.map(|conn| conn.unwrap());
    nodes.nodes[0].close(nodes.now, conns[0], Close::Now);
    nodes.nodes[1].handle_lost(nodes.now, conns[1], std::io::ErrorKind::ConnectionReset);
    nodes.run();
    assert!(matches!(nodes.answer(0), (1, Err(CallError::Lost(_)))));
    nodes.events.iter_mut().for_each(|events| events.clear());

    let new = nodes.connect("0");
    assert_ne!(new.route, old.route);
    assert_ne!(nodes.conns, conns.map(Some));
    let (now, options) = (nodes.now, CallOptions::default());
    let refused = nodes.nodes[0].call(now, &(&old).into(), "echo", &(2,), &(), options, 2);
    assert_eq!(refused.unwrap_err().why, CallRejected::Closed);
    let call = nodes.nodes[0].call(now, &(&new).into(), "hold", &(3,), &(), options, 3).unwrap();
    nodes.run();
    // Neither an answer to a request of the old connection, nor an event of it.
    nodes.nodes[1].reply(now, ticket, &"wrong");
    for (node, conn) in nodes.nodes.iter_mut().zip(conns) {
        node.handle_input(now, conn, &mut b"\0\0\0\x09[1, 0, 9]"[..].into());
        node.handle_eof(now, conn, 3);
        node.handle_lost(now, conn, std::io::ErrorKind::BrokenPipe);
        node.handle_transmitted(now, conn, 1000);
        node.close(now, conn, Close::Now);
        assert!(!node.wants_read(conn));
    }
    nodes.run();
    assert_eq!(nodes.reply_held(1), 3);
    assert_eq!(nodes.result(0), (3, 3));
    assert_eq!(nodes.nodes[0].cancel(nodes.now, call), None);
    nodes.assert_quiet();
}

/// The peer has closed its side, but we still owe it an answer. The connection cannot carry new
/// calls.
#[test]
fn a_connection_that_is_closing_is_not_connected_through() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let old = nodes.connect("0");
    // The second node calls back, and ends its stream without waiting for the answer.
    let back = Target::new(Route::Connection(nodes.conns[1].unwrap()), "agents/0");
    nodes.call(1, &back, "hold", (1,), 1);
    let (ticket, _) = nodes.later(0);
    let dialled = nodes.conns[0].unwrap();
    nodes.nodes[0].handle_eof(nodes.now, dialled, 0);
    let new = nodes.connect("0");
    assert_ne!(new.route, old.route);
    nodes.call(0, &(&new).into(), "echo", (2,), 2);
    assert_eq!(nodes.result(0), (2, 2));
    // It counts until it is closed.
    nodes.nodes[0].shutdown(nodes.now, Close::AfterAnswers { within: ms(100) });
    while let Some(event) = nodes.nodes[0].poll_event() {
        assert!(!matches!(event, NodeEvent::Stopped), "a connection is left");
    }
    nodes.nodes[0].reply(nodes.now, ticket, &1);
    nodes.now += ms(100);
    nodes.nodes[0].handle_timeout(nodes.now);
    let events = std::iter::from_fn(|| nodes.nodes[0].poll_event());
    assert_eq!(events.filter(|event| matches!(event, NodeEvent::Stopped)).count(), 1);
    assert_eq!(nodes.nodes[0].connections(), 0);
}

#[test]
fn own_agents_are_connected_to_without_a_stream() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    for (aid, there) in [("0", true), ("1", false)] {
        let url = AgentUrl::new("local://a".parse().unwrap(), aid);
        nodes.nodes[0].connect(nodes.now, url.clone(), RetryLimit::Forever, 1);
        match nodes.nodes[0].poll_event() {
            Some(NodeEvent::Connected { ctx: 1, remote }) if there => {
                assert_eq!((remote.route, remote.url), (Route::Local, url));
            }
            Some(NodeEvent::ConnectFailed { ctx: 1, error }) if !there => {
                assert_eq!(error, ConnectError::NoSuchAgent { url });
            }
            other => panic!("{other:?}"),
        }
        assert!(nodes.nodes[0].poll_action().is_none());
    }
}

/// Lookups at a mute peer must not pile up after their callers have gone.
#[test]
fn lookups_end_with_their_callers() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let address = "local://b".parse().unwrap();
    nodes.nodes[1] = Node::new(NodeConfig::default(), address, Serve::Content, 0, nodes.now);
    for aid in ["0", "1"] {
        let url = AgentUrl::new("local://b".parse().unwrap(), aid);
        let once = nodes.nodes[0].connect(nodes.now, url.clone(), RetryLimit::Forever, 1);
        nodes.nodes[0].connect(nodes.now, url, RetryLimit::Within(ms(10)), 2);
        nodes.run();
        assert_eq!(nodes.nodes[0].calls(), 1);
        assert_eq!(nodes.nodes[0].cancel_connect(once), Some(1));
        assert_eq!(nodes.nodes[0].calls(), 1);
        nodes.now += ms(10);
        nodes.nodes[0].handle_timeout(nodes.now);
        nodes.run();
        let failed = nodes.events[0].pop_front();
        assert!(matches!(failed, Some(NodeEvent::ConnectFailed { ctx: 2, .. })), "{failed:?}");
        assert_eq!(nodes.nodes[0].calls(), 0);
    }
}

#[test]
fn content_is_left_to_the_host() {
    let mut nodes = Nodes::new(&NodeConfig::default(), 1);
    let address = "local://b".parse().unwrap();
    nodes.nodes[1] = Node::new(NodeConfig::default(), address, Serve::Content, 0, nodes.now);
    let url = AgentUrl::new("local://b".parse().unwrap(), "0");
    nodes.nodes[0].connect(nodes.now, url, RetryLimit::Once, 1);
    nodes.run();
    let Some(NodeEvent::Request { ticket, content }) = nodes.events[1].pop_front() else {
        panic!("{:?}", nodes.events)
    };
    assert_eq!(content.bytes(), &br#"["validate_aid", ["0"], {}]"#[..]);
    nodes.nodes[1].fail(nodes.now, ticket, RemoteError::value_error("no agents"));
    nodes.run();
    let Some(NodeEvent::ConnectFailed { ctx: 1, error }) = nodes.events[0].pop_front() else {
        panic!("{:?}", nodes.events)
    };
    assert!(matches!(error, ConnectError::NotValidated { .. }), "{error}");
    let (conn, now) = (nodes.conns[0].unwrap(), nodes.now);
    nodes.nodes[0].send(now, conn, &"ping", CallOptions::default(), 2).unwrap();
    nodes.run();
    let Some(NodeEvent::Request { ticket, content }) = nodes.events[1].pop_front() else {
        panic!("{:?}", nodes.events)
    };
    assert_eq!(content.decode(), Ok("ping"));
    nodes.nodes[1].reply(now, ticket, &"pong");
    nodes.run();
    assert_eq!(nodes.result(0), (2, String::from("pong")));
    nodes.assert_quiet();
}
