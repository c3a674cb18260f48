//! `clawgress.yaml` as checked settings, one file per group.
//!
//! The same strict reader as for policy documents: every mistake at once, with its place. A setting that nothing
//! enforces yet is refused, never ignored. Read next: `intercept.rs`.

use std::cell::RefCell;

pub mod intercept;
pub mod resolvers;
pub mod dns;
pub mod folders;
pub mod upstream;
pub mod authority;
pub mod ledger;
pub mod approvals;
pub mod quota;
pub mod dlp;

pub use approvals::Approvals;
pub use authority::Authority;
pub use dlp::Dlp;
pub use dns::{Dns, DnsServer, DnsTransport};
pub use folders::Folders;
pub use intercept::{Echo, Intercept};
pub use ledger::{Durability, Ledger};
pub use quota::Quota;
pub use resolvers::{Resolver, Resolvers};
pub use upstream::Upstream;

use crate::model::manifest::fields::{Fields, Item};
use crate::model::manifest::json_schema::json_schema;
use crate::model::manifest::report::{Diagnostic, Mistakes, Report};
use crate::model::manifest::schema::{Field, Object, Shape, words};
use crate::model::manifest::scope::Scope;
use crate::model::manifest::source::{Place, Source, SourceFile};
use crate::model::manifest::tree::{self, Node};
use crate::model::manifest::values;
use crate::model::types::{FailMode, limits};

/// Where the settings stand unless the command line says otherwise.
pub const DEFAULT_PATH: &str = "/etc/clawgress/clawgress.yaml";

const VERSIONS: [(&str, ()); 1] = [("clawgress.io/v1alpha1", ())];
const KINDS: [(&str, ()); 1] = [("ClawgressConfig", ())];
const FAIL_MODES: [(&str, FailMode); 2] = [("closed", FailMode::Closed), ("open", FailMode::Open)];

/// The whole file.
static DOCUMENT: Object = Object::new(
    "The daemon's settings.",
    &[
        Field::required("apiVersion", Shape::choice(&words(&VERSIONS)), "The group."),
        Field::required("kind", Shape::choice(&words(&KINDS)), "What the document is."),
        Field::optional("metadata", Shape::Object(&METADATA), "What it is called, for people."),
        Field::required("spec", Shape::Object(&SPEC), "The settings."),
        Field::optional("status", Shape::Anything, "Accepted and not read."),
    ],
);

/// As documents have it, but for the name, which nothing refers to.
static METADATA: Object = Object::new(
    "What the settings are called, for people.",
    &[
        Field::optional("name", Shape::Text(&values::NAME), "A name."),
        Field::optional("namespace", Shape::Text(&values::NAME), "Accepted and without meaning."),
        Field::optional("labels", values::LABELS, "Labels, without meaning."),
        Field::optional(
            "annotations",
            Shape::Map { keys: &values::ANY, values: &values::ANY },
            "Texts for people, without meaning.",
        ),
    ],
);

static SPEC: Object = Object::new(
    "The daemon's settings.",
    &[
        Field::optional(
            "failMode",
            Shape::choice(&words(&FAIL_MODES)),
            "What the kernel does with workload traffic while the daemon is not there.",
        )
        .by_default("closed"),
        Field::required("intercept", Shape::Object(&intercept::SPEC), "Whose traffic is taken."),
        Field::not_yet("explicitProxy", "Where clients are served that are told of a proxy."),
        Field::optional("dns", Shape::Object(&dns::SPEC), "Who is asked for names."),
        Field::optional(
            "upstream",
            Shape::Object(&upstream::SPEC),
            "Whom the gateway trusts when it dials out.",
        ),
        Field::optional(
            "authority",
            Shape::Object(&authority::SPEC),
            "A certificate authority of your own; without it the gateway makes one.",
        ),
        Field::optional("policyDir", Shape::Text(&folders::PATH), "The folder of the policy documents.")
            .by_default(folders::POLICY_DIR),
        Field::optional(
            "stateDir",
            Shape::Text(&folders::PATH),
            "The folder of ledger, journal and authority.",
        )
        .by_default(folders::STATE_DIR),
        Field::optional("runtimeDir", Shape::Text(&folders::PATH), "The folder of the admin socket.")
            .by_default(folders::RUNTIME_DIR),
        Field::optional("ledger", Shape::Object(&ledger::SPEC), "How records are kept."),
        Field::optional("approvals", Shape::Object(&approvals::SPEC), "How long approvals may last."),
        Field::optional("quota", Shape::Object(&quota::SPEC), "How use is counted."),
        Field::optional("dlp", Shape::Object(&dlp::SPEC), "How messages are inspected."),
        Field::optional("admin", Shape::Object(&ADMIN), "Where people and programs look in."),
    ],
);

static ADMIN: Object = Object::new(
    "Where people and programs look in.",
    &[
        Field::not_yet("dashboard", "The address of the dashboard."),
        Field::not_yet("metrics", "The address of the metrics."),
    ],
);

/// The settings as JSON Schema.
pub fn schema() -> serde_json::Value {
    json_schema("ClawgressConfig", &DOCUMENT, &SPEC)
}

/// Everything the daemon is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What the kernel does with workload traffic while the daemon is not there.
    pub fail_mode: FailMode,
    /// Whose traffic is taken.
    pub intercept: Intercept,
    /// Who is asked for names.
    pub dns: Dns,
    /// Whom the gateway trusts.
    pub upstream: Upstream,
    /// A certificate authority of the operator's own.
    pub authority: Option<Authority>,
    /// Where documents, state and sockets are.
    pub folders: Folders,
    /// How records are kept.
    pub ledger: Ledger,
    /// How long approvals may last.
    pub approvals: Approvals,
    /// How use is counted.
    pub quota: Quota,
    /// How messages are inspected.
    pub dlp: Dlp,
}

/// Reads the settings.
///
/// # Errors
/// A report of every mistake, ordered by place.
pub fn parse(file: &SourceFile) -> Result<Config, Report> {
    let source = Source::read(file).map_err(|fault| Report::of(Diagnostic::from(*fault), 1))?;
    let mut budget = limits::POLICY_NODES;
    let (documents, faults) = tree::parse(&source, &mut budget);
    let mistakes = RefCell::new(Mistakes::default());
    let broken = !faults.is_empty();
    mistakes.borrow_mut().take_over(faults);
    let scope = Scope::new(&source, &mistakes);
    let config = documents.first().and_then(|node| document(scope, node));
    if let Some(second) = documents.get(1) {
        let item = Item::document(scope, second);
        item.mistake_hint(
            "a second document",
            "the settings are one document; policies stand in `policyDir`",
        );
    }
    if documents.is_empty() && !broken {
        let start = Place { file: file.path.clone(), line: 1, column: 1 };
        let hint = "it has `apiVersion`, `kind: ClawgressConfig` and `spec`";
        mistakes.borrow_mut().add(|| Diagnostic::bare(start, "the file has no document").hint(hint));
    }
    match (mistakes.into_inner().into_report(1), config) {
        (None, Some(config)) => Ok(config),
        (Some(report), _) => Err(report),
        (None, None) => {
            let start = Place { file: file.path.clone(), line: 1, column: 1 };
            Err(Report::of(Diagnostic::bare(start, "the settings cannot be read"), 1))
        }
    }
}

fn document(scope: Scope<'_>, node: &Node) -> Option<Config> {
    let document = Item::document(scope, node);
    let fields = document.object(&DOCUMENT)?;
    fields.required("apiVersion").and_then(|item| item.choice(&VERSIONS));
    fields.required("kind").and_then(|item| item.choice(&KINDS));
    metadata(&fields);
    spec(&fields.required("spec")?)
}

/// Accepted, checked for its shape, and without a meaning.
fn metadata(document: &Fields<'_>) {
    let Some(item) = document.get("metadata") else { return };
    let Some(fields) = item.object(&METADATA) else { return };
    for name in ["name", "namespace"] {
        fields.get(name).and_then(|item| values::name(&item));
    }
    fields.get("labels").map(|item| values::labels(&item));
}

fn spec(item: &Item<'_>) -> Option<Config> {
    let fields = item.object(&SPEC)?;
    fields.get("admin").and_then(|item| item.object(&ADMIN));
    // Every group is read before any of them can end it, so that all mistakes are found.
    let fail_mode = match fields.get("failMode") {
        Some(item) => item.choice(&FAIL_MODES),
        None => Some(FailMode::default()),
    };
    let intercept = fields.required("intercept").and_then(|item| intercept::read(&item));
    let dns = fields.get("dns").map_or_else(|| Some(Dns::default()), |item| dns::read(&item));
    let upstream =
        fields.get("upstream").map_or_else(|| Some(Upstream::default()), |item| upstream::read(&item));
    let authority = fields.get("authority").map_or(Some(None), |item| authority::read(&item).map(Some));
    let folders = folders::read(&fields);
    let ledger = fields.get("ledger").map_or_else(|| Some(Ledger::default()), |item| ledger::read(&item));
    let approvals =
        fields.get("approvals").map_or_else(|| Some(Approvals::default()), |item| approvals::read(&item));
    let quota = fields
        .get("quota")
        .map_or_else(|| Some(Quota::default()), |item| quota::read(&item, folders.as_ref()));
    let dlp = fields.get("dlp").map_or_else(|| Some(Dlp::default()), |item| dlp::read(&item));
    Some(Config {
        fail_mode: fail_mode?,
        intercept: intercept?,
        dns: dns?,
        upstream: upstream?,
        authority: authority?,
        folders: folders?,
        ledger: ledger?,
        approvals: approvals?,
        quota: quota?,
        dlp: dlp?,
    })
}

#[cfg(test)]
mod tests;
