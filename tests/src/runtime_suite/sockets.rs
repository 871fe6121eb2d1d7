//! Addresses, files and ports.

use aiomas_core::agent::Address;
use aiomas_core::driver::{self, Runtime};
use aiomas_core::{Error, agent};

use super::{TCP, file, number, soon};

struct Neighbour;

#[agent]
impl Neighbour {
    #[expose]
    fn name(&self) -> String {
        "neighbour".into()
    }
}

/// In one process, each of which calls the next.
pub async fn many_containers<R: Runtime>(runtime: R) {
    let mut containers = Vec::new();
    let mut urls = Vec::new();
    for address in (0..7).flat_map(|_| super::addresses()) {
        let container = driver::container::builder(runtime.clone()).bind(address).await;
        let container = container.expect("it listens");
        urls.push(container.spawn(Neighbour).expect("room").url().clone());
        containers.push(container);
    }
    for (index, container) in containers.iter().enumerate() {
        let url = &urls[(index + 1) % urls.len()];
        let next: NeighbourProxy = soon(&runtime, container.connect(url)).await.expect("there");
        assert_eq!(soon(&runtime, next.name()).await.as_deref(), Ok("neighbour"));
    }
    for container in containers {
        soon(&runtime, container.shutdown()).await.expect("it ends");
    }
}

/// Port 0 is any that is free, and agents' URLs have the real one.
pub async fn free_ports<R: Runtime>(runtime: R) {
    let one = driver::container::builder(runtime.clone()).bind(TCP).await.expect("it listens");
    let other = driver::container::builder(runtime.clone()).bind(TCP).await.expect("it listens");
    assert_ne!(one.address(), other.address());
    let url = one.spawn(Neighbour).expect("room").url().to_string();
    assert!(!url.contains(":0/"), "{url}");
    let taken = driver::container::builder(runtime.clone()).bind(one.address()).await;
    assert!(matches!(taken, Err(Error::Bind { kind: std::io::ErrorKind::AddrInUse, .. })));
}

/// A socket that nobody listens at any more is replaced; one that is in use, a file of another kind and a path
/// that is too long are errors; and what is there stays there.
pub async fn stale_and_foreign_socket_files<R: Runtime>(runtime: R) {
    let bind = async |path: &std::path::Path| {
        let address = Address::Ipc(path.display().to_string().into());
        driver::container::builder(runtime.clone()).bind(address).await
    };
    let stale = file();
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("a socket"));
    assert!(stale.exists());
    let container = bind(&stale).await.expect("it is replaced");
    let taken = bind(&stale).await.expect_err("it is in use");
    assert!(matches!(taken, Error::Bind { kind: std::io::ErrorKind::AddrInUse, .. }), "{taken}");
    soon(&runtime, container.shutdown()).await.expect("it ends");
    assert!(!stale.exists(), "it is cleaned up");

    let foreign = file();
    std::fs::write(&foreign, "precious").expect("a file");
    assert!(matches!(bind(&foreign).await, Err(Error::Bind { .. })));
    assert_eq!(std::fs::read_to_string(&foreign).expect("still there"), "precious");
    std::fs::remove_file(&foreign).expect("it was ours");

    let long = std::env::temp_dir().join("x".repeat(200));
    assert!(matches!(bind(&long).await, Err(Error::Bind { .. })));
    let url = format!("ipc://[{}]/0", long.display());
    let container = driver::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    assert!(matches!(container.connect::<NeighbourProxy>(&url).await, Err(Error::Connect(_))));
}

/// Names within a process are taken and free like ports.
pub async fn two_listeners_on_one_name<R: Runtime>(runtime: R) {
    let address = format!("local://twice-{}", number());
    let one = driver::container::builder(runtime.clone()).bind(&address).await.expect("bound");
    let other = driver::container::builder(runtime.clone()).bind(&address).await;
    assert!(matches!(other, Err(Error::Bind { kind: std::io::ErrorKind::AddrInUse, .. })));
    soon(&runtime, one.shutdown()).await.expect("it ends");
    let nobody = driver::rpc::builder(runtime.clone()).connect(&address).await;
    let refused = std::io::ErrorKind::ConnectionRefused;
    assert!(matches!(nobody, Err(Error::Dial { kind, .. }) if kind == refused));
    let again = driver::container::builder(runtime.clone()).bind(&address).await.expect("bound");
    soon(&runtime, again.shutdown()).await.expect("it ends");
}
