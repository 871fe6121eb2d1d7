//! The node, seen from its host.

use std::convert::Infallible;
use std::io;
use std::time::Instant;

use bytes::{Buf, Bytes};

use super::*;
use crate::connection::CallOptions;
use crate::rpc::{Access, Arguments, Caller, Outcome};
use crate::wire::Codec;

type TestNode = Node<&'static str, Infallible>;

#[expect(clippy::disallowed_methods, reason = "tests have to start somewhere")]
fn node() -> (TestNode, Instant) {
    let (now, base) = (Instant::now(), "tcp://127.0.0.1:1".parse().unwrap());
    (Node::new(NodeConfig::default(), base, Serve::Agents, 0, now), now)
}

fn url() -> AgentUrl {
    "tcp://127.0.0.1:2/0".parse().unwrap()
}

#[track_caller]
fn dial(node: &mut TestNode) -> DialId {
    match node.poll_action() {
        Some(NodeAction::Dial { id, .. }) => id,
        other => panic!("no dial: {other:?}"),
    }
}

/// Returns the next bytes to write.
#[track_caller]
fn written(node: &mut TestNode) -> Bytes {
    match node.poll_action() {
        Some(NodeAction::Write { mut transmit, .. }) => {
            transmit.copy_to_bytes(transmit.remaining())
        }
        other => panic!("nothing to write: {other:?}"),
    }
}

#[test]
fn a_stream_of_the_host_is_a_dialled_one_without_an_agent() {
    let (mut node, now) = node();
    let conn = node.handle_opened(now).unwrap();
    let root = Target::new(super::super::Route::Connection(conn), "");
    node.call(now, &root, "add", &(1,), &(), CallOptions::default(), "add").unwrap();
    assert_eq!(&written(&mut node)[4..], br#"[0, 0, ["add", [1], {}]]"#);

    node.shutdown(now, Close::Now);
    assert!(node.handle_opened(now).is_err());
    let events = std::iter::from_fn(|| node.poll_event()).collect::<Vec<_>>();
    assert!(matches!(
        events[..],
        [NodeEvent::Answer { ctx: "add", .. }, NodeEvent::Closed { .. }, NodeEvent::Stopped]
    ));
}

#[test]
fn streams_that_are_opened_from_now_on_speak_another_codec() {
    let (mut node, now) = node();
    let before = node.handle_opened(now).unwrap();
    node.connect(now, url(), RetryLimit::Once, "x");
    let dial = dial(&mut node);
    node.set_negotiate(Negotiate::Fixed(Codec::MsgPack));
    node.handle_dialled(now, dial, Ok(()));
    assert_eq!(written(&mut node)[4], 0x93);
    node.send(now, before, &1, CallOptions::default(), "y").unwrap();
    assert_eq!(&written(&mut node)[4..], b"[0, 0, 1]");
}

/// A host that waits after the failure would wait in vain.
#[test]
fn an_attempt_that_fails_at_once_leaves_an_event() {
    let (mut node, now) = node();
    node.connect(now, url(), RetryLimit::Once, "x");
    let dial = dial(&mut node);
    assert!(!node.has_events());
    node.handle_dialled(now, dial, Err(io::ErrorKind::NotFound.into()));
    assert!(node.has_events());
    assert_eq!(node.poll_timeout(), None);
    assert!(matches!(node.poll_event(), Some(NodeEvent::ConnectFailed { ctx: "x", .. })));
    assert!(!node.has_events());
}

/// An agent whose only method is exclusive and never answers by itself.
struct Slow;

impl Service<()> for Slow {
    fn type_name(&self) -> &str {
        "Slow"
    }

    fn access(&self, _: &str) -> Option<Access> {
        Some(Access::Exclusive)
    }

    fn call(&self, _: &str, _: &Arguments<'_>, _: &Caller) -> Outcome<()> {
        Outcome::Later(())
    }
}

#[test]
fn calls_that_wait_for_an_agent_fail_when_it_is_removed() {
    let (_, now) = node();
    let base: Address = "tcp://127.0.0.1:1".parse().unwrap();
    let mut node: Node<&str, ()> = Node::new(NodeConfig::default(), base, Serve::Agents, 0, now);
    let url = node.spawn(Slow).unwrap();
    node.connect(now, url, RetryLimit::Once, "connect");
    let Some(NodeEvent::Connected { remote, .. }) = node.poll_event() else { panic!("no agent") };
    let target = Target::from(&remote);
    for ctx in ["started", "waiting"] {
        node.call(now, &target, "work", &(), &(), CallOptions::default(), ctx).unwrap();
    }
    let Some(NodeEvent::Later { ticket, .. }) = node.poll_event() else { panic!("not started") };
    assert!(node.poll_event().is_none());

    assert!(node.remove("0"));
    assert!(!node.remove("0"));
    match node.poll_event() {
        Some(NodeEvent::Answer { ctx: "waiting", result: Err(CallError::Remote(error)) }) => {
            assert_eq!(error.to_string(), "LookupError: Name \"0\" not found in \"agents\"");
        }
        other => panic!("{other:?}"),
    }
    node.reply(now, ticket, &42);
    match node.poll_event() {
        Some(NodeEvent::Answer { ctx: "started", result: Ok(payload) }) => {
            assert_eq!(payload.decode(), Ok(42));
        }
        other => panic!("{other:?}"),
    }
    assert!(node.poll_event().is_none());
}
