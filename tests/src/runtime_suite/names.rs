//! Addresses of all kinds, and their owners.

use aiomas::Runtime;
use aiomas::{Error, agent};

use super::{TCP, local, soon};

struct Neighbour;

#[agent]
impl Neighbour {
    #[expose]
    fn name(&self) -> String {
        "neighbour".into()
    }
}

/// Many containers in one process, each of which calls the next.
pub async fn many_containers<R: Runtime>(runtime: R) {
    let mut containers = Vec::new();
    let mut urls = Vec::new();
    for address in (0..7).flat_map(|_| super::addresses()) {
        let container = aiomas::container::builder(runtime.clone()).bind(address).await;
        let container = container.expect("a listener");
        urls.push(container.spawn(Neighbour).expect("room").url().clone());
        containers.push(container);
    }
    for (index, container) in containers.iter().enumerate() {
        let url = &urls[(index + 1) % urls.len()];
        let next: NeighbourProxy = soon(&runtime, container.connect(url)).await.expect("there");
        assert_eq!(soon(&runtime, next.name()).await.as_deref(), Ok("neighbour"));
    }
    for container in containers {
        soon(&runtime, container.shutdown()).await.expect("a clean end");
    }
}

/// Port 0 selects a free port, and agents' URLs contain the real one.
pub async fn free_ports<R: Runtime>(runtime: R) {
    let one = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("a listener");
    let other = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("a listener");
    assert_ne!(one.address(), other.address());
    let url = one.spawn(Neighbour).expect("room").url().to_string();
    assert!(!url.contains(":0/"), "{url}");
    let taken = aiomas::container::builder(runtime.clone()).bind(one.address()).await;
    assert!(matches!(taken, Err(Error::Bind { kind: std::io::ErrorKind::AddrInUse, .. })));
}

/// Containers that listen on all interfaces advertise their address.
pub async fn advertised_addresses<R: Runtime>(runtime: R) {
    let anywhere = |advertised: &'static str| {
        aiomas::container::builder(runtime.clone()).advertise(advertised).bind("tcp://0.0.0.0:0")
    };
    let one = anywhere("tcp://127.0.0.1:0").await.expect("a listener");
    let other = anywhere("tcp://localhost:0").await.expect("a listener");
    let url = one.spawn(Neighbour).expect("room").url().to_string();
    assert!(url.starts_with("tcp://127.0.0.1:") && !url.contains(":0/"), "{url}");
    assert!(other.address().to_string().starts_with("tcp://localhost:"), "{other:?}");
    let [(listed, _)] = &one.agents()[..] else { panic!("{:?}", one.agents()) };
    assert_eq!(listed.to_string(), url);
    // Peers find the container by its advertised address. The container finds itself without a
    // connection.
    for (container, connections) in [(&one, 0), (&other, 1)] {
        let found: NeighbourProxy = soon(&runtime, container.connect(&*url)).await.expect("there");
        assert_eq!(soon(&runtime, found.name()).await.as_deref(), Ok("neighbour"));
        assert_eq!(container.connection_count(), connections);
    }
    // An explicit port is kept.
    let forwarded = anywhere("tcp://127.0.0.1:1").await.expect("a listener");
    assert_eq!(forwarded.address().to_string(), "tcp://127.0.0.1:1");
    let error = anywhere("nowhere").await.expect_err("an invalid address");
    assert!(matches!(error, Error::Url(_)), "{error:?}");
}

/// Names within a process are taken and free like ports.
pub async fn two_listeners_on_one_name<R: Runtime>(runtime: R) {
    let address = local();
    let one = aiomas::container::builder(runtime.clone()).bind(&address).await.expect("bound");
    let other = aiomas::container::builder(runtime.clone()).bind(&address).await;
    let error = other.expect_err("taken");
    assert!(matches!(error, Error::Bind { kind: std::io::ErrorKind::AddrInUse, .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    soon(&runtime, one.shutdown()).await.expect("a clean end");
    let attempt = aiomas::rpc::builder(runtime.clone()).connect(&address).await;
    let refused = std::io::ErrorKind::ConnectionRefused;
    assert!(matches!(attempt, Err(Error::Dial { kind, .. }) if kind == refused));
    let again = aiomas::container::builder(runtime.clone()).bind(&address).await.expect("bound");
    soon(&runtime, again.shutdown()).await.expect("a clean end");
}
