//! One authority follows another: what is trusted, what signs, and what a start finds wherever the last one was stopped.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{DAY, folder, name};
use crate::act::tls::authority::earlier;
use crate::act::tls::leaf::Leaves;
use crate::act::tls::{Authorities, AuthorityError, Role, RotateError, Turn};
use crate::model::types::Timestamp;
use crate::platform::sys::clock;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn open(ca: &Path, now: Timestamp) -> Authorities {
    Authorities::own(ca, now).unwrap()
}

/// The fingerprint of each authority, and what it does.
fn roles(authorities: &Authorities) -> Vec<(String, Role)> {
    authorities.list().into_iter().map(|(about, role)| (about.fingerprint, role)).collect()
}

fn count(authorities: &Authorities) -> usize {
    authorities.bundle().matches("-----BEGIN CERTIFICATE-----").count()
}

#[test]
fn a_new_authority_is_trusted_at_once_and_signs_when_the_overlap_is_over() {
    let (_dir, ca) = folder();
    let now = clock::now();
    let authorities = open(&ca, now);
    let [(old, Role::Signing)] = &roles(&authorities)[..] else { panic!("one authority") };
    authorities.rotate(Some(WEEK), now).unwrap();
    let both = roles(&authorities);
    let [(signing, Role::Signing), (new, Role::Upcoming(at))] = &both[..] else { panic!("{both:?}") };
    assert_eq!((signing, *at, count(&authorities)), (old, now.plus(WEEK), 2));
    assert!(matches!(authorities.rotate(Some(DAY), now), Err(RotateError::UnderWay(found)) if found == *at));

    // A start finds both, and so does one whose overlap went by meanwhile.
    assert_eq!(roles(&open(&ca, now)), both);
    assert_eq!(authorities.tend(earlier(*at, Duration::from_secs(1))), []);
    let turned = authorities.tend(*at);
    assert!(matches!(&turned[..], [Turn::Signs(about)] if about.fingerprint == *new), "{turned:?}");
    let after = [(new.clone(), Role::Signing), (old.clone(), Role::Retiring)];
    assert_eq!((roles(&authorities), count(&authorities)), (after.to_vec(), 2));
    assert_eq!(roles(&open(&ca, *at)), after);
    assert!(!ca.join("next.key").exists() && !ca.join("next.at").exists());
}

#[test]
fn at_once_the_new_one_signs_and_the_next_rotation_ends_the_trust_in_the_first() {
    let (_dir, ca) = folder();
    let now = clock::now();
    let authorities = open(&ca, now);
    let first = roles(&authorities)[0].0.clone();
    authorities.rotate(None, now).unwrap();
    let second = roles(&authorities)[0].0.clone();
    assert_eq!(roles(&authorities)[1], (first.clone(), Role::Retiring));
    authorities.rotate(Some(WEEK), now).unwrap();
    assert_eq!(roles(&authorities).len(), 2, "the first is trusted no longer");
    assert!(!ca.join("old.pem").exists());
    authorities.rotate(None, now).unwrap();
    let all = roles(&authorities);
    assert_eq!((all.len(), &all[1]), (2, &(second, Role::Retiring)), "an upcoming one may sign at once");
    assert!(all.iter().all(|(found, _)| *found != first));
}

#[test]
fn leaves_follow_the_authority_that_signs() {
    let (_dir, ca) = folder();
    let now = clock::now();
    let authorities = std::sync::Arc::new(open(&ca, now));
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let leaves = Leaves::new(authorities.clone(), provider).unwrap();
    let issuer = || {
        let leaf = leaves.get(&name("a.example"), now).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
        parsed.issuer().to_string()
    };
    let before = issuer();
    authorities.rotate(Some(WEEK), now).unwrap();
    assert_eq!(issuer(), before, "until the overlap is over");
    authorities.rotate(None, now).unwrap();
    assert_eq!(issuer(), authorities.signing().about().subject);
    assert_ne!(issuer(), before);
}

#[test]
fn wherever_a_switch_is_stopped_a_start_finds_one_authority_that_signs() {
    let now = clock::now();
    // What of the four steps was done: the old certificate kept, the new one in place, its key in place, the moment removed.
    for steps in 0..4 {
        let (_dir, ca) = folder();
        let authorities = open(&ca, now);
        let old = roles(&authorities)[0].0.clone();
        authorities.rotate(Some(WEEK), now).unwrap();
        let new = roles(&authorities)[1].0.clone();
        drop(authorities);
        if steps > 0 {
            fs::copy(ca.join("ca.pem"), ca.join("old.pem")).unwrap();
        }
        if steps > 1 {
            fs::rename(ca.join("next.pem"), ca.join("ca.pem")).unwrap();
        }
        if steps > 2 {
            fs::rename(ca.join("next.key"), ca.join("ca.key")).unwrap();
        }
        let found = open(&ca, now);
        let expected = match steps {
            0 | 1 => vec![(old, Role::Signing), (new, Role::Upcoming(now.plus(WEEK)))],
            _ => vec![(new, Role::Signing), (old, Role::Retiring)],
        };
        assert_eq!(roles(&found), expected, "after {steps} steps");
    }
}

#[test]
fn a_rotation_that_was_stopped_before_its_moment_was_written_never_was() {
    let (_dir, ca) = folder();
    let now = clock::now();
    let authorities = open(&ca, now);
    authorities.rotate(Some(WEEK), now).unwrap();
    fs::remove_file(ca.join("next.at")).unwrap();
    fs::write(ca.join("next.at.new"), "20").unwrap();
    let found = open(&ca, now);
    assert_eq!(roles(&found).len(), 1);
    assert!(!ca.join("next.key").exists(), "its key is gone");
    found.rotate(Some(WEEK), now).unwrap();
    assert_eq!(roles(&open(&ca, now)).len(), 2);
}

#[test]
fn an_end_that_is_near_is_said_three_times_and_once_more_when_it_has_come() {
    let (_dir, ca) = folder();
    let authorities = open(&ca, clock::now());
    let end = authorities.signing().not_after();
    let said = |before: Duration| -> Vec<u64> {
        let turns = authorities.tend(earlier(end, before));
        turns
            .iter()
            .filter_map(|turn| if let Turn::Ends(_, days) = turn { Some(*days) } else { None })
            .collect()
    };
    let days = |count: u32| DAY * count;
    let second = Duration::from_secs(1);
    for (before, expected) in [
        (days(31), &[][..]),
        (days(30) - second, &[30]),
        (days(20), &[]),
        (days(7) - second, &[7]),
        (days(7) - 2 * second, &[]),
        (days(1) - second, &[1]),
    ] {
        assert_eq!(said(before), expected, "{before:?} before");
    }
    let turns = authorities.tend(end.plus(second));
    assert!(matches!(&turns[..], [Turn::Ends(_, 0)]), "{turns:?}");
    assert_eq!(authorities.tend(end.plus(DAY)), [], "said once");
}

#[test]
fn an_authority_whose_time_is_over_signs_nothing_and_a_new_one_does() {
    let (_dir, ca) = folder();
    let made = open(&ca, clock::now());
    let later = made.signing().not_after().plus(DAY);
    let authorities = std::sync::Arc::new(open(&ca, later));
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let leaves = Leaves::new(authorities.clone(), provider).unwrap();
    let refused = leaves.get(&name("a.example"), later).err().unwrap();
    assert!(matches!(refused, AuthorityError::Expired { .. }), "{refused}");
    assert!(refused.to_string().starts_with("the authority has expired: it was valid until "), "{refused}");
    authorities.rotate(None, later).unwrap();
    assert!(leaves.get(&name("a.example"), later).is_ok());
    let turns = authorities.tend(later);
    assert!(matches!(&turns[..], [Turn::Left(_)]), "the old one is trusted by nobody: {turns:?}");
    assert_eq!(count(&authorities), 1);
}

#[test]
fn a_copy_holds_all_that_a_start_needs() {
    let (dir, ca) = folder();
    let now = clock::now();
    let authorities = open(&ca, now);
    authorities.rotate(None, now).unwrap();
    authorities.rotate(Some(WEEK), now).unwrap();
    let copy = dir.path().join("copy");
    authorities.copy_into(&copy).unwrap();
    assert_eq!(roles(&open(&copy, now)), roles(&authorities));
}
