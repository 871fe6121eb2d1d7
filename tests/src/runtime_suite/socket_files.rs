//! The ownership of Unix socket files.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use aiomas::Error;
use aiomas::{Container, Runtime};
use aiomas_core::agent::Address;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, listen, socket};

use super::{file, number, pause, soon, start};

fn at(path: &Path) -> Address {
    Address::Ipc(path.display().to_string().into())
}

async fn start_at<R: Runtime>(runtime: R, address: Address) -> Result<Container, Error> {
    aiomas::container::builder(runtime).bind(address).await
}

async fn is_reached<R: Runtime>(runtime: &R, address: Address) {
    let client = aiomas::channel::builder(runtime.clone()).connect(address);
    soon(runtime, client).await.expect("a connection");
}

fn is_taken(result: Result<Container, Error>) -> bool {
    matches!(result, Err(Error::Bind { kind: ErrorKind::AddrInUse, .. }))
}

/// A listener removes neither its successor's file nor an unrelated one.
pub async fn a_listener_removes_its_own_file_only<R: Runtime>(runtime: R) {
    let path = file();
    let one = start_at(runtime.clone(), at(&path)).await.expect("a free address");
    std::fs::remove_file(&path).expect("a cleaner of temporary files");
    let other = start_at(runtime.clone(), at(&path)).await.expect("a free address");
    soon(&runtime, one.shutdown()).await.expect("a clean end");
    drop(one);
    is_reached(&runtime, at(&path)).await;
    std::fs::remove_file(&path).expect("a file");
    std::fs::write(&path, "precious").expect("a file");
    soon(&runtime, other.shutdown()).await.expect("a clean end");
    drop(other);
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "precious");
    std::fs::remove_file(&path).expect("our own file");
    // The file is gone already, with its directory.
    let directory = file();
    std::fs::create_dir(&directory).expect("a directory");
    let path = directory.join("s");
    let last = start_at(runtime.clone(), at(&path)).await.expect("a free address");
    std::fs::remove_dir_all(&directory).expect("our own file");
    soon(&runtime, last.shutdown()).await.expect("a clean end");
}

/// A process between `bind` and `listen` has a socket that looks stale. It holds the lock of the
/// directory.
pub async fn a_starter_waits_for_another_one<R: Runtime>(runtime: R) {
    let directory = file();
    std::fs::create_dir(&directory).expect("a directory");
    let path = directory.join("s");
    let lock = File::open(&directory).expect("present");
    flock(&lock, FlockOperation::LockExclusive).expect("a free address");
    let other = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
    bind(&other, &SocketAddrUnix::new(&path).expect("a path")).expect("a free address");
    let inode = || std::fs::symlink_metadata(&path).expect("a file").ino();
    let before = inode();
    let starter = start(&runtime, start_at(runtime.clone(), at(&path)));
    for _ in 0..20 {
        pause(&runtime).await;
    }
    listen(&other, 1).expect("a bound socket");
    drop(lock);
    let refused = soon(&runtime, starter).await;
    assert!(matches!(refused, Err(Error::Bind { .. })), "{refused:?}");
    assert_eq!(inode(), before);
    is_reached(&runtime, at(&path)).await;
    drop(other);
    // Now the socket is stale.
    let heir = start_at(runtime.clone(), at(&path)).await.expect("a replaced socket");
    soon(&runtime, heir.shutdown()).await.expect("a clean end");
    let left = std::fs::read_dir(&directory).expect("a directory").count();
    assert_eq!(left, 0, "neither a socket nor a lock");
    std::fs::remove_dir(&directory).expect("an empty directory");
}

/// Exactly one of many starting processes listens, and clients reach it.
pub async fn one_of_many_starters_listens<R: Runtime>(runtime: R) {
    for _ in 0..100 {
        let path = file();
        drop(UnixListener::bind(&path).expect("a socket"));
        let starters: Vec<_> =
            (0..4).map(|_| start(&runtime, start_at(runtime.clone(), at(&path)))).collect();
        let mut listening = Vec::new();
        for starter in starters {
            match soon(&runtime, starter).await {
                Ok(container) => listening.push(container),
                error => assert!(is_taken(error)),
            }
        }
        assert_eq!(listening.len(), 1);
        is_reached(&runtime, at(&path)).await;
        for container in listening {
            soon(&runtime, container.shutdown()).await.expect("a clean end");
        }
        assert!(!path.exists());
    }
}

/// A task waits for a listener with a full queue, without blocking its thread. Its socket is not
/// stale.
pub async fn a_full_listener_is_waited_for<R: Runtime>(runtime: R) {
    let path = file();
    let address = SocketAddrUnix::new(&path).expect("a path");
    let listener = UnixListener::bind(&path).expect("a free address");
    listen(&listener, 0).expect("a bound socket");
    let mut clients = Vec::new();
    loop {
        let client = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
        ioctl_fionbio(&client, true).expect("an option");
        match connect(&client, &address) {
            Err(Errno::AGAIN) => break,
            connected => connected.expect("room"),
        }
        clients.push(client);
    }
    assert!(is_taken(start_at(runtime.clone(), at(&path)).await));
    let dial = aiomas::channel::builder(runtime.clone()).connect(at(&path));
    let dial = start(&runtime, dial);
    for _ in 0..5 {
        pause(&runtime).await;
    }
    for _ in &clients {
        listener.accept().expect("a waiting client");
    }
    soon(&runtime, dial).await.expect("room");
    std::fs::remove_file(&path).expect("our own file");
}

/// Errors describe the invalid path and the remedy.
pub async fn invalid_socket_paths<R: Runtime>(runtime: R) {
    let missing = file();
    let plain = file();
    std::fs::write(&plain, "").expect("a file");
    let at = |path: &Path| Address::Ipc(path.display().to_string().into());
    for (address, expected) in [
        (Address::Ipc("".into()), "the path is empty".to_owned()),
        (Address::Ipc("/tmp/a\0b".into()), "a zero byte in the path".to_owned()),
        (at(&missing.join("s")), format!("there is no directory {}", missing.display())),
        (at(&plain.join("s")), format!("{} is no directory", plain.display())),
        (at(&plain), "a file is there that is no socket".to_owned()),
        (at(Path::new(&format!("/{:0>200}", 0))), "the path has 201 bytes".to_owned()),
    ] {
        let error = start_at(runtime.clone(), address).await.map(drop).expect_err("no path");
        assert!(matches!(error, Error::Bind { .. }), "{error:?}");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    std::fs::remove_file(&plain).expect("our own file");
}

/// Abstract names of Linux, which have no file.
pub async fn abstract_names<R: Runtime>(runtime: R) {
    let name = format!("\0aiomas-suite-{}-{}", std::process::id(), number());
    let address = Address::Ipc(name.into());
    let container = start_at(runtime.clone(), address.clone()).await.expect("a free address");
    assert!(is_taken(start_at(runtime.clone(), address.clone()).await));
    is_reached(&runtime, address.clone()).await;
    soon(&runtime, container.shutdown()).await.expect("a clean end");
    let again = start_at(runtime.clone(), address).await.expect("a free address");
    soon(&runtime, again.shutdown()).await.expect("a clean end");
}
