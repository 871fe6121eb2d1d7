//! From bytes to Python objects.

use std::cell::RefCell;
use std::fmt;

use aiomas_core::wire::Format;
use aiomas_core::wire::codec::{self, blosc};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::encode::{codec_context, error_in, format_named};

/// The key of typed values.
const TYPE: &str = "__type__";
/// So many elements are believed in before they have been read.
const AT_ONCE: usize = 1024;

thread_local! {
    /// The state of the decoder at work on this thread.
    static READING: RefCell<Reading> = const { RefCell::new(Reading { context: None, raised: None }) };
}

struct Reading {
    context: Option<(Format, Py<PyAny>)>,
    raised: Option<PyErr>,
}

/// Decodes `data`, which is in `format` ("json" or "msgpack"). `codec.deserialize_obj` translates typed values.
#[pyfunction]
pub(crate) fn decode<'py>(
    format: &str,
    data: &[u8],
    codec: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    read(format_named(format)?, data, codec)
}

/// Decompresses `data` as aiomas' codec MsgPackBlosc does.
#[pyfunction]
pub(crate) fn decompress<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let data = blosc::decompress(data, u32::MAX as usize)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &data))
}

/// Decodes the value that `bytes` hold.
pub(crate) fn read<'py>(
    format: Format,
    bytes: &[u8],
    codec: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = codec.py();
    let context = Some((format, codec.clone().unbind()));
    // A `deserialize_obj` may well decode something else.
    let outer = READING.replace(Reading { context, raised: None });
    let decoded = codec::decode::<Whole>(format, bytes, &codec_context());
    let inner = READING.replace(outer);
    match (decoded, inner.raised) {
        (Ok(Whole(value)), _) => Ok(value.into_bound(py)),
        (Err(_), Some(raised)) => Err(raised),
        (Err(error), None) => Err(error_in(py, &error)),
    }
}

fn raise<E: Error>(error: PyErr) -> E {
    let text = error.to_string();
    READING.with_borrow_mut(|reading| reading.raised = Some(error));
    E::custom(text)
}

/// A whole value.
struct Whole(Py<PyAny>);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Python::attach(|py| {
            let context =
                READING.with_borrow(|reading| match (&reading.context, &reading.raised) {
                    (Some((format, codec)), None) => Some((*format, codec.clone_ref(py))),
                    // The core reads a second time what did not fit. Python's code runs once.
                    _ => None,
                });
            let Some((format, codec)) = context else {
                return Err(D::Error::custom("an exception was raised"));
            };
            let seed = Seed { py, format, codec: codec.bind(py) };
            Ok(Self(seed.deserialize(deserializer)?.unbind()))
        })
    }
}

#[derive(Clone, Copy)]
struct Seed<'a, 'py> {
    py: Python<'py>,
    format: Format,
    codec: &'a Bound<'py, PyAny>,
}

impl<'de, 'py> DeserializeSeed<'de> for Seed<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

macro_rules! numbers {
    ($($method:ident($type:ty) $class:ident)*) => {
        $(
            fn $method<E>(self, number: $type) -> Result<Self::Value, E> {
                Ok($class::new(self.py, number).into_any())
            }
        )*
    };
}

impl<'de, 'py> Visitor<'de> for Seed<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    numbers! {
        visit_i64(i64) PyInt
        visit_i128(i128) PyInt
        visit_u64(u64) PyInt
        visit_u128(u128) PyInt
        visit_f64(f64) PyFloat
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(pyo3::types::PyBool::new(self.py, value).to_owned().into_any())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.py.None().into_bound(self.py))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.py, text).into_any())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(PyBytes::new(self.py, bytes).into_any())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(AT_ONCE));
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        match self.format {
            Format::Json => PyList::new(self.py, items).map(Bound::into_any),
            Format::MsgPack => PyTuple::new(self.py, items).map(Bound::into_any),
        }
        .map_err(raise)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.py);
        let mut typed = false;
        while let Some((key, is_type)) = map.next_key_seed(Key(self))? {
            let value = map.next_value_seed(self)?;
            typed |= is_type;
            dict.set_item(key, value).map_err(raise)?;
        }
        if typed {
            let name = intern!(self.py, "deserialize_obj");
            return self.codec.call_method1(name, (dict,)).map_err(raise);
        }
        Ok(dict.into_any())
    }

    /// A long integer, a string with lone surrogates, or an extension of MsgPack.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(Special(self))
    }
}

/// A key, and whether it is that of typed values.
struct Key<'a, 'py>(Seed<'a, 'py>);

impl<'de, 'py> DeserializeSeed<'de> for Key<'_, 'py> {
    type Value = (Bound<'py, PyAny>, bool);

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        let key = d.deserialize_any(self.0)?;
        let is_type = key.cast_exact::<PyString>().is_ok_and(|key| *key == TYPE);
        Ok((key, is_type))
    }
}

struct Special<'a, 'py>(Seed<'a, 'py>);

impl<'de, 'py> Visitor<'de> for Special<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a long integer, a string with surrogates or an extension")
    }

    fn visit_str<E: Error>(self, digits: &str) -> Result<Self::Value, E> {
        self.0.py.get_type::<PyInt>().call1((digits,)).map_err(raise)
    }

    fn visit_bytes<E: Error>(self, units: &[u8]) -> Result<Self::Value, E> {
        let py = self.0.py;
        let args = ("utf-16-be", intern!(py, "surrogatepass"));
        PyBytes::new(py, units).call_method1(intern!(py, "decode"), args).map_err(raise)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let code: i8 = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let data = seq.next_element_seed(self.0)?;
        let data = data.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        let codecs = self.0.py.import("aiomas_rs.codecs").map_err(raise)?;
        codecs.call_method1(intern!(self.0.py, "ExtType"), (code, data)).map_err(raise)
    }
}
