//! Deciding costs no memory: a question that is answered with yes allocates nothing, however many rules there are.
//!
//! Counted on the thread that asks. Refusals write sentences, and are not held to this.

use std::net::SocketAddr;

use clawgress::decide::policy::{Circumstances, EncryptedDns, Flow, Lookup, Mode, Passage, PolicySet};
use clawgress::model::condition::Content;
use clawgress::model::config::Resolvers;
use clawgress::model::manifest::{SourceFile, load};
use clawgress::model::types::{AgreedName, ClientAddress, HostName, OriginalDestination, Scheme};
use clawgress::perceive::hello::{ClientHello, Hello, Http1Hello};
use clawgress::perceive::identity::{Directory, Known};
use clawgress::perceive::request::Request;

/// A gateway with something of everything, and hundreds of rules in front of those that decide.
fn documents(default: &str) -> String {
    let agents = (0..100).map(|number| {
        format!("kind: Agent\nmetadata: {{name: agent-{number}, labels: {{own: l{number}}}}}\nspec: {{sources: {{addresses: [10.77.0.{number}/32]}}}}")
    });
    let listeners = "[{name: raw, protocol: TCP}, {name: udp, protocol: UDP}, {name: web, protocol: HTTP}, \
                     {name: tls, protocol: TLS, tls: {mode: Terminate}}]";
    let gateway = format!(
        "kind: EgressGateway\nmetadata: {{name: default}}\nspec: {{defaultPolicy: {default}, listeners: {listeners}}}"
    );
    let paths = (0..300).map(|path| format!("{{matches: [{{method: POST, path: {{value: /v1/p{path}}}}}]}}"));
    let one_host = http("all", "api.example", &paths.collect::<Vec<_>>().join(", "));
    let own = (0..100).map(|number| {
        let route = http(
            &format!("own-{number}"),
            "'*.own.example'",
            "{matches: [{headers: [{name: x-a, value: b}]}]}",
        );
        route.replace("hostnames", &format!("sourceAgents: {{matchLabels: {{own: l{number}}}}}, hostnames"))
    });
    let nets = (0..200).map(|net| {
        l4(&format!("net-{net}"), &format!("{{destinationCIDRs: [172.16.{net}.0/24, 'fd00:{net}::/32']}}"))
    });
    let more = [
        l4("db", "{destinationHostnames: [db.example], destinationCIDRs: [10.9.0.0/16], ports: [{startPort: 5000, endPort: 6000}]}"),
        l4("ntp", "{protocol: UDP, destinationHostnames: ['*.ntp.example'], ports: [{port: 123}]}"),
        http("shut", "api.example", "{matches: [{path: {value: /admin}}]}"),
        http("nested", "deep.example", &["/", "/a", "/a/b", "/a/b/c"].map(|path| format!("{{matches: [{{method: PUT, path: {{value: {path}}}}}]}}")).join(", ")),
        http("nested-too", "deep.example", "{matches: [{method: DELETE}, {path: {type: Exact, value: /a/b/c/d}}]}"),
        "kind: EgressDenyPolicy\nmetadata: {name: no}\nspec: {targetRef: {kind: EgressHTTPRoute, name: shut}}".to_owned(),
    ];
    let all = agents.chain([gateway, one_host]).chain(own).chain(nets).chain(more);
    all.map(|text| format!("apiVersion: clawgress.io/v1alpha1\n{text}\n")).collect::<Vec<_>>().join("---\n")
}

fn http(name: &str, host: &str, rules: &str) -> String {
    format!(
        "kind: EgressHTTPRoute\nmetadata: {{name: {name}}}\nspec: {{parentRefs: [{{name: default}}], hostnames: [{host}], rules: [{rules}]}}"
    )
}

fn l4(name: &str, matches: &str) -> String {
    format!(
        "kind: EgressL4Route\nmetadata: {{name: {name}}}\nspec: {{parentRefs: [{{name: default}}], rules: [{{matches: [{matches}]}}]}}"
    )
}

struct Set {
    policy: PolicySet,
    directory: Directory,
}

impl Set {
    fn of(default: &str) -> Self {
        let file = SourceFile::new("set.yaml", documents(default).into_bytes());
        let resources = load(&[file]).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let resolvers = EncryptedDns::new(&Resolvers::default()).into();
        Self { policy: PolicySet::compile(&resources, resolvers), directory: Directory::build(&resources) }
    }

    fn known(&self) -> Known {
        self.directory.by_name("agent-50").expect("a declared agent")
    }

    /// That a connection may live in this way, and that nothing was allocated for it.
    fn opens(&self, place: &str, hello: &Hello, given: &[HostName], mode: Mode) {
        assert_eq!(self.connection(place, hello, given).mode(), mode, "{place}");
    }

    /// A connection that may live, and for which nothing was allocated.
    fn connection(&self, place: &str, hello: &Hello, given: &[HostName]) -> Passage {
        let destination = OriginalDestination(place.parse().expect("a place"));
        let known = self.known();
        let flow = Flow { destination, hello, given, stale: &[], once: &[] };
        nothing(place, || self.policy.connection(&known, flow, Circumstances::default()).expect("allowed"))
    }

    fn request(&self, passage: &Passage, url: &str) {
        let (name, path) = url.split_at(url.find('/').expect("a path"));
        let agreed = AgreedName::new(host(name), 443, Scheme::Https);
        let head = http::Request::builder().method("POST").uri(path).header("host", name).header("x-a", "b");
        let head = head.header("user-agent", "agent/1.0").body(()).expect("a request").into_parts().0;
        let request = Request::read(&agreed, &head).expect("a request");
        let known = self.known();
        let content = Content::default();
        let clearance = nothing(url, || {
            let permit = self.policy.request(&known, passage, &request, Circumstances::default());
            permit.and_then(|permit| permit.settle(&content)).expect("allowed")
        });
        assert!(clearance.route().rule.is_some());
    }
}

/// What comes of it, which allocates nothing.
fn nothing<T>(what: &str, ask: impl FnOnce() -> T) -> T {
    let mut answer = None;
    let counted = allocation_counter::measure(|| answer = Some(ask()));
    assert_eq!(counted.count_total, 0, "{what}: {counted:?}");
    answer.expect("an answer")
}

fn host(name: &str) -> HostName {
    HostName::parse(name).expect("a name")
}

fn tls(name: &str) -> Hello {
    Hello::Tls(ClientHello { server_name: Some(host(name)), alpn: Default::default(), ech: false })
}

#[test]
fn a_connection_that_may_live_costs_no_allocation() {
    let set = Set::of("deny-all");
    for place in ["192.0.2.10:443", "[2001:db8::10]:443"] {
        set.opens(place, &tls("api.example"), &[host("api.example")], Mode::Terminate);
        set.opens(place, &tls("api.example"), &[], Mode::Terminate);
        set.opens(place, &tls("a.own.example"), &[host("a.own.example")], Mode::Terminate);
    }
    let plain = Hello::Http1(Http1Hello { host: Some(host("api.example")), connect: None });
    set.opens("192.0.2.10:80", &plain, &[host("api.example")], Mode::PlainHttp);
    set.opens("10.9.1.2:5432", &Hello::Silent, &[host("db.example")], Mode::Relay);
    set.opens("192.0.2.10:123", &Hello::Datagram, &[host("a.ntp.example")], Mode::Datagrams);
    for place in ["172.16.199.7:22", "[fd00:199::7]:22"] {
        set.opens(place, &Hello::Opaque, &[], Mode::Relay);
    }
    let open = Set::of("allow-all");
    open.opens("192.0.2.10:8080", &Hello::Opaque, &[], Mode::Relay);
    open.opens("[2001:db8::10]:443", &tls("other.example"), &[host("other.example")], Mode::Terminate);
}

#[test]
fn a_request_that_may_go_costs_no_allocation() {
    for default in ["deny-all", "allow-all"] {
        let set = Set::of(default);
        for place in ["192.0.2.10:443", "[2001:db8::10]:443"] {
            for (name, path) in
                [("api.example", "/v1/p299/x"), ("a.own.example", "/any?x=1"), ("deep.example", "/a/b/c/d")]
            {
                let passage = set.connection(place, &tls(name), &[host(name)]);
                set.request(&passage, &format!("{name}{path}"));
            }
        }
    }
    let open = Set::of("allow-all");
    let passage = open.connection("192.0.2.10:443", &tls("other.example"), &[host("other.example")]);
    open.request(&passage, "other.example/x");
}

#[test]
fn a_lookup_and_the_proof_of_an_agent_cost_no_allocation() {
    let set = Set::of("deny-all");
    let known = set.known();
    for name in ["api.example", "a.own.example", "db.example"] {
        let name = host(name);
        let lookup = Lookup::of_host(&name);
        let answer = nothing(name.as_str(), || set.policy.query(&known, &lookup, Circumstances::default()));
        assert!(answer.is_ok());
    }
    for address in ["172.16.199.7", "fd00:199::7"] {
        let address = address.parse().expect("an address");
        assert!(nothing("an address", || set.policy.may_be_given(&known, address)));
    }
    let client = ClientAddress(SocketAddr::from(([10, 77, 0, 50], 40_000)));
    let proven = nothing("a source", || set.directory.by_source(client)).expect("an agent");
    assert_eq!(&*proven.agent().name, "agent-50");
}
