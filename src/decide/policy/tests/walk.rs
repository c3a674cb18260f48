//! The plan against a walk: on random rules, each question finds what a look at one rule after the other finds, in the
//! same order, and each request is decided by the same rule.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::compile::empty_plan;
use super::super::l4_index::Asker;
use super::super::labels::Labels;
use super::super::loose::Readings;
use super::super::plan::{Agents, Effect, GatewayPlan, HttpEntry, L4Entry, Listeners};
use super::*;
use crate::model::manifest::resources::{
    DefaultPolicy, Gateway, HeaderMatch, HttpMatch, L4Protocol, ListenerProtocol, Origin, PathMatch,
    PortRange, QueryMatch, Requirement, Selector,
};
use crate::model::types::{HostPattern, PolicyRef};

/// Agents of the sets: more than a word of bits holds.
const AGENTS: usize = 70;
const HOSTS: [&str; 5] = ["a.example", "*.example", "b.a.example", "*.a.example", "c.example"];
const NAMES: [&str; 5] = ["a.example", "b.example", "b.a.example", "x.a.example", "other.test"];
const NETWORKS: [&str; 10] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/25",
    "10.1.2.128/25",
    "10.1.2.3/32",
    "::/0",
    "fd00::/8",
    "fd00:1::/32",
    "fd00:1::7/128",
];
const ADDRESSES: [&str; 7] =
    ["10.1.2.3", "10.1.2.200", "10.9.9.9", "192.0.2.1", "fd00:1::7", "fd00:2::1", "2001:db8::1"];
const RANGES: [(u16, u16); 6] = [(443, 443), (1, 65_535), (440, 450), (22, 22), (443, 8443), (444, 65_535)];
const PORTS: [u16; 5] = [443, 22, 445, 8443, 60_000];
const PATHS: [&str; 9] = ["/", "/a", "/a/b", "/a/b/c", "/b", "/a%2Fb", "/a//b", "/a;x/b", "/ab"];
const METHODS: [&str; 3] = ["GET", "POST", "PROPFIND"];

fn effect() -> impl Strategy<Value = Effect> {
    let deny = |number| Effect::Deny { policy: PolicyRef::new("EgressDenyPolicy", number), response: None };
    prop_oneof![3 => Just(Effect::Allow), 1 => select(vec!["one", "two"]).prop_map(deny)]
}

fn agents() -> impl Strategy<Value = Agents> {
    let some = subsequence(vec![0, 1, 63, 64, 69_usize], 0..4).prop_map(|chosen| {
        let mut bits = vec![0_u64; AGENTS.div_ceil(64)];
        chosen.iter().for_each(|agent| bits[agent / 64] |= 1 << (agent % 64));
        Agents::Some(bits.into())
    });
    prop_oneof![Just(Agents::All), some]
}

fn listeners() -> impl Strategy<Value = Listeners> {
    use ListenerProtocol::{Http, Tcp, TlsTerminate};
    subsequence(vec![Tcp, TlsTerminate, Http], 0..=3)
        .prop_map(|some| some.into_iter().fold(Listeners::default(), Listeners::with))
}

fn hosts(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<HostPattern>> {
    subsequence(HOSTS.to_vec(), count)
        .prop_map(|hosts| hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect())
}

fn numbered(kind: &str, number: usize) -> Route {
    Route { policy: PolicyRef::new(kind, &number.to_string()), rule: Some("rules[0]".into()) }
}

fn l4_entry() -> impl Strategy<Value = L4Entry> {
    let networks = subsequence(NETWORKS.to_vec(), 0..4).prop_map(|networks| {
        let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
        IpNet::aggregate(&networks)
    });
    let ports = subsequence(RANGES.to_vec(), 0..3).prop_map(|ranges| {
        ranges.into_iter().map(|(start, end)| PortRange { start, end }).collect::<Vec<_>>()
    });
    let protocol = select(vec![L4Protocol::Tcp, L4Protocol::Udp]);
    (effect(), agents(), listeners(), protocol, hosts(0..3), networks, ports).prop_map(
        |(effect, agents, listeners, protocol, hosts, cidrs, ports)| L4Entry {
            route: numbered("EgressL4Route", 0),
            effect,
            agents,
            listeners,
            protocol,
            hosts,
            cidrs,
            ports,
        },
    )
}

fn http_match() -> impl Strategy<Value = HttpMatch> {
    let path = select(PATHS.to_vec()).prop_flat_map(|path| {
        select(vec![PathMatch::Exact(path.to_owned()), PathMatch::Prefix(path.to_owned())])
    });
    let pairs = || subsequence(vec![("x-a", "1"), ("x-a", "2"), ("x-b", "1")], 0..3);
    let headers = pairs().prop_map(|pairs| {
        let of = |(name, value): (&str, &str)| HeaderMatch { name: name.into(), value: value.into() };
        pairs.into_iter().map(of).collect()
    });
    let query = pairs().prop_map(|pairs| {
        let of = |(name, value): (&str, &str)| QueryMatch { name: name.into(), value: value.into() };
        pairs.into_iter().map(of).collect()
    });
    let method = prop::option::of(select(vec!["GET", "POST"]).prop_map(str::to_owned));
    (method, prop::option::of(path), headers, query).prop_map(|(method, path, headers, query)| HttpMatch {
        method,
        path,
        headers,
        query,
    })
}

fn http_entry() -> impl Strategy<Value = HttpEntry> {
    let matches = prop::collection::vec(http_match(), 0..4);
    (effect(), agents(), listeners(), hosts(1..3), matches).prop_map(
        |(effect, agents, listeners, hosts, matches)| HttpEntry {
            route: numbered("EgressHTTPRoute", 0),
            effect,
            agents,
            listeners,
            hosts,
            matches,
        },
    )
}

/// A gateway with these rules, each under a name of its own.
fn plan() -> impl Strategy<Value = GatewayPlan> {
    let l4 = prop::collection::vec(l4_entry(), 0..90);
    let http = prop::collection::vec(http_entry(), 0..60);
    (l4, http, select(vec![DefaultPolicy::DenyAll, DefaultPolicy::AllowAll])).prop_map(
        |(l4, http, default)| {
            let origin = Origin { file: "a.yaml".into(), line: 1 };
            let mut plan =
                empty_plan("default", &Gateway { default_policy: default, listeners: Vec::new(), origin });
            plan.l4 = l4;
            plan.http = http;
            for (number, entry) in plan.l4.iter_mut().enumerate() {
                entry.route = numbered("EgressL4Route", number);
            }
            for (number, entry) in plan.http.iter_mut().enumerate() {
                entry.route = numbered("EgressHTTPRoute", number);
            }
            plan.index(AGENTS);
            plan
        },
    )
}

/// What is asked about: an agent, a name, a place, a transport.
#[derive(Debug, Clone)]
struct Asked {
    agent: usize,
    name: HostName,
    place: SocketAddr,
    transport: L4Protocol,
}

fn asked() -> impl Strategy<Value = Asked> {
    let place = (select(ADDRESSES.to_vec()), select(PORTS.to_vec()));
    let transport = select(vec![L4Protocol::Tcp, L4Protocol::Udp]);
    (select(vec![0, 1, 2, 63, 64, 69_usize]), select(NAMES.to_vec()), place, transport).prop_map(
        |(agent, name, (address, port), transport)| Asked {
            agent,
            name: host(name),
            place: SocketAddr::new(address.parse().unwrap(), port),
            transport,
        },
    )
}

/// The walk. Rules under an exact name come before those under a wildcard.
fn under<'a, T>(entries: &'a [T], hosts: impl Fn(&T) -> &[HostPattern], name: &HostName) -> Vec<&'a T> {
    let exact = HostPattern::Exact(name.clone());
    let by = |wildcard: bool| {
        let hosts = &hosts;
        let exact = &exact;
        entries.iter().filter(move |entry| {
            hosts(entry).iter().any(|pattern| pattern.matches(name) && (pattern != exact) == wildcard)
        })
    };
    by(false).chain(by(true)).collect()
}

impl Asked {
    fn is_met_by(&self, entry: &L4Entry) -> bool {
        let port = self.place.port();
        entry.protocol == self.transport
            && entry.agents.contains(self.agent)
            && (entry.ports.is_empty() || entry.ports.iter().any(|range| range.contains(port)))
    }

    fn names_address(&self, entry: &L4Entry) -> bool {
        entry.cidrs.iter().any(|cidr| cidr.contains(&self.place.ip()))
    }

    fn named<'a>(&self, plan: &'a GatewayPlan) -> Vec<&'a L4Entry> {
        let mut found = under(&plan.l4, |entry| &entry.hosts, &self.name);
        found.retain(|entry| self.is_met_by(entry));
        found
    }

    fn addressed<'a>(&self, plan: &'a GatewayPlan) -> Vec<&'a L4Entry> {
        let covers = |entry: &&L4Entry| entry.cidrs.is_empty() || self.names_address(entry);
        let nameless = plan.l4.iter().filter(|entry| entry.hosts.is_empty() && self.is_met_by(entry));
        nameless.filter(covers).collect()
    }

    fn denies_networks(&self, plan: &GatewayPlan, host: Option<&HostName>) -> bool {
        let nameless = plan.l4.iter().filter(|entry| entry.hosts.is_empty());
        let named = host.map(|host| under(&plan.l4, |entry| &entry.hosts, host)).unwrap_or_default();
        nameless
            .chain(named)
            .any(|entry| denies(&entry.effect) && !entry.cidrs.is_empty() && self.is_met_by(entry))
    }

    fn may_be_given(&self, plan: &GatewayPlan) -> bool {
        plan.l4.iter().any(|entry| {
            !denies(&entry.effect) && entry.agents.contains(self.agent) && self.names_address(entry)
        })
    }

    fn http<'a>(&self, plan: &'a GatewayPlan) -> Vec<&'a HttpEntry> {
        let mut found = under(&plan.http, |entry| &entry.hosts, &self.name);
        found.retain(|entry| entry.agents.contains(self.agent));
        found
    }

    /// What becomes of a request: the rule that allows it, or the code and the document that refuses it.
    fn decide(&self, plan: &GatewayPlan, request: &Request<'_>, listener: ListenerProtocol) -> Decided {
        let l4 = || {
            let holds = |entry: &&L4Entry| entry.cidrs.is_empty() || self.names_address(entry);
            self.named(plan).into_iter().filter(holds).chain(self.addressed(plan))
        };
        let http = self.http(plan);
        let denying = l4().map(|entry| (&entry.effect, true));
        let denying = denying
            .chain(http.iter().map(|entry| (&entry.effect, denies(&entry.effect) && fits(entry, request))));
        for (effect, holds) in denying {
            if let (Effect::Deny { policy, .. }, true) = (effect, holds) {
                return Err(("policy.denied", policy.clone()));
            }
        }
        let none = Err(("policy.no-route", plan.policy.clone()));
        let mut allowing = http.iter().filter(|entry| !denies(&entry.effect)).peekable();
        if allowing.peek().is_some() {
            let found = allowing.find(|entry| entry.listeners.has(listener) && fits(entry, request));
            return found.map_or(none, |entry| Ok(entry.route.clone()));
        }
        if let Some(entry) = l4().find(|entry| entry.listeners.has(listener)) {
            return Ok(entry.route.clone());
        }
        if plan.default == DefaultPolicy::AllowAll { Ok(plan.default_route.clone()) } else { none }
    }
}

type Decided = Result<Route, (&'static str, PolicyRef)>;

fn denies(effect: &Effect) -> bool {
    matches!(effect, Effect::Deny { .. })
}

/// Whether a rule is for a request. A denying one is in every reading of it, an allowing one only where all agree.
fn fits(entry: &HttpEntry, request: &Request<'_>) -> bool {
    let any = denies(&entry.effect);
    let settled = |values: Vec<bool>| {
        !values.is_empty() && if any { values.contains(&true) } else { !values.contains(&false) }
    };
    let on = |path: &PathMatch, text: &str| match path {
        PathMatch::Exact(exact) => text == exact,
        PathMatch::Prefix(prefix) => text
            .strip_prefix(prefix.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    };
    let path = |path: &PathMatch| {
        on(path, request.path()) || any && Readings::of(request.path()).any(|reading| on(path, reading))
    };
    let header = |wanted: &HeaderMatch| {
        settled(request.header_values(&wanted.name).map(|value| value == wanted.value.as_bytes()).collect())
    };
    let query = |wanted: &QueryMatch| {
        let values = request.query_pairs().filter(|(name, _)| *name == wanted.name);
        settled(values.map(|(_, value)| value == wanted.value).collect())
    };
    let one = |one: &HttpMatch| {
        one.method.as_deref().is_none_or(|method| method == request.method().as_str())
            && one.path.as_ref().is_none_or(path)
            && one.headers.iter().all(header)
            && one.query.iter().all(query)
    };
    entry.matches.is_empty() || entry.matches.iter().any(one)
}

fn routes<'a>(entries: impl IntoIterator<Item = &'a L4Entry>) -> Vec<&'a Route> {
    entries.into_iter().map(|entry| &entry.route).collect()
}

/// A set with one gateway that is this plan.
fn set_of(plan: GatewayPlan) -> PolicySet {
    let mut set = Set::with("").policy;
    set.agents = (0..AGENTS).map(|number| (Arc::from(format!("agent-{number}")), number)).collect();
    set.gateways = std::iter::once((Arc::from("default"), plan)).collect();
    set
}

/// Agents of these names, as the network proves them.
static DIRECTORY: LazyLock<Directory> = LazyLock::new(|| {
    let one = |number: usize| {
        format!(
            "kind: Agent\nmetadata: {{name: agent-{number}}}\nspec: {{sources: {{addresses: [10.77.0.{number}/32]}}}}\n---\n"
        )
    };
    let agents: String = (0..AGENTS).map(one).collect();
    let gateway = BASE.rsplit("---").next().unwrap();
    Set::of(&[&(agents + gateway)]).directory
});

proptest! {
    #[test]
    fn the_plan_finds_the_rules_that_a_walk_over_all_finds_and_in_the_same_order(
        plan in plan(),
        questions in prop::collection::vec(asked(), 30),
    ) {
        for asked in questions {
            let index = plan.l4_index(asked.transport);
            let asker = Asker { agent: asked.agent, port: asked.place.port() };
            let entries = |ranks: Vec<usize>| routes(ranks.into_iter().map(|rank| &plan.l4[rank]));
            prop_assert_eq!(entries(index.named(asker, &asked.name).collect()), routes(asked.named(&plan)));
            let mut denied = asked.named(&plan);
            denied.retain(|entry| denies(&entry.effect));
            prop_assert_eq!(entries(index.denying(asker, &asked.name).collect()), routes(denied));
            let mut beside = asked.named(&plan);
            beside.retain(|entry| !entry.cidrs.is_empty());
            prop_assert_eq!(entries(index.with_networks(asker, &asked.name).collect()), routes(beside));
            let nowhere = asked.addressed(&plan).into_iter().filter(|entry| entry.cidrs.is_empty());
            prop_assert_eq!(entries(index.unaddressed(asker).collect()), routes(nowhere));
            let addressed = index.addressed(asked.agent, asked.place);
            prop_assert_eq!(entries(addressed.collect()), routes(asked.addressed(&plan)));
            let place = (asked.transport, asked.place.port());
            for host in [None, Some(&asked.name)] {
                let denies = plan.denies_networks(asked.agent, host, place);
                prop_assert_eq!(denies, asked.denies_networks(&plan, host));
            }
            let given = [&plan.tcp, &plan.udp].iter().any(|index| index.allows_network(asked.agent, asked.place.ip()));
            prop_assert_eq!(given, asked.may_be_given(&plan));

            let (http, index) = (asked.http(&plan), &plan.http_index);
            prop_assert_eq!(index.governs(asked.agent, &asked.name), !http.is_empty());
            let whole = http.iter().find(|entry| denies(&entry.effect) && entry.matches.is_empty());
            let denying = index.denies_all(asked.agent, &asked.name).map(|rank| &plan.http[index.place(rank).0].route);
            prop_assert_eq!(denying, whole.map(|entry| &entry.route));
            for listener in [ListenerProtocol::TlsTerminate, ListenerProtocol::Http] {
                let first = http.iter().find(|entry| !denies(&entry.effect) && entry.listeners.has(listener));
                let mut openers = index.openers(asked.agent, &asked.name).map(|rank| &plan.http[index.place(rank).0]);
                let opener = openers.find(|entry| entry.listeners.has(listener));
                prop_assert_eq!(opener.map(|entry| &entry.route), first.map(|entry| &entry.route));
            }
        }
    }

    #[test]
    fn each_request_is_decided_by_the_rule_that_a_walk_over_all_finds_first(
        plan in plan(),
        questions in prop::collection::vec(
            (asked(), select(PATHS.to_vec()), select(METHODS.to_vec()), "(x-a=[12]&){0,2}(x-b=1){0,1}", "(x-a: [12]\n){0,2}(x-b: 1\n){0,1}", any::<bool>()),
            20,
        ),
    ) {
        let set = set_of(plan);
        for (asked, path, method, query, fields, opened) in questions {
            let asked = Asked { transport: L4Protocol::Tcp, ..asked };
            let known = DIRECTORY.by_name(&format!("agent-{}", asked.agent)).unwrap();
            let mut head = http::Request::builder().method(method).uri(format!("{path}?{query}"));
            head = head.header("host", asked.name.as_str());
            for field in fields.lines() {
                let (name, value) = field.split_once(": ").unwrap();
                head = head.header(name, value);
            }
            let head = head.body(()).unwrap().into_parts().0;
            let agreed = AgreedName::new(asked.name.clone(), asked.place.port(), if opened { Scheme::Https } else { Scheme::Http });
            let request = Request::read(&agreed, &head).unwrap();
            let (mode, listener) = match opened {
                true => (Mode::Terminate, ListenerProtocol::TlsTerminate),
                false => (Mode::PlainHttp, ListenerProtocol::Http),
            };
            let passage = Passage {
                mode,
                host: Some(asked.name.clone()),
                also: Vec::new(),
                shadow: Vec::new(),
                name_source: NameSource::Given,
                destination: asked.place,
                private_allowed: false,
                route: numbered("EgressL4Route", 0),
                obligations: None,
                holds: None,
            };
            let decided = set.request(&known, &passage, &request, Circumstances::default());
            let decided = decided.and_then(|permit| permit.settle(&Content::default()));
            let decided = decided.map(|clearance| clearance.route().clone()).map_err(|denial| (denial.reason.code(), denial.policy.unwrap()));
            let plan = &set.gateways["default"];
            prop_assert_eq!(decided, asked.decide(plan, &request, listener), "{:?} {} {}", asked, method, path);
        }
    }

    #[test]
    fn labels_select_the_agents_that_a_selector_selects_one_by_one(
        agents in prop::collection::vec(subsequence(vec![("a", "1"), ("b", "1"), ("c", "2")], 0..=3), 0..140),
        requirements in prop::collection::vec((0..4_u8, select(vec!["a", "b", "c", "d"]), subsequence(vec!["1", "2", "3"], 0..=2)), 0..4),
    ) {
        let agents: Vec<BTreeMap<String, String>> = agents
            .iter()
            .map(|labels| labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
            .collect();
        let requirements = requirements.into_iter().map(|(operator, key, values)| {
            let (key, values) = (key.to_owned(), values.into_iter().map(str::to_owned).collect());
            match operator {
                0 => Requirement::In(key, values),
                1 => Requirement::NotIn(key, values),
                2 => Requirement::Exists(key),
                _ => Requirement::DoesNotExist(key),
            }
        });
        let selector = Selector { requirements: requirements.collect() };
        let selected = Agents::Some(Labels::of(agents.iter()).selected_by(&selector));
        for (agent, labels) in agents.iter().enumerate() {
            prop_assert_eq!(selected.contains(agent), selector.selects(labels), "{:?}", labels);
        }
        prop_assert!(!selected.contains(agents.len()));
    }
}
