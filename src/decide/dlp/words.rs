//! What agents hear of findings: what kinds of things, and how many of each. Never the text, and nothing of what a document
//! looks for by itself.

use std::collections::BTreeMap;

use super::inspect::Match;
use super::unhide::Unreadable;
use crate::model::types::{Denial, Direction, FindingClass, PolicyRef, Reason};

/// Words in names of detectors that are written in capitals.
const CAPITALS: [&str; 24] = [
    "api", "aws", "bsn", "cnpj", "cpf", "cvv", "dea", "gcp", "iban", "icd", "id", "ip", "jwt", "mrn", "nhs",
    "nino", "npi", "pan", "pem", "pgp", "sin", "ssh", "ssn", "url",
];

/// Why something cannot be inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Its content coding is not known, or is not what it says.
    Coding,
    /// What it is.
    Content(Unreadable),
    /// It goes on past all bounds.
    Endless,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Coding => f.write_str("its content coding cannot be undone"),
            Self::Content(Unreadable::TooDeep) => {
                f.write_str("it is encoded too often, or decodes to too much")
            }
            Self::Content(Unreadable::Archive(name)) => write!(f, "it has an archive ({name})"),
            Self::Content(Unreadable::Encrypted(name)) => write!(f, "it is encrypted ({name})"),
            Self::Content(Unreadable::Media(name)) => write!(f, "it is no text ({name})"),
            Self::Content(Unreadable::Binary) => f.write_str("it is bytes of no known format"),
            Self::Endless => f.write_str("one message of it is too long"),
        }
    }
}

/// How many of what.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<(FindingClass, String), usize>);

impl Counts {
    /// One more.
    pub(super) fn add(&mut self, found: &Match, is_custom: bool) {
        let what = match found.class {
            _ if found.is_of_vault() => "secret of the vault".to_owned(),
            _ if is_custom => "thing that a policy names".to_owned(),
            FindingClass::Placeholder => "placeholder of a secret".to_owned(),
            _ => spelled(found.detector.as_str()),
        };
        *self.0.entry((found.class, what)).or_default() += 1;
    }
}

/// `3 payment cards, 2 IBAN`
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all: Vec<_> = self.0.iter().map(|((_, what), count)| (*count, what)).collect();
        // The most first, because people stop reading.
        all.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
        let said: Vec<String> = all.into_iter().map(|(count, what)| counted(count, what)).collect();
        f.write_str(&said.join(", "))
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = match what.split_once(" of ").or(what.split_once(" that ")) {
        _ if count == 1 => return format!("1 {what}"),
        Some((head, _)) => format!("{head}s{}", &what[head.len()..]),
        None if what.ends_with(|last: char| last.is_uppercase() || last == 's') => what.to_owned(),
        None if what.ends_with("ey") || !what.ends_with('y') => format!("{what}s"),
        None => format!("{}ies", &what[..what.len() - 1]),
    };
    format!("{count} {plural}")
}

/// A detector's name as people write it: `aws-access-key` is an AWS access key.
fn spelled(name: &str) -> String {
    let word = |word: &str| {
        if CAPITALS.contains(&word) { word.to_ascii_uppercase() } else { word.to_owned() }
    };
    name.split('-').map(word).collect::<Vec<_>>().join(" ")
}

/// Why a message goes no further.
pub(super) fn blocked(agent: &str, way: Direction, counts: &Counts, policy: &PolicyRef) -> Denial {
    let detail = match way {
        Direction::Up => {
            format!("What agent {agent} sends has {counts}, which may not leave. Nothing of it was sent.")
        }
        Direction::Down => format!("What is sent to agent {agent} has {counts}, which may not reach it."),
    };
    Denial::by(Reason::DlpBlocked, policy.clone(), None, detail).seen(format!("findings: {counts}"))
}

/// Why a stream goes no further, of which something has passed.
pub(super) fn broken(agent: &str, way: Direction, counts: &Counts, policy: &PolicyRef) -> Denial {
    let detail = match way {
        Direction::Up => {
            format!(
                "What agent {agent} sends has {counts}, which may not leave. It was broken off before that."
            )
        }
        Direction::Down => {
            format!(
                "What is sent to agent {agent} has {counts}, which may not reach it. It ends before that."
            )
        }
    };
    Denial::by(Reason::DlpBlocked, policy.clone(), None, detail).seen(format!("findings: {counts}"))
}

/// Why what has a finding in its path or name goes no further where findings are redacted.
pub(super) fn in_path(agent: &str, counts: &Counts, policy: &PolicyRef) -> Denial {
    let detail = format!(
        "The name or path that agent {agent} asks for has {counts}, which may not leave, and another one would ask for something \
         else. Nothing of it was sent."
    );
    Denial::by(Reason::DlpBlocked, policy.clone(), None, detail)
        .seen(format!("findings in a path or name: {counts}"))
}

/// Why what cannot be inspected goes no further.
pub(super) fn unscannable(agent: &str, way: Direction, why: Unread, policy: &PolicyRef) -> Denial {
    let detail = match way {
        Direction::Up => format!(
            "What agent {agent} sends has to be inspected, and cannot be: {why}. Send it in a form that can be read."
        ),
        Direction::Down => {
            format!("What is sent to agent {agent} has to be inspected, and cannot be: {why}.")
        }
    };
    Denial::by(Reason::DlpUnscannable, policy.clone(), None, detail).seen(format!("not inspected: {why}"))
}

/// Why what rules have to be asked about goes no further where nobody can read it.
pub(super) fn unasked(agent: &str, why: Unread) -> Denial {
    let detail = format!(
        "A rule asks for what is in what agent {agent} sends, and that cannot be read: {why}. Send it in a form that can be read."
    );
    Denial::built_in(Reason::DlpUnscannable, detail).seen(format!("rules on `dlp`, not inspected: {why}"))
}

/// Why a body that is longer than what is held goes no further.
pub(super) fn over_hold(agent: &str, most: u64, policy: &PolicyRef) -> Denial {
    let detail = format!(
        "What agent {agent} sends has to be inspected before it leaves, and has more than {most} bytes. Send it in smaller parts."
    );
    Denial::by(Reason::DlpBlocked, policy.clone(), None, detail).seen(format!("longer than {most} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_are_named_as_people_name_things() {
        let said = |count, name: &str| counted(count, &spelled(name));
        assert_eq!(said(3, "payment-card"), "3 payment cards");
        assert_eq!(said(2, "iban"), "2 IBAN");
        assert_eq!(said(1, "aws-access-key-id"), "1 AWS access key ID");
        assert_eq!(said(2, "private-key"), "2 private keys");
        assert_eq!(counted(2, "secret of the vault"), "2 secrets of the vault");
        assert_eq!(counted(2, "thing that a policy names"), "2 things that a policy names");
    }
}
