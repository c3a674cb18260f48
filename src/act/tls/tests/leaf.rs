//! Certificates as clients and OpenSSL read them, and the cache that keeps them.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ParsedExtension, X509Certificate};

use super::{DAY, authority, name};
use crate::act::tls::Authorities;
use crate::act::tls::authority::earlier;
use crate::act::tls::leaf::{LEAF_LIFE, Leaves};
use crate::platform::sys::clock;

fn leaves(authority: &Arc<Authorities>) -> Leaves {
    Leaves::new(Arc::clone(authority), Arc::new(rustls::crypto::aws_lc_rs::default_provider())).unwrap()
}

fn extension<T>(
    certificate: &X509Certificate<'_>,
    pick: impl Fn(&ParsedExtension<'_>) -> Option<T>,
) -> (bool, T) {
    let found =
        certificate.extensions().iter().find_map(|e| pick(e.parsed_extension()).map(|v| (e.critical, v)));
    found.expect("the extension is there")
}

fn subject_key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    extension(certificate, |e| match e {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
    .1
}

#[test]
fn the_authority_signs_servers_and_no_authorities() {
    let (_dir, authority) = authority();
    let der = CertificateDer::from_pem_slice(authority.bundle().as_bytes()).unwrap();
    let (_, ca) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(ca.subject().to_string().starts_with("CN=Clawgress CA "), "{}", ca.subject());
    assert_eq!(ca.subject(), ca.issuer());
    let constraints = ca.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = ca.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.flags, (1 << 5) | (1 << 6), "keyCertSign and cRLSign alone");
    let extended = ca.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.any && !extended.client_auth);
    assert_eq!(subject_key_id(&ca).len(), 20);
}

#[test]
fn a_leaf_is_for_one_name_and_one_purpose() {
    let (_dir, authority) = authority();
    let ca_der = CertificateDer::from_pem_slice(authority.bundle().as_bytes()).unwrap();
    let (_, ca) = x509_parser::parse_x509_certificate(&ca_der).unwrap();
    let now = clock::now();
    let leaf = leaves(&authority).mint(&name("api.name.example"), now).unwrap();
    assert_eq!(leaf.certified.cert.len(), 1, "clients have the authority already");
    let (_, certificate) = x509_parser::parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
    assert_eq!(certificate.subject().to_string(), "CN=api.name.example");
    assert_eq!(certificate.issuer(), ca.subject());
    let names = certificate.subject_alternative_name().unwrap().unwrap().value;
    assert_eq!(names.general_names, [GeneralName::DNSName("api.name.example")]);
    assert!(!certificate.is_ca());
    assert_eq!(certificate.key_usage().unwrap().unwrap().value.flags, 1, "digitalSignature alone");
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.any && !extended.client_auth);
    let issuer_key_id = extension(&certificate, |e| match e {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    });
    assert_eq!(issuer_key_id, (false, subject_key_id(&ca)));
    assert_eq!(subject_key_id(&certificate).len(), 20);
    let at = now.0.div_euclid(1_000_000);
    assert_eq!(certificate.validity().not_before.timestamp(), at - 3600);
    assert_eq!(certificate.validity().not_after.timestamp(), at + 7 * 86_400);
}

#[test]
fn a_leaf_for_an_address_names_the_address() {
    let (_dir, authority) = authority();
    let leaves = leaves(&authority);
    for (text, octets) in [
        ("192.0.2.7", vec![192, 0, 2, 7]),
        ("::ffff:192.0.2.7", vec![192, 0, 2, 7]),
        ("::1", [vec![0; 15], vec![1]].concat()),
    ] {
        let leaf = leaves.mint(&name(text), clock::now()).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(names.general_names, [GeneralName::IPAddress(&octets)]);
    }
}

#[test]
fn a_name_too_long_for_a_common_name_stands_in_the_san_alone() {
    let (_dir, authority) = authority();
    let long = format!("{}.{}.example", "a".repeat(60), "b".repeat(60));
    let leaf = leaves(&authority).mint(&name(&long), clock::now()).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
    assert_eq!(certificate.subject().to_string(), "CN=Clawgress leaf");
    let names = certificate.subject_alternative_name().unwrap().unwrap().value;
    assert_eq!(names.general_names, [GeneralName::DNSName(&long)]);
}

#[test]
fn no_two_leaves_have_one_serial_number() {
    let (_dir, authority) = authority();
    let leaves = leaves(&authority);
    let serials: std::collections::HashSet<Vec<u8>> = (0..100)
        .map(|_| {
            let leaf = leaves.mint(&name("name.example"), clock::now()).unwrap();
            let (_, certificate) = x509_parser::parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
            certificate.raw_serial().to_vec()
        })
        .collect();
    assert_eq!(serials.len(), 100);
    assert!(serials.iter().all(|serial| serial.len() == 16 && serial[0] < 0x80));
}

#[test]
fn a_leaf_is_minted_once_and_renewed_in_the_last_third_of_its_life() {
    let (_dir, authority) = authority();
    let leaves = leaves(&authority);
    let (host, now) = (name("name.example"), clock::now());
    let first = leaves.get(&host, now).unwrap();
    let second_third = now.plus(LEAF_LIFE * 2 / 3 - Duration::from_secs(1));
    assert!(Arc::ptr_eq(&first, &leaves.get(&host, second_third).unwrap()));
    let last_third = now.plus(LEAF_LIFE * 2 / 3 + Duration::from_secs(1));
    let renewed = leaves.get(&host, last_third).unwrap();
    assert!(!Arc::ptr_eq(&first, &renewed));
    assert!(Arc::ptr_eq(&renewed, &leaves.get(&host, last_third).unwrap()));
}

#[test]
fn of_many_that_ask_for_a_new_name_at_once_one_mints() {
    let (_dir, authority) = authority();
    let leaves = leaves(&authority);
    let (start, now) = (Barrier::new(8), clock::now());
    let found: Vec<usize> = std::thread::scope(|scope| {
        let ask = || {
            start.wait();
            Arc::as_ptr(&leaves.get(&name("name.example"), now).unwrap()) as usize
        };
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|leaf| *leaf == found[0]));
}

#[test]
fn a_leaf_does_not_outlive_its_authority() {
    let (_dir, authority) = authority();
    let late = earlier(authority.signing().not_after(), DAY);
    let leaves = leaves(&authority);
    let leaf = leaves.get(&name("name.example"), late).unwrap();
    assert!(Arc::ptr_eq(&leaf, &leaves.get(&name("name.example"), late).unwrap()), "short-lived, yet kept");
    let (_, certificate) = x509_parser::parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
    assert_eq!(certificate.validity().not_after.timestamp() * 1_000_000, authority.signing().not_after().0);
}

#[test]
fn openssl_accepts_the_chain_in_its_strictest_mode() {
    let (dir, authority) = authority();
    let ca = dir.path().join("state/ca/ca.pem");
    let leaves = leaves(&authority);
    for (text, check) in [("api.name.example", "-verify_hostname"), ("2001:db8::7", "-verify_ip")] {
        let leaf = leaves.mint(&name(text), clock::now()).unwrap();
        let der = dir.path().join("leaf.der");
        fs::write(&der, &leaf.certified.cert[0]).unwrap();
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let (ca, der) = (ca.to_str().unwrap(), der.to_str().unwrap());
        let verified =
            openssl(&["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca, check, text, der]);
        assert!(verified.ends_with(": OK\n"), "{verified}");
        let shown = openssl(&["x509", "-inform", "DER", "-in", der, "-noout", "-text"]);
        for expected in
            ["ecdsa-with-SHA256", "NIST CURVE: P-256", "TLS Web Server Authentication", "CA:FALSE"]
        {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
    }
}
