//! Leaf certificates: one per name, minted when first needed, kept in a bounded cache, renewed in their last third.
//!
//! All leaves of a process share one P-256 key, made at start and never written anywhere. A key per leaf would guard
//! nothing: whoever reads one from this process's memory reads all of them, and the CA's key besides. Sharing makes
//! minting one signature. Names are exact: a wildcard is no `HostName`, so none can be minted.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quick_cache::sync::Cache;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs::sign::any_ecdsa_type};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use super::authority::{self, Authority, AuthorityError, BACKDATE};
use super::rotation::Authorities;
use crate::model::types::{HostName, Timestamp, limits};

/// How long a leaf is valid from now on. Long enough that an idle host does not mint, short enough that what an
/// old process signed is soon worth nothing.
pub const LEAF_LIFE: Duration = Duration::from_secs(7 * 86_400);
/// Longest common name (RFC 5280, appendix A.1, `ub-common-name`). Longer names stand in the SAN alone, where every
/// current client looks.
const COMMON_NAME: usize = 64;

/// What a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TlsName {
    /// A host: SAN `dNSName`.
    Host(HostName),
    /// An address: SAN `iPAddress`.
    Address(IpAddr),
}

impl std::fmt::Display for TlsName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl From<&HostName> for TlsName {
    fn from(host: &HostName) -> Self {
        Self::Host(host.clone())
    }
}

impl From<IpAddr> for TlsName {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

/// One leaf, and the server configurations that present it, made when first asked for.
pub(super) struct Leaf {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) configs: [OnceLock<Arc<ServerConfig>>; 3],
    /// Who has signed it.
    authority: Arc<Authority>,
    renew_at: Timestamp,
}

/// Mints and keeps leaves. Shared by all workers.
pub(super) struct Leaves {
    authorities: Arc<Authorities>,
    provider: Arc<CryptoProvider>,
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    kept: Cache<TlsName, Arc<Leaf>>,
}

impl Leaves {
    pub(super) fn new(
        authorities: Arc<Authorities>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = any_ecdsa_type(&der).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(Self { authorities, provider, key, signing, kept: Cache::new(limits::LEAF_CACHE) })
    }

    /// The leaf for a name. Of several workers that ask at once for a new name one mints, and the others wait for it:
    /// one signature, which is shorter than any other way to wait.
    pub(super) fn get(&self, name: &TlsName, now: Timestamp) -> Result<Arc<Leaf>, AuthorityError> {
        let leaf = self.kept.get_or_insert_with(name, || self.mint(name, now).map(Arc::new))?;
        // What another authority has signed is minted anew, whatever has come in between.
        if now < leaf.renew_at && Arc::ptr_eq(&leaf.authority, &self.authorities.signing()) {
            return Ok(leaf);
        }
        // Removed only if it is still the old one: another worker may have renewed it meanwhile.
        self.kept.remove_if(name, |kept| Arc::ptr_eq(kept, &leaf));
        self.kept.get_or_insert_with(name, || self.mint(name, now).map(Arc::new))
    }

    /// Signs a fresh leaf.
    pub(super) fn mint(&self, name: &TlsName, now: Timestamp) -> Result<Leaf, AuthorityError> {
        let authority = self.authorities.signing();
        if now > authority.not_after() {
            return Err(AuthorityError::Expired { not_after: authority.not_after() });
        }
        let mut params = CertificateParams::default();
        let (text, alternative) = match name {
            TlsName::Host(host) => (host.as_str().to_owned(), SanType::DnsName(host.as_str().try_into()?)),
            TlsName::Address(address) => (address.to_string(), SanType::IpAddress(*address)),
        };
        params.distinguished_name =
            authority::named(if text.len() <= COMMON_NAME { &text } else { "Clawgress leaf" });
        params.subject_alt_names = vec![alternative];
        params.serial_number = Some(authority::serial(self.provider.secure_random)?);
        // Writes the subject key identifier besides `CA:FALSE`.
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Never outside the authority's own time: some clients refuse chains that are not nested.
        let not_before = authority::earlier(now, BACKDATE).max(authority.not_before());
        let not_after = now.plus(LEAF_LIFE).min(authority.not_after());
        authority::valid(&mut params, not_before, not_after);
        let certificate = params.signed_by(&self.key, authority.issuer())?;
        let chain =
            std::iter::once(certificate.der().clone()).chain(authority.chain().iter().cloned()).collect();
        let certified = CertifiedKey::new(chain, Arc::clone(&self.signing));
        Ok(Leaf {
            certified: Arc::new(certified),
            configs: Default::default(),
            authority,
            renew_at: authority::earlier(not_after, not_after.since(now) / 3),
        })
    }
}
