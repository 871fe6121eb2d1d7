//! The kinds of keys and signatures, and the supported ones among them.

use rustls::pki_types::PrivateKeyDer;
use x509_cert::der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier, OctetStringRef, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader, TagNumber};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoOwned};

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";

/// Returns the kind of a private key, in words; `None` if the key is unreadable.
pub(super) fn of_private_key(key: &PrivateKeyDer<'_>) -> Option<String> {
    match key {
        PrivateKeyDer::Pkcs1(key) => rsa(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => Some(curve(&sec1_curve(key.secret_sec1_der())?)),
        PrivateKeyDer::Pkcs8(key) => {
            let der = key.secret_pkcs8_der();
            let (algorithm, inner) = sequence(der, |reader| {
                let _version = UintRef::decode(reader)?;
                let algorithm = AlgorithmIdentifierRef::decode(reader)?;
                let inner = OctetStringRef::decode(reader)?.as_bytes();
                skip(reader)?;
                Ok((algorithm, inner))
            })?;
            of_algorithm(&algorithm.oid, algorithm.parameters, || rsa(inner))
        }
        _ => None,
    }
}

/// Returns the kind of a public key, in words, if it is not supported.
pub(super) fn unsupported_public_key(key: &SubjectPublicKeyInfoOwned) -> Option<String> {
    let parameters = key.algorithm.parameters.as_ref().map(AnyRef::from);
    let bits = key.subject_public_key.raw_bytes();
    let kind = of_algorithm(&key.algorithm.oid, parameters, || rsa_public(bits))?;
    let size = kind.strip_prefix("RSA with ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    let supported = matches!(&*kind, "P-256" | "P-384" | "Ed25519")
        || size.is_some_and(|size: usize| size >= 2048);
    (!supported).then_some(kind)
}

/// Returns the name of a signature algorithm that no peer accepts.
pub(super) fn unsupported_signature(oid: &ObjectIdentifier) -> Option<&'static str> {
    Some(match &*oid.to_string() {
        "1.2.840.113549.1.1.4" => "MD5",
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => "SHA-1",
        "1.2.840.10045.4.3.4" => "ECDSA and SHA-512, as by a key on P-521",
        "1.3.101.113" => "Ed448",
        "1.2.840.10040.4.3" | "2.16.840.1.101.3.4.3.2" => "DSA",
        _ => return None,
    })
}

fn of_algorithm(
    oid: &ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    rsa: impl FnOnce() -> Option<String>,
) -> Option<String> {
    Some(match &*oid.to_string() {
        RSA => return rsa(),
        EC => match parameters?.decode_as::<ObjectIdentifier>() {
            Ok(oid) => curve(&oid),
            Err(_) => "on a curve without a name".into(),
        },
        "1.2.840.113549.1.1.10" => "RSA-PSS".into(),
        "1.3.101.112" => "Ed25519".into(),
        "1.3.101.113" => "Ed448".into(),
        "1.2.840.10040.4.1" => "DSA".into(),
        oid => format!("of the kind {oid}"),
    })
}

fn curve(oid: &ObjectIdentifier) -> String {
    match &*oid.to_string() {
        "1.2.840.10045.3.1.7" => "P-256".into(),
        "1.3.132.0.34" => "P-384".into(),
        "1.3.132.0.35" => "P-521".into(),
        "1.3.132.0.33" => "P-224".into(),
        "1.3.132.0.10" => "secp256k1".into(),
        oid => format!("on the curve {oid}"),
    }
}

/// Returns the size of an `RSAPrivateKey`.
fn rsa(der: &[u8]) -> Option<String> {
    sequence(der, |reader| {
        let _version = UintRef::decode(reader)?;
        let bits = bits(&UintRef::decode(reader)?);
        skip(reader)?;
        Ok(bits)
    })
}

/// Returns the size of an `RSAPublicKey`.
fn rsa_public(der: &[u8]) -> Option<String> {
    sequence(der, |reader| {
        let bits = bits(&UintRef::decode(reader)?);
        skip(reader)?;
        Ok(bits)
    })
}

fn bits(modulus: &UintRef<'_>) -> String {
    let bytes = modulus.as_bytes();
    let first = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    format!("RSA with {} bits", (bytes.len() * 8).saturating_sub(first))
}

/// Returns the curve of an `ECPrivateKey`.
fn sec1_curve(der: &[u8]) -> Option<ObjectIdentifier> {
    sequence(der, |reader| {
        let _version = UintRef::decode(reader)?;
        let _key = OctetStringRef::decode(reader)?;
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(reader, TagNumber::N0)?;
        skip(reader)?;
        Ok(curve.map(|curve| curve.value))
    })?
}

/// Parses a sequence with `read`.
fn sequence<'a, T>(
    der: &'a [u8],
    read: impl FnOnce(
        &mut x509_cert::der::NestedReader<'_, SliceReader<'a>>,
    ) -> x509_cert::der::Result<T>,
) -> Option<T> {
    SliceReader::new(der).ok()?.sequence(read).ok()
}

/// Skips the rest.
fn skip<'a>(reader: &mut impl Reader<'a>) -> x509_cert::der::Result<()> {
    let rest = reader.remaining_len();
    reader.read_slice(rest).map(drop)
}
