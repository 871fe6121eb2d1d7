//! The kinds of values on the wire.

/// The kind of the value at a [`Cursor`](super::Cursor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// `null`, `nil`.
    Null,
    /// A truth value.
    Bool,
    /// An integer of any size.
    Int,
    /// A floating point number.
    Float,
    /// A string.
    Str,
    /// Bytes (MsgPack only).
    Bytes,
    /// An array.
    Array,
    /// A map.
    Map,
    /// An extension (MsgPack only).
    Ext,
}
