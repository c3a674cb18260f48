//! Input made to hurt: bounded work, a clear refusal, never a panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::model::types::limits;

/// Generous for a machine under load and a build without optimisation; without bounds these take minutes or all
/// memory.
const PROMPT: Duration = Duration::from_secs(20);

fn refused(text: &str) -> String {
    let start = Instant::now();
    let told = mistakes(load(&[file("a.yaml", text)]));
    assert!(start.elapsed() < PROMPT, "took {:?}", start.elapsed());
    assert!(told.len() <= limits::POLICY_MISTAKES);
    told.into_iter().next().unwrap_or_default()
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "are nested more than 48 deep";
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        (0..2_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect(),
    ] {
        let told = refused(&text);
        assert!(told.contains(deep) || told.contains("a key must be a plain word"), "{told}");
    }
}

#[test]
fn bombs_of_aliases_do_not_go_off() {
    let told = refused("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n");
    assert_eq!(told, "a.yaml:1:7 anchors are not accepted (remove it, and write the value out)");
    assert!(refused("a: *nobody\n").contains("aliases are not accepted"));
    assert!(refused("a: !!binary aGk=\n").contains("tags are not accepted"));
    assert!(refused("%YAML 1.1\n---\na: b\n").contains("directives are not accepted"));
}

#[test]
fn large_files_are_refused_or_judged_promptly() {
    assert!(refused(&"a".repeat(10 << 20)).contains("more than 4194304"));
    assert!(refused(&format!("[{}]", "1,".repeat(2_000_000))).contains("more than 524288 keys and values"));
    let keys: String = (0..200_000).map(|n| format!("k{n}: 1\n")).collect();
    assert!(!refused(&keys).is_empty());
    let same = "k: 1\n".repeat(200_000);
    assert!(
        refused(&same).contains("field `k` is given twice") || refused(&same).contains("lacks the field")
    );
    assert!(!refused(&"\"".repeat(3 << 20)).is_empty());
    assert!(!refused(&"a: |\n".repeat(500_000)).is_empty());
    assert!(!refused(&"--- a\n".repeat(200_000)).is_empty());
    assert!(!refused(&format!("kind: {}", "x".repeat(3 << 20))).is_empty());
}

#[test]
fn many_documents_full_of_mistakes_are_judged_promptly() {
    let names =
        (0..8_000).map(|n| format!("{}\n---", GATEWAY.replace("name: default", &format!("name: g{n}"))));
    let agents = (0..8_000).map(|n| {
        format!("apiVersion: x\nkind: Agent\nmetadata: {{name: a{n}}}\nspec: {{sorces: {{}}, egressRefs: [{{gatewayRef: h{n}}}]}}\n---\n")
    });
    assert!(!refused(&names.chain(agents).collect::<String>()).is_empty());
    let listeners: String = (0..50_000).map(|n| format!("    - {{name: l{n}, protocol: TCP}}\n")).collect();
    assert_eq!(refused(&format!("{GATEWAY}{listeners}")), "a.yaml:71:8 a gateway has at most 64 listeners");
}

#[test]
fn duplicate_fields_name_both_places() {
    let told = mistakes(load(&[file("a.yaml", "kind: Agent\nkind: Agent\nmetadata: {name: a, name: b}\n")]));
    assert!(
        told.contains(&"a.yaml:2:1 field `kind` is given twice (the first is at a.yaml:1:1)".to_owned()),
        "{told:?}"
    );
    assert!(
        told.contains(&"a.yaml:3:21 field `name` is given twice (the first is at a.yaml:3:12)".to_owned()),
        "{told:?}"
    );
}

#[test]
fn tabs_and_broken_syntax_are_told_where_they_stand() {
    assert_eq!(refused("a:\n\tb: c\n"), "a.yaml:2:1 a tab cannot indent (indent with spaces)");
    assert!(refused("a: [b\nc: d\n").starts_with("a.yaml:2:"), "{}", refused("a: [b\nc: d\n"));
    assert!(refused("a: 'b\n").starts_with("a.yaml:"));
}

#[test]
fn too_many_files_or_bytes_are_refused() {
    let many: Vec<SourceFile> = (0..=limits::POLICY_FILES).map(|n| file(&n.to_string(), "")).collect();
    assert!(mistakes(load(&many))[0].contains("there are 4097 policy files, more than 4096"));
    let large = SourceFile::new("a", vec![b'#'; 4 << 20]);
    assert!(mistakes(load(&vec![large; 9]))[0].contains("37748736 bytes together, more than 33554432"));
}

#[test]
fn what_a_message_quotes_cannot_steer_a_terminal() {
    let report = load(&[file("a.yaml", "\"a\\e[31m\": 1\nkind: \"x\\u202Ey\"\n")]).expect_err("refused");
    assert!(!report.render(false).contains('\u{1b}'));
}

/// A valid set with one stretch cut, doubled or overwritten.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let base = GATEWAY.len();
    (0..base, 0..base, prop::collection::vec(any::<u8>(), 0..6), any::<bool>()).prop_map(
        |(a, b, new, ascii)| {
            let (start, end) = (a.min(b), a.max(b).min(a.min(b) + 12));
            let mut bytes = GATEWAY.as_bytes().to_vec();
            let new: Vec<u8> = if ascii {
                new.iter().map(|byte| b"\n\t :-[]{}\"'&*!|>%#,?~0a"[*byte as usize % 23]).collect()
            } else {
                new
            };
            bytes.splice(start..end, new);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_loader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = load(&[SourceFile::new("a", bytes)]).map_err(|report| report.to_string());
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "[ \\t\\r\\na-c:\\-{}\\[\\]\"'&*!|>%#,?~0-9é\u{2028}]{0,200}") {
        let _ = load(&[SourceFile::new("a", text.into_bytes())]).map_err(|report| report.to_string());
    }

    #[test]
    fn no_damaged_document_makes_the_loader_panic(bytes in mutated()) {
        let _ = load(&[SourceFile::new("a", bytes.clone())]).map_err(|report| report.to_string());
        let _ = crate::model::manifest::load(&[SourceFile::new("b", bytes)]);
    }
}
