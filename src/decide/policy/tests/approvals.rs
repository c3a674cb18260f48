//! What stands for a time: what it opens, for whom, until when, and what it never opens.

use super::super::standing::Quarantine;
use super::*;
use crate::model::types::{ApprovedHost, Cause, RecordType, Timestamp};

/// One minute into the day.
const NOW: Timestamp = Timestamp(60_000_000);

/// Alice may reach these hosts until a moment after `NOW`.
fn approved(hosts: &[&str], until: i64) -> Standing {
    let hosts: Vec<_> = hosts.iter().map(|text| ApprovedHost::parse(text).unwrap()).collect();
    let mut standing = Standing::new();
    standing.approve(&"alice".into(), "debug", &hosts, Timestamp(NOW.0 + until));
    standing
}

fn shut_out(until: Option<i64>) -> Standing {
    let mut standing = Standing::new();
    let cause = Cause { policy: None, rule: None, reason: "it shouts".into() };
    let until = until.map(|until| Timestamp(NOW.0 + until));
    standing.quarantine(&"alice".into(), Quarantine { until, cause });
    standing
}

/// The same questions with something standing.
struct During<'a>(&'a Set, &'a Standing);

impl During<'_> {
    fn circumstances(&self) -> Circumstances<'_> {
        Circumstances { at: NOW, standing: self.1, usage: None }
    }

    fn connect(&self, ask: Ask<'_>, hello: &Hello) -> Result<Passage, Denial> {
        let known = self.0.directory.by_name(ask.agent).unwrap();
        let given: Vec<HostName> = ask.given.iter().map(|name| host(name)).collect();
        let destination = OriginalDestination(SocketAddr::new(ask.to.0.parse().unwrap(), ask.to.1));
        let flow = Flow { destination, hello, given: &given, stale: &[], once: &[] };
        self.0.policy.connection(&known, flow, self.circumstances()).map_err(|refusal| refusal.denial)
    }

    fn opens(&self, ask: Ask<'_>, hello: &Hello) -> Result<String, &'static str> {
        told(self.connect(ask, hello).map(|passage| passage.route().clone()))
    }

    fn asks(&self, ask: Ask<'_>, name: &str, path: &str) -> Result<String, &'static str> {
        let answer = self.connect(ask, &tls_to(name)).and_then(|passage| {
            let agreed = AgreedName::new(host(name), ask.to.1, Scheme::Https);
            let head =
                http::Request::builder().uri(path).header("host", name).body(()).unwrap().into_parts().0;
            let request = Request::read(&agreed, &head)?;
            let known = self.0.directory.by_name(ask.agent).unwrap();
            let permit = self.0.policy.request(&known, &passage, &request, self.circumstances())?;
            permit.settle(&Content::default()).map(|clearance| clearance.route().clone())
        });
        told(answer)
    }

    fn looks_up(&self, agent: &str, name: &str, kind: RecordType) -> Result<Chooser, &'static str> {
        let known = self.0.directory.by_name(agent).unwrap();
        let parsed = HostName::parse(name).ok();
        let lookup = Lookup { host: parsed.as_ref(), text: name, kind, class: 1 };
        let answer = self.0.policy.query(&known, &lookup, self.circumstances());
        answer.map(|leave| leave.chooser()).map_err(|denial| denial.reason.code())
    }
}

fn bob(ask: Ask<'_>) -> Ask<'_> {
    Ask { agent: "bob", ..ask }
}

const BY: &str = "EgressApproval/debug";

#[test]
fn an_approval_opens_its_host_and_port_for_its_agent_until_its_moment() {
    let set = Set::with("");
    let ask = alice(&["a.example"]);
    for (hosts, until, expected) in [
        (["a.example"], 1, Ok(BY.to_owned())),
        (["a.example:443"], 1, Ok(BY.to_owned())),
        (["*.example"], 1, Ok(BY.to_owned())),
        (["a.example:444"], 1, Err("policy.no-route")),
        (["b.example"], 1, Err("policy.no-route")),
        (["a.example"], 0, Err("policy.no-route")),
    ] {
        let standing = approved(&hosts, until);
        assert_eq!(During(&set, &standing).asks(ask, "a.example", "/x"), expected, "{hosts:?} {until}");
        let others = During(&set, &standing).asks(bob(ask), "a.example", "/x");
        assert_eq!(others, Err("policy.no-route"), "{hosts:?}: bob");
    }
    let standing = approved(&["a.example:5432"], 1);
    let during = During(&set, &standing);
    assert_eq!(during.opens(raw(ask), &Hello::Opaque), Ok(BY.into()), "bytes that nobody reads");
    assert_eq!(during.opens(raw(ask), &Hello::Datagram), Err("policy.no-route"), "TCP alone");
    // A name that is only claimed is resolved by the gateway, as for a route.
    let standing = approved(&["a.example"], 1);
    let passage = During(&set, &standing).connect(alice(&[]), &tls_to("a.example")).unwrap();
    assert_eq!((passage.name_source(), passage.private_allowed()), (NameSource::Resolve, false));
}

#[test]
fn an_approved_host_takes_every_request_even_where_routes_govern_it_but_none_that_is_denied() {
    let set = Set::with(
        &(http_route("read", "a.example", "{path: {value: /read}}")
            + &http_route("vault", "a.example", "{path: {value: /vault}}")
            + &deny("closed", "EgressHTTPRoute", "vault", "")
            + &l4("shut", "{destinationHostnames: [b.example]}")
            + &deny("shut", "EgressL4Route", "shut", "")),
    );
    let standing = approved(&["*.example"], 1);
    let during = During(&set, &standing);
    let ask = alice(&["a.example", "b.example"]);
    assert_eq!(during.asks(alice(&["a.example"]), "a.example", "/read"), Ok("EgressHTTPRoute/read".into()));
    assert_eq!(during.asks(alice(&["a.example"]), "a.example", "/write"), Ok(BY.into()));
    assert_eq!(during.asks(alice(&["a.example"]), "a.example", "/vault"), Err("policy.denied"));
    assert_eq!(during.opens(ask, &tls_to("b.example")), Err("policy.denied"));
    // Bytes that nobody reads do not go around the rules for requests.
    assert_eq!(during.opens(raw(alice(&["a.example"])), &Hello::Opaque), Err("policy.no-route"));
}

#[test]
fn an_approval_opens_no_address_that_is_not_public_by_its_name() {
    let standing = approved(&["a.example"], 1);
    let set = Set::with("");
    let inside = Ask { to: ("10.1.2.3", 443), ..alice(&["a.example"]) };
    assert_eq!(During(&set, &standing).opens(inside, &tls_to("a.example")), Err("destination.private"));
    // Nor where a network lets the address through and the name is no more than a claim.
    let network = "{destinationCIDRs: [10.0.0.0/8]}";
    let set =
        Set::with(&(l4("inside", network) + &http_route("read", "a.example", "{path: {value: /read}}")));
    let claimed = Ask { to: ("10.1.2.3", 443), ..alice(&[]) };
    let during = During(&set, &standing);
    assert_eq!(during.asks(claimed, "a.example", "/read"), Ok("EgressHTTPRoute/read".into()));
    assert_eq!(during.asks(claimed, "a.example", "/other"), Err("policy.no-route"));
}

#[test]
fn an_approved_name_may_be_looked_up_and_no_other() {
    let set = Set::with("");
    let standing = approved(&["a.example", "*.wild.example:443"], 1);
    let during = During(&set, &standing);
    assert_eq!(during.looks_up("alice", "a.example", RecordType::A), Ok(Chooser::Documents));
    assert_eq!(during.looks_up("alice", "x.wild.example", RecordType::A), Ok(Chooser::Agent));
    assert_eq!(during.looks_up("alice", "_8443._https.a.example", RecordType(65)), Ok(Chooser::Agent));
    assert_eq!(during.looks_up("alice", "example", RecordType(48)), Ok(Chooser::Documents), "DNSKEY");
    for (agent, name) in [("alice", "b.example"), ("alice", "wild.example"), ("bob", "a.example")] {
        assert_eq!(during.looks_up(agent, name, RecordType::A), Err("dns.denied"), "{agent} {name}");
    }
    let over = approved(&["a.example"], 0);
    assert_eq!(During(&set, &over).looks_up("alice", "a.example", RecordType::A), Err("dns.denied"));
}

#[test]
fn a_quarantined_agent_is_refused_before_anything_else_is_looked_at() {
    let set = Set::with(&http_route("read", "a.example", ""));
    let ask = alice(&["a.example"]);
    for (until, expected) in [
        (None, Err("identity.quarantined")),
        (Some(1), Err("identity.quarantined")),
        (Some(0), Ok("EgressHTTPRoute/read".to_owned())),
    ] {
        let standing = shut_out(until);
        let during = During(&set, &standing);
        assert_eq!(during.asks(ask, "a.example", "/"), expected, "{until:?}");
        let looked_up = during.looks_up("alice", "a.example", RecordType::A).map(drop);
        assert_eq!(looked_up, expected.clone().map(drop), "{until:?}");
        assert_eq!(during.asks(bob(ask), "a.example", "/"), Ok("EgressHTTPRoute/read".into()), "{until:?}");
    }
    let standing = shut_out(None);
    let to_a_resolver = Ask { to: (PUBLIC, 853), ..alice(&[]) };
    let denial = During(&set, &standing).connect(to_a_resolver, &Hello::Opaque).unwrap_err();
    assert_eq!(denial.reason.code(), "identity.quarantined");
    assert!(!denial.detail.contains("shouts"), "why is for operators: {}", denial.detail);
    assert_eq!(denial.evidence.as_deref(), Some("it shouts"));
}

#[test]
fn the_order_in_which_grants_come_decides_nothing() {
    let hosts = |text: &str| vec![ApprovedHost::parse(text).unwrap()];
    let grants = [("b", "a.example:443", 5), ("a", "a.example", 9), ("c", "a.example", 9)];
    let build = |order: &[usize]| {
        let mut standing = Standing::new();
        for at in order {
            let (name, host, until) = grants[*at];
            standing.approve(&"alice".into(), name, &hosts(host), Timestamp(NOW.0 + until));
        }
        standing
    };
    let first = build(&[0, 1, 2]);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(build(&order), first, "{order:?}");
    }
    let set = Set::with("");
    let opened = During(&set, &first).opens(alice(&["a.example"]), &tls_to("a.example"));
    assert_eq!(
        opened,
        Ok("EgressApproval/a".into()),
        "the one that lasts longest, and of those the first by name"
    );
}
