//! The life of `ca.pem` and `ca.key`: made once, loaded ever after, never replaced, never read where others may.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::{DAY, folder};
use crate::act::tls::Authority;
use crate::act::tls::authority::earlier;
use crate::model::types::Timestamp;
use crate::platform::sys::clock;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn load_error(ca: &Path) -> String {
    Authority::load_or_create(ca, clock::now()).err().expect("this authority must not load").to_string()
}

#[test]
fn an_authority_is_made_once_and_loaded_ever_after() {
    let (_dir, ca) = folder();
    let made = Authority::load_or_create(&ca, clock::now()).unwrap();
    let loaded = Authority::load_or_create(&ca, clock::now().plus(300 * DAY)).unwrap();
    assert_eq!(made.ca_pem(), loaded.ca_pem());
    assert_eq!((mode(&ca), mode(&ca.join("ca.pem")), mode(&ca.join("ca.key"))), (0o700, 0o644, 0o600));
    assert_eq!(fs::read_to_string(ca.join("ca.pem")).unwrap(), made.ca_pem());
    assert!(fs::read_to_string(ca.join("ca.key")).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(fs::read_dir(&ca).unwrap().count(), 2, "nothing else is left in the folder");
}

#[test]
fn a_key_that_others_may_read_is_refused_with_the_repair() {
    let (_dir, ca) = folder();
    let _ = Authority::load_or_create(&ca, clock::now()).unwrap();
    let key = ca.join("ca.key");
    for bad in [0o640, 0o604, 0o660, 0o610] {
        set_mode(&key, bad);
        let error = load_error(&ca);
        assert!(error.contains(&format!("(mode {bad:04o})")), "{error}");
        assert!(error.ends_with(&format!("hint: chmod 600 {}", key.display())), "{error}");
    }
    set_mode(&key, 0o400);
    assert!(Authority::load_or_create(&ca, clock::now()).is_ok());
}

#[test]
fn a_folder_that_others_may_write_is_refused_with_the_repair() {
    let (_dir, ca) = folder();
    let _ = Authority::load_or_create(&ca, clock::now()).unwrap();
    set_mode(&ca, 0o770);
    assert!(load_error(&ca).ends_with(&format!("hint: chmod 700 {}", ca.display())));
}

#[test]
fn a_start_that_was_stopped_before_the_certificate_was_in_place_leaves_nothing_behind() {
    let (_dir, ca) = folder();
    fs::create_dir_all(&ca).unwrap();
    fs::write(ca.join("ca.key.new"), "half a ke").unwrap();
    fs::write(ca.join("ca.pem.new"), "").unwrap();
    assert!(Authority::load_or_create(&ca, clock::now()).is_ok());
    assert_eq!(fs::read_dir(&ca).unwrap().count(), 2);
    assert_eq!(mode(&ca.join("ca.key")), 0o600);
}

#[test]
fn a_start_that_was_stopped_between_certificate_and_key_is_finished() {
    let (_dir, ca) = folder();
    let made = Authority::load_or_create(&ca, clock::now()).unwrap();
    fs::rename(ca.join("ca.key"), ca.join("ca.key.new")).unwrap();
    let loaded = Authority::load_or_create(&ca, clock::now()).unwrap();
    assert_eq!(made.ca_pem(), loaded.ca_pem());
    assert_eq!(fs::read_dir(&ca).unwrap().count(), 2);
}

#[test]
fn half_an_authority_is_never_replaced() {
    for (lost, kept) in [("ca.pem", "ca.key"), ("ca.key", "ca.pem")] {
        let (_dir, ca) = folder();
        let _ = Authority::load_or_create(&ca, clock::now()).unwrap();
        let before = fs::read(ca.join(kept)).unwrap();
        fs::remove_file(ca.join(lost)).unwrap();
        let error = load_error(&ca);
        assert!(error.contains(&format!("`{}` is missing", ca.join(lost).display())), "{error}");
        assert!(error.contains("\nhint: restore"), "{error}");
        assert_eq!(fs::read(ca.join(kept)).unwrap(), before);
        assert!(!ca.join(lost).exists());
    }
}

#[test]
fn key_and_certificate_must_belong_together() {
    let ((_one, first), (_two, second)) = (folder(), folder());
    for ca in [&first, &second] {
        let _ = Authority::load_or_create(ca, clock::now()).unwrap();
    }
    fs::copy(second.join("ca.pem"), first.join("ca.pem")).unwrap();
    assert!(load_error(&first).contains("is not the key of `ca.pem`"));
}

#[test]
fn files_that_hold_something_else_are_refused() {
    let (_dir, ca) = folder();
    let _ = Authority::load_or_create(&ca, clock::now()).unwrap();
    let key = rcgen::KeyPair::from_pem(&fs::read_to_string(ca.join("ca.key")).unwrap()).unwrap();
    let no_authority = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
    for (text, problem) in
        [(no_authority.as_str(), "may not sign others"), ("nothing", "holds no certificate in PEM")]
    {
        fs::write(ca.join("ca.pem"), text).unwrap();
        assert!(load_error(&ca).contains(problem), "{problem}");
    }
    fs::write(ca.join("ca.key"), "nothing").unwrap();
    assert!(load_error(&ca).contains("holds no private key in PKCS#8 PEM"));
}

#[test]
fn an_authority_whose_time_has_not_come_is_refused() {
    let (_dir, ca) = folder();
    let now = clock::now();
    let made = Authority::load_or_create(&ca, now).unwrap();
    let load = |at| Authority::load_or_create(&ca, at).err().map(|error| error.to_string());
    assert_eq!(load(made.not_after().plus(DAY)), None, "it is loaded, and signs nothing: `rotation.rs`");
    assert!(load(Timestamp(0)).unwrap().contains("hint: set the clock"));
    assert_eq!(load(earlier(now, Duration::from_secs(3500))), None, "backdated by an hour");
    assert_eq!(load(now.plus(3650 * DAY)), None, "ten years");
}
