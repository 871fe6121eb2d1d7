//! TCP and Unix sockets.

aiomas_core::futures_sockets! {
    tcp: async_std::net::TcpStream, async_std::net::TcpListener;
    unix: async_std::os::unix::net::UnixStream, async_std::os::unix::net::UnixListener;
    adopt: |listener: std::os::unix::net::UnixListener| Ok(listener.into())
}
