//! Keys for connections, attempts and questions between a container and its host.

/// The host's key for a connection, for instance its index in a slab.
///
/// The host may reuse a key once it has called [`Container::handle_closed`](super::Container::handle_closed) for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// The id of a call of [`Container::connect`](super::Container::connect). Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectId(pub(super) u64);

/// The id of an attempt to open a connection. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialId(pub(super) u64);

/// The id of a call of the peer's `validate_aid`. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValidateTicket(pub(super) u64);
