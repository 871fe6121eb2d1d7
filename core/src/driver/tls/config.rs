//! Certificates, keys, and what else TLS is configured with.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig};

use super::error::TlsConfigError;
use crate::connection::TlsError;

/// What TLS is spoken with: our certificate and whom we trust, as a server and as a client (aiomas' `SSLCerts`).
///
/// ```no_run
/// use aiomas_core::driver::tls::TlsConfig;
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
/// Cloning it is cheap.
#[derive(Clone)]
pub struct TlsConfig {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    pub(super) server_name: Option<ServerName<'static>>,
    on_refused: Option<Arc<OnRefused>>,
}

type OnRefused = dyn Fn(Option<&str>, &TlsError) + Send + Sync;

impl TlsConfig {
    /// One certificate for both roles, from files in PEM: the authorities that are trusted, our certificate
    /// with those that lead from it to an authority, and its key (PKCS#8, PKCS#1 or SEC1, not encrypted).
    ///
    /// RSA keys have 2048 bits or more, those of elliptic curves are on P-256, P-384 or Ed25519. If the certificate limits
    /// its use, that has to be for servers *and* clients.
    ///
    /// # Errors
    /// A file cannot be read, or has not what it should have; the key is not that of the certificate.
    pub fn from_pem_files(
        ca: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsConfigError> {
        let [ca, certificate, key] =
            [ca.as_ref(), certificate.as_ref(), key.as_ref()].map(Pem::file);
        Self::from_parts(&ca?, &certificate?, &key?)
    }

    /// As [`from_pem_files`](Self::from_pem_files), from what the files would hold.
    ///
    /// # Errors
    /// As there.
    pub fn from_pem(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, TlsConfigError> {
        let pem = |bytes: &[u8], from: &str| Pem { from: from.into(), bytes: bytes.into() };
        Self::from_parts(
            &pem(ca, "what is given as CA"),
            &pem(certificate, "what is given as certificate"),
            &pem(key, "what is given as key"),
        )
    }

    fn from_parts(ca: &Pem, certificate: &Pem, key: &Pem) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        for authority in ca.certificates()? {
            roots.add(authority).map_err(|error| ca.unusable(error))?;
        }
        let (roots, chain, key) = (Arc::new(roots), certificate.certificates()?, key.key()?);
        let own = |error| match error {
            Error::InconsistentKeys(_) => TlsConfigError::KeyMismatch,
            error => certificate.unusable(error),
        };
        let server = server(&provider, &roots, chain.clone(), key.clone_key()).map_err(own)?;
        let client = client(&provider, &roots, chain, key).map_err(own)?;
        Ok(Self::from_rustls(server, client))
    }

    /// With configurations of rustls, for all that cannot be said here. Their dates are replaced by those of the
    /// runtime.
    pub fn from_rustls(
        server: impl Into<Arc<ServerConfig>>,
        client: impl Into<Arc<ClientConfig>>,
    ) -> Self {
        Self { server: server.into(), client: client.into(), server_name: None, on_refused: None }
    }

    /// What we are as a server: for a certificate of its own, take that of another `TlsConfig`.
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

type Chain = Vec<CertificateDer<'static>>;

fn server(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    chain: Chain,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Error> {
    let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    chain: Chain,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(chain, key)?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A text in PEM, and where it is from.
struct Pem {
    from: Box<str>,
    bytes: Vec<u8>,
}

impl Pem {
    fn file(path: &Path) -> Result<Self, TlsConfigError> {
        let from: Box<str> = path.display().to_string().into();
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self { from, bytes }),
            Err(error) => Err(TlsConfigError::File { path: from, text: error.to_string().into() }),
        }
    }

    fn certificates(&self) -> Result<Chain, TlsConfigError> {
        let read = CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<Vec<_>, _>>();
        let chain = read.map_err(|error| self.not_pem(&error))?;
        if chain.is_empty() {
            return Err(TlsConfigError::NoCertificate { from: self.from.clone() });
        }
        Ok(chain)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsConfigError::NoKey { from: self.from.clone() },
            error => self.not_pem(&error),
        })
    }

    fn not_pem(&self, error: &pem::Error) -> TlsConfigError {
        match error {
            // It would show the bytes.
            pem::Error::MissingSectionEnd { .. } => {
                self.unusable("the end of a section is missing")
            }
            error => self.unusable(error),
        }
    }

    fn unusable(&self, what: impl fmt::Display) -> TlsConfigError {
        TlsConfigError::Unusable { from: self.from.clone(), what: what.to_string().into() }
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}
