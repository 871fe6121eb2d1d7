//! What can be wrong with certificates and keys of our own.

use std::net::IpAddr;

/// TLS cannot be configured like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}: {text}")]
    File {
        /// Which.
        path: Box<str>,
        /// The system's words.
        text: Box<str>,
    },
    /// A file has not what it should have, or something that no peer accepts.
    #[error("{from} cannot be used: {flaw}")]
    Unusable {
        /// The file.
        from: Box<str>,
        /// What is wrong with it, and what to do.
        flaw: Flaw,
    },
    /// The key is that of another certificate.
    #[error(
        "the private key in {key} is not that of the certificate in {certificate}; `openssl pkey -in KEY -pubout` and \
         `openssl x509 -in CERTIFICATE -noout -pubkey` show the same for those that belong together"
    )]
    KeyMismatch {
        /// The file with the certificate.
        certificate: Box<str>,
        /// The file with the key.
        key: Box<str>,
    },
    /// That is no name that a certificate could be for.
    #[error("\"{name}\" is neither a host name nor an IP address")]
    NoServerName {
        /// What was given.
        name: Box<str>,
    },
    /// The configuration was not made from files, so that these cannot be read again.
    #[error(
        "the TLS configuration was not made from files (`TlsConfig::from_pem_files`); hand over what to use instead \
         (`TlsConfig::renew`)"
    )]
    NotFromFiles,
    /// The configuration was made from configurations of rustls, which see to renewal themselves.
    #[error(
        "the TLS configuration was made from configurations of rustls; renew what their `cert_resolver` and \
         `client_auth_cert_resolver` return"
    )]
    NotFromPem,
}

/// What is wrong with a file of certificates or keys. Each text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// There is nothing in it.
    #[error("it is empty; what makes it has failed, or goes elsewhere")]
    Empty,
    /// It begins with the byte order mark of UTF-8, as some editors write it.
    #[error(
        "it begins with a byte order mark, which is no part of PEM; save it without one (`sed -i \
         '1s/^\\xEF\\xBB\\xBF//' FILE`)"
    )]
    ByteOrderMark,
    /// It is UTF-16, as PowerShell's `>` writes it.
    #[error("it is UTF-16; save it as ASCII or UTF-8 without a byte order mark")]
    Utf16,
    /// It is binary.
    #[error("it is DER, not PEM; convert it: `openssl {command} -inform der -in OLD -out NEW`")]
    Der {
        /// `x509` or `pkey`.
        command: &'static str,
    },
    /// It is a container of certificates and keys.
    #[error(
        "it is PKCS #12, not PEM; take what is needed out of it: `openssl pkcs12 -in OLD {options} -out NEW`"
    )]
    Pkcs12 {
        /// What is needed: certificates without keys, or keys alone.
        options: &'static str,
    },
    /// There is no certificate.
    #[error("it has no certificate in PEM, but {found}{}", hint(found, "a certificate"))]
    NoCertificate {
        /// What there is.
        found: Box<str>,
    },
    /// There is no private key.
    #[error(
        "it has no private key in PEM (PKCS #8, PKCS #1 or SEC1), but {found}{}",
        hint(found, "a private key")
    )]
    NoKey {
        /// What there is.
        found: Box<str>,
    },
    /// The private key is encrypted.
    #[error(
        "its private key is encrypted; decrypt it, and let only its owner read the file: `openssl pkey -in OLD -out \
         NEW`"
    )]
    Encrypted,
    /// The key is of a kind, or a size, that is not supported.
    #[error(
        "its key is {kind}, which is not supported: use P-256, P-384, Ed25519, or RSA with 2048 to 4096 bits (`openssl \
         genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`), and have a certificate signed for that"
    )]
    UnsupportedKey {
        /// Which.
        kind: Box<str>,
    },
    /// The signature is of a kind that is not supported.
    #[error(
        "its certificate is signed with {algorithm}, which no peer accepts; have it signed again, with SHA-256"
    )]
    UnsupportedSignature {
        /// With what.
        algorithm: Box<str>,
    },
    /// The certificate has no extensions.
    #[error(
        "its certificate \"{subject}\" is of version 1 of X.509, which no peer accepts; sign it with extensions: \
         `openssl x509 -req .. -extfile FILE`, with a line such as `subjectAltName=IP:127.0.0.1` in FILE"
    )]
    Version1 {
        /// Whose it is.
        subject: Box<str>,
    },
    /// The certificate is that of an authority.
    #[error(
        "its certificate \"{subject}\" is that of an authority (CA:TRUE), which peers do not accept as one's own; sign \
         another one with it, or make it with `-addext basicConstraints=critical,CA:FALSE`"
    )]
    Authority {
        /// Whose it is.
        subject: Box<str>,
    },
    /// The certificate is for an IP address, but says that it is for a host of that name.
    #[error(
        "its certificate is for {ip} as a DNS name, which no peer accepts; sign it for the IP address: \
         `subjectAltName=IP:{ip}`"
    )]
    IpAsDnsName {
        /// The address.
        ip: IpAddr,
    },
    /// The certificate of the key is not the first one.
    #[error(
        "its first certificate is not that of the private key; put that first, then those that lead from it to an \
         authority"
    )]
    WrongOrder,
    /// Something cannot be read.
    #[error("{what}; make it anew")]
    Damaged {
        /// What is wrong.
        what: Box<str>,
    },
}

/// Files in the wrong places are what usually is wrong.
fn hint(found: &str, wanted: &str) -> &'static str {
    match (found, wanted) {
        ("a private key" | "a certificate", _) => {
            "; are the files given in the order CA, certificate, key?"
        }
        ("a certificate request", _) => {
            "; have it signed by an authority (`openssl x509 -req`), and give what that makes"
        }
        ("a public key", _) => "; the private key is what belongs here",
        ("a key of OpenSSH", _) => "; convert it: `ssh-keygen -p -m PKCS8 -f KEY`",
        ("a certificate of OpenSSL's own form", _) => {
            "; convert it: `openssl x509 -in OLD -out NEW`"
        }
        ("PKCS #7", _) => "; convert it: `openssl pkcs7 -print_certs -in OLD -out NEW`",
        (_, "a certificate") => {
            "; it has to be text between lines of BEGIN CERTIFICATE and END CERTIFICATE"
        }
        _ => "; it has to be text between lines of BEGIN PRIVATE KEY and END PRIVATE KEY",
    }
}
