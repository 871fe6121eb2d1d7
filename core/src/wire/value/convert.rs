use super::super::{CodecError, typed};
use super::{Integer, Value};

macro_rules! from {
    ($($type:ty => |$value:ident| $result:expr;)*) => {
        $(
            impl From<$type> for Value {
                fn from($value: $type) -> Self {
                    $result
                }
            }
        )*
    };
}

from! {
    () => |_unit| Self::Null;
    bool => |value| Self::Bool(value);
    Integer => |number| Self::Int(number);
    f32 => |number| Self::Float(number.into());
    f64 => |number| Self::Float(number);
    &str => |text| Self::Str(text.into());
    String => |text| Self::Str(text);
    &[u8] => |bytes| Self::Bytes(bytes.into());
    Vec<u8> => |bytes| Self::Bytes(bytes);
    Vec<Self> => |items| Self::List(items);
    Vec<(Self, Self)> => |entries| Self::Map(entries);
}

macro_rules! from_integers {
    ($($type:ty)*) => {
        $(
            impl From<$type> for Value {
                fn from(number: $type) -> Self {
                    Self::Int(number.into())
                }
            }
        )*
    };
}

from_integers! { i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize }

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => value.into(),
            Json::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => number.into(),
                (_, Some(number)) => number.into(),
                _ => number.as_f64().unwrap_or(f64::NAN).into(),
            },
            Json::String(text) => text.into(),
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(entries) => {
                let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into()));
                Self::Map(entries.collect())
            }
        }
    }
}

/// Converts a value to JSON.
///
/// Fails for values that RFC 8259 or serde_json cannot represent: infinity and `NaN`, integers beyond 64 bits,
/// surrogates, bytes, extensions, and keys that are not strings.
impl TryFrom<&Value> for serde_json::Value {
    type Error = CodecError;

    fn try_from(value: &Value) -> Result<Self, CodecError> {
        let no_json = |what: &str| CodecError::Value(format!("RFC 8259 JSON has no {what}"));
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => number.into(),
                (_, Some(number)) => number.into(),
                _ => return Err(CodecError::Value(format!("{number} does not fit 64 bits"))),
            },
            Value::Float(number) => serde_json::Number::from_f64(*number)
                .map(Self::Number)
                .ok_or_else(|| no_json("NaN or infinity"))?,
            Value::Str(text) => text.as_str().into(),
            Value::Surrogates(_) => return Err(no_json("lone surrogates")),
            Value::Bytes(_) => return Err(no_json("bytes")),
            Value::Ext(..) => return Err(no_json("extensions")),
            Value::List(items) => {
                Self::Array(items.iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    let key = key.as_str().ok_or_else(|| no_json("keys other than strings"))?;
                    Ok((key.to_string(), Self::try_from(value)?))
                });
                Self::Object(entries.collect::<Result<_, CodecError>>()?)
            }
            Value::Typed { id, data } => {
                let pair = vec![(*id).into(), Self::try_from(&**data)?];
                Self::Object([(typed::KEY.to_string(), Self::Array(pair))].into_iter().collect())
            }
        })
    }
}
