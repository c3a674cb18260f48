//! Who is asked for names, and how: plain DNS, DNS over TLS or DNS over HTTPS.
//!
//! A server is always named by its address, so that no name has to be resolved before names can be. What it must prove
//! over TLS is its name where one stands before the `@`, else its address. Read next: `perceive::dns::forward`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::resolvers::{self, RESOLVER, Resolvers};
use crate::model::manifest::fields::Item;
use crate::model::manifest::report::quoted;
use crate::model::manifest::schema::{Field, Form, Object, Shape};
use crate::model::types::HostName;

/// The port of DNS (RFC 1035, section 4.2).
const DNS_PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858, section 3.1).
const TLS_PORT: u16 = 853;
/// The port of HTTPS.
const HTTPS_PORT: u16 = 443;
/// The path that public servers agree on; RFC 8484 names none.
const USUAL_PATH: &str = "/dns-query";

/// `spec.dns`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dns {
    /// Servers in order of preference; none means the resolvers of the host.
    pub upstreams: Vec<DnsServer>,
    /// Encrypted resolvers that workloads may not use, and may.
    pub resolvers: Resolvers,
}

/// One upstream resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsServer {
    /// Where it is dialled.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub transport: DnsTransport,
}

/// How an upstream resolver is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsTransport {
    /// Over UDP, and over TCP where an answer does not fit (RFC 1035; RFC 7766).
    Plain,
    /// Over TCP alone (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858). The certificate is for the name, or for the address where there is none.
    Tls(Option<HostName>),
    /// DNS over HTTPS (RFC 8484), the same, at this path.
    Https(Option<HostName>, Box<str>),
}

impl DnsServer {
    /// A server of plain DNS.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, transport: DnsTransport::Plain }
    }
}

/// As it is written in the settings, with its port.
impl fmt::Display for DnsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |name: &Option<HostName>| name.as_ref().map_or(String::new(), |name| format!("{name}@"));
        match &self.transport {
            DnsTransport::Plain => write!(f, "{}", self.address),
            DnsTransport::Tcp => write!(f, "tcp://{}", self.address),
            DnsTransport::Tls(name) => write!(f, "tls://{}{}", at(name), self.address),
            DnsTransport::Https(name, path) => write!(f, "https://{}{}{path}", at(name), self.address),
        }
    }
}

static SERVER: Form = Form {
    words: "`IP[:port]`, `tcp://IP`, `tls://[NAME@]IP` or `https://[NAME@]IP[/path]`",
    pattern: r"^\S+$",
    longest: 4096,
};

/// `spec.dns`.
pub(super) static SPEC: Object = Object::new(
    "Who is asked for names.",
    &[
        Field::optional(
            "upstreams",
            Shape::List(&Shape::Text(&SERVER)),
            "Servers in order of preference; without it the host's own resolvers.",
        ),
        Field::optional(
            "denyResolvers",
            Shape::List(&Shape::Text(&RESOLVER)),
            "Encrypted resolvers that workloads may not use, besides those that are known.",
        ),
        Field::optional(
            "allowResolvers",
            Shape::List(&Shape::Text(&RESOLVER)),
            "Known encrypted resolvers that workloads may use.",
        ),
    ],
);

pub(super) fn read(item: &Item<'_>) -> Option<Dns> {
    let fields = item.object(&SPEC)?;
    let mut upstreams = Vec::new();
    for item in fields.list("upstreams") {
        match upstream(&item) {
            Some(server) if upstreams.contains(&server) => {
                item.mistake_hint(format!("{} is named twice", quoted(item.written())), "remove one of them");
            }
            server => upstreams.extend(server),
        }
    }
    Some(Dns { upstreams, resolvers: resolvers::read(&fields) })
}

/// `IP[:port]`, `tcp://IP[:port]`, `tls://[NAME@]IP[:port]`, `https://[NAME@]IP[:port][/path]`.
fn upstream(item: &Item<'_>) -> Option<DnsServer> {
    let text = item.text_of(&SERVER)?;
    match server(text) {
        Ok(server) => Some(server),
        Err(hint) => {
            item.mistake_hint(format!("{} is not a DNS server", quoted(text)), hint);
            None
        }
    }
}

/// The server, or how it is to be written.
fn server(text: &str) -> Result<DnsServer, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let hint = "write an address, with a port where it is not 53: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`; \
                    encrypted DNS is `tls://NAME@IP` or `https://NAME@IP/path`";
        return address(text, DNS_PORT)
            .map(DnsServer::plain)
            .map_err(|why| why.unwrap_or_else(|| hint.to_owned()));
    };
    // Schemes are the same in upper case (RFC 3986, section 3.1).
    match scheme.to_ascii_lowercase().as_str() {
        "tcp" => {
            let hint = "write `tcp://192.0.2.53`, with a port where it is not 53";
            let address = address(rest, DNS_PORT).map_err(|why| why.unwrap_or_else(|| hint.to_owned()))?;
            Ok(DnsServer { address, transport: DnsTransport::Tcp })
        }
        "tls" => {
            let (authority, path) = split_path(rest);
            let (name, address) = verified("tls", authority, (TLS_PORT, ""))?;
            if !path.is_empty() {
                return Err(format!(
                    "DNS over TLS has no path: `tls://{authority}`; DNS over HTTPS is `https://`, port 443"
                ));
            }
            Ok(DnsServer { address, transport: DnsTransport::Tls(name) })
        }
        "https" => {
            let (authority, path) = split_path(rest);
            let path = if path.is_empty() { USUAL_PATH } else { path };
            let (name, address) = verified("https", authority, (HTTPS_PORT, path))?;
            if !path.bytes().all(is_path) {
                return Err(format!(
                    "the path is sent as it stands; write it as in `{USUAL_PATH}`, without `{{?dns}}`"
                ));
            }
            Ok(DnsServer { address, transport: DnsTransport::Https(name, path.into()) })
        }
        _ => {
            Err("what can be spoken is plain DNS (`192.0.2.53`), `tcp://`, `tls://` and `https://`"
                .to_owned())
        }
    }
}

fn split_path(text: &str) -> (&str, &str) {
    text.split_at(text.find('/').unwrap_or(text.len()))
}

/// `[NAME@]IP[:port]`; the path is for the hint.
fn verified(
    scheme: &str,
    text: &str,
    (port, path): (u16, &str),
) -> Result<(Option<HostName>, SocketAddr), String> {
    let (name, place) = match text.split_once('@') {
        Some((name, place)) => (Some(name), place),
        None => (None, text),
    };
    let address = address(place, port).map_err(|why| {
        why.unwrap_or_else(|| {
            let name = name.unwrap_or(place);
            let name = if HostName::parse(name).is_ok() { name } else { "NAME" };
            format!(
                "name the address too, because nothing can resolve the name of a resolver: \
                 `{scheme}://{name}@192.0.2.53{path}`"
            )
        })
    })?;
    let name = name.map(HostName::parse).transpose().map_err(|_| {
        format!("before the `@` stands the name in the server's certificate: `{scheme}://dns.example@{place}{path}`")
    })?;
    Ok((name, address))
}

/// `IP`, `[IPv6]`, `IP:port`, `[IPv6]:port`: one that can be dialled. Where it begins with an address, the error says what
/// is wrong with it.
fn address(text: &str, port: u16) -> Result<SocketAddr, Option<String>> {
    let parsed = ip(text).map(|ip| SocketAddr::new(ip, port)).or_else(|| text.parse().ok());
    let Some(address) = parsed.filter(|address| address.port() != 0) else {
        let before = text.rsplit_once(':').and_then(|(before, _)| ip(before));
        return Err(before.map(|ip| {
            let shown = SocketAddr::new(ip, port);
            format!("behind the address stands a port from 1 to 65535, and nothing else: `{shown}`")
        }));
    };
    let ip = address.ip();
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(Some(format!("`{ip}` is the address of no single server; write the server's own")));
    }
    Ok(address)
}

/// An address, IPv6 also in brackets.
fn ip(text: &str) -> Option<IpAddr> {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()
}

/// What may stand in a path and query as it is (RFC 3986, sections 3.3 and 3.4).
fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/?".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_server_is_read_with_its_port_subject_and_path() {
        for (text, expected) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
            ("tcp://192.0.2.53", "tcp://192.0.2.53:53"),
            ("tcp://[2001:db8::53]", "tcp://[2001:db8::53]:53"),
            ("tls://192.0.2.53", "tls://192.0.2.53:853"),
            ("TLS://192.0.2.53", "tls://192.0.2.53:853"),
            ("tls://DNS.example@2001:db8::53", "tls://dns.example@[2001:db8::53]:853"),
            ("tls://dns.example@192.0.2.53:8853", "tls://dns.example@192.0.2.53:8853"),
            ("https://192.0.2.53/dns-query", "https://192.0.2.53:443/dns-query"),
            (
                "https://dns.example@[2001:db8::53]:8443/q?a=b",
                "https://dns.example@[2001:db8::53]:8443/q?a=b",
            ),
            ("https://dns.example@192.0.2.53", "https://dns.example@192.0.2.53:443/dns-query"),
        ] {
            assert_eq!(server(text).map(|server| server.to_string()), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn a_server_that_would_have_to_be_resolved_is_refused_with_the_way_to_write_it() {
        for (text, hint) in [
            ("https://dns.example/dns-query", "`https://dns.example@192.0.2.53/dns-query`"),
            ("tls://dns.example", "`tls://dns.example@192.0.2.53`"),
            ("tls://dns.example@dns.example", "`tls://dns.example@192.0.2.53`"),
            ("https:///dns-query", "`https://NAME@192.0.2.53/dns-query`"),
            ("tls://dns.example/x", "`tls://dns.example@192.0.2.53`"),
        ] {
            let told = server(text).expect_err(text);
            assert!(told.contains(hint), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_wrong_behind_an_address_is_named_and_not_the_address() {
        for (text, hint) in [
            ("tls://9.9.9.9:443/x", "DNS over TLS has no path: `tls://9.9.9.9:443`"),
            ("tls://dns.example@[2001:db8::53]/", "has no path: `tls://dns.example@[2001:db8::53]`"),
            ("https://dns.google@8.8.8.8:0/", "a port from 1 to 65535, and nothing else: `8.8.8.8:443`"),
            ("https://8.8.8.8:x/", "a port from 1 to 65535, and nothing else: `8.8.8.8:443`"),
            ("tls://[2001:db8::53]:70000", "a port from 1 to 65535, and nothing else: `[2001:db8::53]:853`"),
            ("tcp://192.0.2.53:0", "a port from 1 to 65535, and nothing else: `192.0.2.53:53`"),
            ("192.0.2.53:0", "a port from 1 to 65535, and nothing else: `192.0.2.53:53`"),
            ("tls://dns.example@0.0.0.0", "`0.0.0.0` is the address of no single server"),
            ("ff02::1", "`ff02::1` is the address of no single server"),
        ] {
            let told = server(text).expect_err(text);
            assert!(told.contains(hint) && !told.contains("name the address"), "{text}: {told}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_or_sent_is_refused() {
        for text in [
            "dns.example",
            "0.0.0.0",
            "ff02::1",
            "192.0.2.53:0",
            "quic://192.0.2.53",
            "tls://@192.0.2.53",
            "tls://a b@192.0.2.53",
            "https://192.0.2.53/dns-query{?dns}",
            "https://192.0.2.53/a b",
            "tcp://",
        ] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
