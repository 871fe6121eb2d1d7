use std::convert::Infallible;
use std::num::ParseIntError;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::wire::{Body, Budget, CodecContext, CodecError, Format, Payload, RemoteError, Types};

const NOTATIONS: [Format; 2] = [Format::Json, Format::MsgPack];

fn json_payload(content: &str) -> Payload {
    Payload::new(Format::Json, Bytes::copy_from_slice(content.as_bytes()), CodecContext::default())
}

fn payload(body: &Body, codec_context: &CodecContext) -> Payload {
    Payload::new(body.format(), body.clone().into_bytes(), codec_context.clone())
}

mod content {
    use super::*;

    fn encode<A: Serialize, K: Serialize>(
        format: Format,
        args: &A,
        kwargs: &K,
    ) -> Result<Vec<u8>, CodecError> {
        let mut out = b">".to_vec();
        let result = encode_call(format, &CodecContext::default(), "add", args, kwargs, &mut out);
        if result.is_err() {
            assert_eq!(out, b">");
        }
        result.map(|()| out.split_off(1))
    }

    #[test]
    fn calls_are_written_as_python_does() {
        let b = json!({"b": 4});
        let json = encode(Format::Json, &(3,), &b).expect("encodes");
        assert_eq!(json, br#"["add", [3], {"b": 4}]"#);
        let msgpack = encode(Format::MsgPack, &(3,), &b).expect("encodes");
        assert_eq!(&msgpack[..], b"\x93\xa3add\x91\x03\x81\xa1b\x04");
        #[derive(Serialize)]
        struct Options {
            b: u8,
        }
        let json = encode(Format::Json, &[3], &Options { b: 4 }).expect("encodes");
        assert_eq!(json, br#"["add", [3], {"b": 4}]"#);
        let same = encode(Format::MsgPack, &[3], &Options { b: 4 });
        assert_eq!(same.as_ref(), Ok(&msgpack));

        assert_eq!(encode(Format::Json, &(), &()).expect("encodes"), br#"["add", [], {}]"#);
        let msgpack = encode(Format::MsgPack, &(), &()).expect("encodes");
        assert_eq!(&msgpack[..], b"\x93\xa3add\x90\x80");
    }

    #[test]
    fn arguments_have_to_be_collections() {
        for format in NOTATIONS {
            assert!(encode(format, &[0; 20], &()).is_ok());
            assert!(encode(format, &[0; 70_000][..].to_vec(), &()).is_ok());
            for wrong in [json!(3), json!("x"), json!({"a": 1}), json!(true)] {
                assert!(encode(format, &wrong, &()).is_err(), "{wrong}");
            }
            for wrong in [json!(3), json!("x"), json!([1]), json!(false)] {
                assert!(encode(format, &(), &wrong).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn builder_writes_the_same() {
        for format in NOTATIONS {
            for count in [0, 1, 2, 15, 16, 70_000] {
                let args: Vec<usize> = (0..count).collect();
                let mut call = Call::new(format, &CodecContext::default(), "add");
                for arg in &args {
                    call = call.arg(arg);
                }
                let mut kwargs = serde_json::Map::new();
                for key in args.iter().take(300).map(|i| format!("k{i:05}")) {
                    call = call.kwarg(&key, "v");
                    kwargs.insert(key, "v".into());
                }
                let body = call.finish().expect("encodes");
                let same = encode(format, &args, &kwargs).expect("encodes");
                assert!(*body.bytes() == same, "{format:?} {count}");
            }
        }
    }

    #[test]
    fn builder_keeps_the_first_error() {
        let reference = RemoteRef::stranger();
        let call = Call::new(Format::Json, &CodecContext::default(), "add");
        let error = call.arg(&reference).arg(3).kwarg("x", 4).finish().expect_err("an error");
        assert!(error.to_string().contains("cannot be sent on"), "{error}");
    }

    #[test]
    fn what_is_no_call_is_refused() {
        let parse = |text: &str| {
            let payload = json_payload(text);
            Request::parse(&payload).map(|request| request.path.to_string())
        };
        assert_eq!(parse(r#" [ "m\u0061th/mul" , [1], {} ] "#), Ok("math/mul".into()));
        for text in
            ["null", "\"add\"", "{}", "[]", r#"["a"]"#, r#"["a", []]"#, r#"["a", [], {}, 1]"#]
        {
            assert_eq!(parse(text), Err(RequestError::NotATriple), "{text}");
        }
        for text in ["[1, [], {}]", "[null, [], {}]", "[[], [], {}]"] {
            assert_eq!(parse(text), Err(RequestError::PathNotString), "{text}");
        }
        for text in ["", "[", r#"["a", [}, {}]"#, r#"["a", [], {"x" 1}]"#, r#"["a", [], {}] x"#] {
            assert!(matches!(parse(text), Err(RequestError::Codec(_))), "{text}");
        }
        let codec_context = CodecContext::new(Types::default(), Budget::new(4, 100));
        let deep = Payload::new(Format::Json, r#"["a", [[[[[]]]]], {}]"#.into(), codec_context);
        let error = Request::parse(&deep).map(|_| ()).expect_err("too deep");
        assert_eq!(error, RequestError::Codec(CodecError::TooDeep { limit: 4 }));
        assert_eq!(RemoteError::from(error).kind(), "TypeError");
    }
}

mod arguments {
    use super::*;

    const ADD: &[Parameter] = &[Parameter::required("a"), Parameter::optional("b")];

    #[test]
    fn values_that_do_not_fit_are_named() {
        let payload = json_payload(r#"["add", ["x"], {}]"#);
        let request = Request::parse(&payload).expect("a request");
        let bound = request.arguments.bind(&Signature::new("add", ADD)).expect("binds");
        let error = bound.required::<i64>(0).expect_err("no number");
        let expected = "TypeError: add(): argument 'a': invalid type: string \"x\", expected i64";
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(bound.required::<&str>(0), Ok("x"));
        assert_eq!(bound.optional::<i64>(1), Ok(None));
        assert_eq!(bound.required::<Option<i64>>(1), Ok(None));
        let error = bound.required::<i64>(1).expect_err("missing");
        assert_eq!(error.to_string(), "TypeError: add(): argument 'b': it is missing");
        assert_eq!(bound.optional::<i64>(7), Ok(None));
    }

    #[test]
    fn strings_and_maps_are_no_positional_arguments() {
        // aiomas calls add("a", "b") in both cases.
        for (args, kind) in [("\"ab\"", "str"), (r#"{"a": 1, "b": 2}"#, "dict")] {
            let payload = json_payload(&format!(r#"["add", {args}, {{}}]"#));
            let request = Request::parse(&payload).expect("a request");
            let error = request.arguments.bind(&Signature::new("add", ADD)).expect_err("refused");
            let message = format!("add() argument after * must be a list, not {kind}");
            assert_eq!(error, RemoteError::type_error(message));
        }
    }

    #[test]
    fn the_last_of_doubled_keywords_counts() {
        let payload = json_payload(r#"["add", [1], {"b": 2, "x": 3, "b": 4, "x": 5}]"#);
        let Request { arguments, .. } = Request::parse(&payload).expect("a request");
        let bound = arguments.bind(&Signature::new("add", ADD).with_kwargs()).expect("binds");
        assert_eq!(bound.required::<i64>(1), Ok(4));
        assert_eq!(bound.kwargs::<i64>(), Ok([("x".into(), 5)].into()));
        let error = bound.kwargs::<String>().expect_err("no string");
        assert!(error.message().starts_with("add(): argument 'x': invalid type"), "{error}");
    }

    #[test]
    fn raw_arguments() {
        let payload = json_payload(r#"["echo", [1, [2]], {"x": {"y": 3}}]"#);
        let Request { arguments, .. } = Request::parse(&payload).expect("a request");
        assert_eq!(arguments.args().decode(), Ok(json!([1, [2]])));
        assert_eq!(arguments.kwargs().decode(), Ok(json!({"x": {"y": 3}})));
        let bound = arguments.bind(&Signature::new("echo", ADD).with_kwargs()).expect("binds");
        assert_eq!(bound.payload(1).map(Payload::into_bytes), Some("[2]".into()));
        assert!(format!("{arguments:?}").contains("[1, [2]]"));
    }
}

mod services {
    use super::*;

    fn root() -> ServiceDict<Infallible> {
        let deep = ServiceDict::new("Deep").function("neg", ["a"], |a: i64| -a);
        let math = ServiceDict::new("Math")
            .function("mul", ["a", "b"], |a: i64, b: i64| a * b)
            .service("deep", std::sync::Arc::new(deep));
        ServiceDict::new("Root")
            .function("zero", [], || 0)
            .function("add", ["a", "b"], |a: i64, b: i64| a + b)
            .function("parse", ["text"], |text: String| -> Result<i64, ParseIntError> {
                text.parse()
            })
            .function("fail", ["message"], |message: String| -> Result<(), _> {
                Err(RemoteError::value_error(message))
            })
            .function("join", ["parts", "sep"], |parts: Vec<String>, sep: Option<String>| {
                parts.join(sep.as_deref().unwrap_or("-"))
            })
            .function("unserializable", [], RemoteRef::stranger)
            .method("echo", |arguments, caller| {
                let echo = (arguments.args().decode::<Value>(), arguments.kwargs().decode());
                let (Ok(args), Ok(kwargs)) = echo else {
                    return RemoteError::type_error("undecodable").into();
                };
                arguments.answer::<_, (Value, Value, u64)>(&(
                    args,
                    kwargs,
                    caller.connection().unwrap_or_default(),
                ))
            })
            .service("math", math)
            .hidden("hidden")
    }

    fn call(content: &str) -> Result<Value, String> {
        let payload = json_payload(content);
        let request = Request::parse(&payload).expect("a request");
        let outcome = dispatch(&root(), &request.path, &request.arguments, &Caller::new(7));
        let Outcome::Done(answer) = outcome else {
            panic!("{outcome:?}");
        };
        let body = answer.map_err(|error| error.to_string())?;
        Ok(super::payload(&body, &CodecContext::default()).decode().expect("a value"))
    }

    #[test]
    fn functions_answer() {
        assert_eq!(call(r#"["zero", [], {}]"#), Ok(json!(0)));
        assert_eq!(call(r#"["add", [3], {"b": 4}]"#), Ok(json!(7)));
        assert_eq!(call(r#"["math/mul", [3, 4], {}]"#), Ok(json!(12)));
        assert_eq!(call(r#"["math/deep/neg", [], {"a": 3}]"#), Ok(json!(-3)));
        assert_eq!(call(r#"["join", [["a", "b"]], {}]"#), Ok(json!("a-b")));
        assert_eq!(call(r#"["join", [["a", "b"]], {"sep": "+"}]"#), Ok(json!("a+b")));
        assert_eq!(call(r#"["echo", [1], {"x": 2}]"#), Ok(json!([[1], {"x": 2}, 7])));
        assert_eq!(call(r#"["parse", ["12"], {}]"#), Ok(json!(12)));
    }

    #[test]
    fn failures_say_why() {
        let failure = |content: &str| call(content).expect_err(content);
        let no_number = "ParseIntError: invalid digit found in string";
        assert_eq!(failure(r#"["parse", ["x"], {}]"#), no_number);
        assert_eq!(failure(r#"["fail", ["ohno"], {}]"#), "ValueError: ohno");
        assert_eq!(
            failure(r#"["join", [], {}]"#),
            "TypeError: join() missing 1 required positional argument: 'parts'"
        );
        assert_eq!(
            failure(r#"["join", [[], "", 1], {}]"#),
            "TypeError: join() takes from 1 to 2 positional arguments but 3 were given"
        );
        let error = failure(r#"["unserializable", [], {}]"#);
        let expected = "aiomas.exceptions.SerializationError: Could not serialize the result: ";
        assert!(error.starts_with(expected), "{error}");
    }

    /// The messages are recorded from aiomas (there, type names come with their module).
    #[test]
    fn paths_that_lead_nowhere() {
        for (path, error) in [
            ("", r#"LookupError: Name "" not found in """#),
            ("/", r#"LookupError: Name "" not found in """#),
            ("/add", r#"LookupError: Name "" not found in """#),
            ("math/", r#"LookupError: Name "" not found in "math""#),
            ("math//mul", r#"LookupError: Name "" not found in "math""#),
            ("nope", r#"LookupError: Name "nope" not found in """#),
            ("nope/x", r#"LookupError: Name "nope" not found in """#),
            ("math/nope", r#"LookupError: Name "nope" not found in "math""#),
            ("math/deep/x/y", r#"LookupError: Name "x" not found in "math/deep""#),
            ("add/x", r#"LookupError: Name "x" not found in "add""#),
            ("math/mul/x/y", r#"LookupError: Name "x" not found in "math/mul""#),
            ("hidden", r#"LookupError: "Root.hidden" is not exposed"#),
            ("math", "TypeError: 'Math' object is not callable"),
            ("math/deep", "TypeError: 'Deep' object is not callable"),
        ] {
            assert_eq!(call(&format!(r#"["{path}", [], {{}}]"#)), Err(error.into()), "{path}");
        }
    }

    /// Only a permitted caller learns whether a function or service exists, and its type.
    #[test]
    fn a_guarded_service_does_not_tell_what_it_is() {
        let check = |caller: &Caller, path: &str| match (caller.connection(), path) {
            (Some(1), _) | (_, "read") => Ok(()),
            _ => Err(RemoteError::permission("no")),
        };
        let deep = ServiceDict::<Infallible>::new("SecretDeep");
        let vault = ServiceDict::new("SecretVault")
            .function("read", [], || 1)
            .hidden("code")
            .service("deep", deep);
        let root = ServiceDict::new("Root").service("vault", authorize(vault, check));
        let call = |path: &str, connection| {
            let content = json_payload(&format!(r#"["{path}", [], {{}}]"#));
            let request = Request::parse(&content).expect("a call");
            match dispatch(&root, &request.path, &request.arguments, &Caller::new(connection)) {
                Outcome::Done(answer) => answer.map(|_| ()).map_err(|error| error.to_string()),
                _ => panic!("no answer"),
            }
        };
        assert_eq!(call("vault/read", 0), Ok(()));
        for path in [
            "vault",
            "vault/",
            "vault/code",
            "vault/deep",
            "vault/deep/x",
            "vault/nope",
            "vault/nope/x",
        ] {
            assert_eq!(call(path, 0), Err("PermissionError: no".into()), "{path}");
            assert_ne!(call(path, 1), Err("PermissionError: no".into()), "{path}");
        }
        assert_eq!(call("vault", 1), Err("TypeError: 'SecretVault' object is not callable".into()));
    }

    #[test]
    fn access_is_known_before_the_call() {
        let root = root();
        assert_eq!(root.access("add"), Some(Access::Shared));
        assert_eq!(["math", "hidden", "nope"].map(|name| root.access(name)), [None; 3]);
        let (service, name) = resolve(&root, "math/mul").expect("resolves");
        assert_eq!((service.type_name(), name), ("Math", "mul"));
    }

    #[test]
    fn dictionaries_can_be_shared_between_threads() {
        fn shared<T: Send + Sync + std::fmt::Debug>(service: &T) -> String {
            format!("{service:?}")
        }
        let dict: ServiceDict<std::cell::Cell<()>> =
            ServiceDict::new("Root").function("f", [], || 1).hidden("h");
        assert_eq!(shared(&dict), r#"{"f": "function", "h": "hidden"}"#);
    }
}

mod references {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn own_ones_are_sent_and_received_ones_are_not() {
        let types = Types::new(["point"]).for_rpc();
        let codec_context = CodecContext::new(types, Budget::default());
        let body = Body::encode(Format::Json, &codec_context, &[ServiceRef::new("math/deep")]);
        let body = body.expect("encodes");
        assert_eq!(body.bytes(), br#"[{"__type__": [1, "math/deep"]}]"#);

        let here = codec_context.with_peer(Arc::new(42_u32));
        let payload = payload(&body, &here);
        let [reference] = payload.decode::<[RemoteRef; 1]>().expect("decodes");
        assert_eq!(reference.path(), "math/deep");
        let peer_context =
            reference.peer_context().and_then(|peer_context| peer_context.downcast_ref::<u32>());
        assert_eq!(peer_context, Some(&42));

        let error = Body::encode(Format::Json, &here, &reference).expect_err("an error");
        assert!(error.to_string().contains("cannot be sent on"), "{error}");
    }

    #[test]
    fn connections_without_services_have_no_references() {
        let error = Body::encode(Format::MsgPack, &CodecContext::default(), &ServiceRef::new(""));
        assert!(matches!(error, Err(CodecError::UnregisteredType { .. })), "{error:?}");
    }
}
