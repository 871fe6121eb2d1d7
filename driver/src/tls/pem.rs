//! Reads PEM, and recognizes common wrong inputs.

use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{Flaw, TlsConfigError};

/// Our certificate, with its chain to an authority.
pub(super) type Chain = Vec<CertificateDer<'static>>;

/// A PEM text and its origin.
pub(super) struct Pem {
    pub(super) from: Box<str>,
    bytes: Vec<u8>,
}

/// The kind of content to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Certificate,
    Key,
}

impl Pem {
    pub(super) fn new(bytes: &[u8], from: &str) -> Self {
        Self { from: from.into(), bytes: bytes.into() }
    }

    pub(super) fn file(path: &Path) -> Result<Self, TlsConfigError> {
        let from: Box<str> = path.display().to_string().into();
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self { from, bytes }),
            Err(error) => Err(TlsConfigError::File { path: from, text: error.to_string().into() }),
        }
    }

    pub(super) fn certificates(&self) -> Result<Chain, TlsConfigError> {
        self.check(Wanted::Certificate)?;
        let read = CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<Vec<_>, _>>();
        let chain = read.map_err(|error| self.damaged(&error))?;
        if chain.is_empty() {
            return Err(self.unusable(Flaw::NoCertificate { found: self.found().into() }));
        }
        Ok(chain)
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
        self.check(Wanted::Key)?;
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            _ if self.has("ENCRYPTED") => self.unusable(Flaw::Encrypted),
            pem::Error::NoItemsFound => self.unusable(Flaw::NoKey { found: self.found().into() }),
            error => self.damaged(&error),
        })
    }

    /// Checks that the content is text.
    fn check(&self, wanted: Wanted) -> Result<(), TlsConfigError> {
        let is_key = wanted == Wanted::Key;
        let flaw = match self.bytes.trim_ascii() {
            [] => Flaw::Empty,
            [0xef, 0xbb, 0xbf, ..] => Flaw::ByteOrderMark,
            [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => Flaw::Utf16,
            // A sequence of any length, which starts with version 3.
            [0x30, 0x82, _, _, 2, 1, 3, ..] | [0x30, 0x81, _, 2, 1, 3, ..] => {
                Flaw::Pkcs12 { options: if is_key { "-nocerts -nodes" } else { "-nokeys" } }
            }
            [0x30, 0x81..=0x83, ..] | [0x30, _, 2, 1, ..] => {
                Flaw::Der { command: if is_key { "pkey" } else { "x509" } }
            }
            _ => return Ok(()),
        };
        Err(self.unusable(flaw))
    }

    /// Names the content found instead of the wanted one.
    fn found(&self) -> &'static str {
        let known = [
            ("BEGIN CERTIFICATE REQUEST", "a certificate request"),
            ("BEGIN NEW CERTIFICATE REQUEST", "a certificate request"),
            ("BEGIN TRUSTED CERTIFICATE", "a certificate of OpenSSL's own form"),
            ("BEGIN X509 CERTIFICATE", "a certificate of OpenSSL's own form"),
            ("BEGIN CERTIFICATE", "a certificate"),
            ("BEGIN OPENSSH PRIVATE KEY", "a key of OpenSSH"),
            ("PRIVATE KEY", "a private key"),
            ("PUBLIC KEY", "a public key"),
            ("BEGIN PKCS7", "PKCS #7"),
            ("BEGIN EC PARAMETERS", "the parameters of a curve"),
        ];
        known.into_iter().find(|(label, _)| self.has(label)).map_or("something else", |(_, it)| it)
    }

    fn has(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    fn damaged(&self, error: &pem::Error) -> TlsConfigError {
        let what: Box<str> = match error {
            // The text of this error would show the bytes.
            pem::Error::MissingSectionEnd { .. } => "the end of a section is missing".into(),
            pem::Error::IllegalSectionStart { .. } => "a line of BEGIN is malformed".into(),
            pem::Error::Base64Decode(_) => "what is between BEGIN and END is no base64".into(),
            error => error.to_string().into(),
        };
        self.unusable(Flaw::Damaged { what })
    }

    pub(super) fn unusable(&self, flaw: Flaw) -> TlsConfigError {
        TlsConfigError::Unusable { from: self.from.clone(), flaw }
    }
}
