//! Which names may be looked up, on sets loaded from documents as operators write them.

use std::sync::Arc;

use super::super::encrypted_dns::EncryptedDns;
use super::*;
use crate::model::config::Resolvers;
use crate::model::manifest::{SourceFile, load};
use crate::perceive::identity::Directory;

/// Alice, bob, and a gateway that denies what no route names.
const BASE: &str = "
kind: Agent
metadata: {name: alice, labels: {tier: dev}}
spec: {sources: {addresses: [10.77.0.2/32]}}
---
kind: Agent
metadata: {name: bob, labels: {tier: prod}}
spec: {sources: {addresses: [10.77.0.3/32]}}
---
kind: EgressGateway
metadata: {name: default}
spec: {DEFAULTlisteners: [{name: raw, protocol: TCP}, {name: udp, protocol: UDP}, {name: tls, protocol: TLS, tls: {mode: Terminate}}]}
";

const ROUTES: &str = "
kind: EgressHTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: default}]
  sourceAgents: {matchLabels: {tier: dev}}
  hostnames: [api.site.example, '*.wild.example']
  rules: [{}]
---
kind: EgressL4Route
metadata: {name: raw}
spec:
  parentRefs: [{name: default}]
  rules:
    - matches:
        - {protocol: TCP, destinationHostnames: [db.corp.example], ports: [{port: 5432}]}
        - {protocol: UDP, destinationHostnames: [ntp.corp.example], ports: [{port: 123}]}
        - {destinationHostnames: [both.example], destinationCIDRs: [198.51.100.0/24]}
---
kind: EgressL4Route
metadata: {name: networks}
spec: {parentRefs: [{name: default}], rules: [{matches: [{destinationCIDRs: [0.0.0.0/0]}]}]}
---
kind: EgressHTTPRoute
metadata: {name: closed}
spec: {parentRefs: [{name: default}], hostnames: [closed.example, '*.closed.example'], rules: [{}]}
---
kind: EgressDenyPolicy
metadata: {name: no}
spec: {targetRef: {kind: EgressHTTPRoute, name: closed}}
";

struct Set {
    policy: PolicySet,
    directory: Directory,
}

impl Set {
    fn of(default: &str, routes: &str) -> Self {
        let base = BASE.replace("DEFAULT", default);
        let text = format!("{}\n---\n{}", base.trim(), routes.trim());
        let documents =
            text.split("---\n").map(|one| format!("apiVersion: clawgress.io/v1alpha1\n{}", one.trim()));
        let text = documents.collect::<Vec<_>>().join("\n---\n");
        let resources = load(&[SourceFile::new("set.yaml", text.into_bytes())])
            .unwrap_or_else(|report| panic!("{}", report.render(false)));
        let resolvers = Arc::new(EncryptedDns::new(&Resolvers::default()));
        Self { policy: PolicySet::compile(&resources, resolvers), directory: Directory::build(&resources) }
    }

    fn asks(&self, agent: &str, name: &str, kind: RecordType) -> Result<Chooser, Denial> {
        self.asks_class(agent, name, kind, CLASS_IN)
    }

    fn asks_class(&self, agent: &str, name: &str, kind: RecordType, class: u16) -> Result<Chooser, Denial> {
        self.leave(agent, name, kind, class).map(|leave| leave.chooser())
    }

    fn leave(&self, agent: &str, name: &str, kind: RecordType, class: u16) -> Result<Leave, Denial> {
        let known = self.directory.by_name(agent).unwrap();
        let host = HostName::parse(name).ok();
        self.policy.query(
            &known,
            &Lookup { host: host.as_ref(), text: name, kind, class },
            Circumstances::default(),
        )
    }

    /// What lets a name be looked up.
    fn by(&self, agent: &str, name: &str, kind: RecordType) -> String {
        let leave = self.leave(agent, name, kind, CLASS_IN).unwrap_or_else(|no| panic!("{name}: {no:?}"));
        let Route { policy, rule } = leave.route();
        format!("{} {}", policy.0, rule.as_deref().unwrap_or_default())
    }

    /// The code, or who chose the name.
    fn told(&self, agent: &str, name: &str, kind: RecordType) -> &'static str {
        match self.asks(agent, name, kind) {
            Ok(Chooser::Documents) => "documents",
            Ok(Chooser::Agent) => "agent",
            Ok(Chooser::Wildcard(_)) => "wildcard",
            Err(denial) => denial.reason.code(),
        }
    }
}

#[test]
fn a_look_up_that_is_let_through_names_the_document_and_rule_that_let_it() {
    let other = "
kind: EgressL4Route
metadata: {name: also}
spec: {parentRefs: [{name: default}], rules: [{matches: [{destinationHostnames: [closed.example]}]}]}
";
    let everything = "
kind: EgressL4Route
metadata: {name: all}
spec:
  parentRefs: [{name: default}]
  sourceAgents: {matchLabels: {tier: prod}}
  rules: [{matches: [{ports: [{startPort: 1, endPort: 65535}]}]}]
";
    let set = Set::of("", ROUTES);
    for (name, kind, by) in [
        ("api.site.example", RecordType::A, "EgressHTTPRoute/web rules[0]"),
        ("a.wild.example", RecordType::A, "EgressHTTPRoute/web rules[0]"),
        ("db.corp.example", RecordType::AAAA, "EgressL4Route/raw rules[0]"),
        ("_x._tcp.db.corp.example", RecordType::SRV, "EgressL4Route/raw rules[0]"),
        ("corp.example", RecordType::DS, "EgressL4Route/raw rules[0]"),
        ("site.example", RecordType::DS, "EgressHTTPRoute/web rules[0]"),
        // It stands there, and what it leads to hears the administrator's words.
        ("closed.example", RecordType::A, "EgressHTTPRoute/closed rules[0]"),
    ] {
        assert_eq!(set.by("alice", name, kind), by, "{name}");
    }
    let set = Set::of("defaultPolicy: allow-all, ", &format!("{ROUTES}---{other}---{everything}"));
    assert_eq!(set.by("alice", "closed.example", RecordType::A), "EgressL4Route/also rules[0]", "it opens");
    assert_eq!(set.by("alice", "a.wild.example", RecordType::A), "EgressHTTPRoute/web rules[0]");
    assert_eq!(set.by("alice", "other.example", RecordType::A), "EgressGateway/default defaultPolicy");
    assert_eq!(set.by("bob", "other.example", RecordType::A), "EgressL4Route/all rules[0]");
}

#[test]
fn a_name_is_answerable_where_a_route_of_the_agent_names_it() {
    let set = Set::of("", ROUTES);
    for (agent, name, expected) in [
        ("alice", "api.site.example", "documents"),
        ("alice", "API.Site.Example.", "documents"),
        ("alice", "db.corp.example", "documents"),
        ("alice", "ntp.corp.example", "documents"),
        ("alice", "both.example", "documents"),
        ("alice", "a.wild.example", "wildcard"),
        ("alice", "a.b.wild.example", "dns.denied"),
        ("alice", "wild.example", "dns.denied"),
        ("alice", "site.example", "dns.denied"),
        ("alice", "www.api.site.example", "dns.denied"),
        ("alice", "paste.example", "dns.denied"),
        ("alice", "secret-data.attacker.example", "dns.denied"),
        // An administrator's words are heard over HTTP; a wildcard would let data out for them.
        ("alice", "closed.example", "documents"),
        ("alice", "a.closed.example", "dns.denied"),
        // Routes of others open nothing.
        ("bob", "api.site.example", "dns.denied"),
        ("bob", "a.wild.example", "dns.denied"),
        ("bob", "db.corp.example", "documents"),
        // Networks have no names.
        ("bob", "2.0.0.10.in-addr.arpa", "dns.denied"),
    ] {
        for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType(255), RecordType::PTR] {
            assert_eq!(set.told(agent, name, kind), expected, "{agent} {name} {kind:?}");
        }
    }
}

#[test]
fn a_name_that_a_wildcard_lets_through_says_what_stands_behind_the_star() {
    let set = Set::of("", ROUTES);
    for (name, base) in [
        ("a.wild.example", Some("wild.example")),
        ("_8443._https.A.wild.example", Some("wild.example")),
        ("_http.wild.example", Some("wild.example")),
        ("_8443._https.api.site.example", None),
        ("api.site.example", None),
    ] {
        let chooser = set.asks("alice", name, RecordType::A).unwrap();
        assert_eq!(chooser.base(&HostName::parse(name).unwrap()), base, "{name}");
    }
}

#[test]
fn what_stands_in_front_of_a_host_to_name_a_service_is_the_agents_choice() {
    let set = Set::of("", ROUTES);
    for (name, expected) in [
        ("_8443._https.api.site.example", "agent"),
        ("_mongodb._tcp.db.corp.example", "agent"),
        ("_http._tcp.a.wild.example", "wildcard"),
        ("_a._b._c.api.site.example", "agent"),
        ("_a._b._c._d.api.site.example", "dns.denied"),
        ("_tcp.paste.example", "dns.denied"),
        ("a._tcp.api.site.example", "dns.denied"),
    ] {
        assert_eq!(set.told("alice", name, RecordType::SRV), expected, "{name}");
    }
}

#[test]
fn zones_above_an_answerable_name_are_answered_to_those_who_validate_and_for_nothing_else() {
    let set = Set::of("", ROUTES);
    for name in ["site.example", "wild.example", "corp.example", "example", "."] {
        for kind in [RecordType::DS, RecordType::DNSKEY, RecordType::NS, RecordType::SOA] {
            assert_eq!(set.told("alice", name, kind), "documents", "{name} {kind:?}");
        }
        for kind in [RecordType::A, RecordType::TXT, RecordType(255), RecordType(65_280)] {
            assert_eq!(set.told("alice", name, kind), "dns.denied", "{name} {kind:?}");
        }
    }
    // The agent's own routes alone count.
    assert_eq!(set.told("bob", "wild.example", RecordType::DS), "dns.denied");
    assert_eq!(set.told("bob", "corp.example", RecordType::DS), "documents");
    assert_eq!(set.told("bob", "com", RecordType::DS), "dns.denied");
}

#[test]
fn a_route_for_every_host_and_allow_all_answer_every_host_name() {
    let everything = "
kind: EgressL4Route
metadata: {name: ssh}
spec: {parentRefs: [{name: default}], sourceAgents: {matchLabels: {tier: dev}}, rules: [{matches: [{ports: [{port: 22}]}]}]}
";
    let by_port = Set::of("", everything);
    let open = Set::of("defaultPolicy: allow-all, ", ROUTES);
    assert_eq!(by_port.told("alice", "anything.example", RecordType::A), "agent");
    assert_eq!(by_port.told("bob", "anything.example", RecordType::A), "dns.denied");
    assert_eq!(open.told("bob", "anything.example", RecordType::A), "agent");
    assert_eq!(open.told("bob", "db.corp.example", RecordType::A), "documents");
    // What is no host name is never believed, so nobody needs it.
    assert_eq!(open.told("bob", "not a host.example", RecordType::A), "dns.denied");
}

#[test]
fn classes_other_than_that_of_the_internet_are_not_answered() {
    let set = Set::of("defaultPolicy: allow-all, ", ROUTES);
    for class in [3, 4, 255] {
        let denial = set.asks_class("alice", "api.site.example", RecordType::TXT, class).unwrap_err();
        assert_eq!(denial.reason.code(), "dns.denied", "{class}");
        assert_eq!(denial.evidence.as_deref(), Some("only class IN is answered"));
    }
}

#[test]
fn what_is_no_host_name_is_refused_as_such_under_any_default() {
    for default in ["", "defaultPolicy: allow-all, "] {
        let denial = Set::of(default, ROUTES).asks("alice", "foo-.example", RecordType::A).unwrap_err();
        assert_eq!(denial.detail, "Agent alice may not look up foo-.example: it is no host name.");
        assert_eq!(denial.evidence.as_deref(), Some("it is no host name"));
    }
}

#[test]
fn encrypted_resolvers_are_refused_before_any_route_counts() {
    let named = "
kind: EgressHTTPRoute
metadata: {name: doh}
spec: {parentRefs: [{name: default}], hostnames: [dns.google, '*.dns.nextdns.io'], rules: [{}]}
";
    for set in [Set::of("", named), Set::of("defaultPolicy: allow-all, ", named)] {
        for name in ["dns.google", "abc123.dns.nextdns.io", "use-application-dns.net", "_dns.resolver.arpa"] {
            assert_eq!(set.told("alice", name, RecordType::A), "protocol.encrypted-dns", "{name}");
        }
        let denial = set.asks("alice", "abc123.dns.nextdns.io", RecordType::A).unwrap_err();
        assert!(denial.detail.contains("abc123.dns.nextdns.io, an encrypted DNS resolver."), "{denial:?}");
        assert_eq!(denial.evidence.as_deref(), Some("dns.nextdns.io is on the list of encrypted resolvers"));
    }
}

#[test]
fn a_denial_names_agent_and_name_and_no_rule() {
    let set = Set::of("", ROUTES);
    let denial = set.asks("alice", "paste.example", RecordType::A).unwrap_err();
    assert_eq!(denial.detail, "Agent alice may not look up paste.example. No route names this host.");
    assert_eq!((denial.status(), denial.policy.unwrap().0.as_ref()), (403, "EgressGateway/default"));
}
