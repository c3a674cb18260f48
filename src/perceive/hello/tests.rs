//! What the first bytes are, claim by claim: TLS from rustls and by hand, HTTP, lookalikes, and arrival in any pieces.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::types::limits::{CONNECT_TARGET_BYTES, HELLO_BYTES};

/// A ClientHello as rustls sends it, in its one record.
fn rustls_hello(name: &str, alpn: &[&str]) -> Vec<u8> {
    let roots = rustls::RootCertStore::empty();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut out = Vec::new();
    client.write_tls(&mut out).unwrap();
    out
}

/// A ClientHello of our own with these extensions.
fn hello_with(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, content) in extensions {
        list.extend(kind.to_be_bytes());
        list.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        list.extend(content);
    }
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
    body.extend(list);
    in_records(&message(&body), 1 << 14)
}

fn message(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], body].concat()
}

/// A handshake message in records of at most `size` bytes.
fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in message.chunks(size) {
        out.extend([22, 3, 1]);
        out.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        out.extend(part);
    }
    out
}

fn sni(names: &[(u8, &[u8])]) -> (u16, Vec<u8>) {
    let mut list = Vec::new();
    for (kind, name) in names {
        list.push(*kind);
        list.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        list.extend(*name);
    }
    let mut content = u16::try_from(list.len()).unwrap().to_be_bytes().to_vec();
    content.extend(list);
    (0, content)
}

fn tls(bytes: &[u8]) -> ClientHello {
    match sniff(bytes) {
        Sniff::Is(Hello::Tls(hello)) => hello,
        other => panic!("{other:?}"),
    }
}

fn http1(bytes: &[u8]) -> Option<String> {
    match sniff(bytes) {
        Sniff::Is(Hello::Http1(hello)) => hello.host.map(|host| host.to_string()),
        other => panic!("{:?} is {other:?}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn a_rustls_client_hello_gives_name_and_protocols() {
    let hello = tls(&rustls_hello("API.Example.com", &["h2", "http/1.1", "acme-tls/1"]));
    assert_eq!(hello.server_name.as_ref().map(HostName::as_str), Some("api.example.com"));
    assert_eq!(hello.alpn.as_slice(), [Alpn::H2, Alpn::Http11, Alpn::Other]);
    assert!(hello.offers(Alpn::H2) && !hello.ech);
    assert_eq!(tls(&rustls_hello("192.0.2.1", &[])).server_name, None, "rustls names no address");
}

#[test]
fn a_client_hello_may_be_split_anywhere_into_records_and_segments() {
    let whole = rustls_hello("api.example.com", &["h2"]);
    let message = &whole[5..];
    let expected = tls(&whole);
    for size in 1..message.len() {
        assert_eq!(tls(&in_records(message, size)), expected, "records of {size}");
    }
    for cut in 1..message.len() {
        let two = [in_records(&message[..cut], 1 << 14), in_records(&message[cut..], 1 << 14)].concat();
        let mut sniffer = Sniffer::default();
        for end in 0..two.len() {
            assert_eq!(sniffer.look(&two[..end]), Sniff::NeedMore, "cut at {cut}, {end} bytes");
        }
        assert_eq!(sniffer.look(&two), Sniff::Is(Hello::Tls(expected.clone())));
    }
}

#[test]
fn record_versions_that_some_server_may_ignore_are_ignored() {
    let mut bytes = rustls_hello("a.example", &[]);
    for (major, minor) in [(3, 0), (3, 1), (3, 3), (3, 4), (3, 0xff), (2, 0), (4, 0), (15, 0xff)] {
        (bytes[1], bytes[2]) = (major, minor);
        assert!(tls(&bytes).server_name.is_some(), "{major}.{minor}");
    }
    bytes[1] = 16;
    assert_eq!(sniff(&bytes), Sniff::Is(Hello::Opaque), "no server takes this for TLS");
}

#[test]
fn an_ip_literal_as_server_name_counts_as_none() {
    for literal in ["192.0.2.1", "2001:db8::1", "127.1"] {
        assert_eq!(tls(&hello_with(&[sni(&[(0, literal.as_bytes())])])).server_name, None, "{literal}");
    }
}

#[test]
fn ech_is_seen_and_hides_nothing_else() {
    let hello = tls(&hello_with(&[sni(&[(0, b"outer.example")]), (0xfe0d, vec![0; 40])]));
    assert!(hello.ech);
    assert_eq!(hello.server_name.unwrap().as_str(), "outer.example");
}

#[test]
fn malformed_client_hellos_are_refused_with_their_reason() {
    let good = hello_with(&[sni(&[(0, b"a.example")])]);
    let with = |edit: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        edit(&mut bytes);
        bytes
    };
    let message = good[5..].to_vec();
    let interleaved =
        [in_records(&message[..9], 99), vec![21, 3, 3, 0, 2, 1, 0], in_records(&message[9..], 99)].concat();
    let name = "the server name in the ClientHello is not one valid host name";
    let alpn = "the protocols offered in the ClientHello (ALPN) are not a valid list";
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty record", vec![22, 3, 1, 0, 0], "a TLS handshake record is empty"),
        ("record over 2^14", vec![22, 3, 1, 0x40, 1], "a TLS record is longer than 16 KiB"),
        ("alert inside", interleaved, "another TLS record stands inside the ClientHello"),
        ("alert first", vec![21, 3, 3, 0, 2, 1, 0], "TLS does not begin with a ClientHello"),
        ("server hello", with(|b| b[5] = 2), "the first TLS message is not a ClientHello"),
        ("message over 64 KiB", vec![22, 3, 1, 0, 9, 1, 1, 0, 0], "the ClientHello is longer than 64 KiB"),
        (
            "record longer than message",
            with(|b| b[8] -= 1),
            "something follows the ClientHello in its record",
        ),
        ("version 2", with(|b| b[9] = 2), "the ClientHello has an unknown version"),
        ("odd ciphers", with(|b| b[45] = 1), "a length in the ClientHello does not fit"),
        ("twice", hello_with(&[(5, vec![]), (5, vec![])]), "an extension comes twice in the ClientHello"),
        ("empty server_name", hello_with(&[(0, vec![])]), name),
        ("two names", hello_with(&[sni(&[(0, b"a.example"), (0, b"b.example")])]), name),
        ("other name type", hello_with(&[sni(&[(1, b"a.example")])]), name),
        ("no name", hello_with(&[sni(&[])]), name),
        ("empty name", hello_with(&[sni(&[(0, b"")])]), name),
        ("NUL in name", hello_with(&[sni(&[(0, b"a.example\0.b")])]), name),
        ("Unicode name", hello_with(&[sni(&[(0, "bücher.example".as_bytes())])]), name),
        ("bytes behind the list", hello_with(&[(0, vec![0, 4, 0, 0, 1, b'a', 9])]), name),
        ("empty ALPN", hello_with(&[(16, vec![0, 0])]), alpn),
        ("empty protocol", hello_with(&[(16, vec![0, 1, 0])]), alpn),
    ];
    for (what, bytes, why) in cases {
        assert_eq!(sniff(&bytes), Sniff::Malformed(why), "{what}");
    }
}

#[test]
fn a_client_hello_without_extensions_has_no_name() {
    let mut body = vec![3, 1];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0, 5, 1, 0]);
    assert_eq!(tls(&in_records(&message(&body), 99)).server_name, None);
}

#[test]
fn an_ssl2_client_hello_is_malformed_and_lookalikes_are_opaque() {
    let mut hello = vec![0x80, 9 + 3 + 16, 1, 3, 1, 0, 3, 0, 0, 0, 16];
    assert_eq!(sniff(&hello[..10]), Sniff::NeedMore);
    assert_eq!(sniff(&hello), Sniff::Malformed("the ClientHello has the framing of SSL 2.0"));
    hello[1] += 1;
    assert_eq!(sniff(&hello), Sniff::Is(Hello::Opaque));
    assert_eq!(sniff(&[0x80, 0, 2]), Sniff::Is(Hello::Opaque));
}

#[test]
fn the_http2_preface_is_exact() {
    for end in 0..PREFACE.len() {
        assert_eq!(sniff(&PREFACE[..end]), Sniff::NeedMore, "{end} bytes");
    }
    assert_eq!(sniff(PREFACE), Sniff::Is(Hello::Http2));
    assert_eq!(http1(b"PRI * HTTP/2.0\r\n\r\nXX"), None, "no preface, so a request that the guard refuses");
}

#[test]
fn http1_names_its_host_only_where_it_is_one_valid_name() {
    for (head, host) in [
        ("GET / HTTP/1.1\r\nHost: A.example:80\r\n\r\n", Some("a.example")),
        ("\r\nGET / HTTP/1.1\r\nhost:a.example\r\n\r\n", Some("a.example")),
        ("PROPFIND /x HTTP/1.0\r\nAccept: */*\r\nHost: a.example\r\n\r\nbody", Some("a.example")),
        ("GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", Some("a.example")),
        ("GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", None),
    ] {
        assert_eq!(http1(head.as_bytes()).as_deref(), host, "{head:?}");
        let mut sniffer = Sniffer::default();
        let end = head.find("\r\n\r\n").unwrap() + 4;
        for short in 0..end {
            assert_eq!(sniffer.look(&head.as_bytes()[..short]), Sniff::NeedMore, "{head:?} {short}");
        }
    }
}

#[test]
fn connect_is_seen_with_its_target_however_a_lenient_proxy_would_take_it() {
    let target = |text: &str| match Sniffer::default().end(text.as_bytes()) {
        Sniff::Is(Hello::Http1(hello)) => hello.connect.map(String::from),
        _ => None,
    };
    for line in [
        "CONNECT paste.example:443 HTTP/1.1\r\nHost: paste.example:443\r\n\r\n",
        "CONNECT paste.example:443 HTTP/1.0\r\n\r\n",
        "\r\nCONNECT paste.example:443 HTTP/1.1\r\n\r\n",
        "connect paste.example:443 HTTP/1.1\r\n\r\n",
        "CONNECT paste.example:443 http/1.1\r\n\r\n",
        "CONNECT  paste.example:443  HTTP/1.1\r\n",
        "CONNECT\tpaste.example:443 HTTP/1.1\n",
        "CONNECT paste.example:443 HTTP/1.1\n",
        "Connect paste.example:443\u{1} HTTP/1.1\r\n",
    ] {
        assert_eq!(target(line).as_deref(), Some("paste.example:443"), "{line:?}");
    }
    for line in [
        "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECTED / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        // STOMP, NATS and IRC are no HTTP.
        "CONNECT\naccept-version:1.2\nhost:a.example\n\n\0",
        "CONNECT {\"verbose\":false}\r\n",
        "CONNECT irc.example 6667\r\n",
    ] {
        assert_eq!(target(line), None, "{line:?}");
    }
    let long = target(&format!("CONNECT {} HTTP/1.1\r\n\r\n", "a".repeat(9000))).unwrap();
    assert_eq!(long.len(), CONNECT_TARGET_BYTES);
}

#[test]
fn what_only_a_lenient_server_takes_for_http_is_http_and_never_opaque() {
    for line in [
        "get / HTTP/1.1\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.1\n",
        "GET  / HTTP/1.1\r\n",
        "GET\t/\tHTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET / HTTP/2.0\r\n",
        "GET / HTTP/0.9\r\n",
        "GET /secret\r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET /ü HTTP/1.1\r\n",
        "\r\n\r\n\r\nget / HTTP/1.1\n",
        "GET \u{1}",
        "GET\u{c}/secret\u{c}HTTP/1.1\r\n",
        "GET /secret\u{1b}[2J HTTP/1.1\r\n",
        "BREW /pot\u{7f} HTTP/1.1\r\n",
        "BREW http://a.example\u{1} HTTP/1.1\r\n",
    ] {
        assert_eq!(http1(line.as_bytes()), None, "{line:?}");
    }
}

#[test]
fn other_protocols_are_opaque_as_soon_as_that_is_certain() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.6 Ubuntu-3\r\n"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"EHLO client.example\r\n",
        b"USER bob\r\n",
        b"QUIT\r\n",
        b"OPTIONS sip:bob@a.example SIP/2.0\r\n",
        b"OPTIONS rtsp://a.example RTSP/1.0\r\n",
        b"get key\r\n",
        b"*1\r\n",
        b"{",
        b"\0",
        b"\x16\x10",
        b"EHLO \x01",
        b"\x10\x0e\0\x04MQTT",
        b"\r\n\r\n\0\r\nQUIT\n",
    ] {
        assert_eq!(sniff(bytes), Sniff::Is(Hello::Opaque), "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(sniff(&[b'A'; 33]), Sniff::Is(Hello::Opaque), "no method is that long");
    let git = b"003egit-upload-pack /r.git\0host=a.example\0";
    assert_eq!(sniff(git), Sniff::Is(Hello::Opaque), "no method begins with a length");
}

#[test]
fn when_the_client_has_said_all_one_word_is_opaque_and_a_beginning_is_broken_off() {
    let end = |bytes: &[u8]| Sniffer::default().end(bytes);
    assert_eq!(end(b"hello"), Sniff::Is(Hello::Opaque));
    assert_eq!(end(b"SSH-2.0-x\r\n"), Sniff::Is(Hello::Opaque));
    for bytes in [&b"GET /"[..], b"GET / HTTP/1.1\r\nHost: a.example\r\n", b"hello ", b"\x16\x03", b"\r\n"] {
        assert_eq!(end(bytes), Sniff::Malformed("the first message broke off"), "{bytes:?}");
    }
}

#[test]
fn a_first_message_over_the_bound_is_malformed() {
    let mut head = b"GET / HTTP/1.1\r\nHost: a.example\r\nX: ".to_vec();
    head.resize(HELLO_BYTES - 1, b'x');
    assert_eq!(sniff(&head), Sniff::NeedMore);
    head.push(b'x');
    assert_eq!(sniff(&head), Sniff::Malformed("the first message is longer than 64 KiB"));
}

#[test]
fn the_slowest_arrival_costs_no_more_than_one_look_at_each_byte() {
    let mut body = vec![0; 10_000];
    body[..2].copy_from_slice(&[3, 3]);
    for bytes in
        [in_records(&message(&body), 1), [b"GET / HTTP/1.1\r\n".to_vec(), b"a:\r\n".repeat(15_000)].concat()]
    {
        let mut sniffer = Sniffer::default();
        for end in 0..bytes.len() {
            if sniffer.look(&bytes[..end]) != Sniff::NeedMore {
                break;
            }
        }
        assert_eq!(sniffer.look(&bytes), sniff(&bytes));
    }
}

fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    let lines = "(\r\n)?(GET|get|PRI|SSH-2|M-SEARCH|EHLO)[ \t]{0,2}(/|\\*|http://a.example/)?x? ?(HTTP/[0-9]\\.[0-9])?\r?\n(Host: a.example\r?\n){0,2}\r?\n?";
    let hello = (0..300_usize, any::<u8>(), 1..600_usize).prop_map(|(at, value, size)| {
        let mut message =
            hello_with(&[sni(&[(0, b"a.example")]), (16, vec![0, 3, 2, b'h', b'2'])])[5..].to_vec();
        if let Some(byte) = message.get_mut(at) {
            *byte = value;
        }
        in_records(&message, size)
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        lines.prop_map(String::into_bytes),
        hello,
        (0..25_usize, any::<u8>()).prop_map(|(at, value)| {
            let mut bytes = PREFACE.to_vec();
            bytes.insert(at.min(24), value);
            bytes
        }),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_a_decision_never_changes(
        bytes in beginnings(), more in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let whole = [bytes, more].concat();
        let mut sniffer = Sniffer::default();
        let mut decided = Sniff::NeedMore;
        for end in 0..=whole.len() {
            let verdict = sniff(&whole[..end]);
            if decided != Sniff::NeedMore {
                prop_assert_eq!(&verdict, &decided, "after {} bytes", end);
            }
            prop_assert_eq!(&sniffer.look(&whole[..end]), &verdict);
            decided = verdict;
        }
    }
}
