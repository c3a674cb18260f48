//! Decisions in sets of 10,000 rules over 1,000 agents, in the shapes in which a rule could hide behind many others.
//!
//! `evaluate` is what a connection, a request or a lookup pays; compiling is what a reload pays, without reading YAML.
//! None of it needs an allocation, which `tests/allocations.rs` holds. Read next: `src/decide/policy/plan.rs`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use clawgress::decide::policy::{Circumstances, Clearance, Flow, Lookup, Passage, PolicySet};
use clawgress::model::condition::Content;
use clawgress::model::manifest::Resources;
use clawgress::model::types::{AgreedName, HostName, OriginalDestination, Scheme};
use clawgress::perceive::hello::{ClientHello, Hello};
use clawgress::perceive::identity::{Directory, Known};
use clawgress::perceive::request::Request;
use divan::{Bencher, black_box};
use http::request::Parts;

use crate::{GATEWAY, load};

const AGENTS: usize = 1_000;
const RULES: usize = 10_000;

/// Where the rule that decides stands among the others.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// A route for each agent, with a host and ten paths of its own.
    Spread,
    /// The same, all to one host.
    OneHost,
    /// One route for all agents to one host, with as many paths.
    Paths,
    /// The same with one path, each rule for a header of its own.
    Headers,
    /// Routes to a host each, all for one agent.
    OneAgent,
    /// Routes to one host, each for all agents but one, by a selector of its own.
    Selectors,
    /// Networks of both families, each in a route of its own.
    Networks,
    /// One host, each rule for a port of its own.
    Ports,
    /// One route, and rules of EgressPolicies with a condition on a host of its own each: one of them is asked.
    Conditions,
}

const NAMED: [Shape; 7] = [
    Shape::Spread,
    Shape::OneHost,
    Shape::Paths,
    Shape::Headers,
    Shape::OneAgent,
    Shape::Selectors,
    Shape::Conditions,
];
const ALL: [Shape; 9] = [
    Shape::Spread,
    Shape::OneHost,
    Shape::Paths,
    Shape::Headers,
    Shape::OneAgent,
    Shape::Selectors,
    Shape::Networks,
    Shape::Ports,
    Shape::Conditions,
];

impl Shape {
    fn documents(self) -> String {
        let mut text = GATEWAY.replace("[{name: web", "[{name: raw, protocol: TCP}, {name: web");
        for number in 0..AGENTS {
            let (high, low) = (number >> 8, number & 255);
            let spec = format!("{{sources: {{addresses: [10.77.{high}.{low}/32]}}}}");
            let name = format!("agent-{number}, labels: {{own: l{number}, team: t{}}}", number % 10);
            document(&mut text, "Agent", &name, &spec);
        }
        match self {
            Self::Spread | Self::OneHost | Self::OneAgent => {
                for number in 0..AGENTS {
                    let host = if self == Self::OneHost { 0 } else { number };
                    let agent = if self == Self::OneAgent { 500 } else { number };
                    let paths = (0..RULES / AGENTS).map(|path| format!("/v1/p{path}"));
                    let agents = format!("{{matchLabels: {{own: l{agent}}}}}");
                    http_route(&mut text, number, (host, &agents), &rules(paths));
                }
            }
            Self::Paths => {
                let paths = (0..RULES).map(|path| format!("/v{}/p{}/q{path}", path % 10, path % 100));
                http_route(&mut text, 0, (0, "{}"), &rules(paths));
            }
            Self::Headers => {
                let one = |number: usize| {
                    format!(
                        "{{matches: [{{path: {{value: /v1}}, headers: [{{name: x-tenant, value: t{number}}}]}}]}}"
                    )
                };
                http_route(&mut text, 0, (0, "{}"), &(0..RULES).map(one).collect::<Vec<_>>().join(", "));
            }
            Self::Selectors => {
                for number in 0..RULES {
                    let agents = format!(
                        "{{matchExpressions: [{{key: own, operator: NotIn, values: [l{}, x{number}]}}]}}",
                        number % AGENTS
                    );
                    let path = std::iter::once(format!("/v1/p{}", number / AGENTS));
                    http_route(&mut text, number, (0, &agents), &rules(path));
                }
            }
            Self::Networks => {
                for number in 0..RULES {
                    let (high, low) = (number >> 8, number & 255);
                    let network = if number % 2 == 0 {
                        format!("172.{}.{high}.{low}/{}", 16 + number % 13, 20 + number % 13)
                    } else {
                        format!("fd00:{high:x}:{low:x}::/{}", 48 + number % 17)
                    };
                    l4_route(&mut text, number, &format!("{{destinationCIDRs: ['{}']}}", cut(&network)));
                }
                l4_route(&mut text, RULES, "{destinationCIDRs: [10.200.0.0/16, 'fdff::/32']}");
            }
            Self::Ports => {
                let one = |number: usize| {
                    let ports = format!("ports: [{{port: {}}}]", 10_000 + number);
                    format!("{{destinationHostnames: [host-0.example], {ports}}}")
                };
                l4_route(&mut text, 0, &(0..RULES).map(one).collect::<Vec<_>>().join(", "));
            }
            Self::Conditions => {
                http_route(&mut text, 0, (0, "{}"), &rules(std::iter::once("/v1".to_owned())));
                for number in 0..RULES / 100 {
                    policy(&mut text, number);
                }
            }
        }
        text
    }

    fn host(self) -> HostName {
        let number = if matches!(self, Self::Spread | Self::OneAgent) { 500 } else { 0 };
        HostName::parse(&format!("host-{number}.example")).expect("invariant: a host name")
    }

    fn target(self) -> &'static str {
        match self {
            Self::Paths => "/v9/p99/q9999/x",
            _ => "/v1/p9/x",
        }
    }

    fn parts(self) -> Parts {
        let request = http::Request::builder().method("POST").uri(self.target());
        let request = request.header("host", self.host().as_str()).header("user-agent", "agent/1.0");
        let request = request.header("accept", "application/json").header("x-tenant", "t9999");
        request.body(()).expect("invariant: a request").into_parts().0
    }

    fn port(self) -> u16 {
        if self == Self::Ports { 19_999 } else { 443 }
    }
}

/// The network that a prefix stands for, as documents have to write it.
fn cut(network: &str) -> String {
    let (address, length) = network.split_once('/').expect("invariant: a prefix");
    let length: u32 = length.parse().expect("invariant: a length");
    match address.parse().expect("invariant: an address") {
        IpAddr::V4(v4) => {
            format!("{}/{length}", std::net::Ipv4Addr::from(u32::from(v4) & (u32::MAX << (32 - length))))
        }
        IpAddr::V6(v6) => {
            format!("{}/{length}", std::net::Ipv6Addr::from(u128::from(v6) & (u128::MAX << (128 - length))))
        }
    }
}

// Writing to a string cannot fail.

fn document(text: &mut String, kind: &str, name: &str, spec: &str) {
    let _ = write!(
        text,
        "---\napiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    );
}

fn rules(paths: impl Iterator<Item = String>) -> String {
    let rule = |path| format!("{{matches: [{{method: POST, path: {{type: PathPrefix, value: {path}}}}}]}}");
    paths.map(rule).collect::<Vec<_>>().join(", ")
}

fn http_route(text: &mut String, number: usize, (host, agents): (usize, &str), rules: &str) {
    let spec = format!(
        "{{parentRefs: [{{name: default}}], sourceAgents: {agents}, hostnames: [host-{host}.example], rules: [{rules}]}}"
    );
    document(text, "EgressHTTPRoute", &format!("route-{number:05}"), &spec);
}

fn l4_route(text: &mut String, number: usize, matches: &str) {
    let spec = format!("{{parentRefs: [{{name: default}}], rules: [{{matches: [{matches}]}}]}}");
    document(text, "EgressL4Route", &format!("route-{number:05}"), &spec);
}

/// A hundred rules with a condition each.
fn policy(text: &mut String, number: usize) {
    let rule = |host| {
        let when = format!("destination.host == \"host-{host}.example\" && request.method == \"DELETE\"");
        format!("{{name: r{host}, when: '{when}', action: Deny}}")
    };
    let rules = (number * 100..number * 100 + 100).map(rule).collect::<Vec<_>>().join(", ");
    let spec = format!("{{targetRef: {{kind: EgressGateway, name: default}}, rules: [{rules}]}}");
    document(text, "EgressPolicy", &format!("policy-{number:05}"), &spec);
}

/// A compiled shape, and who asks.
struct Asked {
    policy: PolicySet,
    known: Known,
    given: [HostName; 1],
    hello: Hello,
    port: u16,
    content: Content,
}

impl Asked {
    fn of(shape: Shape) -> Self {
        let resources = load(shape.documents());
        let directory = Directory::build(&resources);
        let name = ClientHello { server_name: Some(shape.host()), alpn: Default::default(), ech: false };
        Self {
            policy: PolicySet::compile(&resources, Default::default()),
            known: directory.by_name("agent-500").expect("invariant: a declared agent"),
            given: [shape.host()],
            hello: Hello::Tls(name),
            port: shape.port(),
            content: Content::default(),
        }
    }

    fn connection(&self, destination: SocketAddr, hello: &Hello, given: &[HostName]) -> Passage {
        let flow =
            Flow { destination: OriginalDestination(destination), hello, given, stale: &[], once: &[] };
        let passage = self.policy.connection(&self.known, flow, Circumstances::default());
        passage.expect("invariant: an allowed connection")
    }

    fn by_name(&self) -> Passage {
        self.connection(SocketAddr::from(([192, 0, 2, 10], self.port)), &self.hello, &self.given)
    }

    fn clearance(&self, passage: &Passage, request: &Request<'_>) -> Clearance {
        let permit = self.policy.request(black_box(&self.known), passage, request, Circumstances::default());
        permit.and_then(|permit| permit.settle(&self.content)).expect("invariant: an allowed request")
    }
}

#[divan::bench_group(sample_size = 50)]
mod evaluate {
    use super::*;

    #[divan::bench(args = ALL.into_iter().filter(|shape| *shape != Shape::Networks))]
    fn connection_by_name(bencher: Bencher<'_, '_>, shape: Shape) {
        let asked = Asked::of(shape);
        bencher.bench(|| black_box(&asked).by_name());
    }

    #[divan::bench(args = ["10.200.3.4:5432", "[fdff::7]:5432"])]
    fn connection_by_network(bencher: Bencher<'_, '_>, place: &str) {
        let (asked, place) = (Asked::of(Shape::Networks), place.parse().expect("invariant: a place"));
        bencher.bench(|| asked.connection(black_box(place), &Hello::Silent, &[]));
    }

    #[divan::bench(args = NAMED)]
    fn request(bencher: Bencher<'_, '_>, shape: Shape) {
        let (asked, parts) = (Asked::of(shape), shape.parts());
        let agreed = AgreedName::new(shape.host(), 443, Scheme::Https);
        let passage = asked.by_name();
        let request = Request::read(&agreed, &parts).expect("invariant: a valid request");
        bencher.bench(|| asked.clearance(&passage, &request));
    }

    #[divan::bench(args = NAMED)]
    fn query(bencher: Bencher<'_, '_>, shape: Shape) {
        let (asked, host) = (Asked::of(shape), shape.host());
        let lookup = Lookup::of_host(&host);
        bencher
            .bench(|| asked.policy.query(black_box(&asked.known), &lookup, Circumstances::default()).is_ok());
    }

    /// What the answer to a lookup pays for each address of the inside.
    #[divan::bench(args = ["10.200.3.4", "fdff::7"])]
    fn address_of_the_inside(bencher: Bencher<'_, '_>, address: &str) {
        let (asked, address) = (Asked::of(Shape::Networks), address.parse().expect("invariant: an address"));
        bencher.bench(|| asked.policy.may_be_given(&asked.known, black_box(address)));
    }
}

#[divan::bench(args = ALL, sample_count = 10, sample_size = 1)]
fn compile(bencher: Bencher<'_, '_>, shape: Shape) {
    let resources: Resources = load(shape.documents());
    bencher.bench_local(|| PolicySet::compile(black_box(&resources), Default::default()));
}
