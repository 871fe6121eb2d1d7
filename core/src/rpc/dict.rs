//! Services built at run time from functions and other services.

use std::fmt;
use std::sync::Arc;

use super::function::{Function, FunctionIn, Return};
use super::{Access, Arguments, Caller, Outcome, Parameter, Service, Signature};

/// A service built at run time from closures and other services.
///
/// ```
/// use std::convert::Infallible;
///
/// use aiomas_core::rpc::ServiceDict;
/// use aiomas_core::wire::RemoteError;
///
/// let math = ServiceDict::new("Math").function("neg", ["a"], |a: i64| -a);
/// let root = ServiceDict::<Infallible>::new("Root")
///     .function("add", ["a", "b"], |a: i64, b: i64| a + b)
///     .function("join", ["parts", "sep"], |parts: Vec<String>, sep: Option<String>| {
///         parts.join(sep.as_deref().unwrap_or("-"))
///     })
///     .function("divide", ["a", "b"], |a: i64, b: i64| {
///         a.checked_div(b).ok_or_else(|| RemoteError::new("ZeroDivisionError", "division by zero"))
///     })
///     .service("math", math)
///     .hidden("secret");
/// ```
pub struct ServiceDict<L> {
    type_name: String,
    /// The entries, the shortest names first.
    ///
    /// Names of different lengths then compare without a look at their bytes.
    entries: Vec<(Box<str>, Entry<L>)>,
}

type Method<L> = Box<dyn Fn(&Arguments<'_>, &Caller) -> Outcome<L> + Send + Sync>;

enum Entry<L> {
    Method(Method<L>),
    Service(Box<dyn Service<L> + Send + Sync>),
    Hidden,
}

impl<L> ServiceDict<L> {
    /// Creates an empty service. `type_name` is its name in errors.
    #[must_use]
    pub fn new(type_name: impl Into<String>) -> Self {
        Self { type_name: type_name.into(), entries: Vec::new() }
    }

    /// Adds a function with typed parameters.
    ///
    /// Callers know the parameters by the names `parameters`, and may omit those of type `Option`. The function returns
    /// a value, or a `Result` whose error becomes a failure; see [`Return`].
    #[must_use]
    pub fn function<const N: usize, P, R, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        function: F,
    ) -> Self
    where
        F: Function<N, P> + Send + Sync + 'static,
        F::Output: Return<R>,
    {
        self.function_with(name, parameters, function, |value, arguments| {
            Outcome::Done(value.answer(arguments.format(), arguments.codec_context()))
        })
    }

    /// Adds a function with typed parameters, whose return value `outcome` turns into an answer.
    ///
    /// The parameters are as for [`function`](Self::function). For hosts with their own way of answering later.
    #[must_use]
    pub fn function_with<const N: usize, P, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        function: F,
        outcome: impl Fn(F::Output, &Arguments<'_>) -> Outcome<L> + Send + Sync + 'static,
    ) -> Self
    where
        F: Function<N, P> + Send + Sync + 'static,
    {
        let name = name.into();
        let parameters = declare(parameters, F::optional());
        self.method(name.clone(), move |arguments, _| {
            let bound = arguments.bind(&Signature::new(&name, &parameters));
            match bound.and_then(|bound| function.invoke(&bound)) {
                Ok(value) => outcome(value, arguments),
                Err(error) => error.into(),
            }
        })
    }

    /// Adds a function with typed parameters and a context in front of them.
    ///
    /// The function is not called here: `outcome` receives the function and the decoded arguments, and decides how the
    /// call is run and answered.
    #[must_use]
    pub fn function_in<C, const N: usize, P, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        function: Arc<F>,
        outcome: impl Fn(&Arc<F>, P) -> Outcome<L> + Send + Sync + 'static,
    ) -> Self
    where
        F: FunctionIn<C, N, P> + Send + Sync + 'static,
    {
        let name = name.into();
        let parameters = declare(parameters, F::optional());
        self.method(name.clone(), move |arguments, _| {
            let bound = arguments.bind(&Signature::new(&name, &parameters));
            match bound.and_then(|bound| F::decode(&bound)) {
                Ok(arguments) => outcome(&function, arguments),
                Err(error) => error.into(),
            }
        })
    }

    /// Adds a function that receives undecoded arguments, and may answer later.
    #[must_use]
    pub fn method(
        self,
        name: impl Into<String>,
        method: impl Fn(&Arguments<'_>, &Caller) -> Outcome<L> + Send + Sync + 'static,
    ) -> Self {
        self.entry(name.into(), Entry::Method(Box::new(method)))
    }

    /// Adds a service. Like the other methods, it replaces an existing entry of the same name.
    #[must_use]
    pub fn service(
        self,
        name: impl Into<String>,
        service: impl Service<L> + Send + Sync + 'static,
    ) -> Self {
        self.entry(name.into(), Entry::Service(Box::new(service)))
    }

    /// Adds a name that is not exposed: calls of `name` fail with this error.
    #[must_use]
    pub fn hidden(self, name: impl Into<String>) -> Self {
        self.entry(name.into(), Entry::Hidden)
    }

    fn entry(mut self, name: String, entry: Entry<L>) -> Self {
        match self.position(name.as_bytes()) {
            Ok(at) => self.entries[at].1 = entry,
            Err(at) => self.entries.insert(at, (name.into(), entry)),
        }
        self
    }

    /// Returns the position of `name`, or the position at which to insert it.
    #[inline]
    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|(entry, _)| {
            let entry = entry.as_bytes();
            entry.len().cmp(&name.len()).then_with(|| entry.cmp(name))
        })
    }

    #[inline]
    fn get(&self, name: &[u8]) -> Option<&Entry<L>> {
        // A single name needs no search.
        let at = match &*self.entries {
            [(entry, _)] => (entry.as_bytes() == name).then_some(0),
            _ => self.position(name).ok(),
        };
        at.map(|at| &self.entries[at].1)
    }
}

fn declare<const N: usize>(names: [&'static str; N], optional: [bool; N]) -> [Parameter; N] {
    std::array::from_fn(|i| Parameter { name: names[i], required: !optional[i] })
}

impl<L> Service<L> for ServiceDict<L> {
    fn type_name(&self) -> &str {
        &self.type_name
    }

    fn service(&self, name: &str) -> Option<&dyn Service<L>> {
        self.service_bytes(name.as_bytes())
    }

    fn access(&self, method: &str) -> Option<Access> {
        match self.get(method.as_bytes())? {
            Entry::Method(_) => Some(Access::Shared),
            Entry::Service(_) | Entry::Hidden => None,
        }
    }

    fn call(&self, method: &str, arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L> {
        self.call_bytes(method.as_bytes(), arguments, caller)
    }

    fn service_bytes(&self, name: &[u8]) -> Option<&dyn Service<L>> {
        match self.get(name)? {
            Entry::Service(service) => Some(&**service),
            Entry::Method(_) | Entry::Hidden => None,
        }
    }

    fn call_bytes(&self, method: &[u8], arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L> {
        match self.get(method) {
            Some(Entry::Method(method)) => method(arguments, caller),
            Some(Entry::Hidden) => Outcome::NotExposed,
            Some(Entry::Service(_)) | None => Outcome::NotFound,
        }
    }
}

impl<L> fmt::Debug for ServiceDict<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, entry) in &self.entries {
            match entry {
                Entry::Method(_) => map.entry(name, &"function"),
                Entry::Service(service) => map.entry(name, &service.type_name()),
                Entry::Hidden => map.entry(name, &"hidden"),
            };
        }
        map.finish()
    }
}
