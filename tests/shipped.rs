//! The documents that are shipped in `policies/`: each folder is a set that loads, and keeps what its tests promise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clawgress::model::cases;
use clawgress::model::manifest::{self, Resources, SourceFile};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

/// Every set: a folder.
fn sets() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).expect("policies").map(|entry| entry.expect("an entry").path());
    let mut sets: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    sets.sort();
    assert!(sets.len() >= 5, "{sets:?}");
    sets
}

/// The files of a set: its tests, or its policies.
fn files(set: &Path, tests: bool) -> Vec<SourceFile> {
    let entries = fs::read_dir(set).expect("a set").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    let is_test = |path: &PathBuf| path.to_string_lossy().ends_with(cases::ENDINGS[0]);
    let wanted = paths.into_iter().filter(|path| is_test(path) == tests);
    wanted.map(|path| SourceFile::new(path.display().to_string(), fs::read(&path).expect("a file"))).collect()
}

fn loaded(set: &Path) -> Resources {
    manifest::load(&files(set, false)).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

#[test]
fn every_shipped_set_keeps_what_its_tests_promise() {
    let judged = Command::new(env!("CARGO_BIN_EXE_clawgress")).arg("test").arg(root()).output();
    let judged = judged.expect("the program runs");
    let text = String::from_utf8_lossy(&judged.stdout).into_owned();
    assert!(judged.status.success(), "{text}{}", String::from_utf8_lossy(&judged.stderr));
    assert!(text.lines().last().is_some_and(|line| line.ends_with(" 0 failed")), "{text}");
}

#[test]
fn every_shipped_document_that_decides_is_asked_for_by_a_test_and_every_set_refuses_something() {
    for set in sets() {
        let tests =
            cases::read(&files(&set, true)).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let all: Vec<_> = tests.iter().flat_map(|test| &test.cases).collect();
        let deciding = |kind: &str| kind.starts_with("Egress") && kind != "EgressGateway";
        for document in loaded(&set).documents.iter().filter(|document| deciding(document.kind)) {
            let name = format!("{}/{}", document.kind, document.name);
            let asked = all.iter().any(|case| case.expected.policy.as_deref() == Some(&name));
            assert!(asked, "{}: no test asks for {name}", set.display());
        }
        let refuses = |case: &&&cases::Case| case.expected.decision.refuses();
        assert!(all.iter().filter(refuses).count() >= 2, "{}", set.display());
    }
}

#[test]
fn every_shipped_file_of_policies_has_its_tests_beside_it() {
    for set in sets() {
        for file in files(&set, false) {
            let tests = file.path.replace(".yaml", cases::ENDINGS[0]);
            assert!(Path::new(&tests).is_file(), "{} has no tests: {tests} is missing", file.path);
        }
    }
}

/// Lines on which a rule of a route or of an EgressPolicy begins, each with whether a comment stands above it.
fn rules(text: &str) -> Vec<(&str, bool)> {
    let (mut above, mut kind) = ("", "");
    let mut rules = Vec::new();
    for line in text.lines() {
        let begun = line.trim_start();
        kind = line.strip_prefix("kind: ").unwrap_or(kind);
        let of_policy =
            kind == "EgressPolicy" && (begun.starts_with("- name:") || begun.starts_with("- {name:"));
        if of_policy || begun.starts_with("- matches:") {
            rules.push((line, above.trim_start().starts_with('#')));
        }
        above = line;
    }
    rules
}

#[test]
fn every_shipped_rule_has_a_comment() {
    let documents = sets().iter().flat_map(|set| files(set, false)).collect::<Vec<_>>();
    let mut of_policies = 0;
    for file in &documents {
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        for (line, commented) in rules(&text) {
            assert!(commented, "{}: `{line}` has no comment above it", file.path);
            of_policies += usize::from(!line.contains("matches:"));
        }
    }
    assert!(of_policies > 0, "a rule of an EgressPolicy is shipped");
    let bare = "kind: EgressPolicy\nspec:\n  rules:\n    - name: a\n      when: 'true'\n    # Why.\n    - {name: b}\n";
    assert_eq!(rules(bare), [("    - name: a", false), ("    - {name: b}", true)]);
}
