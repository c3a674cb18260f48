//! What the kernel says is in the table, made comparable with what we wanted.
//!
//! Pure. nft lists a ruleset in its own words: handles and counts are added, order within sets is its own, and its
//! versions spell some expressions differently (some say of a set that rules fill that it is dynamic). Both sides are brought to one form here and compared object by object.
//! The `nftables` crate reads listings too, but with 32-bit counts; a busy gateway passes those in minutes.

use std::collections::BTreeMap;

use nftables::schema::NfListObject;
use serde_json::{Map, Value};

use super::protocol;
use super::words::as_nft_says;

/// Differences reported at most; one is enough to act on.
const DIFFERENCES: usize = 8;
/// Packets of a limit whose burst nft leaves out.
const DEFAULT_BURST: u32 = 5;

/// A table in comparable form: `rule intercept 3`, `set interfaces` and so on, with what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing(BTreeMap<String, Value>);

/// A named counter as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Its name, one of `ruleset::COUNTERS`.
    pub name: String,
    /// Packets since the table was written.
    pub packets: u64,
    /// Bytes since the table was written.
    pub bytes: u64,
}

impl Listing {
    /// The form of a typed ruleset.
    pub fn of_objects(objects: &[NfListObject<'_>]) -> Self {
        let values = objects.iter().filter_map(|object| serde_json::to_value(object).ok());
        Self::of_values(values.map(as_nft_says))
    }

    /// The form of what `nft -j list table` printed; absent where it is not such a listing.
    pub fn of_json(listing: &Value) -> Option<Self> {
        Some(Self::of_values(listing.get("nftables")?.as_array()?.iter().cloned()))
    }

    fn of_values(values: impl Iterator<Item = Value>) -> Self {
        let mut all = BTreeMap::new();
        let mut rules_in: BTreeMap<String, usize> = BTreeMap::new();
        for value in values {
            let Value::Object(object) = value else { continue };
            let Some((kind, mut body)) = object.into_iter().next() else { continue };
            if kind == "metainfo" {
                continue;
            }
            let name = if kind == "rule" {
                let chain = word(&body, "chain");
                let count = rules_in.entry(chain.clone()).or_default();
                *count += 1;
                format!("{chain} {count}")
            } else {
                word(&body, "name")
            };
            forget_what_is_not_ours(&kind, &mut body);
            all.insert(format!("{kind} {name}"), canonical(body));
        }
        Self(all)
    }

    /// Whether the two differ in what these sets hold at most.
    pub fn differs_only_in(&self, sets: &[&str], found: &Self) -> bool {
        let is_among = |name: &str| name.strip_prefix("set ").is_some_and(|name| sets.contains(&name));
        let shape = |listing: &Self| {
            let mut shape = listing.0.clone();
            for (_, body) in shape.iter_mut().filter(|(name, _)| is_among(name)) {
                if let Value::Object(fields) = body {
                    fields.remove("elem");
                }
            }
            shape
        };
        shape(self) == shape(found)
    }

    /// The same of what every version of nft says alike: which objects there are and how many rules a chain has, their
    /// comments, and where chains are hooked in.
    pub fn differences_in_structure(&self, found: &Self) -> Vec<String> {
        const ALIKE: [&str; 4] = ["hook", "prio", "policy", "comment"];
        let structure = |listing: &Self| {
            let mut all = listing.0.clone();
            for body in all.values_mut() {
                if let Value::Object(fields) = body {
                    fields.retain(|name, value| ALIKE.contains(&name.as_str()) && !value.is_null());
                }
            }
            Self(all)
        };
        structure(self).differences(&structure(found))
    }

    /// What must change in `found` to make it this listing, in words; empty where they are equal.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let missing = self.0.iter().filter_map(|(name, wanted)| match found.0.get(name) {
            None => Some(format!("`{name}` is missing")),
            Some(body) if body != wanted => Some(format!("`{name}` is {body} and should be {wanted}")),
            Some(_) => None,
        });
        let foreign = found.0.keys().filter(|name| !self.0.contains_key(*name));
        missing.chain(foreign.map(|name| format!("`{name}` is not ours"))).take(DIFFERENCES).collect()
    }
}

/// The named counters in what `nft -j list table` printed.
pub fn counters(listing: &Value) -> Vec<Counted> {
    let objects = listing.get("nftables").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let counters = objects.iter().filter_map(|object| object.get("counter"));
    let number = |counter: &Value, field| counter.get(field).and_then(Value::as_u64).unwrap_or(0);
    counters
        .map(|counter| Counted {
            name: word(counter, "name"),
            packets: number(counter, "packets"),
            bytes: number(counter, "bytes"),
        })
        .collect()
}

fn word(body: &Value, field: &str) -> String {
    body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Drops what the kernel assigns and counts.
fn forget_what_is_not_ours(kind: &str, body: &mut Value) {
    let Value::Object(fields) = body else { return };
    fields.remove("handle");
    if kind == "counter" {
        fields.remove("packets");
        fields.remove("bytes");
    }
    if kind == "set" && fields.contains_key("timeout") {
        // Rules write into it.
        fields.remove("elem");
    }
}

/// One spelling for each expression: sets and flags sorted, an `or` of flags as a list of them, a lone flag as a list
/// of one, truth and protocols as numbers.
fn canonical(value: Value) -> Value {
    match value {
        Value::Bool(truth) => Value::from(u8::from(truth)),
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Object(fields) => canonical_object(fields),
        other => other,
    }
}

/// Whether an expression is the number of a protocol.
fn is_protocol(left: &Value) -> bool {
    left["meta"]["key"] == "l4proto"
        || ["protocol", "nexthdr"]
            .iter()
            .any(|field| left["payload"]["field"] == *field || left["exthdr"]["field"] == *field)
}

/// The number of a protocol that is named: a host without /etc/protocols lists numbers.
fn protocol_number(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, protocol_number(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(protocol_number).collect(),
        Value::String(name) => match name.as_str() {
            "ip" | "hopopt" => Value::from(protocol::HOP_BY_HOP),
            "icmp" => Value::from(protocol::ICMP),
            "igmp" => Value::from(protocol::IGMP),
            "tcp" => Value::from(protocol::TCP),
            "udp" => Value::from(protocol::UDP),
            "ipv6-route" => Value::from(protocol::ROUTING),
            "ipv6-frag" => Value::from(protocol::FRAGMENT),
            "icmpv6" | "ipv6-icmp" => Value::from(protocol::ICMPV6),
            "ipv6-opts" => Value::from(protocol::DESTINATION_OPTIONS),
            "mobility-header" => Value::from(protocol::MOBILITY),
            "hip" => Value::from(protocol::HIP),
            "shim6" => Value::from(protocol::SHIM6),
            _ => Value::String(name),
        },
        other => other,
    }
}

fn canonical_object(mut fields: Map<String, Value>) -> Value {
    if fields.len() == 1
        && let Some(alternatives) = fields.remove("|")
    {
        return sorted(flat(canonical(alternatives)));
    }
    let compares_protocols = fields.get("left").is_some_and(is_protocol);
    if fields.contains_key("rate") {
        // What nft does not say where it is so.
        fields.entry("burst").or_insert(Value::from(DEFAULT_BURST));
    }
    let fields = fields.into_iter().map(|(name, value)| {
        let value = if compares_protocols && name == "right" { protocol_number(value) } else { value };
        let value = canonical(value);
        let value = match name.as_str() {
            "flags" => sorted(flat(value).into_iter().filter(|flag| flag != "dynamic").collect()),
            "set" | "elem" => sorted(flat(value)),
            "&" => match value {
                Value::Array(sides) => Value::Array(
                    sides
                        .into_iter()
                        .map(|side| if side.is_array() { sorted(flat(side)) } else { side })
                        .collect(),
                ),
                other => other,
            },
            _ => value,
        };
        (name, value)
    });
    Value::Object(fields.collect())
}

fn flat(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => {
            items.into_iter().flat_map(|item| if item.is_array() { flat(item) } else { vec![item] }).collect()
        }
        other => vec![other],
    }
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_cached_key(Value::to_string);
    Value::Array(items)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listing(objects: Value) -> Listing {
        Listing::of_json(&json!({ "nftables": objects })).unwrap()
    }

    #[test]
    fn handles_counts_and_order_in_sets_do_not_matter() {
        let wanted = listing(json!([
            {"set": {"name": "ports", "type": "inet_service", "elem": [1, 2]}},
            {"counter": {"name": "c", "packets": 0, "bytes": 0}},
        ]));
        let found = listing(json!([
            {"metainfo": {"version": "1"}},
            {"counter": {"name": "c", "handle": 4, "packets": 9_000_000_000_u64, "bytes": 1}},
            {"set": {"name": "ports", "handle": 9, "type": "inet_service", "elem": [2, 1]}},
        ]));
        assert_eq!(wanted.differences(&found), Vec::<String>::new());
    }

    #[test]
    fn flags_are_equal_however_they_are_spelled() {
        let flags = |spelled: Value| {
            listing(json!([{"rule": {"chain": "a", "expr": [
                {"match": {"op": "==", "left": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, spelled]}, "right": "syn"}}
            ]}}]))
        };
        assert_eq!(flags(json!(["syn", "ack"])), flags(json!({"|": ["ack", "syn"]})));
        assert_ne!(flags(json!(["syn", "ack"])), flags(json!(["syn", "rst"])));
    }

    #[test]
    fn protocols_are_equal_by_name_and_by_number() {
        let protocols = |right: Value| {
            let left = json!({"meta": {"key": "l4proto"}});
            listing(
                json!([{"rule": {"chain": "a", "expr": [{"match": {"op": "==", "left": left, "right": right}}]}}]),
            )
        };
        assert_eq!(protocols(json!("tcp")), protocols(json!(6)));
        assert_eq!(protocols(json!({"set": ["icmp", "ipv6-icmp"]})), protocols(json!({"set": [58, 1]})));
        assert_ne!(protocols(json!("tcp")), protocols(json!("udp")));
    }

    #[test]
    fn a_rule_in_another_place_is_a_difference() {
        let one = json!({"rule": {"chain": "a", "expr": [{"accept": null}]}});
        let two = json!({"rule": {"chain": "a", "expr": [{"drop": null}]}});
        let wanted = listing(json!([one, two]));
        let differences = wanted.differences(&listing(json!([two, one, one])));
        assert_eq!(differences.len(), 3, "{differences:?}");
        assert!(differences[0].starts_with("`rule a 1` is "), "{differences:?}");
        assert_eq!(differences[2], "`rule a 3` is not ours");
    }

    #[test]
    fn counters_hold_more_than_32_bits() {
        let found = counters(
            &json!({"nftables": [{"counter": {"name": "refused_tcp", "packets": 3, "bytes": 5_000_000_000_u64}}]}),
        );
        assert_eq!(found, [Counted { name: "refused_tcp".into(), packets: 3, bytes: 5_000_000_000 }]);
    }
}
