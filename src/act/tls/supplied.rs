//! An authority that operators bring: an issuing certificate with those above it, and its key, in PEM.
//!
//! Checked whole before it signs anything: what clients would refuse later is refused here, with what is wrong. Never writes a
//! file, and never asks anybody else. Read next: `rotation.rs`.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{ParsedExtension, X509Certificate};
use zeroize::Zeroizing;

use super::authority::{self, About, Authority, AuthorityError};
use crate::model::types::Timestamp;

/// Bytes read of either file.
const FILE_BYTES: u64 = 64 * 1024;
/// Certificates of a chain.
const CHAIN: usize = 8;
/// Permission bits that a key file may not have: others read it, or more than its owner writes it. A group may read it.
const EXPOSED: u32 = 0o027;

/// Reads and checks both files.
///
/// # Errors
/// What is wrong with which.
pub(super) fn load(chain_path: &Path, key_path: &Path, now: Timestamp) -> Result<Authority, AuthorityError> {
    let unusable = |path: &Path, problem: String| AuthorityError::Supplied { path: path.to_owned(), problem };
    let text = read(chain_path)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(chain_path, format!("holds what is no certificate in PEM: {error}")))?;
    if chain.is_empty() || chain.len() > CHAIN {
        let problem =
            format!("holds {} certificates; a chain has 1 to {CHAIN}, the issuing one first", chain.len());
        return Err(unusable(chain_path, problem));
    }
    let key = key(key_path)?;
    for (number, der) in chain.iter().enumerate() {
        check(number, der, now).map_err(|problem| unusable(chain_path, problem))?;
    }
    let (_, first) = x509_parser::parse_x509_certificate(&chain[0])
        .map_err(|error| unusable(chain_path, format!("holds a certificate that cannot be read: {error}")))?;
    if first.public_key().raw != key.subject_public_key_info() {
        let problem = format!("is not the key of the first certificate of `{}`", chain_path.display());
        return Err(unusable(key_path, problem));
    }
    let issuer = Issuer::from_ca_cert_der(&chain[0], key)?;
    proves(&issuer, &chain, now).map_err(|problem| unusable(chain_path, problem))?;
    let about = About::of(&first, &chain[0]);
    let trusted = trusted(&text, chain.len());
    Ok(Authority::supplied(issuer, chain, trusted, about))
}

fn read(path: &Path) -> Result<Zeroizing<String>, AuthorityError> {
    let failed = |operation| move |source| AuthorityError::Io { operation, path: path.to_owned(), source };
    let file = File::open(path).map_err(failed("open"))?;
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES).read_to_string(&mut text).map_err(failed("read"))?;
    Ok(text)
}

fn key(path: &Path) -> Result<KeyPair, AuthorityError> {
    let failed = |operation| move |source| AuthorityError::Io { operation, path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed("look at"))?.permissions().mode() & 0o7777;
    if mode & EXPOSED != 0 {
        return Err(AuthorityError::KeyExposed { path: path.to_owned(), mode });
    }
    KeyPair::from_pem(&read(path)?).map_err(|error| AuthorityError::Supplied {
        path: path.to_owned(),
        problem: format!("holds no private key in PEM that can be used: {error}"),
    })
}

/// What one certificate of the chain must be; `number` counts from the issuing one upwards.
fn check(number: usize, der: &CertificateDer<'_>, now: Timestamp) -> Result<(), String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|error| format!("holds a certificate that cannot be read: {error}"))?;
    let name = certificate.subject().to_string();
    let signs = matches!(certificate.key_usage(), Ok(Some(usage)) if usage.value.key_cert_sign());
    if !certificate.is_ca() || !signs {
        return Err(format!("holds `{name}`, which is no authority: it may not sign certificates"));
    }
    let about = About::of(&certificate, der);
    if now < about.not_before {
        return Err(format!(
            "holds `{name}`, which is valid from {} on, and the clock says {now}",
            about.not_before
        ));
    }
    if now > about.not_after {
        return Err(format!("holds `{name}`, which has expired: it was valid until {}", about.not_after));
    }
    let below =
        certificate.basic_constraints().ok().flatten().and_then(|found| found.value.path_len_constraint);
    if below.is_some_and(|most| (most as usize) < number) {
        let most = below.unwrap_or(0);
        return Err(format!(
            "holds `{name}`, which allows {most} authorities below itself, and {number} stand there"
        ));
    }
    if has_name_constraints(&certificate) {
        return Err(format!(
            "holds `{name}`, which has name constraints: clients would refuse what it signs for other hosts"
        ));
    }
    Ok(())
}

fn has_name_constraints(certificate: &X509Certificate<'_>) -> bool {
    let constrains = |parsed: &ParsedExtension<'_>| matches!(parsed, ParsedExtension::NameConstraints(_));
    certificate.extensions().iter().any(|extension| constrains(extension.parsed_extension()))
}

/// That a leaf which it signs leads to the last certificate of the chain, by the rules by which clients judge that.
fn proves(
    issuer: &Issuer<'static, KeyPair>,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| {
        format!("holds certificates that do not lead to one another: {error}")
    };
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| said(&error))?;
    let mut params = CertificateParams::new(vec!["leaf.invalid".to_owned()]).map_err(|error| said(&error))?;
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    authority::valid(
        &mut params,
        authority::earlier(now, Duration::from_secs(60)),
        now.plus(Duration::from_secs(60)),
    );
    let leaf = params.signed_by(&key, issuer).map_err(|error| said(&error))?;
    let (Some(last), above) = (chain.last(), &chain[..chain.len() - 1]) else { return Ok(()) };
    let anchor = anchor_from_trusted_cert(last).map_err(|error| said(&error))?;
    let end = EndEntityCert::try_from(leaf.der()).map_err(|error| said(&error))?;
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let seconds = u64::try_from(now.0.div_euclid(1_000_000)).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    end.verify_for_usage(algorithms, &[anchor], above, at, KeyUsage::server_auth(), None, None)
        .map(drop)
        .map_err(|error| said(&error))
}

/// The last certificate of the file, as it stands there: the one that workloads trust.
fn trusted(text: &str, count: usize) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let last = text.match_indices(BEGIN).nth(count.saturating_sub(1)).map_or(0, |(at, _)| at);
    text[last..].trim_end().to_owned() + "\n"
}
