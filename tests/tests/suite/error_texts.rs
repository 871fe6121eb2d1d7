//! Texts of errors: each error is typed, and prints as one helpful line.

use std::time::Duration;

use aiomas::Proxy;
use aiomas::{Error, agent};
use aiomas_core::agent::{AgentUrl, ConnectError, ContainerError};
use aiomas_core::connection::{
    CallRejected, Close, CloseReason, Limits, NotAdmitted, TimeoutReason, TlsError,
};
use aiomas_core::wire::{CodecError, RemoteError};
use aiomas_tests::runtimes::on_tokio;
use aiomas_tokio::{channel, container, rpc};

struct Teller;

#[agent]
impl Teller {
    #[expose]
    fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    #[expose]
    fn parse(&self, text: String) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    fn hidden(&self) {}
}

/// Fails unless `result` is an error with this text, in one line.
#[track_caller]
fn says<T: std::fmt::Debug>(result: Result<T, Error>, text: &str) -> Error {
    let error = result.expect_err("an error");
    assert_eq!(error.to_string(), text);
    // The output of `main` and `unwrap`.
    assert_eq!(format!("{error:?}"), text);
    assert!(!text.contains('\n'));
    error
}

#[test]
fn of_the_callee() {
    Teller.hidden();
    on_tokio(async {
        let container = container::bind("tcp://127.0.0.1:0").await.unwrap();
        let teller = container.spawn(Teller).unwrap();
        let other = container::bind("tcp://127.0.0.1:0").await.unwrap();
        let remote: TellerProxy = other.connect(teller.url()).await.unwrap();
        // The same over a connection and within the container.
        for remote in [Proxy::from(remote), teller.proxy().into()] {
            let call = |name| remote.call(name).send::<i64>();
            let error = says(
                call("nothing").await,
                "LookupError: Name \"nothing\" not found in \"agents/0\"",
            );
            assert!(error.remote().is_some());
            says(call("hidden").await, "LookupError: \"Teller.hidden\" is not exposed");
            says(
                call("add").await,
                "TypeError: add() missing 2 required positional arguments: 'a' and 'b'",
            );
            says(
                remote.call("add").arg(1).arg(2).arg(3).send::<i64>().await,
                "TypeError: add() takes 2 positional arguments but 3 were given",
            );
            says(
                remote.call("add").arg(1).kwarg("c", 2).send::<i64>().await,
                "TypeError: add() got an unexpected keyword argument 'c'",
            );
            says(
                remote.call("add").arg(1).kwarg("a", 2).send::<i64>().await,
                "TypeError: add() got multiple values for argument 'a'",
            );
            let error = remote.call("add").arg("one").arg(2).send::<i64>().await.unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("TypeError: add(): argument 'a': invalid type: string"),
                "{text}"
            );
            says(
                remote.call("parse").arg("x").send::<i64>().await,
                "ParseIntError: invalid digit found in string",
            );
            let wrong = remote.call("add").arg(1).arg(2).send::<String>().await.unwrap_err();
            assert!(matches!(wrong, Error::Answer(_)));
            let text = wrong.to_string();
            assert!(
                text.starts_with("the answer is not what was asked for: invalid type"),
                "{text}"
            );
        }
    });
}

#[test]
fn of_the_way() {
    on_tokio(async {
        let home = container::bind("tcp://127.0.0.1:0").await.unwrap();
        let address = home.address().clone();
        let container = container::bind("tcp://127.0.0.1:0").await.unwrap();
        let connect = |url: String| container.connect::<Proxy>(url);
        let error = says(
            connect(format!("{address}/7")).await,
            &format!("Agent \"7\" does not exist in Container('{address}')"),
        );
        assert!(matches!(error, Error::Connect(ConnectError::NoSuchAgent { .. })));
        says(
            container::bind(&address).await.map(drop),
            &format!(
                "cannot listen at {address}: Address already in use (os error 98); \
                 stop the listener there, or take port 0 for a free one"
            ),
        );
        home.shutdown().await.unwrap();
        // A container without connections.
        let other = container::bind("tcp://127.0.0.1:0").await.unwrap();
        says(
            other.connect::<Proxy>(format!("{address}/0")).await,
            &format!(
                "no listener at {address} (connection refused, 1 attempt); \
                 start the peer or give connect() more patience"
            ),
        );
        says(
            rpc::connect(&address).await.map(drop),
            &format!(
                "cannot connect to {address}: no listener there \
                 (Connection refused (os error 111)); start the peer first"
            ),
        );
        says(
            channel::connect("local://missing").await.map(drop),
            "cannot connect to local://missing: no listener there (no such name in this process); \
             start the peer first",
        );
        says(
            connect("local://missing/0".into()).await,
            "no listener at local://missing (no such name in this process, 1 attempt); \
             start the peer or give connect() more patience",
        );
        let _taken = channel::listen("local://taken").await.unwrap();
        says(
            container::bind("local://taken").await.map(drop),
            "cannot listen at local://taken: the name is taken; \
             stop the listener there, or take another name",
        );
        says(
            connect("tcp://127.0.0.1/0".into()).await,
            "cannot parse \"tcp://127.0.0.1/0\": no port (at byte 6)",
        );
        says(
            connect("tcp://127.0.0.1:80".into()).await,
            "cannot parse \"tcp://127.0.0.1:80\": the number of the agent is missing, \
             as in tcp://host:5555/0 (at byte 18)",
        );
        says(
            container::bind("127.0.0.1:80").await.map(drop),
            "cannot parse \"127.0.0.1:80\": no \"tcp://\", \"ipc://\" or \"local://\"; an agent's URL looks like \
             tcp://host:5555/0, a container's address like tcp://host:5555 (at byte 0)",
        );
        container.shutdown().await.unwrap();
        let error = says(container.spawn(Teller).map(drop), "the container is shut down");
        assert_eq!(error, Error::Container(ContainerError::ShutDown));
    });
}

#[test]
fn of_the_connection() {
    on_tokio(async {
        let mut listener = channel::listen("tcp://127.0.0.1:0").await.unwrap();
        let client = channel::connect(listener.address()).await.unwrap();
        let peer = listener.accept().await.unwrap();
        let after = Duration::from_millis(1);
        says::<()>(
            Err(Error::TimedOut { after, sent: true }),
            "no answer within 1ms (`with_timeout`)",
        );
        says::<()>(
            Err(Error::TimedOut { after, sent: false }),
            "the request could not be sent within 1ms (`with_timeout`)",
        );
        let call = client.send::<()>("hello");
        let request = peer.recv().await.unwrap();
        let wrong = says(
            request.content::<u8>(),
            "the content is not what was asked for: invalid type: string \"hello\", expected u8 \
             (before byte 7)",
        );
        assert!(matches!(wrong, Error::Content(_)));
        peer.close_with(Close::Now);
        let error =
            says(call.await, "the connection was lost before the answer came: closed by the peer");
        assert_eq!(error, Error::Lost(CloseReason::Peer));
        client.closed().await;
        let error = says(
            client.send::<()>("hello").await,
            "the call was not made: the connection is closed",
        );
        assert_eq!(error, Error::Refused(CallRejected::Closed));
    });
}

/// Counts of a listener, time limits of a peer, and limits of a container.
#[test]
fn of_refusals() {
    let after = Duration::from_secs(10);
    let timed_out = |reason| Error::Lost(CloseReason::TimedOut(reason));
    let lost = "the connection was lost before the answer came: ";
    for (error, text, setting) in [
        (
            timed_out(TimeoutReason::Frame { received: 3, after }),
            "the peer sent 3 bytes of a frame, and not the rest, within 10s (`Limits::progress`)",
            "Limits::progress",
        ),
        (
            timed_out(TimeoutReason::FirstFrame { after }),
            "the peer sent no whole frame within 10s of connecting (`Limits::first_frame`)",
            "Limits::first_frame",
        ),
        (
            timed_out(TimeoutReason::Idle { after }),
            "nothing was called for 10s (`Limits::idle`)",
            "Limits::idle",
        ),
        (
            timed_out(TimeoutReason::Handshake { after }),
            "the peer did not answer Hello within 10s (`Limits::handshake`)",
            "Limits::handshake",
        ),
        (
            timed_out(TimeoutReason::Heartbeat { after }),
            "the peer did not answer a heartbeat within 10s (`Limits::keep_alive`): its process stands still, or one of its \
             methods blocks it",
            "Limits::keep_alive",
        ),
        (
            Error::Lost(CloseReason::Tls(TlsError::TimedOut { after })),
            "no TLS handshake within 10s (`Limits::handshake`)",
            "Limits::handshake",
        ),
        (
            timed_out(TimeoutReason::Output { waiting: 12, after }),
            "the peer has taken nothing within 10s of 12 bytes that wait to be written (`Limits::send_timeout`)",
            "Limits::send_timeout",
        ),
        (
            ContainerError::from(NotAdmitted::TooMany { limit: 10 }).into(),
            "10 connections are open on this listener already (`Limits::max_connections`)",
            "Limits::max_connections",
        ),
        (
            ContainerError::from(NotAdmitted::TooManyFromPeer { limit: 10 }).into(),
            "10 connections from the same address are open already \
             (`Limits::max_connections_per_peer`)",
            "Limits::max_connections_per_peer",
        ),
        (
            ContainerError::TooManyAgents { limit: 10 }.into(),
            "the container has 10 agents already (`ContainerConfig::max_agents`)",
            "ContainerConfig::max_agents",
        ),
        (
            ContainerError::TooManyDialled { limit: 10 }.into(),
            "10 connections have been opened already (`ContainerConfig::max_dialled`)",
            "ContainerConfig::max_dialled",
        ),
        (
            ContainerError::TooManyWaiters { limit: 10 }.into(),
            "10 calls of connect() are under way already (`ContainerConfig::max_waiters`)",
            "ContainerConfig::max_waiters",
        ),
    ] {
        assert_eq!(error.exceeded().map(|exceeded| exceeded.setting), Some(setting), "{error}");
        let prefix = if matches!(error, Error::Lost(_)) { lost } else { "" };
        says::<()>(Err(error), &format!("{prefix}{text}"));
    }
    let exceeded = ContainerError::TooManyAgents { limit: 10 }.exceeded().expect("a limit");
    assert_eq!(exceeded.to_string(), "ContainerConfig::max_agents is 10, 11 was to go out");
}

/// A peer's text is always one line on the terminal.
#[test]
fn of_hostile_peers() {
    let trick = "\x1b[2J\x1b[31mroot#\r\n\u{202e}";
    let shown = r"\u{1b}[2J\u{1b}[31mroot#\r\n\u{202e}";
    let url: AgentUrl = format!("ipc://[{trick}]/{trick}").parse().expect("a url");
    let reason = std::sync::Arc::<str>::from(trick);
    let printed = format!("ipc://[{shown}]/{shown}");
    let address = url.address().clone();
    for (error, text) in [
        (Error::Remote(RemoteError::new("E", trick)), format!("E: {shown}")),
        (Error::Content(CodecError::Value(trick.into())), shown.to_owned()),
        (
            ConnectError::NoSuchAgent { url: url.clone() }.into(),
            format!("Agent \"{shown}\" does not exist in Container('ipc://[{shown}]')"),
        ),
        (
            ConnectError::NotValidated { url, reason: reason.clone() }.into(),
            format!("cannot ask for {printed}: {shown}"),
        ),
        (
            ConnectError::Lost { address: address.clone(), reason }.into(),
            format!("lost the connection to ipc://[{shown}] while asking for an agent: {shown}"),
        ),
        (
            Error::NoTarget { path: trick.into(), why: "it is one of our own" },
            format!("\"{shown}\" is no service that can be called from here: it is one of our own"),
        ),
        (
            AgentUrl::try_from(trick).expect_err("no url").into(),
            format!(
                "cannot parse \"{shown}\": no \"tcp://\", \"ipc://\" or \"local://\"; an agent's URL looks like \
                 tcp://host:5555/0, a container's address like tcp://host:5555 (at byte 0)"
            ),
        ),
    ] {
        assert!(error.to_string().ends_with(&text), "{error}");
        assert!(!error.to_string().chars().any(|c| c.is_control() || c == '\u{202e}'), "{error}");
    }
}

#[test]
fn of_limits() {
    on_tokio(async {
        let mut limits = Limits::default();
        limits.max_frame = 100;
        let mut listener = channel::listen("local://limits").await.unwrap();
        let client = channel::builder().limits(limits).connect("local://limits").await.unwrap();
        let peer = listener.accept().await.unwrap();
        says(
            client.send::<()>(&"x".repeat(100)).await,
            "the call was not made: the message has 110 bytes; a frame may have 100 \
             (`Limits::max_frame`, or what the peer allows)",
        );
        // Input beyond the limit ends the connection, with the reason.
        let call = peer.send::<()>(&"x".repeat(200));
        assert_eq!(
            client.closed().await.to_string(),
            "the peer announced a frame of 210 bytes; `Limits::max_frame` is 100",
        );
        says(call.await, "the connection was lost before the answer came: closed by the peer");
        let bytes = serde_json::json!({"a": [1, {"b": null}]});
        let peer_error = peer.send::<()>(&bytes).await.unwrap_err();
        assert_eq!(peer_error, Error::Refused(CallRejected::Closed));
    });
}

#[test]
fn the_structure_is_behind_the_text() {
    let url = AgentUrl::try_from("tcp://192.0.2.2:5555").map_err(Error::from);
    let text = "cannot parse \"tcp://192.0.2.2:5555\": the number of the agent is missing, as in tcp://host:5555/0 \
                (at byte 20)";
    let error = says(url, text);
    let structure = format!("{error:#?}");
    assert!(structure.starts_with("Url(\n    Invalid {\n"), "{structure}");
    assert!(structure.contains("reason: NoAid"), "{structure}");

    let error = aiomas_mosaik::Error::Connection(error);
    assert_eq!(format!("{error:?}"), text);
    assert!(format!("{error:#?}").starts_with("Connection(\n    Url(\n"), "{error:#?}");

    let error = aiomas_subproc::Error::Late { child: 1, within: Duration::from_secs(2) };
    assert_eq!(format!("{error:?}"), error.to_string());
    assert!(format!("{error:#?}").starts_with("Late {\n    child: 1,\n"), "{error:#?}");
}
