//! The resolvers: whether those outside answer, and whether answers can leave from port 53 of the workloads' side.
//!
//! Pure, but for nothing: answers of upstreams come in as they were found. The daemon asks its own upstreams by the same
//! words, see `operate::daemon`.

use std::net::IpAddr;

use rustls::Error as TlsError;

use super::facts::Seen;
use crate::model::config::{DnsServer, DnsTransport};
use crate::operate::api::{Check, CheckState};
use crate::perceive::dns::Trouble;

/// What was seen of the resolvers.
#[derive(Debug, Default)]
pub struct Names {
    /// Each upstream and what it did; hidden where the daemon tells of them itself.
    pub upstreams: Seen<Vec<(DnsServer, Result<(), Trouble>)>>,
    /// Addresses of this host on the workloads' side, and whether answers can leave from their port 53.
    pub ports: Vec<(IpAddr, Seen<()>)>,
}

/// Judges the resolvers.
pub fn judge(names: &Names) -> Vec<Check> {
    let mut checks = match &names.upstreams {
        Seen::Is(found) => upstreams(found),
        Seen::Absent => vec![Check::fail(
            "dns",
            "no resolver: `spec.dns.upstreams` is empty and /etc/resolv.conf names none",
            "name one in spec.dns.upstreams, such as dns: {upstreams: [192.0.2.53]}",
        )],
        Seen::Hidden(_) => Vec::new(),
    };
    checks.extend(names.ports.iter().map(|(address, seen)| port(address, seen)));
    checks
}

/// One check for each upstream. Where another answers, one that does not is a warning.
pub fn upstreams(found: &[(DnsServer, Result<(), Trouble>)]) -> Vec<Check> {
    let some_answer = found.iter().any(|(_, answer)| answer.is_ok());
    let worst = if some_answer { CheckState::Warn } else { CheckState::Fail };
    found.iter().map(|(server, answer)| upstream(server, answer.as_ref().err(), worst)).collect()
}

fn upstream(server: &DnsServer, trouble: Option<&Trouble>, worst: CheckState) -> Check {
    let name = format!("dns.{server}");
    match trouble {
        None => Check::ok(name, "answers"),
        Some(trouble) => {
            Check { name, state: worst, found: trouble.to_string(), repair: Some(repair(server, trouble)) }
        }
    }
}

/// A certificate is mended in the settings, and so is a way of speaking; for the rest somebody has to look.
fn repair(server: &DnsServer, trouble: &Trouble) -> String {
    match trouble {
        Trouble::Unreached(error) if is_about_the_certificate(error) => {
            "write the name in its certificate before the `@` in spec.dns.upstreams, or add its authority to \
             spec.upstream.trustAnchors; then systemctl restart clawgressd"
                .to_owned()
        }
        Trouble::Unreached(_) | Trouble::Silent | Trouble::Malformed(_) => format!(
            "`{}` asks it from here; where it stays away, name another in spec.dns.upstreams and systemctl restart clawgressd",
            question(server)
        ),
    }
}

fn is_about_the_certificate(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<TlsError>());
    matches!(tls, Some(TlsError::InvalidCertificate(_) | TlsError::NoCertificatesPresented))
}

/// The same question by hand.
fn question(server: &DnsServer) -> String {
    let (ip, port) = (server.address.ip(), server.address.port());
    let way = match &server.transport {
        DnsTransport::Plain => String::new(),
        DnsTransport::Tcp => " +tcp".to_owned(),
        DnsTransport::Tls(_) => " +tls".to_owned(),
        DnsTransport::Https(_, path) => format!(" +https={path}"),
    };
    format!("kdig -p {port} @{ip}{way} . NS")
}

/// Queries need no port of ours: the kernel hands them over. Answers leave from the address that was asked.
fn port(address: &IpAddr, seen: &Seen<()>) -> Check {
    let name = format!("dns-port.{address}");
    match seen {
        Seen::Is(()) => Check::ok(name, "answers can leave from port 53"),
        Seen::Absent => Check::fail(
            name,
            format!(
                "another program holds port 53 of {address} for itself: workloads that ask this address wait in vain"
            ),
            "`ss -lunp sport = :53` shows which; keep it off this address, or switch its DNS off (docs/bridges.md)",
        ),
        Seen::Hidden(why) => Check::skip(name, format!("port 53 could not be tried: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::model::types::HostName;

    fn server(transport: DnsTransport) -> DnsServer {
        DnsServer { address: "192.0.2.53:8853".parse().unwrap(), transport }
    }

    #[test]
    fn an_upstream_is_asked_by_hand_as_the_gateway_asks_it() {
        let name = HostName::parse("dns.example").ok();
        for (transport, way) in [
            (DnsTransport::Plain, ""),
            (DnsTransport::Tcp, " +tcp"),
            (DnsTransport::Tls(name.clone()), " +tls"),
            (DnsTransport::Https(name, "/q".into()), " +https=/q"),
        ] {
            assert_eq!(question(&server(transport)), format!("kdig -p 8853 @192.0.2.53{way} . NS"));
        }
    }

    #[test]
    fn a_certificate_is_mended_in_the_settings_and_silence_is_asked_about() {
        let tls = TlsError::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let untrusted = Trouble::Unreached(io::Error::new(io::ErrorKind::InvalidData, tls));
        let told = |trouble: Trouble| {
            upstream(&server(DnsTransport::Tls(None)), Some(&trouble), CheckState::Fail).repair.unwrap()
        };
        assert!(told(untrusted).contains("spec.upstream.trustAnchors"));
        assert!(told(Trouble::Silent).starts_with("`kdig "));
    }

    #[test]
    fn one_upstream_that_answers_makes_silence_of_another_a_warning() {
        let states = |answers: [bool; 2]| {
            let found = answers.map(|answers| {
                (server(DnsTransport::Plain), if answers { Ok(()) } else { Err(Trouble::Silent) })
            });
            judge(&Names { upstreams: Seen::Is(found.into()), ports: vec![] })
                .into_iter()
                .map(|check| check.state)
                .collect::<Vec<_>>()
        };
        assert_eq!(states([true, false]), [CheckState::Ok, CheckState::Warn]);
        assert_eq!(states([false, false]), [CheckState::Fail, CheckState::Fail]);
        let none = judge(&Names { upstreams: Seen::Absent, ports: vec![] });
        assert_eq!(none[0].state, CheckState::Fail);
    }

    #[test]
    fn a_port_that_another_program_holds_fails_and_one_that_cannot_be_tried_is_not_judged() {
        let ports = |seen| {
            let ports = vec![("10.77.0.1".parse().unwrap(), seen)];
            judge(&Names { upstreams: Seen::Hidden(String::new()), ports }).remove(0)
        };
        assert_eq!(ports(Seen::Is(())).state, CheckState::Ok);
        assert_eq!(ports(Seen::Absent).state, CheckState::Fail);
        assert_eq!(ports(Seen::Hidden("not permitted".into())).state, CheckState::Skip);
    }
}
