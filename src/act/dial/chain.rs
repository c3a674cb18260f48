//! What a certificate chain must keep beyond its signatures, names and times: what its keys may be used for (RFC 5280,
//! section 4.2.1.3), and how strong they are. Pure.
//!
//! The path building below it does not look at `keyUsage`, and sees a weak server key only as a bad signature.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::KeyUsage;
use x509_parser::public_key::PublicKey;

/// Bits of the weakest RSA key that is trusted (NIST SP 800-131A).
const RSA_BITS: usize = 2048;
/// The TLS feature extension (RFC 7633), by which a certificate asks never to be taken without a fresh status.
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
/// The feature that means a stapled response: the number of `status_request` (RFC 6066, section 8).
const STATUS_REQUEST: u16 = 5;

/// What is wrong with a chain whose signatures hold, as the operator reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Defect {
    /// The server's key may not make signatures.
    #[error("wrong key usage: the certificate's key is not for signatures")]
    ServerUsage,
    /// A key that signed a certificate may not.
    #[error("wrong key usage: an issuer in the chain may not sign certificates")]
    IssuerUsage,
    /// A key that can be broken.
    #[error("weak key: RSA of {0} bits")]
    WeakKey(usize),
    /// A certificate in the path that is no certificate.
    #[error("malformed certificate in the chain")]
    Unreadable,
    /// The authority has taken it back.
    #[error("revoked since {0}, says the authority's stapled response")]
    Revoked(String),
    /// It wants to be shown with a fresh status and was not.
    #[error("the certificate must come with a stapled status (RFC 7633), and {0}")]
    NoStatus(&'static str),
}

impl Defect {
    /// A clause for the agent, as in `words`.
    pub(super) fn short(&self) -> &'static str {
        match self {
            Self::ServerUsage => "its key is not for this use",
            Self::IssuerUsage => "an issuer in its chain may not issue certificates",
            Self::WeakKey(_) => "a key in its chain is too weak",
            Self::Unreadable => "it cannot be read",
            Self::Revoked(_) => "it is revoked",
            Self::NoStatus(_) => "it comes without the fresh status that it must have",
        }
    }
}

/// The server's own certificate: its key signs the handshake, so it must be allowed to (RFC 8446, section 4.4.2.2).
pub(super) fn check_server(der: &CertificateDer<'_>) -> Result<(), Defect> {
    check(der, Defect::ServerUsage, KeyUsage::digital_signature)
}

/// The certificate of an authority in the path. An anchor is not judged: whoever configured it has.
pub(super) fn check_issuer(der: &CertificateDer<'_>) -> Result<(), Defect> {
    check(der, Defect::IssuerUsage, KeyUsage::key_cert_sign)
}

/// A certificate without the extension may use its key for anything.
fn check(der: &CertificateDer<'_>, unfit: Defect, fit: fn(&KeyUsage) -> bool) -> Result<(), Defect> {
    let certificate = parse(der)?;
    let usage = certificate.key_usage().map_err(|_| Defect::Unreadable)?;
    if usage.is_some_and(|usage| !fit(usage.value)) {
        return Err(unfit);
    }
    weak_key(&certificate).map_or(Ok(()), Err)
}

/// The first weak key among these certificates, for what failed as a bad signature.
pub(super) fn first_weak_key<'a>(
    mut certificates: impl Iterator<Item = &'a CertificateDer<'a>>,
) -> Option<Defect> {
    certificates.find_map(|der| parse(der).ok().as_ref().and_then(weak_key))
}

/// Whether the certificate must come with a stapled status.
pub(super) fn must_staple(der: &CertificateDer<'_>) -> Result<bool, Defect> {
    let certificate = parse(der)?;
    let feature =
        certificate.extensions().iter().find(|extension| extension.oid.to_id_string() == TLS_FEATURE);
    let Some(feature) = feature else { return Ok(false) };
    let features = <Vec<u16> as der::Decode>::from_der(feature.value).map_err(|_| Defect::Unreadable)?;
    Ok(features.contains(&STATUS_REQUEST))
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Defect> {
    x509_parser::parse_x509_certificate(der)
        .map(|(_, certificate)| certificate)
        .map_err(|_| Defect::Unreadable)
}

fn weak_key(certificate: &X509Certificate<'_>) -> Option<Defect> {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) if rsa.key_size() < RSA_BITS => Some(Defect::WeakKey(rsa.key_size())),
        _ => None,
    }
}
