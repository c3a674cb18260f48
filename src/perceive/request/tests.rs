//! One view of a request, claim by claim: whom it is for, which path it means, what is forwarded.

use super::*;

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn https() -> AgreedName {
    AgreedName::new(name("api.example"), 443, Scheme::Https)
}

fn head(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
    let mut builder = http::Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        builder = builder.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    builder.body(()).unwrap().into_parts().0
}

fn read<'h>(agreed: &AgreedName, head: &'h Parts) -> Result<Request<'h>, Denial> {
    Request::read(agreed, head)
}

fn reason(agreed: &AgreedName, head: &Parts) -> Reason {
    let denial = Request::read(agreed, head).unwrap_err();
    assert!(denial.detail.ends_with('.'), "{}", denial.detail);
    denial.reason
}

#[test]
fn every_spelling_of_the_agreed_name_is_accepted_and_forwarded_as_sent() {
    for spelling in ["api.example", "API.Example", "api.example.", "api.example:443"] {
        let head = head("GET", "/", &[("host", spelling)]);
        let agreed = https();
        let request = read(&agreed, &head).unwrap();
        assert_eq!(request.name(), Some(&name("api.example")), "{spelling}");
        assert_eq!((request.authority(), request.port(), request.scheme()), (spelling, 443, Scheme::Https));
    }
    let agreed = AgreedName::new(name("bücher.example"), 443, Scheme::Https);
    for spelling in ["bücher.example", "xn--bcher-kva.example"] {
        let head = head("GET", "/", &[("host", spelling)]);
        assert_eq!(read(&agreed, &head).unwrap().authority(), "xn--bcher-kva.example");
    }
}

#[test]
fn another_host_port_or_scheme_is_a_name_mismatch_with_evidence() {
    let agreed = https();
    for (uri, host) in [
        ("/", "paste.example"),
        ("/", "api.example.evil.example"),
        ("/", "api.example:8443"),
        ("/", "192.0.2.1"),
        ("https://paste.example/", "paste.example"),
        ("https://api.example/", "paste.example"),
        ("https://paste.example/", "api.example"),
        ("https://api.example:443/", "api.example:444"),
        ("http://api.example/", "api.example"),
    ] {
        let head = head("GET", uri, &[("host", host)]);
        let denial = read(&agreed, &head).unwrap_err();
        assert_eq!((denial.reason, denial.status()), (Reason::NameMismatch, 421), "{uri} {host}");
        assert!(denial.evidence.is_some(), "{uri} {host}");
    }
    let head = head("GET", "/", &[("host", "paste.example")]);
    let denial = read(&agreed, &head).unwrap_err();
    assert_eq!(
        denial.evidence.as_deref(),
        Some("Host names paste.example, connection is for api.example:443")
    );
}

#[test]
fn a_head_that_leaves_doubt_about_its_host_is_malformed() {
    let agreed = https();
    for (uri, hosts) in [
        ("/", &[][..]),
        ("/", &["api.example", "api.example"]),
        ("/", &[""]),
        ("/", &["user@api.example"]),
        ("/", &["api.example, api.example"]),
        ("/", &["api.example:"]),
        ("/", &["api%2eexample"]),
        ("https://user@api.example/", &["api.example"]),
    ] {
        let fields: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        assert_eq!(reason(&agreed, &head("GET", uri, &fields)), Reason::ProtocolMalformed, "{uri} {hosts:?}");
    }
}

#[test]
fn a_missing_port_means_the_connections_own() {
    let agreed = AgreedName::new(name("api.example"), 8443, Scheme::Https);
    for host in ["api.example", "api.example:8443"] {
        assert_eq!(read(&agreed, &head("GET", "/", &[("host", host)])).unwrap().port(), 8443);
    }
    assert_eq!(reason(&agreed, &head("GET", "/", &[("host", "api.example:443")])), Reason::NameMismatch);
}

#[test]
fn http2_names_its_host_in_the_authority() {
    let mut head = head("GET", "https://API.example/a", &[]);
    head.version = Version::HTTP_2;
    let agreed = https();
    let request = read(&agreed, &head).unwrap();
    assert_eq!((request.authority(), request.path(), request.target()), ("API.example", "/a", "/a"));
}

#[test]
fn http2_fields_that_readers_take_differently_are_malformed() {
    for value in [" 1", "1 ", "\t1", "1\t", " "] {
        let mut head = head("GET", "https://api.example/", &[("x-a", value)]);
        assert!(read(&https(), &head).is_ok(), "HTTP/1 trims: {value:?}");
        head.version = Version::HTTP_2;
        assert_eq!(reason(&https(), &head), Reason::ProtocolMalformed, "{value:?}");
    }
    for name in ["content_length", "transfer_encoding"] {
        let mut head = head("POST", "https://api.example/", &[(name, "0")]);
        head.version = Version::HTTP_2;
        assert_eq!(reason(&https(), &head), Reason::ProtocolMalformed, "{name}");
    }
    let many = |fields: usize| {
        let mut head = head("GET", "https://api.example/", &vec![("x-a", "1"); fields]);
        head.version = Version::HTTP_2;
        head
    };
    assert!(read(&https(), &many(HEAD_FIELDS)).is_ok());
    assert_eq!(reason(&https(), &many(HEAD_FIELDS + 1)), Reason::ProtocolMalformed);
}

#[test]
fn a_connection_to_a_bare_address_takes_that_address_alone() {
    let agreed = AgreedName::of_address("2001:db8::1".parse().unwrap(), 80, Scheme::Http);
    for host in ["[2001:db8::1]", "[2001:DB8:0::1]:80"] {
        let head = head("GET", "/", &[("host", host)]);
        let request = read(&agreed, &head).unwrap();
        assert_eq!((request.name(), request.authority()), (None, host));
    }
    for host in ["[2001:db8::2]", "[2001:db8::1]:81", "api.example", "192.0.2.1"] {
        assert_eq!(reason(&agreed, &head("GET", "/", &[("host", host)])), Reason::NameMismatch, "{host}");
    }
}

#[test]
fn policy_sees_the_canonical_path_and_the_agents_bytes_are_forwarded() {
    for (raw, path, target) in [
        ("/v1/chat?a=%41", "/v1/chat", "/v1/chat?a=%41"),
        ("/%76%31/a%2fb", "/v1/a%2Fb", "/%76%31/a%2fb"),
        ("/public/../admin?x", "/admin", "/admin?x"),
        ("/public/%2e%2E/%61dmin", "/admin", "/admin"),
        ("//a//b", "//a//b", "//a//b"),
        ("https://api.example", "/", "/"),
        ("https://api.example?q=1", "/", "/?q=1"),
    ] {
        let head = head("GET", raw, &[("host", "api.example")]);
        let agreed = https();
        let request = read(&agreed, &head).unwrap();
        assert_eq!((request.path(), request.target()), (path, target), "{raw}");
    }
    let stars = head("OPTIONS", "*", &[("host", "api.example")]);
    assert_eq!(read(&https(), &stars).unwrap().path(), "*");
}

#[test]
fn what_has_no_canonical_form_is_malformed() {
    let agreed = https();
    let host = ("host", "api.example");
    for (method, uri) in [
        ("GET", "*"),
        ("get", "/"),
        ("GET", "/a%00"),
        ("GET", "/a%zz"),
        ("GET", "/a/..%2fadmin"),
        ("GET", "/a\\b"),
        ("GET", "/ü"),
    ] {
        assert_eq!(reason(&agreed, &head(method, uri, &[host])), Reason::ProtocolMalformed, "{method} {uri}");
    }
    for length in ["+1", "1,1", "", "1 ", "9999999999999999999"] {
        let head = head("POST", "/", &[host, ("content-length", length)]);
        assert_eq!(reason(&agreed, &head), Reason::ProtocolMalformed, "{length:?}");
    }
    let twice = head("POST", "/", &[host, ("content-length", "1"), ("content-length", "1")]);
    assert_eq!(reason(&agreed, &twice), Reason::ProtocolMalformed);
    let mut old = head("GET", "/", &[host]);
    old.version = Version::HTTP_09;
    assert_eq!(reason(&agreed, &old), Reason::ProtocolMalformed);
}

#[test]
fn connect_is_refused_by_its_own_reason_with_its_target_on_record() {
    let mut head = head("GET", "/", &[("host", "api.example")]);
    head.method = Method::CONNECT;
    head.uri = http::Uri::from_static("paste.example:443");
    for version in [Version::HTTP_11, Version::HTTP_2] {
        head.version = version;
        let denial = read(&https(), &head).unwrap_err();
        assert_eq!((denial.reason, denial.status()), (Reason::ProtocolConnect, 403));
        assert_eq!(denial.evidence.as_deref(), Some("CONNECT paste.example:443"));
    }
}

#[test]
fn the_view_answers_what_policy_asks() {
    let agreed = https();
    let fields = [
        ("host", "api.example"),
        ("Content-Type", "application/grpc+proto"),
        ("content-length", "12"),
        ("X-A", "1"),
        ("x-a", "2"),
    ];
    let head = head("POST", "/s/M?a=b+c&d", &fields);
    let request = read(&agreed, &head).unwrap();
    assert_eq!(request.content_length(), Some(12));
    assert!(request.is_grpc());
    assert_eq!(request.header("x-A"), Some(&b"1"[..]));
    assert_eq!(request.header_values("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(request.query(), Some("a=b+c&d"));
    let pairs: Vec<_> = request.query_pairs().collect();
    assert_eq!(pairs, [("a".into(), "b c".into()), ("d".into(), "".into())]);
}
