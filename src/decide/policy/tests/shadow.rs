//! Addresses that a network opens: no name that an agent says goes around what denies one that it was given.

use super::*;

/// `/vault` of `h.example` is shut, and every address of the documentation range is open.
fn closed() -> String {
    l4("net", "{destinationCIDRs: [192.0.2.0/24]}")
        + &http_route("vault", "h.example", "{path: {type: PathPrefix, value: /vault}}")
        + &deny("shut", "EgressHTTPRoute", "vault", "")
}

fn at<'a>(port: u16, given: &'a [&'a str], stale: &'a [&'a str]) -> Ask<'a> {
    Ask { agent: "alice", to: (PUBLIC, port), given, stale }
}

const OPEN: &str = "EgressL4Route/net";

#[test]
fn another_name_goes_around_no_denial_of_a_host_that_the_address_was_given_for() {
    let set = Set::with(&closed());
    let both = &["n.example", "h.example"][..];
    for (scheme, port) in [("http", 80), ("https", 443)] {
        for (given, stale) in
            [(both, &[][..]), (&["h.example"], &[]), (&["n.example"], &["h.example"]), (&[], &["h.example"])]
        {
            let asks = |path: &str| {
                let url = format!("{scheme}://n.example{path}");
                set.request(at(port, given, stale), "GET", &url, &[])
            };
            let denial = asks("/vault/x").unwrap_err();
            assert_eq!(denial.reason.code(), "policy.denied", "{scheme} {given:?} {stale:?}");
            let seen = denial.evidence.unwrap();
            assert!(seen.ends_with("; 192.0.2.10 was given for h.example"), "{seen}");
            assert_eq!(told(asks("/open")), Ok(OPEN.into()), "{scheme} {given:?} {stale:?}");
        }
        let url = format!("{scheme}://n.example/vault/x");
        assert_eq!(told(set.request(at(port, &["n.example"], &[]), "GET", &url, &[])), Ok(OPEN.into()));
    }
}

#[test]
fn a_name_that_a_route_names_goes_by_its_own_rules() {
    for route in
        [l4("own", "{destinationHostnames: [n.example]}"), http_route("own", "n.example", "{method: GET}")]
    {
        let set = Set::with(&(closed() + &route));
        let asks =
            |given: &[&str]| told(set.request(at(80, given, &[]), "GET", "http://n.example/vault/x", &[]));
        assert!(asks(&["n.example", "h.example"]).is_ok());
        // What is only claimed is believed for nothing but the network.
        assert_eq!(asks(&["h.example"]), Err("policy.denied"));
    }
}

#[test]
fn bytes_and_http2_with_prior_knowledge_go_around_it_no_more_than_requests_do() {
    let set = Set::with(&closed());
    for (given, stale) in
        [(&["n.example", "h.example"][..], &[][..]), (&["n.example"], &["h.example"]), (&[], &["h.example"])]
    {
        assert_eq!(
            set.opens(at(5432, given, stale), &Hello::Opaque),
            Err("policy.no-route"),
            "{given:?} {stale:?}"
        );
    }
    let ask = at(80, &["n.example", "h.example"], &[]);
    let passage = set.connect(ask, &Hello::Http2).unwrap();
    let agreed = AgreedName::new(host("n.example"), 80, Scheme::Http);
    let head = http::Request::get("/vault/x").header("host", "n.example").body(()).unwrap().into_parts().0;
    let request = Request::read(&agreed, &head).unwrap();
    let known = set.directory.by_name("alice").unwrap();
    let answer = set.policy.request(&known, &passage, &request, Circumstances::default());
    assert_eq!(answer.map(drop).unwrap_err().reason.code(), "policy.denied");
}

#[test]
fn a_connection_that_its_address_opens_is_denied_under_every_name_that_the_address_has_or_had() {
    let closed = l4("net", "{destinationCIDRs: [192.0.2.0/24]}")
        + &l4("db", "{destinationHostnames: [h.example]}")
        + &deny("shut", "EgressL4Route", "db", "");
    let set = Set::with(&closed);
    let hellos = [Hello::Opaque, Hello::Http2, tls_to("n.example")];
    for hello in &hellos {
        for (given, stale) in [
            (&["n.example", "h.example"][..], &[][..]),
            (&["n.example"], &["h.example"]),
            (&[], &["h.example"]),
        ] {
            assert_eq!(
                set.opens(at(5432, given, stale), hello),
                Err("policy.denied"),
                "{hello:?} {given:?} {stale:?}"
            );
        }
        assert_eq!(set.opens(at(5432, &["n.example"], &[]), hello), Ok(OPEN.into()), "{hello:?}");
    }
    let named = Set::with(&(closed + &l4("own", "{destinationHostnames: [n.example]}")));
    assert_eq!(
        named.opens(at(5432, &["n.example"], &["h.example"]), &Hello::Opaque),
        Ok("EgressL4Route/own".into())
    );
}
