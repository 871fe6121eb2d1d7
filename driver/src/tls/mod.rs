//! TLS, the same on every runtime: rustls, which does no I/O itself, around any transport.
//!
//! Every builder takes a [`TlsConfig`]. All its sockets, dialled and listening, then speak TLS and nothing else;
//! addresses stay the same. Both sides present a certificate, which methods can see:
//!
//! ```
//! use aiomas::tls::TlsConfig;
//! use aiomas::{Container, Context, Runtime, container};
//! use aiomas::{Error, agent};
//!
//! struct Vault;
//!
//! #[agent]
//! impl Vault {
//!     #[expose]
//!     fn open(&self, #[context] ctx: &Context) -> Result<String, String> {
//!         match ctx.certificate() {
//!             Some(certificate) if &*certificate.subject == "CN=grid" => Ok("come in".into()),
//!             _ => Err("who are you?".into()),
//!         }
//!     }
//! }
//!
//! /// With an adapter, write `aiomas_tokio::container::builder()`, without a runtime.
//! async fn house(runtime: impl Runtime) -> Result<Container, Error> {
//!     let tls = TlsConfig::from_pem_files("ca.pem", "house.pem", "house.key")?;
//!     let house = container::builder(runtime).tls(tls).bind("tcp://0.0.0.0:5555").await?;
//!     house.spawn(Vault)?;
//!     Ok(house)
//! }
//!
//! async fn grid(runtime: impl Runtime) -> Result<(), Error> {
//!     let tls = TlsConfig::from_pem_files("ca.pem", "grid.pem", "grid.key")?;
//!     let grid = container::builder(runtime).tls(tls).bind("tcp://0.0.0.0:5555").await?;
//!     let vault: VaultProxy = grid.connect("tcp://house:5555/0").await?;
//!     println!("{}", vault.open().await?); // come in
//!     Ok(())
//! }
//! ```
//!
//! **aiomas** in Python speaks TLS 1.2 with the same certificates: its `SSLCerts` are the three files.
//!
//! **Failures** are a [`TlsError`]: of [`Error::Tls`](super::Error::Tls) for a client or a listener, of
//! [`DialError::tls`](aiomas_core::agent::DialError::tls) when a container looks up an agent, and of
//! [`CloseReason::Tls`](aiomas_core::connection::CloseReason::Tls) when a connection ends. With TLS 1.3, a client's
//! handshake ends before the server has verified its certificate: a refused client connects, and its first call reports
//! the refusal.
//!
//! **Expiring certificates** are renewed in use: [`TlsConfig::reload`] reads the files again, and later handshakes use
//! the new contents.
//!
//! **The end of a stream** counts only if the peer has announced it. A stream that ends without notice was cut, perhaps
//! by an attacker who suppressed the rest: [`TlsError::Truncated`].
//!
//! **Without a host**: Unix sockets speak TLS as well; their clients set the expected name with
//! [`TlsConfig::server_name`]. `local://` addresses are within the process, and do not use TLS.
//!
//! **In simulations** certificates must be valid at the simulation's date. Keys and random numbers differ in each run,
//! and so does its trace; with Ed25519 certificates all messages have the same lengths, so that the run stays the same.

mod certificate;
mod config;
mod error;
mod kind;
mod listener;
mod own;
mod pem;
mod reason;
mod renewable;
mod runtime;
mod stream;

pub use config::TlsConfig;
pub use error::{Flaw, TlsConfigError};
pub use listener::TlsListener;
pub use runtime::Secure;
pub use rustls;
pub use stream::Tls;

pub use aiomas_core::connection::TlsError;
pub use aiomas_core::rpc::PeerCertificate;
