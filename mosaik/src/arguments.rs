//! Arguments of a simulator's own parameters, bound as Python binds them.

use std::fmt;

use aiomas_core::rpc::{self, Bound, Parameter, Signature};
use aiomas_core::wire::{RemoteError, Value};
use serde::Serialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    Visitor,
};

use crate::{Result, value};

/// The arguments of a simulator's own parameters.
///
/// These are the parameters of `init`, of a model, or of an extra method. [Parse](Self::parse) the arguments into a
/// struct, whose fields are the parameters in order. Fields with a serde default are optional.
#[derive(Clone, Debug)]
pub struct Arguments<'a> {
    function: &'a str,
    /// The parameters in front of a simulator's own.
    before: &'static [Parameter],
    arguments: &'a rpc::Arguments<'a>,
}

/// A call of an extra method, as `#[simulator]` uses it.
#[derive(Debug)]
pub struct Invocation<'a>(&'a Arguments<'a>);

impl<'a> Invocation<'a> {
    /// Creates a call with these arguments.
    #[must_use]
    pub const fn new(arguments: &'a Arguments<'a>) -> Self {
        Self(arguments)
    }

    /// Binds the arguments to the parameters of a method, as Python does.
    ///
    /// # Errors
    /// Returns a `TypeError` in Python's words.
    pub fn bind(&self, signature: &Signature<'a>) -> Result<Bound<'a>> {
        self.0.arguments.bind(signature)
    }

    /// Converts the return value of the method.
    ///
    /// # Errors
    /// Returns a `SerializationError` if the value cannot be encoded.
    pub fn encode(&self, result: &impl Serialize) -> Result<Value> {
        value(result)
    }

    /// Rejects the call of a method that the simulator does not have.
    ///
    /// # Errors
    /// Always returns an error.
    pub fn unknown(&self) -> Result<Value> {
        Err(RemoteError::new("NotImplementedError", self.0.function))
    }
}

impl<'a> Arguments<'a> {
    pub(crate) const fn new(
        function: &'a str,
        before: &'static [Parameter],
        arguments: &'a rpc::Arguments<'a>,
    ) -> Self {
        Self { function, before, arguments }
    }

    /// Binds the arguments to the fields of a struct, as Python binds them to parameters.
    ///
    /// If `T` is a map, it takes all keyword arguments; if it is `()`, arguments are an error.
    ///
    /// # Errors
    /// Returns a `TypeError` in Python's words if an argument is missing, unknown, duplicated or of another type.
    ///
    /// ```
    /// use aiomas_mosaik::{Arguments, Result};
    /// use serde::Deserialize;
    ///
    /// /// `def total(factor=1)`
    /// #[derive(Deserialize)]
    /// struct Total {
    ///     #[serde(default = "one")]
    ///     factor: f64,
    /// }
    ///
    /// fn one() -> f64 {
    ///     1.0
    /// }
    ///
    /// fn factor(arguments: Arguments<'_>) -> Result<f64> {
    ///     let Total { factor } = arguments.parse()?;
    ///     Ok(factor)
    /// }
    /// ```
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        let mut wanted = Wanted::Anything;
        // Records the fields of the type; the deserialization itself always fails.
        let _nothing = T::deserialize(Probe(&mut wanted));
        let arguments = self.named(&wanted)?;
        T::deserialize(Given(&arguments)).map_err(|failed| match failed {
            Failed::Missing(name) => RemoteError::type_error(format_args!(
                "{}() missing 1 required positional argument: '{name}'",
                self.function
            )),
            Failed::Other(why) => {
                RemoteError::type_error(format_args!("{}(): {why}", self.function))
            }
        })
    }

    /// Returns the arguments by name.
    fn named(&self, wanted: &Wanted) -> Result<Vec<(String, Value)>> {
        let names = match wanted {
            Wanted::Fields(names) => names,
            Wanted::Anything | Wanted::Nothing => &[][..],
        };
        let own = names.iter().map(|name| Parameter::optional(name));
        let parameters: Vec<_> = self.before.iter().copied().chain(own).collect();
        let mut signature = Signature::new(self.function, &parameters);
        if matches!(wanted, Wanted::Anything) {
            signature = signature.with_kwargs();
        }
        let bound = self.arguments.bind(&signature)?;
        let mut all = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if let Some(value) = bound.optional(self.before.len() + index)? {
                all.push(((*name).to_owned(), value));
            }
        }
        all.extend(bound.kwargs()?.into_iter().map(|(name, value)| (name.into_owned(), value)));
        Ok(all)
    }
}

/// The parameters that a type takes.
enum Wanted {
    Fields(&'static [&'static str]),
    Anything,
    Nothing,
}

/// A deserializer that records the parameters of a type.
struct Probe<'a>(&'a mut Wanted);

/// A deserializer of arguments.
struct Given<'de>(&'de [(String, Value)]);

/// The reason why arguments cannot be parsed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("missing {0}")]
    Missing(&'static str),
    #[error("{0}")]
    Other(String),
}

impl serde::de::Error for Failed {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Failed;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Failed> {
        Err(Failed::custom("nothing yet"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        *self.0 = Wanted::Fields(fields);
        self.deserialize_any(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        *self.0 = Wanted::Nothing;
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> Deserializer<'de> for Given<'de> {
    type Error = Failed;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_map(Entries { rest: self.0.iter(), value: None })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, (String, Value)>,
    value: Option<&'de (String, Value)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failed;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failed> {
        self.value = self.rest.next();
        let key = self.value.map(|(name, _)| seed.deserialize(BorrowedStrDeserializer::new(name)));
        key.transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failed> {
        let Some((name, value)) = self.value.take() else {
            return Err(Failed::custom("a value without a name"));
        };
        let decoded = seed.deserialize(value.into_deserializer());
        decoded.map_err(|error| Failed::Other(format!("argument '{name}': {error}")))
    }
}
