//! Sockets whose buffers are tiny.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use aiomas_core::agent::Address;
use rustix::io::{Errno, read, write};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketType, accept, bind, connect, getsockname,
    listen, shutdown, socket,
};

use super::file;

/// The requested size of the buffers, in bytes. The system makes them slightly larger.
const SIZE: usize = 4 * 1024;

/// Returns the address of a proxy with tiny buffers for one client of `to`. A slow reader soon
/// blocks its writer.
pub(super) fn narrow(to: &Address) -> Address {
    let (listening, address) = match to {
        Address::Tcp { .. } => {
            let socket = tiny(AddressFamily::INET);
            bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let name = getsockname(&socket).expect("a bound socket");
            let name = SocketAddrV4::try_from(name).expect("an address");
            (socket, format!("tcp://{name}").parse().expect("an address"))
        }
        Address::Ipc(_) => {
            let (socket, path) = (tiny(AddressFamily::UNIX), file());
            bind(&socket, &SocketAddrUnix::new(&path).expect("short")).expect("a free path");
            (socket, Address::Ipc(path.display().to_string().into()))
        }
        _ => unreachable!("not a socket address"),
    };
    listen(&listening, 1).expect("a listener");
    let (to, here) = (to.clone(), address.clone());
    thread::spawn(move || {
        // An accepted socket inherits the buffers of its listener.
        let client = Arc::new(accept(&listening).expect("a client"));
        if let Address::Ipc(path) = &here {
            std::fs::remove_file(&**path).expect("our own file");
        }
        let server = Arc::new(dial(&to));
        let back = (server.clone(), client.clone());
        thread::spawn(move || pump(&back.0, &back.1));
        pump(&client, &server);
    });
    address
}

fn tiny(family: AddressFamily) -> OwnedFd {
    let socket = socket(family, SocketType::STREAM, None).expect("a socket");
    set_socket_recv_buffer_size(&socket, SIZE).expect("any size will do");
    set_socket_send_buffer_size(&socket, SIZE).expect("any size will do");
    socket
}

fn dial(to: &Address) -> OwnedFd {
    match to {
        Address::Tcp { port, .. } => {
            let socket = tiny(AddressFamily::INET);
            connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port)).expect("a server");
            socket
        }
        Address::Ipc(path) => {
            let socket = tiny(AddressFamily::UNIX);
            connect(&socket, &SocketAddrUnix::new(&**path).expect("short")).expect("a server");
            socket
        }
        _ => unreachable!("not a socket address"),
    }
}

/// Forwards bytes in one direction, until the end or an error.
fn pump(from: &OwnedFd, to: &OwnedFd) {
    let mut buffer = [0; SIZE];
    let pass = |buffer: &mut [u8]| -> Result<bool, Errno> {
        let count = read(from, &mut *buffer)?;
        let mut left = &buffer[..count];
        while !left.is_empty() {
            left = &left[write(to, left)?..];
        }
        Ok(count > 0)
    };
    while let Ok(true) | Err(Errno::INTR) = pass(&mut buffer) {}
    // A closed socket needs no shutdown.
    let _ = shutdown(to, Shutdown::Write);
}
