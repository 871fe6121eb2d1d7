//! The inputs and outputs of steps.

use std::collections::BTreeMap;
use std::fmt;

use aiomas_core::wire::{CodecContext, RemoteError, Value};
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Result;

/// A point in simulated time: the number of steps of `time_resolution` seconds since the start.
pub type Time = i64;

/// Converts a serializable value to a [`Value`].
///
/// # Errors
/// Returns a `SerializationError` if the value cannot be encoded.
pub fn value<T: Serialize + ?Sized>(source: &T) -> Result<Value> {
    Value::encode(&CodecContext::default(), source).map_err(RemoteError::serialization)
}

/// The inputs of a step: values by entity, attribute and source.
///
/// Sources are the full ids of the connected entities.
///
/// ```
/// use aiomas_mosaik::Inputs;
///
/// let inputs = Inputs::from_iter([
///     ("battery-0", "power", "Grid.node-1", 2.5),
///     ("battery-0", "power", "Solar.roof-3", 1.5),
/// ]);
/// assert_eq!(inputs.sum::<f64>("battery-0", "power")?, Some(4.0));
/// # Ok::<(), aiomas_mosaik::RemoteError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs(pub BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>);

impl Inputs {
    /// Returns the inputs `attr` of the entity `eid`, by the full ids of their sources.
    ///
    /// The map is empty if there are no such inputs.
    ///
    /// # Errors
    /// Returns a `TypeError` that names entity, attribute and source if a value does not fit `T`.
    pub fn by_source<T: DeserializeOwned>(
        &self,
        eid: &str,
        attr: &str,
    ) -> Result<BTreeMap<&str, T>> {
        let codec_context = CodecContext::default();
        let values = self.0.get(eid).and_then(|attrs| attrs.get(attr)).into_iter().flatten();
        let decode = |(source, value): (&'_ String, &Value)| {
            value.decode(&codec_context).map_err(|error| {
                RemoteError::type_error(format_args!(
                    "input \"{attr}\" of \"{eid}\" from \"{source}\": {error}"
                ))
            })
        };
        values.map(|(source, value)| Ok((source.as_str(), decode((source, value))?))).collect()
    }

    /// Returns the inputs `attr` of the entity `eid`.
    ///
    /// The values are ordered by the full ids of their sources.
    ///
    /// # Errors
    /// As for [`by_source`](Self::by_source).
    pub fn values<T: DeserializeOwned>(&self, eid: &str, attr: &str) -> Result<Vec<T>> {
        Ok(self.by_source(eid, attr)?.into_values().collect())
    }

    /// Returns the sum of the inputs `attr` of the entity `eid`; `None` without inputs.
    ///
    /// # Errors
    /// As for [`by_source`](Self::by_source).
    pub fn sum<T: DeserializeOwned + std::iter::Sum>(
        &self,
        eid: &str,
        attr: &str,
    ) -> Result<Option<T>> {
        let values = self.values(eid, attr)?;
        Ok((!values.is_empty()).then(|| values.into_iter().sum()))
    }
}

/// Collects tuples of (entity, attribute, source, value).
impl<E, A, F, V> FromIterator<(E, A, F, V)> for Inputs
where
    E: Into<String>,
    A: Into<String>,
    F: Into<String>,
    V: Into<Value>,
{
    fn from_iter<I: IntoIterator<Item = (E, A, F, V)>>(items: I) -> Self {
        Self(nested(items))
    }
}

/// Values that a simulator sets at entities of other simulators.
///
/// For each of its own entities, by full id, it holds entities and their attributes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SetData(pub BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>);

/// Collects tuples of (own entity, entity, attribute, value).
impl<E, A, F, V> FromIterator<(E, A, F, V)> for SetData
where
    E: Into<String>,
    A: Into<String>,
    F: Into<String>,
    V: Into<Value>,
{
    fn from_iter<I: IntoIterator<Item = (E, A, F, V)>>(items: I) -> Self {
        Self(nested(items))
    }
}

fn nested<E: Into<String>, A: Into<String>, F: Into<String>, V: Into<Value>>(
    items: impl IntoIterator<Item = (E, A, F, V)>,
) -> BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>> {
    let mut all = BTreeMap::<String, BTreeMap<String, BTreeMap<String, Value>>>::new();
    for (a, b, c, value) in items {
        let inner = all.entry(a.into()).or_default().entry(b.into()).or_default();
        inner.insert(c.into(), value.into());
    }
    all
}

/// The requested data: attributes by entity.
///
/// ```
/// use aiomas_mosaik::Outputs;
///
/// let outputs = Outputs::from_iter([("battery-0", "charge")]);
/// let data = outputs.fill(|_eid, _attr| Ok(7.5.into()))?;
/// assert_eq!(data.get("battery-0", "charge"), Some(&7.5.into()));
/// # Ok::<(), aiomas_mosaik::RemoteError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outputs(pub BTreeMap<String, Vec<String>>);

impl Outputs {
    /// Calls `get` for each requested attribute, and collects the values.
    ///
    /// # Errors
    /// Returns the first error of `get`.
    pub fn fill(self, mut get: impl FnMut(&str, &str) -> Result<Value>) -> Result<Data> {
        let mut data = Data::default();
        for (eid, attrs) in self.0 {
            let values = attrs.into_iter().map(|attr| Ok((get(&eid, &attr)?, attr)));
            let values = values.map(|pair| pair.map(|(value, attr)| (attr, value)));
            let values = values.collect::<Result<_>>()?;
            data.values.insert(eid, values);
        }
        Ok(data)
    }
}

/// Collects tuples of (entity, attribute).
impl<E: Into<String>, A: Into<String>> FromIterator<(E, A)> for Outputs {
    fn from_iter<I: IntoIterator<Item = (E, A)>>(items: I) -> Self {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for (eid, attr) in items {
            all.entry(eid.into()).or_default().push(attr.into());
        }
        Self(all)
    }
}

/// Values of attributes of entities.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Data {
    /// The time of the values, if it is not that of the step.
    ///
    /// Only event-based and hybrid simulators have such output times, which may not be earlier than the step.
    pub time: Option<Time>,
    /// The values, by entity and attribute.
    pub values: BTreeMap<String, BTreeMap<String, Value>>,
}

/// The key of the output time, next to the entities.
const TIME: &str = "time";

impl Data {
    /// Sets the value of an attribute. Omit outputs whose event has not happened.
    pub fn set(
        &mut self,
        eid: impl Into<String>,
        attr: impl Into<String>,
        value: impl Into<Value>,
    ) {
        self.values.entry(eid.into()).or_default().insert(attr.into(), value.into());
    }

    /// Returns the value of an attribute, if present.
    #[must_use]
    pub fn get(&self, eid: &str, attr: &str) -> Option<&Value> {
        self.values.get(eid)?.get(attr)
    }
}

/// Collects tuples of (entity, attribute, value).
impl<E: Into<String>, A: Into<String>, V: Into<Value>> FromIterator<(E, A, V)> for Data {
    fn from_iter<I: IntoIterator<Item = (E, A, V)>>(items: I) -> Self {
        let mut data = Self::default();
        items.into_iter().for_each(|(eid, attr, value)| data.set(eid, attr, value));
        data
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.values.len() + usize::from(self.time.is_some());
        let mut map = serializer.serialize_map(Some(count))?;
        self.values.iter().try_for_each(|(eid, values)| map.serialize_entry(eid, values))?;
        self.time.iter().try_for_each(|time| map.serialize_entry(TIME, time))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DataVisitor;

        impl<'de> Visitor<'de> for DataVisitor {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of entities")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
                let mut data = Data::default();
                while let Some(eid) = map.next_key::<String>()? {
                    if eid == TIME {
                        let time = map.next_value::<Value>()?;
                        let wrong = || A::Error::custom("the output time is no integer");
                        data.time = Some(time.as_i64().ok_or_else(wrong)?);
                    } else {
                        data.values.insert(eid, map.next_value()?);
                    }
                }
                Ok(data)
            }
        }

        deserializer.deserialize_map(DataVisitor)
    }
}
