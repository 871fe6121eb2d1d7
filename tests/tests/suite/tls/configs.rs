//! What is said of certificates and keys that cannot be used.

use aiomas_core::Error;
use aiomas_core::driver::tls::{TlsConfig, TlsConfigError};
use aiomas_tests::certificates::{Authority, KeyKind};

#[track_caller]
fn says(config: Result<TlsConfig, TlsConfigError>, text: &str) {
    let error = Error::from(config.expect_err("an error"));
    assert_eq!(error.to_string(), text);
}

#[test]
fn files_that_are_none() {
    let nowhere = "/nowhere/ca.pem";
    says(
        TlsConfig::from_pem_files(nowhere, nowhere, nowhere),
        "cannot read /nowhere/ca.pem: No such file or directory (os error 2)",
    );
}

#[test]
fn what_is_not_there() {
    let good = Authority::new(KeyKind::Ec).sign("good");
    let [ca, certificate, key] = [&good.ca, &good.certificate, &good.key].map(|pem| pem.as_bytes());
    says(
        TlsConfig::from_pem(b"", certificate, key),
        "what is given as CA has no certificate in PEM",
    );
    says(
        TlsConfig::from_pem(ca, key, key),
        "what is given as certificate has no certificate in PEM",
    );
    let no_key =
        "what is given as key has no private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted)";
    says(TlsConfig::from_pem(ca, certificate, ca), no_key);
    let encrypted = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    says(TlsConfig::from_pem(ca, certificate, encrypted.as_bytes()), no_key);
}

#[test]
fn what_does_not_fit() {
    let authority = Authority::new(KeyKind::Ec);
    let (good, other) = (authority.sign("good"), authority.sign("other"));
    says(
        TlsConfig::from_pem(good.ca.as_bytes(), good.certificate.as_bytes(), other.key.as_bytes()),
        "the private key is not that of the certificate",
    );
    let broken = good.certificate.replace("-----END", "-----AND");
    let broken = TlsConfig::from_pem(good.ca.as_bytes(), broken.as_bytes(), good.key.as_bytes());
    says(broken, "what is given as certificate cannot be used: the end of a section is missing");
    says(
        good.config().server_name("no name"),
        "\"no name\" is neither a host name nor an IP address",
    );
}
