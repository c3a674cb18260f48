//! What operators grant for a time, and why an agent is shut out for a time: the words that documents, the registry and
//! decisions share. Nothing here knows when; that is `Timestamp`.

use std::fmt;
use std::sync::Arc;

use super::denial::PolicyRef;
use super::host::{HostName, HostNameError, HostPattern, MAX_HOST_NAME};
use super::limits::TOOL_NAME_BYTES;

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

/// A text is no tool of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no server and tool")]
pub struct ApprovedToolError;

impl ApprovedTool {
    /// Parses `SERVER/TOOL`; what is behind the first slash is the tool, without blanks and stars.
    ///
    /// # Errors
    /// [`ApprovedToolError`].
    pub fn parse(text: &str) -> Result<Self, ApprovedToolError> {
        let (server, tool) = text.split_once('/').ok_or(ApprovedToolError)?;
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '*';
        let fits = (1..=MAX_HOST_NAME).contains(&server.len()) && server.bytes().all(known);
        if !fits || !(1..=TOOL_NAME_BYTES).contains(&tool.len()) || !tool.chars().all(plain) {
            return Err(ApprovedToolError);
        }
        Ok(Self { server: server.into(), tool: tool.into() })
    }
}

impl fmt::Display for ApprovedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.tool)
    }
}

/// What an approval opens, for whom and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The agent, by its name.
    pub agent: Arc<str>,
    /// Hosts; at least one host or tool is there.
    pub hosts: Vec<ApprovedHost>,
    /// Tools that may be called where a policy wants an approval.
    pub tools: Vec<ApprovedTool>,
    /// Why, in the words of whoever approved it.
    pub reason: Arc<str>,
    /// Where more is written about it.
    pub ticket: Option<Arc<str>>,
}

impl Grant {
    /// Every host and tool, for people.
    pub fn opened(&self) -> Vec<String> {
        let tools = self.tools.iter().map(|tool| format!("tool {tool}"));
        self.hosts.iter().map(ToString::to_string).chain(tools).collect()
    }
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
    fn an_approved_tool_is_a_server_and_a_tool_and_is_written_as_it_is_read() {
        for text in ["github/search", "mcp.example.com/web.fetch", "github/a/b"] {
            assert_eq!(ApprovedTool::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["github", "/search", "github/", "git hub/a", "github/a b", "github/a*", "GitHub/a", "a/\u{7}"]
        {
            assert_eq!(ApprovedTool::parse(text), Err(ApprovedToolError), "{text:?}");
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
