//! Certificate authorities and certificates for tests, generated on demand.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use aiomas::tls::{TlsConfig, rustls};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits.
    Rsa,
    /// On the elliptic curve P-256.
    Ec,
    /// Ed25519, whose signatures have a constant length.
    Ed25519,
}

impl KeyKind {
    /// Returns a key. RSA keys are constants, because generating them is slow.
    fn key(self, rsa: &str) -> KeyPair {
        match self {
            Self::Rsa => KeyPair::from_pem(rsa),
            Self::Ec => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        }
        .expect("a key")
    }
}

/// The validity of a certificate: the years from which and before which it is valid.
pub type Years = (i32, i32);

/// Valid at the date of the simulation, which begins in 2000, and now.
pub const VALID: Years = (1999, 2100);
/// Expired at both dates.
pub const EXPIRED: Years = (1990, 1999);
/// Not yet valid at both dates.
pub const NOT_YET: Years = (2090, 2100);

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    kind: KeyKind,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate of its authority.
    pub ca: String,
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

fn params(name: &str, (from, before): Years) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) =
        (date_time_ymd(from, 1, 1), date_time_ymd(before, 1, 1));
    params
}

impl Authority {
    /// Creates an authority whose certificates have keys of this kind.
    ///
    /// # Panics
    /// The system has no random numbers.
    #[must_use]
    pub fn new(kind: KeyKind) -> Self {
        Self::called("test authority", kind)
    }

    /// Like [`new`](Self::new), with a name.
    ///
    /// # Panics
    /// As for [`new`](Self::new).
    #[must_use]
    pub fn called(name: &str, kind: KeyKind) -> Self {
        let mut params = params(name, VALID);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = kind.key(include_str!("../data/tls/rsa-authority.key"));
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Self { kind, issuer }
    }

    /// Returns the authority's own certificate and key.
    #[must_use]
    pub fn itself(&self) -> Certificate {
        let ca = self.issuer.pem();
        Certificate { certificate: ca.clone(), ca, key: self.issuer.key().serialize_pem() }
    }

    /// Signs a certificate for a peer on this machine.
    #[must_use]
    pub fn sign(&self, name: &str) -> Certificate {
        self.sign_for(name, &["localhost", "127.0.0.1", "::1", "script"], VALID)
    }

    /// Signs a certificate for these hosts, valid in these years.
    ///
    /// # Panics
    /// A host name is invalid.
    #[must_use]
    pub fn sign_for(&self, name: &str, hosts: &[&str], years: Years) -> Certificate {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = params(name, years);
        params.subject_alt_names =
            CertificateParams::new(hosts).expect("host names").subject_alt_names;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = self.kind.key(include_str!("../data/tls/rsa-peer.key"));
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Certificate { ca: self.issuer.pem(), certificate, key: key.serialize_pem() }
    }
}

/// A certificate in files, which are removed when dropped.
#[derive(Debug)]
pub struct Pem(PathBuf);

impl Pem {
    /// Returns the paths of the authority, the certificate and the key.
    #[must_use]
    pub fn paths(&self) -> [PathBuf; 3] {
        ["ca", "cert", "key"].map(|name| self.0.join(name))
    }

    /// Returns the paths as arguments of the test programs.
    pub fn arguments(&self) -> [OsString; 6] {
        let path = |name| self.0.join(name).into_os_string();
        let [ca, cert, key] = ["ca", "cert", "key"].map(path);
        ["--ca".into(), ca, "--cert".into(), cert, "--key".into(), key]
    }
}

impl Drop for Pem {
    fn drop(&mut self) {
        // An error has no receiver here.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

impl Certificate {
    /// Writes the certificate into files.
    ///
    /// # Panics
    /// A file cannot be written.
    #[must_use]
    pub fn files(&self) -> Pem {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("aiomas-tls-{}-{number}", std::process::id());
        let pem = Pem(std::env::temp_dir().join(folder));
        fs::create_dir(&pem.0).expect("a folder");
        for (name, content) in [("ca", &self.ca), ("cert", &self.certificate), ("key", &self.key)] {
            fs::write(pem.0.join(name), content).expect("a file");
        }
        pem
    }

    /// Returns a TLS configuration with this certificate.
    ///
    /// # Panics
    /// The certificate is invalid.
    #[must_use]
    pub fn config(&self) -> TlsConfig {
        let Self { ca, certificate, key } = self;
        TlsConfig::from_pem(ca.as_bytes(), certificate.as_bytes(), key.as_bytes())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`config`](Self::config), but clients use only this version of TLS.
    ///
    /// # Panics
    /// As for [`config`](Self::config).
    #[must_use]
    pub fn config_of(&self, version: &'static rustls::SupportedProtocolVersion) -> TlsConfig {
        let config = self.config();
        let client = self.client(version).with_client_auth_cert(self.chain(), self.private_key());
        TlsConfig::from_rustls(config.server().clone(), client.expect("a certificate"))
    }

    /// Like [`config_of`](Self::config_of), but clients show no certificate.
    ///
    /// # Panics
    /// As for [`config`](Self::config).
    #[must_use]
    pub fn anonymous(&self, version: &'static rustls::SupportedProtocolVersion) -> TlsConfig {
        let client = self.client(version).with_no_client_auth();
        TlsConfig::from_rustls(self.config().server().clone(), client)
    }

    /// Returns the configuration of clients that use only this version of TLS.
    ///
    /// # Panics
    /// The certificate is invalid.
    #[must_use]
    pub fn client(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca.as_bytes()).expect("a certificate");
        roots.add(ca).expect("an authority");
        let provider = rustls::crypto::ring::default_provider();
        rustls::ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
    }

    /// Returns the certificate in DER.
    ///
    /// # Panics
    /// The certificate is invalid.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")]
    }

    /// Returns the key in DER.
    ///
    /// # Panics
    /// The key is invalid.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }
}
