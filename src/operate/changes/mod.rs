//! What one set of documents allows, refuses and says that another does not, in words.
//!
//! Pure, and independent of files and their order: each document becomes a set of sentences (`words.rs`), and sentences
//! are compared. A sentence that stands in both sets is no change, however it was written.

mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::model::manifest::Resources;
use crate::model::manifest::resources::{Document, Origin};

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether it is new, gone or another.
    pub change: Turn,
    /// Where it stands; for one that is gone, where it stood.
    pub file: String,
    /// Line of its first key, from 1.
    pub line: usize,
    /// What holds from then on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adds: Vec<String>,
    /// What no longer does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<String>,
}

/// What becomes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// It was not there.
    Added,
    /// It says something else.
    Changed,
    /// It is there no longer.
    Removed,
}

/// Every document that says something else in the second set, by kind and name.
pub fn between(old: &Resources, new: &Resources) -> Vec<Change> {
    let (before, after) = (told(old), told(new));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter_map(|key| change(before.get(key), after.get(key))).collect()
}

/// A document and what it says.
struct Told<'a> {
    document: &'a Document,
    sentences: BTreeSet<String>,
    /// Of rules that do the same the first speaks: their names, in that order, for each thing that rules do.
    order: BTreeMap<&'static str, Vec<&'a str>>,
}

fn told(resources: &Resources) -> BTreeMap<(&str, &str), Told<'_>> {
    let documents = resources.documents.iter();
    let told = documents.map(|document| {
        let sentences = words::sentences(resources, document);
        let order = words::order(resources, document);
        ((document.kind, &*document.name), Told { document, sentences, order })
    });
    told.collect()
}

fn change(old: Option<&Told<'_>>, new: Option<&Told<'_>>) -> Option<Change> {
    let said = |told: Option<&Told<'_>>| told.map(|told| told.sentences.clone()).unwrap_or_default();
    let (mut before, mut after) = (said(old), said(new));
    if let (Some(old), Some(new)) = (old, new) {
        for (first, second) in swapped(old, new) {
            after.insert(format!("the rule {first} comes before the rule {second}"));
            before.insert(format!("the rule {second} comes before the rule {first}"));
        }
    }
    let turn = match (old, new) {
        (None, _) => Turn::Added,
        (_, None) => Turn::Removed,
        _ if before == after => return None,
        _ => Turn::Changed,
    };
    let document = new.or(old)?.document;
    let Origin { file, line } = &document.origin;
    Some(Change {
        kind: document.kind.to_owned(),
        name: document.name.to_string(),
        change: turn,
        file: file.to_string(),
        line: *line,
        adds: after.difference(&before).cloned().collect(),
        removes: before.difference(&after).cloned().collect(),
    })
}

/// Rules that both have, that do the same, and of which another is the first now. Rules that come or go between others
/// swap nothing.
fn swapped<'a>(old: &Told<'a>, new: &Told<'a>) -> Vec<(&'a str, &'a str)> {
    let mut swapped = Vec::new();
    for (does, now) in &new.order {
        let places = old.order.get(does).into_iter().flatten().enumerate();
        let places: HashMap<&str, usize> = places.map(|(place, name)| (*name, place)).collect();
        let both: Vec<&str> = now.iter().copied().filter(|name| places.contains_key(name)).collect();
        let neighbours = both.iter().zip(both.iter().skip(1)).map(|(first, second)| (*first, *second));
        swapped.extend(neighbours.filter(|(first, second)| places[first] > places[second]));
    }
    swapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::manifest::{SourceFile, load};

    const BASE: &str = "
kind: EgressGateway
metadata: {name: default}
spec:
  listeners: [{name: tls, protocol: TLS, tls: {mode: Terminate}}, {name: raw, protocol: TCP}]
---
kind: Agent
metadata: {name: alice, labels: {tier: dev}}
spec: {team: red, sources: {addresses: [10.77.0.2/32]}}
";
    const READ: &str = "
kind: EgressHTTPRoute
metadata: {name: read}
spec:
  parentRefs: [{name: default}]
  hostnames: [site.example]
  sourceAgents: {matchLabels: {tier: dev}}
  rules: [{matches: [{method: GET, path: {value: /docs}}]}]
";

    fn set(documents: &[&str]) -> Resources {
        let all = documents.iter().flat_map(|text| text.split("---\n"));
        let all: Vec<String> =
            all.map(|one| format!("apiVersion: clawgress.io/v1alpha1\n{}", one.trim())).collect();
        let text = all.join("\n---\n");
        load(&[SourceFile::new("a.yaml", text.into_bytes())])
            .unwrap_or_else(|report| panic!("{}", report.render(false)))
    }

    fn lines(changes: &[Change]) -> Vec<String> {
        let mut lines = Vec::new();
        for one in changes {
            lines.push(format!("{:?} {}/{}", one.change, one.kind, one.name));
            lines.extend(one.adds.iter().map(|text| format!("+ {text}")));
            lines.extend(one.removes.iter().map(|text| format!("- {text}")));
        }
        lines
    }

    #[test]
    fn a_new_route_is_told_by_whom_it_lets_do_what() {
        let changes = between(&set(&[BASE]), &set(&[BASE, READ]));
        assert_eq!(
            lines(&changes),
            [
                "Changed Agent/alice",
                "+ is chosen by EgressHTTPRoute/read",
                "Added EgressHTTPRoute/read",
                "+ agents with tier=dev may GET site.example/docs/*, through gateway default",
            ]
        );
    }

    #[test]
    fn a_narrower_match_says_what_is_gone_and_what_is_left() {
        let new = READ.replace("/docs", "/docs/public").replace("GET", "HEAD");
        let changes = between(&set(&[BASE, READ]), &set(&[BASE, &new]));
        assert_eq!(
            lines(&changes),
            [
                "Changed EgressHTTPRoute/read",
                "+ agents with tier=dev may HEAD site.example/docs/public/*, through gateway default",
                "- agents with tier=dev may GET site.example/docs/*, through gateway default",
            ]
        );
    }

    #[test]
    fn a_label_that_goes_takes_the_routes_along_that_chose_it() {
        let new = BASE.replace(", labels: {tier: dev}", "");
        let changes = between(&set(&[BASE, READ]), &set(&[&new, READ]));
        assert_eq!(
            lines(&changes),
            ["Changed Agent/alice", "- has the label tier=dev", "- is chosen by EgressHTTPRoute/read",]
        );
    }

    #[test]
    fn rules_are_told_by_what_they_do_to_whom_and_when() {
        let policy = "
kind: EgressPolicy
metadata: {name: careful}
spec:
  targetRef: {kind: EgressGateway, name: default}
  sourceAgents: {matchLabels: {tier: dev}}
  rules:
    - {name: big, when: 'time.hour >= 22', action: Deny, message: later}
    - {name: pace, action: Throttle, bytesPerSecond: 1024, requestsPerSecond: 5}
    - {name: trap, when: 'destination.host == \"c.example\"', action: Quarantine, for: 90m}
    - {name: tag, action: Transform, setHeaders: {X-Team: red}, removeHeaders: [X-Note]}
    - {name: trial, action: LogOnly}
";
        let (old, new) = (set(&[BASE]), set(&[BASE, policy]));
        let whom = "for agents with tier=dev through gateway default";
        assert_eq!(
            lines(&between(&old, &new)),
            [
                "Changed Agent/alice".to_owned(),
                "+ is chosen by EgressPolicy/careful".to_owned(),
                "Added EgressPolicy/careful".to_owned(),
                format!("+ rule big, {whom}: refuses, where time.hour >= 22; it says: later"),
                format!("+ rule pace, {whom}: holds to 1024 bytes a second and 5 requests a second, always"),
                format!("+ rule tag, {whom}: sets x-team to red and removes x-note, always"),
                format!(
                    "+ rule trap, {whom}: shuts the agent out for 90m, where destination.host == \"c.example\""
                ),
                format!("+ rule trial, {whom}: records that it would have denied it, always"),
            ]
        );
        let changed = policy.replace("22", "23").replace("  rules", "  priority: 7\n  rules");
        assert_eq!(
            lines(&between(&new, &set(&[BASE, &changed]))),
            [
                "Changed EgressPolicy/careful".to_owned(),
                "+ its rules have priority 7".to_owned(),
                format!("+ rule big, {whom}: refuses, where time.hour >= 23; it says: later"),
                format!("- rule big, {whom}: refuses, where time.hour >= 22; it says: later"),
            ]
        );
    }

    #[test]
    fn an_approval_is_told_by_who_may_reach_what_for_how_long() {
        let approval = "
kind: EgressApproval
metadata: {name: incident}
spec: {agent: alice, hosts: [{host: a.example, port: 443}, {host: b.example}], reason: INC-1, ticket: T-2, ttl: PT2H}
";
        let (old, new) = (set(&[BASE]), set(&[BASE, approval]));
        assert_eq!(
            lines(&between(&old, &new)),
            [
                "Added EgressApproval/incident",
                "+ alice may reach a.example:443 for 2h",
                "+ alice may reach b.example on every port for 2h",
                "+ its reason is: INC-1",
                "+ its ticket is T-2",
            ]
        );
        assert_eq!(between(&new, &set(&[BASE, &approval.replace("PT2H", "120m")])), []);
    }

    #[test]
    fn another_order_or_spelling_is_no_change() {
        let old = set(&[BASE, READ]);
        let new = set(&[
            READ,
            &BASE.replace(
                "{team: red, sources: {addresses: [10.77.0.2/32]}}",
                "\n  sources: {addresses: ['10.77.0.2/32']}\n  team: red",
            ),
        ]);
        assert_eq!(between(&old, &new), []);
    }

    #[test]
    fn another_order_of_what_has_none_is_no_change() {
        let route = "
kind: EgressL4Route
metadata: {name: wide}
spec:
  parentRefs: [{name: default, sectionName: tls}, {name: default, sectionName: raw}]
  sourceAgents: {matchExpressions: [{key: tier, operator: In, values: [dev, test]}, {key: tier, operator: Exists}]}
  rules:
    - matches: [{destinationHostnames: [a.example, b.example], destinationCIDRs: [10.1.0.0/16, 10.2.0.0/16], ports: [{port: 22}, {port: 443}]}]
";
        let read = READ.replace(
            "{method: GET, path: {value: /docs}}",
            "{headers: [{name: a, value: b}, {name: c, value: d}], queryParams: [{name: e, value: f}, {name: g, value: h}]}",
        );
        let policy = "
kind: EgressPolicy
metadata: {name: tags}
spec:
  targetRef: {kind: EgressGateway, name: default}
  rules: [{name: tag, action: Transform, removeHeaders: [X-A, X-B], setHeaders: {X-C: c, X-D: d}}]
";
        let old = [BASE, route, &read, policy];
        let swapped = |one: &str, other: &str| {
            let change = |text: &&str| text.replace(&format!("{one}, {other}"), &format!("{other}, {one}"));
            let new: Vec<String> = old.iter().map(change).collect();
            assert_ne!(new, old, "{one}");
            let new: Vec<&str> = new.iter().map(String::as_str).collect();
            assert_eq!(between(&set(&old), &set(&new)), [], "{one}");
        };
        swapped("{name: default, sectionName: tls}", "{name: default, sectionName: raw}");
        swapped("dev", "test");
        swapped("{key: tier, operator: In, values: [dev, test]}", "{key: tier, operator: Exists}");
        swapped("10.1.0.0/16", "10.2.0.0/16");
        swapped("{port: 22}", "{port: 443}");
        swapped("{name: a, value: b}", "{name: c, value: d}");
        swapped("{name: e, value: f}", "{name: g, value: h}");
        swapped("X-A", "X-B");
        swapped("X-C: c", "X-D: d");
    }

    #[test]
    fn the_order_of_rules_is_told_where_another_one_speaks_now_and_nowhere_else() {
        let of = |rules: &[&str]| {
            let rules: Vec<String> = rules
                .iter()
                .map(|rule| {
                    let (name, action) = rule.split_once(' ').unwrap();
                    format!("{{name: {name}, action: {action}}}")
                })
                .collect();
            format!(
                "\nkind: EgressPolicy\nmetadata: {{name: careful}}\nspec:\n  targetRef: {{kind: EgressGateway, name: default}}\n  rules: [{}]\n",
                rules.join(", ")
            )
        };
        let told = |old: &[&str], new: &[&str]| {
            lines(&between(&set(&[BASE, &of(old)]), &set(&[BASE, &of(new)]))).split_off(1)
        };
        assert_eq!(
            told(&["a Deny", "b Deny", "c Alert"], &["b Deny", "c Alert", "a Deny"]),
            ["+ the rule b comes before the rule a", "- the rule a comes before the rule b"]
        );
        assert_eq!(
            told(&["a Deny", "b Deny"], &["a Deny", "c Deny", "b Deny"]),
            ["+ rule c, for every agent through gateway default: refuses, always"]
        );
        let (old, new) = (of(&["a Deny", "b Alert"]), of(&["b Alert", "a Deny"]));
        assert_eq!(between(&set(&[BASE, &old]), &set(&[BASE, &new])), []);
    }
}
