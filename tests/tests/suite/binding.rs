//! Binding of arguments, compared with results of Python from `python/make_binding.py`.

use std::collections::BTreeMap;

use aiomas_core::rpc::{Call, Parameter, Request, Signature};
use aiomas_core::wire::{CodecContext, Format, Payload, RemoteError};
use aiomas_tests::fuzz;
use bytes::Bytes;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Function {
    function: String,
    required: Vec<String>,
    optional: Vec<String>,
    args: bool,
    kwargs: bool,
    keyword: Vec<String>,
    optional_keyword: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    json: Option<String>,
    msgpack: Option<String>,
    #[serde(flatten)]
    expected: Expected,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Expected {
    Error { error: String },
    Bound { values: BTreeMap<String, Value>, args: Vec<Value>, kwargs: BTreeMap<String, Value> },
}

impl Case {
    fn payload(&self) -> Payload {
        let (format, bytes) = match (&self.json, &self.msgpack) {
            (Some(json), _) => (Format::Json, Bytes::from(json.clone())),
            (_, Some(hex)) => (Format::MsgPack, unhex(hex)),
            _ => panic!("a case without content"),
        };
        Payload::new(format, bytes, CodecContext::default())
    }
}

fn unhex(hex: &str) -> Bytes {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("a byte");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn bind(function: &Function, payload: &Payload) -> Result<Expected, RemoteError> {
    let parameter = |name: &String, required| {
        let name: &'static str = name.clone().leak();
        if required { Parameter::required(name) } else { Parameter::optional(name) }
    };
    let Function { required, optional, keyword, optional_keyword, .. } = function;
    let parameters: Vec<_> =
        [(required, true), (optional, false), (keyword, true), (optional_keyword, false)]
            .into_iter()
            .flat_map(|(names, required)| names.iter().map(move |name| parameter(name, required)))
            .collect();
    let mut signature = Signature::new(&function.function, &parameters)
        .keyword_only_from(required.len() + optional.len());
    if function.args {
        signature = signature.with_args();
    }
    if function.kwargs {
        signature = signature.with_kwargs();
    }
    let request = Request::parse(payload)?;
    assert_eq!(request.path, function.function);
    let bound = request.arguments.bind(&signature)?;
    let mut values = BTreeMap::new();
    for (index, parameter) in parameters.iter().enumerate() {
        if let Some(value) = bound.optional::<Value>(index)? {
            assert_eq!(bound.required::<Value>(index)?, value);
            let payload = bound.payload(index).expect("a payload");
            assert_eq!(payload.decode::<Value>(), Ok(value.clone()));
            values.insert(parameter.name.into(), value);
        }
    }
    let kwargs = bound.kwargs::<Value>()?.into_iter().map(|(k, v)| (k.into_owned(), v)).collect();
    Ok(Expected::Bound { values, args: bound.args()?, kwargs })
}

#[test]
fn binds_as_python() {
    let functions: Vec<Function> =
        serde_json::from_str(include_str!("../../data/binding.json")).expect("binding.json");
    let mut cases = 0;
    for function in &functions {
        for case in &function.cases {
            let payload = case.payload();
            let bound = bind(function, &payload).unwrap_or_else(|error| {
                assert_eq!(error.kind(), "TypeError");
                Expected::Error { error: error.message().into() }
            });
            assert_eq!(bound, case.expected, "{}{payload:?}", function.function);
            cases += 1;
        }
    }
    assert!(cases > 1000, "{cases} cases");
}

/// Returns arguments of any kind, mostly small ones.
fn argument() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        "[a-zä\"]{0,5}".prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 6, 3, |value| prop::collection::vec(value, 0..3).prop_map(Value::from))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any call of any function, sometimes with a changed byte. See `fuzz::rpc_arguments`.
    #[test]
    fn binds_as_the_model(
        (choice, shape) in any::<(u8, u8)>(),
        args in prop::collection::vec(argument(), 0..14),
        kwargs in prop::collection::vec((prop::sample::select(&["a", "b", "c", "ä", "key", "k", "x"][..]), argument()), 0..5),
        change in prop::option::weighted(0.2, any::<(prop::sample::Index, u8)>()),
    ) {
        let format = if choice & 1 == 0 { Format::Json } else { Format::MsgPack };
        let call = Call::new(format, &CodecContext::default(), "f");
        let call = args.iter().fold(call, Call::arg);
        let call = kwargs.iter().fold(call, |call, (name, value)| call.kwarg(name, value));
        let mut data = [&[choice, shape], call.finish().unwrap().bytes()].concat();
        if let Some((index, byte)) = change {
            let index = index.index(data.len());
            data[index] = byte;
        }
        fuzz::rpc_arguments(&data);
    }
}
