//! What documents say of findings: what is looked for beside the catalogue, and what becomes of what is found.

use std::sync::Arc;

use super::{Origin, PolicyTarget};
use crate::model::types::{FindingAction, FindingClass, FindingWays};

/// `kind: DLPPolicy`.
#[derive(Debug, Clone)]
pub struct DlpPolicy {
    /// `spec.targetRef`; absent means every gateway.
    pub target: Option<PolicyTarget>,
    /// `spec.classes`, and an entry for each detector of the document that says by itself what becomes of its findings.
    pub classes: Vec<ClassRule>,
    /// `spec.custom`: what is looked for beside the catalogue; names unique in the set.
    pub custom: Vec<CustomDetector>,
    /// `spec.unscannable`: whether what cannot be inspected is refused.
    pub blocks_unscannable: bool,
    /// `spec.overHold`: whether a body that is longer than what is held is refused.
    pub blocks_over_hold: bool,
    /// Where it stands.
    pub origin: Origin,
}

/// What becomes of the findings of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassRule {
    /// `class`.
    pub class: FindingClass,
    /// `action`.
    pub action: FindingAction,
    /// `minConfidence`: below it a finding is none.
    pub least: f32,
    /// `direction`.
    pub ways: FindingWays,
    /// `detectors`: whose findings alone; empty for all of the class.
    pub detectors: Vec<Arc<str>>,
    /// `examples`: whether placeholders and documentation values count.
    pub examples: bool,
}

/// A detector of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomDetector {
    /// `name`.
    pub name: Arc<str>,
    /// `class`; `custom` unless said otherwise.
    pub class: FindingClass,
    /// What it finds.
    pub finds: Finds,
}

/// What a detector of a document finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finds {
    /// `pattern`: what a regular expression matches.
    Pattern(Arc<str>),
    /// `words`: any of these, in whatever case.
    Words(Vec<Arc<str>>),
}
