//! Errors of unusable certificates and keys: the file, the flaw, and the remedy.

use std::fs;
use std::path::PathBuf;

use aiomas::Error;
use aiomas::tls::{Flaw, TlsConfig, TlsConfigError};
use aiomas_tests::certificates::{Authority, Certificate, KeyKind};

/// Made by OpenSSL, with an authority of its own, because rcgen cannot make them.
const AUTHORITY: &[u8] = include_bytes!("../../../data/tls/flawed-authority.pem");
const KEY: &[u8] = include_bytes!("../../../data/tls/flawed.key");
const VERSION1: &[u8] = include_bytes!("../../../data/tls/version1.pem");
const SHA1: &[u8] = include_bytes!("../../../data/tls/sha1.pem");
const IP_AS_NAME: &[u8] = include_bytes!("../../../data/tls/ip-as-name.pem");
const PKCS12: &[u8] = include_bytes!("../../../data/tls/flawed.p12");
const P521: &[u8] = include_bytes!("../../../data/tls/p521.key");
const P521_SEC1: &[u8] = include_bytes!("../../../data/tls/p521-sec1.key");
const P521_AUTHORITY: &[u8] = include_bytes!("../../../data/tls/p521-authority.pem");
const RSA_1024: &[u8] = include_bytes!("../../../data/tls/rsa1024.key");

#[track_caller]
fn says(config: Result<TlsConfig, TlsConfigError>, text: &str) {
    let error = Error::from(config.expect_err("an error"));
    assert_eq!(error.to_string(), text);
    assert!(!text.contains('\n'));
}

/// Returns the flaw, and which of the three files has it.
#[track_caller]
fn flaw(ca: &[u8], certificate: &[u8], key: &[u8]) -> (&'static str, Flaw) {
    match TlsConfig::from_pem(ca, certificate, key).expect_err("an error") {
        TlsConfigError::Unusable { from, flaw } => match &*from {
            "what is given as CA" => ("CA", flaw),
            "what is given as certificate" => ("certificate", flaw),
            "what is given as key" => ("key", flaw),
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

/// Folders that are removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("aiomas-tls-configs-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // An error has no receiver here.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn good() -> Certificate {
    Authority::new(KeyKind::Ec).sign("good")
}

#[test]
fn invalid_files() {
    let nowhere = "/nowhere/ca.pem";
    says(
        TlsConfig::from_pem_files(nowhere, nowhere, nowhere),
        "cannot read /nowhere/ca.pem: No such file or directory (os error 2)",
    );
}

/// Each error text names its file.
#[test]
fn texts_name_the_file() {
    let (folder, good) = (Folder::new("names"), good());
    let ca = folder.write("ca.pem", &good.ca);
    let certificate = folder.write("house.pem", &good.certificate);
    let key = folder.write("house.key", &good.key);
    let other = folder.write("other.key", Authority::new(KeyKind::Ec).sign("other").key);
    let empty = folder.write("empty.pem", "\n");
    assert!(TlsConfig::from_pem_files(&ca, &certificate, &key).is_ok());
    for [ca, certificate, key] in
        [[&empty, &certificate, &key], [&ca, &empty, &key], [&ca, &certificate, &empty]]
    {
        says(
            TlsConfig::from_pem_files(ca, certificate, key),
            &format!(
                "{} cannot be used: it is empty; what makes it has failed, or goes elsewhere",
                empty.display()
            ),
        );
    }
    says(
        TlsConfig::from_pem_files(&ca, &certificate, &other),
        &format!(
            "the private key in {} is not that of the certificate in {}; `openssl pkey -in KEY -pubout` and `openssl \
             x509 -in CERTIFICATE -noout -pubkey` show the same for those that belong together",
            other.display(),
            certificate.display()
        ),
    );
    says(
        TlsConfig::from_pem_files(&ca, &key, &certificate),
        &format!(
            "{} cannot be used: it has no certificate in PEM, but a private key; are the files given in the order CA, \
             certificate, key?",
            key.display()
        ),
    );
}

#[test]
fn invalid_pem() {
    let good = good();
    let [ca, certificate, key] = [&good.ca, &good.certificate, &good.key].map(|pem| pem.as_bytes());
    let marked = |pem: &[u8]| [b"\xef\xbb\xbf", pem].concat();
    assert_eq!(flaw(&marked(ca), certificate, key), ("CA", Flaw::ByteOrderMark));
    assert_eq!(flaw(ca, &marked(certificate), key), ("certificate", Flaw::ByteOrderMark));
    assert_eq!(flaw(ca, certificate, &marked(key)), ("key", Flaw::ByteOrderMark));
    let text = good.certificate.encode_utf16().flat_map(u16::to_le_bytes);
    let wide: Vec<_> = [0xff, 0xfe].into_iter().chain(text).collect();
    assert_eq!(flaw(ca, &wide, key), ("certificate", Flaw::Utf16));
    let der = good.chain().remove(0);
    assert_eq!(flaw(ca, &der, key), ("certificate", Flaw::Der { command: "x509" }));
    for key in [good.private_key(), Authority::new(KeyKind::Ed25519).sign("short").private_key()] {
        let found = flaw(ca, certificate, key.secret_der());
        assert_eq!(found, ("key", Flaw::Der { command: "pkey" }));
    }
    assert_eq!(flaw(ca, PKCS12, key).0, "certificate");
    assert!(matches!(flaw(ca, PKCS12, key).1, Flaw::Pkcs12 { options: "-nokeys" }));
    assert!(matches!(flaw(ca, certificate, PKCS12).1, Flaw::Pkcs12 { options: "-nocerts -nodes" }));
    let broken = good.certificate.replace("-----END", "-----AND");
    says(
        TlsConfig::from_pem(ca, broken.as_bytes(), key),
        "what is given as certificate cannot be used: the end of a section is missing; make it anew",
    );
    let broken = good.key.replace('M', "~");
    says(
        TlsConfig::from_pem(ca, certificate, broken.as_bytes()),
        "what is given as key cannot be used: what is between BEGIN and END is no base64; make it anew",
    );
}

/// Completes a section from its first line.
fn section(begin: &str) -> String {
    if begin.starts_with("-----BEGIN") && begin.ends_with("-----") {
        format!("{begin}\nAAAA\n{}\n", begin.replace("BEGIN", "END"))
    } else {
        begin.to_owned()
    }
}

#[test]
fn wrong_kinds_of_files() {
    let good = good();
    let [ca, certificate, key] = [&good.ca, &good.certificate, &good.key].map(|pem| pem.as_bytes());
    for (given, is, does) in [
        (&good.key[..], "a private key", "order CA, certificate, key"),
        ("-----BEGIN CERTIFICATE REQUEST-----", "a certificate request", "`openssl x509 -req`"),
        ("-----BEGIN PKCS7-----", "PKCS #7", "-print_certs"),
        (
            "-----BEGIN TRUSTED CERTIFICATE-----",
            "a certificate of OpenSSL's own form",
            "openssl x509",
        ),
        ("hello", "something else", "BEGIN CERTIFICATE"),
    ] {
        let given = section(given);
        let (which, flaw) = flaw(ca, given.as_bytes(), key);
        assert_eq!((which, &flaw), ("certificate", &Flaw::NoCertificate { found: is.into() }));
        assert!(flaw.to_string().contains(does), "{flaw}");
    }
    for (given, is, does) in [
        (&good.ca[..], "a certificate", "order CA, certificate, key"),
        ("-----BEGIN PUBLIC KEY-----", "a public key", "private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a key of OpenSSH", "ssh-keygen"),
        ("-----BEGIN EC PARAMETERS-----", "the parameters of a curve", "BEGIN PRIVATE KEY"),
        ("hello", "something else", "BEGIN PRIVATE KEY"),
    ] {
        let given = section(given);
        let (which, flaw) = flaw(ca, certificate, given.as_bytes());
        assert_eq!((which, &flaw), ("key", &Flaw::NoKey { found: is.into() }));
        assert!(flaw.to_string().contains(does), "{flaw}");
    }
    // In both forms.
    let pkcs8 = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let begin = "-----BEGIN PRIVATE KEY-----\n";
    let headers =
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n";
    let traditional = good.key.replace(begin, headers).replace("END PRIVATE", "END EC PRIVATE");
    for key in [pkcs8, traditional] {
        assert_eq!(flaw(ca, certificate, key.as_bytes()), ("key", Flaw::Encrypted));
    }
}

#[test]
fn keys_of_other_kinds() {
    let good = good();
    let [ca, certificate] = [&good.ca, &good.certificate].map(|pem| pem.as_bytes());
    let unsupported = |kind: &str| Flaw::UnsupportedKey { kind: kind.into() };
    assert_eq!(flaw(ca, certificate, P521), ("key", unsupported("P-521")));
    assert_eq!(flaw(ca, certificate, P521_SEC1), ("key", unsupported("P-521")));
    assert_eq!(flaw(ca, certificate, RSA_1024), ("key", unsupported("RSA with 1024 bits")));
    let key = good.key.as_bytes();
    assert_eq!(flaw(P521_AUTHORITY, certificate, key), ("CA", unsupported("P-521")));
    // Next to a usable one, it does no harm.
    let both = [P521_AUTHORITY, ca].concat();
    assert!(TlsConfig::from_pem(&both, certificate, key).is_ok());
}

/// A certificate that no peer would accept is an error at once.
#[test]
fn certificates_that_no_peer_accepts() {
    let subject = "CN=flawed".into();
    assert_eq!(flaw(AUTHORITY, VERSION1, KEY), ("certificate", Flaw::Version1 { subject }));
    let algorithm = "SHA-1".into();
    let signature = Flaw::UnsupportedSignature { algorithm };
    assert_eq!(flaw(AUTHORITY, SHA1, KEY), ("certificate", signature));
    let ip = [127, 0, 0, 1].into();
    assert_eq!(flaw(AUTHORITY, IP_AS_NAME, KEY), ("certificate", Flaw::IpAsDnsName { ip }));
    let authority = Authority::new(KeyKind::Ec).itself();
    let [own, key] = [&authority.certificate, &authority.key].map(|pem| pem.as_bytes());
    let subject = "CN=test authority".into();
    assert_eq!(flaw(own, own, key), ("certificate", Flaw::Authority { subject }));
}

/// The key's certificate comes first; any authority at the end does no harm.
#[test]
fn chains() {
    let good = good();
    let [ca, certificate, key] = [&good.ca, &good.certificate, &good.key].map(|pem| pem.as_bytes());
    assert!(TlsConfig::from_pem(ca, &[certificate, ca].concat(), key).is_ok());
    let reversed = [ca, certificate].concat();
    assert_eq!(flaw(ca, &reversed, key), ("certificate", Flaw::WrongOrder));
    let other = Authority::new(KeyKind::Ec).sign("other");
    let mismatch = TlsConfig::from_pem(ca, &reversed, other.key.as_bytes());
    assert!(matches!(mismatch, Err(TlsConfigError::KeyMismatch { .. })));
}

#[test]
fn invalid_names() {
    says(
        good().config().server_name("no name"),
        "\"no name\" is neither a host name nor an IP address",
    );
}

/// A failed renewal changes nothing.
#[test]
fn a_renewal_that_fails() {
    let (folder, good) = (Folder::new("renewal"), good());
    let ca = folder.write("ca.pem", &good.ca);
    let certificate = folder.write("house.pem", &good.certificate);
    let key = folder.write("house.key", &good.key);
    let config = TlsConfig::from_pem_files(&ca, &certificate, &key).expect("valid files");
    assert_eq!(config.reload(), Ok(()));
    folder.write("house.key", Authority::new(KeyKind::Ec).sign("other").key);
    assert!(matches!(config.reload(), Err(TlsConfigError::KeyMismatch { .. })));
    let given = good.config();
    assert_eq!(given.reload(), Err(TlsConfigError::NotFromFiles));
    let [ca, certificate, key] = [&good.ca, &good.certificate, &good.key].map(|pem| pem.as_bytes());
    assert_eq!(given.renew(ca, certificate, key), Ok(()));
    let foreign = TlsConfig::from_rustls(given.server().clone(), given.client().clone());
    assert_eq!(foreign.reload(), Err(TlsConfigError::NotFromPem));
    assert_eq!(foreign.renew(ca, certificate, key), Err(TlsConfigError::NotFromPem));
}
