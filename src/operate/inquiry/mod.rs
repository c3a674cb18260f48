//! What would become of something that an operator asks about: a target in words, made into the questions that traffic
//! would ask of policy, and the answer in words.
//!
//! Pure: the daemon asks with what it remembers and enforces, `clawgress test` with the documents alone. Nothing is sent
//! and nothing is recorded.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::api::{ExplainQuery, Explanation, Fault, Opener, Step, StepVerdict, Target};
use crate::decide::policy::explain::{Explanation as Found, Question};
use crate::decide::policy::{Circumstances, Lookup, PolicySet};
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{ENCRYPTED_DNS_PORT, TLS_PORT};
use crate::model::types::agreed_name::{AgreedName, Scheme};
use crate::model::types::{Decision, Denial, HostName, Reason};
use crate::perceive::hello::{Alpn, ClientHello, Hello, Http1Hello};
use crate::perceive::identity::Known;
use crate::perceive::request::{Request, hop_by_hop};

/// Stands for the address of a name that nobody has given to the agent: a public one (RFC 5737).
pub const SOME_PUBLIC_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What is asked about, taken apart.
#[derive(Debug)]
pub struct Inquiry<'a> {
    /// As it was asked.
    pub query: &'a ExplainQuery,
    /// The target.
    pub target: Target,
    /// The name in it, where it has one.
    pub name: Option<HostName>,
    /// Where it leads.
    pub destination: SocketAddr,
    hello: Hello,
}

/// What it is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Compiled policy.
    pub policy: &'a PolicySet,
    /// The documents it was compiled from.
    pub resources: &'a Resources,
    /// Who asks.
    pub known: &'a Known,
    /// When, and what holds for a time.
    pub circumstances: Circumstances<'a>,
    /// Names that the agent was given for the destination, the one asked for among them where it would be believed.
    pub given: &'a [HostName],
    /// Names that it was given once, and that are believed no more.
    pub stale: &'a [HostName],
}

impl<'a> Inquiry<'a> {
    /// Takes a question apart. `address_of` finds an address for a name; `takes_tls` tells whether a listener of the
    /// agent's gateway takes TLS, for which a connection to its port is then taken.
    ///
    /// # Errors
    /// What is wrong with the question.
    pub fn new(
        query: &'a ExplainQuery,
        takes_tls: bool,
        address_of: impl FnOnce(&HostName) -> IpAddr,
    ) -> Result<Self, Fault> {
        let target = query.parse_target()?;
        let (host, port) = match &target {
            Target::Url { host, port, .. }
            | Target::Connection { host, port }
            | Target::Flow { host, port } => (host, *port),
            Target::Lookup { name } => (name, 0),
        };
        let (name, address) = match host.parse::<IpAddr>() {
            Ok(address) => (None, address),
            Err(_) => {
                let name = HostName::parse(host).map_err(|why| Fault::invalid(format!("`{host}` {why}")))?;
                let address = address_of(&name);
                (Some(name), address)
            }
        };
        let hello = hello(&target, name.as_ref(), takes_tls);
        Ok(Self { query, target, name, destination: SocketAddr::new(address, port), hello })
    }

    /// It was this that was said first: `protocol` as records have it.
    pub fn speaks(&mut self, protocol: &str) {
        self.hello = match protocol {
            "tls-terminate" | "tls-passthrough" => {
                let server_name = self.name.clone();
                Hello::Tls(ClientHello { server_name, alpn: Default::default(), ech: false })
            }
            "http" => Hello::Http1(Http1Hello { host: self.name.clone(), connect: None }),
            "udp" => Hello::Datagram,
            _ => Hello::Opaque,
        };
    }

    /// What would become of it.
    ///
    /// # Errors
    /// What is wrong with the question.
    pub fn explained(&self, scene: &Scene<'_>) -> Result<Explanation, Fault> {
        if let (Target::Lookup { .. }, Some(name)) = (&self.target, &self.name) {
            return Ok(self.looked_up(scene, name));
        }
        let head = self.head()?;
        let agreed = self.agreed();
        let request = head.as_ref().map(|head| Request::read(&agreed, head)).transpose();
        let request = request.map_err(|denial| Fault::invalid(denial.detail))?;
        let question = Question {
            known: scene.known,
            host: self.name.as_ref(),
            given: scene.given,
            stale: scene.stale,
            destination: self.destination,
            hello: &self.hello,
            request: request.as_ref(),
        };
        let found = scene.policy.explain(&question, scene.circumstances);
        Ok(self.told(found, scene))
    }

    /// A look-up alone.
    fn looked_up(&self, scene: &Scene<'_>, name: &HostName) -> Explanation {
        let answer = scene.policy.query(scene.known, &Lookup::of_host(name), scene.circumstances);
        let denial = answer.err();
        let text = match &denial {
            None => "answered: the agent may look it up",
            Some(denial) if denial.reason == Reason::ProtocolEncryptedDns => {
                "refused, no query leaves: it is an encrypted DNS resolver"
            }
            Some(denial) if denial.reason == Reason::IdentityQuarantined && denial.quarantine().is_none() => {
                "refused, no query leaves: the agent is quarantined"
            }
            Some(Denial { policy: Some(policy), .. }) if policy.0.starts_with("EgressPolicy/") => {
                "refused, no query leaves: a rule refuses it"
            }
            Some(_) => "refused, no query leaves: no route of this agent names it",
        };
        let verdict = if denial.is_none() { StepVerdict::Allow } else { StepVerdict::Deny };
        let policy =
            denial.as_ref().and_then(|denial| denial.policy.as_ref()).map(|policy| policy.0.to_string());
        Explanation {
            agent: self.query.agent.clone(),
            request: self.words(),
            allowed: denial.is_none(),
            decision: denial.as_ref().map_or(Decision::Allow, Denial::decision),
            reason: denial.as_ref().map(|denial| denial.reason),
            policy,
            rule: denial.and_then(|denial| denial.rule).map(|rule| rule.to_string()),
            steps: vec![Step { stage: "dns".to_owned(), verdict, text: text.to_owned(), source: None }],
            ..Explanation::default()
        }
    }

    /// The head of the request, for a URL.
    fn head(&self) -> Result<Option<Parts>, Fault> {
        let Target::Url { host, port, path, .. } = &self.target else { return Ok(None) };
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut builder = http::Request::builder()
            .method(self.query.method.as_deref().unwrap_or("GET"))
            .uri(path.as_str())
            .header(http::header::HOST, authority);
        for (field, value) in &self.query.headers {
            let name = HeaderName::from_bytes(field.as_bytes());
            let name = name.map_err(|_| Fault::invalid(format!("`{field}` is no header name")))?;
            let value = HeaderValue::from_str(value);
            let value =
                value.map_err(|_| Fault::invalid(format!("the value of `{field}` cannot be sent")))?;
            builder = builder.header(name, value);
        }
        let request = builder
            .body(())
            .map_err(|error| Fault::invalid(format!("such a request cannot be made: {error}")))?;
        let (mut head, ()) = request.into_parts();
        // Judged is what would be forwarded.
        hop_by_hop::strip_request(&mut head);
        Ok(Some(head))
    }

    /// Whom the request may name.
    fn agreed(&self) -> AgreedName {
        let tls = matches!(self.target, Target::Url { tls: true, .. });
        let scheme = if tls { Scheme::Https } else { Scheme::Http };
        match &self.name {
            Some(name) => AgreedName::new(name.clone(), self.destination.port(), scheme),
            None => AgreedName::of_address(self.destination.ip(), self.destination.port(), scheme),
        }
    }

    /// The question in words.
    pub fn words(&self) -> String {
        let Self { query, target, hello, .. } = self;
        match target {
            Target::Url { .. } => format!("{} {}", query.method.as_deref().unwrap_or("GET"), query.target),
            Target::Connection { .. } if matches!(hello, Hello::Tls(_)) => format!("tls {}", query.target),
            Target::Connection { .. } => format!("tcp {}", query.target),
            Target::Flow { .. } | Target::Lookup { .. } => query.target.replacen("://", " ", 1),
        }
    }

    /// What policy and the dialler say.
    fn told(&self, found: Found, scene: &Scene<'_>) -> Explanation {
        let policy = found.policy.as_ref().map(|policy| policy.0.to_string());
        // The last stage is that of what lets it through; a rule that binds it has a stage of its own.
        let opened_by = found.opened_by.map(|route| Opener {
            policy: route.policy.0.to_string(),
            rule: route.rule.map(|rule| rule.to_string()),
        });
        let decides = opened_by.as_ref().map(|opener| &opener.policy).or(policy.as_ref());
        let source = decides.and_then(|policy| origin(policy, scene.resources));
        let (allowed, last) = (found.reason.is_none(), found.steps.len().saturating_sub(1));
        // What no route names, the gateway's default refuses; that no approval opens it stands in no document.
        let by_default = found.steps.iter().position(|step| step.stage == "default");
        let decided = by_default.filter(|_| found.reason == Some(Reason::PolicyNoRoute)).unwrap_or(last);
        let steps = found.steps.into_iter().enumerate().map(|(index, step)| {
            let verdict = match (step.refuses, index == last && allowed) {
                (true, _) => StepVerdict::Deny,
                (false, true) => StepVerdict::Allow,
                (false, false) => StepVerdict::Pass,
            };
            let source = source.clone().filter(|_| index == decided);
            Step { stage: step.stage.to_owned(), verdict, text: step.text, source }
        });
        let hint = self.hint(found.reason, source.as_deref(), scene.policy);
        Explanation {
            agent: self.query.agent.clone(),
            request: self.words(),
            allowed,
            decision: found.decision,
            reason: found.reason,
            policy,
            rule: found.rule,
            opened_by: opened_by.filter(|_| found.decision != Decision::Allow),
            steps: steps.collect(),
            nearest: found.nearest,
            hints: self.assumption().into_iter().chain(self.approval(found.reason)).chain(hint).collect(),
            ..Explanation::default()
        }
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
    fn hint(&self, reason: Option<Reason>, source: Option<&str>, policy: &PolicySet) -> Option<String> {
        Some(match (reason, source) {
            (Some(Reason::PolicyNoRoute), _) => {
                "to allow it for good, add a route for it in policies.d, then: clawgress validate".to_owned()
            }
            (Some(Reason::DestinationPrivate | Reason::DestinationMetadata), _) => {
                "to allow it, name its network in `destinationCIDRs` of an EgressL4Route".to_owned()
            }
            (Some(Reason::ProtocolEncryptedDns), _) => match self.listed(policy) {
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
    fn listed(&self, policy: &PolicySet) -> Option<String> {
        let resolvers = policy.resolvers();
        let name = self.name.as_ref().and_then(|name| resolvers.listed(name)).map(str::to_owned);
        let address = || resolvers.standing_at(self.destination).map(|listed| listed.to_string());
        name.or_else(address).filter(|_| self.destination.port() != ENCRYPTED_DNS_PORT)
    }
}

/// What would be said first.
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
        Target::Flow { .. } | Target::Lookup { .. } => Hello::Datagram,
    }
}

/// `policies.d/gateway.yaml:4` for `EgressGateway/default`.
fn origin(policy: &str, resources: &Resources) -> Option<String> {
    let (kind, name) = policy.split_once('/')?;
    let found = resources.documents.iter().find(|one| one.kind == kind && &*one.name == name)?;
    Some(format!("{}:{}", found.origin.file, found.origin.line))
}
