//! `kind: Agent`: who speaks, and from which addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::fields::{Fields, Item};
use super::header::{Header, Index};
use super::kinds::Kind;
use super::report::quoted;
use super::resources::Agent;
use super::source::Place;
use super::values;
use crate::model::types::AgentProfile;

/// The gateway of agents that name none.
const DEFAULT_GATEWAY: &str = "default";

/// Which agent has which source network, over all agents of a set. The same network twice is a mistake; a network
/// inside another is not: the longest prefix wins.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<IpNet, (Arc<str>, Place)>);

/// Reads one agent.
pub fn read(header: &Header<'_>, index: &Index, all: &mut Sources) -> Option<Agent> {
    let spec = header.spec?;
    let fields = spec.fields(&[
        "team",
        "project",
        "environment",
        "sources",
        "assertion",
        "egressRefs",
        "fingerprints",
    ])?;
    fields.not_yet(&["fingerprints"]);
    assertion(&fields);
    let word = |name: &str| fields.get(name).and_then(|item| values::word(&item));
    let profile = AgentProfile {
        name: header.name.clone(),
        team: word("team"),
        project: word("project"),
        environment: word("environment"),
        labels: header.labels.clone(),
    };
    let sources =
        fields.required("sources").map(|item| sources(&item, &header.name, all)).unwrap_or_default();
    let gateway = gateway(&fields, header, index)?;
    Some(Agent { profile: Arc::new(profile), sources, gateway, origin: header.origin() })
}

/// Nothing but the network proves who speaks yet, so an agent that asks for more is refused.
fn assertion(fields: &Fields<'_>) {
    let Some(item) = fields.get("assertion") else { return };
    let Some(assertion) = item.fields(&["require", "provider", "subject"]) else { return };
    let words = [("none", true), ("certificate", false), ("jwt", false), ("apiKey", false)];
    if let Some(require) = assertion.required("require")
        && require.choice(&words) == Some(false)
    {
        require.not_yet();
    }
    assertion.not_yet(&["provider", "subject"]);
}

fn sources(item: &Item<'_>, agent: &Arc<str>, all: &mut Sources) -> Vec<IpNet> {
    let Some(fields) = item.fields(&["addresses", "mac", "interface"]) else { return Vec::new() };
    fields.not_yet(&["mac", "interface"]);
    let mut networks = Vec::new();
    for item in fields.required_list("addresses") {
        let Some(network) = values::network(&item) else { continue };
        if let Some((other, place)) = all.0.get(&network) {
            let message = format!("{network} is already a source of agent {}", quoted(other));
            item.mistake_hint(message, format!("an address proves one agent; the other is at {place}"));
            continue;
        }
        all.0.insert(network, (agent.clone(), item.scope.place(item.span())));
        networks.push(network);
    }
    networks
}

/// `egressRefs`, else the gateway named `default`, else the only one.
fn gateway(fields: &Fields<'_>, header: &Header<'_>, index: &Index) -> Option<Arc<str>> {
    if fields.owner().node().entry("egressRefs").is_some() {
        let refs = fields.list("egressRefs");
        let mut gateways = refs.iter().map(|item| {
            let name = item.fields(&["gatewayRef"])?.required("gatewayRef")?;
            index.resolve(Kind::EgressGateway, &name)
        });
        let first = gateways.next().flatten();
        // The others are looked at for their mistakes alone.
        gateways.for_each(drop);
        if let Some(second) = refs.get(1) {
            second.mistake_hint("more than one gateway for an agent is not yet enforced", "name one gateway");
        }
        return first;
    }
    if index.has(Kind::EgressGateway, DEFAULT_GATEWAY) {
        return Some(DEFAULT_GATEWAY.into());
    }
    let name = quoted(&header.name);
    match index.count(Kind::EgressGateway) {
        1 => return index.names(Kind::EgressGateway).next().map(Arc::from),
        _ if !index.whole => {}
        0 => {
            let message = format!("agent {name} has no gateway to leave through");
            header.named_at.mistake_hint(message, "write an EgressGateway");
        }
        several => {
            let message = format!(
                "agent {name} does not say which of {several} gateways it leaves through, and none is named `default`"
            );
            header.named_at.mistake_hint(message, "add `egressRefs: [{gatewayRef: NAME}]` to its `spec`");
        }
    }
    None
}
