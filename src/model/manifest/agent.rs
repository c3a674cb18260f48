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
use crate::model::types::{AgentProfile, MacAddress, MacAddressError};

/// The gateway of agents that name none.
const DEFAULT_GATEWAY: &str = "default";

/// Which agent has which source network and which card, over all agents of a set. The same twice is a mistake; a network
/// inside another is not: the longest prefix wins.
#[derive(Debug, Default)]
pub struct Sources {
    networks: BTreeMap<IpNet, (Arc<str>, Place)>,
    cards: BTreeMap<MacAddress, (Arc<str>, Place)>,
}

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
    let (sources, mac) =
        fields.required("sources").map(|item| sources(&item, &header.name, all)).unwrap_or_default();
    let gateway = gateway(&fields, header, index)?;
    Some(Agent { profile: Arc::new(profile), sources, mac, gateway, origin: header.origin() })
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

fn sources(item: &Item<'_>, agent: &Arc<str>, all: &mut Sources) -> (Vec<IpNet>, Option<MacAddress>) {
    let Some(fields) = item.fields(&["addresses", "mac", "interface"]) else { return Default::default() };
    fields.not_yet(&["interface"]);
    let mac = fields.get("mac").and_then(|item| card(&item, agent, all));
    let mut networks = Vec::new();
    for item in fields.required_list("addresses") {
        let Some(network) = values::network(&item) else { continue };
        if let Some((other, place)) = all.networks.get(&network) {
            let message = format!("{network} is already a source of agent {}", quoted(other));
            item.mistake_hint(message, format!("an address proves one agent; the other is at {place}"));
            continue;
        }
        all.networks.insert(network, (agent.clone(), item.scope.place(item.span())));
        networks.push(network);
    }
    (networks, mac)
}

/// `mac`: the card that these addresses are believed from, and no other.
fn card(item: &Item<'_>, agent: &Arc<str>, all: &mut Sources) -> Option<MacAddress> {
    let text = item.text()?;
    let mac = match MacAddress::parse(text) {
        Ok(mac) => mac,
        Err(error) => {
            let hint = match error {
                MacAddressError::Form if text.contains('-') => {
                    format!("write it with colons: {}", quoted(&text.replace('-', ":")))
                }
                MacAddressError::Form => "write it like `02:00:00:00:00:02`".to_owned(),
                MacAddressError::Group | MacAddressError::Zero => {
                    "`ip link` shows the workload's own, behind `link/ether`".to_owned()
                }
            };
            item.mistake_hint(format!("{} {error}", quoted(text)), hint);
            return None;
        }
    };
    if let Some((other, place)) = all.cards.get(&mac) {
        let message = format!("{mac} is already the card of agent {}", quoted(other));
        let hint = format!("behind one card agents could not be told apart; the other is at {place}");
        item.mistake_hint(message, hint);
        return None;
    }
    all.cards.insert(mac, (agent.clone(), item.scope.place(item.span())));
    Some(mac)
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
