//! TLS configuration: certificates, keys and authorities.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig};

use super::error::{Flaw, TlsConfigError};
use super::pem::Pem;
use super::renewable::{Current, Renewable};
use super::{kind, own};
use aiomas_core::connection::TlsError;

/// TLS settings for both roles: our certificate and the trusted authorities (aiomas' `SSLCerts`).
///
/// ```no_run
/// use aiomas::tls::TlsConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsConfig::from_pem_files("ca.pem", "house.pem", "house.key")?;
/// # Ok(())
/// # }
/// ```
///
/// Both sides present a certificate. Each refuses a peer certificate that no trusted authority signed, or that is not
/// valid at the present date. A client also requires that one of the *subject alternative names* is the host name or IP
/// address that it dialled. TLS 1.3 and 1.2 are supported. Every connection is verified anew, without session
/// resumption.
///
/// Certificates can be renewed in use: see [`reload`](Self::reload).
///
/// Cloning it is cheap.
#[derive(Clone)]
pub struct TlsConfig {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    pub(super) server_name: Option<ServerName<'static>>,
    /// `None` for a configuration made from rustls configurations.
    pub(super) source: Option<Arc<Source>>,
    on_refused: Option<Arc<OnRefused>>,
}

type OnRefused = dyn Fn(Option<&str>, &TlsError) + Send + Sync;

/// The origin of the certificates and the key.
pub(super) struct Source {
    /// The files of authorities, certificate and key.
    files: Option<[PathBuf; 3]>,
    renewable: Arc<Renewable>,
}

impl TlsConfig {
    /// Loads one certificate for both roles from PEM files: the trusted authorities, our certificate with its chain to
    /// an authority, and the key (PKCS#8, PKCS#1 or SEC1, not encrypted).
    ///
    /// RSA keys need 2048 bits or more; elliptic curve keys must use P-256, P-384 or Ed25519. If the certificate limits
    /// its use, it must allow servers *and* clients.
    ///
    /// # Errors
    /// A file is unreadable or has the wrong content; the key does not match the certificate; or no peer would accept
    /// the certificate, with any authorities. The text names the file and the remedy.
    pub fn from_pem_files(
        ca: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsConfigError> {
        let files = [ca.as_ref(), certificate.as_ref(), key.as_ref()].map(Path::to_path_buf);
        Self::from_parts(&Parts::read(&files)?, Some(files))
    }

    /// Acts like [`from_pem_files`](Self::from_pem_files), but takes the contents of the files.
    ///
    /// # Errors
    /// The errors of `from_pem_files`, except for reading.
    pub fn from_pem(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, TlsConfigError> {
        Self::from_parts(&Parts::given(ca, certificate, key), None)
    }

    fn from_parts(parts: &Parts, files: Option<[PathBuf; 3]>) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(ring::default_provider());
        let renewable = Arc::new(Renewable::new(parts.load(&provider)?));
        let broken = |error: Error| parts.certificate.unusable(damaged(&error));
        let server = server(&provider, &renewable).map_err(broken)?;
        let client = client(&provider, &renewable).map_err(broken)?;
        let source = Arc::new(Source { files, renewable });
        Ok(Self { source: Some(source), ..Self::from_rustls(server, client) })
    }

    /// Wraps configurations of rustls, for settings that this type lacks. The runtime's date replaces theirs.
    pub fn from_rustls(
        server: impl Into<Arc<ServerConfig>>,
        client: impl Into<Arc<ClientConfig>>,
    ) -> Self {
        let (server, client) = (server.into(), client.into());
        Self { server, client, server_name: None, source: None, on_refused: None }
    }

    /// Reads the configuration's files again. New handshakes use the new certificate, key and authorities. This affects
    /// all clones, and everything made with them, such as listening containers; open connections do not change.
    ///
    /// ```no_run
    /// # use aiomas::{Container, tls::TlsConfig};
    /// /// Reloads the files every hour, in case they were renewed.
    /// fn keep_fresh(container: &Container, tls: TlsConfig) {
    ///     let clock = container.clock().clone();
    ///     container.spawn_task(async move {
    ///         while clock.sleep(3600.0).await.is_ok() {
    ///             if let Err(error) = tls.reload() {
    ///                 eprintln!("the old certificate stays: {error}");
    ///             }
    ///         }
    ///     });
    /// }
    /// ```
    ///
    /// # Errors
    /// The errors of [`from_pem_files`](Self::from_pem_files), or the configuration was not made from files. Then nothing
    /// changes.
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        let source = self.source.as_ref().ok_or(TlsConfigError::NotFromPem)?;
        let files = source.files.as_ref().ok_or(TlsConfigError::NotFromFiles)?;
        source.renew(&Parts::read(files)?)
    }

    /// Acts like [`reload`](Self::reload), but takes the contents of the files.
    ///
    /// # Errors
    /// The errors of [`from_pem`](Self::from_pem), or the configuration was made from rustls configurations. Then nothing
    /// changes.
    pub fn renew(&self, ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<(), TlsConfigError> {
        let source = self.source.as_ref().ok_or(TlsConfigError::NotFromPem)?;
        source.renew(&Parts::given(ca, certificate, key))
    }

    /// Returns the server configuration. For a separate server certificate, use the one of another `TlsConfig`, which
    /// also renews it.
    #[must_use]
    pub const fn server(&self) -> &Arc<ServerConfig> {
        &self.server
    }

    /// Returns the client configuration.
    #[must_use]
    pub const fn client(&self) -> &Arc<ClientConfig> {
        &self.client
    }

    /// Sets the name that server certificates must have, instead of the dialled host: a host name or an IP address.
    /// `ipc://` addresses have no host, so clients of such an address need this setting.
    ///
    /// # Errors
    /// The name is neither.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsConfigError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsConfigError::NoServerName { name: name.into() })?;
        self.server_name = Some(name);
        Ok(self)
    }

    /// Sets a hook that receives each refused peer of a listener, with the reason: write it into a log. The hook must
    /// not block.
    #[must_use]
    pub fn on_refused(
        mut self,
        f: impl Fn(Option<&str>, &TlsError) + Send + Sync + 'static,
    ) -> Self {
        self.on_refused = Some(Arc::new(f));
        self
    }

    pub(super) fn refused(&self, peer: Option<&str>, error: &TlsError) {
        if let Some(on_refused) = &self.on_refused {
            on_refused(peer, error);
        }
    }
}

impl Source {
    /// Returns the file of the authorities, if they are from one.
    pub(super) fn authorities(&self) -> Option<Box<str>> {
        self.files.as_ref().map(|[ca, ..]| ca.display().to_string().into())
    }

    /// Returns the file of our certificate, if it is from one.
    pub(super) fn certificate(&self) -> Option<Box<str>> {
        self.files.as_ref().map(|[_, certificate, _]| certificate.display().to_string().into())
    }

    fn renew(&self, parts: &Parts) -> Result<(), TlsConfigError> {
        let provider = Arc::new(ring::default_provider());
        self.renewable.replace(parts.load(&provider)?);
        Ok(())
    }
}

fn server(provider: &Arc<CryptoProvider>, own: &Arc<Renewable>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(own.clone())
        .with_cert_resolver(own.clone());
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client(provider: &Arc<CryptoProvider>, own: &Arc<Renewable>) -> Result<ClientConfig, Error> {
    // The verifier works like that of rustls, with renewable authorities.
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(own.clone())
        .with_client_cert_resolver(own.clone());
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The three PEM texts.
struct Parts {
    ca: Pem,
    certificate: Pem,
    key: Pem,
}

impl Parts {
    fn read(files: &[PathBuf; 3]) -> Result<Self, TlsConfigError> {
        let [ca, certificate, key] = files;
        Ok(Self { ca: Pem::file(ca)?, certificate: Pem::file(certificate)?, key: Pem::file(key)? })
    }

    fn given(ca: &[u8], certificate: &[u8], key: &[u8]) -> Self {
        Self {
            ca: Pem::new(ca, "what is given as CA"),
            certificate: Pem::new(certificate, "what is given as certificate"),
            key: Pem::new(key, "what is given as key"),
        }
    }

    /// Loads all three texts. It reports here any content that no peer would accept.
    fn load(&self, provider: &Arc<CryptoProvider>) -> Result<Current, TlsConfigError> {
        let Self { ca, certificate, key } = self;
        let (authorities, chain, private) =
            (ca.certificates()?, certificate.certificates()?, key.key()?);
        if let Some(flaw) = own::flaw_of_authorities(&authorities) {
            return Err(ca.unusable(flaw));
        }
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|error| ca.unusable(damaged(&error)))?;
        }
        let kind = kind::of_private_key(&private);
        let private = provider.key_provider.load_private_key(private).map_err(|error| {
            let flaw = kind.map(|kind| Flaw::UnsupportedKey { kind: kind.into() });
            key.unusable(flaw.unwrap_or_else(|| damaged(&error)))
        })?;
        if let Some(public) = private.public_key() {
            let is_of = |certificate| own::has_key(certificate, public.as_ref());
            match chain.iter().position(is_of) {
                Some(0) => {}
                Some(_) => return Err(certificate.unusable(Flaw::WrongOrder)),
                None => {
                    let [certificate, key] = [certificate, key].map(|pem| pem.from.clone());
                    return Err(TlsConfigError::KeyMismatch { certificate, key });
                }
            }
        }
        if let Some(flaw) = own::flaw_of_chain(&chain) {
            return Err(certificate.unusable(flaw));
        }
        let own = CertifiedKey::new(chain, private);
        own.keys_match().map_err(|error| certificate.unusable(damaged(&error)))?;
        Current::new(provider, own, roots).map_err(|error| ca.unusable(damaged(&error)))
    }
}

fn damaged(error: &Error) -> Flaw {
    Flaw::Damaged { what: error.to_string().into() }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}
