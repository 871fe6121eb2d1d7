//! The user types of the service contract.

use aiomas::serializable;
use aiomas_core::wire::typed::{self, Serializable};
use aiomas_core::wire::{Types, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point; on the wire `{"x": x, "y": y}`.
#[serializable(name = "point")]
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Any value.
    pub x: Value,
    /// Any value.
    pub y: Value,
}

impl Point {
    /// Creates a point.
    pub fn new(x: impl Into<Value>, y: impl Into<Value>) -> Self {
        Self { x: x.into(), y: y.into() }
    }
}

/// An enum in serde's format: a name, or a map of one name to its data.
#[serializable(name = "mode")]
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// `"off"`
    #[serde(rename = "off")]
    Off,
    /// `{"Level": 5}`
    Level(i64),
    /// `{"Between": {"low": p, "high": p}}`
    Between {
        /// A value of another type.
        low: Point,
        /// Another value of that type.
        high: Point,
    },
}

impl Mode {
    /// Returns the next louder mode.
    #[must_use]
    pub fn louder(self) -> Self {
        match self {
            Self::Off => Self::Level(1),
            Self::Level(level) => Self::Level(level + 1),
            Self::Between { low, high } => Self::Between { low: high, high: low },
        }
    }

    /// Returns one of each kind.
    #[must_use]
    pub fn all() -> [Self; 3] {
        let (low, high) = (Point::new(1, "x"), Point::new((), 2.5));
        [Self::Off, Self::Level(-7), Self::Between { low, high }]
    }
}

/// Degrees; on the wire a number. Written by hand, like aiomas' own serializers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Celsius(pub f64);

impl Serializable for Celsius {
    const TYPE: &'static str = "celsius";
}

impl Serialize for Celsius {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        typed::serialize(Self::TYPE, &self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Celsius {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        typed::deserialize(Self::TYPE, deserializer).map(Self)
    }
}

/// The user types on a connection, in the order of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Serializers {
    /// None.
    #[default]
    None,
    /// Only points.
    Point,
    /// Points, then degrees.
    #[value(name = "point,celsius")]
    PointCelsius,
    /// Degrees, then points.
    #[value(name = "celsius,point")]
    CelsiusPoint,
    /// All of them.
    #[value(name = "point,celsius,mode")]
    PointCelsiusMode,
}

impl Serializers {
    /// Returns the name on the command lines of the Python programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Point => "point",
            Self::PointCelsius => "point,celsius",
            Self::CelsiusPoint => "celsius,point",
            Self::PointCelsiusMode => "point,celsius,mode",
        }
    }

    /// Returns the list for an endpoint.
    #[must_use]
    pub fn types(self) -> Types {
        let none = Types::default();
        match self {
            Self::None => none,
            Self::Point => none.with::<Point>(),
            Self::PointCelsius => none.with::<Point>().with::<Celsius>(),
            Self::CelsiusPoint => none.with::<Celsius>().with::<Point>(),
            Self::PointCelsiusMode => none.with::<Point>().with::<Celsius>().with::<Mode>(),
        }
    }

    /// Returns whether both `Point` and `Celsius` are included.
    #[must_use]
    pub const fn has_both(self) -> bool {
        !matches!(self, Self::None | Self::Point)
    }
}

/// A type that cannot be encoded.
#[derive(Clone, Copy, Debug)]
pub struct Unserializable;

impl Serialize for Unserializable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this object cannot be encoded"))
    }
}
