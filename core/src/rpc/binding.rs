//! Binding of arguments to parameters, with the rules and error messages of Python.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::Error as Missing;
use serde::de::{Deserializer, Error as _, Visitor};

use super::Arguments;
use super::span::Span;
use crate::wire::codec::Item;
use crate::wire::{CodecError, Format, Payload, RemoteError};

/// A parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter {
    /// The name, for keyword arguments and for errors.
    pub name: &'static str,
    /// `true` if every call must pass the parameter.
    pub required: bool,
}

impl Parameter {
    /// Creates a parameter that every call must pass.
    #[must_use]
    pub const fn required(name: &'static str) -> Self {
        Self { name, required: true }
    }

    /// Creates a parameter that a call may omit.
    #[must_use]
    pub const fn optional(name: &'static str) -> Self {
        Self { name, required: false }
    }
}

/// Describes the parameters of a function.
///
/// ```
/// use aiomas_core::rpc::{Parameter, Signature};
///
/// // def join(parts, sep="-", **options)
/// const PARAMETERS: &[Parameter] = &[Parameter::required("parts"), Parameter::optional("sep")];
/// const JOIN: Signature<'_> = Signature::new("join", PARAMETERS).with_kwargs();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    function: &'a str,
    parameters: &'a [Parameter],
    /// The number of parameters that accept a positional argument. The others are keyword-only.
    positional: usize,
    args: bool,
    kwargs: bool,
}

impl<'a> Signature<'a> {
    /// Creates a signature. `function` is the name in errors; `parameters` are in order.
    #[must_use]
    pub const fn new(function: &'a str, parameters: &'a [Parameter]) -> Self {
        Self { function, parameters, positional: parameters.len(), args: false, kwargs: false }
    }

    /// Makes the parameters from `index` on keyword-only, like those after Python's `*` or `*args`.
    ///
    /// ```
    /// use aiomas_core::rpc::{Parameter, Signature};
    ///
    /// // def move(to, *, speed=1)
    /// const PARAMETERS: &[Parameter] = &[Parameter::required("to"), Parameter::optional("speed")];
    /// const MOVE: Signature<'_> = Signature::new("move", PARAMETERS).keyword_only_from(1);
    /// ```
    #[must_use]
    pub const fn keyword_only_from(self, index: usize) -> Self {
        let count = self.parameters.len();
        Self { positional: if index < count { index } else { count }, ..self }
    }

    /// Accepts any further positional arguments, like Python's `*args`.
    #[must_use]
    pub const fn with_args(self) -> Self {
        Self { args: true, ..self }
    }

    /// Accepts any further keyword arguments, like Python's `**kwargs`.
    #[must_use]
    pub const fn with_kwargs(self) -> Self {
        Self { kwargs: true, ..self }
    }
}

/// Arguments bound to the parameters of a function, which are identified by index.
#[derive(Debug)]
pub struct Bound<'a> {
    arguments: &'a Arguments<'a>,
    signature: Signature<'a>,
    /// A value for each parameter; omitted parameters at the end may be missing.
    values: Cow<'a, [Span]>,
    /// Keyword arguments beyond the parameters. Of two with the same name, the last counts.
    extra: Vec<(Cow<'a, str>, Span)>,
}

impl<'a> Bound<'a> {
    /// Decodes an argument.
    ///
    /// An omitted argument decodes as serde decodes a missing field: `None` if `T` is an `Option`, an error otherwise.
    ///
    /// # Errors
    /// Returns a `TypeError` that names the function and the parameter if the value does not fit `T`.
    pub fn required<T: Deserialize<'a>>(&self, index: usize) -> Result<T, RemoteError> {
        match self.optional(index)? {
            Some(value) => Ok(value),
            None => absent().map_err(|_| self.mismatch(index, &"it is missing")),
        }
    }

    /// Decodes an argument, if the call has passed it.
    ///
    /// # Errors
    /// Returns a `TypeError` that names the function and the parameter if the value does not fit `T`.
    pub fn optional<T: Deserialize<'a>>(&self, index: usize) -> Result<Option<T>, RemoteError> {
        let Some(span) = self.span(index) else {
            return Ok(None);
        };
        self.decode(span).map(Some).map_err(|error| self.mismatch(index, &error))
    }

    /// Returns an argument as received, if the call has passed it.
    #[must_use]
    pub fn payload(&self, index: usize) -> Option<Payload> {
        self.span(index).map(|span| self.arguments.payload_of(span))
    }

    /// Decodes the positional arguments beyond the parameters.
    ///
    /// # Errors
    /// Returns a `TypeError` if a value does not fit `T`.
    pub fn args<T: Deserialize<'a>>(&self) -> Result<Vec<T>, RemoteError> {
        let mut list = Vec::new();
        let mut index = 0;
        each_positional(self.arguments, |span| {
            if index >= self.signature.positional {
                let value = self.decode(span);
                list.push(value.map_err(|error| self.error(&format!("{index}"), &error))?);
            }
            index += 1;
            Ok(true)
        })?;
        Ok(list)
    }

    /// Decodes the keyword arguments beyond the parameters.
    ///
    /// # Errors
    /// Returns a `TypeError` if a value does not fit `T`.
    pub fn kwargs<T: Deserialize<'a>>(&self) -> Result<BTreeMap<Cow<'a, str>, T>, RemoteError> {
        let decode = |(name, span): &(Cow<'a, str>, Span)| match self.decode(*span) {
            Ok(value) => Ok((name.clone(), value)),
            Err(error) => Err(self.error(name, &error)),
        };
        self.extra.iter().map(decode).collect()
    }

    fn span(&self, index: usize) -> Option<Span> {
        self.values.get(index).copied().filter(|span| !span.is_absent())
    }

    fn decode<T: Deserialize<'a>>(&self, span: Span) -> Result<T, CodecError> {
        let arguments = self.arguments;
        arguments.decode(span)
    }

    #[cold]
    fn mismatch(&self, index: usize, why: &dyn std::fmt::Display) -> RemoteError {
        let parameter = self.signature.parameters.get(index);
        self.error(parameter.map_or("?", |parameter| parameter.name), why)
    }

    fn error(&self, name: &str, why: &dyn std::fmt::Display) -> RemoteError {
        let function = self.signature.function;
        RemoteError::type_error(format_args!("{function}(): argument '{name}': {why}"))
    }
}

impl Arguments<'_> {
    /// Binds the arguments to the parameters of a function, as Python does.
    ///
    /// Values are decoded when the caller takes them from the result. Unlike in aiomas, positional arguments must be an
    /// array: aiomas would call the function with the characters of a string or the keys of a map.
    ///
    /// # Errors
    /// Returns a `TypeError` in Python's words if arguments are missing, unknown, duplicated or too many.
    #[inline]
    pub fn bind<'b>(&'b self, signature: &Signature<'b>) -> Result<Bound<'b>, RemoteError> {
        match self.exactly(signature.parameters.len()) {
            Some(values) if signature.positional == signature.parameters.len() => {
                let values = Cow::Borrowed(values);
                Ok(Bound { arguments: self, signature: *signature, values, extra: Vec::new() })
            }
            _ => bind_any(self, *signature),
        }
    }
}

fn bind_any<'a>(
    arguments: &'a Arguments<'a>,
    signature: Signature<'a>,
) -> Result<Bound<'a>, RemoteError> {
    let Signature { function, parameters, .. } = signature;
    check_items(arguments, function)?;

    let given = arguments.args.count;
    let positional = given.min(signature.positional);
    let mut values = match arguments.first.get(..positional) {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(first_positional(arguments, positional)?),
    };
    let mut extra = Vec::new();

    // Python checks in this order, which determines the reported error among several.
    if arguments.kwargs.count > 0 {
        each_keyword(arguments, |name, span| {
            match parameters.iter().position(|parameter| parameter.name == name) {
                Some(index) if index < positional => Err(RemoteError::type_error(format_args!(
                    "{function}() got multiple values for argument '{name}'"
                ))),
                Some(index) => {
                    let values = values.to_mut();
                    values.resize(parameters.len(), Span::ABSENT);
                    values[index] = span;
                    Ok(())
                }
                None if signature.kwargs => {
                    extra.push((name, span));
                    Ok(())
                }
                None => Err(RemoteError::type_error(format_args!(
                    "{function}() got an unexpected keyword argument '{name}'"
                ))),
            }
        })?;
    }
    let is_given = |index: &usize| values.get(*index).is_some_and(|value| !value.is_absent());
    let keyword_only = signature.positional..parameters.len();
    if given > signature.positional && !signature.args {
        return Err(too_many(&signature, given, keyword_only.filter(is_given).count()));
    }
    for (kind, range) in
        [("positional", positional..signature.positional), ("keyword-only", keyword_only)]
    {
        let missing = range.filter(|index| parameters[*index].required && !is_given(index));
        let missing: Vec<_> =
            missing.map(|index| format!("'{}'", parameters[index].name)).collect();
        if !missing.is_empty() {
            return Err(missing_arguments(function, kind, &missing));
        }
    }
    Ok(Bound { arguments, signature, values, extra })
}

/// Checks that `args` is an array, and `kwargs` a map whose keys are strings.
fn check_items(arguments: &Arguments<'_>, function: &str) -> Result<(), RemoteError> {
    let format = arguments.format();
    if arguments.kwargs.item != Item::Map {
        return Err(RemoteError::type_error(format_args!(
            "{function}() argument after ** must be a mapping, not {}",
            python_type(arguments.kwargs.item, format)
        )));
    }
    if arguments.args.item != Item::Array {
        // Python would take the characters of a string and the keys of a map.
        let wanted = match arguments.args.item {
            Item::Str | Item::Bytes | Item::Map => "a list",
            _ => "an iterable",
        };
        return Err(RemoteError::type_error(format_args!(
            "{function}() argument after * must be {wanted}, not {}",
            python_type(arguments.args.item, format)
        )));
    }
    if !arguments.string_keys {
        return Err(RemoteError::type_error("keywords must be strings"));
    }
    Ok(())
}

/// Returns the Python type of the value.
const fn python_type(item: Item, format: Format) -> &'static str {
    match (item, format) {
        (Item::Null, _) => "NoneType",
        (Item::Bool, _) => "bool",
        (Item::Int, _) => "int",
        (Item::Float, _) => "float",
        (Item::Str, _) => "str",
        (Item::Bytes, _) => "bytes",
        (Item::Array, Format::Json) => "list",
        (Item::Array, Format::MsgPack) => "tuple",
        (Item::Map, _) => "dict",
        (Item::Ext, _) => "ExtType",
    }
}

fn too_many(signature: &Signature<'_>, given: usize, keyword_only: usize) -> RemoteError {
    let Signature { function, parameters, positional: all, .. } = *signature;
    let plural = |count| if count == 1 { "" } else { "s" };
    let required = parameters[..all].iter().filter(|parameter| parameter.required).count();
    let takes = if required == all {
        format!("{all} positional argument{}", plural(all))
    } else {
        format!("from {required} to {all} positional arguments")
    };
    let were = match keyword_only {
        0 if given == 1 => " was".to_owned(),
        0 => " were".to_owned(),
        count => format!(
            " positional argument{} (and {count} keyword-only argument{}) were",
            plural(given),
            plural(count)
        ),
    };
    RemoteError::type_error(format_args!("{function}() takes {takes} but {given}{were} given"))
}

fn missing_arguments(function: &str, kind: &str, names: &[String]) -> RemoteError {
    let list = match names {
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
        [] => String::new(),
    };
    let (count, s) = (names.len(), if names.len() == 1 { "" } else { "s" });
    RemoteError::type_error(format_args!(
        "{function}() missing {count} required {kind} argument{s}: {list}"
    ))
}

/// Returns the positions of the first `count` positional arguments, for functions with many parameters.
fn first_positional(arguments: &Arguments<'_>, count: usize) -> Result<Vec<Span>, RemoteError> {
    let mut spans = Vec::with_capacity(count);
    each_positional(arguments, |span| {
        spans.push(span);
        Ok(spans.len() < count)
    })?;
    Ok(spans)
}

/// Visits the positional arguments until `visit` returns `false`.
fn each_positional(
    arguments: &Arguments<'_>,
    mut visit: impl FnMut(Span) -> Result<bool, RemoteError>,
) -> Result<(), RemoteError> {
    let mut cursor = arguments.walk(arguments.args);
    let mut array = cursor.begin_array().map_err(RemoteError::type_error)?;
    while cursor.next(&mut array).map_err(RemoteError::type_error)? {
        let range = cursor.skip().map_err(RemoteError::type_error)?;
        if !visit(arguments.args.span.within(range))? {
            break;
        }
    }
    Ok(())
}

/// Visits the keyword arguments.
fn each_keyword<'a>(
    arguments: &'a Arguments<'a>,
    mut visit: impl FnMut(Cow<'a, str>, Span) -> Result<(), RemoteError>,
) -> Result<(), RemoteError> {
    let mut cursor = arguments.walk(arguments.kwargs);
    let mut map = cursor.begin_map().map_err(RemoteError::type_error)?;
    while cursor.next(&mut map).map_err(RemoteError::type_error)? {
        let name = cursor.str().map_err(RemoteError::type_error)?;
        cursor.value().map_err(RemoteError::type_error)?;
        let range = cursor.skip().map_err(RemoteError::type_error)?;
        visit(name, arguments.kwargs.span.within(range))?;
    }
    Ok(())
}

/// Reads a missing value, as serde does for a missing field of a struct.
pub(super) fn absent<'a, T: Deserialize<'a>>() -> Result<T, Missing> {
    T::deserialize(Absent)
}

struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = Missing;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Missing> {
        Err(Missing::custom("missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Missing> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
