//! The attribute macros of aiomas: they expose methods and generate typed proxies.
//!
//! `aiomas` and the crates of all runtimes re-export the macros, together with the items that the generated code needs.
//! Do not depend on this crate directly.
#![forbid(unsafe_code)]

mod expand;
mod model;
mod options;
mod parse;
mod root;
mod serializable;

use proc_macro::TokenStream;
use quote::quote;
use syn::Item;

use crate::model::Kind;

/// Makes a type a service: peers can call its methods marked `#[expose]`.
///
/// The attribute stands above an `impl` block of the type.
///
/// ```ignore
/// use aiomas::{Context, Error, service};
///
/// struct Calculator {
///     memory: f64,
/// }
///
/// #[service]
/// impl Calculator {
///     /// Callers do not see functions without `self`.
///     pub fn new() -> Self {
///         Self { memory: 0.0 }
///     }
///
///     /// Divides.
///     #[expose]
///     fn divide(&self, a: f64, b: f64) -> Result<f64, DivisionByZero> {
///         if b == 0.0 { Err(DivisionByZero) } else { Ok(a / b) }
///     }
///
///     #[expose]
///     fn store(&mut self, #[default] value: f64) {
///         self.memory = value;
///     }
///
///     #[expose]
///     async fn ask(&self, other: CalculatorProxy, a: f64, b: f64) -> Result<f64, Error> {
///         other.divide(a, b).await
///     }
/// }
/// ```
///
/// # Methods
///
/// An attribute above a method in the block sets its purpose. The attribute needs no import.
///
/// | attribute | the method |
/// |---|---|
/// | `#[expose]` | can be called from outside. `#[expose(name = "type")]` gives it another name on the wire. |
/// | `#[service]` | returns a nested service, under the name of the method or that in `#[service(name = "tools")]`. It takes only `&self`, and is called once: when this service starts to be served. |
/// | none | cannot be called from outside. If it has a `self`, callers receive the error that it is not exposed. |
///
/// An exposed method takes `&self` or `&mut self`. Methods with `&self` run concurrently; a method with `&mut self`
/// runs alone. Methods may be `async`; then they run until they end, and all other calls wait until an async method
/// with `&mut self` has ended.
///
/// The method returns a value that serde can write and read, or a `Result` of one. The error type implements `Display`:
/// a caller receives the name of the type and the text. (The macro sees types as they are written: a `Result` is a type
/// of this name with type arguments, such as `io::Result<i64>`, and an `Option` is a type of this name.)
///
/// # Parameters
///
/// Callers pass arguments by position or by name, as in Python. Parameters have owned types, since values are decoded
/// from the wire: all types that serde can write and read, including proxies.
///
/// | parameter | meaning |
/// |---|---|
/// | `a: i64` | required |
/// | `a: Option<i64>` | optional; `None` if omitted |
/// | `#[default] a: i64` | optional; the `Default` of the type if omitted |
/// | `#[default = 7] a: i64` | optional; the given value if omitted |
/// | `#[args] more: Vec<i64>` | takes all further positional arguments, like Python's `*more` |
/// | `#[arg(keyword)] a: i64` | keyword-only, like parameters after Python's `*`; so are all parameters after `#[args]`. With `#[default]`, or as an `Option`, it is optional. |
/// | `#[arg(name = "type")] kind: i64` | has the name `type` for callers |
/// | `#[kwargs] options: BTreeMap<String, i64>` | takes all further keyword arguments, like Python's `**options` |
/// | `#[context] ctx: &Context` | is not an argument: it describes the call. It may stand at any position, and may also be a `Context`. |
///
/// Callers know a parameter by its name without a leading underscore: an unused `_value` is `value` for them.
///
/// # The proxy
///
/// The macro generates a type `CalculatorProxy` with the exposed methods. Each returns a `Call<T>`, also for a
/// `Result<T, E>`; for a reference, `T` is the owned type. Optional parameters are `impl Into<Option<T>>`, so that `5`,
/// `Some(5)` and `None` are accepted. A nested service is a method that returns its proxy.
///
/// The proxy converts from a `Proxy`; all functions that connect do this conversion. A proxy can be cloned, compared,
/// printed, and sent and received as an argument. It has the methods `with_timeout` and `idempotent`.
///
/// # Options
///
/// - `#[service(proxy = CalculatorClient)]`: the name of the proxy. The proxy and its methods are `pub`, even if the
///   type is not; `proxy = pub(crate) CalculatorClient` sets another visibility.
/// - `#[service(name = "Calc")]`: the name of the type in errors that callers receive.
/// - `#[service(crate = my_crate::aiomas)]`: the path of the crate, if it is not a direct dependency.
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    block(Kind::Service, options, item)
}

/// Makes a type an agent, which lives in a container and has a URL.
///
/// Other agents and programs call its exposed methods.
///
/// ```ignore
/// use aiomas::{Context, Error, agent};
///
/// struct Pinger {
///     pings: u64,
/// }
///
/// #[agent]
/// impl Pinger {
///     #[on_start]
///     async fn start(&mut self, #[context] ctx: &Context) -> Result<(), Error> {
///         let registry: RegistryProxy = ctx.container()?.connect("tcp://localhost:5555/0").await?;
///         registry.register("pinger").await
///     }
///
///     #[expose]
///     fn ping(&mut self) -> u64 {
///         self.pings += 1;
///         self.pings
///     }
///
///     #[on_stop]
///     fn stop(&mut self) {
///         println!("{} pings", self.pings);
///     }
/// }
/// ```
///
/// An agent has all features of a [`#[service]`](macro@service), where methods, parameters, the proxy and the options
/// are described. In addition, one method each may be marked:
///
/// | attribute | the method |
/// |---|---|
/// | `#[on_start]` | runs before all others; calls wait until it has ended, and fail with its error |
/// | `#[on_stop]` | runs after all others; if it does not run to its end, `shutdown` reports that |
///
/// They take `&self` or `&mut self` and optionally a `#[context]`, may be `async`, and return nothing or a `Result<(),
/// E>`.
#[proc_macro_attribute]
pub fn agent(options: TokenStream, item: TokenStream) -> TokenStream {
    block(Kind::Agent, options, item)
}

/// Exposes methods in an `impl Simulator` block as extra methods of a mosaik simulator.
///
/// ```ignore
/// use aiomas_mosaik::{Mosaik, Result, Simulator, simulator};
///
/// #[simulator]
/// impl Simulator for Batteries {
///     // init, create, step and get_data, as without the attribute
///
///     /// `def charge(self, eid, *more, power=1.0)`
///     #[expose]
///     fn charge(
///         &mut self,
///         eid: String,
///         #[args] more: Vec<String>,
///         #[arg(keyword)]
///         #[default = 1.0]
///         power: f64,
///     ) -> Result<usize> {
///         // ...
///     }
///
///     #[expose]
///     async fn progress(&self, #[context] mosaik: &Mosaik) -> Result<f64> {
///         Ok(mosaik.get_progress().await?)
///     }
/// }
/// ```
///
/// Methods marked `#[expose]`, their parameters and their return values are as in [`#[service]`](macro@service),
/// without the proxy. A `#[context]` is a handle of mosaik for callbacks. The macro generates `extra_method` and
/// `EXTRA_METHODS`, so `init` need not list the extra methods.
///
/// `#[simulator(crate = my_crate::mosaik)]` sets the path of the crate `aiomas_mosaik`, if it is not a direct
/// dependency.
#[proc_macro_attribute]
pub fn simulator(options: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse(item.clone()) {
        Ok(Item::Impl(block)) => expand::simulator(options.into(), block).into(),
        Ok(_) => misplaced("`#[simulator]` stands above a block `impl Simulator for Type`", item),
        Err(error) => with_error(error, item),
    }
}

/// Marks a method that can be called from outside.
///
/// The method is in an `impl` block with [`#[service]`](macro@service), [`#[agent]`](macro@agent) or
/// [`#[simulator]`](macro@simulator).
///
/// ```ignore
/// #[service]
/// impl Calculator {
///     #[expose]
///     fn add(&self, a: i64, b: i64) -> i64 {
///         a + b
///     }
///
///     #[expose(name = "type")]
///     fn type_(&self) -> &str {
///         "Calculator"
///     }
/// }
/// ```
///
/// The attribute needs no import there: the attribute of the block reads it. It exists as an item only to report where
/// it belongs.
#[proc_macro_attribute]
pub fn expose(_: TokenStream, item: TokenStream) -> TokenStream {
    // In a valid place, the attribute of the block has removed this one.
    let message = "`#[expose]` stands above a method in an `impl` block with `#[service]`, `#[agent]` or `#[simulator]`";
    misplaced(message, item)
}

/// Makes a struct or an enum a typed value with a registered name (aiomas' `@serializable`).
///
/// ```ignore
/// use aiomas::serializable;
/// use aiomas_core::wire::{Types, typed::Serializable};
///
/// #[serializable]
/// #[derive(Debug, Clone, PartialEq)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
///
/// #[serializable(name = "mode")]
/// enum Mode {
///     Off,
///     Level(i64),
/// }
///
/// // Both sides register these types, in the same order.
/// let types = Types::default().with::<Point>().with::<Mode>();
/// assert_eq!((types.id(Point::TYPE), types.id("mode")), (Some(0), Some(1)));
/// ```
///
/// Its data are serde's form of the type: by default the fields by name, as `@serializable` writes them in Python. The
/// attributes `#[serde(...)]` change that form. The macro derives `Serialize` and `Deserialize`; types with another
/// form implement them by hand, with `wire::typed`.
///
/// The name is that of the type, unless the option `name` sets another. Python sees only the position in the list, not
/// the name. The name identifies the type in the program itself, and for a peer that agrees on types by name (Hello).
/// As for an agent, `crate = path` sets the path of the crate.
#[proc_macro_attribute]
pub fn serializable(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded =
        syn::parse(item.clone()).and_then(|parsed| serializable::expand(options.into(), &parsed));
    match expanded {
        Ok(code) => code.into(),
        Err(error) => with_error(error, item),
    }
}

fn block(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse(item.clone()) {
        Ok(Item::Impl(block)) => expand::block(kind, options.into(), block).into(),
        Ok(_) => misplaced(
            match kind {
                Kind::Service => {
                    "`#[service]` stands above an `impl` block, or above a method in one that has \
                     `#[service]` or `#[agent]`"
                }
                Kind::Agent => "`#[agent]` stands above an `impl` block",
            },
            item,
        ),
        Err(error) => with_error(error, item),
    }
}

/// Returns the unchanged item of a failed parse, with the error.
fn with_error(error: syn::Error, item: TokenStream) -> TokenStream {
    let error = TokenStream::from(error.into_compile_error());
    error.into_iter().chain(item).collect()
}

/// Returns the unchanged item with an error.
fn misplaced(message: &str, item: TokenStream) -> TokenStream {
    let error = syn::Error::new(proc_macro2::Span::call_site(), message).into_compile_error();
    let item = proc_macro2::TokenStream::from(item);
    quote!(#error #item).into()
}
