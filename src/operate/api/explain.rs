//! A hypothetical request and what would become of it.

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::model::types::{Decision, Reason, Timestamp};

/// What would happen if this agent asked this?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainQuery {
    /// The agent's name.
    pub agent: String,
    /// `http://...`, `https://...`, `HOST:PORT` for a connection, `udp://HOST:PORT` for a flow of datagrams, `dns://NAME` for
    /// a look-up.
    pub target: String,
    /// HTTP method; GET for URLs where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Header fields, name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// When; now where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A target taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A request.
    Url {
        /// Whether the scheme is `https`.
        tls: bool,
        /// Host name or address literal, without brackets, as written.
        host: String,
        /// Port, the scheme's own where absent.
        port: u16,
        /// Path and query, at least `/`.
        path: String,
    },
    /// A connection.
    Connection {
        /// Host name or address literal, without brackets, as written.
        host: String,
        /// Port.
        port: u16,
    },
    /// A UDP flow.
    Flow {
        /// Host name or address literal, without brackets, as written.
        host: String,
        /// Port.
        port: u16,
    },
    /// A look-up of a name.
    Lookup {
        /// The name as written.
        name: String,
    },
}

impl ExplainQuery {
    /// Takes `target` apart; says what is wrong with it.
    pub fn parse_target(&self) -> Result<Target, Fault> {
        let wrong = |why: &str| {
            Fault::invalid(format!("`{}` {why}", self.target))
                .hint("write `https://host/path`, `http://host:port/path`, `host:port`, `udp://host:port` or `dns://name`")
        };
        if let Some(name) = self.target.strip_prefix("dns://") {
            let name = name.strip_suffix('.').unwrap_or(name);
            let named = !name.is_empty() && !name.contains(['/', ':', '@']);
            return named
                .then(|| Target::Lookup { name: name.to_owned() })
                .ok_or_else(|| wrong("is not `dns://NAME`"));
        }
        if let Some(place) = self.target.strip_prefix("udp://") {
            let authority: http::uri::Authority =
                place.parse().map_err(|_| wrong("is not `udp://HOST:PORT`"))?;
            let port = authority.port_u16().filter(|_| !place.contains('@'));
            let port = port.ok_or_else(|| wrong("is not `udp://HOST:PORT`"))?;
            let port = nonzero(port).ok_or_else(|| wrong("has port 0"))?;
            return Ok(Target::Flow { host: bare(authority.host()), port });
        }
        if !self.target.contains("://") {
            let uri: http::Uri = self.target.parse().map_err(|_| wrong("is neither a URL nor HOST:PORT"))?;
            let (Some(host), Some(port), None) = (uri.host(), uri.port_u16(), uri.scheme()) else {
                return Err(wrong("is neither a URL nor HOST:PORT"));
            };
            return Ok(Target::Connection {
                host: bare(host),
                port: nonzero(port).ok_or_else(|| wrong("has port 0"))?,
            });
        }
        let uri: http::Uri = self.target.parse().map_err(|_| wrong("is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("is none of http, https, udp and dns")),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("carries a user name, which no request does"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let port = nonzero(port).ok_or_else(|| wrong("has port 0"))?;
        Ok(Target::Url { tls, host: bare(host), port, path })
    }
}

fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

fn nonzero(port: u16) -> Option<u16> {
    (port != 0).then_some(port)
}

/// What would become of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// The agent asked about.
    pub agent: String,
    /// The request in words: `POST https://paste.example/upload`, `tcp 192.0.2.1:22`, `tls a.example:443`, `udp time.example:123`.
    pub request: String,
    /// Whether it would be let through.
    pub allowed: bool,
    /// The word that the record has, or would have.
    #[serde(default)]
    pub decision: Decision,
    /// The code, for a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// `Kind/name` of the document that speaks in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Rule inside that document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What lets it through, where a rule that binds it speaks in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<Opener>,
    /// What each stage finds, in order; the last is the one that decides.
    pub steps: Vec<Step>,
    /// The rule that came nearest to allowing it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// The same for programs, where it is a rule of an EgressPolicy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest_rule: Option<NearestRule>,
    /// What would allow it: one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// What the record says, where a recorded decision is explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

/// What lets something through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opener {
    /// `Kind/name` of the document.
    pub policy: String,
    /// Rule inside that document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// A rule that would have let it through, had its condition held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearestRule {
    /// `EgressPolicy/NAME`.
    pub policy: String,
    /// Rule inside that document.
    pub rule: String,
    /// Its condition, as it was written.
    pub when: String,
    /// The parts of the condition that were false, or that only a request could have met.
    pub unmet: Vec<String>,
}

/// A decision as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The whole request id.
    pub request_id: String,
    /// When it was decided.
    pub at: Timestamp,
    /// `allow`, `deny` and so on.
    pub decision: String,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Digest of the set that decided.
    pub policy_digest: String,
    /// Whether that set is in force still.
    pub in_force: bool,
}

/// One stage's finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `identity`, `dns`, `name`, `protocol`, `destination`, `deny`, `rules`, `routes`, `default`, `approvals`; `gateway` where this host answers.
    pub stage: String,
    /// What the stage says.
    pub verdict: StepVerdict,
    /// The finding in words.
    pub text: String,
    /// Where it comes from: a document, its file and line, or how it was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What one stage says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepVerdict {
    /// Lets it go on.
    Pass,
    /// Allows it for good.
    Allow,
    /// Refuses it.
    Deny,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<Target, String> {
        let query = ExplainQuery {
            agent: "a".into(),
            target: text.into(),
            method: None,
            headers: Vec::new(),
            at: None,
        };
        query.parse_target().map_err(|fault| fault.message)
    }

    #[test]
    fn a_target_is_a_url_host_and_port_or_a_name_to_look_up() {
        let url =
            |tls, port, path: &str| Target::Url { tls, host: "a.example".into(), port, path: path.into() };
        assert_eq!(target("https://a.example"), Ok(url(true, 443, "/")));
        assert_eq!(target("http://a.example:8080/x?y=1"), Ok(url(false, 8080, "/x?y=1")));
        assert_eq!(target("https://a.example?y"), Ok(url(true, 443, "/?y")));
        assert_eq!(target("a.example:22"), Ok(Target::Connection { host: "a.example".into(), port: 22 }));
        assert_eq!(
            target("[2001:db8::1]:22"),
            Ok(Target::Connection { host: "2001:db8::1".into(), port: 22 })
        );
        assert_eq!(target("dns://a.example."), Ok(Target::Lookup { name: "a.example".into() }));
        assert_eq!(
            target("udp://[2001:db8::1]:123"),
            Ok(Target::Flow { host: "2001:db8::1".into(), port: 123 })
        );
    }

    #[test]
    fn a_target_that_names_nothing_is_refused_in_words() {
        for (text, why) in [
            ("a.example", "neither a URL nor HOST:PORT"),
            ("ftp://a.example/", "none of http, https, udp and dns"),
            ("dns://a.example:53", "is not `dns://NAME`"),
            ("udp://a.example", "is not `udp://HOST:PORT`"),
            ("udp://a.example:123/x", "is not `udp://HOST:PORT`"),
            ("udp://u@a.example:123", "is not `udp://HOST:PORT`"),
            ("udp://a.example:0", "port 0"),
            ("https://u:p@a.example/", "user name"),
            ("a.example:0", "port 0"),
            ("https:///x", "is not a URL"),
            ("a.example:99999", "neither a URL nor HOST:PORT"),
        ] {
            let message = target(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
