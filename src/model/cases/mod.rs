//! Policy tests as documents: who asks what, and what must come of it. `kind: PolicyTest`, in files named `*.test.yaml`
//! next to the policies they are about.
//!
//! The same strict reader as for policies: every mistake at once, with its place. It never judges a case; that is done
//! where `clawgress test` asks policy.

mod read;

use std::sync::Arc;

use crate::model::condition::Content;
use crate::model::types::{Decision, Reason, Timestamp};

pub use read::read;

/// How the names of files with policy tests end. The loader of policies leaves them out.
pub const ENDINGS: [&str; 2] = [".test.yaml", ".test.yml"];

/// One document of tests.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyTest {
    /// Its file.
    pub file: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `spec.policies`: files beside this one whose documents are the set; all of them where it names none.
    pub policies: Vec<Arc<str>>,
    /// `spec.cases`.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it claims, in words.
    pub name: Arc<str>,
    /// Line of its first key, from 1.
    pub line: usize,
    /// Who asks.
    pub agent: Arc<str>,
    /// HTTP method, where `ask` begins with one.
    pub method: Option<String>,
    /// `https://...`, `HOST:PORT`, `udp://HOST:PORT` or `dns://NAME`.
    pub target: String,
    /// Header fields of a request.
    pub headers: Vec<(String, String)>,
    /// What the request carries, where the case says so.
    pub content: Option<Content>,
    /// When; some moment where absent.
    pub at: Option<Timestamp>,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a case; what is absent may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The decision, in the word of records. `Allow` stands for whatever goes out, and `Deny` for whatever does not; the
    /// others for themselves alone.
    pub decision: Decision,
    /// The code, for a refusal.
    pub reason: Option<Reason>,
    /// `Kind/name` of the document that decides; for `Allow` the one that lets it through, whatever rules bind it.
    pub policy: Option<Arc<str>>,
    /// The rule in it.
    pub rule: Option<Arc<str>>,
}

impl Expected {
    /// Whether this word of a record is what was expected.
    pub fn is_met_by(&self, decision: Decision) -> bool {
        match self.decision {
            Decision::Allow => !decision.refuses(),
            Decision::Deny => decision.refuses(),
            other => decision == other,
        }
    }
}
