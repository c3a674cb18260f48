//! Which records, and which part of them: filters, windows and pages.
//!
//! A row is one JSON object with the field names of the contract's section 6. Filters travel as a query string;
//! an unknown name in it is a fault, never ignored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::Fault;
use crate::model::types::Timestamp;

/// Which records; absent fields match everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// `agent_id`.
    pub agent: Option<String>,
    /// `decision`: `allow`, `deny` and so on.
    pub decision: Option<String>,
    /// `reason`: a code such as `policy.no-route`.
    pub reason: Option<String>,
    /// `destination_host`, lower case.
    pub host: Option<String>,
    /// `kind`: connection, request, dns, admin, system.
    pub kind: Option<String>,
    /// Decided at this moment or later.
    pub since: Option<Timestamp>,
    /// Decided before this moment.
    pub until: Option<Timestamp>,
}

/// Which part of the matching records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Only the newest so many of all that match; they still come oldest first.
    pub last: Option<u64>,
    /// Only records behind this position: [`Page::next`] of the page before.
    pub after: Option<u64>,
    /// Only records up to this position: [`Page::through`] of the first page, so that a search ends.
    pub through: Option<u64>,
    /// Rows of one page, at most `ADMIN_PAGE_ROWS`; that many where absent.
    pub limit: Option<u64>,
}

/// Some rows, oldest first, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Value>,
    /// Position behind the last record that was looked at.
    pub next: u64,
    /// Position of the newest record when the search began.
    pub through: u64,
    /// Whether more rows match behind `next`.
    pub more: bool,
}

const KINDS: [&str; 5] = ["connection", "request", "dns", "admin", "system"];
const DECISIONS: [&str; 7] = ["allow", "deny", "throttle", "quarantine", "transform", "alert", "log-only"];

/// Filter and window as pairs of a query string.
pub fn to_pairs(filter: &AuditFilter, window: &Window) -> Vec<(&'static str, String)> {
    let texts = [
        ("agent", &filter.agent),
        ("decision", &filter.decision),
        ("reason", &filter.reason),
        ("host", &filter.host),
        ("kind", &filter.kind),
    ];
    let moments = [("since", filter.since), ("until", filter.until)];
    let numbers = [
        ("last", window.last),
        ("after", window.after),
        ("through", window.through),
        ("limit", window.limit),
    ];
    let mut pairs = Vec::new();
    pairs.extend(texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    pairs.extend(moments.into_iter().filter_map(|(name, value)| Some((name, value?.to_string()))));
    pairs.extend(numbers.into_iter().filter_map(|(name, value)| Some((name, value?.to_string()))));
    pairs
}

/// Filter and window from the pairs of a query string; every name once, none unknown.
pub fn from_pairs<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(AuditFilter, Window), Fault> {
    let mut filter = AuditFilter::default();
    let mut window = Window::default();
    for (name, value) in pairs {
        match name {
            "agent" => once(&mut filter.agent, name, value.to_owned())?,
            "decision" => once(&mut filter.decision, name, one_of(&DECISIONS, name, value)?)?,
            "reason" => once(&mut filter.reason, name, value.to_owned())?,
            "host" => once(&mut filter.host, name, value.to_ascii_lowercase())?,
            "kind" => once(&mut filter.kind, name, one_of(&KINDS, name, value)?)?,
            "since" => once(&mut filter.since, name, moment(name, value)?)?,
            "until" => once(&mut filter.until, name, moment(name, value)?)?,
            "last" => once(&mut window.last, name, number(name, value)?)?,
            "after" => once(&mut window.after, name, number(name, value)?)?,
            "through" => once(&mut window.through, name, number(name, value)?)?,
            "limit" => once(&mut window.limit, name, number(name, value)?)?,
            _ => return Err(Fault::invalid(format!("unknown filter `{name}`"))),
        }
    }
    Ok((filter, window))
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), Fault> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::invalid(format!("filter `{name}` is given twice"))),
    }
}

fn one_of(words: &[&str], name: &str, value: &str) -> Result<String, Fault> {
    if words.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(Fault::invalid(format!("`{value}` is no {name}")).hint(format!("one of {}", words.join(", "))))
}

fn moment(name: &str, value: &str) -> Result<Timestamp, Fault> {
    Timestamp::parse(value)
        .ok_or_else(|| Fault::invalid(format!("`{value}` in `{name}` is not an RFC 3339 time")))
}

fn number(name: &str, value: &str) -> Result<u64, Fault> {
    value.parse().map_err(|_| Fault::invalid(format!("`{value}` in `{name}` is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_the_journey_through_a_query() {
        let filter = AuditFilter {
            agent: Some("alice".into()),
            decision: Some("deny".into()),
            reason: Some("policy.no-route".into()),
            host: Some("paste.example".into()),
            kind: Some("request".into()),
            since: Timestamp::parse("2026-01-02T03:04:05.678901Z"),
            until: Timestamp::parse("2026-01-03T00:00:00Z"),
        };
        let window = Window { last: Some(5), after: Some(1), through: Some(9), limit: Some(2) };
        let pairs = to_pairs(&filter, &window);
        let back = from_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str())));
        assert_eq!(back, Ok((filter, window)));
    }

    #[test]
    fn a_filter_that_is_unknown_doubled_or_malformed_is_refused() {
        for (pairs, why) in [
            (vec![("agnet", "x")], "unknown filter `agnet`"),
            (vec![("agent", "x"), ("agent", "y")], "given twice"),
            (vec![("decision", "maybe")], "`maybe` is no decision"),
            (vec![("since", "yesterday")], "not an RFC 3339 time"),
            (vec![("last", "-1")], "not a number"),
        ] {
            let fault = from_pairs(pairs).unwrap_err();
            assert!(fault.message.contains(why), "{}", fault.message);
        }
    }
}
