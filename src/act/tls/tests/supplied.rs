//! An authority that operators bring: what it signs is trusted by whoever trusts the root, and what could not be is refused at load.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints,
};
use tempfile::TempDir;

use super::{DAY, name};
use crate::act::tls::authority::{earlier, named, valid};
use crate::act::tls::leaf::Leaves;
use crate::act::tls::{Authorities, Origin, RotateError};
use crate::platform::sys::clock;

/// An authority of this name, before it is signed.
fn authority(common_name: &str, below: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(common_name);
    params.is_ca = IsCa::Ca(below);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    valid(&mut params, earlier(clock::now(), DAY), clock::now().plus(DAY * 90));
    params
}

/// Root and intermediate, each with what a test changes of it, in two files.
fn chain(
    root: impl Fn(&mut CertificateParams),
    issuing: impl Fn(&mut CertificateParams),
) -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut above = authority("Corp Root", BasicConstraints::Unconstrained);
    root(&mut above);
    let top = above.self_signed(&root_key).unwrap();
    let mut below = authority("Corp Egress", BasicConstraints::Constrained(0));
    issuing(&mut below);
    let middle = below.signed_by(&key, &Issuer::new(above, root_key)).unwrap();
    let (certificates, private) = (dir.path().join("chain.pem"), dir.path().join("chain.key"));
    fs::write(&certificates, format!("{}{}", middle.pem(), top.pem())).unwrap();
    write_key(&private, &key);
    (dir, certificates, private)
}

fn write_key(path: &Path, key: &KeyPair) {
    fs::write(path, key.serialize_pem()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
}

fn usual() -> (TempDir, PathBuf, PathBuf) {
    chain(|_| {}, |_| {})
}

fn refusal(chain: &Path, key: &Path) -> String {
    Authorities::supplied(chain, key, clock::now()).err().expect("it must be refused").to_string()
}

#[test]
fn a_leaf_leads_over_the_intermediate_to_the_root_that_workloads_trust() {
    let (_dir, certificates, key) = usual();
    let now = clock::now();
    let authorities = Arc::new(Authorities::supplied(&certificates, &key, now).unwrap());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let leaves = Leaves::new(authorities.clone(), provider).unwrap();
    let leaf = leaves.get(&name("a.example"), now).unwrap();
    assert_eq!(leaf.certified.cert.len(), 2, "the leaf and the intermediate, without the root");
    let (_, parsed) = x509_parser::parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
    assert_eq!(parsed.issuer().to_string(), "CN=Corp Egress");
    let end = authorities.signing().not_after();
    assert!(parsed.validity().not_after.timestamp() * 1_000_000 <= end.0);
    let bundle = authorities.bundle();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 1);
    assert!(
        fs::read_to_string(&certificates).unwrap().ends_with(bundle.as_str()),
        "the root alone is handed out"
    );
    assert_eq!(authorities.list()[0].0.subject, "CN=Corp Egress");
    assert!(
        matches!(authorities.rotate(None, now), Err(RotateError::Supplied(file)) if file == certificates)
    );
    assert_eq!(*authorities.origin(), Origin::Supplied(certificates, key));
}

#[test]
fn what_clients_would_refuse_is_refused_at_load_with_what_is_wrong() {
    let late = |params: &mut CertificateParams| {
        valid(params, earlier(clock::now(), DAY * 2), earlier(clock::now(), DAY));
    };
    let early = |params: &mut CertificateParams| {
        valid(params, clock::now().plus(DAY), clock::now().plus(DAY * 2));
    };
    let no_authority = |params: &mut CertificateParams| params.is_ca = IsCa::ExplicitNoCa;
    let tight = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let narrow = |params: &mut CertificateParams| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("corp.example".into())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: vec![] });
    };
    for (made, what) in [
        (
            chain(|_| {}, no_authority),
            "holds `CN=Corp Egress`, which is no authority: it may not sign certificates",
        ),
        (chain(|_| {}, late), "holds `CN=Corp Egress`, which has expired: it was valid until "),
        (chain(late, |_| {}), "holds `CN=Corp Root`, which has expired"),
        (chain(|_| {}, early), "holds `CN=Corp Egress`, which is valid from "),
        (
            chain(tight, |_| {}),
            "holds `CN=Corp Root`, which allows 0 authorities below itself, and 1 stand there",
        ),
        (chain(|_| {}, narrow), "holds `CN=Corp Egress`, which has name constraints"),
    ] {
        let (_dir, certificates, key) = made;
        let said = refusal(&certificates, &key);
        assert!(said.starts_with(&format!("`{}` {what}", certificates.display())), "{said}");
        assert!(
            said.ends_with(
                "hint: spec.authority names the chain, the issuing certificate first, and its key"
            )
        );
    }
}

#[test]
fn a_key_of_another_or_that_everybody_reads_and_a_chain_in_another_order_are_refused() {
    let (_dir, certificates, key) = usual();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refusal(&certificates, &key).contains("may be read by others than its owner (mode 0644)"));
    write_key(&key, &KeyPair::generate().unwrap());
    let said = refusal(&certificates, &key);
    assert!(
        said.contains(&format!("is not the key of the first certificate of `{}`", certificates.display())),
        "{said}"
    );
    fs::write(&key, "nothing").unwrap();
    assert!(refusal(&certificates, &key).contains("holds no private key in PEM that can be used"));

    let (_dir, certificates, key) = usual();
    let text = fs::read_to_string(&certificates).unwrap();
    let (_dir_of_other, other, _) = usual();
    let stranger = fs::read_to_string(other).unwrap();
    let root = |text: &str| text[text.rfind("-----BEGIN").unwrap()..].to_owned();
    fs::write(&certificates, text.replace(&root(&text), &root(&stranger))).unwrap();
    assert!(refusal(&certificates, &key).contains("holds certificates that do not lead to one another"));
    fs::write(&certificates, "").unwrap();
    assert!(
        refusal(&certificates, &key)
            .contains("holds 0 certificates; a chain has 1 to 8, the issuing one first")
    );
}

#[test]
fn replaced_files_count_when_they_are_read_anew_and_bad_ones_change_nothing() {
    let (_dir, certificates, key) = usual();
    let now = clock::now();
    let authorities = Authorities::supplied(&certificates, &key, now).unwrap();
    assert!(!authorities.reload(now).unwrap(), "the same");
    let before = authorities.list();
    let (_other, new, new_key) = usual();
    fs::copy(&new, &certificates).unwrap();
    assert!(
        authorities.reload(now).unwrap_err().to_string().contains("is not the key of the first certificate")
    );
    assert_eq!(authorities.list(), before, "the one in force goes on signing");
    fs::copy(&new_key, &key).unwrap();
    assert!(authorities.reload(now.plus(Duration::from_secs(1))).unwrap());
    assert_ne!(authorities.list(), before);
}
