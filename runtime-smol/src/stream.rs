//! TCP and Unix sockets.

aiomas_core::futures_sockets! {
    tcp: smol::net::TcpStream, smol::net::TcpListener;
    unix: smol::net::unix::UnixStream, smol::net::unix::UnixListener;
    adopt: |listener| Ok(smol::Async::new(listener)?.into())
}
