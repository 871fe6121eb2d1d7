//! The container, seen from its host.

mod random;

use std::io;
use std::time::{Duration, Instant};

use super::*;

const TCP: &str = "tcp://127.0.0.1:5555";
const A: ConnId = ConnId(10);
const B: ConnId = ConnId(11);

/// An arbitrary instant, the base of all others.
#[expect(clippy::disallowed_methods, reason = "tests have to start somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn url(aid: &str) -> AgentUrl {
    AgentUrl::new(TCP.parse().unwrap(), aid)
}

fn refused() -> DialError {
    io::ErrorKind::ConnectionRefused.into()
}

fn unreachable(attempts: u32, last: DialError) -> ConnectError {
    ConnectError::Unreachable { address: TCP.parse().unwrap(), attempts, last }
}

type TestContainer = Container<&'static str>;

fn container(config: ContainerConfig) -> TestContainer {
    Container::new(config, "tcp://127.0.0.1:1".parse().unwrap(), 0)
}

/// Returns the only action, a dial.
#[track_caller]
fn dial(container: &mut TestContainer) -> DialId {
    match container.poll_action() {
        Some(Action::Dial { id, address }) if address.to_string() == TCP => {
            assert_eq!(container.poll_action(), None);
            id
        }
        other => panic!("no dial: {other:?}"),
    }
}

/// Returns the only action, a question for this agent.
#[track_caller]
fn question(container: &mut TestContainer, on: ConnId, about: &str) -> ValidateTicket {
    match container.poll_action() {
        Some(Action::Validate { conn, aid, ticket }) if conn == on && &*aid == about => {
            assert_eq!(container.poll_action(), None);
            ticket
        }
        other => panic!("no question: {other:?}"),
    }
}

#[track_caller]
fn connected(container: &mut TestContainer, who: &str) -> Remote {
    match container.poll_event() {
        Some(ContainerEvent::Connected { ctx, remote, .. }) if ctx == who => remote,
        other => panic!("not connected: {other:?}"),
    }
}

#[track_caller]
fn failed(container: &mut TestContainer, who: &str) -> ConnectError {
    match container.poll_event() {
        Some(ContainerEvent::Failed { ctx, error, .. }) if ctx == who => error,
        other => panic!("not failed: {other:?}"),
    }
}

#[track_caller]
fn quiet(container: &mut TestContainer) {
    assert_eq!(container.poll_action(), None);
    assert_eq!(container.poll_event(), None);
}

#[test]
fn agents_of_one_container_share_its_connections() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Once, "one");
    let id = dial(&mut container);
    container.connect(now, url("0"), RetryLimit::Forever, "two");
    container.connect(now, url("0"), RetryLimit::Once, "three");
    quiet(&mut container);

    container.handle_dialled(now, id, Ok(A));
    let ticket = question(&mut container, A, "0");
    container.handle_validated(now, A, ticket, Ok(Some("TestAgent".into())));
    for who in ["one", "two", "three"] {
        let remote = connected(&mut container, who);
        assert_eq!((remote.route, &*remote.type_name), (Route::Connection(A), "TestAgent"));
    }
    container.connect(now, url("0"), RetryLimit::Once, "known");
    assert_eq!(connected(&mut container, "known").url, url("0"));
    container.connect(now, url("1"), RetryLimit::Once, "other");
    let ticket = question(&mut container, A, "1");
    container.handle_validated(now, A, ticket, Ok(None));
    assert_eq!(failed(&mut container, "other"), ConnectError::NoSuchAgent { url: url("1") });
    quiet(&mut container);
}

/// aiomas: the second `connect()` waits forever, for a dead address as for a missing agent.
#[test]
fn failures_are_not_remembered() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    for who in ["first", "second"] {
        container.connect(now, url("9"), RetryLimit::Once, who);
        let id = dial(&mut container);
        container.handle_dialled(now, id, Err(refused()));
        assert_eq!(failed(&mut container, who), unreachable(1, refused()));
    }
    container.connect(now, url("9"), RetryLimit::Once, "first");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    let ticket = question(&mut container, A, "9");
    container.connect(now, url("9"), RetryLimit::Forever, "second");
    container.handle_validated(now, A, ticket, Ok(None));
    assert_eq!(failed(&mut container, "first"), ConnectError::NoSuchAgent { url: url("9") });
    assert_eq!(failed(&mut container, "second"), ConnectError::NoSuchAgent { url: url("9") });
    container.connect(now, url("9"), RetryLimit::Once, "third");
    let ticket = question(&mut container, A, "9");
    container.handle_validated(now, A, ticket, Ok(Some("Late".into())));
    connected(&mut container, "third");
}

#[test]
fn patience_keeps_the_dial_going_as_in_aiomas() {
    let mut now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Once, "once");
    container.connect(now, url("0"), RetryLimit::Within(ms(2000)), "until");
    container.connect(now, url("0"), RetryLimit::Forever, "forever");
    let mut waits = Vec::new();
    for attempt in 1..=3 {
        let id = dial(&mut container);
        container.handle_dialled(now, id, Err(refused()));
        if attempt == 1 {
            assert_eq!(failed(&mut container, "once"), unreachable(1, refused()));
        }
        quiet(&mut container);
        let due = container.poll_timeout().unwrap();
        waits.push(due - now);
        now = due;
        container.handle_timeout(now);
    }
    // 500 + 750 + 1125 is more than 2000: that is when the limit of one waiter expires.
    assert_eq!(waits, [ms(500), ms(750), ms(750)]);
    assert_eq!(failed(&mut container, "until"), unreachable(3, refused()));
    quiet(&mut container);
    now = container.poll_timeout().unwrap();
    container.handle_timeout(now);
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    let ticket = question(&mut container, A, "0");
    container.handle_validated(now, A, ticket, Ok(Some("TestAgent".into())));
    connected(&mut container, "forever");
    assert_eq!(container.poll_timeout(), None);
}

/// The host may report a failure before it passes the time.
#[test]
fn a_failure_after_the_deadline_is_the_last() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Within(ms(100)), "until");
    let id = dial(&mut container);
    container.handle_dialled(now + ms(100), id, Err(refused()));
    assert_eq!(failed(&mut container, "until"), unreachable(1, refused()));
    assert_eq!(container.poll_timeout(), None);
}

#[test]
fn a_newcomer_gets_an_attempt() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Forever, "forever");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Err(refused()));
    container.connect(now, url("0"), RetryLimit::Within(ms(500)), "can wait");
    container.connect(now, url("0"), RetryLimit::Forever, "can wait, too");
    quiet(&mut container);
    container.connect(now, url("0"), RetryLimit::Within(ms(499)), "cannot wait");
    dial(&mut container);
    container.connect(now, url("0"), RetryLimit::Once, "joins");
    quiet(&mut container);
}

/// aiomas: such a connection stays in the cache, and `connect()` never reconnects.
#[test]
fn a_dead_connection_is_forgotten() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Once, "first");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    let ticket = question(&mut container, A, "0");
    container.handle_validated(now, A, ticket, Ok(Some("TestAgent".into())));
    connected(&mut container, "first");
    container.handle_closed(now, A, "reset by peer");
    quiet(&mut container);
    container.connect(now, url("0"), RetryLimit::Once, "second");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(B));
    question(&mut container, B, "0");
}

/// For example, the peer has closed its side and waits for an answer of ours.
#[test]
fn a_connection_that_is_closing_is_not_used_but_waited_for() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Once, "first");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    question(&mut container, A, "0");
    container.handle_closing(now, A, "closed by the peer");
    assert!(matches!(failed(&mut container, "first"), ConnectError::Lost { .. }));
    container.connect(now, url("0"), RetryLimit::Once, "second");
    dial(&mut container);
    container.shutdown(now);
    failed(&mut container, "second");
    assert!(matches!(container.poll_action(), Some(Action::CancelDial { .. })));
    assert_eq!(container.poll_action(), Some(Action::Close { conn: A }));
    quiet(&mut container);
    container.handle_closed(now, A, "closed by the peer");
    assert_eq!(container.poll_event(), Some(ContainerEvent::Stopped));
}

#[test]
fn losing_the_connection_before_the_answer_is_a_failed_attempt() {
    let mut now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Once, "once");
    container.connect(now, url("0"), RetryLimit::Forever, "forever");
    for wait in [500, 750, 1125] {
        let id = dial(&mut container);
        container.handle_dialled(now, id, Ok(A));
        let ticket = question(&mut container, A, "0");
        let lost = ValidateError::Lost("reset by peer".into());
        container.handle_validated(now, A, ticket, Err(lost));
        if wait == 500 {
            let error = failed(&mut container, "once");
            assert_eq!(
                error.to_string(),
                format!("lost the connection to {TCP} while asking for an agent: reset by peer")
            );
        }
        container.handle_closed(now, A, "reset by peer"); // a repeated report has no effect
        quiet(&mut container);
        assert_eq!(container.poll_timeout(), Some(now + ms(wait)));
        now += ms(wait);
        container.handle_timeout(now);
    }
}

#[test]
fn mute_peers_are_given_up() {
    let now = start();
    let config = ContainerConfig { max_known: 0, ..ContainerConfig::default() };
    let (dialling, asking) = (config.dial_timeout, config.validate_timeout);
    let mut container = container(config);
    container.connect(now, url("0"), RetryLimit::Once, "dialling");
    let first = dial(&mut container);
    container.handle_timeout(now + dialling);
    let text = format!("no connection within {dialling:?}, `ContainerConfig::dial_timeout`");
    let timed_out = io::Error::new(io::ErrorKind::TimedOut, text).into();
    assert_eq!(failed(&mut container, "dialling"), unreachable(1, timed_out));
    assert_eq!(container.poll_action(), Some(Action::CancelDial { id: first }));

    let now = now + dialling;
    container.connect(now, url("0"), RetryLimit::Once, "once");
    container.connect(now, url("0"), RetryLimit::Within(ms(10)), "until");
    let second = dial(&mut container);
    container.handle_dialled(now, first, Ok(B)); // too late
    assert_eq!(container.poll_action(), Some(Action::Close { conn: B }));
    container.handle_dialled(now, second, Ok(A));
    let ticket = question(&mut container, A, "0");
    for (who, at) in [("until", ms(10)), ("once", asking)] {
        assert_eq!(container.poll_timeout(), Some(now + at));
        container.handle_timeout(now + at);
        let error = ConnectError::TimedOut { url: url("0"), stage: Stage::Validating };
        assert_eq!(failed(&mut container, who), error);
    }
    assert_eq!(container.poll_action(), Some(Action::CancelValidate { conn: A, ticket }));
    container.handle_validated(now, A, ticket, Ok(Some("Late".into())));
    quiet(&mut container);
}

#[test]
fn abandoning_the_last_waiter_ends_the_attempt() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    let never = container.connect(now, url("0"), RetryLimit::Forever, "never dialled");
    assert_eq!(container.cancel(never), Some("never dialled"));
    quiet(&mut container);
    let one = container.connect(now, url("0"), RetryLimit::Forever, "one");
    let two = container.connect(now, url("0"), RetryLimit::Forever, "two");
    let id = dial(&mut container);
    assert_eq!(container.cancel(one), Some("one"));
    assert_eq!(container.cancel(one), None);
    quiet(&mut container);
    assert_eq!(container.cancel(two), Some("two"));
    assert_eq!(container.poll_action(), Some(Action::CancelDial { id }));
    assert_eq!(container.poll_timeout(), None);
}

#[test]
fn own_agents_need_no_socket() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.set_base(TCP.parse().unwrap());
    container.connect_here(url("0"), Some("TestAgent".into()), "local");
    let remote = connected(&mut container, "local");
    assert_eq!((remote.route, &*remote.type_name), (Route::Local, "TestAgent"));
    container.connect_here(url("0"), None, "gone");
    assert_eq!(failed(&mut container, "gone"), ConnectError::NoSuchAgent { url: url("0") });
    quiet(&mut container);
    container.shutdown(now);
    container.connect_here(url("0"), Some("TestAgent".into()), "late");
    assert_eq!(container.poll_event(), Some(ContainerEvent::Stopped));
    assert_eq!(failed(&mut container, "late"), ContainerError::ShutDown.into());
}

#[test]
fn limits_are_refusals() {
    let now = start();
    let mut container =
        container(ContainerConfig { max_waiters: 2, max_dialled: 1, ..ContainerConfig::default() });
    assert_eq!(container.handle_accepted(now, A), Ok(()));
    assert_eq!(container.handle_accepted(now, A), Ok(())); // the key is free again
    container.connect(now, url("0"), RetryLimit::Once, "one");
    dial(&mut container);
    container.connect(now, "local://q/0".parse().unwrap(), RetryLimit::Once, "elsewhere");
    let error = failed(&mut container, "elsewhere");
    assert_eq!(error, ContainerError::TooManyDialled { limit: 1 }.into());
    container.connect(now, url("1"), RetryLimit::Once, "two");
    container.connect(now, url("2"), RetryLimit::Once, "three");
    let error = failed(&mut container, "three");
    assert_eq!(error, ContainerError::TooManyWaiters { limit: 2 }.into());
    quiet(&mut container);
}

#[test]
fn a_peer_that_is_no_container_says_so() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Forever, "forever");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    let ticket = question(&mut container, A, "0");
    container.handle_validated(now, B, ticket, Ok(None)); // not on this connection
    quiet(&mut container);
    let reason = "LookupError: Name \"validate_aid\" not found in \"\"";
    container.handle_validated(now, A, ticket, Err(ValidateError::Failed(reason.into())));
    let error = failed(&mut container, "forever");
    assert_eq!(error, ConnectError::NotValidated { url: url("0"), reason: reason.into() });
}

#[test]
fn names_of_types_are_bounded() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Once, "one");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    let ticket = question(&mut container, A, "0");
    container.handle_validated(now, A, ticket, Ok(Some("ü".repeat(1 << 20))));
    assert_eq!(connected(&mut container, "one").type_name.chars().count(), 256);
}

#[test]
fn shutdown_answers_everyone_and_closes_everything() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.handle_accepted(now, A).unwrap();
    container.connect(now, url("0"), RetryLimit::Forever, "asking");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(B));
    container.connect(now, "local://q/0".parse().unwrap(), RetryLimit::Forever, "dialling");
    container.shutdown(now);
    container.shutdown(now);
    for who in ["asking", "dialling"] {
        assert_eq!(failed(&mut container, who), ContainerError::ShutDown.into());
    }
    // Questions that were not fetched yet are dropped.
    assert_eq!(container.poll_action(), Some(Action::Close { conn: A }));
    assert_eq!(container.poll_action(), Some(Action::Close { conn: B }));
    quiet(&mut container);
    container.handle_closed(now, A, "closed");
    quiet(&mut container);
    container.connect(now, url("0"), RetryLimit::Forever, "late");
    assert_eq!(failed(&mut container, "late"), ContainerError::ShutDown.into());
    assert_eq!(container.handle_accepted(now, ConnId(12)), Err(ContainerError::ShutDown));
    container.handle_closed(now, B, "closed");
    assert_eq!(container.poll_event(), Some(ContainerEvent::Stopped));
    quiet(&mut container);
    assert_eq!(container.poll_timeout(), None);
}

#[test]
fn an_answer_ends_the_row_of_failures() {
    let mut now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Forever, "first");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Err(refused()));
    now += ms(500);
    container.handle_timeout(now);
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    let ticket = question(&mut container, A, "0");
    container.handle_validated(now, A, ticket, Ok(None));
    failed(&mut container, "first");
    container.connect(now, url("1"), RetryLimit::Forever, "second");
    question(&mut container, A, "1");
    container.handle_closed(now, A, "reset by peer");
    assert_eq!(container.poll_timeout(), Some(now + ms(500)), "the first wait");
}

#[test]
fn time_does_not_go_back() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.handle_timeout(now + ms(1000));
    container.connect(now, url("0"), RetryLimit::Within(ms(10)), "late");
    assert_eq!(container.poll_timeout(), Some(now + ms(1010)));
    container.handle_timeout(now + ms(1010));
    failed(&mut container, "late");
}

#[test]
fn known_agents_are_bounded() {
    let now = start();
    let config = ContainerConfig { max_known: 2, ..ContainerConfig::default() };
    let mut container = container(config);
    container.connect(now, url("0"), RetryLimit::Once, "0");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    for aid in ["0", "1", "2"] {
        if aid != "0" {
            container.connect(now, url(aid), RetryLimit::Once, aid);
        }
        let ticket = question(&mut container, A, aid);
        container.handle_validated(now, A, ticket, Ok(Some("TestAgent".into())));
        connected(&mut container, aid);
    }
    container.connect(now, url("2"), RetryLimit::Once, "known");
    connected(&mut container, "known");
    container.connect(now, url("1"), RetryLimit::Once, "forgotten");
    question(&mut container, A, "1");
}

/// Its key may belong to another connection by then.
#[test]
fn nothing_is_asked_for_a_connection_that_is_closed() {
    let now = start();
    let mut container = container(ContainerConfig::default());
    container.connect(now, url("0"), RetryLimit::Once, "one");
    let id = dial(&mut container);
    container.handle_dialled(now, id, Ok(A));
    container.handle_accepted(now, B).unwrap();
    container.handle_closed(now, A, "reset by peer");
    failed(&mut container, "one");
    quiet(&mut container);
    container.shutdown(now);
    container.handle_closed(now, B, "closed by peer");
    assert_eq!(container.poll_event(), Some(ContainerEvent::Stopped));
    quiet(&mut container);
}
