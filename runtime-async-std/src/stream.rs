//! TCP and Unix sockets.

aiomas::futures_sockets! {
    runtime: crate::AsyncStd;
    io: async_io
}
