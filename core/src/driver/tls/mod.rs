//! TLS, the same on every runtime: rustls, which does no I/O itself, around any transport.
//!
//! A builder of any layer takes a [`TlsConfig`]. From then on everything that it connects to or listens at speaks TLS,
//! and nothing else:
//!
//! TODO
//!
mod certificate;
mod config;
mod error;
mod handshake;
mod listener;
mod reason;
mod runtime;
mod stream;

pub use config::TlsConfig;
pub use error::TlsConfigError;
pub use listener::TlsListener;
pub use runtime::Secure;
pub use rustls;
pub use stream::Tls;

pub use crate::connection::TlsError;
pub use crate::rpc::PeerCertificate;
