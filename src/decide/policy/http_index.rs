//! HTTP rules, found by host, path, method and one field at once.
//!
//! Each question gives the rules that a walk over all of them would give, in the same order: those under an exact name,
//! then those under a wildcard, each by document and place in it. What is found by one field or parameter may still miss
//! by another: whoever asks looks at the whole match. Read next: `ranks.rs`, `request.rs`.

use smallvec::SmallVec;

use super::index::{HostIndex, Map};
use super::loose::Readings;
use super::plan::{Effect, HttpEntry};
use super::ranks::{Bits, Dimension, Ranks, Rows, chosen};
use crate::model::manifest::resources::{HttpMatch, ListenerProtocol, PathMatch};
use crate::model::types::HostName;
use crate::perceive::request::Request;

/// Matches by the name and the value of something.
type ByValue = Map<Box<str>, Map<Box<str>, Ranks>>;

/// A rank stands for one match of one rule.
#[derive(Debug)]
pub(super) struct HttpIndex {
    /// Places in `GatewayPlan::http`, and in the matches there; a rule without matches has one rank.
    places: Vec<(usize, usize)>,
    hosts: HostIndex<Host>,
    every_method: Bits,
    /// By method, with those for every method.
    methods: Map<Box<str>, Bits>,
    /// Matches without fields and parameters.
    free: Ranks,
    /// The others by their first field, by value; or by their first parameter.
    fields: ByValue,
    parameters: ByValue,
    /// Rules without matches, which hold for every request.
    whole: Bits,
    /// By the listener that can read the requests.
    over_tls: Bits,
    in_the_open: Bits,
    agents: Rows,
}

/// The rules of one host pattern.
#[derive(Debug, Default)]
struct Host {
    allowing: Rules,
    denying: Rules,
}

/// Those of them that have one effect.
#[derive(Debug, Default)]
struct Rules {
    all: Ranks,
    /// Those for every path.
    free: Ranks,
    paths: Paths,
}

/// A trie of path elements.
#[derive(Debug, Default)]
struct Paths {
    below: Map<Box<str>, Paths>,
    /// Rules for the path that ends here, and for it and all below it.
    exact: Ranks,
    prefix: Ranks,
}

impl HttpIndex {
    /// The rules of one gateway, for so many agents.
    pub(super) fn of(entries: &[HttpEntry], agents: usize) -> Self {
        let one_at_least = |entry: &HttpEntry| 0..entry.matches.len().max(1);
        let numbered = entries.iter().enumerate();
        let places: Vec<_> =
            numbered.flat_map(|(at, entry)| one_at_least(entry).map(move |one| (at, one))).collect();
        let mut index = Self {
            hosts: HostIndex::default(),
            every_method: Bits::default(),
            methods: Map::default(),
            free: Ranks::default(),
            fields: Map::default(),
            parameters: Map::default(),
            whole: Bits::default(),
            over_tls: Bits::default(),
            in_the_open: Bits::default(),
            agents: Rows::of(agents, places.iter().map(|(at, _)| &entries[*at].agents)),
            places,
        };
        for rank in 0..index.places.len() {
            let (at, one) = index.places[rank];
            index.add(rank, &entries[at], entries[at].matches.get(one));
        }
        let Self { methods, every_method, .. } = &mut index;
        methods.values_mut().for_each(|bits| bits.join(every_method));
        index
    }

    fn add(&mut self, rank: usize, entry: &HttpEntry, one: Option<&HttpMatch>) {
        let path = one.and_then(|one| one.path.as_ref());
        for host in &entry.hosts {
            let host = self.hosts.of(host);
            let allows = matches!(entry.effect, Effect::Allow);
            let rules = if allows { &mut host.allowing } else { &mut host.denying };
            rules.all.push(rank);
            match path {
                Some(path) => rules.paths.add(path, rank),
                None => rules.free.push(rank),
            }
        }
        match one.and_then(|one| one.method.as_deref()) {
            Some(method) => self.methods.entry(method.into()).or_default().insert(rank),
            None => self.every_method.insert(rank),
        }
        let field = one.and_then(|one| one.headers.first());
        let parameter = one.and_then(|one| one.query.first());
        match (field, parameter) {
            (Some(field), _) => with(&mut self.fields, &field.name, &field.value).push(rank),
            (None, Some(one)) => with(&mut self.parameters, &one.name, &one.value).push(rank),
            (None, None) => self.free.push(rank),
        }
        for (listener, bits) in [
            (ListenerProtocol::TlsTerminate, &mut self.over_tls),
            (ListenerProtocol::Http, &mut self.in_the_open),
        ] {
            if entry.listeners.has(listener) {
                bits.insert(rank);
            }
        }
        if one.is_none() {
            self.whole.insert(rank);
        }
    }

    /// The place of a rank in `GatewayPlan::http` and in the matches there.
    pub(super) fn place(&self, rank: usize) -> (usize, usize) {
        self.places[rank]
    }

    /// Whether a rule of the agent, allowing or denying, names the host.
    pub(super) fn governs(&self, agent: usize, host: &HostName) -> bool {
        self.hosts.find(host).any(|host| {
            self.of_agent(agent, &host.allowing, |_| !0).next().is_some()
                || self.of_agent(agent, &host.denying, |_| !0).next().is_some()
        })
    }

    /// Whether one of them allows something.
    pub(super) fn allows_something(&self, agent: usize, host: &HostName) -> bool {
        self.hosts.find(host).any(|host| self.of_agent(agent, &host.allowing, |_| !0).next().is_some())
    }

    /// The first of them that denies every request.
    pub(super) fn denies_all(&self, agent: usize, host: &HostName) -> Option<usize> {
        let whole = |number| self.whole.word(number);
        self.hosts.find(host).find_map(|host| self.of_agent(agent, &host.denying, whole).next())
    }

    /// The allowing rules that can be the first to open a connection: for each pattern and each listener one.
    pub(super) fn openers(&self, agent: usize, host: &HostName) -> impl Iterator<Item = usize> {
        self.hosts.find(host).flat_map(move |host| {
            let first =
                |listener: &Bits| self.of_agent(agent, &host.allowing, |number| listener.word(number)).next();
            let found = [&self.over_tls, &self.in_the_open].map(first);
            let mut found: SmallVec<[usize; 2]> = found.into_iter().flatten().collect();
            found.sort_unstable();
            found.dedup();
            found
        })
    }

    /// The rules that allow such a request on this listener, as far as an index can tell.
    pub(super) fn allowing(
        &self,
        agent: usize,
        request: &Request<'_>,
        listener: ListenerProtocol,
    ) -> impl Iterator<Item = usize> {
        let over_tls = listener == ListenerProtocol::TlsTerminate;
        let listener = if over_tls { &self.over_tls } else { &self.in_the_open };
        let hosts = request.name().map(|host| self.hosts.find(host)).into_iter().flatten();
        hosts.flat_map(move |host| {
            let mut rules = Dimension::of(&host.allowing.free);
            host.allowing.paths.find(request.path(), &mut rules);
            self.narrowed(agent, request, rules, |number| listener.word(number))
        })
    }

    /// The rules that deny such a request on this host, as far as an index can tell, its path taken in every way in which
    /// some server may read it.
    pub(super) fn denying<'a>(
        &'a self,
        agent: usize,
        (host, request): (Option<&'a HostName>, &'a Request<'_>),
        readings: impl Fn() -> &'a Readings,
    ) -> impl Iterator<Item = usize> {
        let hosts = host.map(|host| self.hosts.find(host)).into_iter().flatten();
        hosts.flat_map(move |host| {
            // Most hosts have nothing to deny, and then nobody reads the path in other ways.
            let denies = self.of_agent(agent, &host.denying, |_| !0).next().is_some();
            let rules = denies.then(|| host.denying.in_every_reading(request.path(), readings()));
            rules.into_iter().flat_map(move |rules| self.narrowed(agent, request, rules, |_| !0))
        })
    }

    fn of_agent<'a>(
        &'a self,
        agent: usize,
        rules: &'a Rules,
        kept: impl Fn(usize) -> u64 + 'a,
    ) -> impl Iterator<Item = usize> + 'a {
        chosen([Dimension::of(&rules.all), self.agents.of_agent(agent)], kept)
    }

    /// Of these, the rules for the agent, the method, and the fields and parameters that the request has.
    fn narrowed<'a>(
        &'a self,
        agent: usize,
        request: &Request<'_>,
        rules: Dimension<'a>,
        kept: impl Fn(usize) -> u64 + 'a,
    ) -> impl Iterator<Item = usize> + 'a {
        let methods = self.methods.get(request.method().as_str()).unwrap_or(&self.every_method);
        let kept = move |number| kept(number) & methods.word(number);
        chosen([rules, self.agents.of_agent(agent), self.words(request)], kept)
    }

    /// Matches whose first field or parameter the request has.
    fn words(&self, request: &Request<'_>) -> Dimension<'_> {
        let mut found = Dimension::of(&self.free);
        let headers = request.headers().iter().filter(|_| !self.fields.is_empty());
        found.extend(headers.filter_map(|(name, value)| {
            self.fields.get(name.as_str())?.get(std::str::from_utf8(value.as_bytes()).ok()?)
        }));
        let query = (!self.parameters.is_empty()).then(|| request.query_pairs());
        let pairs = query.into_iter().flatten();
        found.extend(pairs.filter_map(|(name, value)| self.parameters.get(&*name)?.get(&*value)));
        found
    }
}

fn with<'m>(map: &'m mut ByValue, name: &str, value: &str) -> &'m mut Ranks {
    map.entry(name.into()).or_default().entry(value.into()).or_default()
}

impl Rules {
    /// The rules for this path, and for each of its other readings.
    fn in_every_reading<'a>(&'a self, path: &str, readings: &Readings) -> Dimension<'a> {
        let mut found = Dimension::default();
        match readings {
            Readings::Unknown => found.add(&self.all),
            Readings::All(readings) => {
                found.add(&self.free);
                self.paths.find(path, &mut found);
                readings.iter().for_each(|reading| self.paths.find(reading, &mut found));
            }
        }
        found
    }
}

impl Paths {
    fn add(&mut self, path: &PathMatch, rank: usize) {
        let text = match path {
            PathMatch::Exact(path) => path,
            PathMatch::Prefix(path) => path.trim_end_matches('/'),
        };
        let end = text.split('/').fold(self, |node, element| node.below.entry(element.into()).or_default());
        match path {
            PathMatch::Exact(_) => end.exact.push(rank),
            PathMatch::Prefix(_) => end.prefix.push(rank),
        }
    }

    /// Adds the rules for this path: those that name it, and those that name one above it.
    fn find<'a>(&'a self, path: &str, found: &mut Dimension<'a>) {
        let mut node = self;
        let mut elements = path.split('/').peekable();
        while let Some(below) = elements.next().and_then(|element| node.below.get(element)) {
            node = below;
            found.add(&node.prefix);
            if elements.peek().is_none() {
                found.add(&node.exact);
            }
        }
    }
}
