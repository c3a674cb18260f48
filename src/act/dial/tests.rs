//! The dial core against real TLS servers on loopback, with certificates made here. Loopback is never dialled for a
//! passage, so these tests stand below the classification, which has its own in `candidates.rs`.

use std::net::Ipv4Addr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, RsaKeySize, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::model::types::Reason;

type Issuer = CertifiedIssuer<'static, KeyPair>;

const NAME: &str = "api.name.example";

fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = params(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn root(common_name: &str) -> Issuer {
    CertifiedIssuer::self_signed(ca_params(common_name), key()).unwrap()
}

fn leaf_params(name: &str) -> CertificateParams {
    let alternative = match name.parse::<IpAddr>() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    };
    let mut params = params("leaf");
    params.subject_alt_names = vec![alternative];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// What a server presents.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn shown(params: &CertificateParams, key: &KeyPair, issuer: &Issuer, more: &[&Issuer]) -> Shown {
    let leaf = params.signed_by(key, issuer).unwrap();
    let mut chain = vec![leaf.der().clone()];
    chain.extend(more.iter().map(|issuer| issuer.der().clone()));
    Shown { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
}

fn good(issuer: &Issuer) -> Shown {
    shown(&leaf_params(NAME), &key(), issuer, &[])
}

/// What a server saw of one connection it accepted.
#[derive(Debug)]
struct Seen {
    sni: Option<String>,
    resumed: bool,
}

/// A TLS server that greets every client with one byte.
async fn serve(shown: Shown, alpn: &[&[u8]]) -> (SocketAddr, mpsc::Receiver<Seen>) {
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(shown.chain, shown.key).unwrap();
    config.alpn_protocols = alpn.iter().map(|id| id.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel(8);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            let session = tls.get_ref().1;
            let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
            let seen = Seen { sni: session.server_name().map(str::to_owned), resumed };
            let _ = tls.write_all(b"!").await;
            let _ = tls.flush().await;
            let _ = tell.send(seen).await;
        }
    });
    (address, told)
}

fn dialler(anchors: &[&Issuer]) -> Dialler {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("anchors.pem");
    std::fs::write(&path, anchors.iter().map(|issuer| issuer.pem()).collect::<String>()).unwrap();
    Dialler::new(&TrustAnchors::load(&[path]).unwrap(), |_| Ok(false))
}

fn wanted(host: Option<&HostName>, address: SocketAddr) -> Wanted<'_> {
    Wanted { host, name_source: NameSource::Given, destination: address, private_allowed: false }
}

fn soon() -> Instant {
    Instant::now() + limits::DIAL_TIME
}

async fn dial(dialler: &Dialler, address: SocketAddr, offer: &[Alpn]) -> Result<Dialled, Denial> {
    let host = HostName::parse(NAME).unwrap();
    dialler.dial_tls(&wanted(Some(&host), address), &[address], offer, soon()).await
}

async fn refusal(dialler: &Dialler, shown: Shown) -> Denial {
    let (address, _told) = serve(shown, &[]).await;
    dial(dialler, address, &[]).await.expect_err("this upstream must be refused")
}

#[track_caller]
fn assert_untrusted(denial: &Denial, short: &str, evidence: &str) {
    assert_eq!(denial.reason, Reason::TlsUntrustedUpstream, "{denial:?}");
    assert!(denial.detail.contains(short), "{}", denial.detail);
    assert!(!denial.detail.contains("127.0.0.1"), "{}", denial.detail);
    assert!(denial.evidence.as_deref().unwrap().contains(evidence), "{:?}", denial.evidence);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let root = root("root");
    let mut expired = leaf_params(NAME);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let denial = refusal(&dialler(&[&root]), shown(&expired, &key(), &root, &[])).await;
    assert_untrusted(&denial, "it has expired", "expired, valid until 2021-01-01T00:00:00");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused() {
    let root = root("root");
    let mut future = leaf_params(NAME);
    future.not_before = date_time_ymd(2100, 1, 1);
    let denial = refusal(&dialler(&[&root]), shown(&future, &key(), &root, &[])).await;
    assert_untrusted(&denial, "it is not valid yet", "valid from 2100-01-01T00:00:00");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let root = root("root");
    let dialler = dialler(&[&root]);
    for other in ["other.name.example", "*.example", "*.api.name.example", "name.example", "127.0.0.1"] {
        let denial = refusal(&dialler, shown(&leaf_params(other), &key(), &root, &[])).await;
        let seen = format!("wrong name, it is for 1 name(s): {other}");
        assert!(denial.evidence.as_deref().unwrap().ends_with(&seen), "{denial:?}");
        assert_untrusted(&denial, "it is for another name", other);
    }
}

#[tokio::test]
async fn a_common_name_proves_nothing() {
    let root = root("root");
    let mut only_cn = leaf_params(NAME);
    only_cn.subject_alt_names.clear();
    only_cn.distinguished_name.push(DnType::CommonName, NAME);
    let denial = refusal(&dialler(&[&root]), shown(&only_cn, &key(), &root, &[])).await;
    assert_untrusted(&denial, "it is for another name", "wrong name");
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused() {
    let root = root("root");
    let key = key();
    let own = leaf_params(NAME).self_signed(&key).unwrap();
    let shown =
        Shown { chain: vec![own.der().clone()], key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() };
    assert_untrusted(&refusal(&dialler(&[&root]), shown).await, "issuer is not trusted", "self-signed");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_refused() {
    let (known, unknown) = (root("root"), root("nobody"));
    let dialler = dialler(&[&known]);
    assert_untrusted(&refusal(&dialler, good(&unknown)).await, "issuer is not trusted", "unknown issuer");
    let impostor = root("root");
    let denial = refusal(&dialler, good(&impostor)).await;
    assert_eq!(denial.reason, Reason::TlsUntrustedUpstream, "the same name, another key: {denial:?}");
}

#[tokio::test]
async fn a_chain_without_its_intermediate_is_refused_and_with_it_accepted() {
    let root = root("root");
    let intermediate = CertifiedIssuer::signed_by(ca_params("intermediate"), key(), &root).unwrap();
    let dialler = dialler(&[&root]);
    assert_untrusted(&refusal(&dialler, good(&intermediate)).await, "issuer is not trusted", "intermediate");
    let whole = shown(&leaf_params(NAME), &key(), &intermediate, &[&intermediate]);
    let (address, _told) = serve(whole, &[]).await;
    let _ = dial(&dialler, address, &[]).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_not_for_servers_is_refused() {
    let root = root("root");
    let mut client = leaf_params(NAME);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let denial = refusal(&dialler(&[&root]), shown(&client, &key(), &root, &[])).await;
    assert_untrusted(&denial, "it is not for servers", "not for server authentication");
}

#[tokio::test]
async fn a_key_that_may_not_sign_is_refused() {
    let root = root("root");
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::KeyEncipherment] {
        let mut unfit = leaf_params(NAME);
        unfit.key_usages = vec![usage];
        let denial = refusal(&dialler(&[&root]), shown(&unfit, &key(), &root, &[])).await;
        assert_untrusted(&denial, "its key is not for this use", "wrong key usage");
    }
}

#[tokio::test]
async fn a_good_chain_of_either_key_type_passes_and_the_name_is_sent() {
    let ecdsa = root("ecdsa");
    let rsa_key = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let rsa = CertifiedIssuer::self_signed(ca_params("rsa"), rsa_key()).unwrap();
    let dialler = dialler(&[&ecdsa, &rsa]);
    let wildcard = shown(&leaf_params("*.name.example"), &key(), &ecdsa, &[]);
    for shown in [good(&ecdsa), shown(&leaf_params(NAME), &rsa_key(), &rsa, &[]), wildcard] {
        let (address, mut told) = serve(shown, &[]).await;
        let dialled = dial(&dialler, address, &[]).await.unwrap();
        assert_eq!((dialled.address(), dialled.protocol()), (address, Some(Protocol::Http11)));
        assert_eq!(told.recv().await.unwrap().sni.as_deref(), Some(NAME));
        assert!(dialled.into_parts().0.tcp().nodelay().unwrap());
    }
}

#[tokio::test]
async fn an_address_is_proven_by_an_address_in_the_certificate_and_sent_to_nobody() {
    let root = root("root");
    let (address, mut told) = serve(shown(&leaf_params("127.0.0.1"), &key(), &root, &[]), &[]).await;
    let dialler = dialler(&[&root]);
    let _ = dialler.dial_tls(&wanted(None, address), &[address], &[], soon()).await.unwrap();
    assert_eq!(told.recv().await.unwrap().sni, None);
    let (address, _told) = serve(shown(&leaf_params("127.0.0.2"), &key(), &root, &[]), &[]).await;
    let denial = dialler.dial_tls(&wanted(None, address), &[address], &[], soon()).await.unwrap_err();
    assert_eq!(denial.reason, Reason::TlsUntrustedUpstream);
}

#[tokio::test]
async fn the_protocol_follows_what_client_and_upstream_have_in_common() {
    let root = root("root");
    let dialler = dialler(&[&root]);
    let both: &[&[u8]] = &[b"h2", b"http/1.1"];
    for (server, client, expected) in [
        (both, &[Alpn::H2, Alpn::Http11][..], Protocol::H2),
        (both, &[Alpn::Http11], Protocol::Http11),
        (both, &[], Protocol::Http11),
        (&[b"http/1.1"], &[Alpn::H2], Protocol::Http11),
        (&[], &[Alpn::H2, Alpn::Http11], Protocol::Http11),
        // Refused at first, then asked again for the other version.
        (&[b"h2"], &[Alpn::Http11], Protocol::H2),
        (&[b"h2"], &[], Protocol::H2),
    ] {
        let (address, _told) = serve(good(&root), server).await;
        let dialled = dial(&dialler, address, client).await.unwrap();
        assert_eq!(dialled.protocol(), Some(expected), "{server:?} {client:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_speaks_no_http_has_failed() {
    let root = root("root");
    let dialler = dialler(&[&root]);
    for client in [&[Alpn::H2, Alpn::Http11][..], &[Alpn::Http11]] {
        let (address, _told) = serve(good(&root), &[b"imap"]).await;
        let denial = dial(&dialler, address, client).await.unwrap_err();
        assert_eq!(denial.reason, Reason::UpstreamFailed);
        assert!(denial.evidence.unwrap().contains("NoApplicationProtocol"));
    }
}

#[tokio::test]
async fn an_upstream_that_speaks_no_tls_has_failed() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let talk = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.read_u8().await.unwrap();
    });
    let dialler = dialler(&[&root("root")]);
    for evidence in ["does not speak TLS as it should", "during the TLS handshake"] {
        let denial = dial(&dialler, address, &[]).await.unwrap_err();
        assert_eq!(denial.reason, Reason::UpstreamFailed);
        assert!(denial.evidence.as_deref().unwrap().contains(evidence), "{denial:?}");
    }
    talk.await.unwrap();
}

/// A loopback address on which nobody listens.
async fn closed() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_refused_connection_is_unreachable_and_says_so_in_words() {
    let address = closed().await;
    let denial = dial(&dialler(&[&root("root")]), address, &[]).await.unwrap_err();
    assert_eq!(denial.reason, Reason::UpstreamUnreachable);
    assert_eq!(denial.evidence.unwrap(), format!("{address}: connection refused"));
    assert_eq!(denial.detail, format!("{NAME}:{} could not be reached. Try again later.", address.port()));
}

#[tokio::test]
async fn the_next_candidate_is_tried_where_one_refuses() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let open = listener.local_addr().unwrap();
    let dialled = dial_plain(&wanted(None, open), &[closed().await, open], soon()).await.unwrap();
    assert_eq!((dialled.address(), dialled.protocol()), (open, None));
    assert!(matches!(dialled.into_parts().0, UpstreamStream::Plain(_)));
}

#[tokio::test]
async fn a_silent_address_times_out() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts: once the backlog is full the kernel drops what asks to connect.
    let mut waiting = Vec::new();
    while let Ok(tcp) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        waiting.push(tcp);
    }
    let deadline = Instant::now() + Duration::from_millis(50);
    let denial = dial_plain(&wanted(None, address), &[address, address], deadline).await.unwrap_err();
    assert_eq!(denial.reason, Reason::UpstreamTimeout);
    assert!(denial.evidence.unwrap().starts_with("TCP timed out"));
}

#[tokio::test]
async fn a_resumed_session_is_accepted_while_its_certificate_lasts() {
    let root = root("root");
    let (address, mut told) = serve(good(&root), &[]).await;
    let dialler = dialler(&[&root]);
    for resumed in [false, true] {
        let (mut stream, ..) = dial(&dialler, address, &[]).await.unwrap().into_parts();
        // The tickets come before the greeting.
        assert_eq!(stream.read_u8().await.unwrap(), b'!');
        assert_eq!(told.recv().await.unwrap().resumed, resumed);
        let UpstreamStream::Tls(tls) = &stream else { panic!("plain") };
        assert_eq!(tls.get_ref().1.peer_certificates().map(<[_]>::len), Some(1));
    }
}

#[test]
fn a_remembered_certificate_out_of_its_time_is_not_accepted() {
    let root = root("root");
    let chain = good(&root).chain;
    let at = |text: &str| crate::model::types::Timestamp::parse(text).unwrap();
    assert_eq!(words::out_of_time(&chain, at("2026-01-01T00:00:00Z")), None);
    assert_eq!(words::out_of_time(&chain, at("2120-01-01T00:00:01Z")).unwrap().0, "it has expired");
    assert_eq!(words::out_of_time(&chain, at("2019-12-31T23:59:59Z")).unwrap().0, "it is not valid yet");
    assert!(words::out_of_time(&[], at("2026-01-01T00:00:00Z")).is_some());
}

async fn candidates_of(source: NameSource, answer: &[&str]) -> Result<Vec<String>, Denial> {
    let host = HostName::parse(NAME).unwrap();
    let destination = "192.0.2.1:443".parse().unwrap();
    let wanted = Wanted { host: Some(&host), name_source: source, destination, private_allowed: false };
    let answer: Vec<IpAddr> = answer.iter().map(|text| text.parse().unwrap()).collect();
    let resolve = async |asked: &HostName| {
        assert_eq!((source, asked.as_str()), (NameSource::Resolve, NAME), "nobody else asks");
        answer.clone()
    };
    let found = dialler(&[&root("root")]).candidates(&wanted, resolve, soon()).await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_claimed_name_is_resolved_and_the_agents_address_is_never_dialled() {
    let found = candidates_of(NameSource::Resolve, &["198.51.100.7", "2001:db8::7"]).await.unwrap();
    assert_eq!(found, ["198.51.100.7:443", "[2001:db8::7]:443"]);
}

#[tokio::test]
async fn a_given_address_is_dialled_as_it_was_given() {
    for source in [NameSource::Given, NameSource::None] {
        assert_eq!(candidates_of(source, &["198.51.100.7"]).await.unwrap(), ["192.0.2.1:443"]);
    }
}

#[tokio::test]
async fn a_claimed_name_without_a_usable_address_is_refused() {
    for (answer, reason) in [
        (&[][..], Reason::UpstreamUnreachable),
        (&["10.0.0.1"], Reason::DestinationPrivate),
        (&["169.254.169.254"], Reason::DestinationMetadata),
    ] {
        assert_eq!(candidates_of(NameSource::Resolve, answer).await.unwrap_err().reason, reason);
    }
}
