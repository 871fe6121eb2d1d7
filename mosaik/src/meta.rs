//! The description of a simulator.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use aiomas_core::wire::RemoteError;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Result;

/// The description of a simulator: the answer to `init`.
///
/// ```
/// use aiomas_mosaik::{Meta, Model};
///
/// let battery = Model::public().params(["capacity"]).attrs(["power", "charge"]);
/// let meta = Meta::time_based().model("Battery", battery);
/// meta.check()?;
/// # Ok::<(), aiomas_mosaik::RemoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Meta {
    /// The version of the API that the simulator speaks.
    pub api_version: ApiVersion,
    /// The condition for a step.
    #[serde(rename = "type", default)]
    pub stepping: Stepping,
    /// The models by name.
    pub models: BTreeMap<String, Model>,
    /// The names of [extra methods](crate::Simulator::extra_method).
    #[serde(default)]
    pub extra_methods: Vec<String>,
}

/// The condition for a step of a simulator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stepping {
    /// A step runs at the time that the previous step has returned.
    #[default]
    TimeBased,
    /// A step runs on new inputs, and at the times that steps have returned.
    EventBased,
    /// Both: each attribute is time-based or event-based.
    Hybrid,
}

/// A version of mosaik's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    major: u32,
    minor: u32,
}

/// A kind of entities.
///
/// The [`Stepping`] determines the attributes that trigger steps, and those that keep their values between steps; only
/// [`Stepping::Hybrid`] leaves a choice. mosaik infers parts that are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Model {
    /// `true` if scenarios create entities of it; `false` if they are only children of others.
    pub public: bool,
    /// The names of the parameters of `create`.
    pub params: Vec<String>,
    /// The names of the attributes, for inputs and outputs.
    pub attrs: Vec<String>,
    /// `true` to accept inputs of any name, in addition to `attrs`.
    #[serde(rename = "any_inputs", skip_serializing_if = "is_false")]
    pub any_inputs: bool,
    /// The inputs that trigger a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Vec<String>>,
    /// The inputs that do not trigger a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_trigger: Option<Vec<String>>,
    /// The outputs that keep their values until the next ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<Vec<String>>,
    /// The outputs that exist for one point in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_persistent: Option<Vec<String>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The functions that every simulator has.
const FUNCTIONS: [&str; 6] = ["init", "create", "setup_done", "step", "get_data", "stop"];

impl Meta {
    /// Creates a description without models, for the newest version of the API.
    #[must_use]
    pub const fn new(stepping: Stepping) -> Self {
        Self {
            api_version: ApiVersion::V3_0,
            stepping,
            models: BTreeMap::new(),
            extra_methods: Vec::new(),
        }
    }

    /// Creates a simulator that steps at the times that its steps return.
    #[must_use]
    pub const fn time_based() -> Self {
        Self::new(Stepping::TimeBased)
    }

    /// Creates a simulator that steps on new inputs.
    #[must_use]
    pub const fn event_based() -> Self {
        Self::new(Stepping::EventBased)
    }

    /// Creates a simulator that steps at its times, and on new inputs of some attributes.
    ///
    /// The attributes are those that [trigger](Model::trigger) it.
    #[must_use]
    pub const fn hybrid() -> Self {
        Self::new(Stepping::Hybrid)
    }

    /// Adds a model.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>, model: Model) -> Self {
        self.models.insert(name.into(), model);
        self
    }

    /// Adds the names of extra methods.
    #[must_use]
    pub fn extra_methods<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.extra_methods.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the version of the API: [3.0](ApiVersion::V3_0) or [2.2](ApiVersion::V2_2).
    #[must_use]
    pub const fn api_version(mut self, version: ApiVersion) -> Self {
        self.api_version = version;
        self
    }

    /// Checks that mosaik can work with this description.
    ///
    /// # Errors
    /// Returns a `ValueError` that names the model and the attribute, if:
    ///
    /// - triggers and non-triggers are not all inputs, once each, or do not suit the [stepping](Self::stepping);
    /// - persistent and non-persistent outputs are not all outputs, once each, or do not suit it;
    /// - an extra method has the name of another function;
    /// - the version of the API is neither 2 nor 3.
    pub fn check(&self) -> Result<()> {
        if !(2..4).contains(&self.api_version.major) {
            return Err(RemoteError::value_error(format_args!(
                "version {} of mosaik's API is not supported, only 2 and 3 are",
                self.api_version
            )));
        }
        let doubled = |name: &&String| FUNCTIONS.contains(&name.as_str());
        if let Some(name) = self.extra_methods.iter().find(doubled) {
            return Err(RemoteError::value_error(format_args!(
                "no extra method can be called {name:?}: every simulator has a function of that name"
            )));
        }
        self.models.iter().try_for_each(|(name, model)| {
            model
                .check(self.stepping)
                .map_err(|why| RemoteError::value_error(format_args!("the model {name:?}: {why}")))
        })
    }
}

impl Model {
    /// Creates a model of which scenarios create entities.
    #[must_use]
    pub fn public() -> Self {
        Self { public: true, ..Self::default() }
    }

    /// Creates a model whose entities are only children of others.
    #[must_use]
    pub fn private() -> Self {
        Self::default()
    }

    /// Adds the names of parameters.
    #[must_use]
    pub fn params<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.params.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds the names of attributes.
    #[must_use]
    pub fn attrs<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.attrs.extend(names.into_iter().map(Into::into));
        self
    }

    /// Accepts inputs of any name.
    #[must_use]
    pub const fn any_inputs(mut self) -> Self {
        self.any_inputs = true;
        self
    }

    /// Sets the inputs that trigger a step; the others do not.
    #[must_use]
    pub fn trigger<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.trigger.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the inputs that do not trigger a step; the others do.
    #[must_use]
    pub fn non_trigger<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.non_trigger.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the outputs that keep their values; the others do not.
    #[must_use]
    pub fn persistent<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.persistent.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the outputs that exist for one point in time; the others keep their values.
    #[must_use]
    pub fn non_persistent<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.non_persistent.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    /// Checks the attributes with the rules of mosaik's `parse_attrs`.
    fn check(&self, stepping: Stepping) -> Result<(), String> {
        let set = |names: &Option<Vec<String>>| names.clone().map(BTreeSet::from_iter);
        let attrs: BTreeSet<String> = self.attrs.iter().cloned().collect();
        let inputs = (!self.any_inputs).then_some(&attrs);
        let (non_trigger, trigger) = (set(&self.non_trigger), set(&self.trigger));
        Parts { lasting: ("non-trigger", non_trigger), events: ("trigger", trigger) }
            .check(inputs, stepping)?;
        let (persistent, non_persistent) = (set(&self.persistent), set(&self.non_persistent));
        Parts { lasting: ("persistent", persistent), events: ("non-persistent", non_persistent) }
            .check(Some(&attrs), stepping)
    }
}

type Part = (&'static str, Option<BTreeSet<String>>);

/// The two parts of the inputs, or of the outputs.
struct Parts {
    /// The part that suits time-based simulators.
    lasting: Part,
    /// The part that suits event-based simulators.
    events: Part,
}

impl Parts {
    /// Checks the parts of `all`, where `None` stands for any name.
    fn check(self, all: Option<&BTreeSet<String>>, stepping: Stepping) -> Result<(), String> {
        let Self { lasting, events } = self;
        for (name, part) in [&lasting, &events] {
            let foreign =
                part.iter().flatten().find(|attr| all.is_some_and(|all| !all.contains(*attr)));
            if let Some(attr) = foreign {
                return Err(format!("{attr:?} is in {name}, but not in attrs"));
            }
        }
        if let ((a, Some(lasting)), (b, Some(events))) = (&lasting, &events) {
            if let Some(attr) = lasting.intersection(events).next() {
                return Err(format!("{attr:?} is in {a} as well as in {b}"));
            }
            let missing = |attr: &&String| !lasting.contains(*attr) && !events.contains(*attr);
            if let Some(attr) = all.into_iter().flatten().find(missing) {
                return Err(format!("{attr:?} is neither in {a} nor in {b}"));
            }
        }
        let (only, never, kind) = match stepping {
            Stepping::TimeBased => (lasting, events, "time-based"),
            Stepping::EventBased => (events, lasting, "event-based"),
            Stepping::Hybrid => return Ok(()),
        };
        if let (name, Some(part)) = &never
            && let Some(attr) = part.first()
        {
            return Err(format!("{attr:?} is in {name}, which {kind} simulators have none of"));
        }
        if let ((name, Some(part)), Some(all)) = (&only, all)
            && let Some(attr) = all.difference(part).next()
        {
            return Err(format!(
                "{attr:?} is not in {name}, as all attributes of {kind} simulators are"
            ));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Model {
    /// Reads a model as mosaik does: `attrs` may follow from their parts.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Raw {
            public: bool,
            #[serde(default)]
            params: Vec<String>,
            attrs: Option<Vec<String>>,
            #[serde(default, rename = "any_inputs")]
            any_inputs: bool,
            trigger: Option<Vec<String>>,
            non_trigger: Option<Vec<String>>,
            persistent: Option<Vec<String>>,
            non_persistent: Option<Vec<String>>,
        }
        let raw = Raw::deserialize(deserializer)?;
        let both = |a: &Option<Vec<String>>, b: &Option<Vec<String>>| {
            Some(a.iter().chain(b).flatten().cloned().collect())
                .filter(|_| a.is_some() && b.is_some())
        };
        let inferred = || both(&raw.persistent, &raw.non_persistent);
        let attrs = raw.attrs.or_else(|| both(&raw.trigger, &raw.non_trigger)).or_else(inferred);
        let attrs = attrs.ok_or_else(|| D::Error::custom("a model has no \"attrs\""))?;
        Ok(Self {
            public: raw.public,
            params: raw.params,
            attrs,
            any_inputs: raw.any_inputs,
            trigger: raw.trigger,
            non_trigger: raw.non_trigger,
            persistent: raw.persistent,
            non_persistent: raw.non_persistent,
        })
    }
}

impl ApiVersion {
    /// The version of mosaik 3: hybrid simulators, `time_resolution` and `max_advance`.
    pub const V3_0: Self = Self { major: 3, minor: 0 };
    /// The last version of mosaik 2: the first with `setup_done`.
    pub const V2_2: Self = Self { major: 2, minor: 2 };

    /// Returns the number before the point.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.major
    }

    /// Returns the number after the point.
    #[must_use]
    pub const fn minor(self) -> u32 {
        self.minor
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = String;

    /// Parses `3`, `3.0` or `3.0.16`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.').map(str::parse);
        match (parts.next(), parts.next().unwrap_or(Ok(0)), parts.all(|part| part.is_ok())) {
            (Some(Ok(major)), Ok(minor), true) => Ok(Self { major, minor }),
            _ => Err(format!("{text:?} is no version such as \"3.0\"")),
        }
    }
}

impl Serialize for ApiVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApiVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
