//! The gateway's own certificate authority: made at first start, then loaded and checked at every later one.
//!
//! ECDSA P-256, valid ten years, for server certificates only and for no further authorities. Its key never leaves
//! this value but for the file it is kept in. One whose time is over is loaded and signs nothing. Read next: `files.rs` for where
//! it lies, `rotation.rs` for what follows it, `leaf.rs` for what it signs.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::crypto::SecureRandom;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::X509Certificate;

use super::files::{self, Pair};
use crate::model::types::Timestamp;

/// How long an authority lasts. Clients do not bound trust anchors; operators rotate them.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3652 * 86_400);
/// How far certificates reach into the past, so that workloads whose clocks run late accept them.
pub(super) const BACKDATE: Duration = Duration::from_secs(3600);

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file or folder could not be used.
    #[error("cannot {operation} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read the private key.
    #[error("`{0}` may be read by others than its owner (mode {mode:04o})\nhint: chmod 600 {0}", path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others than the owner may put files into the folder.
    #[error("`{0}` may be written by others than its owner (mode {mode:04o})\nhint: chmod 700 {0}", path.display())]
    FolderWritable {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A certificate whose key is gone.
    #[error(
        "`{}` has no private key: `{}` is missing\nhint: restore the key from a backup, or move the certificate \
         away to have a new authority made, which every workload must then trust anew",
        certificate.display(), key.display()
    )]
    KeyMissing {
        /// The certificate file.
        certificate: PathBuf,
        /// Where its key should be.
        key: PathBuf,
    },
    /// A key whose certificate is gone.
    #[error(
        "`{}` has no certificate: `{}` is missing\nhint: restore the certificate, of which every workload that \
         trusts this gateway has a copy, or move the key away to have a new authority made",
        key.display(), certificate.display()
    )]
    CertificateMissing {
        /// Where the certificate should be.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// A file holds something else than it should.
    #[error("`{}` {problem}\nhint: restore the file from a backup, or move `ca.pem` and `ca.key` away to have a new authority made", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Key and certificate belong to different authorities.
    #[error("`{}` is not the key of `ca.pem` beside it\nhint: restore both files from the same backup", key.display())]
    Mismatch {
        /// The key file.
        key: PathBuf,
    },
    /// The certificate's time is over, or has not come.
    #[error("`{}` is valid from {not_before} to {not_after}, and the clock says {now}\nhint: {hint}", path.display())]
    OutOfTime {
        /// The certificate file.
        path: PathBuf,
        /// First moment of its validity.
        not_before: Timestamp,
        /// Last moment of its validity.
        not_after: Timestamp,
        /// The clock.
        now: Timestamp,
        /// What to do.
        hint: &'static str,
    },
    /// An authority that operators have brought cannot be used.
    #[error("`{}` {problem}\nhint: spec.authority names the chain, the issuing certificate first, and its key", path.display())]
    Supplied {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The authority's time is over: it signs nothing more.
    #[error("the authority has expired: it was valid until {not_after}")]
    Expired {
        /// Last moment of its validity.
        not_after: Timestamp,
    },
    /// Keys or signatures could not be made.
    #[error("cannot make a certificate authority: {0}")]
    Make(#[from] rcgen::Error),
    /// The system gave no random numbers.
    #[error("cannot make a certificate authority: the system gives no random numbers")]
    Random,
}

/// What a certificate says of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub subject: String,
    /// The SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub fingerprint: String,
    /// First moment of its validity.
    pub not_before: Timestamp,
    /// Last moment of its validity.
    pub not_after: Timestamp,
}

impl About {
    pub(super) fn of(certificate: &X509Certificate<'_>, der: &[u8]) -> Self {
        let digits =
            digest(&SHA256, der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>();
        Self {
            subject: certificate.subject().to_string(),
            fingerprint: digits.join(":"),
            not_before: seconds(certificate.validity().not_before.timestamp()),
            not_after: seconds(certificate.validity().not_after.timestamp()),
        }
    }

    /// Of the first certificate in a PEM text, which stands in this file.
    pub(super) fn of_pem(pem: &str, path: &Path) -> Result<Self, AuthorityError> {
        let unusable = |problem: String| AuthorityError::Unusable { path: path.into(), problem };
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| unusable(format!("holds no certificate in PEM: {error}")))?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| unusable(format!("holds a certificate that cannot be read: {error}")))?;
        Ok(Self::of(&certificate, &der))
    }
}

/// A certificate authority: its certificate is one, has begun, and fits its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// What stands behind a leaf so that clients find the way to what they trust.
    chain: Vec<CertificateDer<'static>>,
    pem: String,
    about: About,
}

impl Authority {
    /// Loads the authority in `dir`, or makes one where none was ever finished. `now` is the wall clock.
    ///
    /// Fails where the files cannot be used, do not fit each other, are open to others, or whose time has not come: it never
    /// replaces an authority that workloads may trust already.
    pub fn load_or_create(dir: &Path, now: Timestamp) -> Result<Self, AuthorityError> {
        if let Some(pair) = files::read(dir)? {
            return Self::of(pair, &files::signing(dir), now);
        }
        files::write(dir, &make(now)?)?;
        // What is used is what was kept: the first start takes the same way as every later one.
        match files::read(dir)? {
            Some(pair) => Self::of(pair, &files::signing(dir), now),
            None => Err(AuthorityError::Io {
                operation: "read back",
                path: dir.into(),
                source: io::ErrorKind::NotFound.into(),
            }),
        }
    }

    /// The certificate that workloads trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.pem
    }

    /// What its certificate says.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The last moment at which workloads accept this authority.
    pub fn not_after(&self) -> Timestamp {
        self.about.not_after
    }

    /// The first moment at which workloads accept this authority.
    pub(super) fn not_before(&self) -> Timestamp {
        self.about.not_before
    }

    /// The certificates that stand behind a leaf: none where workloads trust the issuing one itself.
    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// One that operators have brought, checked. Of its chain all stand behind a leaf but one that has issued itself.
    pub(super) fn supplied(
        issuer: Issuer<'static, KeyPair>,
        mut chain: Vec<CertificateDer<'static>>,
        pem: String,
        about: About,
    ) -> Self {
        let own = |der: &CertificateDer<'_>| {
            x509_parser::parse_x509_certificate(der).is_ok_and(|(_, found)| found.subject() == found.issuer())
        };
        if chain.last().is_some_and(own) {
            chain.pop();
        }
        Self { issuer, chain, pem, about }
    }

    /// The name and key that sign leaves.
    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// An authority by its files, which lie there.
    pub(super) fn of(
        pair: Pair,
        (path, key_path): &(PathBuf, PathBuf),
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let unusable = |path: &Path, problem: String| AuthorityError::Unusable { path: path.into(), problem };
        let key = KeyPair::from_pem(&pair.key)
            .map_err(|error| unusable(key_path, format!("holds no private key in PKCS#8 PEM: {error}")))?;
        let der = CertificateDer::from_pem_slice(pair.certificate.as_bytes())
            .map_err(|error| unusable(path, format!("holds no certificate in PEM: {error}")))?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| unusable(path, format!("holds a certificate that cannot be read: {error}")))?;
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityError::Mismatch { key: key_path.clone() });
        }
        let signs = matches!(certificate.key_usage(), Ok(Some(usage)) if usage.value.key_cert_sign());
        if !certificate.is_ca() || !signs {
            return Err(unusable(path, "holds a certificate that may not sign others".into()));
        }
        let about = About::of(&certificate, &der);
        if now < about.not_before {
            let (not_before, not_after) = (about.not_before, about.not_after);
            let hint = "set the clock of this host";
            return Err(AuthorityError::OutOfTime { path: path.clone(), not_before, not_after, now, hint });
        }
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(Self { issuer, chain: Vec::new(), pem: pair.certificate, about })
    }
}

/// A fresh key and its self-signed certificate.
pub(super) fn make(now: Timestamp) -> Result<Pair, AuthorityError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    // The key's own id in the name: two authorities of one host, before and after a rotation, are told apart by
    // clients that look issuers up by name.
    let id = params.key_identifier(&key);
    let id: String = id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = named(&format!("Clawgress CA {id}"));
    params.serial_number = Some(serial(rustls::crypto::aws_lc_rs::default_provider().secure_random)?);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    valid(&mut params, earlier(now, BACKDATE), now.plus(AUTHORITY_LIFE));
    let certificate = params.self_signed(&key)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A distinguished name of one common name.
pub(super) fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// A random positive serial number of 16 octets (RFC 5280, section 4.1.2.2: at most 20).
pub(super) fn serial(random: &dyn SecureRandom) -> Result<rcgen::SerialNumber, AuthorityError> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes).map_err(|_| AuthorityError::Random)?;
    // Neither negative nor with leading zeros, so its length is always the same.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(rcgen::SerialNumber::from_slice(&bytes))
}

/// Writes a validity into a certificate to be, in whole seconds. Moments before 1970 become 1970.
pub(super) fn valid(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch =
        |at: Timestamp| Duration::from_secs(u64::try_from(at.0.div_euclid(1_000_000)).unwrap_or(0));
    params.not_before = epoch + since_epoch(from);
    params.not_after = epoch + since_epoch(until);
}

/// `at`, earlier by `by`.
pub(super) fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp(at.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}

fn seconds(since_epoch: i64) -> Timestamp {
    Timestamp(since_epoch.saturating_mul(1_000_000))
}
