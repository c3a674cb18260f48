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
