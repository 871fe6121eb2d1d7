//! TCP and Unix sockets.

aiomas::futures_sockets! {
    runtime: crate::Smol;
    io: smol
}
