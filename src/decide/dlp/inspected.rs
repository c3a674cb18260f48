//! What becomes of a message by what was found in it: it goes, it goes with other characters in some places, or it does not go.
//!
//! [`Judgement`] takes in the findings of each part of a message; [`Inspected`] is the proof that all that policies ask for was
//! looked for, or that none asks. No request is recorded as allowed without it. Never keeps a text. Read next: `passing.rs`, for
//! what goes out while it is looked into.

use std::sync::Arc;

use super::inspect::{Findings, Match};
use super::plan::Inspection;
use super::unhide::Unreadable;
use super::words::{self, Counts, Unread};
use crate::model::types::{Denial, Direction, FindingAction, PolicyRef, Sighting, Sightings};

/// Proof that what a message carries was looked into as far as policies ask for it, and that it may go. Made by
/// [`Judgement::finish`] alone.
#[derive(Debug)]
#[must_use]
pub struct Inspected {
    alert: Option<PolicyRef>,
}

impl Inspected {
    /// The policy that raises an alert, where one does.
    pub fn alert(&self) -> Option<&PolicyRef> {
        self.alert.as_ref()
    }
}

/// What was found in a message so far, and what policies say of it.
#[derive(Debug)]
pub struct Judgement {
    /// Nothing where no policy holds.
    plan: Option<Arc<Inspection>>,
    way: Direction,
    sightings: Sightings,
    blocked: Option<PolicyRef>,
    counts: Counts,
    /// Findings that would have to be redacted where nothing can be.
    fixed: Option<PolicyRef>,
    fixed_counts: Counts,
    unread: Option<Unread>,
    alert: Option<PolicyRef>,
}

/// Whether something else may stand in the place of a part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changeable {
    /// It may.
    Yes,
    /// It would ask for something else.
    No,
}

impl Judgement {
    /// Nothing was looked at yet of a message that goes this way.
    pub fn new(plan: Option<Arc<Inspection>>, way: Direction) -> Self {
        Self {
            plan,
            way,
            sightings: Sightings::default(),
            blocked: None,
            counts: Counts::default(),
            fixed: None,
            fixed_counts: Counts::default(),
            unread: None,
            alert: None,
        }
    }

    /// What was found in one part of it. Answers with what has to be redacted there.
    pub fn add(&mut self, found: &Findings, changeable: Changeable) -> Vec<Match> {
        // Of pictures and sound nothing is read; they are what people ask models about.
        let unread = found.unreadable.filter(|what| !matches!(what, Unreadable::Media(_)));
        self.unread = self.unread.or(unread.map(Unread::Content));
        let mut redacted = Vec::new();
        for one in &found.matches {
            if self.add_one(one, changeable) {
                redacted.push(one.clone());
            }
        }
        redacted
    }

    /// Some of it cannot be read.
    pub fn unread(&mut self, why: Unread) {
        self.unread = self.unread.or(Some(why));
    }

    /// Whether it has to be redacted.
    fn add_one(&mut self, found: &Match, changeable: Changeable) -> bool {
        let Some(plan) = self.plan.clone() else {
            self.note(found, None);
            return false;
        };
        let said = plan.action(found, self.way);
        let is_told = said.is_some() || plan.shows(found);
        let Some((action, policy)) = said else {
            if is_told {
                self.note(found, None);
            }
            return false;
        };
        self.note(found, Some(action));
        let first = |place: &mut Option<PolicyRef>| {
            place.get_or_insert_with(|| policy.clone());
        };
        match action {
            FindingAction::Block => {
                first(&mut self.blocked);
                self.counts.add(found, plan.is_custom(found));
            }
            FindingAction::Redact if changeable == Changeable::No => {
                first(&mut self.fixed);
                self.fixed_counts.add(found, plan.is_custom(found));
            }
            FindingAction::Redact => return true,
            FindingAction::Alert => first(&mut self.alert),
            FindingAction::HashLog => {}
        }
        false
    }

    fn note(&mut self, found: &Match, action: Option<FindingAction>) {
        self.sightings.add(Sighting {
            class: found.class,
            detector: Arc::from(found.detector.as_str()),
            confidence: found.confidence,
            action,
            location: found.location.to_string(),
            hash: found.hash.clone(),
        });
    }

    /// Adds what goes on record and was not told yet.
    pub fn tell(&mut self, to: &mut Sightings) {
        let Sightings { told, more } = std::mem::take(&mut self.sightings);
        told.into_iter().for_each(|one| to.add(one));
        to.more += more;
    }

    /// The policy that raises an alert, where one does.
    pub fn alert(&self) -> Option<&PolicyRef> {
        self.alert.as_ref()
    }

    /// What goes on record.
    pub fn sightings(&self) -> &Sightings {
        &self.sightings
    }

    /// Refuses what is longer than may be held, where a policy says so.
    ///
    /// # Errors
    /// `dlp.blocked`.
    pub fn check_length(&self, agent: &str, (length, most): (u64, u64)) -> Result<(), Denial> {
        let policy = self.plan.as_ref().and_then(|plan| plan.over_hold(self.way));
        match policy.filter(|_| length > most) {
            Some(policy) => Err(words::over_hold(agent, most, policy)),
            None => Ok(()),
        }
    }

    /// All that is looked at before it goes was looked at.
    ///
    /// # Errors
    /// `dlp.blocked`, `dlp.unscannable`, as policies say.
    pub fn finish(self, agent: &str) -> Result<Inspected, Denial> {
        self.check(agent)?;
        Ok(Inspected { alert: self.alert })
    }

    /// Whether it may go by what was looked at until now.
    ///
    /// # Errors
    /// As [`Judgement::finish`].
    pub fn check(&self, agent: &str) -> Result<(), Denial> {
        if let Some(policy) = &self.blocked {
            return Err(words::blocked(agent, self.way, &self.counts, policy));
        }
        if let Some(policy) = &self.fixed {
            return Err(words::in_path(agent, &self.fixed_counts, policy));
        }
        let demands = self.plan.as_ref().and_then(|plan| plan.unscannable(self.way));
        match (self.unread, demands) {
            (Some(why), Some(policy)) => Err(words::unscannable(agent, self.way, why, policy)),
            _ => Ok(()),
        }
    }

    /// The same where something of it has gone.
    ///
    /// # Errors
    /// As [`Judgement::finish`].
    pub fn check_passing(&self, agent: &str) -> Result<(), Denial> {
        match &self.blocked {
            Some(policy) => Err(words::broken(agent, self.way, &self.counts, policy)),
            None => self.check(agent),
        }
    }
}
