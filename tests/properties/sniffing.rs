//! The first bytes: ClientHellos of rustls and by hand, in any records and pieces, and what is nearly HTTP.

use std::sync::Arc;

use clawgress::model::types::HostName;
use clawgress::perceive::hello::{Alpn, Hello, Sniff, Sniffer, sniff};
use proptest::prelude::*;
use proptest::sample::Index;
use rustls::pki_types::ServerName;

use super::{damaged, holds};

/// A ClientHello as rustls sends it, in its one record.
fn of_rustls(name: &str, protocols: &[String]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.clone().into_bytes()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a ClientHello");
    bytes
}

fn vector16(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short enough");
    [&length.to_be_bytes()[..], content].concat()
}

/// A handshake message in records of at most `size` bytes and of any version that servers take.
fn in_records(message: &[u8], size: usize, version: (u8, u8)) -> Vec<u8> {
    let record = |part: &[u8]| [&[22, version.0, version.1], &vector16(part)[..]].concat();
    message.chunks(size).flat_map(record).collect()
}

/// By hand, with whatever extensions come.
fn by_hand() -> impl Strategy<Value = Vec<u8>> {
    let sni = "([A-Za-z0-9_-]{1,12}\\.){0,3}[A-Za-z0-9.]{1,9}".prop_map(|name: String| {
        let entry = [&[0][..], &vector16(name.as_bytes())].concat();
        (0_u16, vector16(&entry))
    });
    let alpn = prop::collection::vec("h2|http/1\\.1|[a-z]{1,5}", 0..4).prop_map(|protocols| {
        let each = protocols.iter().flat_map(|one| [&[one.len() as u8], one.as_bytes()].concat());
        (16_u16, vector16(&each.collect::<Vec<u8>>()))
    });
    let other = (any::<u16>(), prop::collection::vec(any::<u8>(), 0..40));
    let extension = prop_oneof![2 => sni, 2 => alpn, 3 => other, 1 => Just((0xfe0d, vec![0; 9]))];
    let parts = (prop::collection::vec(extension, 0..6), 1..200_usize, 0..16_u8, any::<u8>());
    parts.prop_map(|(extensions, size, major, minor)| {
        let list = extensions
            .iter()
            .flat_map(|(kind, content)| [&kind.to_be_bytes(), &vector16(content)[..]].concat());
        let list: Vec<u8> = list.collect();
        let body = [&[3, 3], &[7; 32][..], &[0, 0, 2, 0x13, 1, 1, 0], &vector16(&list)].concat();
        let message = [&[1, 0], &vector16(&body)[..]].concat();
        in_records(&message, size, (major, minor))
    })
}

/// Requests, greetings of other protocols, and what lies between.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let line = "(\r\n){0,2}([A-Z]{1,6}|get|G T)[ \t]{1,2}(/|\\*|http://[a-z.:]{1,8}/|[!-~]{1,9})([ \t]HTTP/[0-9]\\.[0-9]){0,1}\r{0,1}\n";
    let fields =
        "(Host[ ]{0,1}: {0,1}[a-z0-9.:]{1,9}\r{0,1}\n|[A-Za-z-]{1,5}: [ -~]{0,5}\r\n){0,3}(\r\n){0,1}";
    let other =
        "SSH-2\\.0-x\r\n|\\*1\r\n\\$4\r\nPING\r\n|EHLO [a-z.]{1,9}\r\n|PRI \\* HTTP/2\\.0\r\n\r\nSM\r\n\r\n";
    prop_oneof![
        4 => (line, fields).prop_map(|(line, fields)| (line + &fields).into_bytes()),
        1 => other.prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn first_bytes_have_one_verdict_however_they_arrive(
        bytes in damaged(prop_oneof![by_hand(), nearly_http(), prop::collection::vec(any::<u8>(), 0..300)]),
    ) {
        holds("sniff", &bytes);
    }

    #[test]
    fn a_client_hello_of_rustls_is_read_as_rustls_reads_it_and_only_once_it_is_whole(
        name in "([a-zA-Z0-9]{1,20}\\.){1,4}[a-zA-Z]{2,9}",
        protocols in prop::collection::vec("h2|http/1\\.1|[a-z0-9/.-]{1,20}", 0..5),
        size in 1..2000_usize,
        early in any::<Index>(),
    ) {
        let one = of_rustls(&name, &protocols);
        let many = in_records(&one[5..], size, (3, 1));
        for bytes in [one, many] {
            holds("sniff", &bytes);
            let Sniff::Is(Hello::Tls(hello)) = sniff(&bytes) else { panic!("{:?}", sniff(&bytes)) };
            prop_assert_eq!(hello.server_name, HostName::parse(&name).ok());
            let named = |protocol: &String| match protocol.as_str() {
                "h2" => Alpn::H2,
                "http/1.1" => Alpn::Http11,
                _ => Alpn::Other,
            };
            prop_assert_eq!(hello.alpn.to_vec(), protocols.iter().map(named).collect::<Vec<_>>());
            let beginning = &bytes[..early.index(bytes.len())];
            prop_assert_eq!(sniff(beginning), Sniff::NeedMore);
            prop_assert!(matches!(Sniffer::default().end(beginning), Sniff::Malformed(_)));
        }
    }
}
