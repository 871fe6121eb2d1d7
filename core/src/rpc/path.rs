//! The path of a request, as received.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// The path of a request, such as `math/deep/neg`.
///
/// A path is valid UTF-8 and can be read as a `&str`. Services compare names byte by byte, so most calls are routed
/// without validating the path.
#[derive(Clone, PartialEq, Eq)]
pub struct Path<'a>(Cow<'a, [u8]>);

impl<'a> Path<'a> {
    /// Creates a path from bytes that are known to be UTF-8.
    pub(super) const fn checked(path: &'a [u8]) -> Self {
        Self(Cow::Borrowed(path))
    }

    /// Returns the path as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The bytes have been checked, or were a string.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the path as bytes, without a check.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> From<Cow<'a, str>> for Path<'a> {
    fn from(path: Cow<'a, str>) -> Self {
        Self(match path {
            Cow::Borrowed(path) => Cow::Borrowed(path.as_bytes()),
            Cow::Owned(path) => Cow::Owned(path.into_bytes()),
        })
    }
}

impl Deref for Path<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Path<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for Path<'_> {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Path<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<String> for Path<'_> {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
