//! `clawgress test` on folders as operators keep them.

use std::fs;
use std::path::Path;

use super::*;

const BASE: &str = "apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice}
spec: {sources: {addresses: [10.77.0.2/32]}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec: {defaultPolicy: allow-all, listeners: [{name: raw, protocol: TCP}]}
";

fn cases(cases: &str) -> String {
    format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: PolicyTest\nmetadata: {{name: a}}\nspec: {{cases: [{cases}]}}\n"
    )
}

/// Runs it on a folder with these files.
fn tested(files: &[(&str, &str)]) -> Ended {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    }
    run_line(&format!("clawgress test {}", root.path().display()), "/nonexistent".into())
}

#[test]
fn a_set_that_does_not_load_fails_its_own_cases_and_no_others() {
    let case = cases("{name: it goes out, agent: alice, ask: 'a.example:22', expect: allow}");
    let ended = tested(&[
        ("bad/a.yaml", &BASE.replace("defaultPolicy", "defaultPolicies")),
        ("bad/a.test.yaml", &case),
        ("good/a.yaml", BASE),
        ("good/a.test.yaml", &case),
        ("none/a.test.yaml", &case.replace("{cases", "{policies: [missing.yaml], cases")),
    ]);
    assert_eq!(ended.code, Exit::No);
    assert!(ended.talk.contains("unknown field `defaultPolicies`"), "{}", ended.talk);
    assert!(ended.talk.contains("missing.yaml"), "{}", ended.talk);
    assert_eq!(ended.out.matches("FAIL  it goes out").count(), 2, "{}", ended.out);
    assert_eq!(ended.out.matches("got      its documents do not load: ").count(), 2, "{}", ended.out);
    assert_eq!(ended.out.matches("ok    it goes out").count(), 1, "{}", ended.out);
    assert!(ended.out.ends_with("3 cases in 3 files: 1 passed, 2 failed\n"), "{}", ended.out);
}

#[test]
fn a_case_says_when_where_a_rule_of_its_agent_asks_for_the_time() {
    let policy = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {name: nights}
spec:
  targetRef: {kind: EgressGateway, name: default}
  rules: [{name: closed, when: time.hour >= 22, action: Deny}]
";
    let night = "{name: at night, agent: alice, ask: 'a.example:22', at: 2026-01-31T22:00:00Z, expect: deny, reason: policy.denied}";
    let some_day = "{name: some day, agent: alice, ask: 'a.example:22', expect: allow}";
    let ended = tested(&[
        ("a.yaml", &format!("{BASE}{policy}")),
        ("a.test.yaml", &cases(&format!("{night}, {some_day}"))),
    ]);
    assert_eq!(ended.code, Exit::No);
    assert!(ended.out.contains("ok    at night\n"), "{}", ended.out);
    let told = "got      it does not say when: EgressPolicy/nights closed asks for the time, so write `at`\n";
    assert!(ended.out.contains(told), "{}", ended.out);
}
