//! From Python objects to bytes.

use std::cell::RefCell;

use aiomas_core::wire::codec::{self, blosc};
use aiomas_core::wire::{Budget, CodecContext, CodecError, Format, Types, Value};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple,
};
use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// How deep values may be nested, and how many there may be in one message.
pub(crate) const BUDGET: Budget = Budget::new(256, u32::MAX);

/// The codec context in which Python's values are written and read: their typed values are Python's affair.
pub(crate) fn codec_context() -> CodecContext {
    thread_local! {
        static SCOPE: CodecContext = CodecContext::new(Types::default(), BUDGET);
    }
    SCOPE.with(Clone::clone)
}

pub(crate) fn format_named(name: &str) -> PyResult<Format> {
    match name {
        "json" => Ok(Format::Json),
        "msgpack" | "msgpackblosc" => Ok(Format::MsgPack),
        _ => Err(PyValueError::new_err(format!("there is no format {name:?}"))),
    }
}

/// Encodes `value` as `format` ("json" or "msgpack"). `codec.serialize_obj` translates objects of other types.
#[pyfunction]
pub(crate) fn encode<'py>(
    format: &str,
    value: &Bound<'py, PyAny>,
    codec: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::new();
    write(format_named(format)?, value, codec, &mut out)?;
    Ok(PyBytes::new(value.py(), &out))
}

/// Compresses `data` as aiomas' codec MsgPackBlosc does.
#[pyfunction]
pub(crate) fn compress<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::new();
    blosc::compress(data, &blosc::Options::default(), &mut out)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &out))
}

/// Appends `value` to `out`.
pub(crate) fn write(
    format: Format,
    value: &Bound<'_, PyAny>,
    codec: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
) -> PyResult<()> {
    let context = Context { format, codec, raised: RefCell::new(None) };
    let written =
        codec::encode(format, &codec_context(), &Object { value, context: &context }, out);
    written.map_err(|error| match context.raised.take() {
        Some(raised) => raised,
        None => error_in(value.py(), &error),
    })
}

/// A `SerializationError`.
pub(crate) fn error_in(py: Python<'_>, error: &CodecError) -> PyErr {
    let class = py.import("aiomas_rs.exceptions").and_then(|m| m.getattr("SerializationError"));
    match class.and_then(|class| class.call1((error.to_string(),))) {
        Ok(instance) => PyErr::from_value(instance),
        Err(error) => error,
    }
}

struct Context<'a, 'py> {
    format: Format,
    codec: &'a Bound<'py, PyAny>,
    /// The exception behind the error that serde has.
    raised: RefCell<Option<PyErr>>,
}

impl Context<'_, '_> {
    fn raise<E: Error>(&self, error: PyErr) -> E {
        let text = error.to_string();
        self.raised.replace(Some(error));
        E::custom(text)
    }
}

struct Object<'a, 'py> {
    value: &'a Bound<'py, PyAny>,
    context: &'a Context<'a, 'py>,
}

impl<'a, 'py> Object<'a, 'py> {
    fn child<'b>(&self, value: &'b Bound<'py, PyAny>) -> Object<'b, 'py>
    where
        'a: 'b,
    {
        Object { value, context: self.context }
    }

    fn text<S: Serializer>(&self, text: &Bound<'py, PyString>, s: S) -> Result<S::Ok, S::Error> {
        match text.to_cow() {
            Ok(text) => s.serialize_str(&text),
            // Only JSON can write a lone surrogate.
            Err(_) if self.context.format == Format::Json => {
                let units = text
                    .call_method1(
                        intern!(text.py(), "encode"),
                        ("utf-16-be", intern!(text.py(), "surrogatepass")),
                    )
                    .and_then(|units| units.extract::<Vec<u8>>());
                let units = units.map_err(|error| self.context.raise(error))?;
                let units = units.chunks_exact(2).map(|u| u16::from_be_bytes([u[0], u[1]]));
                Value::Surrogates(units.collect()).serialize(s)
            }
            Err(error) => Err(self.context.raise(error)),
        }
    }

    fn integer<S: Serializer>(&self, number: &Bound<'py, PyAny>, s: S) -> Result<S::Ok, S::Error> {
        if let Ok(number) = number.extract::<i64>() {
            return s.serialize_i64(number);
        }
        if let Ok(number) = number.extract::<u64>() {
            return s.serialize_u64(number);
        }
        match self.context.format {
            Format::Json => {
                // As `int.__repr__`, which a subclass may override.
                let digits = number
                    .py()
                    .get_type::<PyInt>()
                    .call_method1(intern!(number.py(), "__repr__"), (number,))
                    .and_then(|digits| digits.extract::<String>())
                    .map_err(|error| self.context.raise(error))?;
                let integer = digits.parse().map_err(S::Error::custom)?;
                Value::Int(integer).serialize(s)
            }
            // As msgpack does with integers beyond 64 bits.
            Format::MsgPack => self.foreign(s),
        }
    }

    fn sequence<S: Serializer>(
        &self,
        items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        let mut seq = s.serialize_seq(Some(items.len()))?;
        for item in items {
            seq.serialize_element(&self.child(&item))?;
        }
        seq.end()
    }

    fn dict<S: Serializer>(&self, dict: &Bound<'py, PyDict>, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(dict.len()))?;
        // Keyword arguments are empty most of the time.
        if dict.is_empty() {
            return map.end();
        }
        // A list of the items: code that `serialize_obj` runs may change the dict.
        for item in dict.items() {
            let pair = item.cast_into::<PyTuple>().map_err(|e| self.context.raise(e.into()))?;
            let (key, value) = (pair.get_item(0), pair.get_item(1));
            let key = key.map_err(|error| self.context.raise(error))?;
            let value = value.map_err(|error| self.context.raise(error))?;
            if self.context.format == Format::Json {
                self.check_key(&key)?;
            }
            map.serialize_entry(&self.child(&key), &self.child(&value))?;
        }
        map.end()
    }

    /// Checks that JSON has such keys.
    fn check_key<E: Error>(&self, key: &Bound<'py, PyAny>) -> Result<(), E> {
        if key.is_exact_instance_of::<PyString>()
            || key.is_instance_of::<PyString>()
            || key.is_instance_of::<PyInt>()
            || key.is_instance_of::<PyFloat>()
            || key.is_none()
        {
            return Ok(());
        }
        let class = key.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        Err(self.context.raise(PyTypeError::new_err(format!(
            "keys must be str, int, float, bool or None, not {class}"
        ))))
    }

    fn bytes<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.context.format == Format::Json {
            return self.foreign(s);
        }
        if let Ok(bytes) = self.value.cast::<PyBytes>() {
            return s.serialize_bytes(bytes.as_bytes());
        }
        let bytes = self.value.py().get_type::<PyBytes>().call1((self.value,));
        let bytes = bytes.and_then(|bytes| Ok(bytes.cast_into::<PyBytes>()?));
        s.serialize_bytes(bytes.map_err(|error| self.context.raise(error))?.as_bytes())
    }

    /// Subclasses, and objects of other types.
    #[cold]
    fn other<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let value = self.value;
        if let Ok(text) = value.cast::<PyString>() {
            self.text(text, s)
        } else if value.is_instance_of::<PyInt>() {
            self.integer(value, s)
        } else if let Ok(number) = value.cast::<PyFloat>() {
            s.serialize_f64(number.value())
        } else if let Ok(list) = value.cast::<PyList>() {
            self.sequence(list.iter(), s)
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            match self.extension(tuple) {
                Some(extension) => extension.serialize(s),
                None => self.sequence(tuple.iter(), s),
            }
        } else if let Ok(dict) = value.cast::<PyDict>() {
            self.dict(dict, s)
        } else if value.is_instance_of::<PyBytes>()
            || value.is_instance_of::<PyByteArray>()
            || value.is_instance_of::<PyMemoryView>()
        {
            self.bytes(s)
        } else {
            self.foreign(s)
        }
    }

    /// An `ExtType`, ours or that of msgpack.
    fn extension(&self, tuple: &Bound<'py, PyTuple>) -> Option<Value> {
        if self.context.format != Format::MsgPack
            || tuple.get_type().name().ok()?.to_cow().ok()? != "ExtType"
        {
            return None;
        }
        let (code, data): (i8, Vec<u8>) = tuple.extract().ok()?;
        Some(Value::Ext(code, data))
    }

    /// An object that the codec's serializers translate.
    fn foreign<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let name = intern!(self.value.py(), "serialize_obj");
        match self.context.codec.call_method1(name, (self.value,)) {
            // A serializer that returns its argument would be called for ever.
            Ok(plain) if plain.is(self.value) => Err(self.context.raise(PyTypeError::new_err(
                "serialize_obj() returned the object that it was given",
            ))),
            Ok(plain) => self.child(&plain).serialize(s),
            Err(error) => Err(self.context.raise(error)),
        }
    }
}

impl Serialize for Object<'_, '_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let value = self.value;
        if value.is_exact_instance_of::<PyString>() {
            match value.cast::<PyString>() {
                Ok(text) => self.text(text, s),
                Err(error) => Err(self.context.raise(error.into())),
            }
        } else if value.is_exact_instance_of::<PyInt>() {
            self.integer(value, s)
        } else if let Ok(number) = value.cast_exact::<PyFloat>() {
            s.serialize_f64(number.value())
        } else if value.is_none() {
            s.serialize_unit()
        } else if let Ok(truth) = value.cast_exact::<PyBool>() {
            s.serialize_bool(truth.is_true())
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            self.sequence(tuple.iter(), s)
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            self.sequence(list.iter(), s)
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            self.dict(dict, s)
        } else if value.is_exact_instance_of::<PyBytes>() {
            self.bytes(s)
        } else {
            self.other(s)
        }
    }
}
