//! The loader as its users see it: sets of files in, resources or a report out.

use super::source::SourceFile;
use super::{Report, Resources};

mod approvals;
mod credentials;
mod conformance;
mod models;
mod tools;
mod quotas;
mod findings;
mod mistakes;
mod policies;
mod sets;
mod mutations;
mod hostile;

/// A gateway that routes can hang on, for tests about something else.
const GATEWAY: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec:
  listeners:
    - {name: tcp, protocol: TCP}
    - {name: tls, protocol: TLS, tls: {mode: Terminate}}
    - {name: sni, protocol: TLS, tls: {mode: Passthrough}}
    - {name: web, protocol: HTTP}
";

/// An agent, and routes on that gateway, for policies that are about them.
const REST: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice}
spec: {team: red, sources: {addresses: [10.77.0.2/32]}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: blind}
spec: {parentRefs: [{name: default, sectionName: tcp}], rules: [{matches: [{ports: [{port: 22}]}]}]}
---
apiVersion: clawgress.io/v1alpha1
kind: AIProviderRoute
metadata: {name: models}
spec: {parentRefs: [{name: default}], rules: [{matches: [{provider: openai}]}]}
";

/// Loads, and holds the answer against the JSON Schema of each document.
fn load(files: &[SourceFile]) -> Result<Resources, Report> {
    let answer = super::load(files);
    conformance::compare(files, &answer);
    answer
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile::new(path, text.as_bytes())
}

/// A document with head and `spec` on lines from 4 on, beside the gateway in a file of its own.
fn with_gateway(kind: &str, spec: &str) -> Result<Resources, Report> {
    let text =
        format!("apiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n{spec}\n");
    load(&[file("a.yaml", &text), file("gateway.yaml", GATEWAY)])
}

/// A document of one line, beside the gateway and [`REST`].
fn set(kind: &str, spec: &str) -> Result<Resources, Report> {
    let text =
        format!("apiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n");
    load(&[file("a.yaml", &text), file("gateway.yaml", GATEWAY), file("rest.yaml", REST)])
}

/// What is wrong with it, without the places.
fn said(kind: &str, spec: &str) -> Vec<String> {
    let all = mistakes(set(kind, spec));
    all.iter().map(|line| line.split_once(' ').expect("a place").1.to_owned()).collect()
}

/// Every mistake as `file:line:column message (hint)`.
fn told(report: &Report) -> Vec<String> {
    let lines = report.errors.iter().map(|error| {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{}:{} {}{hint}", error.file, error.line, error.column, error.message)
    });
    lines.collect()
}

/// The mistakes of a set that must not load.
fn mistakes(result: Result<Resources, Report>) -> Vec<String> {
    told(&result.expect_err("the set does not load"))
}
