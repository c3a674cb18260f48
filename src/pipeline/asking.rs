//! Rules that ask for findings, where a message goes on before all of it has come: a call of gRPC, a WebSocket. They are asked by
//! the head first, and again whenever something more is found, before what it stands in goes on.
//!
//! Nobody waits for an end that may never come. What is found adds up over the whole of it, as it would in a body that is held.
//! Read next: `looking.rs`, `decide/dlp/passing.rs`.

use std::rc::Rc;
use std::sync::Arc;

use super::case;
use super::site::Site;
use super::underway::Underway;
use crate::decide::dlp::{ByRules, Inspection, Match, Told};
use crate::model::condition::{Content, Finding};
use crate::model::types::Decision;
use crate::model::types::limits::DLP_MATCHES;

/// What rules see of what was found.
pub fn shown<'m>(plan: &Inspection, found: impl IntoIterator<Item = &'m Match>) -> Vec<Finding> {
    let shown = found.into_iter().filter(|found| plan.shows(found)).map(|found| Finding {
        class: found.class,
        detector: found.detector.as_str().into(),
        confidence: f64::from(found.confidence),
    });
    shown.collect()
}

/// Asks the rules that a request was let through by, with what was found in its head and what is found from now on.
pub fn rules(site: &Rc<Site>, underway: &Rc<Underway>, plan: &Arc<Inspection>, told: &Rc<Told>) -> ByRules {
    let (site, underway, plan, told) = (site.clone(), underway.clone(), plan.clone(), told.clone());
    let mut found = underway.content.findings.clone().unwrap_or_default();
    Box::new(move |matches| {
        let before = found.len();
        for one in shown(&plan, matches) {
            // Past the bound only what is of another kind counts.
            if found.len() < DLP_MATCHES || !found.contains(&one) {
                found.push(one);
            }
        }
        if found.len() == before {
            return Ok(());
        }
        let content = Content { findings: Some(found.clone()), ..underway.content.clone() };
        let clearance = case::judged(&site, &underway, &content)?;
        underway.tempo.set(site.tempo(&clearance));
        let (decision, by) = clearance.speaks();
        if decision == Decision::Alert {
            // The first one speaks.
            let _ = told.alert.set(by.policy.clone());
        }
        Ok(())
    })
}
