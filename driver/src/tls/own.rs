//! Checks our certificate for flaws that peers would refuse.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::{Certificate, TbsCertificate};

use super::error::Flaw;
use super::kind;

/// Returns a flaw of our certificate or its chain. Unreadable certificates are left to rustls.
pub(super) fn flaw_of_chain(chain: &[CertificateDer<'_>]) -> Option<Flaw> {
    let chain: Vec<_> = chain.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let version1 = |certificate: &Certificate| {
        let TbsCertificate { version, subject, .. } = &certificate.tbs_certificate;
        (*version != Version::V3).then(|| Flaw::Version1 { subject: subject.to_string().into() })
    };
    let (own, others) = chain.split_first()?;
    // Peers ignore an authority at the end of the chain, because they have it.
    let is_used =
        |other: &&Certificate| other.tbs_certificate.issuer != other.tbs_certificate.subject;
    let used = || others.iter().filter(is_used);
    version1(own)
        .or_else(|| authority(own))
        .or_else(|| signature(own))
        .or_else(|| used().find_map(|other| version1(other).or_else(|| signature(other))))
        .or_else(|| names(own))
}

/// Returns a flaw of the trusted authorities: the unsupported kind of key that all of them have.
pub(super) fn flaw_of_authorities(authorities: &[CertificateDer<'_>]) -> Option<Flaw> {
    let mut flaw = None;
    for authority in authorities {
        let certificate = Certificate::from_der(authority).ok()?;
        let kind =
            kind::unsupported_public_key(&certificate.tbs_certificate.subject_public_key_info)?;
        flaw = Some(Flaw::UnsupportedKey { kind: kind.into() });
    }
    flaw
}

/// Returns whether the certificate has this public key.
pub(super) fn has_key(certificate: &CertificateDer<'_>, spki: &[u8]) -> bool {
    let certificate = Certificate::from_der(certificate).ok();
    let own = certificate.and_then(|it| it.tbs_certificate.subject_public_key_info.to_der().ok());
    own.is_some_and(|own| own == spki)
}

fn authority(certificate: &Certificate) -> Option<Flaw> {
    let certificate = &certificate.tbs_certificate;
    let (_, constraints) = certificate.get::<BasicConstraints>().ok()??;
    constraints.ca.then(|| Flaw::Authority { subject: certificate.subject.to_string().into() })
}

fn signature(certificate: &Certificate) -> Option<Flaw> {
    let algorithm = kind::unsupported_signature(&certificate.signature_algorithm.oid)?;
    Some(Flaw::UnsupportedSignature { algorithm: algorithm.into() })
}

/// Returns a flaw if the certificate's only names are IP addresses as host names.
fn names(certificate: &Certificate) -> Option<Flaw> {
    let (_, names) = certificate.tbs_certificate.get::<SubjectAltName>().ok()??;
    let mut flaw = None;
    for name in &names.0 {
        match name {
            GeneralName::DnsName(name) => {
                let ip: IpAddr = name.as_str().parse().ok()?;
                flaw = flaw.or(Some(Flaw::IpAsDnsName { ip }));
            }
            GeneralName::IpAddress(_) => return None,
            _ => {}
        }
    }
    flaw
}
