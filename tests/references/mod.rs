//! The documents that the references print: each loads, or is refused with the reason that stands here.
//!
//! Those of `clrk-core-concepts` stand as they are printed; the others had lost their indentation. The table gets
//! stricter as engines arrive: a row that says less than what the loader does now fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clawgress::model::manifest::kinds::{KINDS, Standing};
use clawgress::model::manifest::{SourceFile, load};

/// What becomes of a reference's file.
enum Fate {
    /// It loads beside its companions.
    Loads,
    /// Every document in it is of a kind without an engine, and that is all that is said.
    NotYet,
    /// These things are said: `line:column message`. None may be a whole kind's `not yet enforced`.
    Told(&'static [&'static str]),
}

use Fate::{Loads, NotYet, Told};

/// What documents name that stands elsewhere.
const GATEWAYS: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: NAME}
spec: {listeners: [{name: egress, protocol: TLS, tls: {mode: Terminate}}]}
";
const GITHUB: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: github}
spec: {parentRefs: [{name: default}], rules: [{matches: [{destinationHostnames: [github.com]}]}]}
";
const MY_AGENT: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: my-agent}
spec: {sources: {addresses: [192.0.2.7/32]}}
";

const HELLO: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: hello}
spec: {sources: {addresses: [192.0.2.8/32]}}
";

const ANTHROPIC: &str = "
apiVersion: clawgress.io/v1alpha1
kind: AIProviderRoute
metadata: {name: anthropic}
spec: {parentRefs: [{name: echo-bot}], rules: [{matches: [{provider: anthropic}]}]}
";

/// File below `tests/references`, the documents it needs beside it, what becomes of it.
const TABLE: &[(&str, &[&str], Fate)] = &[
    ("clrk-core-concepts/aiproviderroute.yaml", &["echo-bot"], Loads),
    ("clrk-core-concepts/credentialinjectionpolicy.yaml", &["echo-bot", ANTHROPIC], Loads),
    ("clrk-core-concepts/daemonagent.yaml", &["echo-bot"], NotYet),
    ("clrk-core-concepts/egressdenypolicy.yaml", &["default", GITHUB], Loads),
    ("clrk-core-concepts/egressgateway.yaml", &[], Told(&["12:3 `otlp` is not yet enforced"])),
    ("clrk-core-concepts/egressl4route.yaml", &["echo-bot"], Loads),
    ("clrk-core-concepts/loggingpolicy.yaml", &[], NotYet),
    ("clrk-core-concepts/mcproute.yaml", &["echo-bot"], Loads),
    ("clrk-core-concepts/ratelimitpolicy.yaml", &[], Loads),
    ("clrk-core-concepts/taskagent.yaml", &["default-egress"], NotYet),
    ("clrk-core-concepts/workerpool.yaml", &[], NotYet),
    ("clrk-hide-credentials/gateway.yaml", &[], Told(&["15:3 `otlp` is not yet enforced"])),
    ("clrk-hide-credentials/injection.yaml", &["echo-bot", ANTHROPIC], Loads),
    ("clrk-hide-credentials/route.yaml", &["echo-bot"], Loads),
    ("clrk-hide-credentials/secret.yaml", &[], Told(&["4:7 `Secret` is not accepted in policy files"])),
    ("clrk-lock-down-egress/allowlist.yaml", &[], Loads),
    ("clrk-lock-down-egress/customer-data.yaml", &["prod-agents"], Loads),
    ("clrk-lock-down-egress/internal-only.yaml", &["prod-agents"], Loads),
    ("clrk-lock-down-egress/only-anthropic.yaml", &["prod-agents"], Loads),
    ("clrk-lock-down-egress/wildcards-and-cidrs.yaml", &["prod-agents"], Loads),
    ("kars-crd-reference/a2aagent.yaml", &[], NotYet),
    ("kars-crd-reference/egressapproval.yaml", &["default", MY_AGENT], Loads),
    ("kars-crd-reference/hello.yaml", &["default", HELLO], Told(&["15:7 `KarsSandbox` is not yet enforced"])),
    ("kars-crd-reference/inferencepolicy.yaml", &["default", MY_AGENT], Loads),
    ("kars-crd-reference/karsauthconfig.yaml", &[], NotYet),
    ("kars-crd-reference/karseval.yaml", &[], NotYet),
    ("kars-crd-reference/karsmemory.yaml", &[], NotYet),
    ("kars-crd-reference/karssandbox-hermes.yaml", &[], NotYet),
    ("kars-crd-reference/karssandbox.yaml", &[], NotYet),
    (
        "kars-crd-reference/mcpserver.yaml",
        &["default"],
        Told(&[
            "8:19 `productionMode: true` is not yet enforced",
            "9:3 `oauth` is not yet enforced",
            "14:3 `scopes` is not yet enforced",
        ]),
    ),
    (
        "kars-crd-reference/toolpolicy-commerce.yaml",
        &[],
        Told(&[
            "9:3 `commerce` is not yet enforced",
            "16:11 `mode: aboveThreshold` is not yet enforced",
            "17:5 `threshold` is not yet enforced",
            "18:5 `channel` is not yet enforced",
        ]),
    ),
    (
        "kars-crd-reference/toolpolicy.yaml",
        &[],
        Told(&["13:5 `channel` is not yet enforced", "18:3 `agtProfile` is not yet enforced"]),
    ),
    ("kars-crd-reference/trustgraph.yaml", &[], NotYet),
];

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/references"))
}

/// A companion is a document, or the name of a gateway.
fn companion(text: &str) -> SourceFile {
    let text = if text.contains('\n') { text.to_owned() } else { GATEWAYS.replace("NAME", text) };
    SourceFile::new("companion.yaml", text.into_bytes())
}

/// What is said of a file beside its companions: `line:column message`.
fn told(path: &str, companions: &[&str]) -> Vec<String> {
    let bytes = fs::read(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut files = vec![SourceFile::new(path, bytes)];
    files.extend(companions.iter().map(|text| companion(text)));
    let Err(report) = load(&files) else { return Vec::new() };
    let line = |error: &clawgress::model::manifest::Diagnostic| {
        assert_eq!(&*error.file, path, "{}", error.message);
        format!("{}:{} {}", error.line, error.column, error.message)
    };
    report.errors.iter().map(line).collect()
}

/// The kinds in a file, in order.
fn kinds(path: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(path)).expect("a file of a reference");
    text.lines().filter_map(|line| line.strip_prefix("kind: ")).map(str::to_owned).collect()
}

#[test]
fn every_document_of_a_reference_loads_or_is_refused_with_its_reason() {
    for (path, companions, fate) in TABLE {
        let told = told(path, companions);
        match fate {
            Loads => assert!(told.is_empty(), "{path} must load: {told:#?}"),
            NotYet => {
                let kinds = kinds(path);
                for kind in &kinds {
                    let waits = KINDS.contains(&(kind, Standing::NotYet));
                    assert!(waits, "`{kind}` has an engine now: the row of {path} must say what it does");
                }
                let said: Vec<_> = told.iter().map(|line| line.split_once(' ').expect("a place").1).collect();
                let whole: Vec<_> =
                    kinds.iter().map(|kind| format!("`{kind}` is not yet enforced")).collect();
                assert_eq!(said, whole, "{path}");
            }
            Told(expected) => assert_eq!(&told, expected, "{path}"),
        }
    }
}

#[test]
fn every_file_of_the_references_has_a_row() {
    let mut found = BTreeSet::new();
    for reference in
        fs::read_dir(folder()).expect("the references").map(|entry| entry.expect("an entry").path())
    {
        for file in fs::read_dir(&reference).into_iter().flatten() {
            let path = file.expect("a file").path();
            found.insert(path.strip_prefix(folder()).expect("below").to_string_lossy().into_owned());
        }
    }
    let rows: BTreeSet<String> = TABLE.iter().map(|(path, ..)| (*path).to_owned()).collect();
    assert_eq!(found, rows);
}
