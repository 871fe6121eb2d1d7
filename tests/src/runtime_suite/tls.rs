//! TLS on any runtime: success, and the errors of both sides.

use std::fmt::Debug;
use std::future::poll_fn;
use std::time::Duration;

use aiomas::channel::{self, Listener};
use aiomas::tls::rustls::SupportedProtocolVersion;
use aiomas::tls::rustls::version::{TLS12, TLS13};
use aiomas::tls::{Secure, TlsConfig};
use aiomas::{Context, Runtime, Transport, channel::Channel};
use aiomas::{Error, agent};
use aiomas_core::agent::Address;
use aiomas_core::connection::{CloseReason, Limits, TlsError};
use aiomas_core::rpc::{Caller, authorize};
use aiomas_core::wire::RemoteError;
use bytes::BytesMut;

use super::{Root, TCP, addresses, soon, start, until};
use crate::certificates::{Authority, Certificate, EXPIRED, KeyKind, NOT_YET, VALID};

/// Calls the macro `$with` with its arguments and the names of all cases.
#[macro_export]
macro_rules! for_each_tls_case {
    ($with:ident $arguments:tt) => {
        $with! {
            $arguments
            tls_channels
            tls_rpc
            tls_agents
            tls_authorised
            tls_keys_and_versions
            tls_large_messages_both_ways
            tls_sockets_without_hosts
            tls_refused_servers
            tls_refused_clients
            tls_and_plain_text
            tls_cut_off
            tls_slow_handshakes_delay_no_other
            tls_places_are_taken_before_the_handshake
            tls_certificates_are_renewed
            tls_files_are_read_again
            tls_authorities_are_renewed
        }
    };
}

const UNKNOWN: &str = "the peer's certificate is signed by no authority that is trusted here; add the one that has \
                       signed it, or have it signed by one of these";
const UNKNOWN_THERE: &str = "the peer does not accept our certificate: unknown CA (alert 48); have it signed by an \
                             authority that the peer trusts";
const OUT_OF_TIME_THERE: &str = "the peer does not accept our certificate: certificate expired (alert 45); renew it, or \
                                 compare the clocks";

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Returns the identity of its callers.
struct Porter;

#[agent]
impl Porter {
    #[expose]
    fn who(&self, #[context] ctx: &Context) -> Option<String> {
        Some(ctx.certificate()?.subject.clone().into())
    }
}

async fn listen<R: Runtime>(runtime: &R, tls: TlsConfig) -> Listener {
    let listener = channel::builder(runtime.clone()).tls(tls).listen(TCP).await;
    listener.expect("a listener")
}

async fn open<R: Runtime>(runtime: &R, tls: TlsConfig, to: &Address) -> Result<Channel, Error> {
    soon(runtime, channel::builder(runtime.clone()).tls(tls).connect(to)).await
}

/// Returns two ends of a channel.
async fn pair<R: Runtime>(
    runtime: &R,
    server: TlsConfig,
    client: TlsConfig,
) -> (Result<Channel, Error>, Result<Channel, Error>) {
    let mut listener = listen(runtime, server).await;
    let address = listener.address().clone();
    let accepted = start(runtime, async move { listener.accept().await });
    let opened = open(runtime, client, &address).await;
    (soon(runtime, accepted).await, opened)
}

async fn exchange<R: Runtime>(runtime: &R, asks: &Channel, answers: &Channel, content: &str) {
    let call = asks.send::<String>(content);
    let request = soon(runtime, answers.recv()).await.expect("a request");
    let asked: String = request.content().expect("a text");
    request.reply(&asked).expect("open");
    assert!(soon(runtime, call).await.as_deref() == Ok(content));
}

#[track_caller]
fn says<T: Debug>(result: Result<T, Error>, text: &str) {
    assert_eq!(result.expect_err("an error").to_string(), text);
}

/// Returns the TLS error of a result.
#[track_caller]
fn tls_error<T: Debug>(result: Result<T, Error>) -> TlsError {
    match result {
        Err(Error::Tls { error, .. } | Error::Lost(CloseReason::Tls(error))) => error,
        other => panic!("{other:?}"),
    }
}

/// Both ends know the identity of their peer.
pub async fn tls_channels<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let (house, grid) = (authority.sign("house"), authority.sign("grid"));
    let (server, client) = pair(&runtime, house.config(), grid.config()).await;
    let (server, client) = (server.expect("secure"), client.expect("secure"));
    exchange(&runtime, &client, &server, "there").await;
    exchange(&runtime, &server, &client, "and back").await;
    let peer = server.peer();
    let seen = peer.certificate().expect("the client has shown one");
    assert_eq!(&*seen.subject, "CN=grid");
    assert_eq!(seen.names, ["localhost", "127.0.0.1", "::1", "script"].map(Box::from));
    assert_eq!(seen.chain, grid.chain().iter().map(|der| der[..].into()).collect::<Vec<_>>());
    assert_eq!(&*client.peer().certificate().expect("a certificate").subject, "CN=house");
    // The peer has announced the end, so no data was truncated.
    drop(client);
    assert_eq!(soon(&runtime, server.closed()).await, CloseReason::Peer);
}

/// A server lists its clients with their certificates.
pub async fn tls_rpc<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let (house, grid) = (authority.sign("house").config(), authority.sign("grid").config());
    let server = aiomas::rpc::builder(runtime.clone()).tls(house).service(Root).listen(TCP).await;
    let server = server.expect("a listener");
    let client = aiomas::rpc::builder(runtime.clone()).tls(grid).connect(server.address());
    let client = soon(&runtime, client).await.expect("secure");
    let sum = client.remote().call("add").arg(3).arg(4).send::<i64>();
    assert_eq!(soon(&runtime, sum).await, Ok(7));
    let names: Vec<_> = server
        .clients()
        .iter()
        .map(|client| client.peer().certificate().expect("shown").subject.clone())
        .collect();
    assert_eq!(names, ["CN=grid".into()]);
    assert_eq!(&*client.peer().certificate().expect("shown").subject, "CN=house");
    soon(&runtime, server.shutdown()).await;
    assert_eq!(soon(&runtime, client.closed()).await, CloseReason::Peer);
}

/// Methods know the identity of their caller.
pub async fn tls_agents<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let bind = |certificate: Certificate| {
        aiomas::container::builder(runtime.clone()).tls(certificate.config()).bind(TCP)
    };
    let house = bind(authority.sign("house")).await.expect("a listener");
    let grid = bind(authority.sign("grid")).await.expect("a listener");
    let porter = house.spawn(Porter).expect("room");
    let remote = soon(&runtime, grid.connect::<PorterProxy>(porter.url())).await.expect("secure");
    assert_eq!(soon(&runtime, remote.who()).await, Ok(Some("CN=grid".to_owned())));
    // Agents of one container have no stream between them.
    assert_eq!(soon(&runtime, porter.proxy().who()).await, Ok(None));
    let stranger = Authority::called("another", KeyKind::Ec).sign("stranger");
    let stranger = bind(stranger).await.expect("a listener");
    says(
        soon(&runtime, stranger.connect::<PorterProxy>(porter.url())).await.map(drop),
        &format!("cannot reach {} ({UNKNOWN}, 1 attempt)", house.address()),
    );
    for container in [grid, house, stranger] {
        soon(&runtime, container.shutdown()).await.expect("a clean end");
    }
}

/// Certificates decide on access to a service, an agent, and a container.
pub async fn tls_authorised<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let is_grid = |caller: &Caller, path: &str| match &caller.certificate {
        Some(certificate) if &*certificate.subject == "CN=grid" => Ok(()),
        who => {
            let who = who.as_ref().map_or("anonymous", |certificate| &certificate.subject);
            Err(RemoteError::permission(format_args!("{who} must not call {path}")))
        }
    };
    let bind =
        |name: &str| aiomas::container::builder(runtime.clone()).tls(authority.sign(name).config());
    let house = bind("house").bind(TCP).await.expect("a listener");
    let closed = bind("closed").authorize(is_grid).bind(TCP).await.expect("a listener");
    let porter = house.spawn(authorize(Porter, is_grid)).expect("room");
    let inside = closed.spawn(Porter).expect("room");
    let [grid, guest] = ["grid", "guest"].map(bind);
    let (grid, guest) =
        (grid.bind(TCP).await.expect("bound"), guest.bind(TCP).await.expect("bound"));
    for url in [porter.url(), inside.url()] {
        let remote: PorterProxy = soon(&runtime, grid.connect(url)).await.expect("let in");
        assert_eq!(soon(&runtime, remote.who()).await, Ok(Some("CN=grid".to_owned())));
    }
    let remote: PorterProxy = soon(&runtime, guest.connect(porter.url())).await.expect("found");
    let refused = RemoteError::permission("CN=guest must not call who");
    assert_eq!(soon(&runtime, remote.who()).await, Err(Error::Remote(refused)));
    // The refused peer does not learn whether the agent exists.
    let error = soon(&runtime, guest.connect::<PorterProxy>(inside.url())).await.map(drop);
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("CN=guest must not call validate_aid"), "{error}");
    // The list contains their names, too.
    let names: Vec<_> = house
        .peers()
        .iter()
        .map(|peer| peer.certificate().expect("shown").subject.to_string())
        .collect();
    assert_eq!(names, ["CN=grid", "CN=guest"]);
}

/// All kinds of keys, in both versions.
pub async fn tls_keys_and_versions<R: Runtime>(runtime: R) {
    for kind in [KeyKind::Rsa, KeyKind::Ec, KeyKind::Ed25519] {
        let authority = Authority::new(kind);
        for version in VERSIONS {
            let (house, grid) = (authority.sign("house"), authority.sign("grid"));
            let (server, client) = pair(&runtime, house.config(), grid.config_of(version)).await;
            let (server, client) = (server.expect("secure"), client.expect("secure"));
            exchange(&runtime, &client, &server, "hello").await;
        }
    }
}

/// Neither side waits for the other one to read.
pub async fn tls_large_messages_both_ways<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let (house, grid) = (authority.sign("house"), authority.sign("grid"));
    let (server, client) = pair(&runtime, house.config(), grid.config()).await;
    let ends = [server.expect("secure"), client.expect("secure")];
    let large = "x".repeat(8 << 20);
    let calls = ends.each_ref().map(|end| end.send::<String>(&large));
    for end in &ends {
        let request = soon(&runtime, end.recv()).await.expect("a request");
        let content: String = request.content().expect("a text");
        request.reply(&content).expect("open");
    }
    for call in calls {
        assert!(soon(&runtime, call).await.as_ref() == Ok(&large));
    }
}

/// Unix sockets use TLS with an expected name; `local://` stays within the process.
pub async fn tls_sockets_without_hosts<R: Runtime>(runtime: R) {
    let house = Authority::new(KeyKind::Ec).sign("house");
    let [_, ipc, local] = addresses();
    let listener = channel::builder(runtime.clone()).tls(house.config()).listen(&ipc).await;
    let mut listener = listener.expect("a listener");
    says(
        open(&runtime, house.config(), &ipc).await,
        &format!(
            "no TLS at {ipc}: the address has no host that a certificate could be for \
             (`TlsConfig::server_name`)"
        ),
    );
    let named = house.config().server_name("localhost").expect("a host");
    let accepted = start(&runtime, async move { listener.accept().await });
    let client = open(&runtime, named, &ipc).await.expect("secure");
    let server = soon(&runtime, accepted).await.expect("secure");
    exchange(&runtime, &client, &server, "hello").await;
    assert!(client.peer().certificate().is_some());

    let listener = channel::builder(runtime.clone()).tls(house.config()).listen(&local).await;
    let mut listener = listener.expect("a listener");
    let client = open(&runtime, house.config(), &local).await.expect("open");
    let server = soon(&runtime, listener.accept()).await.expect("open");
    exchange(&runtime, &client, &server, "hello").await;
    assert!(client.peer().certificate().is_none());
}

/// A client reports the error of a server, and the server receives it.
pub async fn tls_refused_servers<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let other = Authority::called("another", KeyKind::Ec).sign("other");
    let namesake = Authority::new(KeyKind::Ec).sign("namesake");
    let local = ["127.0.0.1"];
    for (server, why, heard) in [
        (
            namesake,
            "the peer's certificate is not signed by the authority that it names, \
             or the peer has not its key",
            "the peer has given TLS up: decrypt error (alert 51)",
        ),
        (other, UNKNOWN, UNKNOWN_THERE),
        (
            authority.sign_for("old", &local, EXPIRED),
            "the peer's certificate has expired; renew it there, or compare the clocks",
            OUT_OF_TIME_THERE,
        ),
        (
            authority.sign_for("new", &local, NOT_YET),
            "the peer's certificate is not valid yet; compare the clocks",
            OUT_OF_TIME_THERE,
        ),
        (
            authority.sign_for("wrong", &["example.invalid", "10.0.0.1"], VALID),
            "the peer's certificate is not for 127.0.0.1, but for example.invalid, 10.0.0.1; connect to that, name it \
             (`TlsConfig::server_name`), or sign it with `subjectAltName=IP:127.0.0.1`",
            "the peer does not accept our certificate: bad certificate (alert 42); its log tells why",
        ),
        (
            authority.sign_for("unnamed", &[], VALID),
            "the peer's certificate is not for 127.0.0.1: it has no subject alternative names, and the common name does not \
             count; sign it with `subjectAltName=IP:127.0.0.1`",
            "the peer does not accept our certificate: bad certificate (alert 42); its log tells why",
        ),
    ] {
        for version in VERSIONS {
            let client = authority.sign("client").config_of(version);
            let mut listener = listen(&runtime, server.config()).await;
            let address = listener.address().clone();
            let accepted = start(&runtime, async move { listener.accept().await });
            let opened = open(&runtime, client, &address).await;
            says(opened, &format!("no TLS at {address}: {why}"));
            says(soon(&runtime, accepted).await, &format!("no TLS at {address}: {heard}"));
        }
    }
}

/// A server reports the error of a client, and the client receives it: while connecting with TLS
/// 1.2, only later with 1.3.
pub async fn tls_refused_clients<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let house = authority.sign("house");
    let ours = |mut other: Certificate| {
        other.ca.clone_from(&house.ca);
        other
    };
    let other = ours(Authority::called("another", KeyKind::Ec).sign("other"));
    let (old, new) =
        (authority.sign_for("old", &[], EXPIRED), authority.sign_for("new", &[], NOT_YET));
    for version in VERSIONS {
        for (client, why, heard) in [
            (other.config_of(version), UNKNOWN, UNKNOWN_THERE),
            (
                old.config_of(version),
                "the peer's certificate has expired; renew it there, or compare the clocks",
                OUT_OF_TIME_THERE,
            ),
            (
                new.config_of(version),
                "the peer's certificate is not valid yet; compare the clocks",
                OUT_OF_TIME_THERE,
            ),
            (
                house.anonymous(version),
                "the peer has shown no certificate; clients need one as well as servers: give it one, signed by our \
                 authority",
                "the peer wants a certificate of us: certificate required (alert 116); give us one \
                 (`TlsConfig::from_pem_files`)",
            ),
        ] {
            let (server, client) = pair(&runtime, house.config(), client).await;
            assert_eq!(tls_error(server).to_string(), why);
            let error = match client {
                Ok(client) if version == &TLS13 => {
                    tls_error(soon(&runtime, client.send::<()>("hello")).await)
                }
                other => tls_error(other),
            };
            assert_eq!(error.to_string(), heard);
        }
    }
}

/// Each side detects that the other lacks TLS.
pub async fn tls_and_plain_text<R: Runtime>(runtime: R) {
    let house = Authority::new(KeyKind::Ec).sign("house");
    let mut listener = listen(&runtime, house.config()).await;
    let address = listener.address().clone();
    let plain = channel::builder(runtime.clone()).connect(&address).await.expect("open");
    let call = plain.send::<()>("hello");
    says(
        soon(&runtime, listener.accept()).await,
        &format!(
            "no TLS at {address}: the peer does not speak TLS; both sides have to, or neither"
        ),
    );
    says(
        soon(&runtime, call).await,
        "the connection was lost before the answer came: the peer announced a frame of 352518912 \
         bytes; `Limits::max_frame` is 16777216 (it seems to speak TLS: both sides have to be configured for it, or neither)",
    );

    let listener = channel::builder(runtime.clone()).listen(TCP).await;
    let mut listener = listener.expect("a listener");
    let address = listener.address().clone();
    let accepted = start(&runtime, async move { listener.accept().await });
    says(
        open(&runtime, house.config(), &address).await,
        &format!(
            "no TLS at {address}: the peer closed the stream during the TLS handshake; \
             does it speak TLS?"
        ),
    );
    let plain = soon(&runtime, accepted).await.expect("open");
    let reason = soon(&runtime, plain.closed()).await.to_string();
    assert!(reason.contains("(it seems to speak TLS: "), "{reason}");
}

/// The end of a stream without a closing message is an error.
pub async fn tls_cut_off<R: Runtime>(runtime: R) {
    let house = Authority::new(KeyKind::Ec).sign("house");
    for version in VERSIONS {
        let mut listener = listen(&runtime, house.config()).await;
        let address = listener.address().clone();
        let accepted = start(&runtime, async move { listener.accept().await });
        let secure = Secure::new(runtime.clone(), house.config_of(version));
        let mut stream = soon(&runtime, secure.dial(address)).await.expect("open");
        soon(&runtime, poll_fn(|cx| stream.poll_open(cx))).await.expect("secure");
        let server = soon(&runtime, accepted).await.expect("secure");
        let call = server.send::<()>("hello");
        // A system resets the stream if received bytes were not read.
        let mut input = BytesMut::with_capacity(1024);
        let read = soon(&runtime, poll_fn(|cx| stream.poll_recv(cx, &mut input))).await;
        assert!(read.expect("the call") > 0);
        drop(stream);
        says(
            soon(&runtime, call).await,
            "the connection was lost before the answer came: the stream was cut: \
             it ended without TLS's close_notify",
        );
        let reason = soon(&runtime, server.closed()).await;
        assert_eq!(reason, CloseReason::Tls(TlsError::Truncated));
    }
}

/// A client takes its slot before the handshake, and keeps it.
pub async fn tls_places_are_taken_before_the_handshake<R: Runtime>(runtime: R) {
    let house = Authority::new(KeyKind::Ec).sign("house");
    let mut limits = Limits::default();
    limits.max_connections_per_peer = 2;
    limits.handshake = Duration::from_secs(3600);
    let server = aiomas::rpc::builder(runtime.clone()).tls(house.config()).limits(limits);
    let server = server.listen(TCP).await.expect("a listener");
    let address = server.address().clone();
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(runtime.dial(address.clone()).await.expect("open"));
    }
    let connect = || aiomas::rpc::builder(runtime.clone()).tls(house.config()).connect(&address);
    let error = soon(&runtime, connect()).await.expect_err("no room");
    assert!(matches!(error, Error::Tls { error: TlsError::Closed, .. }), "{error}");
    assert_eq!(server.admission().refused, 1);
    drop(silent.pop());
    until(&runtime, || server.admission().open == 1).await;
    let client = soon(&runtime, connect()).await.expect("room");
    assert_eq!(server.admission().open, 2);
    drop((client, silent));
    until(&runtime, || server.admission().open == 0).await;
    soon(&runtime, server.shutdown()).await;
}

/// Clients that stall or abort a handshake delay no other client.
pub async fn tls_slow_handshakes_delay_no_other<R: Runtime>(runtime: R) {
    let house = Authority::new(KeyKind::Ec).sign("house");
    let mut listener = listen(&runtime, house.config()).await;
    let address = listener.address().clone();
    let _silent = runtime.dial(address.clone()).await.expect("open");
    let accepted = start(&runtime, async move { (listener.accept().await, listener) });
    let opened = open(&runtime, house.config(), &address).await.expect("secure");
    let (server, mut listener) = soon(&runtime, accepted).await;
    exchange(&runtime, &opened, &server.expect("secure"), "hello").await;
    drop(runtime.dial(address.clone()).await.expect("open"));
    says(
        soon(&runtime, listener.accept()).await,
        &format!(
            "no TLS at {address}: the peer closed the stream during the TLS handshake; \
             does it speak TLS?"
        ),
    );
}
