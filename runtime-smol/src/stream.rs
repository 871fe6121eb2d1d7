//! TCP and Unix sockets.

use aiomas_core::driver::KeepAlive;
use socket2::{SockRef, TcpKeepalive};

aiomas_core::futures_sockets! {
    runtime: crate::Smol;
    io: smol;
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
