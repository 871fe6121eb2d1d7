//! Errors of our own certificates and keys.

use std::net::IpAddr;

/// An invalid TLS configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}: {text}")]
    File {
        /// The path of the file.
        path: Box<str>,
        /// The system's words.
        text: Box<str>,
    },
    /// A file lacks the expected content, or has content that no peer accepts.
    #[error("{from} cannot be used: {flaw}")]
    Unusable {
        /// The file.
        from: Box<str>,
        /// The flaw, with the remedy.
        flaw: Flaw,
    },
    /// The key belongs to another certificate.
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
    /// The name cannot be that of a certificate.
    #[error("\"{name}\" is neither a host name nor an IP address")]
    NoServerName {
        /// The given name.
        name: Box<str>,
    },
    /// The configuration was not made from files, so it cannot read them again.
    #[error(
        "the TLS configuration was not made from files (`TlsConfig::from_pem_files`); hand over what to use instead \
         (`TlsConfig::renew`)"
    )]
    NotFromFiles,
    /// The configuration was made from rustls configurations, which handle renewal themselves.
    #[error(
        "the TLS configuration was made from configurations of rustls; renew what their `cert_resolver` and \
         `client_auth_cert_resolver` return"
    )]
    NotFromPem,
}

/// A flaw of a file of certificates or keys. Each text names the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The file is empty.
    #[error("it is empty; what makes it has failed, or goes elsewhere")]
    Empty,
    /// The file begins with the byte order mark of UTF-8, as some editors write it.
    #[error(
        "it begins with a byte order mark, which is no part of PEM; save it without one (`sed -i \
         '1s/^\\xEF\\xBB\\xBF//' FILE`)"
    )]
    ByteOrderMark,
    /// The file is UTF-16, as PowerShell's `>` writes it.
    #[error("it is UTF-16; save it as ASCII or UTF-8 without a byte order mark")]
    Utf16,
    /// The file is binary.
    #[error("it is DER, not PEM; convert it: `openssl {command} -inform der -in OLD -out NEW`")]
    Der {
        /// `x509` or `pkey`.
        command: &'static str,
    },
    /// The file is a container of certificates and keys.
    #[error(
        "it is PKCS #12, not PEM; take what is needed out of it: `openssl pkcs12 -in OLD {options} -out NEW`"
    )]
    Pkcs12 {
        /// The options for the wanted content: certificates without keys, or keys alone.
        options: &'static str,
    },
    /// The file has no certificate.
    #[error("it has no certificate in PEM, but {found}{}", hint(found, "a certificate"))]
    NoCertificate {
        /// The content found instead.
        found: Box<str>,
    },
    /// The file has no private key.
    #[error(
        "it has no private key in PEM (PKCS #8, PKCS #1 or SEC1), but {found}{}",
        hint(found, "a private key")
    )]
    NoKey {
        /// The content found instead.
        found: Box<str>,
    },
    /// The private key is encrypted.
    #[error(
        "its private key is encrypted; decrypt it, and let only its owner read the file: `openssl pkey -in OLD -out \
         NEW`"
    )]
    Encrypted,
    /// The key has an unsupported kind or size.
    #[error(
        "its key is {kind}, which is not supported: use P-256, P-384, Ed25519, or RSA with 2048 to 4096 bits (`openssl \
         genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`), and have a certificate signed for that"
    )]
    UnsupportedKey {
        /// The kind of the key.
        kind: Box<str>,
    },
    /// The signature has an unsupported kind.
    #[error(
        "its certificate is signed with {algorithm}, which no peer accepts; have it signed again, with SHA-256"
    )]
    UnsupportedSignature {
        /// The algorithm of the signature.
        algorithm: Box<str>,
    },
    /// The certificate has no extensions.
    #[error(
        "its certificate \"{subject}\" is of version 1 of X.509, which no peer accepts; sign it with extensions: \
         `openssl x509 -req .. -extfile FILE`, with a line such as `subjectAltName=IP:127.0.0.1` in FILE"
    )]
    Version1 {
        /// The subject of the certificate.
        subject: Box<str>,
    },
    /// The certificate belongs to an authority.
    #[error(
        "its certificate \"{subject}\" is that of an authority (CA:TRUE), which peers do not accept as one's own; sign \
         another one with it, or make it with `-addext basicConstraints=critical,CA:FALSE`"
    )]
    Authority {
        /// The subject of the certificate.
        subject: Box<str>,
    },
    /// The certificate is for an IP address, but has the address as a host name.
    #[error(
        "its certificate is for {ip} as a DNS name, which no peer accepts; sign it for the IP address: \
         `subjectAltName=IP:{ip}`"
    )]
    IpAsDnsName {
        /// The address.
        ip: IpAddr,
    },
    /// The first certificate does not belong to the key.
    #[error(
        "its first certificate is not that of the private key; put that first, then those that lead from it to an \
         authority"
    )]
    WrongOrder,
    /// Some content is unreadable.
    #[error("{what}; make it anew")]
    Damaged {
        /// The damage.
        what: Box<str>,
    },
}

/// Returns a hint for the usual mistake: files in the wrong places.
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
