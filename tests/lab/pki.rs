//! The certificate authority of the outside world, and certificates good and bad.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// One authority, and its folder for certificates.
pub struct Pki {
    folder: PathBuf,
    authority: Issuer<'static, KeyPair>,
    counter: AtomicU32,
}

/// A certificate (with its chain) and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Pki {
    /// Makes an authority; its certificate is at `authority`.
    pub fn new(home: &Path) -> Self {
        let folder = home.join("pki");
        fs::create_dir_all(&folder).expect("folder for certificates");
        let (authority, pem) = new_authority("Outside World");
        fs::write(folder.join("authority.pem"), pem).expect("the authority's certificate");
        Self { folder, authority, counter: AtomicU32::new(0) }
    }

    /// The PEM file that trusts this authority.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// A good certificate for these names or addresses.
    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.signed(parameters(names), &self.authority)
    }

    /// A certificate that ended in 2021.
    pub fn expired(&self, names: &[&str]) -> Leaf {
        let mut parameters = parameters(names);
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(2021, 1, 1);
        self.signed(parameters, &self.authority)
    }

    /// A certificate that begins in 2090.
    pub fn not_yet_valid(&self, names: &[&str]) -> Leaf {
        let mut parameters = parameters(names);
        parameters.not_before = date_time_ymd(2090, 1, 1);
        self.signed(parameters, &self.authority)
    }

    /// A certificate that is good for another name alone.
    pub fn wrong_name(&self) -> Leaf {
        self.leaf(&["somebody-else.example"])
    }

    /// A certificate that only vouches for itself.
    pub fn self_signed(&self, names: &[&str]) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters(names).self_signed(&key).expect("a certificate");
        self.write(&certificate.pem(), &key)
    }

    /// A certificate of an authority that nobody trusts.
    pub fn foreign(&self, names: &[&str]) -> Leaf {
        self.signed(parameters(names), &new_authority("Nobody").0)
    }

    fn signed(&self, mut parameters: CertificateParams, authority: &Issuer<'_, KeyPair>) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters.signed_by(&key, authority).expect("a certificate");
        self.write(&certificate.pem(), &key)
    }

    fn write(&self, certificate: &str, key: &KeyPair) -> Leaf {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let leaf = Leaf {
            certificate: self.folder.join(format!("leaf-{number}.pem")),
            key: self.folder.join(format!("leaf-{number}.key")),
        };
        fs::write(&leaf.certificate, certificate).expect("a certificate file");
        fs::write(&leaf.key, key.serialize_pem()).expect("a key file");
        leaf
    }
}

fn parameters(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let common_name = names.first().cloned().unwrap_or_default();
    let mut parameters = CertificateParams::new(names).expect("valid names");
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2100, 1, 1);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters
}

fn new_authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().expect("a key");
    let mut parameters = parameters(&[]);
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.extended_key_usages.clear();
    let pem = parameters.self_signed(&key).expect("a certificate").pem();
    (Issuer::new(parameters, key), pem)
}
