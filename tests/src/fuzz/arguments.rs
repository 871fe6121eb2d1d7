//! Arguments bound while still encoded, against a model that decodes everything first.

use std::collections::BTreeMap;

use aiomas_core::rpc::{Call, Parameter, Request, Signature};
use aiomas_core::wire::{Budget, CodecContext, Format, Payload, RemoteError, Types, Value};
use bytes::Bytes;

/// More names than a request records places for.
const NAMES: [&str; 12] = ["a", "b", "c", "ä", "key", "sep", "f", "g", "h", "i", "j", "k"];

/// Binds arguments: two bytes choose the format and the parameters, the rest is a request's
/// content.
///
/// # Panics
/// The arguments are bound differently than in the model, or differently after forwarding.
pub fn rpc_arguments(data: &[u8]) {
    let [choice, shape, content @ ..] = data else { return };
    let format = if choice & 1 == 0 { Format::Json } else { Format::MsgPack };
    let takes = Takes::new(*choice, *shape);
    let codec_context =
        |nodes| CodecContext::new(Types::new(["date", "point"]), Budget::new(32, nodes));
    let payload = Payload::new(format, Bytes::copy_from_slice(content), codec_context(2000));
    let request = Request::parse(&payload);
    let bound = takes.bind(&payload);
    // A well-formed value may be invalid, which only its decoding detects.
    let Ok(value) = payload.decode::<Value>() else { return };
    let call = Decoded::of(&value);
    assert_eq!(
        request.map(|request| request.path.to_string()).ok(),
        call.map(|call| call.path.into())
    );
    // An object instead of keyword arguments: for us a keyword, for Python an object.
    let Some(call) = call.filter(|call| !matches!(call.kwargs, Value::Typed { .. })) else {
        return;
    };
    // Compared as text, because NaN differs from itself.
    assert_eq!(
        format!("{:?}", bound.as_ref().ok()),
        format!("{:?}", takes.model(&call)),
        "{bound:?}"
    );

    let Ok(bound) = bound else { return };
    // Keywords count as nodes, too.
    let codec_context = codec_context(4000);
    let on = bound.call(format, &codec_context).finish().expect("values that were decoded");
    let on = takes.bind(&Payload::new(format, on.into_bytes(), codec_context.clone()));
    assert_eq!(format!("{on:?}"), format!("{:?}", Ok::<_, RemoteError>(bound)));
}

/// A decoded request.
#[derive(Clone, Copy, Debug)]
struct Decoded<'a> {
    path: &'a str,
    args: &'a Value,
    kwargs: &'a Value,
}

impl<'a> Decoded<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        let [path, args, kwargs] = value.as_list()? else { return None };
        Some(Self { path: path.as_str()?, args, kwargs })
    }
}

/// The parameters of a function.
#[derive(Debug)]
struct Takes {
    parameters: Vec<Parameter>,
    args: bool,
    kwargs: bool,
}

/// Bound arguments.
#[derive(Debug, Default)]
struct Bound {
    /// In the order of the parameters.
    values: BTreeMap<usize, Value>,
    args: Vec<Value>,
    kwargs: BTreeMap<String, Value>,
}

impl Takes {
    fn new(choice: u8, shape: u8) -> Self {
        let names = &NAMES[..usize::from(shape & 15).min(NAMES.len())];
        let required = usize::from(shape >> 4);
        let parameter = |(index, name): (usize, &&'static str)| match index < required {
            true => Parameter::required(name),
            false => Parameter::optional(name),
        };
        let parameters = names.iter().enumerate().map(parameter).collect();
        Self { parameters, args: choice & 2 != 0, kwargs: choice & 4 != 0 }
    }

    fn bind(&self, payload: &Payload) -> Result<Bound, RemoteError> {
        let request = Request::parse(payload)?;
        let mut signature = Signature::new("f", &self.parameters);
        if self.args {
            signature = signature.with_args();
        }
        if self.kwargs {
            signature = signature.with_kwargs();
        }
        let taken = request.arguments.bind(&signature)?;
        let mut bound = Bound { args: taken.args()?, ..Bound::default() };
        for index in 0..self.parameters.len() {
            bound.values.extend(taken.optional(index)?.map(|value| (index, value)));
        }
        for (name, value) in taken.kwargs()? {
            bound.kwargs.insert(name.into_owned(), value);
        }
        Ok(bound)
    }

    /// Binds a call. Returns `None` for a `TypeError`, whose text other tests compare with
    /// Python's.
    fn model(&self, call: &Decoded<'_>) -> Option<Bound> {
        let mut bound = Bound::default();
        let args = call.args.as_list()?;
        for (index, value) in args.iter().enumerate() {
            if index < self.parameters.len() {
                bound.values.insert(index, value.clone());
            } else if self.args {
                bound.args.push(value.clone());
            } else {
                return None;
            }
        }
        for (name, value) in call.kwargs.as_map()? {
            let name = name.as_str()?;
            match self.parameters.iter().position(|parameter| parameter.name == name) {
                Some(index) if index < args.len() => return None,
                Some(index) => drop(bound.values.insert(index, value.clone())),
                None if self.kwargs => drop(bound.kwargs.insert(name.into(), value.clone())),
                None => return None,
            }
        }
        let mut parameters = self.parameters.iter().enumerate();
        let all = parameters
            .all(|(index, parameter)| !parameter.required || bound.values.contains_key(&index));
        all.then_some(bound)
    }
}

impl Bound {
    /// Returns a call with these arguments: by name, unless some have none.
    fn call(&self, format: Format, codec_context: &CodecContext) -> Call {
        let mut call = Call::new(format, codec_context, "f");
        for (index, value) in &self.values {
            call = if self.args.is_empty() {
                call.kwarg(NAMES[*index], value)
            } else {
                call.arg(value)
            };
        }
        call = self.args.iter().fold(call, Call::arg);
        self.kwargs.iter().fold(call, |call, (name, value)| call.kwarg(name, value))
    }
}
