//! Names that have expired: claims where nothing else names the host, and never better than fresh ones.

use super::*;

fn ask<'a>(given: &'a [&'a str], stale: &'a [&'a str]) -> Ask<'a> {
    Ask { agent: "alice", to: (PUBLIC, 5432), given, stale }
}

/// What speaks without naming its host.
const NAMELESS: [Hello; 3] = [Hello::Opaque, Hello::Silent, Hello::Http2];

#[test]
fn a_stale_name_is_resolved_anew_and_never_dialled_as_it_was() {
    let set = Set::with(&l4("db", "{destinationHostnames: [db.example]}"));
    for hello in NAMELESS {
        let passage = set.connect(ask(&[], &["db.example"]), &hello).unwrap();
        assert_eq!(passage.name_source(), NameSource::Resolve, "{hello:?}");
        assert_eq!(passage.host(), Some(&host("db.example")));
        assert!(!passage.private_allowed());
        let fresh = set.connect(ask(&["db.example"], &[]), &hello).unwrap();
        assert_eq!(fresh.name_source(), NameSource::Given, "{hello:?}");
    }
    let flows = with_udp("", &l4("ntp", "{protocol: UDP, destinationHostnames: [ntp.example]}"));
    let passage = flows.connect(ask(&[], &["ntp.example"]), &Hello::Datagram).unwrap();
    assert_eq!((passage.mode(), passage.name_source()), (Mode::Datagrams, NameSource::Resolve));
}

#[test]
fn where_a_fresh_name_stands_at_the_address_a_stale_one_opens_nothing() {
    let set = Set::with(&l4("db", "{destinationHostnames: [db.example]}"));
    for hello in NAMELESS {
        assert_eq!(set.opens(ask(&["evil.example"], &["db.example"]), &hello), Err("policy.no-route"));
        assert_eq!(set.opens(ask(&[], &["evil.example"]), &hello), Err("policy.no-route"));
    }
}

#[test]
fn of_several_stale_names_that_routes_open_none_is_guessed() {
    let routes =
        l4("a", "{destinationHostnames: [a.example]}") + &l4("b", "{destinationHostnames: [b.example]}");
    let set = Set::with(&routes);
    for hello in [Hello::Opaque, Hello::Silent] {
        assert_eq!(set.opens(ask(&[], &["a.example", "b.example"]), &hello), Err("name.unverified"));
        let passage = set.connect(ask(&[], &["other.example", "b.example"]), &hello).unwrap();
        assert_eq!(passage.host(), Some(&host("b.example")), "the only one that may be meant");
    }
}

#[test]
fn an_address_that_a_route_opens_by_itself_is_dialled_itself() {
    let set = Set::with(
        &(l4("db", "{destinationHostnames: [db.example]}") + &l4("ports", "{ports: [{port: 5432}]}")),
    );
    let open = BASE.replace("spec:\n  listeners", "spec:\n  defaultPolicy: allow-all\n  listeners");
    for set in [set, Set::of(&[&open])] {
        let passage = set.connect(ask(&[], &["db.example"]), &Hello::Opaque).unwrap();
        assert_eq!((passage.name_source(), passage.host()), (NameSource::None, None));
    }
}

#[test]
fn a_stale_name_that_is_denied_stays_denied_and_one_with_a_network_has_to_be_looked_up() {
    let routes = l4("a", "{destinationHostnames: [a.example]}")
        + &l4("b", "{destinationHostnames: [b.example]}")
        + &l4("c", "{destinationHostnames: [c.example], destinationCIDRs: [10.0.0.0/8, 192.0.2.0/24]}")
        + &deny("no", "EgressL4Route", "b", "");
    let set = Set::with(&routes);
    assert_eq!(set.opens(ask(&[], &["b.example"]), &Hello::Opaque), Err("policy.denied"));
    assert_eq!(set.opens(ask(&[], &["a.example", "b.example"]), &Hello::Opaque), Err("policy.denied"));
    assert_eq!(set.opens(ask(&[], &["c.example"]), &Hello::Opaque), Err("name.unverified"));
    let inside = Ask { to: ("10.1.1.1", 5432), ..ask(&[], &["c.example"]) };
    assert_eq!(set.opens(inside, &Hello::Opaque), Err("name.unverified"));
    let nobody = Ask { to: ("10.1.1.1", 5432), ..ask(&[], &["d.example"]) };
    assert_eq!(set.opens(nobody, &Hello::Opaque), Err("destination.private"));
}

#[test]
fn a_denied_network_is_not_reached_under_a_stale_name_over_either_transport() {
    let net = |protocol: &str| {
        l4("net", &format!("{{{protocol}destinationCIDRs: [203.0.113.0/24]}}"))
            + &deny("no", "EgressL4Route", "net", "")
    };
    let open =
        l4("open", "{destinationHostnames: [a.example]}, {protocol: UDP, destinationHostnames: [a.example]}");
    for (protocol, shut, other) in
        [("", Hello::Opaque, Hello::Datagram), ("protocol: UDP, ", Hello::Datagram, Hello::Opaque)]
    {
        let set = with_udp("", &(net(protocol) + &open));
        assert_eq!(set.opens(ask(&[], &["a.example"]), &shut), Err("name.unverified"));
        assert!(set.opens(ask(&[], &["a.example"]), &other).is_ok());
    }
}

#[test]
fn a_host_whose_requests_are_judged_is_not_opened_to_raw_bytes_by_an_old_name() {
    let set = Set::with(
        &(l4("open", "{destinationHostnames: [a.example]}")
            + &http_route("read", "a.example", "{method: GET}")),
    );
    for given in [&["a.example"][..], &[]] {
        assert_eq!(set.opens(ask(given, &["a.example"]), &Hello::Opaque), Err("policy.no-route"));
    }
}

#[test]
fn what_names_its_host_itself_has_no_need_of_old_names() {
    let set = Set::with(&l4("open", "{destinationHostnames: [a.example]}"));
    let nameless = Hello::Tls(ClientHello { server_name: None, alpn: Default::default(), ech: false });
    assert_eq!(set.opens(ask(&[], &["a.example"]), &nameless), Err("tls.no-name"));
    assert_eq!(set.opens(ask(&[], &["a.example"]), &tls_to("b.example")), Err("policy.no-route"));
    let without = Hello::Http1(Http1Hello::default());
    assert_eq!(set.opens(ask(&[], &["a.example"]), &without), Err("policy.no-route"));
}

#[test]
fn what_was_resolved_under_one_name_is_judged_anew_by_no_name_that_its_address_was_given_for_meanwhile() {
    let routes = l4("db", "{destinationHostnames: [db.example]}")
        + &l4("other", "{destinationHostnames: [other.example]}");
    let (before, after) =
        (Set::with(&routes), Set::with(&(routes.clone() + &deny("no", "EgressL4Route", "db", ""))));
    let gone = Set::with(&l4("other", "{destinationHostnames: [other.example]}"));
    let anew = |set: &Set, passage: &Passage, hello: &Hello| {
        let (given, stale) = passage.names_anew(vec![host("other.example")]);
        let destination = OriginalDestination(passage.destination());
        let flow = Flow { destination, hello, given: &given, stale: stale.as_slice(), once: &[] };
        let known = set.directory.by_name("alice").unwrap();
        set.policy
            .connection(&known, flow, Circumstances::default())
            .map_err(|refusal| refusal.denial.reason.code())
    };
    for hello in NAMELESS {
        let passage = before.connect(ask(&[], &["db.example"]), &hello).unwrap();
        assert_eq!(anew(&after, &passage, &hello).map(drop), Err("policy.denied"), "{hello:?}");
        assert_eq!(anew(&gone, &passage, &hello).map(drop), Err("policy.no-route"), "{hello:?}");
        let still = anew(&before, &passage, &hello).unwrap();
        assert_eq!((still.host(), still.name_source()), (Some(&host("db.example")), NameSource::Resolve));
        // What was given is believed as long as the connection lives.
        let passage = before.connect(ask(&["db.example"], &[]), &hello).unwrap();
        let still = anew(&before, &passage, &hello).unwrap();
        assert_eq!(still.name_source(), NameSource::Given, "{hello:?}");
    }
}
