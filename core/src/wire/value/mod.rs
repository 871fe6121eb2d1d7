//! Values of any type.

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

/// Everything that Python can send.
///
/// For content whose type is not known beforehand. Both codecs write and read values without loss,
/// where they can: JSON has no [`Bytes`](Self::Bytes) and [`Ext`](Self::Ext), MsgPack has no integers
/// beyond 64 bits and no [`Surrogates`](Self::Surrogates).
///
/// A value that is decoded is as deep as the scope's [`Budget`](super::Budget) allows. To drop, clone
/// and compare values takes no stack, however deep they are.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any size.
    Int(Integer),
    /// A floating point number.
    Float(f64),
    /// A string.
    Str(String),
    /// A string with surrogates that are not in pairs, which is not Unicode, as UTF-16. Python reads
    /// and writes such strings in JSON.
    Surrogates(Vec<u16>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list or tuple.
    List(Vec<Self>),
    /// A dictionary in its order. In one that is decoded every key comes once: at the place of the
    /// first, with the value of the last, as in Python.
    Map(Vec<(Self, Self)>),
    /// A value of a registered type: on the wire `{"__type__": [id, data]}`.
    Typed {
        /// Which type, by its position in [`Types`](super::Types).
        id: u64,
        /// What the type's serializer made of it.
        data: Box<Self>,
    },
    /// A MsgPack extension.
    Ext(i8, Vec<u8>),
}

impl Value {
    /// Makes a value of anything that can be serialized.
    ///
    /// # Errors
    /// `source` nests deeper than the scope's budget, has a type that is not registered in it, or
    /// its own `Serialize` fails.
    pub fn encode<T: Serialize + ?Sized>(
        codec_context: &CodecContext,
        source: &T,
    ) -> Result<Self, CodecError> {
        let result = codec_context
            .enter(|| source.serialize(encode::Serializer::new(codec_context.budget())));
        result.map_err(CodecError::settle)
    }

    /// Makes anything that can be deserialized of this value. Fields may borrow from it.
    ///
    /// # Errors
    /// The value nests deeper than the scope's budget, or does not fit `T`.
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

    /// Whether it is nested no more than `limit` levels deep.
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

    /// The value of the entry with the key `key`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.as_map()?.iter().find(|(k, _)| k.as_str() == Some(key));
        entry.map(|(_, value)| value)
    }

    /// Whether this is [`Null`](Self::Null).
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The truth value, if this is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if this is one and it fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The integer, if this is one and it fits.
    #[must_use]
    pub const fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The number, if this is one. Integers are rounded.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            Self::Int(number) => Some(number.to_f64()),
            _ => None,
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub const fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The bytes, if this is [`Bytes`](Self::Bytes).
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        }
    }

    /// The elements, if this is a list.
    #[must_use]
    pub const fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items.as_slice()),
            _ => None,
        }
    }

    /// The entries, if this is a map.
    #[must_use]
    pub const fn as_map(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(entries) => Some(entries.as_slice()),
            _ => None,
        }
    }

    /// A map of `entries`, of which only the last with the same key counts.
    fn from_entries(mut entries: Vec<(Self, Self)>) -> Self {
        if entries.len() <= 8 {
            let differs =
                |at: usize, key| entries[..at].iter().all(|(k, _)| compare(k, key).is_ne());
            if entries.iter().enumerate().all(|(at, (key, _))| differs(at, key)) {
                return Self::Map(entries);
            }
        }
        // Sorted, because comparing each with each would let a peer burn our time.
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

    /// The values directly in this one.
    fn children(&self) -> impl DoubleEndedIterator<Item = &Self> {
        let (items, entries, data) = match self {
            Self::List(items) => (&items[..], &[][..], None),
            Self::Map(entries) => (&[][..], &entries[..], None),
            Self::Typed { data, .. } => (&[][..], &[][..], Some(&**data)),
            _ => (&[][..], &[][..], None),
        };
        items.iter().chain(entries.iter().flat_map(|(key, value)| [key, value])).chain(data)
    }

    /// Moves the values directly in this one to `into`, but not those that have none in them.
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

/// A total order, to find equal keys with.
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
        // Each value is looked at twice: its children come in between.
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

/// Strict: `1`, `1.0` and `true` are three values, maps have an order, and `NaN` is unlike itself.
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
