//! TCP and Unix sockets, from the crate that async-std is built on.

use aiomas::KeepAlive;
use socket2::{SockRef, TcpKeepalive};

aiomas::futures_sockets! {
    runtime: crate::AsyncStd;
    io: async_io;
    keep_alive: keep_alive
}

fn keep_alive(socket: &TcpStream, how: KeepAlive) -> io::Result<()> {
    let socket = SockRef::from(socket);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(how.unacknowledged))?;
    let how =
        TcpKeepalive::new().with_time(how.after).with_interval(how.every).with_retries(how.times);
    socket.set_tcp_keepalive(&how)
}

#[cfg(all(test, any(target_os = "android", target_os = "linux")))]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Keep-alive and the limit for unacknowledged data end a stream after the same time.
    #[test]
    fn a_dead_peer_is_found_in_both_ways() -> io::Result<()> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        let socket: TcpStream = socket.into();
        keep_alive(&socket, KeepAlive::new(Duration::from_secs(60)))?;
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive()?);
        assert_eq!(socket.tcp_keepalive_time()?, Duration::from_secs(60));
        assert_eq!(socket.tcp_user_timeout()?, Some(Duration::from_secs(120)));
        Ok(())
    }
}
