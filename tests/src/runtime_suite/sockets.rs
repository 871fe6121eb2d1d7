//! Cases that need sockets and files of the system.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use aiomas::Error;
use aiomas::{Container, Proxy, Runtime};
use aiomas_core::agent::Address;
use aiomas_core::connection::Limits;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketType, bind, getpeername, getsockname, socket, sockopt,
};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::narrow::narrow;
use super::{TCP, addresses, dials, file, load, soon, until};

/// As [`eight_mebibytes_both_ways_at_once`](super::eight_mebibytes_both_ways_at_once), through
/// sockets with tiny buffers.
pub async fn eight_mebibytes_through_tiny_buffers<R: Runtime>(runtime: R) {
    let [tcp, ipc, _] = addresses();
    for address in [tcp, ipc] {
        load::both_ways_at_once(&runtime, address, narrow).await;
    }
}

/// Returns an address that refuses connections. The socket holds its port, but does not listen.
pub(crate) fn nowhere() -> (OwnedFd, Address) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let name = getsockname(&socket).expect("a bound socket");
    let name = SocketAddrV4::try_from(name).expect("an address");
    (socket, Address::Tcp { host: name.ip().to_string().into(), port: name.port() })
}

/// See [`no_listener`](super::no_listener).
pub async fn no_listener_at_a_port<R: Runtime>(runtime: R) {
    let (_port, address) = nowhere();
    dials::no_agent_is_found(&runtime, &address).await;
}

/// See [`a_listener_starts_late`](super::a_listener_starts_late).
pub async fn a_port_is_listened_at_late<R: Runtime>(runtime: R) {
    for patience in dials::PATIENT {
        let (port, address) = nowhere();
        dials::found_late(&runtime, &address, patience, || drop(port)).await;
    }
}

async fn listen<R: Runtime>(runtime: &R, path: &Path) -> Result<Container, Error> {
    aiomas::container::builder(runtime.clone()).bind(at(path)).await
}

fn at(path: &Path) -> Address {
    Address::Ipc(path.display().to_string().into())
}

/// Fails to call an agent there in every way, with errors that contain the path.
async fn no_listener_at<R: Runtime>(runtime: &R, path: &Path) {
    let path_text = path.display().to_string();
    let says = |error: Error| assert!(error.to_string().contains(&path_text), "{error}");
    let channel = aiomas::channel::builder(runtime.clone()).connect(at(path));
    let error = soon(runtime, channel).await.expect_err("no listener");
    assert!(matches!(error, Error::Dial { .. }), "{error:?}");
    says(error);
    let container = aiomas::container::builder(runtime.clone()).bind(TCP).await;
    let container = container.expect("bound");
    let search = container.connect::<Proxy>(format!("{}/0", at(path)));
    let error = soon(runtime, search).await.expect_err("no listener");
    assert!(matches!(error, Error::Connect(_)), "{error:?}");
    says(error);
}

/// A socket without a listener is replaced; one in use is not.
pub async fn stale_socket_files<R: Runtime>(runtime: R) {
    let path = file();
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    no_listener_at(&runtime, &path).await;
    let container = listen(&runtime, &path).await.expect("a replaced socket");
    let taken = listen(&runtime, &path).await.expect_err("an address in use");
    assert!(matches!(taken, Error::Bind { kind: ErrorKind::AddrInUse, .. }), "{taken}");
    soon(&runtime, container.shutdown()).await.expect("a clean end");
    assert!(!path.exists(), "the file is removed");
}

/// A file that is not a socket stays, as does a socket with another listener.
pub async fn foreign_files<R: Runtime>(runtime: R) {
    let path = file();
    std::fs::write(&path, "precious").expect("a file");
    no_listener_at(&runtime, &path).await;
    let error = listen(&runtime, &path).await.expect_err("a file is there");
    assert!(matches!(error, Error::Bind { .. }), "{error:?}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("still there"), "precious");
    std::fs::remove_file(&path).expect("our own file");

    std::fs::create_dir(&path).expect("a directory");
    no_listener_at(&runtime, &path).await;
    assert!(matches!(listen(&runtime, &path).await, Err(Error::Bind { .. })));
    std::fs::remove_dir(&path).expect("our own empty directory");

    let foreign = UnixListener::bind(&path).expect("a socket");
    let taken = listen(&runtime, &path).await.expect_err("an address in use");
    assert!(matches!(taken, Error::Bind { kind: ErrorKind::AddrInUse, .. }), "{taken}");
    // The failed attempt has left the socket in its place.
    let client = aiomas::channel::builder(runtime.clone()).connect(at(&path));
    soon(&runtime, client).await.expect("a connection");
    drop(foreign);
    std::fs::remove_file(&path).expect("our own file");
}

/// Socket paths have at most 107 bytes on Linux, and 103 elsewhere.
pub async fn socket_paths_that_are_too_long<R: Runtime>(runtime: R) {
    let of_length = |length| {
        let path = file().display().to_string();
        Path::new(&format!("{path:-<length$}")).to_path_buf()
    };
    let longest = of_length(103);
    let container = listen(&runtime, &longest).await.expect("a path within the limit");
    let visitor = listen(&runtime, &file()).await.expect("bound");
    let search = visitor.connect::<Proxy>(format!("{}/0", container.address()));
    let error = soon(&runtime, search).await.expect_err("no agents");
    assert!(error.to_string().contains("does not exist in Container"), "{error}");
    for length in [108, 1_000] {
        let long = of_length(length);
        let error = listen(&runtime, &long).await.expect_err("too long");
        assert!(matches!(error, Error::Bind { .. }), "{error:?}");
        assert!(error.to_string().contains(&long.display().to_string()), "{error}");
        no_listener_at(&runtime, &long).await;
    }
}

/// Returns this process's sockets with connections to or from `port`.
fn sockets_at(port: u16) -> Vec<OwnedFd> {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).expect("a running program");
    let numbers = std::fs::read_dir("/proc/self/fd")
        .expect("a folder")
        .filter_map(|entry| entry.expect("an entry").file_name().to_str()?.parse().ok());
    // Some are closed again.
    let files =
        numbers.filter_map(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok());
    let has_port = |name: SocketAddrAny| {
        SocketAddrV4::try_from(name).is_ok_and(|address| address.port() == port)
    };
    files
        .filter(|file| {
            getpeername(file).is_ok_and(|peer| {
                peer.is_some_and(has_port) || getsockname(file).is_ok_and(has_port)
            })
        })
        .collect()
}

/// Both ends of a connection have TCP keep-alive.
pub async fn sockets_are_kept_alive<R: Runtime>(runtime: R) {
    let seconds = Duration::from_secs;
    for (keep_alive, expected) in [
        (Limits::default().keep_alive, Some((seconds(60), seconds(10), 6))),
        (Some(Duration::from_millis(300)), Some((seconds(1), seconds(1), 6))),
        (Some(Duration::MAX), Some((seconds(32_400), seconds(5_400), 6))),
        (None, None),
    ] {
        let mut limits = Limits::default();
        limits.keep_alive = keep_alive;
        let builder = || aiomas::rpc::builder(runtime.clone()).limits(limits.clone());
        let server = builder().listen(TCP).await.expect("a listener");
        let Address::Tcp { port, .. } = *server.address() else { unreachable!("it is TCP") };
        let client =
            soon(&runtime, builder().connect(server.address())).await.expect("a connection");
        until(&runtime, || server.admission().open == 1).await;
        let sockets = sockets_at(port);
        assert_eq!(sockets.len(), 2, "one of each side");
        for socket in sockets {
            let found = sockopt::socket_keepalive(&socket).expect("an option").then(|| {
                (
                    sockopt::tcp_keepidle(&socket).expect("an option"),
                    sockopt::tcp_keepintvl(&socket).expect("an option"),
                    sockopt::tcp_keepcnt(&socket).expect("an option"),
                )
            });
            assert_eq!(found, expected, "{keep_alive:?}");
        }
        drop(client);
        soon(&runtime, server.shutdown()).await;
    }
}
