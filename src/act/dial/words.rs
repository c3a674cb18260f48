//! Failures to reach an upstream, as denials: what the agent may read, and what the operator sees.
//!
//! It decides nothing: every failure handed in becomes a refusal.

use std::io;
use std::net::SocketAddr;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, CertificateError, Error as TlsError, OtherError};

use super::candidates::Wanted;
use super::chain::Defect;
use crate::model::types::{Denial, Reason, Timestamp, limits};

/// One attempt to connect that failed.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

/// Out of file descriptors, in this process or in the system (`EMFILE`, `ENFILE`).
const OUT_OF_FILES: [i32; 2] = [24, 23];

/// No candidate could be connected to.
pub(super) fn unreached(wanted: &Wanted<'_>, attempts: &[Attempt]) -> Denial {
    let seen: Vec<String> = attempts
        .iter()
        .map(|attempt| format!("{}: {}", attempt.address, errno_words(&attempt.error)))
        .collect();
    let seen = seen.join("; ");
    if attempts.iter().any(|attempt| is_exhaustion(&attempt.error)) {
        return Denial::built_in(
            Reason::Overload,
            format!("The gateway cannot open another connection to {wanted}."),
        )
        .seen(seen);
    }
    if attempts.iter().all(|attempt| attempt.error.kind() == io::ErrorKind::TimedOut) {
        return timed_out(wanted, "TCP", seen);
    }
    Denial::built_in(Reason::UpstreamUnreachable, format!("{wanted} could not be reached. Try again later."))
        .seen(seen)
}

/// A name without addresses.
pub(super) fn no_address(wanted: &Wanted<'_>) -> Denial {
    Denial::built_in(
        Reason::UpstreamUnreachable,
        format!("{wanted} could not be reached: the name has no address."),
    )
    .seen("the gateway's own resolution found no address")
}

/// A step that was not over in its time.
pub(super) fn timed_out(wanted: &Wanted<'_>, step: &str, seen: impl Into<String>) -> Denial {
    let seen = format!("{step} timed out: {}", seen.into());
    Denial::built_in(Reason::UpstreamTimeout, format!("{wanted} did not answer in time. Try again later."))
        .seen(seen)
}

/// A TLS handshake that failed.
pub(super) fn tls_failed(wanted: &Wanted<'_>, address: SocketAddr, error: &io::Error) -> Denial {
    let Some(tls) = tls_error(error) else {
        return failed(
            wanted,
            format!("{address} ended the connection during the TLS handshake: {}", errno_words(error)),
        );
    };
    match tls {
        TlsError::InvalidCertificate(problem) => {
            let (short, seen) = certificate_words(problem);
            untrusted(wanted, short, format!("certificate of {address}: {seen}"))
        }
        TlsError::NoCertificatesPresented => {
            untrusted(wanted, "it shows none", format!("{address} presented no certificate"))
        }
        TlsError::AlertReceived(alert) => {
            failed(wanted, format!("{address} refused TLS with the alert {alert:?}"))
        }
        other => failed(wanted, format!("{address} does not speak TLS as it should: {other}")),
    }
}

/// Whether the upstream refused every offered protocol.
pub(super) fn refused_alpn(error: &io::Error) -> bool {
    matches!(tls_error(error), Some(TlsError::AlertReceived(AlertDescription::NoApplicationProtocol)))
}

/// A certificate that is not accepted. `short` continues "cannot be trusted:" for the agent.
pub(super) fn untrusted(wanted: &Wanted<'_>, short: &str, seen: impl Into<String>) -> Denial {
    Denial::built_in(
        Reason::TlsUntrustedUpstream,
        format!("The certificate of {wanted} cannot be trusted: {short}. Nothing was sent."),
    )
    .seen(seen)
}

/// Whether a remembered chain is missing or out of its time at `now`, in the words of a fresh verification.
pub(super) fn out_of_time(chain: &[CertificateDer<'_>], now: Timestamp) -> Option<(&'static str, String)> {
    if chain.is_empty() {
        return Some(("none is known", "no certificate is remembered".into()));
    }
    chain.iter().find_map(|der| {
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else {
            return Some(("it cannot be read", "malformed certificate".into()));
        };
        let second = now.0.div_euclid(1_000_000);
        let validity = certificate.validity();
        if second > validity.not_after.timestamp() {
            return Some(("it has expired", format!("expired, valid until {}", validity.not_after)));
        }
        (second < validity.not_before.timestamp())
            .then(|| ("it is not valid yet", format!("not valid yet, valid from {}", validity.not_before)))
    })
}

fn failed(wanted: &Wanted<'_>, seen: String) -> Denial {
    Denial::built_in(
        Reason::UpstreamFailed,
        format!("{wanted} could not be spoken to over TLS. Try again later."),
    )
    .seen(seen)
}

fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// A clause for the agent, and the whole story for the record.
fn certificate_words(problem: &CertificateError) -> (&'static str, String) {
    use CertificateError as Cert;
    let at = |time: &UnixTime| {
        Timestamp(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    };
    match problem {
        Cert::ExpiredContext { not_after, .. } => {
            ("it has expired", format!("expired, valid until {}", at(not_after)))
        }
        Cert::Expired => ("it has expired", "expired".into()),
        Cert::NotValidYetContext { not_before, .. } => {
            ("it is not valid yet", format!("not valid yet, valid from {}", at(not_before)))
        }
        Cert::NotValidYet => ("it is not valid yet", "not valid yet".into()),
        Cert::NotValidForNameContext { presented, .. } => {
            let shown: Vec<&str> = presented.iter().take(8).map(|name| bare(name)).collect();
            ("it is for another name", format!("wrong name, it is for {} name(s): {}", presented.len(), shown.join(", ")))
        }
        Cert::NotValidForName => ("it is for another name", "wrong name".into()),
        Cert::UnknownIssuer => (
            "its issuer is not trusted",
            "unknown issuer: self-signed, signed by an authority that is not among the trust anchors, or sent without \
             its intermediate certificates"
                .into(),
        ),
        Cert::BadSignature => ("its signature is wrong", "bad signature".into()),
        Cert::Revoked => ("it is revoked", "revoked".into()),
        Cert::InvalidPurpose | Cert::InvalidPurposeContext { .. } => {
            ("it is not for servers", format!("not for server authentication: {problem}"))
        }
        Cert::BadEncoding => ("it cannot be read", "malformed certificate".into()),
        Cert::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. }
        | Cert::UnsupportedSignatureAlgorithmForPublicKeyContext { signature_algorithm_id, .. } => {
            let name = algorithm_name(signature_algorithm_id);
            ("its signature, or one in its chain, is of a kind that is not trusted", format!("signed with {name}"))
        }
        Cert::Other(OtherError(inner)) => other_words(&**inner),
        other => ("it does not meet the rules for certificates", other.to_string()),
    }
}

/// `a.example` of `DnsName("a.example")`, as the path building has names.
fn bare(presented: &str) -> &str {
    let inside = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.map_or(presented, |inside| inside.trim_matches('"'))
}

/// What our own checks and the path building found, beyond what rustls has words for.
fn other_words(problem: &(dyn std::error::Error + Send + Sync + 'static)) -> (&'static str, String) {
    use webpki::Error as Path;
    if let Some(defect) = problem.downcast_ref::<Defect>() {
        return (defect.short(), defect.to_string());
    }
    let (short, seen) = match problem.downcast_ref::<Path>() {
        Some(Path::CaUsedAsEndEntity) => ("it is an authority's own", "a CA certificate shown as a server's"),
        Some(Path::EndEntityUsedAsCa) => {
            ("an issuer in its chain is no authority", "an intermediate is not marked as a CA")
        }
        Some(Path::PathLenConstraintViolated) => {
            ("its chain is longer than its authority allows", "path length constraint of a CA violated")
        }
        Some(Path::NameConstraintViolation) => {
            ("its authority may not vouch for this name", "name constraints of a CA violated")
        }
        Some(Path::UnsupportedCriticalExtension) => {
            ("it holds a critical extension that is not known", "unknown critical extension")
        }
        Some(Path::UnsupportedCertVersion) => {
            ("it is of an old version", "not an X.509 version 3 certificate")
        }
        Some(Path::MaximumPathDepthExceeded) => {
            ("its chain is too long", "more than six intermediates between the certificate and an anchor")
        }
        _ => return ("it does not meet the rules for certificates", problem.to_string()),
    };
    (short, seen.to_owned())
}

/// The common name of a signature algorithm, by the beginning of its `AlgorithmIdentifier` (RFC 8017, appendix A.2;
/// RFC 5758).
fn algorithm_name(id: &[u8]) -> String {
    const RSA: [u8; 10] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
    const ECDSA_SHA1: [u8; 9] = [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
    if id.starts_with(&ECDSA_SHA1) {
        return "ECDSA and SHA-1".into();
    }
    let rsa = id.strip_prefix(&RSA).and_then(<[u8]>::first);
    match rsa {
        Some(2) => "RSA and MD2".into(),
        Some(4) => "RSA and MD5".into(),
        Some(5) => "RSA and SHA-1".into(),
        Some(14) => "RSA and SHA-224".into(),
        _ => {
            let hex: String = id.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
            format!("an algorithm that is not supported ({hex})")
        }
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error().is_some_and(|number| OUT_OF_FILES.contains(&number))
}

fn errno_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset".into(),
        io::ErrorKind::HostUnreachable => "no route to host".into(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".into(),
        io::ErrorKind::UnexpectedEof => "end of stream".into(),
        io::ErrorKind::TimedOut => format!("no answer within {} s", limits::CONNECT_TIME.as_secs()),
        _ => error.to_string(),
    }
}
