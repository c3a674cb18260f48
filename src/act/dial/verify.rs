//! Which certificates of upstreams are believed.
//!
//! Path, signatures, names and times are webpki's work; what keys are for, how strong they are, and what a stapled
//! status says is ours. It accepts nothing that webpki refuses, and sends nothing anywhere.

use std::cell::RefCell;
use std::sync::Arc;

use der::asn1::Any;
use der::{Encode, Tag};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::chain::{self, Defect};
use super::staple::{self, Issuer, Status};

/// Judges what upstreams present.
#[derive(Debug)]
pub(super) struct Verifier {
    anchors: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Believes what leads to one of `anchors` by these signature algorithms.
    pub(super) fn new(anchors: Arc<RootCertStore>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { anchors, algorithms }
    }

    /// Finds a path to an anchor that keeps all rules, and says who issued the certificate on it.
    fn issuer(
        &self,
        leaf: &EndEntityCert<'_>,
        (shown, more): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        now: UnixTime,
    ) -> Result<Issuer, Error> {
        let defect = RefCell::new(None);
        // Where a path fails here, others are tried: cross-signed authorities have several.
        let check = |path: &VerifiedPath<'_>| {
            check_path(shown, path).map_err(|found| {
                defect.borrow_mut().get_or_insert(found);
                webpki::Error::UnknownIssuer
            })
        };
        let usage = KeyUsage::server_auth();
        let anchors = &self.anchors.roots;
        let path = leaf.verify_for_usage(self.algorithms.all, anchors, more, now, usage, None, Some(&check));
        match path {
            Ok(path) => issuer_on(&path).ok_or_else(|| CertificateError::BadEncoding.into()),
            Err(_) => Err(match defect.take() {
                Some(defect) => refused(defect),
                None => self.explain((shown, more), now),
            }),
        }
    }

    /// What rustls says of a chain that has no path: it has the words.
    fn explain(&self, (shown, more): (&CertificateDer<'_>, &[CertificateDer<'_>]), now: UnixTime) -> Error {
        let parsed = match ParsedCertificate::try_from(shown) {
            Ok(parsed) => parsed,
            Err(error) => return error,
        };
        let anchors = &self.anchors;
        let outcome =
            verify_server_cert_signed_by_trust_anchor(&parsed, anchors, more, now, self.algorithms.all);
        let error = outcome.err().unwrap_or(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        if error == Error::InvalidCertificate(CertificateError::BadSignature)
            && let Some(weak) = chain::first_weak_key(std::iter::once(shown).chain(more))
        {
            return refused(weak);
        }
        error
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let leaf = EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let issuer = self.issuer(&leaf, (end_entity, intermediates), now)?;
        verify_server_name(&parsed, server_name)?;
        let status = match ocsp_response {
            [] => Err("it came with none"),
            staple => staple::read(staple, &leaf, &issuer, self.algorithms.all, now),
        };
        match status {
            Ok(Status::Good) => {}
            Ok(Status::Revoked(at)) => return Err(refused(Defect::Revoked(at))),
            // A response that does not count is as good as none: whoever can break one could leave it out.
            Err(why) if chain::must_staple(end_entity).map_err(refused)? => {
                return Err(refused(Defect::NoStatus(why)));
            }
            Err(_) => {}
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn refused(defect: Defect) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(defect))))
}

fn check_path(shown: &CertificateDer<'_>, path: &VerifiedPath<'_>) -> Result<(), Defect> {
    chain::check_server(shown)?;
    path.intermediate_certificates().try_for_each(|issuer| chain::check_issuer(&issuer.der()))
}

/// The first issuer on a path: an intermediate, or the anchor itself.
fn issuer_on(path: &VerifiedPath<'_>) -> Option<Issuer> {
    if let Some(issuer) = path.intermediate_certificates().next() {
        return Some(Issuer { name: issuer.subject().to_vec(), key: issuer.subject_public_key_info() });
    }
    let anchor = path.anchor();
    let key = Any::new(Tag::Sequence, anchor.subject_public_key_info.as_ref()).ok()?.to_der().ok()?;
    Some(Issuer { name: anchor.subject.as_ref().to_vec(), key: SubjectPublicKeyInfoDer::from(key) })
}
