//! The upstream resolvers as an operator sees them: each is asked, and what is wrong with one comes with its repair.
//!
//! Decides nothing and changes nothing: what is asked here is no query of an agent. Read next: `perceive::dns::forward`.

use std::io;

use rustls::Error as TlsError;
use tokio_rustls::TlsConnector;

use crate::model::config::{DnsServer, DnsTransport};
use crate::operate::api::{Check, CheckState};
use crate::perceive::dns::{Trouble, Upstreams};

/// One check for each upstream. Where another answers, one that does not is a warning.
pub async fn checks(upstreams: &Upstreams, tls: &TlsConnector) -> Vec<Check> {
    let found = upstreams.examine(tls).await;
    let some_answer = found.iter().any(|(_, answer)| answer.is_ok());
    let worst = if some_answer { CheckState::Warn } else { CheckState::Fail };
    found.into_iter().map(|(server, answer)| check(&server, answer.err(), worst)).collect()
}

fn check(server: &DnsServer, trouble: Option<Trouble>, worst: CheckState) -> Check {
    let name = format!("dns.{server}");
    match trouble {
        None => Check { name, state: CheckState::Ok, found: "answers".to_owned(), repair: None },
        Some(trouble) => {
            Check { name, state: worst, found: trouble.to_string(), repair: Some(repair(server, &trouble)) }
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

fn is_about_the_certificate(error: &io::Error) -> bool {
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

#[cfg(test)]
mod tests {
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
            check(&server(DnsTransport::Tls(None)), Some(trouble), CheckState::Fail).repair.unwrap()
        };
        assert!(told(untrusted).contains("spec.upstream.trustAnchors"));
        assert!(told(Trouble::Silent).starts_with("`kdig "));
    }
}
