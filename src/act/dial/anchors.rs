//! The certificates that upstreams are judged by: bundles of PEM files, read when the daemon starts or reloads.
//!
//! It never falls back to anchors that nobody configured.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::model::types::limits;

/// Why the trust anchors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The file could not be read.
    #[error("cannot read the trust anchors in `{}`: {source}\nhint: check `spec.upstream.trustAnchors`, or install `ca-certificates`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is too long to be a bundle.
    #[error("the trust anchors in `{}` are longer than {} bytes", path.display(), limits::TRUST_BUNDLE_BYTES)]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The file is no PEM.
    #[error("the trust anchors in `{}` are not in PEM: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file holds nothing usable.
    #[error("`{}` holds no certificate that can be a trust anchor", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// The trust anchors of all configured bundles.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    pub(super) roots: Arc<RootCertStore>,
    ignored: usize,
}

impl TrustAnchors {
    /// Reads every bundle. Each must be readable, whole, and hold at least one usable certificate; single
    /// certificates that X.509 path building cannot use are counted and left out, as system bundles carry some.
    pub fn load(bundles: &[PathBuf]) -> Result<Self, AnchorError> {
        let mut roots = RootCertStore::empty();
        let mut ignored = 0;
        for path in bundles {
            let certificates = read(path)?;
            let (added, left_out) = roots.add_parsable_certificates(certificates);
            if added == 0 {
                return Err(AnchorError::Empty { path: path.clone() });
            }
            ignored += left_out;
        }
        Ok(Self { roots: Arc::new(roots), ignored })
    }

    /// How many anchors there are.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is none, so that no upstream can be trusted.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// How many certificates of the bundles could not be used.
    pub fn ignored(&self) -> usize {
        self.ignored
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, AnchorError> {
    let failed = |source| AnchorError::Read { path: path.into(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limits::TRUST_BUNDLE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits::TRUST_BUNDLE_BYTES {
        return Err(AnchorError::TooLong { path: path.into() });
    }
    CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|problem| AnchorError::Malformed { path: path.into(), problem: problem.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle.pem");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        let (_dir, path) = file("# nothing here\n");
        assert!(matches!(TrustAnchors::load(&[path]), Err(AnchorError::Empty { .. })));
    }

    #[test]
    fn a_bundle_cut_in_the_middle_is_refused() {
        let (_dir, path) = file("-----BEGIN CERTIFICATE-----\nMIIB\n");
        assert!(matches!(TrustAnchors::load(&[path]), Err(AnchorError::Malformed { .. })));
    }

    #[test]
    fn a_missing_bundle_is_an_error_that_names_the_setting() {
        let error = TrustAnchors::load(&[PathBuf::from("/nonexistent/bundle.pem")]).unwrap_err().to_string();
        assert!(
            error.contains("`/nonexistent/bundle.pem`") && error.contains("spec.upstream.trustAnchors"),
            "{error}"
        );
    }

    #[test]
    fn anchors_of_several_bundles_add_up() {
        let certificate = || {
            let key = rcgen::KeyPair::generate().unwrap();
            rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
        };
        let (_one, first) = file(&(certificate() + &certificate()));
        let (_two, second) = file(&certificate());
        let anchors = TrustAnchors::load(&[first, second]).unwrap();
        assert_eq!((anchors.len(), anchors.ignored(), anchors.is_empty()), (3, 0, false));
    }
}
