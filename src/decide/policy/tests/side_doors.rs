//! Side doors are shut whatever routes say, each with its own reason.

use super::*;

/// Routes that open whatever can be opened.
const EVERYTHING: &str =
    "{destinationCIDRs: [0.0.0.0/0, '::/0']}, {protocol: UDP, destinationCIDRs: [0.0.0.0/0, '::/0']}";
const ADDRESSES: [&str; 2] = [PUBLIC, "2001:db8::10"];

fn to(address: &str, port: u16) -> Ask<'_> {
    Ask { agent: "alice", to: (address, port), given: &["a.example"], stale: &[] }
}

fn open_sets() -> [Set; 2] {
    [with_udp("", &l4("all", EVERYTHING)), with_udp("  defaultPolicy: allow-all\n", "")]
}

/// A set with one gateway, made of these listeners.
fn with_listeners(listeners: &str, documents: &str) -> Set {
    let start = BASE.find("  listeners").unwrap();
    Set::of(&[&format!("{}  listeners: [{listeners}]", &BASE[..start]), documents])
}

fn hidden(name: &str) -> Hello {
    Hello::Tls(ClientHello { server_name: Some(host(name)), alpn: Default::default(), ech: true })
}

fn connect_to(target: &str) -> Hello {
    Hello::Http1(Http1Hello { host: Some(host("a.example")), connect: Some(target.into()) })
}

#[test]
fn encrypted_dns_is_refused_on_its_port_whatever_it_says_and_routes_say() {
    for set in open_sets() {
        for address in ADDRESSES {
            for hello in [tls_to("a.example"), Hello::Opaque, Hello::Silent, Hello::Datagram, Hello::Http2] {
                assert_eq!(set.opens(to(address, 853), &hello), Err("protocol.encrypted-dns"), "{hello:?}");
            }
            for (hello, of) in [(Hello::Opaque, "TLS"), (Hello::Datagram, "QUIC")] {
                let denial = set.connect(to(address, 853), &hello).unwrap_err().denial;
                assert!(denial.detail.contains(&format!("the port is DNS over {of}")), "{denial:?}");
                assert_eq!(denial.evidence, Some(format!("port 853, DNS over {of}")));
            }
            assert!(set.opens(to(address, 854), &Hello::Opaque).is_ok());
            assert!(set.opens(to(address, 854), &Hello::Datagram).is_ok());
        }
    }
}

#[test]
fn a_deny_rule_and_a_private_address_change_nothing_about_the_side_doors() {
    let routes = l4("all", EVERYTHING) + &deny("no", "EgressL4Route", "all", "");
    let set = with_udp("", &routes);
    assert_eq!(set.opens(to("10.0.0.1", 853), &Hello::Opaque), Err("protocol.encrypted-dns"));
    assert_eq!(set.opens(to("10.0.0.1", 443), &Hello::Datagram), Err("protocol.quic"));
    assert_eq!(set.opens(to("10.0.0.1", 443), &Hello::Silent), Err("protocol.not-tls"));
}

#[test]
fn connect_is_refused_on_every_port_and_its_target_is_on_record() {
    for set in open_sets() {
        for port in [80, 443, 3128] {
            let refusal = set.connect(to(PUBLIC, port), &connect_to("paste.example:443")).unwrap_err();
            assert_eq!(refusal.denial.reason.code(), "protocol.connect");
            assert_eq!(refusal.denial.evidence.as_deref(), Some("CONNECT paste.example:443"));
            assert!(!refusal.denial.detail.contains("paste"), "{}", refusal.denial.detail);
            assert_eq!(refusal.answer, Answer::Http);
        }
    }
    let relays =
        with_listeners("{name: raw, protocol: TCP}", &l4("proxy", "{destinationHostnames: [a.example]}"));
    assert_eq!(relays.opens(to(PUBLIC, 3128), &connect_to("x:1")), Err("protocol.connect"));
}

#[test]
fn the_port_of_tls_takes_nothing_else_unless_a_route_of_tcp_alone_means_it() {
    for set in open_sets() {
        for (address, hello) in ADDRESSES.into_iter().flat_map(|a| [(a, Hello::Opaque), (a, Hello::Silent)]) {
            assert_eq!(set.opens(to(address, 443), &hello), Err("protocol.not-tls"), "{address} {hello:?}");
            assert!(set.opens(to(address, 444), &hello).is_ok(), "{address} {hello:?}");
        }
        assert!(set.opens(to(PUBLIC, 443), &tls_to("a.example")).is_ok());
    }
    let named = l4("raw", "{destinationHostnames: [a.example], ports: [{port: 443}]}");
    let meant = named.replace("{name: default}", "{name: default, sectionName: raw}");
    let set = Set::with(&meant);
    for hello in [Hello::Opaque, Hello::Silent] {
        assert_eq!(set.opens(to(PUBLIC, 443), &hello), Ok("EgressL4Route/raw".into()));
        let other = Ask { given: &["b.example"], ..to(PUBLIC, 443) };
        assert_eq!(set.opens(other, &hello), Err("protocol.not-tls"));
        let bob = Ask { agent: "bob", given: &[], ..to(PUBLIC, 443) };
        assert_eq!(set.opens(bob, &hello), Err("protocol.not-tls"));
    }
    // Plain HTTP is read where there is a listener for it, and else it is bytes like any other.
    let http = Hello::Http1(Http1Hello { host: Some(host("a.example")), connect: None });
    let unread = "{name: raw, protocol: TCP}, {name: p, protocol: TLS, tls: {mode: Passthrough}}";
    for hello in [http, Hello::Http2] {
        assert!(open_sets()[0].opens(to(PUBLIC, 443), &hello).is_ok(), "{hello:?}");
        assert_eq!(with_listeners(unread, &named).opens(to(PUBLIC, 443), &hello), Err("protocol.not-tls"));
        assert!(with_listeners(unread, &meant).opens(to(PUBLIC, 443), &hello).is_ok(), "{hello:?}");
    }
    let without_tls = with_listeners("{name: raw, protocol: TCP}", &named);
    assert!(without_tls.opens(to(PUBLIC, 443), &Hello::Opaque).is_ok(), "nobody takes TLS here");
}

#[test]
fn tls_that_hides_its_name_is_refused_where_the_name_decides() {
    let route = l4("open", "{destinationHostnames: [a.example]}");
    for listeners in [
        "{name: p, protocol: TLS, tls: {mode: Passthrough}}",
        "{name: p, protocol: TLS, tls: {mode: Passthrough, ech: Refuse}}",
        "{name: raw, protocol: TCP}",
        "{name: raw, protocol: TCP}, {name: p, protocol: TLS, tls: {mode: Passthrough}}",
    ] {
        let set = with_listeners(listeners, &route);
        for given in [&["a.example"][..], &[]] {
            let ask = Ask { given, ..to(PUBLIC, 443) };
            let refusal = set.connect(ask, &hidden("a.example")).unwrap_err();
            assert_eq!(refusal.denial.reason.code(), "tls.ech", "{listeners}");
            assert_eq!(refusal.answer, Answer::Alert);
            assert!(refusal.denial.evidence.unwrap().contains("a.example"));
            assert!(set.opens(ask, &tls_to("a.example")).is_ok(), "{listeners}");
            // What no route allows is not allowed with ECH either, and hears why.
            assert_eq!(set.opens(ask, &hidden("b.example")), Err("policy.no-route"));
        }
    }
    let all = "  defaultPolicy: allow-all\n  listeners: [{name: p, protocol: TLS, tls: {mode: Passthrough}}]";
    let start = BASE.find("  listeners").unwrap();
    let set = Set::of(&[&format!("{}{all}", &BASE[..start])]);
    assert_eq!(
        set.opens(to(PUBLIC, 443), &hidden("a.example")),
        Err("tls.ech"),
        "a deny rule may name what it hides"
    );
}

#[test]
fn where_tls_is_opened_or_the_network_decides_ech_is_no_matter() {
    let named = l4("open", "{destinationHostnames: [a.example]}");
    let set = Set::with(&named);
    assert_eq!(set.connect(to(PUBLIC, 443), &hidden("a.example")).unwrap().mode(), Mode::Terminate);
    let by_network = l4("net", "{destinationCIDRs: [192.0.2.0/24, '2001:db8::/32']}");
    for (listener, mode) in [
        ("{name: p, protocol: TLS, tls: {mode: Passthrough}}", Mode::PassThrough),
        ("{name: raw, protocol: TCP}", Mode::Relay),
    ] {
        let set = with_listeners(listener, &by_network);
        for address in ADDRESSES {
            assert_eq!(set.connect(to(address, 443), &hidden("a.example")).unwrap().mode(), mode);
            assert_eq!(set.connect(to(address, 443), &hidden("b.example")).unwrap().mode(), mode);
        }
    }
    // A network beside a name is no network alone.
    let both = l4("both", "{destinationHostnames: [a.example], destinationCIDRs: [192.0.2.0/24]}");
    let set = with_listeners("{name: p, protocol: TLS, tls: {mode: Passthrough}}", &both);
    assert_eq!(set.opens(to(PUBLIC, 443), &hidden("a.example")), Err("tls.ech"));
}

#[test]
fn a_listener_may_let_hidden_names_through_for_the_routes_attached_to_it() {
    let listeners = "{name: open, protocol: TLS, tls: {mode: Passthrough, ech: Allow}}, \
                     {name: shut, protocol: TLS, tls: {mode: Passthrough}}, {name: raw, protocol: TCP}";
    let at = |section: &str, host: &str| {
        l4(&host[..1], &format!("{{destinationHostnames: [{host}]}}"))
            .replace("{name: default}", &format!("{{name: default, sectionName: {section}}}"))
    };
    let routes = at("open", "a.example") + &at("shut", "b.example") + &at("raw", "c.example");
    let set = with_listeners(listeners, &(routes + &l4("d", "{destinationHostnames: [d.example]}")));
    let ask = Ask { given: &["a.example", "b.example", "c.example", "d.example"], ..to(PUBLIC, 443) };
    for (name, expected) in [
        ("a.example", Ok("EgressL4Route/a".into())),
        ("b.example", Err("tls.ech")),
        ("c.example", Err("tls.ech")),
        ("d.example", Ok("EgressL4Route/d".into())),
    ] {
        assert_eq!(set.opens(ask, &hidden(name)), expected, "{name}");
        assert!(set.opens(ask, &tls_to(name)).is_ok(), "{name}");
    }
    // Requests that have to be read cannot be read under any name.
    let read = http_route("read", "e.example", "{method: GET}");
    let open = with_listeners(&(listeners.to_owned() + ", {name: t, protocol: TLS}"), &read);
    let opened = open.connect(Ask { given: &["e.example"], ..ask }, &hidden("e.example")).unwrap();
    assert_eq!(opened.mode(), Mode::Terminate);
    let raw = Ask { given: &["e.example"], ..to(PUBLIC, 22) };
    assert_eq!(open.opens(raw, &Hello::Opaque), Err("policy.no-route"), "hiding is no listener");
}

#[test]
fn a_request_that_is_dns_by_its_own_words_is_refused_before_routes() {
    let set =
        Set::with(&(l4("open", "{destinationHostnames: [a.example]}") + &http_route("all", "b.example", "")));
    let code = |url: &str, fields: &[(&str, &str)]| {
        told(set.request(alice(&["a.example", "b.example"]), "POST", url, fields)).map(drop)
    };
    let dns = [("content-type", "application/dns-message")];
    assert_eq!(code("a.example/dns-query", &dns), Err("protocol.encrypted-dns"));
    assert_eq!(code("b.example/anything", &dns), Err("protocol.encrypted-dns"));
    assert_eq!(
        code("http://b.example/", &[("accept", "application/dns-json")]),
        Err("protocol.encrypted-dns")
    );
    let query = "b.example/x?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";
    assert_eq!(code(query, &[]), Err("protocol.encrypted-dns"));
    assert_eq!(code("b.example/dns-query?dns=example.com", &[("accept", "*/*")]), Ok(()));
    let seen = |url: &str, fields: &[(&str, &str)]| {
        set.request(alice(&["a.example", "b.example"]), "GET", url, fields).unwrap_err().evidence.unwrap()
    };
    let accept = [("accept", "text/plain, application/dns-message")];
    assert_eq!(seen("b.example/", &accept), "Accept: application/dns-message");
    assert_eq!(seen(query, &[]), "the parameter `dns`, which holds a query");
}

#[test]
fn an_address_without_a_name_hears_that_it_is_one() {
    let set = Set::with(&l4("open", "{destinationHostnames: [a.example]}"));
    let nameless = [Hello::Opaque, Hello::Silent, Hello::Http1(Http1Hello::default())];
    for (hello, address) in nameless.iter().flat_map(|hello| ADDRESSES.map(|address| (hello, address))) {
        let ask = Ask { given: &[], ..to(address, 8080) };
        let denial = set.connect(ask, hello).unwrap_err().denial;
        assert_eq!(denial.reason.code(), "policy.no-route");
        assert!(
            denial.detail.contains("an address without a name") && denial.detail.contains("CIDR"),
            "{denial:?}"
        );
    }
}

/// TLS that says no name, as `redis-cli --tls` sends it.
fn nameless() -> Hello {
    Hello::Tls(ClientHello { server_name: None, alpn: Default::default(), ech: false })
}

#[test]
fn tls_without_a_name_passes_where_nobody_opens_it_by_the_name_that_the_resolver_gave() {
    let route = l4("redis", "{destinationHostnames: [a.example], ports: [{port: 6380}]}");
    for (listeners, mode) in [
        ("{name: t, protocol: TCP}, {name: s, protocol: TLS}", Mode::Relay),
        ("{name: p, protocol: TLS, tls: {mode: Passthrough}}", Mode::PassThrough),
    ] {
        let set = with_listeners(listeners, &route);
        let passage = set.connect(to(PUBLIC, 6380), &nameless()).unwrap();
        assert_eq!((passage.mode(), passage.name_source()), (mode, NameSource::Given));
        let never_given = Ask { given: &[], ..to(PUBLIC, 6380) };
        assert_eq!(set.opens(never_given, &nameless()), Err("tls.no-name"));
        assert_eq!(set.opens(to(PUBLIC, 6381), &nameless()), Err("tls.no-name"), "no route");
    }
    let opened = with_listeners("{name: s, protocol: TLS}", &route);
    assert_eq!(
        opened.opens(to(PUBLIC, 6380), &nameless()),
        Err("tls.no-name"),
        "there is nothing to sign for"
    );
    let governed = with_listeners(
        "{name: t, protocol: TCP}, {name: s, protocol: TLS}",
        &(route + &http_route("web", "a.example", "")),
    );
    assert_eq!(
        governed.opens(to(PUBLIC, 6380), &nameless()),
        Err("tls.no-name"),
        "its requests must be read"
    );
}

#[test]
fn where_http_governs_the_host_the_record_says_why_other_bytes_are_refused() {
    let routes = http_route("web", "a.example", "")
        + &l4("ssh", "{destinationHostnames: [a.example], ports: [{port: 22}]}");
    let set = with_listeners("{name: t, protocol: TCP}, {name: s, protocol: TLS}", &routes);
    let refusal = set.connect(to(PUBLIC, 22), &Hello::Opaque).unwrap_err();
    assert_eq!(refusal.denial.reason.code(), "policy.no-route");
    let seen = refusal.denial.evidence.unwrap();
    assert!(seen.starts_with("HTTP routes govern a.example at this address"), "{seen}");
}
