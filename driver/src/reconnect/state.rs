//! What a connection that reconnects is doing.

/// What a connection that [reconnects](crate::reconnect) is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionState {
    /// There is a connection.
    Connected,
    /// The connection is lost. The next call dials again.
    Lost,
    /// This attempt to open a connection is under way, or the wait after it. The first one is 1; as before it,
    /// there may be a wait if the last connection was lost soon.
    Dialling {
        /// How many attempts there have been, this one included.
        attempt: u32,
    },
    /// No connection could be opened in time. The next call dials again.
    GaveUp,
    /// It was closed, or is gone: there will be no connection.
    Closed,
}
