//! The status that a server staples to its certificate (OCSP, RFC 6960; RFC 6066, section 8). Pure.
//!
//! A status counts only if the certificate's own issuer signed it, or a responder that the issuer named for it, for
//! this very certificate and this time. It asks nobody and keeps nothing.

use aws_lc_rs::digest;
use der::asn1::{Any, AnyRef};
use der::{Decode, Encode, Tag};
use rustls::pki_types::{
    CertificateDer, Der, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime,
};
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity};
use x509_ocsp::{BasicOcspResponse, CertId, CertStatus, OcspResponse, OcspResponseStatus, SingleResponse};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};

use crate::model::types::limits::{OCSP_SIGNERS, OCSP_SKEW};

/// Signature algorithms, as the provider has them.
pub(super) type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// `id-pkix-ocsp-basic` (RFC 6960, section 4.2.1).
const BASIC: &str = "1.3.6.1.5.5.7.48.1.1";
/// `id-kp-OCSPSigning` (RFC 6960, section 4.2.2.2), without tag and length.
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];

/// Who issued the server's certificate, on the path that was verified.
#[derive(Debug)]
pub(super) struct Issuer {
    /// Its name, without the outer tag and length.
    pub(super) name: Vec<u8>,
    /// Its key, whole.
    pub(super) key: SubjectPublicKeyInfoDer<'static>,
}

/// What a response that counts says of the certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Not revoked.
    Good,
    /// Revoked at that time.
    Revoked(String),
}

/// Reads a stapled response.
///
/// # Errors
/// Why it does not count, as the end of a sentence; then it is as if there were none.
pub(super) fn read(
    staple: &[u8],
    leaf: &EndEntityCert<'_>,
    issuer: &Issuer,
    algorithms: Algorithms,
    now: UnixTime,
) -> Result<Status, &'static str> {
    const UNREADABLE: &str = "the stapled response cannot be read";
    let response = OcspResponse::from_der(staple).map_err(|_| UNREADABLE)?;
    let bytes = match (response.response_status, response.response_bytes) {
        (OcspResponseStatus::Successful, Some(bytes)) if bytes.response_type.to_string() == BASIC => bytes,
        _ => return Err("the stapled response holds no status"),
    };
    let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(|_| UNREADABLE)?;
    let about = |single: &&SingleResponse| is_about(&single.cert_id, leaf, issuer) == Some(true);
    let singles: Vec<&SingleResponse> = basic.tbs_response_data.responses.iter().filter(about).collect();
    if singles.is_empty() {
        return Err("the stapled response is about another certificate");
    }
    if signed(&basic, issuer, algorithms, now) != Some(true) {
        return Err("the stapled response is not signed by its issuer");
    }
    // The worst of several counts.
    let mut status = Err("the stapled response does not know it");
    for single in singles {
        match (&single.cert_status, in_time(single, now)) {
            (CertStatus::Revoked(info), _) => {
                let at = info.revocation_time.0.to_date_time();
                return Ok(Status::Revoked(at.to_string()));
            }
            (_, false) => status = Err("the stapled response is out of its time"),
            (CertStatus::Good(_), true) => status = Ok(Status::Good),
            (CertStatus::Unknown(_), true) => {}
        }
    }
    status
}

/// Whether `now` lies between the response's update and the next; one that names no next is never fresh.
fn in_time(single: &SingleResponse, now: UnixTime) -> bool {
    let begin = single.this_update.0.to_unix_duration().as_secs();
    let end = single.next_update.map_or(0, |next| next.0.to_unix_duration().as_secs());
    begin <= now.as_secs() + OCSP_SKEW.as_secs() && now.as_secs() <= end
}

/// Whether a response is about this certificate: its number, and its issuer by name and key. Nothing for a hash that
/// is not known.
fn is_about(id: &CertId, leaf: &EndEntityCert<'_>, issuer: &Issuer) -> Option<bool> {
    let algorithm = match id.hash_algorithm.oid.to_string().as_str() {
        // It only names the issuer here, it does not prove it.
        "1.3.14.3.2.26" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "2.16.840.1.101.3.4.2.1" => &digest::SHA256,
        "2.16.840.1.101.3.4.2.2" => &digest::SHA384,
        "2.16.840.1.101.3.4.2.3" => &digest::SHA512,
        _ => return None,
    };
    let hash = |bytes: &[u8]| digest::digest(algorithm, bytes);
    let name = Any::new(Tag::Sequence, issuer.name.as_slice()).ok()?.to_der().ok()?;
    let (_, key) = SubjectPublicKeyInfo::from_der(&issuer.key).ok()?;
    let number = |bytes: &[u8]| bytes.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
    Some(
        number(id.serial_number.as_bytes()) == number(leaf.serial())
            && id.issuer_name_hash.as_bytes() == hash(&name).as_ref()
            && id.issuer_key_hash.as_bytes() == hash(&key.subject_public_key.data).as_ref(),
    )
}

/// Whether the issuer signed the response, or a responder to which the issuer itself gave a certificate for that
/// (RFC 6960, section 4.2.2.2).
fn signed(basic: &BasicOcspResponse, issuer: &Issuer, algorithms: Algorithms, now: UnixTime) -> Option<bool> {
    let message = basic.tbs_response_data.to_der().ok()?;
    let signature = basic.signature.as_bytes()?;
    let id = basic.signature_algorithm.to_der().ok()?;
    let id = AnyRef::from_der(&id).ok()?.value();
    let named = || algorithms.iter().filter(|algorithm| algorithm.signature_alg_id().as_ref() == id);
    let key = RawPublicKeyEntity::try_from(&issuer.key).ok()?;
    if named().any(|algorithm| key.verify_signature(*algorithm, &message, signature).is_ok()) {
        return Some(true);
    }
    let anchor = TrustAnchor {
        subject: Der::from_slice(&issuer.name),
        subject_public_key_info: Der::from_slice(AnyRef::from_der(&issuer.key).ok()?.value()),
        name_constraints: None,
    };
    let anchors = [anchor];
    let signs = |der: Vec<u8>| {
        let der = CertificateDer::from(der);
        let Ok(responder) = EndEntityCert::try_from(&der) else { return false };
        let usage = KeyUsage::required(OCSP_SIGNING);
        responder.verify_for_usage(algorithms, &anchors, &[], now, usage, None, None).is_ok()
            && named().any(|algorithm| responder.verify_signature(*algorithm, &message, signature).is_ok())
    };
    let responders = basic.certs.iter().flatten().take(OCSP_SIGNERS);
    Some(responders.filter_map(|certificate| certificate.to_der().ok()).any(signs))
}
