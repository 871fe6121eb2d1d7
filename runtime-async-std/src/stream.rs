//! TCP and Unix sockets.

use aiomas_core::driver::KeepAlive;

aiomas_core::futures_sockets! {
    tcp: async_std::net::TcpStream, async_std::net::TcpListener;
    keep_alive: keep_alive;
    unix: async_std::os::unix::net::UnixStream, async_std::os::unix::net::UnixListener;
    adopt: |listener: std::os::unix::net::UnixListener| Ok(listener.into())
}

#[cfg(unix)]
fn keep_alive(socket: &async_std::net::TcpStream, how: KeepAlive) -> io::Result<()> {
    use socket2::{SockRef, TcpKeepalive};
    let how =
        TcpKeepalive::new().with_time(how.after).with_interval(how.every).with_retries(how.times);
    SockRef::from(socket).set_tcp_keepalive(&how)
}

/// Elsewhere async-std does not lend its sockets.
#[cfg(not(unix))]
fn keep_alive(_: &async_std::net::TcpStream, _: KeepAlive) -> io::Result<()> {
    Ok(())
}
