//! Socket options that detect a dead peer.

use std::io;

use socket2::{SockRef, TcpKeepalive};

use crate::transport::KeepAlive;

/// Sets the options of a TCP socket: [`Transport::keep_alive`](crate::Transport::keep_alive) for an adapter.
///
/// # Errors
/// The system's error.
pub fn keep_alive<'s, S>(socket: &'s S, how: KeepAlive) -> io::Result<()>
where
    SockRef<'s>: From<&'s S>,
{
    let socket = SockRef::from(socket);
    // Keep-alive does not probe a peer that owes an acknowledgement: this option ends its stream.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(how.unacknowledged))?;
    let how =
        TcpKeepalive::new().with_time(how.after).with_interval(how.every).with_retries(how.times);
    socket.set_tcp_keepalive(&how)
}

#[cfg(all(test, any(target_os = "android", target_os = "linux")))]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    /// Silence and unacknowledged data end a stream after the same time.
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
