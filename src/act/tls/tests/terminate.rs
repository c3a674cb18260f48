//! Handshakes with real clients, in memory, and alerts.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{authority, name};
use crate::act::dial::Protocol;
use crate::act::tls::terminate::agree;
use crate::act::tls::{AlertDescription, AlpnChoice, Authorities, OpenedForRefusal, Terminator, alert};
use crate::model::types::limits::TLS_HANDSHAKE_TIME;
use crate::model::types::{Denial, Reason};
use crate::platform::sys::clock;

/// A client that trusts these authorities and speaks these versions and protocols.
struct Client {
    trusts: Arc<Authorities>,
    versions: &'static [&'static SupportedProtocolVersion],
    alpn: &'static [&'static [u8]],
}

impl Client {
    fn of(authority: &Arc<Authorities>, alpn: &'static [&'static [u8]]) -> Self {
        Self { trusts: Arc::clone(authority), versions: rustls::ALL_VERSIONS, alpn }
    }

    async fn connect(&self, sni: &str, io: DuplexStream) -> std::io::Result<TlsStream<DuplexStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.trusts.bundle().as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_protocol_versions(self.versions)
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = self.alpn.iter().map(|id| id.to_vec()).collect();
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, io).await
    }
}

type Opening = (Result<OpenedForRefusal<DuplexStream>, Denial>, std::io::Result<TlsStream<DuplexStream>>);

async fn open(
    authority: &Arc<Authorities>,
    agreed: &str,
    choice: AlpnChoice,
    client: &Client,
    sni: &str,
) -> Opening {
    let terminator = Terminator::new(Arc::clone(authority)).unwrap();
    let (ours, theirs) = duplex(4096);
    let agreed = name(agreed);
    tokio::join!(terminator.refuse_over_tls(&agreed, choice, ours), client.connect(sni, theirs))
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_speaks_the_chosen_protocol() {
    let (_dir, authority) = authority();
    const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];
    const TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
    const TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
    for (choice, alpn, expected) in [
        (AlpnChoice::Http11, BOTH, Protocol::Http11),
        (AlpnChoice::H2, BOTH, Protocol::H2),
        (AlpnChoice::Either, BOTH, Protocol::H2),
        (AlpnChoice::Either, &[b"http/1.1"], Protocol::Http11),
        (AlpnChoice::Either, &[], Protocol::Http11),
    ] {
        for versions in [TLS12, TLS13] {
            let client = Client { versions, ..Client::of(&authority, alpn) };
            let (ours, theirs) = open(&authority, "name.example", choice, &client, "name.example").await;
            let (mut ours, protocol) = ours.unwrap().into_parts();
            let mut theirs = theirs.unwrap();
            assert_eq!(protocol, expected, "{choice:?} {alpn:?}");
            ours.write_all(b"no").await.unwrap();
            ours.shutdown().await.unwrap();
            let mut read = String::new();
            theirs.read_to_string(&mut read).await.unwrap();
            assert_eq!(read, "no");
            assert_eq!(theirs.get_ref().1.tls13_tickets_received(), 0);
        }
    }
}

#[tokio::test]
async fn an_address_is_served_without_a_server_name() {
    let (_dir, authority) = authority();
    let client = Client::of(&authority, &[]);
    let (ours, theirs) = open(&authority, "192.0.2.7", AlpnChoice::Either, &client, "192.0.2.7").await;
    assert!(ours.is_ok() && theirs.is_ok());
}

#[tokio::test]
async fn a_configuration_is_made_once_per_name_and_protocol_set() {
    let (_dir, authority) = authority();
    let terminator = Terminator::new(authority).unwrap();
    let config = |text, choice| terminator.config(&name(text), choice, clock::now()).unwrap();
    let first = config("name.example", AlpnChoice::H2);
    assert!(Arc::ptr_eq(&first, &config("name.example", AlpnChoice::H2)));
    assert!(!Arc::ptr_eq(&first, &config("name.example", AlpnChoice::Http11)));
    assert!(!Arc::ptr_eq(&first, &config("other.example", AlpnChoice::H2)));
}

async fn refused(agreed: &str, client: &Client, authority: &Arc<Authorities>, sni: &str) -> Denial {
    open(authority, agreed, AlpnChoice::Http11, client, sni).await.0.expect_err("this client must be refused")
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_authority_is_told_apart() {
    let ((_one, ours), (_two, other)) = (authority(), authority());
    let denial = refused("name.example", &Client::of(&other, &[]), &ours, "name.example").await;
    assert_eq!(denial.reason, Reason::TlsHandshake);
    assert!(denial.evidence.as_deref().unwrap().contains("clawgress ca export"), "{denial:?}");
}

#[tokio::test]
async fn a_client_that_means_another_name_is_not_served() {
    let (_dir, authority) = authority();
    let client = Client::of(&authority, &[]);
    let denial = refused("name.example", &client, &authority, "other.example").await;
    assert!(matches!(denial.reason, Reason::TlsHandshake | Reason::NameMismatch), "{denial:?}");
    agree(&name("name.example"), "NAME.example").unwrap();
    for (agreed, said) in [("name.example", "other.example"), ("192.0.2.7", "name.example")] {
        assert_eq!(agree(&name(agreed), said).unwrap_err().reason, Reason::NameMismatch);
    }
}

#[tokio::test]
async fn a_client_without_a_common_protocol_is_refused() {
    let (_dir, authority) = authority();
    let denial =
        refused("name.example", &Client::of(&authority, &[b"imap"]), &authority, "name.example").await;
    assert_eq!(denial.reason, Reason::TlsHandshake);
}

#[tokio::test]
async fn bytes_that_are_no_handshake_are_malformed_and_a_hang_up_is_not() {
    let (_dir, authority) = authority();
    let terminator = Terminator::new(authority).unwrap();
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\nHost: name.example\r\n\r\n"[..], Reason::ProtocolMalformed),
        (b"\x16\x03\x01", Reason::TlsHandshake),
    ] {
        let (ours, mut theirs) = duplex(4096);
        let client = async {
            theirs.write_all(bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
        };
        let host = name("name.example");
        let (opened, ()) = tokio::join!(terminator.refuse_over_tls(&host, AlpnChoice::Either, ours), client);
        assert_eq!(opened.unwrap_err().reason, reason);
    }
}

#[tokio::test]
async fn an_alert_is_one_fatal_record_and_the_end() {
    for (description, number) in [
        (AlertDescription::AccessDenied, 49),
        (AlertDescription::UnrecognisedName, 112),
        (AlertDescription::DecodeError, 50),
    ] {
        let (ours, mut theirs) = duplex(4096);
        let client = async {
            theirs.write_all(&[0; 2048]).await.unwrap();
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).await.unwrap();
            drop(theirs);
            read
        };
        let ((), read) = tokio::join!(alert(ours, description), client);
        assert_eq!(read, [21, 3, 3, 0, 2, 2, number]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_not_finished_ends_at_its_bound_with_its_reason() {
    let (_dir, authority) = authority();
    let terminator = Terminator::new(Arc::clone(&authority)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let server = ServerName::try_from("name.example").unwrap();
    let mut hello = Vec::new();
    rustls::ClientConnection::new(Arc::new(config), server).unwrap().write_tls(&mut hello).unwrap();
    let agreed = name("name.example");
    // Nothing of it, a part, and all but what follows our answer.
    for said in [0, 1, hello.len() / 2, hello.len()] {
        let (ours, mut theirs) = duplex(64 * 1024);
        theirs.write_all(&hello[..said]).await.unwrap();
        let begun = tokio::time::Instant::now();
        let denial = terminator.refuse_over_tls(&agreed, AlpnChoice::Either, ours).await.unwrap_err();
        assert_eq!(denial.reason, Reason::TlsHandshake, "{said} bytes");
        assert!(denial.detail.contains("not finished"), "{denial:?}");
        assert_eq!(begun.elapsed().as_secs(), TLS_HANDSHAKE_TIME.as_secs());
    }
}
