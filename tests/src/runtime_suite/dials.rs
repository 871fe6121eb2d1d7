//! Finding those who are not there, not yet, or not any more.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use aiomas_core::agent::{Address, Backoff, ConnectError, ContainerConfig, Patience};
use aiomas_core::driver::{self, Container, Runtime};
use aiomas_core::{Error, agent};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

use super::{TCP, soon, start};

struct Late;

#[agent]
impl Late {
    #[expose]
    fn here(&self) -> bool {
        true
    }
}

/// A container that tries again quickly.
async fn hasty<R: Runtime>(runtime: &R) -> Container {
    let mut config = ContainerConfig::default();
    let mut backoff = Backoff::default();
    (backoff.first, backoff.max) = (Duration::from_millis(5), Duration::from_millis(20));
    config.backoff = backoff;
    let builder = driver::container::builder(runtime.clone()).container(config);
    builder.bind(TCP).await.expect("it listens")
}

/// An address where nobody listens, nor will while the socket lives: it has the port and does not listen.
fn nowhere() -> (OwnedFd, Address) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let name = getsockname(&socket).expect("it is bound");
    let name = SocketAddrV4::try_from(name).expect("an address");
    (socket, Address::Tcp { host: name.ip().to_string().into(), port: name.port() })
}

/// Those without patience hear so at once, others when it is over, and the last when the container ends.
pub async fn nobody_listens<R: Runtime>(runtime: R) {
    let container = hasty(&runtime).await;
    let (_port, address) = nowhere();
    let url = format!("{address}/0");
    let once = soon(&runtime, container.connect::<LateProxy>(&url)).await;
    let attempts = |result: Result<LateProxy, Error>| match result {
        Err(Error::Connect(ConnectError::Unreachable { attempts, .. })) => attempts,
        other => panic!("{other:?}"),
    };
    assert_eq!(attempts(once), 1);
    let patient = container.connect::<LateProxy>(&url).within(Duration::from_millis(200));
    assert!(attempts(soon(&runtime, patient).await) > 1);
    let forever = container.connect::<LateProxy>(&url).patience(Patience::Forever);
    let forever = start(&runtime, forever);
    // It waits: its attempts go on while others come and go.
    assert!(attempts(soon(&runtime, container.connect(&url)).await) >= 1);
    soon(&runtime, container.shutdown()).await.expect("it ends");
    let refused = soon(&runtime, forever).await.map(drop);
    assert!(matches!(refused, Err(Error::Connect(ConnectError::Refused(_)))), "{refused:?}");
    for bad in ["tcp://127.0.0.1/0", "http://127.0.0.1:80/0", "tcp://127.0.0.1:80"] {
        assert!(matches!(container.connect::<LateProxy>(bad).await, Err(Error::Url(_))), "{bad}");
    }
}

/// Whoever has patience finds it.
pub async fn a_listener_starts_late<R: Runtime>(runtime: R) {
    let container = hasty(&runtime).await;
    let (port, address) = nowhere();
    let url = format!("{address}/0");
    let search = container.connect::<LateProxy>(&url).patience(Patience::Forever);
    let search = start(&runtime, search);
    // At least one attempt has failed by then.
    soon(&runtime, container.connect::<LateProxy>(&url)).await.expect_err("nobody is there");
    drop(port);
    let late = driver::container::builder(runtime.clone()).bind(&address).await;
    let late = late.expect("the address is still free");
    // The agent may come after the container is asked for it: then the answer is no.
    late.spawn(Late).expect("room");
    match soon(&runtime, search).await {
        Ok(remote) => assert_eq!(soon(&runtime, remote.here()).await, Ok(true)),
        Err(error) => assert!(matches!(error, Error::Connect(ConnectError::NoSuchAgent { .. }))),
    }
    soon(&runtime, late.shutdown()).await.expect("it ends");
}

/// After a connection was lost, the next search opens another one.
pub async fn a_connection_comes_back<R: Runtime>(runtime: R) {
    let container = hasty(&runtime).await;
    let mut address = TCP.parse().expect("an address");
    for _ in 0..3 {
        let home = driver::container::builder(runtime.clone()).bind(&address).await;
        let home = home.expect("the address is free");
        address = home.address().clone();
        let agent = home.spawn(Late).expect("room");
        let search = container.connect::<LateProxy>(agent.url()).within(super::LONG);
        let remote = soon(&runtime, search).await.expect("it is there");
        assert_eq!(soon(&runtime, remote.here()).await, Ok(true));
        drop(agent);
        soon(&runtime, home.shutdown()).await.expect("it ends");
        let lost = soon(&runtime, remote.here()).await;
        assert!(matches!(lost, Err(Error::Lost(_) | Error::Refused(_))), "{lost:?}");
    }
}
