//! `Value`: a value of any type.

use std::cmp::Ordering;
use std::mem;

use serde::{Deserialize, Serialize};

use super::{CodecContext, CodecError};

mod convert;
mod de;
mod decode;
mod encode;
mod integer;
mod ser;
#[cfg(test)]
mod tests;

pub use integer::{Integer, ParseIntegerError};

/// Any value that Python can send, for content of unknown type.
///
/// Both codecs write and read values without loss, within their formats: JSON has no [`Bytes`](Self::Bytes) and
/// [`Ext`](Self::Ext), MsgPack has no integers beyond 64 bits and no [`Surrogates`](Self::Surrogates).
///
/// A decoded value is nested at most as deep as the [`Budget`](super::Budget) of its context allows. Dropping, cloning
/// and comparing values does not recurse, so deep values do not overflow the stack.
///
/// ```
/// use aiomas_core::wire::{CodecContext, Format, Value, codec};
///
/// let context = CodecContext::default();
/// let pump: Value = codec::decode(Format::Json, br#"{"name": "pump", "rpm": [900, 1200]}"#, &context)?;
/// assert_eq!(pump.get("name").and_then(Value::as_str), Some("pump"));
/// let speeds: Vec<u32> = pump.get("rpm").expect("an entry").decode(&context)?;
/// assert_eq!(speeds, [900, 1200]);
/// # Ok::<(), aiomas_core::wire::CodecError>(())
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of any size.
    Int(Integer),
    /// A floating point number.
    Float(f64),
    /// A string.
    Str(String),
    /// A string with lone surrogates, which is not valid Unicode, as UTF-16.
    ///
    /// Python reads and writes such strings in JSON.
    Surrogates(Vec<u16>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list or tuple.
    List(Vec<Self>),
    /// A dictionary in insertion order.
    ///
    /// In a decoded dictionary every key occurs once: at its first position, with its last value, as in Python.
    Map(Vec<(Self, Self)>),
    /// A value of a registered type: on the wire `{"__type__": [id, data]}`.
    Typed {
        /// The position of the type in [`Types`](super::Types).
        id: u64,
        /// The output of the type's serializer.
        data: Box<Self>,
    },
    /// A MsgPack extension.
    Ext(i8, Vec<u8>),
}

impl Value {
    /// Creates a value from any serializable value.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if `source` nests deeper than the budget of the context, has a type that is not
    /// registered in it, or its own `Serialize` fails.
    pub fn encode<T: Serialize + ?Sized>(
        codec_context: &CodecContext,
        source: &T,
    ) -> Result<Self, CodecError> {
        let result = codec_context
            .enter(|| source.serialize(encode::Serializer::new(codec_context.budget())));
        result.map_err(CodecError::settle)
    }

    /// Converts this value to any deserializable type. Fields may borrow from the value.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the value nests deeper than the budget of the context, or does not fit `T`.
    pub fn decode<'de, T: Deserialize<'de>>(
        &'de self,
        codec_context: &CodecContext,
    ) -> Result<T, CodecError> {
        let limit = codec_context.budget().depth;
        if !self.is_within(limit) {
            return Err(CodecError::TooDeep { limit });
        }
        codec_context.enter(|| T::deserialize(self)).map_err(CodecError::settle)
    }

    /// Returns `true` if the value is nested at most `limit` levels deep.
    fn is_within(&self, limit: u32) -> bool {
        let mut rest = vec![(self, 0)];
        while let Some((value, depth)) = rest.pop() {
            if !value.is_leaf() {
                if depth == limit {
                    return false;
                }
                rest.extend(value.children().map(|child| (child, depth + 1)));
            }
        }
        true
    }

    /// Returns the value of the entry `key`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.as_map()?.iter().find(|(k, _)| k.as_str() == Some(key));
        entry.map(|(_, value)| value)
    }

    /// Returns `true` for [`Null`](Self::Null).
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns the boolean, if this is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the integer, if this is one that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => number.as_i64(),
            _ => None,
        }
    }

    /// Returns the integer, if this is one that fits.
    #[must_use]
    pub const fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(number) => number.as_u64(),
            _ => None,
        }
    }

    /// Returns the number, if this is one. Integers are rounded.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            Self::Int(number) => Some(number.to_f64()),
            _ => None,
        }
    }

    /// Returns the text, if this is a string.
    #[must_use]
    pub const fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Returns the bytes, if this is [`Bytes`](Self::Bytes).
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        }
    }

    /// Returns the elements, if this is a list.
    #[must_use]
    pub const fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items.as_slice()),
            _ => None,
        }
    }

    /// Returns the entries, if this is a map.
    #[must_use]
    pub const fn as_map(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(entries) => Some(entries.as_slice()),
            _ => None,
        }
    }

    /// Creates a map from `entries`; of equal keys, the last one counts.
    fn from_entries(mut entries: Vec<(Self, Self)>) -> Self {
        if entries.len() <= 8 {
            let differs =
                |at: usize, key| entries[..at].iter().all(|(k, _)| compare(k, key).is_ne());
            if entries.iter().enumerate().all(|(at, (key, _))| differs(at, key)) {
                return Self::Map(entries);
            }
        }
        // Sorted: comparing every pair of keys would let a peer cause quadratic work.
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| compare(&entries[*a].0, &entries[*b].0));
        let mut doubles = vec![false; entries.len()];
        let mut any = false;
        let same = |a: &usize, b: &usize| compare(&entries[*a].0, &entries[*b].0).is_eq();
        let runs: Vec<&[usize]> = order.chunk_by(same).filter(|run| run.len() > 1).collect();
        for run in runs {
            if let [first, others @ .., last] = run {
                any = true;
                entries[*first].1 = mem::take(&mut entries[*last].1);
                others.iter().chain([last]).for_each(|at| doubles[*at] = true);
            }
        }
        if any {
            let mut doubles = doubles.into_iter();
            entries.retain(|_| doubles.next() != Some(true));
        }
        Self::Map(entries)
    }

    const fn is_leaf(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Map(_) | Self::Typed { .. })
    }

    /// Returns the direct children of this value.
    fn children(&self) -> impl DoubleEndedIterator<Item = &Self> {
        let (items, entries, data) = match self {
            Self::List(items) => (&items[..], &[][..], None),
            Self::Map(entries) => (&[][..], &entries[..], None),
            Self::Typed { data, .. } => (&[][..], &[][..], Some(&**data)),
            _ => (&[][..], &[][..], None),
        };
        items.iter().chain(entries.iter().flat_map(|(key, value)| [key, value])).chain(data)
    }

    /// Moves the direct children to `into`, except those without children of their own.
    fn take_apart(&mut self, into: &mut Vec<Self>) {
        match self {
            Self::List(items) => into.extend(items.drain(..).filter(|item| !item.is_leaf())),
            Self::Map(entries) => {
                let values = entries.drain(..).flat_map(|(key, value)| [key, value]);
                into.extend(values.filter(|value| !value.is_leaf()));
            }
            Self::Typed { data, .. } => into.push(mem::take(data)),
            _ => {}
        }
    }
}

/// Compares two values in a total order, for finding equal keys.
fn compare(a: &Value, b: &Value) -> Ordering {
    const fn rank(value: &Value) -> u8 {
        match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Int(_) => 2,
            Value::Float(_) => 3,
            Value::Str(_) => 4,
            Value::Surrogates(_) => 5,
            Value::Bytes(_) => 6,
            Value::List(_) => 7,
            Value::Map(_) => 8,
            Value::Typed { .. } => 9,
            Value::Ext(..) => 10,
        }
    }
    let nested = || {
        let (mut a, mut b) = (a.children(), b.children());
        loop {
            match (a.next(), b.next()) {
                (Some(a), Some(b)) => match compare(a, b) {
                    Ordering::Equal => {}
                    order => return order,
                },
                (a, b) => return a.is_some().cmp(&b.is_some()),
            }
        }
    };
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        (Value::Surrogates(a), Value::Surrogates(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Typed { id: a, .. }, Value::Typed { id: b, .. }) => a.cmp(b).then_with(nested),
        (Value::Ext(a, x), Value::Ext(b, y)) => a.cmp(b).then_with(|| x.cmp(y)),
        _ => rank(a).cmp(&rank(b)).then_with(nested),
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        let mut rest = Vec::new();
        self.take_apart(&mut rest);
        while let Some(mut value) = rest.pop() {
            value.take_apart(&mut rest);
        }
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        // Each value is visited twice, before and after its children.
        let mut rest = vec![(self, false)];
        let mut done: Vec<Self> = Vec::new();
        while let Some((value, children_done)) = rest.pop() {
            if !children_done && !value.is_leaf() {
                rest.push((value, true));
                rest.extend(value.children().rev().map(|child| (child, false)));
                continue;
            }
            let clone = match value {
                Self::Null => Self::Null,
                Self::Bool(value) => Self::Bool(*value),
                Self::Int(number) => Self::Int(number.clone()),
                Self::Float(number) => Self::Float(*number),
                Self::Str(text) => Self::Str(text.clone()),
                Self::Surrogates(units) => Self::Surrogates(units.clone()),
                Self::Bytes(bytes) => Self::Bytes(bytes.clone()),
                Self::Ext(tag, bytes) => Self::Ext(*tag, bytes.clone()),
                Self::List(items) => Self::List(done.split_off(done.len() - items.len())),
                Self::Map(entries) => {
                    let mut parts = done.drain(done.len() - 2 * entries.len()..);
                    let pairs = std::iter::from_fn(|| parts.next().zip(parts.next()));
                    Self::Map(pairs.collect())
                }
                Self::Typed { id, .. } => {
                    Self::Typed { id: *id, data: Box::new(done.pop().unwrap_or_default()) }
                }
            };
            done.push(clone);
        }
        done.pop().unwrap_or_default()
    }
}

/// Compares strictly.
///
/// `1`, `1.0` and `true` differ, the order of a map counts, and `NaN` differs from itself.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        let mut rest = vec![(self, other)];
        while let Some((a, b)) = rest.pop() {
            let same = match (a, b) {
                (Self::Null, Self::Null) => true,
                (Self::Bool(a), Self::Bool(b)) => a == b,
                (Self::Int(a), Self::Int(b)) => a == b,
                (Self::Float(a), Self::Float(b)) => a == b,
                (Self::Str(a), Self::Str(b)) => a == b,
                (Self::Surrogates(a), Self::Surrogates(b)) => a == b,
                (Self::Bytes(a), Self::Bytes(b)) => a == b,
                (Self::Ext(a, x), Self::Ext(b, y)) => a == b && x == y,
                (Self::List(a), Self::List(b)) => a.len() == b.len(),
                (Self::Map(a), Self::Map(b)) => a.len() == b.len(),
                (Self::Typed { id: a, .. }, Self::Typed { id: b, .. }) => a == b,
                _ => false,
            };
            if !same {
                return false;
            }
            rest.extend(a.children().zip(b.children()));
        }
        true
    }
}
