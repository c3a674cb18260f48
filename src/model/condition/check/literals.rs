//! Which texts a variable can be, and which stand in it: whole ones as they are compared, parts as they are searched for.
//!
//! Each answer is how to mend a text that could never be found; nothing, where it could. Every parser here is the one that
//! makes the facts, so that the two cannot differ.

use std::net::IpAddr;

use super::super::catalogue::Domain;
use super::super::functions::Does;
use crate::model::types::HostName;
use crate::model::types::host::HostNameError;
use crate::model::types::path::{PathError, canonical_path};
use crate::model::types::wording::{did_you_mean, one_of, quoted};

const NAMES: &str = "names have lower-case letters, digits, `-` and `.`";
const METHODS: &str = "it has capital letters, digits, `-`, `_` and `.`";
const PATHS: &str =
    "paths are compared in canonical form: needless escapes are undone, the others have capital letters";

/// Why a variable never is this text.
pub fn never_is(domain: Domain, text: &str) -> Option<String> {
    let stands = text.chars().all(|character| may_have(domain, character));
    match domain {
        Domain::Words(words) if words.contains(&text) => None,
        Domain::Words(words) => Some(among(text, words)),
        Domain::Name | Domain::Method if text.is_empty() => Some("it is never empty".to_owned()),
        Domain::Method if text == "CONNECT" => Some("it is refused before any rule is asked".to_owned()),
        Domain::Name | Domain::Method if stands => None,
        Domain::Name | Domain::Method => Some(in_its_case(domain, text)),
        Domain::Host if text.is_empty() => None,
        Domain::Host => never_host(text),
        Domain::Address => never_address(text),
        Domain::Path if text == "*" => None,
        Domain::Path => never_path(text),
        Domain::Any | Domain::Numbers(..) | Domain::Count | Domain::LowerCaseKeys => None,
    }
}

/// Why a variable never contains this text, or never begins or ends with it.
pub fn never_has(domain: Domain, does: Does, part: &str) -> Option<String> {
    if let Domain::Words(words) = domain {
        let fits = |word: &&str| match does {
            Does::StartsWith => word.starts_with(part),
            Does::EndsWith => word.ends_with(part),
            _ => word.contains(part),
        };
        return (!words.iter().any(fits)).then(|| among(part, words));
    }
    if !part.chars().all(|character| may_have(domain, character)) {
        return Some(in_its_case(domain, part));
    }
    let (begins, ends) = (does == Does::StartsWith, does == Does::EndsWith);
    match domain {
        Domain::Host if begins && part.starts_with('.') || ends && part.ends_with('.') => {
            Some("it neither begins nor ends with a dot".to_owned())
        }
        Domain::Path if begins && !matches!(part.chars().next(), None | Some('/' | '*')) => {
            Some(did_you("/", part))
        }
        Domain::Path if has_other_escapes(part) => Some(PATHS.to_owned()),
        _ => None,
    }
}

/// Whether a character ever stands in a text of this domain.
fn may_have(domain: Domain, character: char) -> bool {
    let digit = character.is_ascii_digit();
    match domain {
        Domain::Name => digit || character.is_ascii_lowercase() || "-.".contains(character),
        Domain::Host => digit || character.is_ascii_lowercase() || "-_.".contains(character),
        Domain::Address => digit || matches!(character, 'a'..='f' | ':' | '.'),
        Domain::Method => digit || character.is_ascii_uppercase() || "-_.".contains(character),
        // Alone, `.` is a dot segment and `%` a broken escape.
        Domain::Path => {
            let alone = format!("/{character}");
            "/.%;".contains(character) || canonical_path(&alone).is_ok_and(|path| path == alone)
        }
        _ => true,
    }
}

/// The same text in the case of the domain, where that mends it; else what is wrong with it.
fn in_its_case(domain: Domain, text: &str) -> String {
    let other = match domain {
        Domain::Method => text.to_ascii_uppercase(),
        Domain::Path => text.to_owned(),
        _ => text.to_ascii_lowercase(),
    };
    match other.chars().find(|character| !may_have(domain, *character)) {
        None => did_you("", &other),
        Some('?') if domain == Domain::Path => "the query is in `request.query`".to_owned(),
        Some(_) if domain == Domain::Name => NAMES.to_owned(),
        Some(_) if domain == Domain::Method => METHODS.to_owned(),
        Some(character) => format!("{} is never in it", quoted(&character.to_string())),
    }
}

fn did_you(before: &str, text: &str) -> String {
    format!("did you mean {}?", quoted(&format!("{before}{text}")))
}

/// Nothing, where the one way to write it is this one.
fn unless_same(text: &str, only: &str) -> Option<String> {
    (text != only).then(|| did_you("", only))
}

fn among(text: &str, words: &[&str]) -> String {
    let near = did_you_mean(text, words.iter().copied());
    near.unwrap_or_else(|| format!("it is {}", one_of(words.iter().copied())))
}

fn never_host(text: &str) -> Option<String> {
    let hint = match (HostName::parse(text), text.strip_prefix('*')) {
        (Ok(name), _) => return unless_same(text, name.as_str()),
        (Err(_), Some(rest)) if rest.starts_with('.') => {
            format!("it is one name; those below another are found by `destination.host.endsWith({rest:?})`")
        }
        (Err(HostNameError::Address), _) => "addresses are in `destination.address`".to_owned(),
        (Err(_), _) if text.contains(['/', ':']) => {
            "it is the name alone, without scheme, port and path".to_owned()
        }
        (Err(error), _) => format!("this one {error}"),
    };
    Some(hint)
}

fn never_address(text: &str) -> Option<String> {
    match text.parse::<IpAddr>() {
        Ok(address) => unless_same(text, &address.to_canonical().to_string()),
        Err(_) if text.contains('/') => {
            Some("it is one address; networks are named by `destinationCIDRs` of a route".to_owned())
        }
        Err(_) => Some("it is an address such as `192.0.2.1` or `2001:db8::1`".to_owned()),
    }
}

fn never_path(text: &str) -> Option<String> {
    match canonical_path(text) {
        Ok(path) => unless_same(text, &path),
        Err(PathError::Relative) => Some(did_you("/", text)),
        Err(_) if text.contains('?') => Some("the query is in `request.query`".to_owned()),
        Err(error) => Some(format!("this one {error}")),
    }
}

/// Whether a whole escape in a part of a path is none that a canonical path has.
fn has_other_escapes(part: &str) -> bool {
    part.match_indices('%').any(|(at, _)| {
        let whole = part.get(at..at + 3).map(|escape| format!("/{escape}"));
        whole.is_some_and(|path| !canonical_path(&path).is_ok_and(|canonical| canonical == path))
    })
}
