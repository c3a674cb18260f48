//! What documents say of findings, as sentences: one for each class and each detector.

use super::Sentences;
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{ClassRule, CustomDetector, Finds};
use crate::model::types::FindingWays;

/// `Agent/alice: Block of keys on the way out, from a confidence of 0.5 on`
pub(super) fn dlp(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.dlp_policies.get(name)?;
    let whose = policy.target.as_ref().map_or_else(|| "every gateway".to_owned(), ToString::to_string);
    let mut all: Vec<String> = policy.classes.iter().map(|one| format!("{whose}: {}", rule(one))).collect();
    all.extend(policy.custom.iter().map(detector));
    if policy.blocks_unscannable {
        all.push(format!("{whose}: refuses what cannot be inspected"));
    }
    if policy.blocks_over_hold {
        all.push(format!("{whose}: refuses bodies that are longer than what is held"));
    }
    Some(all.into_iter().collect())
}

fn rule(rule: &ClassRule) -> String {
    let way = match rule.ways {
        FindingWays::Outbound => "on the way out",
        FindingWays::Inbound => "on the way in",
        FindingWays::Both => "either way",
    };
    let by = match &rule.detectors[..] {
        [] => String::new(),
        detectors => format!(" by {}", detectors.join(", ")),
    };
    let examples = if rule.examples { ", examples too" } else { "" };
    let (action, class, least) = (rule.action.as_str(), rule.class.as_str(), rule.least);
    format!("{action} of {class}{by} {way}, from a confidence of {least} on{examples}")
}

fn detector(one: &CustomDetector) -> String {
    let what = match &one.finds {
        Finds::Pattern(pattern) => format!("what matches `{pattern}`"),
        Finds::Words(words) => format!("`{}`", words.join("`, `")),
    };
    format!("the detector {} finds {what} as {}", one.name, one.class.as_str())
}
