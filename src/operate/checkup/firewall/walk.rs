//! What becomes of a packet in a base chain of somebody else.
//!
//! Pure. A rule of which it cannot be told whether it matches is taken for one that does not; that there was one that might
//! have let the packet pass is remembered.

use serde_json::Value;

use super::expression::{Packet, Truth, holds, looked_up};
use super::ruleset::{Chain, Place, Ruleset};

/// Chains inside each other, as the kernel bounds them (`NFT_JUMP_STACK_SIZE`).
const DEPTH: usize = 16;
/// Rules that are looked at for one packet.
const STEPS: usize = 100_000;

/// The end of a packet in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    Passes,
    /// It is dropped, here.
    Dropped(Where),
    /// It goes on, with another destination or to another socket than before, by this rule.
    Turned(Where),
}

/// A rule, or the policy of the base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Where {
    /// The chain.
    pub place: Place,
    /// The rule; absent where the policy decides.
    pub handle: Option<u64>,
    /// Whether there was a rule that might have let it pass, had it been readable.
    pub doubtful: bool,
}

/// Matches of iptables that do not let in what comes anew from a workload to somewhere in the world.
const HARMLESS: [&str; 6] = ["conntrack", "state", "addrtype", "limit", "icmp", "icmp6"];

/// Follows a packet through a base chain.
pub fn through(ruleset: &Ruleset, place: &Place, chain: &Chain, packet: &Packet<'_>) -> End {
    let mut walk = Walk { ruleset, packet, doubtful: false, steps: 0 };
    match walk.chain(place, chain, 0) {
        Some(end) => end,
        None if chain.hook.as_ref().is_some_and(|hook| hook.drops) => {
            End::Dropped(Where { place: place.clone(), handle: None, doubtful: walk.doubtful })
        }
        None => End::Passes,
    }
}

struct Walk<'a> {
    ruleset: &'a Ruleset,
    packet: &'a Packet<'a>,
    doubtful: bool,
    steps: usize,
}

/// What a rule says of the packet.
enum Said<'a> {
    Nothing,
    Return,
    Accept,
    Drop,
    Turn,
    Go { to: &'a str, back: bool },
}

impl<'a> Walk<'a> {
    fn chain(&mut self, place: &Place, chain: &'a Chain, depth: usize) -> Option<End> {
        for rule in &chain.rules {
            self.steps += 1;
            if self.steps > STEPS || depth > DEPTH {
                return None;
            }
            let here = |walk: &Self| Where {
                place: place.clone(),
                handle: Some(rule.handle),
                doubtful: walk.doubtful,
            };
            match self.rule(place, &rule.parts) {
                Said::Nothing => {}
                Said::Return => return None,
                Said::Accept => return Some(End::Passes),
                Said::Drop => return Some(End::Dropped(here(self))),
                Said::Turn => return Some(End::Turned(here(self))),
                Said::Go { to, back } => {
                    let next = (place.0.clone(), place.1.clone(), to.to_owned());
                    let ruleset = self.ruleset;
                    let end = ruleset.chains.get(&next).and_then(|chain| self.chain(&next, chain, depth + 1));
                    if end.is_some() || !back {
                        return end;
                    }
                }
            }
        }
        None
    }

    /// Reads a rule part by part, as the kernel does.
    fn rule(&mut self, place: &Place, parts: &'a [Value]) -> Said<'a> {
        let mut unread: Option<String> = None;
        for part in parts {
            let truth = self.truth(place, part);
            match truth {
                Some(Truth::No) => return Said::Nothing,
                Some(Truth::Unread) => unread = Some(extension(part)),
                Some(Truth::Yes) => {}
                None => {
                    let said = self.statement(place, part);
                    if matches!(said, Said::Nothing) {
                        continue;
                    }
                    let Some(name) = unread else { return said };
                    // A rule that cannot be read is passed by; one that might have helped is remembered.
                    let helps = matches!(said, Said::Accept | Said::Go { .. });
                    self.doubtful |= helps && !HARMLESS.contains(&name.as_str());
                    return Said::Nothing;
                }
            }
        }
        Said::Nothing
    }

    /// Whether a condition is true; nothing where the part is none.
    fn truth(&self, place: &Place, part: &Value) -> Option<Truth> {
        if let Some(matched) = part.get("match") {
            return Some(holds(self.packet, matched, (self.ruleset, place)));
        }
        if part.get("limit").is_some() {
            return Some(Truth::Unread);
        }
        let xt = part.get("xt").filter(|xt| xt["type"] == "match")?;
        Some(if xt["name"] == "comment" { Truth::Yes } else { Truth::Unread })
    }

    fn statement(&self, place: &Place, part: &'a Value) -> Said<'a> {
        let Some((word, body)) = part.as_object().and_then(|object| object.iter().next()) else {
            return Said::Nothing;
        };
        match word.as_str() {
            "accept" => Said::Accept,
            "drop" | "reject" => Said::Drop,
            "return" => Said::Return,
            "redirect" | "dnat" | "tproxy" => Said::Turn,
            "jump" | "goto" => match body.get("target").and_then(Value::as_str) {
                Some(to) => Said::Go { to, back: word == "jump" },
                None => Said::Nothing,
            },
            "vmap" => match looked_up(self.packet, body, (self.ruleset, place)) {
                Some(verdict) => self.statement(place, verdict),
                None => Said::Nothing,
            },
            "xt" if body["type"] == "target" => match body["name"].as_str() {
                Some("REJECT" | "DROP") => Said::Drop,
                Some("REDIRECT" | "DNAT" | "TPROXY") => Said::Turn,
                _ => Said::Nothing,
            },
            _ => Said::Nothing,
        }
    }
}

fn extension(part: &Value) -> String {
    match part.get("limit") {
        Some(_) => "limit".to_owned(),
        None => part["xt"]["name"].as_str().unwrap_or_default().to_owned(),
    }
}
