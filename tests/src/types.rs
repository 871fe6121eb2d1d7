//! The user types of the service contract.

use aiomas_core::wire::{Types, Value, typed};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// On the wire `{"x": x, "y": y}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Anything.
    pub x: Value,
    /// Anything.
    pub y: Value,
}

/// What a serializer makes of a [`Point`].
#[derive(Serialize, Deserialize)]
struct PointData {
    x: Value,
    y: Value,
}

impl Point {
    const NAME: &str = "point";

    /// A point.
    pub fn new(x: impl Into<Value>, y: impl Into<Value>) -> Self {
        Self { x: x.into(), y: y.into() }
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = PointData { x: self.x.clone(), y: self.y.clone() };
        typed::serialize(Self::NAME, &data, serializer)
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let PointData { x, y } = typed::deserialize(Self::NAME, deserializer)?;
        Ok(Self { x, y })
    }
}

/// On the wire a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Celsius(pub f64);

impl Celsius {
    const NAME: &str = "celsius";
}

impl Serialize for Celsius {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        typed::serialize(Self::NAME, &self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Celsius {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        typed::deserialize(Self::NAME, deserializer).map(Self)
    }
}

/// Which user types there are on a connection, in the order of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Serializers {
    /// None.
    #[default]
    None,
    /// Just points.
    Point,
    /// Points, then degrees.
    #[value(name = "point,celsius")]
    PointCelsius,
    /// Degrees, then points.
    #[value(name = "celsius,point")]
    CelsiusPoint,
}

impl Serializers {
    /// As on the command lines of the Python programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Point => "point",
            Self::PointCelsius => "point,celsius",
            Self::CelsiusPoint => "celsius,point",
        }
    }

    /// The list for an endpoint.
    #[must_use]
    pub fn types(self) -> Types {
        Types::new(self.name().split(',').filter(|name| *name != "none"))
    }

    /// Whether there are both types.
    #[must_use]
    pub const fn has_both(self) -> bool {
        matches!(self, Self::PointCelsius | Self::CelsiusPoint)
    }
}

/// Something that cannot be encoded.
#[derive(Clone, Copy, Debug)]
pub struct Unserializable;

impl Serialize for Unserializable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("this object cannot be encoded"))
    }
}
