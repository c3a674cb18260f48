//! What would become of something that an operator asks about: a target in words, made into the questions that traffic
//! would ask of policy, and the answer in words.
//!
//! Pure: the daemon asks with what it remembers and enforces, `clawgress test` with the documents alone. Nothing is sent
//! and nothing is recorded.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::api::{ExplainQuery, Explanation, Fault, NearestRule, Opener, Step, StepVerdict, Target};
pub use crate::decide::policy::explain::SOME_PUBLIC_ADDRESS;
use crate::decide::policy::explain::{Explanation as Found, Nearest, Question, Unmet, Untaken};
use crate::decide::policy::{Circumstances, PolicySet};
use crate::model::condition::Content;
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{ENCRYPTED_DNS_PORT, TLS_PORT};
use crate::model::types::agreed_name::{AgreedName, Scheme};
use crate::model::types::{ApprovedTool, Decision, HostName, Reason};
use crate::perceive::hello::{Alpn, ClientHello, Hello, Http1Hello};
use crate::perceive::identity::Known;
use crate::perceive::request::{Request, hop_by_hop};

/// Said of a request that nobody would read.
pub const UNREAD: &str = "its requests are not read: TLS is passed through or bytes are relayed, and the connection alone is judged";

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
    /// What its request would carry, where that is said.
    pub content: Option<Content>,
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
        Ok(Self { query, target, name, destination: SocketAddr::new(address, port), content: None, hello })
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
            return Ok(self.told(scene.policy.explain_lookup(scene.known, name, scene.circumstances), scene));
        }
        let found = self.ask(scene, |question| scene.policy.explain(question, scene.circumstances))?;
        Ok(self.told(found, scene))
    }

    /// Asks policy something about what is asked about.
    fn ask<T>(&self, scene: &Scene<'_>, about: impl FnOnce(&Question<'_>) -> T) -> Result<T, Fault> {
        let head = self.head()?;
        let agreed = self.agreed();
        let request = head.as_ref().map(|head| Request::read(&agreed, head)).transpose();
        let request = request.map_err(|denial| Fault::invalid(denial.detail))?;
        Ok(about(&Question {
            known: scene.known,
            host: self.name.as_ref(),
            given: scene.given,
            stale: scene.stale,
            destination: self.destination,
            hello: &self.hello,
            request: request.as_ref(),
            content: self.content.as_ref(),
        }))
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
        let opened_by = found.opened_by.as_ref().map(|route| Opener {
            policy: route.policy.0.to_string(),
            rule: route.rule.as_ref().map(ToString::to_string),
        });
        let decides = opened_by.as_ref().map(|opener| &opener.policy).or(policy.as_ref());
        let source = decides.and_then(|policy| origin(policy, scene.resources));
        let (allowed, last) = (found.reason.is_none(), found.steps.len().saturating_sub(1));
        // What no route names, the gateway's default refuses; that no approval opens it stands in no document.
        let by_default = found.steps.iter().position(|step| step.stage == "default");
        let unrouted = matches!(found.reason, Some(Reason::PolicyNoRoute | Reason::DnsDenied));
        let decided = by_default.filter(|_| unrouted).unwrap_or(last);
        let hints = self.hints(&found, source.as_deref(), scene);
        let steps = found.steps.into_iter().enumerate().map(|(index, step)| {
            let verdict = match (step.refuses, index == last && allowed) {
                (true, _) => StepVerdict::Deny,
                (false, true) => StepVerdict::Allow,
                (false, false) => StepVerdict::Pass,
            };
            let source = source.clone().filter(|_| index == decided);
            Step { stage: step.stage.to_owned(), verdict, text: step.text, source }
        });
        let (nearest, nearest_rule) = nearest(found.nearest);
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
            nearest,
            nearest_rule,
            hints,
            ..Explanation::default()
        }
    }

    /// What was taken for granted, and what would change the answer.
    fn hints(&self, found: &Found, source: Option<&str>, scene: &Scene<'_>) -> Vec<String> {
        let mut hints = self.assumptions();
        hints.extend(found.unread.then(|| UNREAD.to_owned()));
        if matches!(found.reason, Some(Reason::PolicyNoRoute | Reason::DnsDenied)) {
            hints.extend(self.opening(&self.command(), scene));
        }
        let shut_out = found.steps.last().is_some_and(|step| step.stage == "identity" && step.refuses);
        if shut_out && found.reason == Some(Reason::IdentityQuarantined) {
            hints.push(release(&self.query.agent));
        } else {
            hints.extend(self.hint(found.reason, source, scene.policy));
        }
        hints
    }

    /// What was taken for granted.
    fn assumptions(&self) -> Vec<String> {
        let as_tls = matches!((&self.target, &self.hello), (Target::Connection { .. }, Hello::Tls(_)));
        let as_tls = as_tls.then(|| {
            "asked as TLS: other bytes on its port need a route attached to a TCP listener alone (`sectionName`)"
                .to_owned()
        });
        let looked_up = matches!(self.target, Target::Lookup { .. });
        let somewhere =
            self.name.as_ref().filter(|_| !looked_up && self.destination.ip() == SOME_PUBLIC_ADDRESS);
        let somewhere = somewhere.map(|name| {
            format!(
                "asked as if {name} led to {SOME_PUBLIC_ADDRESS}, since its address is not known: what names a network beside \
                 the host is not met"
            )
        });
        as_tls.into_iter().chain(somewhere).collect()
    }

    /// The command that approves it.
    fn command(&self) -> String {
        let (agent, port) = (&self.query.agent, self.destination.port());
        let host = match &self.name {
            Some(name) if port == 0 => format!(" --host {name}"),
            Some(name) => format!(" --host {name}:{port}"),
            None => String::new(),
        };
        format!("clawgress approve {agent}{host}")
    }

    /// What would open it that no route names, for a time and for good.
    fn opening(&self, command: &str, scene: &Scene<'_>) -> Vec<String> {
        let looked_up = matches!(self.target, Target::Lookup { .. });
        if let Some(untaken) = self.untaken(scene).filter(|_| !looked_up) {
            return vec![untaken];
        }
        let for_good = "to allow it for good, add a route for it in policies.d, then: clawgress validate";
        self.approval(command, scene).into_iter().chain([for_good.to_owned()]).collect()
    }

    /// That no listener takes it, so that nothing opens it before one does.
    fn untaken(&self, scene: &Scene<'_>) -> Option<String> {
        let Untaken { gateway, what, protocol } = scene.policy.untaken(scene.known, &self.hello)?;
        let gateway = &gateway.0;
        Some(format!(
            "neither a route nor an approval opens it: {gateway} has no listener for {what}; add one with `protocol: {protocol}` first"
        ))
    }

    /// The command that opens it for two hours, `command` with what is said of the approval; or that none does. Nothing
    /// where approvals are not for such: addresses without a name, and UDP.
    pub fn approval(&self, command: &str, scene: &Scene<'_>) -> Option<String> {
        let opens = || format!("to allow it for two hours: {command} --ttl 2h --reason \"...\"");
        if matches!(self.target, Target::Lookup { .. }) {
            return Some(opens());
        }
        if let Some(untaken) = self.untaken(scene) {
            return Some(untaken);
        }
        let name = self.name.as_ref().filter(|_| !matches!(self.hello, Hello::Datagram))?;
        let at = scene.circumstances.at;
        let helps = self.ask(scene, |question| scene.policy.opened_by_approval(question, at)).ok()?;
        Some(if helps {
            opens()
        } else {
            format!(
                "no approval opens it: HTTP routes govern {name}, and these bytes are no HTTP; a route attached to a TCP \
                 listener alone (`sectionName`) opens it to them"
            )
        })
    }

    /// What would allow it.
    fn hint(&self, reason: Option<Reason>, source: Option<&str>, policy: &PolicySet) -> Option<String> {
        Some(match (reason, source) {
            // See `opening`.
            (Some(Reason::PolicyNoRoute | Reason::DnsDenied), _) => return None,
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

/// The command that lets an agent in again.
pub fn release(agent: &str) -> String {
    format!("to let it in again: clawgress agent release {agent}")
}

/// The command that lets an agent call a tool for two hours, which is named as records do: `docs/send_mail`; or that none does.
pub fn approve_tool(agent: &str, tool: &str) -> String {
    match ApprovedTool::parse(tool) {
        Ok(tool) => format!(
            "to allow it for two hours: clawgress approve {agent} --tool {tool} --ttl 2h --reason \"...\""
        ),
        Err(_) => "no approval opens it: none names such a tool".to_owned(),
    }
}

/// The nearest rule in words, and for programs where it is one of an EgressPolicy.
fn nearest(found: Option<Nearest>) -> (Option<String>, Option<NearestRule>) {
    let Some(Nearest { text, unmet }) = found else { return (None, None) };
    let rule = unmet.map(|Unmet { rule, when, parts }| NearestRule {
        policy: rule.policy.0.to_string(),
        rule: rule.rule.as_deref().unwrap_or_default().to_owned(),
        when,
        unmet: parts,
    });
    (Some(text), rule)
}

/// `policies.d/gateway.yaml:4` for `EgressGateway/default`.
fn origin(policy: &str, resources: &Resources) -> Option<String> {
    let (kind, name) = policy.split_once('/')?;
    let found = resources.documents.iter().find(|one| one.kind == kind && &*one.name == name)?;
    Some(format!("{}:{}", found.origin.file, found.origin.line))
}

#[cfg(test)]
mod tests;
