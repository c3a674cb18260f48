//! What is intercepted and what is refused, as a typed nftables ruleset: settings, the sets, the commands.
//!
//! Pure: settings in, objects out; the rules are in `chains`. `nftables/clawgress.nft` is the same ruleset with a comment
//! to every rule; a test keeps the two equal, so the reasons stand there.

use ipnet::IpNet;
use nftables::expr::Expression;
use nftables::schema::{Element, FlushObject, NfCmd, NfListObject, Set, SetType, SetTypeValue};
use serde_json::{Value, json};

use super::chains::{chains, rules};
use super::words::{
    accounts, as_nft_says, counter, intervals, number, pair, ports, prefix, set, table, text,
};
use crate::model::config::Echo;
use crate::model::manifest::resources::PortRange;
use crate::model::types::{FailMode, MacAddress};

/// The counters: what was refused, by protocol; what was odd; what was meant for this host; and what was let pass.
pub const COUNTERS: [&str; 12] = [
    "refused_tcp",
    "refused_udp",
    "refused_quic",
    "refused_icmp",
    "refused_other",
    "refused_fragment",
    "refused_extension",
    "refused_forged",
    "refused_unanswered",
    "refused_gateway",
    "seen_fragments",
    "passed_echo",
];

/// The sets that change with policy; the others change with settings.
pub const FROM_POLICY: [&str; 7] =
    ["udp_ports", "agents4", "agents6", "bound4", "bound6", "pairs4", "pairs6"];

/// `spec.intercept`, and what policy has to say to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interception {
    /// Workload-facing interfaces, by name. They need not exist yet.
    pub interfaces: Vec<String>,
    /// Addresses of workloads on them.
    pub subnets: Vec<IpNet>,
    /// Ports of this host, TCP and UDP, that workloads may reach.
    pub allow_local: Vec<u16>,
    /// Who may be pinged.
    pub echo: Option<Echo>,
    /// What happens while the daemon is not there.
    pub fail_mode: FailMode,
    /// What changes with the documents.
    pub policy: FromPolicy,
}

/// What the documents in force say to the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FromPolicy {
    /// UDP ports about which policy has something to decide: apart, neither touching nor overlapping.
    pub udp_ports: Vec<PortRange>,
    /// Networks of agents: apart.
    pub agents: Vec<IpNet>,
    /// Networks whose addresses are believed from one card alone: apart.
    pub cards: Vec<(IpNet, MacAddress)>,
}

/// The commands that put the table in place of whatever table of that name is there, in one transaction.
pub fn replacement(wanted: &Interception) -> Value {
    let mut commands = vec![NfCmd::Add(table()), NfCmd::Delete(table())];
    commands.extend(objects(wanted).into_iter().map(NfCmd::Add));
    commands_of(commands)
}

/// The commands that change what comes from policy alone, in one transaction: counters go on.
pub fn adjustment(wanted: &Interception) -> Value {
    let sets = from_policy(&wanted.policy).into_iter().filter_map(|object| match object {
        NfListObject::Set(set) => Some(set),
        _ => None,
    });
    let mut commands = Vec::new();
    for set in sets {
        let elements = set.elem.clone();
        commands.push(NfCmd::Flush(FlushObject::Set(Box::new(Set { elem: None, ..*set.clone() }))));
        commands.extend(elements.map(|elem| {
            let (family, table, name) = (set.family, set.table.clone(), set.name.clone());
            NfCmd::Add(NfListObject::Element(Element { family, table, name, elem }))
        }));
    }
    commands_of(commands)
}

/// The commands that remove the table, also where there is none.
pub fn removal() -> Value {
    commands_of(vec![NfCmd::Add(table()), NfCmd::Delete(table())])
}

/// As nft(8) reads them.
fn commands_of(commands: Vec<NfCmd<'static>>) -> Value {
    as_nft_says(json!({ "nftables": commands }))
}

/// The table and everything in it, in an order that can be loaded.
pub fn objects(wanted: &Interception) -> Vec<NfListObject<'static>> {
    let mut all = vec![table()];
    all.extend(from_settings(wanted));
    all.extend(from_policy(&wanted.policy));
    all.extend(COUNTERS.map(counter));
    all.extend(chains());
    // Without destinations no rate matters, but a rule has one.
    all.extend(rules(wanted.fail_mode, wanted.echo.as_ref().map_or(1, |echo| echo.per_second)));
    all
}

fn from_settings(wanted: &Interception) -> Vec<NfListObject<'static>> {
    let mut interfaces = wanted.interfaces.clone();
    interfaces.sort();
    interfaces.dedup();
    let mut local = wanted.allow_local.clone();
    local.sort_unstable();
    local.dedup();
    let mut all = vec![
        set("interfaces", SetType::Ifname, interfaces.into_iter().map(text).collect()),
        set("allow_local", SetType::InetService, local.into_iter().map(number).collect()),
    ];
    all.extend(networks(["subnets4", "subnets6"], &wanted.subnets));
    let pinged = wanted.echo.as_ref().map_or(&[][..], |echo| &echo.destinations);
    all.extend(networks(["echo4", "echo6"], pinged));
    for [v4, v6] in [["told4", "told6"], ["pinged4", "pinged6"], ["parts4", "parts6"]] {
        all.extend([accounts(v4, SetType::Ipv4Addr), accounts(v6, SetType::Ipv6Addr)]);
    }
    all
}

fn from_policy(policy: &FromPolicy) -> Vec<NfListObject<'static>> {
    let udp_ports = policy.udp_ports.iter().copied().map(ports).collect();
    let mut all = vec![intervals("udp_ports", SetTypeValue::Single(SetType::InetService), udp_ports)];
    all.extend(networks(["agents4", "agents6"], &policy.agents));
    let bound: Vec<IpNet> = policy.cards.iter().map(|(net, _)| *net).collect();
    all.extend(networks(["bound4", "bound6"], &bound));
    let is_v4 = |net: &IpNet| matches!(net, IpNet::V4(_));
    let (v4, v6): (Vec<_>, Vec<_>) = policy.cards.iter().copied().partition(|(net, _)| is_v4(net));
    for (name, kind, pairs) in [("pairs4", SetType::Ipv4Addr, v4), ("pairs6", SetType::Ipv6Addr, v6)] {
        let kind = SetTypeValue::Concatenated(vec![kind, SetType::EtherAddr].into());
        all.push(intervals(name, kind, pairs.into_iter().map(pair).collect()));
    }
    all
}

/// A set for each family. Overlapping prefixes are an error to nft, so they are merged first.
fn networks([v4, v6]: [&'static str; 2], all: &[IpNet]) -> [NfListObject<'static>; 2] {
    let merged = IpNet::aggregate(&all.to_vec()).into_iter();
    let (fours, sixes): (Vec<_>, Vec<_>) = merged.partition(|net| matches!(net, IpNet::V4(_)));
    let elements = |nets: Vec<IpNet>| -> Vec<Expression<'static>> { nets.into_iter().map(prefix).collect() };
    [
        intervals(v4, SetTypeValue::Single(SetType::Ipv4Addr), elements(fours)),
        intervals(v6, SetTypeValue::Single(SetType::Ipv6Addr), elements(sixes)),
    ]
}

#[cfg(test)]
mod tests {
    use nftables::stmt::{JumpTarget, Statement};

    use super::*;

    fn example(fail_mode: FailMode) -> Interception {
        Interception {
            interfaces: vec!["agents0".into()],
            subnets: vec!["10.77.0.0/24".parse().unwrap(), "fd77::/64".parse().unwrap()],
            allow_local: vec![8080],
            echo: Some(Echo { destinations: vec!["192.0.2.0/24".parse().unwrap()], per_second: 5 }),
            fail_mode,
            policy: FromPolicy {
                udp_ports: vec![PortRange { start: 123, end: 123 }, PortRange { start: 3478, end: 3479 }],
                agents: vec!["10.77.0.0/24".parse().unwrap(), "fd77::/64".parse().unwrap()],
                cards: vec![(
                    "10.77.0.2/32".parse().unwrap(),
                    MacAddress::parse("02:00:00:00:00:02").unwrap(),
                )],
            },
        }
    }

    fn rendered(wanted: &Interception) -> String {
        serde_json::to_string(&objects(wanted)).unwrap()
    }

    #[test]
    fn equal_settings_in_another_order_give_the_same_rules() {
        let mut other = example(FailMode::Closed);
        other.subnets = ["fd77::/64", "10.77.0.128/25", "10.77.0.0/25", "10.77.0.7/32"]
            .map(|net| net.parse().unwrap())
            .into();
        other.interfaces.push("agents0".into());
        other.allow_local = vec![8080, 8080];
        assert_eq!(objects(&other), objects(&example(FailMode::Closed)));
    }

    #[test]
    fn nothing_is_forwarded_unless_open_is_asked_for() {
        let verdicts = |fail_mode| {
            let all = objects(&example(fail_mode));
            let forward: Vec<_> = all
                .iter()
                .filter_map(|object| match object {
                    NfListObject::Rule(rule) if rule.chain == "forward" => Some(rule),
                    _ => None,
                })
                .collect();
            let refuse = Statement::Goto(JumpTarget { target: "refuse".into() });
            assert_eq!(forward.last().and_then(|rule| rule.expr.last()), Some(&refuse));
            forward.iter().filter(|rule| rule.expr.contains(&Statement::Accept(None))).count()
        };
        // One for what `echo` passed.
        assert_eq!(verdicts(FailMode::Closed), 1);
        assert_eq!(verdicts(FailMode::Open), 3);
    }

    #[test]
    fn no_rule_asks_connection_tracking() {
        for mode in [FailMode::Closed, FailMode::Open] {
            assert!(!rendered(&example(mode)).contains("\"ct\""));
        }
    }

    #[test]
    fn a_replacement_names_no_other_table() {
        let commands = replacement(&example(FailMode::Open));
        for command in commands["nftables"].as_array().unwrap() {
            let (_, object) = command.as_object().unwrap().iter().next().unwrap();
            let (kind, body) = object.as_object().unwrap().iter().next().unwrap();
            let table = if kind == "table" { &body["name"] } else { &body["table"] };
            assert_eq!((&body["family"], table), (&"inet".into(), &"clawgress".into()));
        }
    }

    #[test]
    fn an_adjustment_touches_the_sets_of_policy_and_nothing_else() {
        let commands = adjustment(&example(FailMode::Closed));
        let mut names = std::collections::BTreeSet::new();
        for command in commands["nftables"].as_array().unwrap() {
            let (verb, object) = command.as_object().unwrap().iter().next().unwrap();
            let (kind, body) = object.as_object().unwrap().iter().next().unwrap();
            assert!(matches!((&verb[..], &kind[..]), ("flush", "set") | ("add", "element")), "{command}");
            names.insert(body["name"].as_str().unwrap().to_owned());
        }
        assert_eq!(names, FROM_POLICY.map(str::to_owned).into());
    }
}
