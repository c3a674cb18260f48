//! Rulesets as others make them, and what is said of each.

use serde_json::{Value, json};

use super::*;
use crate::operate::api::CheckState::{self, Fail, Ok, Skip, Warn};

fn base(family: &str, table: &str, name: &str, (hook, prio, policy): (&str, i64, &str)) -> Value {
    json!({"chain": {"family": family, "table": table, "name": name, "type": "filter", "hook": hook, "prio": prio, "policy": policy}})
}

fn chain(family: &str, table: &str, name: &str) -> Value {
    json!({"chain": {"family": family, "table": table, "name": name}})
}

fn rule(family: &str, table: &str, chain: &str, expr: Value) -> Value {
    json!({"rule": {"family": family, "table": table, "chain": chain, "handle": 9, "expr": expr}})
}

fn from(interface: &str) -> Value {
    json!({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": interface}})
}

fn of(objects: &[Value]) -> Firewall {
    Firewall {
        listing: Seen::Is(json!({ "nftables": objects })),
        legacy: [Seen::Absent, Seen::Absent],
        interfaces: vec!["agents0".into()],
        sources: vec!["10.77.0.2".parse().unwrap()],
        forwards: false,
    }
}

fn judged(objects: &[Value]) -> (CheckState, String, String) {
    let mut checks = judge(&of(objects));
    assert_eq!(checks.len(), 1, "{checks:?}");
    let check = checks.remove(0);
    (check.state, check.name, check.repair.unwrap_or_default())
}

/// As ufw 0.36 writes it through iptables-nft 1.8.9, shortened.
fn ufw(before: &[Value]) -> Vec<Value> {
    let counted = json!({"counter": {"packets": 0, "bytes": 0}});
    let xt = |name: &str| json!({"xt": {"type": "match", "name": name}});
    let jump = |to: &str| json!({"jump": {"target": to}});
    let r = |chain: &str, expr: Value| rule("ip", "filter", chain, expr);
    let mut all = vec![
        chain("ip", "filter", "ufw-before-input"),
        chain("ip", "filter", "ufw-not-local"),
        chain("ip", "filter", "ufw-user-input"),
        base("ip", "filter", "INPUT", ("input", 0, "drop")),
    ];
    all.extend(before.iter().map(|expr| r("ufw-before-input", expr.clone())));
    all.extend([
        r("ufw-before-input", json!([from("lo"), counted, {"accept": null}])),
        r("ufw-before-input", json!([xt("conntrack"), counted, {"accept": null}])),
        r("ufw-before-input", json!([xt("conntrack"), counted, {"drop": null}])),
        r("ufw-before-input", json!([counted, jump("ufw-not-local")])),
        r("ufw-before-input", json!([counted, jump("ufw-user-input")])),
        r("ufw-not-local", json!([xt("addrtype"), counted, {"return": null}])),
        r("ufw-not-local", json!([{"limit": {"rate": 3, "per": "minute"}}, jump("ufw-logging-deny")])),
        r("ufw-not-local", json!([counted, {"drop": null}])),
        r("ufw-user-input", json!([from("agents0"), counted, {"accept": null}])),
        r("INPUT", json!([counted, jump("ufw-before-input")])),
    ]);
    all
}

#[test]
fn a_host_without_other_rules_and_one_whose_rules_let_everything_in_pass() {
    assert_eq!(judged(&[]).0, Ok);
    let open = [base("inet", "filter", "input", ("input", 0, "accept"))];
    assert_eq!(judged(&open).0, Ok);
    let own = [base("inet", "clawgress", "input", ("input", -10, "drop"))];
    assert_eq!(judged(&own).0, Ok, "our own table is judged elsewhere");
}

#[test]
fn ufw_drops_what_is_intercepted_even_where_it_allows_the_interface_and_one_command_mends_it() {
    let (state, name, repair) = judged(&ufw(&[]));
    assert_eq!((state, &*name), (Fail, "firewall.ufw"));
    assert!(repair.contains("-A ufw-before-input -i agents0 -j ACCEPT' /etc/ufw/before.rules"), "{repair}");
    assert!(repair.ends_with("/etc/ufw/before6.rules && ufw reload"), "{repair}");
    assert_eq!(judged(&ufw(&[json!([from("agents0"), {"accept": null}])])).0, Ok);
}

#[test]
fn a_rule_that_nft_does_not_show_makes_it_a_doubt() {
    let marked = json!([{"xt": {"type": "match", "name": "mark"}}, {"accept": null}]);
    assert_eq!(judged(&ufw(&[marked])).0, Warn);
}

#[test]
fn a_policy_that_drops_is_mended_in_the_words_of_whose_it_is() {
    let (state, name, repair) = judged(&[base("inet", "mine", "in", ("input", 0, "drop"))]);
    assert_eq!((state, &*name), (Fail, "firewall.inet.mine.in"));
    assert_eq!(repair, "nft insert rule inet mine in iifname agents0 accept");
    let (_, _, repair) = judged(&[base("ip", "filter", "INPUT", ("input", 0, "drop"))]);
    assert_eq!(repair, "iptables -I INPUT -i agents0 -j ACCEPT");
    let firewalld = [
        base("inet", "firewalld", "filter_INPUT", ("input", 10, "accept")),
        rule(
            "inet",
            "firewalld",
            "filter_INPUT",
            json!([
                {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, {"accept": null}
            ]),
        ),
        rule(
            "inet",
            "firewalld",
            "filter_INPUT",
            json!([
                {"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}, {"accept": null}
            ]),
        ),
        rule(
            "inet",
            "firewalld",
            "filter_INPUT",
            json!([{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}]),
        ),
    ];
    let (state, name, repair) = judged(&firewalld);
    assert_eq!((state, &*name), (Fail, "firewall.firewalld"));
    assert!(repair.starts_with("firewall-cmd --permanent --zone=trusted --change-interface=agents0 && "));
}

#[test]
fn what_a_rule_asks_of_interface_address_port_state_and_mark_is_told() {
    let left = |left: Value, right: Value| json!({"match": {"op": "==", "left": left, "right": right}});
    let accepts = |condition: Value| {
        let rules = [
            base("inet", "t", "in", ("input", 0, "drop")),
            json!({"set": {"family": "inet", "table": "t", "name": "nets", "elem": [{"prefix": {"addr": "10.77.0.0", "len": 24}}]}}),
            rule("inet", "t", "in", json!([condition, {"accept": null}])),
        ];
        judge(&of(&rules)).iter().all(|check| check.state == Ok)
    };
    let payload = |protocol: &str, field: &str| json!({"payload": {"protocol": protocol, "field": field}});
    assert!(accepts(from("agents*")) && accepts(from("agents0")) && !accepts(from("eth0")));
    assert!(accepts(left(json!({"meta": {"key": "mark"}}), json!(0x20c1))));
    assert!(accepts(left(payload("ip", "saddr"), json!("@nets"))));
    assert!(!accepts(left(payload("ip6", "saddr"), json!({"prefix": {"addr": "::", "len": 0}}))));
    assert!(accepts(left(payload("th", "dport"), json!({"set": [53, {"range": [400, 500]}]}))));
    assert!(!accepts(left(payload("tcp", "dport"), json!(443))), "queries go by UDP");
    assert!(accepts(left(json!({"ct": {"key": "state"}}), json!({"set": ["new", "established"]}))));
    assert!(!accepts(left(json!({"fib": {"result": "type", "flags": "daddr"}}), json!("local"))));
    assert!(!accepts(
        json!({"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "agents0"}})
    ));
}

#[test]
fn maps_of_verdicts_are_followed() {
    let map = |verdict: Value| {
        let state = json!({"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", {"accept": null}], ["new", verdict]]}}});
        let rules = [
            base("inet", "t", "in", ("input", 0, "drop")),
            chain("inet", "t", "more"),
            rule("inet", "t", "in", json!([state])),
            rule("inet", "t", "more", json!([from("agents0"), {"accept": null}])),
        ];
        judged(&rules).0
    };
    assert_eq!(map(json!({"goto": {"target": "more"}})), Ok);
    assert_eq!(map(json!({"drop": null})), Fail);
}

#[test]
fn a_redirect_of_the_same_traffic_is_named_with_its_handle() {
    let rules = [
        base("ip", "nat", "PREROUTING", ("prerouting", -100, "accept")),
        rule("ip", "nat", "PREROUTING", json!([from("agents0"), {"redirect": {"port": 8080}}])),
    ];
    let (state, _, repair) = judged(&rules);
    assert_eq!(state, Fail);
    assert!(repair.starts_with("nft delete rule ip nat PREROUTING handle 9"), "{repair}");
    let local = json!([{"xt": {"type": "match", "name": "addrtype"}}, {"jump": {"target": "DOCKER"}}]);
    let docker = [
        base("ip", "nat", "PREROUTING", ("prerouting", -100, "accept")),
        chain("ip", "nat", "DOCKER"),
        rule("ip", "nat", "PREROUTING", local),
        rule("ip", "nat", "DOCKER", json!([{"dnat": {"addr": "172.17.0.2"}}])),
    ];
    assert_eq!(judged(&docker).0, Ok, "what is meant for this host is Docker's");
}

#[test]
fn forwarding_matters_only_where_something_is_forwarded() {
    let rules = [base("ip", "filter", "FORWARD", ("forward", 0, "drop"))];
    assert_eq!(judged(&rules).0, Ok);
    let check = judge(&Firewall { forwards: true, ..of(&rules) }).remove(0);
    assert_eq!(
        (check.state, check.repair.as_deref()),
        (Warn, Some("iptables -I FORWARD -i agents0 -j ACCEPT"))
    );
}

#[test]
fn what_cannot_be_listed_is_not_judged_and_older_rules_are_said() {
    let hidden = Firewall { listing: Seen::Hidden("not permitted".into()), ..of(&[]) };
    assert_eq!(judge(&hidden)[0].state, Skip);
    assert_eq!(judge(&Firewall { listing: Seen::Is(json!({})), ..of(&[]) })[0].state, Skip);
    let older = Firewall { legacy: [Seen::Is(vec!["filter".into()]), Seen::Absent], ..of(&[]) };
    assert_eq!(judge(&older)[1].name, "firewall.iptables-legacy");
}

#[test]
fn chains_that_lead_in_a_circle_come_to_an_end() {
    let to = |name: &str| json!([{"jump": {"target": name}}]);
    let rules = [
        base("inet", "t", "in", ("input", 0, "drop")),
        rule("inet", "t", "in", to("a")),
        rule("inet", "t", "a", to("b")),
        rule("inet", "t", "b", to("a")),
        rule("inet", "t", "b", to("a")),
    ];
    assert_eq!(judged(&rules).0, Fail);
}
