//! The attribute macros of aiomas: which methods of a type can be called from outside, and a typed proxy
//! that calls them.
//!
//! They are exported by `aiomas` and by every runtime's crate, together
//! with what the generated code needs; there is no reason to depend on this crate.
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

/// Makes a type a service: lets others call the methods of an `impl` block that have `#[expose]`.
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
/// What stands above a method in the block says what it is for. It needs no import.
///
/// | attribute | the method |
/// |---|---|
/// | `#[expose]` | is called from outside. `#[expose(name = "type")]` gives it another name there. |
/// | `#[service]` | returns a service that is found in this one under the method's name, or under that in `#[service(name = "tools")]`. It takes `&self` alone, and is called once: when this service begins to be served. |
/// | none | cannot be called from outside. If it has a `self`, callers are told so. |
///
/// An exposed method takes `&self` or `&mut self`, and that is how it is run: those with `&self` side by
/// side, one with `&mut self` alone. They may be `async`; then they run until they end, and an async
/// method with `&mut self` lets all other calls wait that long.
///
/// The method returns anything that serde can write and read, or a `Result` of it, whose error has to be
/// `Display`: a caller gets the name of its type and its text. (The macro sees types as they are written.
/// A `Result` is what is called so and has type arguments, as `io::Result<i64>`; an `Option` is what is
/// called so.)
///
/// # Parameters
///
/// Callers give arguments by position or by name, as in Python. Their types are owned, since values are
/// decoded from the wire: any that serde can write and read, proxies included.
///
/// | parameter | meaning |
/// |---|---|
/// | `a: i64` | has to be given |
/// | `a: Option<i64>` | may be left out, and is `None` then |
/// | `#[default] a: i64` | may be left out; the type's `Default` is taken |
/// | `#[default = 7] a: i64` | may be left out; that value is taken |
/// | `#[args] more: Vec<i64>` | takes all further positional arguments, as Python's `*more` |
/// | `#[arg(keyword)] a: i64` | is given by name only, as behind Python's `*`; so is a parameter behind `#[args]`. With `#[default]`, or as an `Option`, it may be left out. |
/// | `#[arg(name = "type")] kind: i64` | is called `type` by callers |
/// | `#[kwargs] options: BTreeMap<String, i64>` | takes all further keyword arguments, as Python's `**options` |
/// | `#[context] ctx: &Context` | is no argument: it tells about the call. It may be anywhere, and a `Context` as well. |
///
/// Callers know a parameter by its name, without a leading underscore: `_value`, which a method does not use, is
/// `value` for them.
///
/// # The proxy
///
/// The macro writes a type `CalculatorProxy` with the exposed methods, each of which returns a `Call` of
/// `T`, also for a `Result<T, E>`; for a reference, of the owned type. Parameters that may be left out are
/// `impl Into<Option<T>>` there, so that `5`, `Some(5)` and `None` can be given. A nested service is a
/// method that returns its proxy.
///
/// The proxy is made from a `Proxy`, which every function that connects does by itself. It can be cloned,
/// compared, printed, sent as an argument and received as one, and has methods `with_timeout` and `idempotent`.
///
/// # Options
///
/// - `#[service(proxy = CalculatorClient)]`: the name of the proxy. The proxy and its methods are `pub`,
///   whether or not the type is; `proxy = pub(crate) CalculatorClient` says otherwise.
/// - `#[service(name = "Calc")]`: what the type is called in errors that callers get.
/// - `#[service(crate = my_crate::aiomas)]`: where the crate is, if it is not among the direct
///   dependencies.
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    block(Kind::Service, options, item)
}

/// Makes a type an agent: something that lives in a container, has a URL, and whose exposed methods
/// others call.
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
/// Everything that [`#[service]`](macro@service) does, it does as well: methods, parameters, the proxy and
/// the options are described there. Beyond that, one method each may be marked:
///
/// | attribute | the method |
/// |---|---|
/// | `#[on_start]` | runs before any other; calls wait until it has ended, and fail with its error |
/// | `#[on_stop]` | runs after all others; if it does not run to its end, `shutdown` says so |
///
/// They take `&self` or `&mut self` and perhaps a `#[context]`, may be `async`, and return nothing or a
/// `Result<(), E>`.
#[proc_macro_attribute]
pub fn agent(options: TokenStream, item: TokenStream) -> TokenStream {
    block(Kind::Agent, options, item)
}

/// Makes methods with `#[expose]` in an `impl Simulator` block the extra methods of a simulator of mosaik.
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
/// Methods, their parameters and what they return are as in [`#[service]`](macro@service), without the proxy; a
/// `#[context]` is mosaik, which they may call back. The macro writes `extra_method` and `EXTRA_METHODS`, so that
/// `init` need not name them.
///
/// `#[simulator(crate = my_crate::mosaik)]` says where the crate `aiomas_mosaik` is, if it is not among the direct
/// dependencies.
#[proc_macro_attribute]
pub fn simulator(options: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse(item.clone()) {
        Ok(Item::Impl(block)) => expand::simulator(options.into(), block).into(),
        Ok(_) => misplaced("`#[simulator]` stands above a block `impl Simulator for Type`", item),
        Err(error) => with_error(error, item),
    }
}

/// Marks the methods that are called from outside, in an `impl` block with [`#[service]`](macro@service),
/// [`#[agent]`](macro@agent) or [`#[simulator]`](macro@simulator).
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
/// There it needs no import: the attribute of the block reads it. It is only an item so that it can say
/// where it belongs.
#[proc_macro_attribute]
pub fn expose(_: TokenStream, item: TokenStream) -> TokenStream {
    // Where it may stand, the attribute around it has taken it off.
    let message = "`#[expose]` stands above a method in an `impl` block with `#[service]`, `#[agent]` or `#[simulator]`";
    misplaced(message, item)
}

/// Lets a struct or an enum travel under a name, as a value of a registered type (aiomas' `@serializable`).
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
/// // What both sides register, in the same order.
/// let types = Types::default().with::<Point>().with::<Mode>();
/// assert_eq!((types.id(Point::TYPE), types.id("mode")), (Some(0), Some(1)));
/// ```
///
/// Its data are what serde makes of it: the fields by their names, which is what `@serializable` writes in Python, or
/// as `#[serde(...)]` above them says. The macro derives that; types that write their data otherwise implement
/// `Serialize` and `Deserialize` by hand, with `wire::typed`.
///
/// The name is that of the type unless `name` says otherwise. Python does not see it, only the position in the list:
/// it tells types apart in one's own program, and in that of a peer that agrees on types by name (Hello). As above an
/// agent, `crate = path` says where the crate is.
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

/// An item that cannot be read, and why.
fn with_error(error: syn::Error, item: TokenStream) -> TokenStream {
    let error = TokenStream::from(error.into_compile_error());
    error.into_iter().chain(item).collect()
}

/// The item as it is, and an error.
fn misplaced(message: &str, item: TokenStream) -> TokenStream {
    let error = syn::Error::new(proc_macro2::Span::call_site(), message).into_compile_error();
    let item = proc_macro2::TokenStream::from(item);
    quote!(#error #item).into()
}
