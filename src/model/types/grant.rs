//! What operators grant for a time, and why an agent is shut out for a time: the words that documents, the registry and
//! decisions share. Nothing here knows when; that is `Timestamp`.

use std::fmt;
use std::sync::Arc;

use super::denial::PolicyRef;
use super::host::{HostName, HostNameError, HostPattern};

/// A host that an approval opens, on one port or on all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApprovedHost {
    /// The host, or a wildcard for one label.
    pub host: HostPattern,
    /// The port, 1 to 65535; absent for every port.
    pub port: Option<u16>,
}

/// Why a text is no host of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApprovedHostError {
    /// The host is not one.
    #[error("{0}")]
    Host(#[from] HostNameError),
    /// What stands behind the colon is no port.
    #[error("has a port that is not between 1 and 65535")]
    Port,
    /// It is a URL, or has a path.
    #[error("has a scheme or a path, and is no host alone")]
    Url,
}

impl ApprovedHost {
    /// Parses `HOST` or `HOST:PORT`; the host may be a wildcard such as `*.example.com`.
    ///
    /// # Errors
    /// [`ApprovedHostError`].
    pub fn parse(text: &str) -> Result<Self, ApprovedHostError> {
        if text.contains('/') {
            return Err(ApprovedHostError::Url);
        }
        // An IPv6 address has colons of its own, and is no host name however it is cut.
        let (host, port) = match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(HostNameError::Address.into()),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let host = HostPattern::parse(host)?;
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err(ApprovedHostError::Port),
        };
        Ok(Self { host, port })
    }

    /// Whether it opens this host on this port.
    pub fn opens(&self, host: &HostName, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && self.host.matches(host)
    }
}

impl fmt::Display for ApprovedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// A tool that an approval lets an agent call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApprovedTool {
    /// The McpServer by its name; or the host of a server that no document declares.
    pub server: Arc<str>,
    /// The tool.
    pub tool: Box<str>,
}

/// What an approval opens, for whom and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The agent, by its name.
    pub agent: Arc<str>,
    /// At least one host.
    pub hosts: Vec<ApprovedHost>,
    /// Why, in the words of whoever approved it.
    pub reason: Arc<str>,
    /// Where more is written about it.
    pub ticket: Option<Arc<str>>,
}

/// Why an agent is quarantined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The document whose rule imposed it; absent where an operator did.
    pub policy: Option<PolicyRef>,
    /// The rule inside that document.
    pub rule: Option<Arc<str>>,
    /// Why, for operators alone.
    pub reason: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approved_host_is_a_name_with_or_without_a_port_and_is_written_as_it_is_read() {
        for text in ["paste.example", "paste.example:443", "*.paste.example:65535"] {
            assert_eq!(ApprovedHost::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ApprovedHost::parse("Paste.Example.:443").unwrap().to_string(), "paste.example:443");
        for text in ["paste.example:0", "paste.example:65536", "paste.example:", "paste.example:https"] {
            assert_eq!(ApprovedHost::parse(text), Err(ApprovedHostError::Port), "{text}");
        }
        for text in
            ["https://paste.example/", "https://paste.example:443", "paste.example:443/", "paste.example/x"]
        {
            assert_eq!(ApprovedHost::parse(text), Err(ApprovedHostError::Url), "{text}");
        }
        for text in ["192.0.2.1", "192.0.2.1:443", "2001:db8::1", "[2001:db8::1]:443"] {
            assert_eq!(ApprovedHost::parse(text), Err(HostNameError::Address.into()), "{text}");
        }
    }

    #[test]
    fn a_port_and_a_wildcard_open_no_more_than_they_say() {
        let opens = |approved: &str, host: &str, port| {
            ApprovedHost::parse(approved).unwrap().opens(&HostName::parse(host).unwrap(), port)
        };
        assert!(opens("a.example", "a.example", 443) && opens("a.example", "a.example", 22));
        assert!(opens("a.example:443", "a.example", 443) && !opens("a.example:443", "a.example", 444));
        assert!(opens("*.example:443", "a.example", 443) && !opens("*.example:443", "b.a.example", 443));
    }
}
