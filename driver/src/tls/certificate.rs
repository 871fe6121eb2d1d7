//! Reads the subject and names of a certificate.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::{Decode, asn1::OctetString};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use aiomas_core::rpc::PeerCertificate;

/// Returns the peer's certificate from its verified chain.
pub(super) fn of_chain(chain: &[CertificateDer<'_>]) -> Option<PeerCertificate> {
    let first = chain.first()?;
    // The chain is verified, so it can be read. If this reader disagrees, the bytes are available nevertheless.
    let (subject, names) = Certificate::from_der(first).map_or_else(
        |_| Default::default(),
        |certificate| (certificate.tbs_certificate.subject.to_string().into(), names(&certificate)),
    );
    let chain = chain.iter().map(|certificate| certificate.as_ref().into()).collect();
    Some(PeerCertificate::new(subject, names, chain))
}

fn names(certificate: &Certificate) -> Vec<Box<str>> {
    let Ok(Some((_, names))) = certificate.tbs_certificate.get::<SubjectAltName>() else {
        return Vec::new();
    };
    names.0.iter().filter_map(name).collect()
}

fn name(name: &GeneralName) -> Option<Box<str>> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().into()),
        GeneralName::Rfc822Name(name) => Some(name.as_str().into()),
        GeneralName::UniformResourceIdentifier(name) => Some(name.as_str().into()),
        GeneralName::IpAddress(address) => ip(address).map(|ip| ip.to_string().into()),
        _ => None,
    }
}

fn ip(address: &OctetString) -> Option<IpAddr> {
    let bytes = address.as_bytes();
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok().or_else(v4)
}
