//! Remote procedure calls: the content `[path, args, kwargs]`, and services that answer them.
//!
//! A path is a list of names, `math/deep/neg`: nested services, and a function in the last one. [`dispatch`] finds the
//! function at a path; [`Arguments`] are bound to its parameters as Python binds them. This module does not depend on
//! connections.

mod arguments;
mod authorize;
mod binding;
mod caller;
mod certificate;
mod content;
mod dict;
pub mod function;
mod keywords;
mod later;
mod path;
mod plain;
mod reference;
mod returned;
mod router;
mod service;
mod span;
#[cfg(test)]
mod tests;

pub use arguments::{Arguments, Encoder};
pub use authorize::{Authorized, Check, authorize};
pub use binding::{Bound, Parameter, Signature};
pub use caller::{Caller, CallerId};
pub use certificate::PeerCertificate;
pub use content::{Call, Request, RequestError, encode_call, encode_call_in};
pub use dict::ServiceDict;
pub use keywords::{Keyword, Keywords, Positional};
pub use later::{Answer, Later};
pub use path::Path;
pub use reference::{RemoteRef, ServiceRef};
pub use router::{dispatch, dispatch_at, resolve};
pub use service::{Access, Outcome, Service};
