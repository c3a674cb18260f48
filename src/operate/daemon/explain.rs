//! `explain` for a hypothetical request: builds the connection and the request as they would look, and asks policy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use crate::decide::policy::explain::{Explanation as Found, Question};
use crate::model::types::agreed_name::{AgreedName, Scheme};
use crate::model::types::{HostName, Reason};
use crate::operate::api::{ExplainQuery, Explanation, Fault, Step, StepVerdict, Target};
use crate::perceive::hello::{Alpn, ClientHello, Hello, Http1Hello};
use crate::perceive::request::Request;
use crate::pipeline::{Shared, Snapshot};
use crate::platform::sys::clock;

/// Stands for the address of a name that this gateway has not given to the agent: a public one (RFC 5737).
const SOME_PUBLIC_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Answers from the set in force. Nothing is sent and nothing is recorded.
pub fn explain(shared: &Shared, query: &ExplainQuery) -> Result<Explanation, Fault> {
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
    let hello = hello(&target, name.as_ref());
    let (head, agreed) = (head(query, &target)?, agreed(&target, name.as_ref(), destination));
    let request = head.as_ref().map(|head| Request::read(&agreed, head)).transpose();
    let request = request.map_err(|denial| Fault::invalid(denial.detail))?;
    let mut given = shared.memory.names(&query.agent, address, clock::now());
    if let Some(name) = name.as_ref().filter(|name| !given.contains(name)) {
        given.insert(0, name.clone());
    }
    let question = Question {
        known: &known,
        host: name.as_ref(),
        given: &given,
        destination,
        hello: &hello,
        request: request.as_ref(),
    };
    let found = snapshot.policy.explain(&question);
    Ok(told(query, &target, found, &snapshot))
}

/// The name and an address for it: one that the agent was given, else some public one.
fn place(shared: &Shared, agent: &str, host: &str) -> Result<(Option<HostName>, IpAddr), Fault> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok((None, address));
    }
    let name = HostName::parse(host).map_err(|why| Fault::invalid(format!("`{host}` {why}")))?;
    let given = shared.memory.addresses(agent, &name, clock::now());
    let address = given.first().copied().unwrap_or(SOME_PUBLIC_ADDRESS);
    Ok((Some(name), address))
}

fn hello(target: &Target, name: Option<&HostName>) -> Hello {
    match target {
        Target::Url { tls: true, .. } => Hello::Tls(ClientHello {
            server_name: name.cloned(),
            alpn: [Alpn::H2, Alpn::Http11].into_iter().collect(),
            ech: false,
        }),
        Target::Url { tls: false, .. } => Hello::Http1(Http1Hello { host: name.cloned() }),
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

fn told(query: &ExplainQuery, target: &Target, found: Found, snapshot: &Snapshot) -> Explanation {
    let request = match target {
        Target::Url { .. } => format!("{} {}", query.method.as_deref().unwrap_or("GET"), query.target),
        Target::Connection { .. } => format!("tcp {}", query.target),
        Target::Flow { .. } => query.target.replacen("://", " ", 1),
    };
    let policy = found.policy.as_ref().map(|policy| policy.0.to_string());
    let source = policy.as_deref().and_then(|policy| origin(policy, snapshot));
    let allowed = found.reason.is_none();
    let decides = deciding_stage(found.reason);
    let steps = found
        .steps
        .into_iter()
        .map(|step| {
            let verdict = match (step.stage == decides, allowed) {
                (false, _) => StepVerdict::Pass,
                (true, true) => StepVerdict::Allow,
                (true, false) => StepVerdict::Deny,
            };
            let source = source.clone().filter(|_| step.stage == decides);
            Step { stage: step.stage.to_owned(), verdict, text: step.text, source }
        })
        .collect();
    let hints = match (found.reason, source) {
        (Some(Reason::PolicyNoRoute), _) => {
            vec!["to allow it, add a route for it in policies.d, then: clawgress validate".to_owned()]
        }
        (Some(Reason::ProtocolQuic), _) => {
            vec!["QUIC is refused whatever routes say: clients fall back to TCP".to_owned()]
        }
        (Some(Reason::ProtocolEncryptedDns), _) => {
            vec![
                "to allow it, name it in `spec.dns.allowResolvers` of the settings, and in a route"
                    .to_owned(),
            ]
        }
        (Some(Reason::DestinationPrivate), _) => {
            vec!["to allow it, name its network in `destinationCIDRs` of an EgressL4Route".to_owned()]
        }
        (Some(_), Some(source)) => vec![format!("decided by {source}")],
        _ => Vec::new(),
    };
    Explanation {
        agent: query.agent.clone(),
        request,
        allowed,
        reason: found.reason,
        policy,
        rule: found.rule,
        steps,
        nearest: found.nearest,
        hints,
    }
}

fn deciding_stage(reason: Option<Reason>) -> &'static str {
    match reason {
        None => "routes",
        Some(Reason::PolicyDenied) => "deny",
        Some(Reason::IdentityUnknown) => "identity",
        Some(Reason::PolicyNoRoute) => "default",
        Some(Reason::ProtocolEncryptedDns) => "dns",
        Some(_) => "name",
    }
}

/// `policies.d/gateway.yaml:4` for `EgressGateway/default`.
fn origin(policy: &str, snapshot: &Snapshot) -> Option<String> {
    let (kind, name) = policy.split_once('/')?;
    let documents = &snapshot.resources.documents;
    let found = documents.iter().find(|one| one.kind == kind && &*one.name == name)?;
    Some(format!("{}:{}", found.origin.file, found.origin.line))
}
