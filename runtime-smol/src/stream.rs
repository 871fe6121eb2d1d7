//! TCP and Unix sockets.

use aiomas_core::driver::KeepAlive;
use socket2::{SockRef, TcpKeepalive};

aiomas_core::futures_sockets! {
    tcp: smol::net::TcpStream, smol::net::TcpListener;
    keep_alive: keep_alive;
    unix: smol::net::unix::UnixStream, smol::net::unix::UnixListener;
    adopt: |listener| Ok(smol::Async::new(listener)?.into())
}

fn keep_alive(socket: &smol::net::TcpStream, how: KeepAlive) -> io::Result<()> {
    let how =
        TcpKeepalive::new().with_time(how.after).with_interval(how.every).with_retries(how.times);
    SockRef::from(socket).set_tcp_keepalive(&how)
}
