//! Whether an expression of a rule is true of a packet, as far as it can be told from here.
//!
//! Pure. Three answers: yes, no, and that it cannot be told. Extensions of iptables are among the last: nft lists their name
//! alone.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::ruleset::{Place, Ruleset};

/// The packet of a workload that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// The interface on which it comes.
    pub interface: &'a str,
    /// Who sends it.
    pub source: IpAddr,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Where to, on some host of the world.
    pub port: u64,
    /// The mark that it has.
    pub mark: u64,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    Yes,
    No,
    Unread,
}

impl Truth {
    fn of(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unread => Self::Unread,
        }
    }
}

/// What stands on the left of a comparison, for this packet.
enum Side {
    Word(Vec<&'static str>),
    Name(String),
    Number(u64),
    Address(IpAddr),
    /// The packet has no such thing.
    Nothing,
    /// An address of the world, of which it is known that it is none of the usual special ones.
    Somewhere,
    Unread,
}

/// Whether `match` is true of the packet.
pub fn holds(packet: &Packet<'_>, matched: &Value, within: (&Ruleset, &Place)) -> Truth {
    let (Some(left), Some(right)) = (matched.get("left"), matched.get("right")) else { return Truth::Unread };
    let equal = equals(&side(packet, left), right, within);
    match matched.get("op").and_then(Value::as_str) {
        Some("==" | "in") | None => equal,
        Some("!=") => equal.not(),
        Some(_) => Truth::Unread,
    }
}

/// The value of a verdict map for this packet, where its key can be told.
pub fn looked_up<'a>(
    packet: &Packet<'_>,
    map: &'a Value,
    within: (&'a Ruleset, &Place),
) -> Option<&'a Value> {
    let key = side(packet, map.get("key")?);
    let data = map.get("data")?;
    let entries = match data.as_str().and_then(|name| name.strip_prefix('@')) {
        Some(name) => within.0.sets.get(&beside(within.1, name))?,
        None => data.get("set")?.as_array()?,
    };
    entries.iter().find_map(|entry| {
        let [of, verdict] = entry.as_array()?.as_slice() else { return None };
        (equals(&key, of, within) == Truth::Yes).then_some(verdict)
    })
}

fn beside(place: &Place, name: &str) -> Place {
    (place.0.clone(), place.1.clone(), name.to_owned())
}

fn side(packet: &Packet<'_>, left: &Value) -> Side {
    let word = |object: &Value, field: &str| {
        object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if let Some(meta) = left.get("meta") {
        return match &*word(meta, "key") {
            "iifname" | "iif" => Side::Name(packet.interface.to_owned()),
            "mark" => Side::Number(packet.mark),
            "l4proto" => Side::Word(protocol(packet)),
            "nfproto" if packet.source.is_ipv6() => Side::Word(vec!["ipv6"]),
            "nfproto" => Side::Word(vec!["ipv4"]),
            "protocol" if packet.source.is_ipv6() => Side::Word(vec!["ip6"]),
            "protocol" => Side::Word(vec!["ip"]),
            "pkttype" => Side::Word(vec!["host", "unicast"]),
            _ => Side::Unread,
        };
    }
    if let Some(payload) = left.get("payload") {
        return of_payload(packet, &word(payload, "protocol"), &word(payload, "field"));
    }
    if let Some(ct) = left.get("ct") {
        return match &*word(ct, "key") {
            "state" => Side::Word(vec!["new"]),
            "direction" => Side::Word(vec!["original"]),
            // Neither translated nor expected, it is of none of these states.
            "status" => Side::Nothing,
            _ => Side::Unread,
        };
    }
    match left.get("fib") {
        Some(fib) if word(fib, "result") == "type" && fib["flags"] == "daddr" => Side::Word(vec!["unicast"]),
        _ => Side::Unread,
    }
}

fn protocol(packet: &Packet<'_>) -> Vec<&'static str> {
    if packet.protocol == "tcp" { vec!["tcp", "6"] } else { vec!["udp", "17"] }
}

fn of_payload(packet: &Packet<'_>, layer: &str, field: &str) -> Side {
    let own = if packet.source.is_ipv6() { "ip6" } else { "ip" };
    match (layer, field) {
        ("ip" | "ip6", _) if layer != own => Side::Nothing,
        (_, "saddr") => Side::Address(packet.source),
        (_, "daddr") => Side::Somewhere,
        ("ip", "protocol") | ("ip6", "nexthdr") => Side::Word(protocol(packet)),
        ("icmp" | "icmpv6" | "sctp" | "dccp", _) => Side::Nothing,
        ("tcp" | "udp", _) if layer != packet.protocol => Side::Nothing,
        ("tcp" | "udp" | "th", "dport") => Side::Number(packet.port),
        _ => Side::Unread,
    }
}

fn equals(left: &Side, right: &Value, within: (&Ruleset, &Place)) -> Truth {
    if matches!(left, Side::Unread) {
        return Truth::Unread;
    }
    if let Some(name) = right.as_str().and_then(|name| name.strip_prefix('@')) {
        return match within.0.sets.get(&beside(within.1, name)) {
            Some(elements) => any(left, elements, within),
            None => Truth::Unread,
        };
    }
    let elements = right.get("set").unwrap_or(right).as_array();
    if let Some(elements) = elements {
        return any(left, elements, within);
    }
    single(left, right.get("elem").and_then(|elem| elem.get("val")).unwrap_or(right))
}

fn any(left: &Side, elements: &[Value], within: (&Ruleset, &Place)) -> Truth {
    let answers: Vec<Truth> = elements.iter().map(|one| equals(left, one, within)).collect();
    match (answers.contains(&Truth::Yes), answers.contains(&Truth::Unread)) {
        (true, _) => Truth::Yes,
        (false, true) => Truth::Unread,
        (false, false) => Truth::No,
    }
}

fn single(left: &Side, right: &Value) -> Truth {
    match left {
        Side::Unread => Truth::Unread,
        Side::Nothing => Truth::No,
        Side::Somewhere => Truth::of(network(right).is_some_and(|net| net.prefix_len() == 0)),
        Side::Name(name) => match right.as_str() {
            Some(pattern) => Truth::of(match pattern.strip_suffix('*') {
                Some(front) => name.starts_with(front),
                None => name == pattern,
            }),
            None => Truth::Unread,
        },
        Side::Word(words) => {
            let number = right.as_u64().map(|number| number.to_string());
            match right.as_str().map(str::to_owned).or(number) {
                Some(text) => Truth::of(words.contains(&text.as_str())),
                None => Truth::Unread,
            }
        }
        Side::Number(number) => match (right.as_u64(), range(right)) {
            (Some(wanted), _) => Truth::of(*number == wanted),
            (None, Some((first, last))) => Truth::of((first..=last).contains(number)),
            _ => Truth::Unread,
        },
        Side::Address(address) => match network(right) {
            Some(net) => Truth::of(net.contains(address)),
            None => Truth::Unread,
        },
    }
}

fn range(value: &Value) -> Option<(u64, u64)> {
    let [first, last] = value.get("range")?.as_array()?.as_slice() else { return None };
    Some((first.as_u64()?, last.as_u64()?))
}

fn network(value: &Value) -> Option<IpNet> {
    if let Some(text) = value.as_str() {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    }
    let prefix = value.get("prefix")?;
    let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
    IpNet::new(prefix.get("addr")?.as_str()?.parse().ok()?, length).ok()
}
