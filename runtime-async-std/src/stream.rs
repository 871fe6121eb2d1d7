//! TCP and Unix sockets: those that async-std's are made of.

use aiomas_core::driver::KeepAlive;
use async_std::net::ToSocketAddrs;
use socket2::{SockRef, TcpKeepalive};

aiomas_core::futures_sockets! {
    io: async_io;
    resolve: resolve;
    keep_alive: keep_alive
}

async fn resolve(name: (&str, u16)) -> io::Result<Vec<SocketAddr>> {
    Ok(name.to_socket_addrs().await?.collect())
}

fn keep_alive(socket: &TcpStream, how: KeepAlive) -> io::Result<()> {
    let socket = SockRef::from(socket);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(how.unacknowledged))?;
    let how =
        TcpKeepalive::new().with_time(how.after).with_interval(how.every).with_retries(how.times);
    socket.set_tcp_keepalive(&how)
}
