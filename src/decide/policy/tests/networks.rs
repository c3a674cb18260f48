//! What a network opens and what it does not: a name that nobody proved opens nothing, and an address inside another one
//! is denied like itself.

use super::*;

/// On the listener of that name alone.
fn on(section: &str, route: &str) -> String {
    route.replace("{name: default}", &format!("{{name: default, sectionName: {section}}}"))
}

/// HTTP in the open that claims this name.
fn http_to(name: &str) -> Hello {
    Hello::Http1(Http1Hello { host: Some(host(name)), connect: None })
}

fn allow_rule(when: &str) -> String {
    format!(
        "kind: EgressPolicy\nmetadata: {{name: p}}\nspec:\n  targetRef: {{kind: EgressGateway, name: default}}\n  rules: [{{name: r, when: '{when}', action: Allow}}]\n---\n"
    )
}

const INSIDE: [&str; 2] = ["10.5.5.5", "fd00::5"];

/// Nobody was given it for any name.
fn inside(address: &str) -> Ask<'_> {
    Ask { agent: "alice", to: (address, 8080), given: &[], stale: &[] }
}

fn net() -> String {
    l4("net", "{destinationCIDRs: [10.0.0.0/8, fd00::/8]}")
}

#[test]
fn a_network_that_a_route_opens_to_tls_makes_no_name_believed_that_is_said_in_the_open() {
    let by_name = [
        on("web", &http_route("named", "updates.example", "")),
        l4("named", "{destinationHostnames: [updates.example]}"),
        allow_rule("destination.host == \"updates.example\""),
    ];
    for routes in by_name {
        let set = Set::with(&(on("tls", &net()) + &routes));
        for address in INSIDE {
            let passage = set.connect(inside(address), &http_to("updates.example")).unwrap();
            assert_eq!(passage.name_source(), NameSource::Resolve, "{routes}");
            assert!(!passage.private_allowed(), "{routes}");
            assert_eq!(set.opens(inside(address), &http_to("other.example")), Err("policy.no-route"));
            let given = Ask { given: &["updates.example"], ..inside(address) };
            assert_eq!(set.opens(given, &http_to("updates.example")), Err("destination.private"), "{routes}");
        }
    }
}

#[test]
fn a_network_beside_a_name_is_opened_for_what_its_listeners_take() {
    let beside =
        l4("beside", "{destinationHostnames: [a.example], destinationCIDRs: [10.0.0.0/8, fd00::/8]}");
    let set = Set::with(&(on("tls", &beside) + &on("web", &http_route("read", "a.example", ""))));
    for address in INSIDE {
        let given = Ask { given: &["a.example"], ..inside(address) };
        assert_eq!(set.opens(given, &http_to("a.example")), Err("destination.private"));
        assert_eq!(set.opens(given, &tls_to("a.example")), Ok("EgressL4Route/beside".into()));
    }
}

#[test]
fn a_name_that_is_only_claimed_at_a_network_opens_nothing_by_its_own_routes_and_rules() {
    for address in INSIDE {
        // Bytes that nobody reads are open there; by that name nothing is.
        let set = Set::with(&(on("raw", &net()) + &l4("named", "{destinationHostnames: [updates.example]}")));
        let passage = set.connect(inside(address), &http_to("updates.example")).unwrap();
        assert_eq!((passage.mode(), &*passage.route().policy.0), (Mode::Relay, "EgressL4Route/net"));
        let set = Set::with(&(on("raw", &net()) + &on("web", &http_route("named", "updates.example", ""))));
        assert_eq!(set.opens(inside(address), &http_to("updates.example")), Err("policy.no-route"));
        // Where the network is open for what is read, HTTP routes say what may be asked of their host, and open no more.
        let allow = allow_rule("destination.host == \"updates.example\"");
        let set = Set::with(&(net() + &http_route("named", "updates.example", "{method: GET}") + &allow));
        let asks = |method: &str| told(set.request(inside(address), method, "http://updates.example/", &[]));
        assert_eq!(asks("GET"), Ok("EgressHTTPRoute/named".into()));
        assert_eq!(asks("PUT"), Err("policy.no-route"));
        let any = Set::with(
            &(net()
                + &http_route("named", "updates.example", "{method: GET}")
                + &allow_rule("request.method == \"PUT\"")),
        );
        assert_eq!(
            told(any.request(inside(address), "PUT", "http://updates.example/", &[])),
            Ok("EgressPolicy/p".into())
        );
    }
}

#[test]
fn a_claimed_name_keeps_no_connection_to_a_network_open_that_is_shut_meanwhile() {
    let before = Set::with(&net());
    let beside =
        l4("beside", "{destinationHostnames: [updates.example], destinationCIDRs: [10.0.0.0/8, fd00::/8]}");
    let named = http_route("named", "updates.example", "");
    let shut = [beside.clone(), named.clone(), on("tls", &net()) + &named, beside + &named];
    for address in INSIDE {
        let passage = before.connect(inside(address), &http_to("updates.example")).unwrap();
        for documents in &shut {
            assert_eq!(
                Set::with(documents).judges(&passage, "GET", "updates.example"),
                Err("destination.private"),
                "{documents}"
            );
        }
        let raw = Set::with(&(on("raw", &net()) + &named));
        assert_eq!(raw.judges(&passage, "GET", "updates.example"), Err("policy.no-route"));
        let open = Set::with(&(net() + &named));
        assert_eq!(open.judges(&passage, "GET", "updates.example"), Ok("EgressHTTPRoute/named".into()));
    }
}

/// 198.51.100.7 as translators write it.
const CARRIERS: [&str; 4] =
    ["64:ff9b::198.51.100.7", "::ffff:198.51.100.7", "2002:c633:6407::1", "2001:db8::5efe:c633:6407"];

fn open_to(documents: &str) -> Set {
    let base = BASE.replace(
        "  listeners:\n",
        "  defaultPolicy: allow-all\n  listeners:\n    - {name: udp, protocol: UDP}\n",
    );
    Set::of(&[&base, documents])
}

#[test]
fn a_denied_network_is_denied_inside_every_address_that_leads_there() {
    let networks = l4(
        "net",
        "{destinationCIDRs: [198.51.100.0/24]}, {protocol: UDP, destinationCIDRs: [198.51.100.0/24]}",
    );
    let beside = l4(
        "net",
        "{destinationHostnames: [a.example], destinationCIDRs: [198.51.100.0/24]}, {protocol: UDP, destinationHostnames: [a.example], destinationCIDRs: [198.51.100.0/24]}",
    );
    let shut = deny("no", "EgressL4Route", "net", "");
    for documents in [networks, beside] {
        let (before, after) = (open_to(""), open_to(&(documents + &shut)));
        for address in CARRIERS {
            let ask = Ask { agent: "alice", to: (address, 5432), given: &["a.example"], stale: &[] };
            for hello in [Hello::Opaque, Hello::Datagram, tls_to("a.example"), http_to("a.example")] {
                assert_eq!(after.opens(ask, &hello), Err("policy.denied"), "{address} {hello:?}");
            }
            let passage = before.connect(ask, &http_to("a.example")).unwrap();
            assert_eq!(after.judges(&passage, "GET", "a.example"), Err("policy.denied"), "{address}");
        }
        let beside =
            Ask { agent: "alice", to: ("64:ff9b::198.51.101.7", 5432), given: &["a.example"], stale: &[] };
        assert!(after.opens(beside, &Hello::Opaque).is_ok());
    }
}

#[test]
fn a_rule_that_refuses_an_address_refuses_what_leads_there() {
    let rule = |action: &str| {
        let rule = format!("{{name: r, when: 'destination.address == \"198.51.100.7\"', action: {action}}}");
        format!(
            "kind: EgressPolicy\nmetadata: {{name: p}}\nspec:\n  targetRef: {{kind: EgressGateway, name: default}}\n  rules: [{rule}]\n---\n"
        )
    };
    let (before, after) = (open_to(""), open_to(&rule("Deny")));
    let allowing = Set::with(&rule("Allow"));
    for address in CARRIERS {
        let ask = Ask { agent: "alice", to: (address, 5432), given: &["a.example"], stale: &[] };
        assert_eq!(after.opens(ask, &Hello::Opaque), Err("policy.denied"), "{address}");
        let passage = before.connect(ask, &http_to("a.example")).unwrap();
        assert_eq!(after.judges(&passage, "GET", "a.example"), Err("policy.denied"), "{address}");
        // A mapped address is no other place than the one that it maps.
        let same = address.starts_with("::ffff:");
        let expected = if same { Ok("EgressPolicy/p".into()) } else { Err("policy.no-route") };
        assert_eq!(allowing.opens(ask, &Hello::Opaque), expected, "{address}");
    }
}

#[test]
fn an_allowed_network_opens_no_address_that_leads_there() {
    let set = Set::with(&l4("net", "{destinationCIDRs: [198.51.100.0/24]}"));
    for address in CARRIERS {
        let ask = Ask { agent: "alice", to: (address, 5432), given: &[], stale: &[] };
        assert_eq!(set.opens(ask, &Hello::Opaque), Err("policy.no-route"), "{address}");
    }
}
