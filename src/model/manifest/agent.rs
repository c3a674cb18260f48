//! `kind: Agent`: who speaks, and from which addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::fields::{Fields, Item};
use super::header::{Header, Index};
use super::kinds::Kind;
use super::report::{Diagnostic, quoted};
use super::resources::Agent;
use super::schema::{Field, Form, Object, Shape, words};
use super::source::Place;
use super::values;
use crate::model::types::{AgentProfile, MacAddress, MacAddressError};

/// The gateway of agents that name none.
const DEFAULT_GATEWAY: &str = "default";

/// What has to prove who speaks.
const ASSERTIONS: [(&str, ()); 1] = [("none", ())];

/// A MAC address.
static MAC: Form = Form {
    words: "MAC address such as `02:00:00:00:00:02`",
    pattern: "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
    longest: 64,
};

/// `spec` of an agent.
pub static SPEC: Object = Object::new(
    "Who speaks: one identity, by the addresses it is known from. An address that no agent has may not speak.",
    &[
        Field::optional(
            "team",
            Shape::Text(&values::WORD),
            "The team it belongs to, for policies and records.",
        ),
        Field::optional("project", Shape::Text(&values::WORD), "The project it belongs to."),
        Field::optional("environment", Shape::Text(&values::WORD), "Where it runs, such as `test`."),
        Field::required("sources", Shape::Object(&SOURCES), "What the network proves of it."),
        Field::optional("assertion", Shape::Object(&ASSERTION), "What else has to prove who speaks."),
        Field::optional(
            "egressRefs",
            Shape::List(&Shape::Object(&EGRESS_REF)),
            "The gateway it leaves through; without it the one named `default`, else the only one.",
        ),
        Field::not_yet("fingerprints", "Pinned fingerprints of its TLS."),
    ],
);

static SOURCES: Object = Object::new(
    "What the network proves of an agent.",
    &[
        Field::required(
            "addresses",
            Shape::List(&Shape::Text(&values::NETWORK)),
            "Its networks; the same may not stand at two agents, and of networks inside each other the longest prefix wins.",
        ),
        Field::optional("mac", Shape::Text(&MAC), "The one card from which these addresses are believed."),
        Field::not_yet("interface", "The one interface it speaks through."),
    ],
);

static ASSERTION: Object = Object::new(
    "What else has to prove who speaks, beside the network.",
    &[
        Field::required(
            "require",
            Shape::Choice { words: &words(&ASSERTIONS), not_yet: &["certificate", "jwt", "apiKey"] },
            "What has to be shown.",
        ),
        Field::not_yet("provider", "The IdentityProvider that vouches."),
        Field::not_yet("subject", "Whom it has to vouch for."),
    ],
);

static EGRESS_REF: Object = Object::new(
    "A gateway that an agent leaves through.",
    &[Field::required("gatewayRef", Shape::Text(&values::NAME), "The name of an EgressGateway.")],
);

/// Which agent has which source network and which card, over all agents of a set. The same twice is a mistake; a network
/// inside another is none, because the longest prefix says whose an address is, and is warned of.
#[derive(Debug, Default)]
pub struct Sources {
    networks: BTreeMap<IpNet, (Arc<str>, Place)>,
    cards: BTreeMap<MacAddress, (Arc<str>, Place)>,
}

impl Sources {
    /// One warning for each network of an agent that has networks of others inside.
    pub fn overlaps(&self) -> Vec<Diagnostic> {
        let mut around: Vec<(&IpNet, &Arc<str>, &Place)> = Vec::new();
        let mut warned = BTreeMap::new();
        // Networks are in order of their addresses, the wider first: what is around one is what has not ended.
        for (network, (agent, place)) in &self.networks {
            around.retain(|(outer, ..)| outer.contains(network));
            if let Some((outer, other, at)) = around.last().filter(|(_, other, _)| *other != agent) {
                warned.entry(*outer).or_insert_with(|| {
                    let message = format!(
                        "{outer} of agent {} has a network of agent {} inside",
                        quoted(other),
                        quoted(agent)
                    );
                    let hint = format!(
                        "addresses in {network} ({place}) prove {}: the longer prefix counts",
                        quoted(agent)
                    );
                    Diagnostic::bare((*at).clone(), message).hint(hint).as_warning()
                });
            }
            around.push((network, agent, place));
        }
        warned.into_values().collect()
    }
}

/// Reads one agent.
pub fn read(header: &Header<'_>, index: &Index, all: &mut Sources) -> Option<Agent> {
    let fields = header.spec?.object(&SPEC)?;
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
    let require = fields.get("assertion").and_then(|item| item.object(&ASSERTION)?.required("require"));
    require.and_then(|item| item.choice(&ASSERTIONS));
}

fn sources(item: &Item<'_>, agent: &Arc<str>, all: &mut Sources) -> (Vec<IpNet>, Option<MacAddress>) {
    let Some(fields) = item.object(&SOURCES) else { return Default::default() };
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
    let text = item.text_of(&MAC)?;
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
            let name = item.object(&EGRESS_REF)?.required("gatewayRef")?;
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
        _ if !index.is_complete() => {}
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
