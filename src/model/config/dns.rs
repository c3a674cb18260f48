//! Who is asked for names.

use std::net::{IpAddr, SocketAddr};

use super::resolvers::{self, Resolvers};
use crate::model::manifest::fields::Item;
use crate::model::manifest::report::quoted;

/// The port of DNS (RFC 1035, section 4.2).
const DNS_PORT: u16 = 53;

/// `spec.dns`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dns {
    /// Plain DNS servers in order of preference; none means the resolvers of the host.
    pub upstreams: Vec<SocketAddr>,
    /// Encrypted resolvers that workloads may not use, and may.
    pub resolvers: Resolvers,
}

pub(super) fn read(item: &Item<'_>) -> Option<Dns> {
    let [deny, allow] = resolvers::FIELDS;
    let fields = item.fields(&["upstreams", deny, allow])?;
    let upstreams = fields.list("upstreams").iter().filter_map(upstream).collect();
    Some(Dns { upstreams, resolvers: resolvers::read(&fields) })
}

/// `IP`, `IP:port`, `[IPv6]:port`.
fn upstream(item: &Item<'_>) -> Option<SocketAddr> {
    let text = item.text()?;
    if text.starts_with("tls://") || text.starts_with("https://") {
        let hint = "name a server by its address, such as `192.0.2.53`";
        item.mistake_hint(format!("encrypted DNS {} is not yet enforced", quoted(text)), hint);
        return None;
    }
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
        .map(|ip| SocketAddr::new(ip, DNS_PORT))
        .or_else(|| text.parse().ok());
    let usable = address.filter(|address| !address.ip().is_unspecified() && !address.ip().is_multicast());
    match usable {
        Some(address) if address.port() != 0 => Some(address),
        _ => {
            let hint = "write an address, with a port where it is not 53: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`";
            item.mistake_hint(format!("{} is not a DNS server", quoted(text)), hint);
            None
        }
    }
}
