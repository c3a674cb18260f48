//! What denials by policy say: who may not do what, never which rules exist.

pub(super) mod services;

use std::net::SocketAddr;

use http::Method;

use super::passage::Route;
use super::plan::Effect;
use super::rules::Rule;
use super::standing::Quarantine;
use crate::model::manifest::resources::{L4Protocol, RuleAction};
use crate::model::types::{AddressClass, Denial, HostName, PolicyRef, Reason, Sequel, Timestamp};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use crate::perceive::request::Request;

/// `paste.example:443`, or the address where no name is known.
pub(super) fn place(host: Option<&HostName>, destination: SocketAddr) -> String {
    match host {
        Some(host) => format!("{host}:{}", destination.port()),
        None => destination.to_string(),
    }
}

pub(super) fn unknown_agent(known: &Known) -> Denial {
    let detail = format!("Agent {} is no longer registered.", known.agent().name);
    Denial::built_in(Reason::IdentityUnknown, detail)
}

/// An agent that is shut out: it hears until when, and never why.
pub(super) fn quarantined(known: &Known, quarantine: &Quarantine) -> Denial {
    let agent = &known.agent().name;
    let until = match quarantine.until {
        Some(until) => format!("until {until}"),
        None => "until an operator releases it".to_owned(),
    };
    let cause = &quarantine.cause;
    let mut denial = Denial::built_in(
        Reason::IdentityQuarantined,
        format!("Agent {agent} is quarantined {until}. Nothing that it sends goes out."),
    );
    (denial.policy, denial.rule) = (cause.policy.clone(), cause.rule.clone());
    denial.seen(&*cause.reason)
}

pub(super) fn no_route(
    known: &Known,
    host: Option<&HostName>,
    destination: SocketAddr,
    gateway: &PolicyRef,
) -> Denial {
    // An address alone is most often one that was not looked up here.
    let why = match host {
        Some(_) => "No route allows this host.",
        None => {
            "It is an address without a name, which only a route by network (CIDR) allows. Use the host's name."
        }
    };
    let detail = format!("Agent {} may not reach {}. {why}", known.agent().name, place(host, destination));
    Denial::by(Reason::PolicyNoRoute, gateway.clone(), Some("defaultPolicy".into()), detail)
}

pub(super) fn no_name(known: &Known, destination: SocketAddr) -> Denial {
    let detail = format!(
        "Agent {} opened TLS to {destination} without a server name (SNI), so no route can be found for it.",
        known.agent().name
    );
    Denial::built_in(Reason::TlsNoName, detail)
}

pub(super) fn quic(known: &Known, destination: SocketAddr) -> Denial {
    let detail = format!(
        "Agent {} may not use QUIC (UDP to {destination}), in which no request can be judged. Use TCP.",
        known.agent().name
    );
    Denial::built_in(Reason::ProtocolQuic, detail)
}

/// DNS over HTTPS, by the request's own words.
pub(super) fn encrypted_dns_request(known: &Known, request: &Request<'_>, destination: SocketAddr) -> Denial {
    let detail = format!(
        "Agent {} may not send DNS queries over HTTP to {}. Ask this network's own resolver.",
        known.agent().name,
        place(request.name(), destination)
    );
    Denial::built_in(Reason::ProtocolEncryptedDns, detail)
}

/// CONNECT, to `target` as the workload wrote it.
pub(super) fn connect(known: &Known, destination: SocketAddr, target: &str) -> Denial {
    let detail = format!(
        "Agent {} may not send CONNECT to {destination}, which would lead on to a host that is not judged here. Connect to \
         that host itself.",
        known.agent().name
    );
    Denial::built_in(Reason::ProtocolConnect, detail).seen(format!("CONNECT {target}"))
}

pub(super) fn not_tls(known: &Known, destination: SocketAddr, hello: &Hello) -> Denial {
    let detail = format!(
        "Agent {} may speak nothing but TLS to {destination}. Use the protocol's own port.",
        known.agent().name
    );
    let seen = match hello {
        Hello::Silent => "silence",
        Hello::Http1(_) | Hello::Http2 => "plain HTTP, which no listener reads,",
        _ => "bytes of no protocol known here",
    };
    Denial::built_in(Reason::ProtocolNotTls, detail).seen(format!("{seen} on port {}", destination.port()))
}

pub(super) fn ech(known: &Known, name: Option<&HostName>, destination: SocketAddr) -> Denial {
    let detail = format!(
        "Agent {} may not hide the server name (Encrypted ClientHello, or its GREASE) on a connection to {destination} that \
         is judged by its name. Switch ECH off.",
        known.agent().name
    );
    let name = name.map_or_else(|| "none".to_owned(), ToString::to_string);
    Denial::built_in(Reason::TlsEch, detail).seen(format!("ECH, server name in the open: {name}"))
}

pub(super) fn unverified(known: &Known, host: Option<&HostName>, destination: SocketAddr) -> Denial {
    let detail = format!(
        "Agent {} may reach {} only at an address that this gateway's resolver gave for it. Look the name up again.",
        known.agent().name,
        place(host, destination)
    );
    Denial::built_in(Reason::NameUnverified, detail)
}

pub(super) fn unsafe_destination(known: &Known, destination: SocketAddr, class: AddressClass) -> Denial {
    let reason = match class {
        AddressClass::Metadata => Reason::DestinationMetadata,
        _ => Reason::DestinationPrivate,
    };
    let detail = format!(
        "Agent {} may not reach {destination}: the address is {class}, and no route names it.",
        known.agent().name
    );
    Denial::built_in(reason, detail)
}

/// A denial by an EgressDenyPolicy, in the administrator's words where there are some.
pub(super) fn denied(known: &Known, effect: &Effect, route: &Route, destination: SocketAddr) -> Denial {
    let Effect::Deny { policy, response } = effect else {
        return Denial::internal("an allowing route was asked for its denial");
    };
    let own_words = response.as_ref().and_then(|response| response.message.as_deref());
    let detail = own_words.map_or_else(
        || format!("Agent {} may not do this: a policy denies it.", known.agent().name),
        str::to_owned,
    );
    let mut denial = Denial::by(Reason::PolicyDenied, policy.clone(), route.rule.clone(), detail)
        .seen(format!("{} to {destination}", route.policy.0));
    denial.response = response.clone();
    denial
}

/// A denial by the rule of an EgressPolicy, in the administrator's words where there are some.
pub(super) fn denied_by_rule(known: &Known, rule: &Rule) -> Denial {
    let RuleAction::Deny { message } = &rule.action else {
        return Denial::internal("a rule that denies nothing was asked for its denial");
    };
    let detail = message.as_deref().map_or_else(
        || format!("Agent {} may not do this: a policy denies it.", known.agent().name),
        str::to_owned,
    );
    Denial::by(Reason::PolicyDenied, rule.policy.clone(), Some(rule.name.clone()), detail)
}

/// A rule that puts the agent away from now on.
pub(super) fn quarantined_by_rule(known: &Known, rule: &Rule, at: Timestamp) -> Denial {
    let RuleAction::Quarantine { time, message } = &rule.action else {
        return Denial::internal("a rule that quarantines nobody was asked for its denial");
    };
    let detail = message.as_deref().map_or_else(
        || format!("Agent {} is quarantined: a policy does not let it do this.", known.agent().name),
        str::to_owned,
    );
    let denial =
        Denial::by(Reason::IdentityQuarantined, rule.policy.clone(), Some(rule.name.clone()), detail);
    let until = at.plus(*time);
    Denial { sequel: Some(Sequel::Quarantine(until)), ..denial }.seen(format!("quarantined until {until}"))
}

/// A rule whose condition fails.
pub(super) fn unevaluable(known: &Known, rule: &Rule, why: &str) -> Denial {
    let detail = format!(
        "Agent {} may not do this: a policy that concerns it could not be evaluated.",
        known.agent().name
    );
    Denial::by(Reason::PolicyUnevaluable, rule.policy.clone(), Some(rule.name.clone()), detail)
        .seen(format!("the condition could not be evaluated: {why}"))
}

/// A host that routes name, and a request that none of them allows.
pub(super) fn no_route_for_request(
    known: &Known,
    request: &Request<'_>,
    destination: SocketAddr,
    gateway: &PolicyRef,
) -> Denial {
    let detail = format!(
        "Agent {} may not send this {} request to {}. No route allows it on this host.",
        known.agent().name,
        request.method(),
        place(request.name(), destination)
    );
    Denial::by(Reason::PolicyNoRoute, gateway.clone(), Some("defaultPolicy".into()), detail)
}

/// A refusal under another name than the one that was said.
pub(super) fn by_another_name(denial: Denial, name: &HostName, destination: SocketAddr) -> Denial {
    besides(denial, format!("{} was given for {name}", destination.ip()))
}

/// A refusal of what a field or a parameter makes of a request.
pub(super) fn by_another_method(denial: Denial, request: &Request<'_>, method: &Method) -> Denial {
    let own = request.method();
    besides(denial, format!("the request line says {own}, a field or parameter asks for {method}"))
}

fn besides(denial: Denial, seen: String) -> Denial {
    let before = denial.evidence.as_deref().map(|before| format!("{before}; {seen}"));
    denial.seen(before.unwrap_or(seen))
}

/// A resolver on the list: `listed` is what stands there, `place` what the agent asked for.
pub(super) fn listed_resolver(known: &Known, place: &str, listed: &str) -> Denial {
    let detail = format!(
        "Agent {} may not use {place}, an encrypted DNS resolver. Use this gateway's resolver, on port 53.",
        known.agent().name
    );
    Denial::built_in(Reason::ProtocolEncryptedDns, detail)
        .seen(format!("{listed} is on the list of encrypted resolvers"))
}

/// The port of DNS over TLS (RFC 7858) and over QUIC (RFC 9250).
pub(super) fn encrypted_dns_port(known: &Known, destination: SocketAddr, transport: L4Protocol) -> Denial {
    let of = match transport {
        L4Protocol::Tcp => "TLS",
        L4Protocol::Udp => "QUIC",
    };
    let (agent, port) = (&known.agent().name, destination.port());
    let detail = format!(
        "Agent {agent} may not reach {destination}: the port is DNS over {of}. Use this gateway's resolver, on port 53."
    );
    Denial::built_in(Reason::ProtocolEncryptedDns, detail).seen(format!("port {port}, DNS over {of}"))
}

/// A name that is not looked up: no query for it leaves.
/// `obstacle` is why no route could name it, where that is so.
pub(super) fn no_lookup(
    known: &Known,
    name: &str,
    obstacle: Option<&'static str>,
    gateway: &PolicyRef,
) -> Denial {
    let agent = &known.agent().name;
    let by = |detail| Denial::by(Reason::DnsDenied, gateway.clone(), Some("defaultPolicy".into()), detail);
    match obstacle {
        Some(why) => by(format!("Agent {agent} may not look up {name}: {why}.")).seen(why),
        None => by(format!("Agent {agent} may not look up {name}. No route names this host.")),
    }
}

/// Why bytes that are no HTTP are refused at an address, as the record has it.
pub(super) fn governed(host: &HostName) -> String {
    format!(
        "HTTP routes govern {host} at this address, and these bytes are no HTTP; a route attached to a TCP listener alone \
         (sectionName) opens it to them"
    )
}
