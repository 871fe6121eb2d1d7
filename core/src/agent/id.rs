//! The keys by which a container and its host speak about things.

/// The host's key for a connection, for instance its index in a slab.
///
/// The host may use a key again once it has called
/// [`Container::handle_closed`](super::Container::handle_closed) for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// One call of [`Container::connect`](super::Container::connect). Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectId(pub(super) u64);

/// One attempt to open a connection. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialId(pub(super) u64);

/// One call of the peer's `validate_aid`. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValidateTicket(pub(super) u64);
