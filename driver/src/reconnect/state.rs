//! The state of a reconnecting connection.

/// The state of a [reconnecting connection](crate::reconnect).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionState {
    /// A connection is open.
    Connected,
    /// The connection is lost. The next call dials again.
    Lost,
    /// A dial attempt, or the wait after it. The first attempt is 1; a wait may precede it if the last connection was
    /// short-lived.
    Dialling {
        /// The number of attempts so far, this one included.
        attempt: u32,
    },
    /// No connection opened in time. The next call dials again.
    GaveUp,
    /// Closed for good: no new connection will open.
    Closed,
}
