//! Methods and their parameters.

use std::collections::BTreeMap;
use std::io;

use aiomas::__macro::{Interface, IntoService, SharedService};
use aiomas::{Context, Proxy, service};
use aiomas_core::wire::RemoteError;

use crate::{call, yield_once};

#[derive(Clone)]
pub(crate) struct Tools;

#[service]
impl Tools {
    #[expose]
    fn neg(&self, a: i64) -> i64 {
        -a
    }
}

pub(crate) struct Root {
    value: i64,
    tools: Tools,
}

#[service(proxy = RootClient, name = "MainService")]
impl Root {
    const STEP: i64 = 10;

    pub(crate) const fn new() -> Self {
        Self { value: 1, tools: Tools }
    }

    fn hidden(&self) -> i64 {
        self.value
    }

    /// Adds.
    #[expose]
    fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    #[expose]
    fn join(&self, parts: Vec<String>, #[default = "-".to_owned()] sep: String) -> String {
        parts.join(&sep)
    }

    #[expose]
    fn maybe(&self, n: Option<i64>) -> Option<i64> {
        n
    }

    #[expose(name = "type")]
    fn type_(&self) -> &'static str {
        "root"
    }

    #[expose]
    fn r#match(&self, r#type: i64) -> i64 {
        r#type
    }

    #[expose]
    fn set(
        &mut self,
        #[default = Self::STEP] v: i64,
        #[default] w: i64,
    ) -> Result<(), RemoteError> {
        if v < 0 {
            return Err(RemoteError::value_error("negative"));
        }
        self.value = v + w;
        Ok(())
    }

    #[expose]
    fn get(&self) -> i64 {
        self.hidden()
    }

    #[expose]
    fn parse(&self, text: String) -> io::Result<i64> {
        text.parse().map_err(io::Error::other)
    }

    #[expose]
    async fn wait(&self, ms: u64) -> u64 {
        yield_once().await;
        ms
    }

    #[expose]
    async fn step(&mut self, by: i64) -> Result<i64, RemoteError> {
        yield_once().await;
        self.value = self.value.checked_add(by).ok_or_else(|| RemoteError::value_error("far"))?;
        Ok(self.value)
    }

    #[expose]
    fn caller(&self, #[context] context: &Context, add: u64) -> u64 {
        context.caller().connection().unwrap_or_default() + add
    }

    #[expose]
    async fn caller_later(&self, #[context] context: Context) -> u64 {
        yield_once().await;
        context.caller().connection().unwrap_or_default()
    }

    #[expose]
    fn rest(
        &self,
        a: i64,
        #[args] more: Vec<i64>,
        #[kwargs] options: BTreeMap<String, i64>,
    ) -> String {
        format!("{a} {more:?} {options:?}")
    }

    /// The signature of a mosaik simulator's `init`.
    #[expose]
    fn init(
        &self,
        sid: String,
        #[default = 1.0] time_resolution: f64,
        #[kwargs] options: BTreeMap<String, bool>,
    ) -> String {
        format!("{sid} {time_resolution} {options:?}")
    }

    /// The compiler's suggestion for an unused parameter.
    #[expose]
    #[allow(
        clippy::just_underscores_and_digits,
        reason = "a name that is no other without its underscore"
    )]
    fn unused(
        &self,
        _value: i64,
        __b: Option<i64>,
        _1: Option<i64>,
        #[default = 3] _type: i64,
    ) -> i64 {
        _type
    }

    #[expose]
    fn renamed(
        &self,
        #[arg(name = "card")] number: i64,
        #[arg(name = "_pin")]
        #[default = 7]
        pin: i64,
    ) -> i64 {
        number * 10 + pin
    }

    /// `def pay(amount, *, currency, note=None, rounds=2)`
    #[expose]
    fn pay(
        &self,
        amount: f64,
        #[arg(keyword)] currency: String,
        #[arg(keyword)] note: Option<String>,
        #[default = 2]
        #[arg(keyword, name = "rounds")]
        _digits: usize,
    ) -> String {
        format!("{amount:._digits$} {currency} {}", note.unwrap_or_default())
    }

    /// `def log(self, *parts, sep=" ", **fields)`
    #[expose]
    fn log(
        &self,
        #[args] parts: Vec<String>,
        #[context] _context: &Context,
        #[arg(keyword)]
        #[default = " ".to_owned()]
        sep: String,
        #[kwargs] fields: BTreeMap<String, i64>,
    ) -> String {
        format!("{} {fields:?}", parts.join(&sep))
    }

    /// Uses names of the generated code.
    #[expose]
    fn names(
        &self,
        name: u8,
        value: u8,
        this: u8,
        bound: u8,
        #[default = this] invocation: u8,
    ) -> u8 {
        name + value + this + bound + invocation
    }

    #[expose]
    fn echo(&self, service: Proxy) -> Proxy {
        service
    }

    #[cfg(any())]
    #[expose]
    fn conditional(&self, never: Compiled) {}

    #[cfg(not(any()))]
    #[expose]
    fn conditional(&self) -> bool {
        true
    }

    #[service]
    fn tools(&self) -> Tools {
        self.tools.clone()
    }

    #[service(name = "more")]
    fn more_tools(&self) -> Tools {
        self.tools.clone()
    }
}

fn root() -> SharedService {
    Root::new().into_service()
}

fn calls(expected: &[(&str, &str)]) {
    let root = root();
    for (content, answer) in expected {
        assert_eq!(call(&*root, content), *answer, "{content}");
    }
}

#[test]
fn arguments_are_bound_by_position_and_by_name() {
    calls(&[
        (r#"["add", [1, 2], {}]"#, "3"),
        (r#"["add", [1], {"b": 2}]"#, "3"),
        (r#"["add", [], {"b": 2, "a": 1}]"#, "3"),
        (r#"["add", [1], {}]"#, "TypeError: add() missing 1 required positional argument: 'b'"),
        (
            r#"["add", [1, 2, 3], {}]"#,
            "TypeError: add() takes 2 positional arguments but 3 were given",
        ),
        (r#"["add", [1, 2], {"c": 3}]"#, "TypeError: add() got an unexpected keyword argument 'c'"),
        (r#"["names", [1, 2, 3, 4], {}]"#, "13"),
    ]);
    let mismatch = call(&*root(), r#"["add", [1, "2"], {}]"#);
    assert!(mismatch.starts_with("TypeError: add(): argument 'b': "), "{mismatch}");
}

#[test]
fn omitted_parameters_have_their_defaults() {
    calls(&[
        (r#"["join", [["a", "b"]], {}]"#, r#""a-b""#),
        (r#"["join", [["a", "b"], "+"], {}]"#, r#""a+b""#),
        (r#"["join", [["a", "b"]], {"sep": ""}]"#, r#""ab""#),
        (r#"["maybe", [], {}]"#, "null"),
        (r#"["maybe", [null], {}]"#, "null"),
        (r#"["maybe", [], {"n": 5}]"#, "5"),
        (r#"["set", [], {}]"#, "null"),
        (r#"["get", [], {}]"#, "10"),
        (r#"["set", [], {"w": 2}]"#, "null"),
        (r#"["get", [], {}]"#, "12"),
    ]);
}

#[test]
fn further_arguments_are_collected() {
    calls(&[
        (r#"["rest", [1], {}]"#, r#""1 [] {}""#),
        (r#"["rest", [1, 2, 3], {"x": 4}]"#, r#""1 [2, 3] {\"x\": 4}""#),
        (r#"["init", ["s"], {"step": true}]"#, r#""s 1 {\"step\": true}""#),
        (r#"["init", ["s"], {"time_resolution": 0.5}]"#, r#""s 0.5 {}""#),
    ]);
}

#[test]
fn parameters_have_names_of_their_own_on_the_wire() {
    calls(&[
        (r#"["unused", [1], {}]"#, "3"),
        (r#"["unused", [], {"value": 1, "_b": 2, "_1": 4, "type": 5}]"#, "5"),
        (
            r#"["unused", [], {"_value": 1}]"#,
            "TypeError: unused() got an unexpected keyword argument '_value'",
        ),
        (
            r#"["unused", [], {}]"#,
            "TypeError: unused() missing 1 required positional argument: 'value'",
        ),
        (r#"["renamed", [5], {}]"#, "57"),
        (r#"["renamed", [], {"card": 5, "_pin": 1}]"#, "51"),
        (
            r#"["renamed", [5], {"pin": 1}]"#,
            "TypeError: renamed() got an unexpected keyword argument 'pin'",
        ),
    ]);
    let mismatch = call(&*root(), r#"["renamed", ["x"], {}]"#);
    assert!(mismatch.starts_with("TypeError: renamed(): argument 'card': "), "{mismatch}");
}

#[test]
fn some_parameters_are_given_by_name_only() {
    calls(&[
        (r#"["pay", [1.5], {"currency": "EUR"}]"#, r#""1.50 EUR ""#),
        (
            r#"["pay", [], {"rounds": 1, "note": "!", "amount": 1, "currency": "EUR"}]"#,
            r#""1.0 EUR !""#,
        ),
        (
            r#"["pay", [1.5], {}]"#,
            "TypeError: pay() missing 1 required keyword-only argument: 'currency'",
        ),
        (
            r#"["pay", [1.5, "EUR"], {}]"#,
            "TypeError: pay() takes 1 positional argument but 2 were given",
        ),
        (
            r#"["pay", [1.5, "EUR"], {"currency": "EUR"}]"#,
            "TypeError: pay() takes 1 positional argument but 2 positional arguments (and 1 \
             keyword-only argument) were given",
        ),
        (r#"["log", [], {}]"#, r#"" {}""#),
        (r#"["log", ["a", "b", "c"], {"x": 1, "sep": "-"}]"#, r#""a-b-c {\"x\": 1}""#),
    ]);
}

#[test]
fn names_on_the_wire() {
    calls(&[
        (r#"["type", [], {}]"#, r#""root""#),
        (r#"["match", [], {"type": 3}]"#, "3"),
        (r#"["conditional", [], {}]"#, "true"),
        (r#"["tools/neg", [1], {}]"#, "-1"),
        (r#"["more/neg", [1], {}]"#, "-1"),
        (r#"["hidden", [], {}]"#, r#"LookupError: "MainService.hidden" is not exposed"#),
    ]);
    for absent in ["new", "type_", "r#match", "more_tools", "STEP"] {
        assert!(Root::method(absent.as_bytes()).is_none(), "{absent}");
    }
}

#[test]
fn results_and_errors() {
    calls(&[
        (r#"["set", [-1], {}]"#, "ValueError: negative"),
        (r#"["parse", ["12"], {}]"#, "12"),
        (r#"["parse", ["x"], {}]"#, "Error: invalid digit found in string"),
    ]);
}

#[test]
fn async_methods() {
    calls(&[
        (r#"["wait", [3], {}]"#, "3"),
        (r#"["step", [4], {}]"#, "5"),
        (r#"["step", [1], {}]"#, "6"),
        (r#"["get", [], {}]"#, "6"),
        (r#"["step", [9223372036854775807], {}]"#, "ValueError: far"),
        (r#"["step", [], {}]"#, "TypeError: step() missing 1 required positional argument: 'by'"),
    ]);
}

#[test]
fn the_context_is_no_argument() {
    calls(&[
        (r#"["caller", [1], {}]"#, "8"),
        (r#"["caller", [], {"add": 2}]"#, "9"),
        (
            r#"["caller", [1, 2], {}]"#,
            "TypeError: caller() takes 1 positional argument but 2 were given",
        ),
        (r#"["caller_later", [], {}]"#, "7"),
    ]);
}
