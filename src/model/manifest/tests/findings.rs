//! `DLPPolicy`: what it comes to, and what is wrong with others.

use super::*;
use crate::model::manifest::resources::{ClassRule, Finds, PolicyTarget};
use crate::model::types::{FindingAction, FindingClass, FindingWays};

fn policy(spec: &str) -> Result<Resources, Report> {
    set("DLPPolicy", spec)
}

fn wrong(spec: &str) -> Vec<String> {
    said("DLPPolicy", spec)
}

#[test]
fn a_policy_of_findings_comes_to_what_it_says() {
    let spec = "{targetRef: {kind: Team, name: red}, unscannable: Allow, overHold: Block, classes: [
      {class: keys, action: Block}, {class: pii, action: Redact, minConfidence: 0.8, direction: Both,
       detectors: [iban, payment-card], examples: true}],
      custom: [{name: bird, words: [' Bluebird ', Redbird], action: HashLog, direction: Inbound},
        {name: case, pattern: 'CASE-[0-9]{4}', class: keys}]}";
    let set = policy(spec).unwrap();
    let policy = &set.dlp_policies["x"];
    assert_eq!(policy.target, Some(PolicyTarget::Team("red".into())));
    assert_eq!((policy.blocks_unscannable, policy.blocks_over_hold), (false, true));
    let bare = |class, action| ClassRule {
        class,
        action,
        least: 0.5,
        ways: FindingWays::Outbound,
        detectors: Vec::new(),
        examples: false,
    };
    let expected = [
        bare(FindingClass::Keys, FindingAction::Block),
        ClassRule {
            least: 0.8,
            ways: FindingWays::Both,
            detectors: vec!["iban".into(), "payment-card".into()],
            examples: true,
            ..bare(FindingClass::Pii, FindingAction::Redact)
        },
        ClassRule {
            least: 0.0,
            ways: FindingWays::Inbound,
            detectors: vec!["bird".into()],
            examples: true,
            ..bare(FindingClass::Custom, FindingAction::HashLog)
        },
    ];
    assert_eq!(policy.classes, expected);
    assert_eq!(policy.custom[0].finds, Finds::Words(vec!["Bluebird".into(), "Redbird".into()]));
    let case = &policy.custom[1];
    assert_eq!((&case.finds, case.class), (&Finds::Pattern("CASE-[0-9]{4}".into()), FindingClass::Keys));
}

#[test]
fn without_a_target_it_is_for_every_gateway_and_what_cannot_be_read_is_refused() {
    let set = policy("{classes: [{class: secrets, action: Block}]}").unwrap();
    let policy = &set.dlp_policies["x"];
    assert_eq!((&policy.target, policy.blocks_unscannable, policy.blocks_over_hold), (&None, true, false));
    assert!(set.warnings.is_empty());
}

#[test]
fn a_policy_of_findings_says_what_is_wrong_with_it() {
    for (spec, expected) in [
        (
            "{unscannable: Block}",
            "this policy looks for nothing (write `classes`, such as `[{class: keys, action: Block}]`)",
        ),
        ("{classes: [{class: key, action: Block}]}", "unknown `class` `key` (did you mean `keys`?)"),
        (
            "{classes: [{class: pii, action: Block, minConfidence: 1.5}]}",
            "`minConfidence` 1.5 is not a number from 0 to 1",
        ),
        (
            "{classes: [{class: pii, action: Block, detectors: [ibans]}]}",
            "unknown detector `ibans` (did you mean `iban`?)",
        ),
        (
            "{classes: [{class: keys, action: Block, detectors: [iban]}]}",
            "detector `iban` finds pii, and not keys (it belongs to an entry with `class: pii`)",
        ),
        (
            "{custom: [{name: a, words: [Bluebird]}]}",
            "nothing says what becomes of what `a` finds (give it an `action`, or `classes` an entry with `class: custom`)",
        ),
        (
            "{custom: [{name: iban, words: [Bluebird], action: Block}]}",
            "a detector of the catalogue has the name `iban` (give it another one)",
        ),
        (
            "{custom: [{name: a, words: [Bluebird], pattern: x, action: Block}]}",
            "a detector has `pattern` or `words`, not both (make it two detectors)",
        ),
        ("{custom: [{name: a, action: Block}]}", "this detector finds nothing (write `pattern` or `words`)"),
        (
            "{custom: [{name: a, pattern: 'a*', action: Block}]}",
            "pattern `a*` matches where nothing stands (ask for at least one character, such as by `+` in the place of `*`)",
        ),
        (
            "{custom: [{name: a, pattern: '(a', action: Block}]}",
            "pattern `(a` is none: unclosed group (the syntax is that of Rust's `regex`, without look-around and back-references)",
        ),
    ] {
        assert_eq!(wrong(spec), [expected], "{spec}");
    }
    let large = wrong("{custom: [{name: a, pattern: '[a-f]{1000}[0-9a-f]{1000}', action: Block}]}");
    assert!(large.len() == 1 && large[0].contains("needs an automaton of more than"), "{large:?}");
    let twice =
        wrong("{custom: [{name: a, words: [One], action: Block}, {name: a, words: [Two], action: Block}]}");
    assert!(twice.len() == 1 && twice[0].starts_with("two detectors have the name `a`"), "{twice:?}");
}

#[test]
fn where_no_listener_shows_messages_it_loads_with_a_warning() {
    let set =
        policy("{targetRef: {kind: EgressL4Route, name: blind}, classes: [{class: keys, action: Block}]}");
    let warnings = set.unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    let text = warnings[0].render(false);
    assert!(text.contains("names that are looked up are inspected, and nothing else"), "{text}");
}
