//! `explain` for a hypothetical request: builds the connection and the request as they would look, and asks policy.

mod own;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use crate::decide::policy::explain::{Explanation as Found, Question};
use crate::model::manifest::resources::{ENCRYPTED_DNS_PORT, TLS_PORT};
use crate::model::types::agreed_name::{AgreedName, Scheme};
use crate::model::types::{HostName, Reason};
use crate::operate::api::{ExplainQuery, Explanation, Fault, Step, StepVerdict, Target};
use crate::perceive::hello::{Alpn, ClientHello, Hello, Http1Hello};
use crate::perceive::request::Request;
use crate::pipeline::{Shared, Snapshot};
use crate::platform::sys::clock;

/// Stands for the address of a name that this gateway has not given to the agent: a public one (RFC 5737).
const SOME_PUBLIC_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What is asked, made out.
struct Inquiry<'a> {
    query: &'a ExplainQuery,
    target: Target,
    name: Option<HostName>,
    destination: SocketAddr,
    /// Whether this host has the address. Nothing is known of one that only stands for a name.
    here: bool,
    hello: Hello,
}

/// Answers from the set in force, for a host that opens these ports of its own. Nothing is sent and nothing is recorded.
pub fn explain(shared: &Shared, allow_local: &[u16], query: &ExplainQuery) -> Result<Explanation, Fault> {
    let snapshot = shared.snapshot.load();
    let known = snapshot.directory.by_name(&query.agent).ok_or_else(|| {
        Fault::not_found(format!("no agent is named `{}`", query.agent)).hint("clawgress get agents")
    })?;
    let target = query.parse_target()?;
    let (host, port) = match &target {
        Target::Url { host, port, .. } | Target::Connection { host, port } | Target::Flow { host, port } => {
            (host, *port)
        }
    };
    let (name, address) = place(shared, &query.agent, host)?;
    let destination = SocketAddr::new(address, port);
    let hello = hello(&target, name.as_ref(), snapshot.policy.takes_tls(&known));
    let here = own::is_address(address) && (name.is_none() || address != SOME_PUBLIC_ADDRESS);
    let inquiry = Inquiry { query, target, name, destination, here, hello };
    if let Some((serves, text)) = own::answer(&inquiry.target, (here, port), allow_local) {
        return Ok(inquiry.by_this_host(serves, text));
    }
    let name = inquiry.name.as_ref();
    let (head, agreed) = (head(query, &inquiry.target)?, agreed(&inquiry.target, name, destination));
    let request = head.as_ref().map(|head| Request::read(&agreed, head)).transpose();
    let request = request.map_err(|denial| Fault::invalid(denial.detail))?;
    let mut given = shared.memory.names(&query.agent, address, clock::now());
    // The gateway's own name is answered, and believed for nothing.
    if let Some(name) = name.filter(|name| !given.contains(name) && !own::is_name(name)) {
        given.insert(0, name.clone());
    }
    let stale = shared.memory.stale(&query.agent, address, clock::now());
    let question = Question {
        known: &known,
        host: name,
        given: &given,
        stale: &stale,
        destination,
        hello: &inquiry.hello,
        request: request.as_ref(),
    };
    let found = snapshot.policy.explain(&question, snapshot.circumstances(clock::now()));
    Ok(inquiry.told(found, &snapshot))
}

/// The name and an address for it: one that the agent was given, else some public one.
fn place(shared: &Shared, agent: &str, host: &str) -> Result<(Option<HostName>, IpAddr), Fault> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok((None, address));
    }
    let name = HostName::parse(host).map_err(|why| Fault::invalid(format!("`{host}` {why}")))?;
    if own::is_name(&name) {
        return Ok((Some(name), own::address(&shared.home)));
    }
    let given = shared.memory.addresses(agent, &name, clock::now());
    let address = given.first().copied().unwrap_or(SOME_PUBLIC_ADDRESS);
    Ok((Some(name), address))
}

/// What would be said first. A connection to the port of TLS is taken for TLS where a listener takes that.
fn hello(target: &Target, name: Option<&HostName>, takes_tls: bool) -> Hello {
    let tls = |alpn: &[Alpn]| {
        let alpn = alpn.iter().copied().collect();
        Hello::Tls(ClientHello { server_name: name.cloned(), alpn, ech: false })
    };
    match target {
        Target::Url { tls: true, .. } => tls(&[Alpn::H2, Alpn::Http11]),
        Target::Url { tls: false, .. } => Hello::Http1(Http1Hello { host: name.cloned(), connect: None }),
        Target::Connection { port: TLS_PORT, .. } if takes_tls => tls(&[]),
        Target::Connection { .. } => Hello::Opaque,
        Target::Flow { .. } => Hello::Datagram,
    }
}

/// The head of the request, for a URL.
fn head(query: &ExplainQuery, target: &Target) -> Result<Option<Parts>, Fault> {
    let Target::Url { host, port, path, .. } = target else { return Ok(None) };
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut builder = http::Request::builder()
        .method(query.method.as_deref().unwrap_or("GET"))
        .uri(path.as_str())
        .header(http::header::HOST, authority);
    for (field, value) in &query.headers {
        let name = HeaderName::from_bytes(field.as_bytes());
        let name = name.map_err(|_| Fault::invalid(format!("`{field}` is no header name")))?;
        let value = HeaderValue::from_str(value);
        let value = value.map_err(|_| Fault::invalid(format!("the value of `{field}` cannot be sent")))?;
        builder = builder.header(name, value);
    }
    let request = builder
        .body(())
        .map_err(|error| Fault::invalid(format!("such a request cannot be made: {error}")))?;
    Ok(Some(request.into_parts().0))
}

/// Whom the request may name.
fn agreed(target: &Target, name: Option<&HostName>, destination: SocketAddr) -> AgreedName {
    let scheme = if matches!(target, Target::Url { tls: true, .. }) { Scheme::Https } else { Scheme::Http };
    match name {
        Some(name) => AgreedName::new(name.clone(), destination.port(), scheme),
        None => AgreedName::of_address(destination.ip(), destination.port(), scheme),
    }
}

impl Inquiry<'_> {
    /// The request in words.
    fn words(&self) -> String {
        let Self { query, target, hello, .. } = self;
        match target {
            Target::Url { .. } => format!("{} {}", query.method.as_deref().unwrap_or("GET"), query.target),
            Target::Connection { .. } if matches!(hello, Hello::Tls(_)) => format!("tls {}", query.target),
            Target::Connection { .. } => format!("tcp {}", query.target),
            Target::Flow { .. } => query.target.replacen("://", " ", 1),
        }
    }

    /// What this host answers itself.
    fn by_this_host(&self, serves: bool, text: String) -> Explanation {
        let verdict = if serves { StepVerdict::Allow } else { StepVerdict::Deny };
        Explanation {
            agent: self.query.agent.clone(),
            request: self.words(),
            allowed: serves,
            reason: None,
            policy: None,
            rule: None,
            steps: vec![Step { stage: "gateway".to_owned(), verdict, text, source: None }],
            nearest: None,
            hints: Vec::new(),
        }
    }

    /// What policy and the dialler say.
    fn told(&self, found: Found, snapshot: &Snapshot) -> Explanation {
        let policy = found.policy.as_ref().map(|policy| policy.0.to_string());
        let source = policy.as_deref().and_then(|policy| origin(policy, snapshot));
        let (allowed, last) = (found.reason.is_none(), found.steps.len().saturating_sub(1));
        // What no route names, the gateway's default refuses; that no approval opens it stands in no document.
        let by_default = found.steps.iter().position(|step| step.stage == "default");
        let decided = by_default.filter(|_| found.reason == Some(Reason::PolicyNoRoute)).unwrap_or(last);
        let steps = found.steps.into_iter().enumerate().map(|(index, step)| {
            let own_name = step.stage == "dns" && self.name.as_ref().is_some_and(own::is_name);
            let (refuses, text) = match own_name {
                true => (false, "answered by the gateway: it is its own name".to_owned()),
                false => (step.refuses, step.text),
            };
            let verdict = match (refuses, index == last && allowed) {
                (true, _) => StepVerdict::Deny,
                (false, true) => StepVerdict::Allow,
                (false, false) => StepVerdict::Pass,
            };
            let source = source.clone().filter(|_| index == decided);
            Step { stage: step.stage.to_owned(), verdict, text, source }
        });
        let hint = self.hint(found.reason, source.as_deref(), snapshot);
        let mut explanation = Explanation {
            agent: self.query.agent.clone(),
            request: self.words(),
            allowed,
            reason: found.reason,
            policy,
            rule: found.rule,
            steps: steps.collect(),
            nearest: found.nearest,
            hints: self.assumption().into_iter().chain(self.approval(found.reason)).chain(hint).collect(),
        };
        if self.here {
            own::refuse(&mut explanation, self.destination.ip());
        }
        explanation
    }

    /// What was taken for granted.
    fn assumption(&self) -> Option<String> {
        let assumed = matches!((&self.target, &self.hello), (Target::Connection { .. }, Hello::Tls(_)));
        assumed.then(|| {
            "asked as TLS: other bytes on its port need a route attached to a TCP listener alone (`sectionName`)"
                .to_owned()
        })
    }

    /// The command that would allow it for a time.
    fn approval(&self, reason: Option<Reason>) -> Option<String> {
        let (agent, port) = (&self.query.agent, self.destination.port());
        let name = self.name.as_ref().filter(|_| reason == Some(Reason::PolicyNoRoute))?;
        let over_tcp = !matches!(self.hello, Hello::Datagram);
        over_tcp.then(|| {
            format!("to allow it for two hours: clawgress approve {agent} --host {name}:{port} --ttl 2h --reason \"...\"")
        })
    }

    /// What would allow it.
    fn hint(&self, reason: Option<Reason>, source: Option<&str>, snapshot: &Snapshot) -> Option<String> {
        Some(match (reason, source) {
            (Some(Reason::PolicyNoRoute), _) => {
                "to allow it for good, add a route for it in policies.d, then: clawgress validate".to_owned()
            }
            (Some(Reason::DestinationPrivate | Reason::DestinationMetadata), _) => {
                "to allow it, name its network in `destinationCIDRs` of an EgressL4Route".to_owned()
            }
            (Some(Reason::ProtocolEncryptedDns), _) => match self.listed(snapshot) {
                Some(listed) => format!(
                    "to let routes decide about it, take it off the list in clawgress.yaml: `spec.dns.allowResolvers: [{listed}]`"
                ),
                None => return None,
            },
            (Some(_), Some(source)) => format!("decided by {source}"),
            _ => return None,
        })
    }

    /// What stands on the list of encrypted resolvers, where taking it off would help.
    fn listed(&self, snapshot: &Snapshot) -> Option<String> {
        let resolvers = snapshot.policy.resolvers();
        let name = self.name.as_ref().and_then(|name| resolvers.listed(name)).map(str::to_owned);
        let address = || {
            let ip = self.destination.ip().to_canonical();
            resolvers.stands_at(self.destination).then(|| ip.to_string())
        };
        name.or_else(address).filter(|_| self.destination.port() != ENCRYPTED_DNS_PORT)
    }
}

/// `policies.d/gateway.yaml:4` for `EgressGateway/default`.
fn origin(policy: &str, snapshot: &Snapshot) -> Option<String> {
    let (kind, name) = policy.split_once('/')?;
    let documents = &snapshot.resources.documents;
    let found = documents.iter().find(|one| one.kind == kind && &*one.name == name)?;
    Some(format!("{}:{}", found.origin.file, found.origin.line))
}
