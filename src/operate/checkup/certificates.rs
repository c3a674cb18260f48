//! Certificates and their time: the authority that signs for the gateway, and the authorities that it believes.
//!
//! Pure: what stands in the files comes in. No private key is read.

use std::path::PathBuf;

use super::facts::Seen;
use crate::model::types::Timestamp;
use crate::operate::api::Check;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Days before its end at which an authority that workloads must be told of anew is said.
const SOON: i64 = 90;

/// Certificates of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bundle {
    /// Those that can be read.
    pub certificates: u64,
    /// Those of them whose time is over.
    pub expired: u64,
    /// The first moment at which one ends that has not yet.
    pub next_end: Option<Timestamp>,
}

/// What was seen of certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificates {
    /// The chain of an authority that operators brought, in the place of the gateway's own.
    pub supplied: Option<PathBuf>,
    /// The last moment of the signing certificate; absent before the first start.
    pub authority: Seen<Timestamp>,
    /// Whether another is trusted already and will follow it.
    pub upcoming: bool,
    /// Files of trusted authorities.
    pub anchors: Vec<(PathBuf, Seen<Bundle>)>,
    /// The clock.
    pub now: Timestamp,
}

/// Judges certificates.
pub fn judge(certificates: &Certificates) -> Vec<Check> {
    let mut checks = vec![authority(certificates)];
    checks.extend(certificates.anchors.iter().map(|(path, seen)| anchors(path, seen)));
    checks
}

fn authority(of: &Certificates) -> Check {
    const NAME: &str = "ca";
    let mends = |own: &str| match &of.supplied {
        None => own.to_owned(),
        Some(chain) => format!("replace {} and its key, then clawgress reload", chain.display()),
    };
    match &of.authority {
        Seen::Is(end) if *end <= of.now => Check::fail(
            NAME,
            format!("the certificate authority ended on {}: no TLS is opened", day(*end)),
            mends("clawgress ca rotate --now"),
        ),
        Seen::Is(end) if end.0.saturating_sub(of.now.0) < SOON * DAY && !of.upcoming => Check::warn(
            NAME,
            format!("the certificate authority ends on {}, in {} days", day(*end), (end.0 - of.now.0) / DAY),
            mends("clawgress ca rotate"),
        ),
        Seen::Is(end) if of.upcoming => {
            Check::ok(NAME, format!("valid until {}, and the next one is trusted already", day(*end)))
        }
        Seen::Is(end) => Check::ok(NAME, format!("valid until {}", day(*end))),
        Seen::Absent if of.supplied.is_some() => {
            Check::fail(NAME, "the certificate authority that spec.authority names is not there", mends(""))
        }
        Seen::Absent => Check::ok(NAME, "made at the first start"),
        Seen::Hidden(why) => Check::skip(NAME, format!("the authority cannot be read: {why}")),
    }
}

fn anchors(path: &std::path::Path, seen: &Seen<Bundle>) -> Check {
    let shown = path.display();
    let name = format!("anchors.{shown}");
    let system = crate::model::config::upstream::DEFAULT_TRUST_ANCHORS;
    let repair = if path == std::path::Path::new(system) {
        "apt-get install -y --reinstall ca-certificates && update-ca-certificates".to_owned()
    } else {
        format!("put certificates in PEM into {shown}, or name another file in spec.upstream.trustAnchors")
    };
    match seen {
        Seen::Is(found) if found.certificates == found.expired => Check::fail(
            name,
            format!(
                "none of {} authorities is in its time: no upstream can prove itself",
                found.certificates
            ),
            repair,
        ),
        Seen::Is(found) if found.expired > 0 => Check::ok(
            name,
            format!(
                "{} authorities, {} of them over and no longer believed",
                found.certificates, found.expired
            ),
        ),
        Seen::Is(found) => {
            let end =
                found.next_end.map_or(String::new(), |end| format!(", the first to end on {}", day(end)));
            Check::ok(name, format!("{} authorities{end}", found.certificates))
        }
        Seen::Absent => Check::fail(name, "the file is not there: no upstream can prove itself", repair),
        Seen::Hidden(why) => Check::skip(name, format!("the file cannot be read: {why}")),
    }
}

/// The date alone.
fn day(moment: Timestamp) -> String {
    let text = moment.to_string();
    text.split_once('T').map_or(text.clone(), |(day, _)| day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::api::CheckState::{Fail, Ok, Skip, Warn};

    const NOW: Timestamp = Timestamp(1_795_000_000_000_000);

    fn of(authority: Seen<Timestamp>) -> Check {
        judge(&Certificates { authority, now: NOW, ..Certificates::default() }).remove(0)
    }

    #[test]
    fn an_authority_is_said_long_before_it_ends() {
        assert_eq!(of(Seen::Is(Timestamp(NOW.0 + 91 * DAY))).state, Ok);
        let soon = Seen::Is(Timestamp(NOW.0 + 10 * DAY));
        let check = of(soon.clone());
        assert_eq!((check.state, check.repair.as_deref()), (Warn, Some("clawgress ca rotate")));
        assert!(check.found.ends_with("in 10 days"), "{}", check.found);
        let upcoming =
            Certificates { authority: soon.clone(), upcoming: true, now: NOW, ..Certificates::default() };
        assert_eq!(judge(&upcoming)[0].state, Ok, "the next one is on its way");
        let supplied = Some("/etc/ca.pem".into());
        let supplied = Certificates { authority: soon, supplied, now: NOW, ..Certificates::default() };
        let repair = judge(&supplied).remove(0).repair;
        assert_eq!(repair.as_deref(), Some("replace /etc/ca.pem and its key, then clawgress reload"));
        let ended = of(Seen::Is(NOW));
        assert_eq!((ended.state, ended.repair.as_deref()), (Fail, Some("clawgress ca rotate --now")));
        assert_eq!(of(Seen::Absent).state, Ok);
        assert_eq!(judge(&Certificates { authority: Seen::Absent, ..supplied })[0].state, Fail);
        assert_eq!(of(Seen::Hidden("no".into())).state, Skip);
    }

    #[test]
    fn authorities_of_others_have_to_be_there_and_in_their_time() {
        let of = |seen| {
            let anchors = vec![("/etc/ssl/certs/ca-certificates.crt".into(), seen)];
            judge(&Certificates { anchors, now: NOW, ..Certificates::default() }).remove(1)
        };
        let bundle = |certificates, expired| Seen::Is(Bundle { certificates, expired, next_end: Some(NOW) });
        assert_eq!(of(bundle(140, 0)).state, Ok);
        assert!(of(bundle(140, 2)).found.contains("2 of them over"));
        let none = of(bundle(0, 0));
        assert_eq!(none.state, Fail);
        assert!(none.repair.unwrap().contains("--reinstall ca-certificates"));
        assert_eq!(of(bundle(3, 3)).state, Fail);
        assert_eq!(of(Seen::Absent).state, Fail);
        assert_eq!(of(Seen::Hidden("no".into())).state, Skip);
    }
}
