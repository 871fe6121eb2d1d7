//! Arguments of calls whose shape is known at compile time, as typed proxies send them.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A keyword argument, left out of the call if the value is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword<T>(pub &'static str, pub Option<T>);

/// Keyword arguments of a call.
///
/// They are a tuple of up to eight [`Keyword`]s, a map from `String` to values, or a tuple of these.
///
/// ```
/// use aiomas_core::rpc::{Keyword, Keywords, encode_call};
/// use aiomas_core::wire::{Format, CodecContext};
///
/// let kwargs = Keywords((Keyword("sep", Some("-")), Keyword("end", None::<&str>)));
/// let mut out = Vec::new();
/// encode_call(Format::Json, &CodecContext::default(), "join", &(["a", "b"],), &kwargs, &mut out)?;
/// assert_eq!(out, br#"["join", [["a", "b"]], {"sep": "-"}]"#);
/// # Ok::<(), aiomas_core::wire::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keywords<T>(pub T);

/// Positional arguments of a call.
///
/// They are a tuple of up to eight for the parameters of a function, and any further arguments for its `*args`.
///
/// ```
/// use aiomas_core::rpc::{Positional, encode_call};
/// use aiomas_core::wire::{Format, CodecContext};
///
/// let args = Positional((1, "b"), vec![3, 4]);
/// let mut out = Vec::new();
/// encode_call(Format::Json, &CodecContext::default(), "rest", &args, &(), &mut out)?;
/// assert_eq!(out, br#"["rest", [1, "b", 3, 4], {}]"#);
/// # Ok::<(), aiomas_core::wire::CodecError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positional<A, T>(pub A, pub Vec<T>);

impl<T: Entries> Serialize for Keywords<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.count()))?;
        self.0.write(&mut map)?;
        map.end()
    }
}

impl<A: Items, T: Serialize> Serialize for Positional<A, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(A::COUNT + self.1.len()))?;
        self.0.write(&mut seq)?;
        self.1.iter().try_for_each(|item| seq.serialize_element(item))?;
        seq.end()
    }
}

/// A value that writes entries of a map.
trait Entries {
    fn count(&self) -> usize;

    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

impl<T: Serialize> Entries for Keyword<T> {
    fn count(&self) -> usize {
        usize::from(self.1.is_some())
    }

    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.1.iter().try_for_each(|value| map.serialize_entry(self.0, value))
    }
}

impl<T: Serialize> Entries for BTreeMap<String, T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))
    }
}

/// A value that writes a known number of items of a sequence.
trait Items {
    const COUNT: usize;

    fn write<S: SerializeSeq>(&self, seq: &mut S) -> Result<(), S::Error>;
}

macro_rules! tuple {
    ($count:literal: $($t:ident $index:tt),*) => {
        impl<$($t: Entries),*> Entries for ($($t,)*) {
            fn count(&self) -> usize {
                0 $(+ self.$index.count())*
            }

            fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                let _ = &map;
                $(self.$index.write(map)?;)*
                Ok(())
            }
        }

        impl<$($t: Serialize),*> Items for ($($t,)*) {
            const COUNT: usize = $count;

            fn write<S: SerializeSeq>(&self, seq: &mut S) -> Result<(), S::Error> {
                let _ = &seq;
                $(seq.serialize_element(&self.$index)?;)*
                Ok(())
            }
        }
    };
}

tuple!(0:);
tuple!(1: A 0);
tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Body, CodecContext, Format};

    fn encoded(format: Format, value: &impl Serialize) -> Vec<u8> {
        Body::encode(format, &CodecContext::default(), value).unwrap().bytes().to_vec()
    }

    #[test]
    fn only_keywords_with_a_value_are_written_and_counted() {
        let some =
            Keywords((Keyword("a", Some(1)), Keyword("b", None::<i64>), Keyword("c", Some("x"))));
        assert_eq!(encoded(Format::Json, &some), br#"{"a": 1, "c": "x"}"#);
        assert_eq!(encoded(Format::MsgPack, &some), b"\x82\xa1a\x01\xa1c\xa1x");

        let none = Keywords((Keyword("a", None::<i64>),));
        assert_eq!(encoded(Format::Json, &none), b"{}");
        assert_eq!(encoded(Format::MsgPack, &none), b"\x80");
        assert_eq!(encoded(Format::MsgPack, &Keywords(())), b"\x80");
    }

    #[test]
    fn a_keyword_that_is_none_itself_is_null() {
        let null = Keywords((Keyword("a", Some(None::<i64>)),));
        assert_eq!(encoded(Format::Json, &null), br#"{"a": null}"#);
    }

    #[test]
    fn maps_and_keywords_become_one_map() {
        let rest = BTreeMap::from([("x".to_owned(), 1), ("y".to_owned(), 2)]);
        let all = Keywords(((Keyword("a", Some(true)), Keyword("b", None::<i64>)), rest));
        assert_eq!(encoded(Format::Json, &all), br#"{"a": true, "x": 1, "y": 2}"#);
        assert_eq!(encoded(Format::MsgPack, &all)[0], 0x83);
    }

    #[test]
    fn positional_arguments_are_one_sequence() {
        let none = Vec::<i64>::new();
        assert_eq!(encoded(Format::Json, &Positional((1, "b"), vec![3, 4])), br#"[1, "b", 3, 4]"#);
        assert_eq!(encoded(Format::MsgPack, &Positional((1, "b"), vec![3])), b"\x93\x01\xa1b\x03");
        assert_eq!(encoded(Format::MsgPack, &Positional((), none.clone())), b"\x90");
        assert_eq!(encoded(Format::Json, &Positional((1,), none)), b"[1]");
    }
}
