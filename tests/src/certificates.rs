//! Authorities and certificates for tests, made when they are needed.

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

/// The kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits.
    Rsa,
    /// On the elliptic curve P-256.
    Ec,
    /// Ed25519, whose signatures all have the same length.
    Ed25519,
}

impl KeyKind {
    /// Making RSA keys takes long, so these are always the same.
    fn key(self, rsa: &str) -> KeyPair {
        match self {
            Self::Rsa => KeyPair::from_pem(rsa),
            Self::Ec => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        }
        .expect("a key")
    }
}

/// From when to when certificates are valid: years, from and before.
pub type Years = (i32, i32);

/// At the date of the simulation, which begins in 2000, and now.
pub const VALID: Years = (1999, 2100);
/// Too old at both dates.
pub const EXPIRED: Years = (1990, 1999);
/// Too new at both dates.
pub const NOT_YET: Years = (2090, 2100);

/// Signs certificates.
#[derive(Debug)]
pub struct Authority {
    kind: KeyKind,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Who has signed it.
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
    /// A new one, and keys of this kind.
    ///
    /// # Panics
    /// There is no randomness.
    #[must_use]
    pub fn new(kind: KeyKind) -> Self {
        Self::called("test authority", kind)
    }

    /// As [`new`](Self::new), under a name of its own.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn called(name: &str, kind: KeyKind) -> Self {
        let mut params = params(name, VALID);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = kind.key(include_str!("../data/tls/rsa-authority.key"));
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Self { kind, issuer }
    }

    /// Its own certificate, with its key.
    #[must_use]
    pub fn itself(&self) -> Certificate {
        let ca = self.issuer.pem();
        Certificate { certificate: ca.clone(), ca, key: self.issuer.key().serialize_pem() }
    }

    /// A certificate of somebody on this machine.
    #[must_use]
    pub fn sign(&self, name: &str) -> Certificate {
        self.sign_for(name, &["localhost", "127.0.0.1", "::1", "script"], VALID)
    }

    /// A certificate for these hosts, if they are any, in these years.
    ///
    /// # Panics
    /// The hosts are none.
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

/// A certificate in files, which are removed with it.
#[derive(Debug)]
pub struct Pem(PathBuf);

impl Pem {
    /// Those of the authority, the certificate and the key.
    #[must_use]
    pub fn paths(&self) -> [PathBuf; 3] {
        ["ca", "cert", "key"].map(|name| self.0.join(name))
    }

    /// As the programs take them.
    pub fn arguments(&self) -> [OsString; 6] {
        let path = |name| self.0.join(name).into_os_string();
        let [ca, cert, key] = ["ca", "cert", "key"].map(path);
        ["--ca".into(), ca, "--cert".into(), cert, "--key".into(), key]
    }
}

impl Drop for Pem {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

impl Certificate {
    /// Writes it into files.
    ///
    /// # Panics
    /// That does not work.
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

    /// What speaks TLS with it.
    ///
    /// # Panics
    /// It cannot be used.
    #[must_use]
    pub fn config(&self) -> TlsConfig {
        let Self { ca, certificate, key } = self;
        TlsConfig::from_pem(ca.as_bytes(), certificate.as_bytes(), key.as_bytes())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`config`](Self::config), with this version of TLS only as a client.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn config_of(&self, version: &'static rustls::SupportedProtocolVersion) -> TlsConfig {
        let config = self.config();
        let client = self.client(version).with_client_auth_cert(self.chain(), self.private_key());
        TlsConfig::from_rustls(config.server().clone(), client.expect("a certificate"))
    }

    /// As [`config_of`](Self::config_of), but that a client shows no certificate.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn anonymous(&self, version: &'static rustls::SupportedProtocolVersion) -> TlsConfig {
        let client = self.client(version).with_no_client_auth();
        TlsConfig::from_rustls(self.config().server().clone(), client)
    }

    /// What makes clients that speak this version of TLS only.
    ///
    /// # Panics
    /// It cannot be used.
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

    /// The certificate in DER.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")]
    }

    /// The key in DER.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }
}
