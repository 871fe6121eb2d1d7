//! Listens at all addresses of a host, with one port.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::names::no_address;

/// The number of free ports to try at all addresses.
const MAX_TRIES: usize = 64;

/// The length of the accept queue. Systems may reduce it.
const BACKLOG: i32 = 4096;

/// The system's error for an address family that the machine lacks. `std` has no name for it.
const NO_FAMILY: i32 = if cfg!(target_os = "linux") || cfg!(target_os = "android") {
    97
} else if cfg!(windows) {
    10_047
} else {
    47
};

/// Binds all of these addresses that this machine has. Port 0 selects a port that is free at all of them.
pub(super) fn bind_all(found: &[SocketAddr]) -> io::Result<(Vec<TcpListener>, u16)> {
    bind_all_by(found, |address| bind(address, found.len() > 1))
}

fn bind_all_by<L>(
    found: &[SocketAddr],
    bind: impl Fn(SocketAddr) -> io::Result<(L, u16)>,
) -> io::Result<(Vec<L>, u16)> {
    let mut tries = 1;
    loop {
        match bind_once(found, &bind) {
            Err((error, true)) if tries < MAX_TRIES && error.kind() == ErrorKind::AddrInUse => {
                tries += 1;
            }
            Err((error, _)) => return Err(error),
            Ok(bound) => return Ok(bound),
        }
    }
}

/// Binds all addresses, or none. The error says whether another free port may help.
fn bind_once<L>(
    found: &[SocketAddr],
    bind: impl Fn(SocketAddr) -> io::Result<(L, u16)>,
) -> Result<(Vec<L>, u16), (io::Error, bool)> {
    let mut bound = Vec::with_capacity(found.len());
    let (mut port, mut absent) = (None, None);
    for address in found {
        let mut address = *address;
        if let Some(port) = port {
            address.set_port(port);
        }
        match bind(address) {
            Ok((listener, of)) => {
                port = Some(of);
                bound.push(listener);
            }
            // On machines without IPv6, names often have IPv6 addresses.
            Err(error) if is_absent(&error) => absent = Some(of_address(address, found, &error)),
            Err(error) => {
                let is_free = found.iter().all(|address| address.port() == 0) && port.is_some();
                return Err((of_address(address, found, &error), is_free));
            }
        }
    }
    match port {
        Some(port) => Ok((bound, port)),
        None => Err((absent.unwrap_or_else(no_address), false)),
    }
}

/// Returns whether this machine lacks the address.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_FAMILY)
}

/// Adds the address to the error if the name has several.
fn of_address(address: SocketAddr, found: &[SocketAddr], error: &io::Error) -> io::Error {
    let text = match (found, error.kind()) {
        (_, ErrorKind::AddrNotAvailable) => {
            format!("{error}: this machine has no address {}", address.ip())
        }
        ([_], _) => error.to_string(),
        _ => format!("{address}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// Binds one address. `is_one_of_many`: sockets of both families share the port.
fn bind(address: SocketAddr, is_one_of_many: bool) -> io::Result<(TcpListener, u16)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && is_one_of_many {
        socket.set_only_v6(true)?;
    }
    // Except on Windows, this allows a listener to reuse a port while old connections linger.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn addresses<const N: usize>(texts: [&str; N]) -> [SocketAddr; N] {
        texts.map(|text| text.parse().unwrap())
    }

    #[test]
    fn all_addresses_have_one_port() {
        let (listeners, port) = bind_all(&addresses(["127.0.0.1:0", "127.0.0.2:0"])).unwrap();
        let bound: Vec<_> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        assert_eq!(bound, [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")]);
        let taken = bind_all(&[SocketAddr::from(([127, 0, 0, 2], port))]).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    }

    /// The port that is free at the first address is taken at another one, twice.
    #[test]
    fn a_port_is_free_at_all_addresses() {
        let (next, asked) = (Cell::new(40_000), RefCell::new(Vec::new()));
        let bind = |address: SocketAddr| {
            asked.borrow_mut().push(address.to_string());
            match address.port() {
                0 => {
                    next.set(next.get() + 1);
                    Ok(((), next.get()))
                }
                port if port < 40_003 => Err(ErrorKind::AddrInUse.into()),
                port => Ok(((), port)),
            }
        };
        let (bound, port) = bind_all_by(&addresses(["[::1]:0", "127.0.0.1:0"]), bind).unwrap();
        assert_eq!((bound.len(), port), (2, 40_003));
        assert_eq!(asked.borrow()[4..], ["[::1]:0", "127.0.0.1:40003"]);

        let never = |address: SocketAddr| match address.port() {
            0 => Ok(((), 40_000)),
            _ => Err::<((), u16), _>(ErrorKind::AddrInUse.into()),
        };
        let error = bind_all_by(&addresses(["[::1]:0", "127.0.0.1:0"]), never).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn addresses_of_others_are_passed_over() {
        let bind = |address: SocketAddr| match address {
            SocketAddr::V4(_) => Ok(((), address.port())),
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(NO_FAMILY)),
        };
        let (bound, port) = bind_all_by(&addresses(["[::1]:7", "127.0.0.1:7"]), bind).unwrap();
        assert_eq!((bound.len(), port), (1, 7));
        assert!(bind_all_by(&addresses(["[::1]:7"]), bind).is_err());
        // An address reserved for documentation, which no machine has.
        let error = bind_all(&addresses(["192.0.2.1:0"])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("no address 192.0.2.1"), "{error}");
    }

    /// A requested port is never replaced, and no address is left out.
    #[test]
    fn a_port_that_is_taken_anywhere_is_an_error() {
        let bind = |address: SocketAddr| match address.to_string().as_str() {
            "127.0.0.2:7" => Err(ErrorKind::AddrInUse.into()),
            _ => Ok(((), address.port())),
        };
        let error = bind_all_by(&addresses(["127.0.0.1:7", "127.0.0.2:7"]), bind).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), "127.0.0.2:7: address in use");
    }
}
