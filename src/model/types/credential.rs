//! What is put into requests in an agent's place: which secret, by whose word, and where it goes.
//!
//! Names alone: the value of a secret is opened in `act/credentials` and nowhere earlier. Read next:
//! `model/manifest/credential_policy.rs`, which makes these, and `act/credentials`, which acts on them.

use std::sync::Arc;

use http::HeaderName;

use super::denial::PolicyRef;
use super::field::reads_alike;
use super::host::HostName;

/// One credential for the requests of an agent by one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// `CredentialInjectionPolicy/NAME`.
    pub policy: PolicyRef,
    /// The secret in the vault.
    pub secret: Arc<str>,
    /// Which value of it; the only one, or `value`, where none is named.
    pub key: Option<Arc<str>>,
    /// Where it goes.
    pub place: CredentialPlace,
}

/// Where a credential goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialPlace {
    /// A header field, with text in front of the secret.
    Header {
        /// The field.
        name: HeaderName,
        /// What stands in front, such as `Bearer ` with its blank.
        prefix: Arc<str>,
    },
    /// A header field with `Basic`, a user and the secret as the user's password (RFC 7617).
    Basic {
        /// The field.
        name: HeaderName,
        /// The user, which is no secret.
        user: Arc<str>,
    },
    /// A parameter of the query.
    Query(Arc<str>),
    /// The request is signed by AWS Signature Version 4.
    Aws(AwsTerms),
    /// A token that Google gives for the key of a service account, as `Authorization: Bearer`.
    Google(GoogleTerms),
}

/// How a request is signed by AWS Signature Version 4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsTerms {
    /// The region; else the one that the agent's own signature names, or the host's.
    pub region: Option<Arc<str>>,
    /// The service; else as above.
    pub service: Option<Arc<str>>,
    /// Whether a body may go that the signature does not cover.
    pub unsigned: bool,
}

impl AwsTerms {
    /// The values of a secret that signs, by their keys: the id of the key, and what signs.
    pub const KEYS: [&'static str; 2] = ["access-key-id", "secret-access-key"];
    /// The token of a session, where there is one.
    pub const SESSION: &'static str = "session-token";
}

/// How a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleTerms {
    /// Where; else where the key of the service account says.
    pub endpoint: Option<TokenEndpoint>,
    /// For what, at least one.
    pub scopes: Arc<[Arc<str>]>,
}

/// Where tokens are asked for, over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenEndpoint {
    /// The host, which has to prove its name.
    pub host: HostName,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: Arc<str>,
}

impl TokenEndpoint {
    /// `https://HOST[:PORT]/PATH`, without a query.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
            None => (authority, 443),
        };
        let plain =
            |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'\\' | b'<' | b'>');
        let path = if path.is_empty() { "/" } else { path };
        let host = HostName::parse(host).ok()?;
        path.bytes().all(plain).then(|| Self { host, port, path: path.into() })
    }

    /// The URL, as the assertion of a service account names it.
    pub fn url(&self) -> String {
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        format!("https://{}{port}{}", self.host, self.path)
    }
}

impl CredentialPlace {
    /// Whether two credentials would stand in the same place.
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Query(one), Self::Query(other)) => one.eq_ignore_ascii_case(other),
            (Self::Query(_), _) | (_, Self::Query(_)) => false,
            (one, other) => reads_alike(one.field(), other.field()),
        }
    }

    /// The header field that it goes into.
    fn field(&self) -> &str {
        match self {
            Self::Header { name, .. } | Self::Basic { name, .. } => name.as_str(),
            Self::Query(_) | Self::Aws(_) | Self::Google(_) => "authorization",
        }
    }
}

/// What an agent may hold in the place of a secret: `clawgress:NAME`, or `clawgress:NAME/KEY`.
pub const PLACEHOLDER: &str = "clawgress:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_endpoint_is_a_host_that_proves_its_name() {
        let parsed = TokenEndpoint::parse("https://oauth2.googleapis.com/token").unwrap();
        assert_eq!((parsed.port, &*parsed.path), (443, "/token"));
        for url in ["https://oauth2.googleapis.com/token", "https://tokens.example:8443/"] {
            assert_eq!(TokenEndpoint::parse(url).unwrap().url(), url);
        }
        assert_eq!(TokenEndpoint::parse("https://a.example").unwrap().url(), "https://a.example/");
        for text in [
            "http://a.example/token",
            "https://192.0.2.1/token",
            "https://a.example:0/",
            "https://a.example:x/",
            "https://user@a.example/",
            "https://a.example/token?x=1",
            "https://a.example/a b",
            "https:///token",
            "",
        ] {
            assert_eq!(TokenEndpoint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn credentials_meet_in_one_field_whatever_its_spelling() {
        let header = |name: &'static str| CredentialPlace::Header {
            name: HeaderName::from_static(name),
            prefix: "".into(),
        };
        let aws = CredentialPlace::Aws(AwsTerms::default());
        assert!(header("x-api-key").meets(&header("x_api_key")) && header("authorization").meets(&aws));
        assert!(
            !header("x-api-key").meets(&aws) && !CredentialPlace::Query("key".into()).meets(&header("key"))
        );
        assert!(CredentialPlace::Query("key".into()).meets(&CredentialPlace::Query("KEY".into())));
    }
}
