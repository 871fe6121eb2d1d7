//! Certificates, keys, and what else TLS is configured with.

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

/// What TLS is spoken with: our certificate and whom we trust, as a server and as a client (aiomas' `SSLCerts`).
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
/// Both sides show a certificate, and refuse a peer whose own is not signed by the authority, is not valid at
/// the date that it is, or, for who connects, is not for the host that was connected to: one of its *subject alternative
/// names* has to be that host name or IP address. TLS 1.3 and 1.2 are spoken. Every connection is
/// verified anew: there is no resumption of sessions.
///
/// Certificates are renewed while they are used: see [`reload`](Self::reload).
///
/// Cloning it is cheap.
#[derive(Clone)]
pub struct TlsConfig {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    pub(super) server_name: Option<ServerName<'static>>,
    /// Unless it was made from configurations of rustls.
    pub(super) source: Option<Arc<Source>>,
    on_refused: Option<Arc<OnRefused>>,
}

type OnRefused = dyn Fn(Option<&str>, &TlsError) + Send + Sync;

/// Where certificates and the key are from.
pub(super) struct Source {
    /// Authorities, certificate and key.
    files: Option<[PathBuf; 3]>,
    renewable: Arc<Renewable>,
}

impl TlsConfig {
    /// One certificate for both roles, from files in PEM: the authorities that are trusted, our certificate
    /// with those that lead from it to an authority, and its key (PKCS#8, PKCS#1 or SEC1, not encrypted).
    ///
    /// RSA keys have 2048 bits or more, those of elliptic curves are on P-256, P-384 or Ed25519. If the certificate limits
    /// its use, that has to be for servers *and* clients.
    ///
    /// # Errors
    /// A file cannot be read, or has not what it should have; the key is not that of the certificate; or no peer would
    /// accept the certificate, whatever it trusts. The text names the file and what to do.
    pub fn from_pem_files(
        ca: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsConfigError> {
        let files = [ca.as_ref(), certificate.as_ref(), key.as_ref()].map(Path::to_path_buf);
        Self::from_parts(&Parts::read(&files)?, Some(files))
    }

    /// As [`from_pem_files`](Self::from_pem_files), from what the files would hold.
    ///
    /// # Errors
    /// As there.
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

    /// With configurations of rustls, for all that cannot be said here. Their dates are replaced by those of the
    /// runtime.
    pub fn from_rustls(
        server: impl Into<Arc<ServerConfig>>,
        client: impl Into<Arc<ClientConfig>>,
    ) -> Self {
        let (server, client) = (server.into(), client.into());
        Self { server, client, server_name: None, source: None, on_refused: None }
    }

    /// Reads the files again that it was made from. Handshakes that begin from now on go by what they hold: our
    /// certificate, its key, and the authorities. It holds for all clones, and for all that was made with them, such as
    /// containers that listen; connections that are open stay as they are.
    ///
    /// ```no_run
    /// # use aiomas::{Container, tls::TlsConfig};
    /// /// Every hour, whoever has renewed the files meanwhile.
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
    /// As of [`from_pem_files`](Self::from_pem_files), or it was made otherwise. Then all stays as it was.
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        let source = self.source.as_ref().ok_or(TlsConfigError::NotFromPem)?;
        let files = source.files.as_ref().ok_or(TlsConfigError::NotFromFiles)?;
        source.renew(&Parts::read(files)?)
    }

    /// As [`reload`](Self::reload), from what the files would hold.
    ///
    /// # Errors
    /// As of [`from_pem`](Self::from_pem), or it was made from configurations of rustls. Then all stays as it was.
    pub fn renew(&self, ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<(), TlsConfigError> {
        let source = self.source.as_ref().ok_or(TlsConfigError::NotFromPem)?;
        source.renew(&Parts::given(ca, certificate, key))
    }

    /// What we are as a server: for a certificate of its own, take that of another `TlsConfig`. It is renewed with that.
    #[must_use]
    pub const fn server(&self) -> &Arc<ServerConfig> {
        &self.server
    }

    /// What we are as a client.
    #[must_use]
    pub const fn client(&self) -> &Arc<ClientConfig> {
        &self.client
    }

    /// Whom certificates of servers have to be for, in place of the host that was connected to: a host name or an IP
    /// address. `ipc://` addresses have no host, so that nobody connects to one without this.
    ///
    /// # Errors
    /// It is neither.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsConfigError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsConfigError::NoServerName { name: name.into() })?;
        self.server_name = Some(name);
        Ok(self)
    }

    /// What a listener does with the address of a peer that it refuses, and the reason: write it into a log.
    /// It must not block.
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
    /// The file with the authorities, if they are from one.
    pub(super) fn authorities(&self) -> Option<Box<str>> {
        self.files.as_ref().map(|[ca, ..]| ca.display().to_string().into())
    }

    /// The file with our certificate, if it is from one.
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
    // It verifies as rustls does, with authorities that may be renewed.
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(own.clone())
        .with_client_cert_resolver(own.clone());
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The three texts.
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

    /// Looks at all of it: what no peer accepts is said here, and not by peers.
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
