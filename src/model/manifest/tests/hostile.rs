//! Input made to hurt: bounded work, a clear refusal, never a panic.

use proptest::prelude::*;

use super::super::source::Source;
use super::super::tree::{self, Node, Value};
use super::{GATEWAY, SourceFile, file, mistakes, told};
use crate::model::manifest::load;
use crate::model::types::limits;

/// The first mistake of a file that must not load. What is said of it is bounded.
fn refused(text: &str) -> String {
    let report = load(&[file("a.yaml", text)]).expect_err("the file does not load");
    assert!(report.errors.len() <= limits::POLICY_MISTAKES);
    let said = report.render(false).len();
    assert!(said < limits::POLICY_MISTAKES * 4096, "{said} bytes are said");
    told(&report).swap_remove(0)
}

/// Keys and values of a tree.
fn nodes(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(nodes).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| 1 + nodes(node)).sum(),
        _ => 0,
    }
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
    let told = mistakes(load(&[file("a.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n")]));
    for expected in [
        "a.yaml:1:7 anchors are not accepted (remove it, and write the value out)",
        "a.yaml:2:8 aliases are not accepted (write the value out)",
        "a.yaml:3:9 aliases are not accepted (write the value out)",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected}: {told:#?}");
    }
    let bomb =
        (1..400).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)).collect::<String>();
    assert!(!refused(&format!("a0: &a0 [x, x]\n{bomb}")).is_empty());
    assert!(refused("a: *nobody\n").contains("aliases are not accepted"));
    let tagged = mistakes(load(&[file("a.yaml", "a: !!binary aGk=\n")]));
    assert!(tagged[1].contains("tags are not accepted"), "{tagged:?}");
    assert!(refused("%YAML 1.1\n---\na: b\n").contains("directives are not accepted"));
}

#[test]
fn large_files_are_refused_or_judged_within_their_bounds() {
    assert!(refused(&"a".repeat(10 << 20)).contains("more than 4194304"));
    assert!(refused(&format!("[{}]", "1,".repeat(600_000))).contains("more than 524288 keys and values"));
    assert!(refused(&"--- {a: b}\n".repeat(100_000)).contains("lacks the field `kind`"));
    assert!(refused(&"---\n...\n".repeat(100_000).replacen("---", "--- a", 1)).contains("must be a mapping"));
    let networks: String =
        (0..200_000).map(|n| format!("10.{}.{}.{}/32,", n >> 16, n >> 8 & 255, n & 255)).collect();
    let agent = GATEWAY.replace("kind: EgressGateway", "kind: Agent");
    let agent = agent.split("spec:").next().unwrap_or_default();
    let long_line = format!("{agent}spec: {{sources: {{addresses: [{networks}]}}, team: 7}}");
    assert!(refused(&long_line).contains("a.yaml:4:18 agent `default` has no gateway"));
    let keys: String = (0..200_000).map(|n| format!("k{n}: 1\n")).collect();
    assert!(!refused(&keys).is_empty());
    let same = "k: 1\n".repeat(200_000);
    assert!(refused(&same).contains("field `k` is given twice"));
    assert!(!refused(&"\"".repeat(3 << 20)).is_empty());
    assert!(!refused(&"a: |\n".repeat(100_000)).is_empty());
    assert!(!refused(&"--- a\n".repeat(100_000)).is_empty());
    assert!(!refused(&format!("kind: {}", "x".repeat(3 << 20))).is_empty());
}

#[test]
fn a_file_that_is_too_large_hides_no_mistake_of_another() {
    let large = SourceFile::new("b.yaml", vec![b'#'; (4 << 20) + 1]);
    let wrong = file("a.yaml", &GATEWAY.replace("protocol: TCP", "protocol: TPC"));
    assert_eq!(
        mistakes(load(&[large, wrong])),
        [
            "a.yaml:7:29 unknown `protocol` `TPC` (did you mean `TCP`?)",
            "b.yaml:1:1 the file has more than 4194304 bytes (split it into several files)"
        ]
    );
}

#[test]
fn no_more_than_the_bound_is_held_of_a_file() {
    for text in ["- 1\n".repeat(600_000), "k: 1\n".repeat(200_000), "--- {a: b}\n".repeat(200_000)] {
        let written = file("a.yaml", &text);
        let source = Source::read(&written).expect("text");
        let mut budget = limits::POLICY_NODES;
        let (documents, faults) = tree::parse(&source, &mut budget);
        assert!(documents.iter().map(nodes).sum::<usize>() <= limits::POLICY_NODES);
        let report = faults.into_report(1).expect("mistakes");
        assert!((1..=limits::POLICY_MISTAKES).contains(&report.errors.len()), "{}", report.errors.len());
    }
}

#[test]
fn mistakes_beyond_the_bound_are_counted_wherever_they_are_found() {
    let same = format!("{GATEWAY}{}", "spec: 1\n".repeat(500));
    let report = load(&[file("a.yaml", &same)]).expect_err("refused");
    assert_eq!(report.summary(), "500 errors in 1 of 1 file, the first 200 shown");
}

#[test]
fn of_many_documents_full_of_mistakes_a_bounded_part_is_told() {
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
fn every_way_to_end_a_line_and_a_byte_order_mark_mean_the_same() {
    let digest =
        |text: &str| load(&[file("a.yaml", text)]).unwrap_or_else(|report| panic!("{report}")).digest;
    let plain = digest(GATEWAY);
    assert_eq!(digest(&GATEWAY.replace('\n', "\r\n")), plain);
    assert_eq!(digest(&format!("\u{feff}{GATEWAY}")), plain);
    assert_eq!(digest(&format!("---\n{GATEWAY}...\n---\n# nothing\n...\n")), plain);
    let broken = GATEWAY.replace("TCP", "TPC").replace('\n', "\r\n");
    assert_eq!(refused(&broken), "a.yaml:7:29 unknown `protocol` `TPC` (did you mean `TCP`?)");
}

#[test]
fn what_is_no_text_is_refused_where_it_stands() {
    let wide: Vec<u8> = GATEWAY.trim_start().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = [GATEWAY.as_bytes(), b"# f\xfcr alle\n"].concat();
    for (bytes, expected) in [
        (wide, "a.yaml:1:1 the file is UTF-16 or UTF-32 text (save it as UTF-8)"),
        (latin, "a.yaml:11:4 byte 0xfc is not valid UTF-8 (save the file as UTF-8)"),
        (
            b"kind: Ag\0ent\n".to_vec(),
            "a.yaml:1:9 control character U+0000 in the text (a file with zero bytes is no text; was it saved by another program?)",
        ),
        (
            b"\x1f\x8b\x08".to_vec(),
            "a.yaml:1:1 control character U+001F in the text (remove it; in a quoted string it can be written as an escape such as `\\t`)",
        ),
    ] {
        assert_eq!(mistakes(load(&[SourceFile::new("a.yaml", bytes)])), [expected]);
    }
}

#[test]
fn too_many_files_or_bytes_are_refused() {
    let many: Vec<SourceFile> = (0..=limits::POLICY_FILES).map(|n| file(&n.to_string(), "")).collect();
    assert!(mistakes(load(&many))[0].contains("there are 4097 policy files, more than 4096"));
    let large = SourceFile::new("a", vec![b'#'; 4 << 20]);
    assert!(mistakes(load(&vec![large; 9]))[0].contains("more than 33554432 bytes together"));
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
