//! TLS, the same on every runtime: rustls, which does no I/O itself, around any transport.
//!
//! A builder of any layer takes a [`TlsConfig`]. From then on everything that it connects to or listens at speaks
//! TLS, and nothing else; addresses stay what they are. Both sides show a certificate, and methods see whose it is:
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
//! /// With an adapter, it is `aiomas_tokio::container::builder()`, and no runtime to be named.
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
//! **What goes wrong** is a [`TlsError`]: of [`Error::Tls`](super::Error::Tls) when one connects or accepts, of
//! [`DialError::tls`](aiomas_core::agent::DialError::tls) when a container looks for an agent, and of
//! [`CloseReason::Tls`](aiomas_core::connection::CloseReason::Tls) when a connection ends. With TLS 1.3, a client's handshake is
//! over before the server has looked at its certificate: it then connects, and hears with its first call that it is
//! refused.
//!
//! **Certificates that end** are renewed while they are used: [`TlsConfig::reload`] reads the files again, and handshakes
//! from then on go by them.
//!
//! **The end of a stream** is none unless the peer has said so. A stream that just ends was cut, perhaps by
//! somebody who did not like what came next: [`TlsError::Truncated`].
//!
//! **Where there is no host**: Unix sockets speak TLS as well; who connects to one has to say for whom the
//! certificate is ([`TlsConfig::server_name`]). `local://` addresses are within the process, and left as they are.
//!
//! **In simulations** certificates have to be valid at the simulation's date. Keys and random numbers are others in each
//! run, and so is the trace of one; with Ed25519 certificates all messages have the same lengths, so that the
//! same happens.

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
