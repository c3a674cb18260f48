//! Settings of the kernel's network, and sockets that are tried.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::super::facts::Seen;
use super::super::network::{Network, Wanted};
use super::files::{sysctl, sysctl_number};
use crate::model::config::Config;
use crate::model::types::AddressClass;
use crate::model::types::address::classify;
use crate::perceive::intercept::links::Interface;
use crate::platform::sys::socket;

/// What hosts that route should have (CIS Benchmark for Ubuntu 24.04, section 3.3), but for forwarding, which is needed here,
/// and for what has no meaning behind our own rules.
const PROFILE: [(&str, &str); 9] = [
    ("net.ipv4.conf.all.accept_redirects", "0"),
    ("net.ipv4.conf.all.secure_redirects", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.all.accept_source_route", "0"),
    ("net.ipv4.icmp_echo_ignore_broadcasts", "1"),
    ("net.ipv4.icmp_ignore_bogus_error_responses", "1"),
    ("net.ipv4.tcp_syncookies", "1"),
    ("net.ipv6.conf.all.accept_redirects", "0"),
    ("net.ipv6.conf.all.accept_source_route", "0"),
];

pub fn network(config: &Config, interfaces: &[Interface]) -> Network {
    let leads_out = |one: &&Interface, ipv6: bool| {
        one.routes.iter().any(|net| net.prefix_len() == 0 && net.network().is_ipv6() == ipv6)
    };
    let out = |ipv6| interfaces.iter().filter(move |one| leads_out(one, ipv6)).map(|one| one.name.clone());
    let mut uplinks: Vec<String> = out(false).chain(out(true)).collect();
    uplinks.sort();
    uplinks.dedup();
    let needs =
        |ipv6: bool| config.intercept.subnets.iter().any(|net: &IpNet| net.network().is_ipv6() == ipv6);
    Network {
        families: [false, true].map(|ipv6| (needs(ipv6), out(ipv6).next().is_some())),
        back: out(false).map(|name| (name.clone(), either(&name, "rp_filter", u64::max))).collect(),
        localnet: config
            .intercept
            .interfaces
            .iter()
            .map(|name| (name.clone(), either(name, "route_localnet", |own, all| own | all)))
            .collect(),
        tracked: tracked(),
        profile: PROFILE.map(|(key, value)| -> Wanted { (key, value, sysctl(&parts(key))) }).into(),
        uplinks,
    }
}

fn parts(key: &str) -> Vec<&str> {
    key.split('.').collect()
}

/// A setting of an interface and that of all, as the kernel joins them.
fn either(interface: &str, key: &str, join: fn(u64, u64) -> u64) -> Seen<u64> {
    let of = |name: &str| sysctl_number(&["net", "ipv4", "conf", name, key]);
    match (of(interface), of("all")) {
        (Seen::Is(own), Seen::Is(all)) => Seen::Is(join(own, all)),
        (Seen::Is(_), other) => other,
        (own, _) => own,
    }
}

fn tracked() -> Seen<(u64, u64)> {
    let of = |name: &str| sysctl_number(&["net", "netfilter", name]);
    match (of("nf_conntrack_count"), of("nf_conntrack_max")) {
        (Seen::Is(count), Seen::Is(most)) => Seen::Is((count, most)),
        (Seen::Hidden(why), _) | (_, Seen::Hidden(why)) => Seen::Hidden(why),
        _ => Seen::Absent,
    }
}

/// Whether workloads can ask this address from beyond the link.
pub fn is_routed(address: &IpAddr) -> bool {
    classify(*address) != AddressClass::LinkLocal
}

/// Tries the socket that an answer from this address would leave by, and closes it.
pub fn port_53(address: IpAddr) -> Seen<()> {
    match socket::transparent_udp_reply_socket(SocketAddr::new(address, 53)) {
        Ok(_) => Seen::Is(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Seen::Absent,
        Err(error) => Seen::Hidden(error.to_string()),
    }
}

/// TLS to resolvers, by these authorities. What cannot be read is left out: `certificates` says so.
pub fn connector(anchors: &[PathBuf]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for path in anchors {
        let text = super::files::text(path).is().cloned().unwrap_or_default();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(text.as_bytes()).flatten());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("invariant: the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
