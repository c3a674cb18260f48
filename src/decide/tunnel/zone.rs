//! Which part of a name is its zone's and which part the agent chose.
//!
//! A zone is what somebody registered: the public suffix and one label more. Suffixes of companies count as well
//! (the list's private section), so that each customer of a cloud or a CDN is a zone of its own. Under a last label that the
//! list does not know (`lan`, `internal`, `cluster.local`) nobody registers anything: it is one zone. So is what stands
//! behind a wildcard where that is a public suffix (`*.com`): every name that it lets through is somebody's own.

use psl::Type;

use crate::model::types::HostName;

/// A name taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// The registrable domain; a public suffix itself where the name is one, and a last label that is none.
    pub zone: &'a str,
    /// What stands in front of it, without the dot between; empty where there is nothing.
    pub payload: &'a str,
    /// A company's suffix, and what stands in front of that: whoever runs it hears of the names of all its customers.
    pub suffix: Option<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    /// Takes a name apart by the public suffix list.
    pub fn of(host: &'a HostName) -> Self {
        let name = host.as_str();
        let Some(domain) = psl::domain(name.as_bytes()) else {
            return Self { zone: name, payload: "", suffix: None };
        };
        let suffix = domain.suffix();
        if !suffix.is_known() {
            let (payload, zone) = split(name, suffix.as_bytes().len());
            return Self { zone, payload, suffix: None };
        }
        let (payload, zone) = split(name, domain.as_bytes().len());
        let is_of_a_company = suffix.typ() == Some(Type::Private);
        let (front, suffix) = split(name, suffix.as_bytes().len());
        Self { zone, payload, suffix: is_of_a_company.then_some((suffix, front)) }
    }

    /// The same for a name that a wildcard with this base lets through: what stands in front of it is the agent's choice,
    /// also where somebody registers such names.
    pub fn below(base: &'a str, host: &'a HostName) -> Self {
        let parts = Self::of(host);
        // A company counts all its customers' names already.
        if parts.suffix.is_some() || parts.zone.len() <= base.len() {
            return parts;
        }
        let (payload, zone) = split(host.as_str(), base.len());
        Self { zone, payload, suffix: None }
    }

    /// All that the agent chose.
    pub fn chosen(&self) -> &'a str {
        self.suffix.map_or(self.payload, |(_, front)| front)
    }
}

/// The last `length` bytes of a name, and what stands in front of the dot before them. The list's parts end at dots.
fn split(name: &str, length: usize) -> (&str, &str) {
    let at = name.len().saturating_sub(length);
    let (front, rest) = name.split_at_checked(at).unwrap_or(("", name));
    (front.strip_suffix('.').unwrap_or(front), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_what_somebody_registered() {
        for (name, zone, payload, suffix) in [
            ("a.b.example.com", "example.com", "a.b", None),
            ("example.com", "example.com", "", None),
            ("x.t.example", "example", "x.t", None),
            ("data.lan", "lan", "data", None),
            ("redis.agents.svc.cluster.local", "local", "redis.agents.svc.cluster", None),
            ("ip-10-20-30-40.ec2.internal", "internal", "ip-10-20-30-40.ec2", None),
            ("a.example.co.uk", "example.co.uk", "a", None),
            ("co.uk", "co.uk", "", None),
            ("localhost", "localhost", "", None),
            ("d111111abcdef8.cloudfront.net", "d111111abcdef8.cloudfront.net", "", Some("cloudfront.net")),
            ("bucket.s3.amazonaws.com", "bucket.s3.amazonaws.com", "", Some("s3.amazonaws.com")),
            (
                "a.acct.blob.core.windows.net",
                "acct.blob.core.windows.net",
                "a",
                Some("blob.core.windows.net"),
            ),
        ] {
            let host = HostName::parse(name).unwrap();
            let parts = Parts::of(&host);
            assert_eq!(
                (parts.zone, parts.payload, parts.suffix.map(|suffix| suffix.0)),
                (zone, payload, suffix)
            );
        }
        let host = HostName::parse("a.acct.blob.core.windows.net").unwrap();
        assert_eq!(Parts::of(&host).suffix.map(|suffix| suffix.1), Some("a.acct"));
    }

    #[test]
    fn a_wildcard_at_a_public_suffix_makes_that_suffix_the_zone() {
        for (name, base, zone, payload) in [
            ("data.com", "com", "com", "data"),
            ("_8443._https.data.com", "com", "com", "_8443._https.data"),
            ("data.co.uk", "co.uk", "co.uk", "data"),
            // A suffix itself.
            ("data.ck", "ck", "ck", "data"),
            ("_dmarc.example.com", "example.com", "example.com", "_dmarc"),
            ("a.b.example.com", "b.example.com", "example.com", "a.b"),
            ("data.agents.lan", "agents.lan", "lan", "data.agents"),
            // The company's suffix counts it.
            ("data.github.io", "github.io", "data.github.io", ""),
        ] {
            let host = HostName::parse(name).unwrap();
            let parts = Parts::below(base, &host);
            assert_eq!((parts.zone, parts.payload), (zone, payload), "{name}");
        }
    }
}
