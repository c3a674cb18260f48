//! What `nft -j list ruleset` prints, as chains of rules that can be walked.
//!
//! Pure. Only what steers a packet is kept; expressions stay as nft writes them, see libnftables-json(5).

use std::collections::BTreeMap;

use serde_json::Value;

/// Chains that are kept at most, and rules of all of them: a listing of a host with Kubernetes has some ten thousand.
const RULES: usize = 200_000;

/// Where a chain is: family, table, name.
pub type Place = (String, String, String);

/// Where a base chain is hooked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// `input`, `prerouting` and so on.
    pub name: String,
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// Lower ones come first.
    pub priority: i64,
    /// Whether what no rule decides is dropped.
    pub drops: bool,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// By which it can be removed.
    pub handle: u64,
    /// Its expressions and statements.
    pub parts: Vec<Value>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chain {
    /// Absent where other chains lead to it.
    pub hook: Option<Hook>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ruleset {
    /// The chains.
    pub chains: BTreeMap<Place, Chain>,
    /// Elements of named sets.
    pub sets: BTreeMap<Place, Vec<Value>>,
}

impl Ruleset {
    /// Reads a listing; absent where it is none.
    pub fn read(listing: &Value) -> Option<Self> {
        let mut all = Self::default();
        let mut rules = 0;
        for object in listing.get("nftables")?.as_array()? {
            if let Some(chain) = object.get("chain") {
                all.chains.entry(place(chain, "name")?).or_default().hook = hook(chain);
            } else if let Some(set) = object.get("set").or_else(|| object.get("map")) {
                let elements = set.get("elem").and_then(Value::as_array).cloned().unwrap_or_default();
                all.sets.insert(place(set, "name")?, elements);
            } else if let Some(rule) = object.get("rule").filter(|_| rules < RULES) {
                rules += 1;
                let parts = rule.get("expr").and_then(Value::as_array).cloned().unwrap_or_default();
                let handle = rule.get("handle").and_then(Value::as_u64).unwrap_or(0);
                all.chains.entry(place(rule, "chain")?).or_default().rules.push(Rule { handle, parts });
            }
        }
        Some(all)
    }

    /// The base chains at a hook that a family's packets come to, in the order in which they do.
    pub fn at(&self, hook: &str, ipv6: bool) -> Vec<(&Place, &Chain, &Hook)> {
        let own = if ipv6 { "ip6" } else { "ip" };
        let mut found: Vec<_> = self
            .chains
            .iter()
            .filter(|((family, ..), _)| family == "inet" || family == own)
            .filter_map(|(place, chain)| Some((place, chain, chain.hook.as_ref()?)))
            .filter(|(_, _, at)| at.name == hook)
            .collect();
        found.sort_by_key(|(_, _, hook)| hook.priority);
        found
    }
}

fn place(object: &Value, name: &str) -> Option<Place> {
    let word = |field: &str| object.get(field).and_then(Value::as_str).map(str::to_owned);
    Some((word("family")?, word("table")?, word(name)?))
}

fn hook(chain: &Value) -> Option<Hook> {
    let word = |field: &str| chain.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Hook {
        name: chain.get("hook")?.as_str()?.to_owned(),
        kind: word("type"),
        priority: chain.get("prio").and_then(Value::as_i64).unwrap_or(0),
        drops: word("policy") == "drop",
    })
}
