//! What stands, in memory, and what of it is still to be written down. Computes and nothing else: time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::decide::policy::{self, Standing};
use crate::model::manifest::Resources;
use crate::model::manifest::resources;
use crate::model::types::Timestamp;
use crate::model::types::limits::REGISTRY_HISTORY;
use crate::pipeline::Imposed;
use crate::platform::registry::{self, Approval, Ended, Past, Quarantine, Registry, Sighting};
use crate::platform::sys::clock;

/// Who ends what is over.
pub const EXPIRY: &str = "expiry";

/// What stands.
#[derive(Debug, Default)]
pub struct State {
    /// Made by command, by name.
    pub approvals: BTreeMap<Arc<str>, Approval>,
    /// Oldest first.
    pub quarantines: Vec<Quarantine>,
    /// Documents that were seen, and that this is written down of; by name and digest.
    sightings: BTreeMap<(Arc<str>, Arc<str>), Sighting>,
    /// What is to be written, oldest first.
    pub unwritten: VecDeque<Change>,
}

/// Something to be written down.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An agent was shut out.
    Quarantine(Quarantine),
    /// One that was shut out is not any more.
    EndQuarantine(String, Ended),
    /// An approval ended.
    EndApproval(Arc<str>, Ended),
    /// A document was seen for the first time.
    See(Sighting),
    /// A document's time is over.
    EndSighting(Sighting, Timestamp),
    /// A document that no file has any more.
    Forget(Sighting),
}

/// Something for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `approval-expired` and so on.
    pub what: &'static str,
    /// The approval's name, or the agent's.
    pub object: String,
    /// The rest in words.
    pub detail: String,
}

/// An approval that stands in a file.
#[derive(Debug)]
pub struct Filed<'a> {
    /// Its name.
    pub name: &'a Arc<str>,
    /// Its document.
    pub document: &'a resources::Approval,
    /// When it was first seen; absent where that is not written down yet.
    pub seen: Option<&'a Sighting>,
    /// When it ends.
    pub until: Option<Timestamp>,
}

impl Filed<'_> {
    /// Whether it counts at this moment.
    pub fn is_in_force(&self, at: Timestamp) -> bool {
        let span = self.seen.map(|seen| seen.seen_at).zip(self.until);
        !self.has_ended() && span.is_some_and(|span| lasts(span, at))
    }

    /// Whether its time was over once: no other clock and no other setting begins it anew.
    pub fn has_ended(&self) -> bool {
        self.seen.is_some_and(|seen| seen.ended_at.is_some())
    }
}

/// Whether a time has begun and has not ended. What has not begun was made before the clock was set back: held until its
/// end, it would last for longer than anything may.
fn lasts((since, until): (Timestamp, Timestamp), at: Timestamp) -> bool {
    since <= at && at < until
}

impl Change {
    /// Writes it down.
    pub async fn apply(&self, registry: &Registry) -> Result<(), registry::Error> {
        match self {
            Self::Quarantine(quarantine) => registry.add_quarantine(quarantine).await,
            Self::EndQuarantine(id, ended) => registry.end_quarantine(id, ended).await,
            Self::EndApproval(name, ended) => registry.end_approval(name, ended).await,
            Self::See(sighting) => registry.add_sighting(sighting).await,
            Self::EndSighting(sighting, at) => registry.end_sighting(sighting, *at).await,
            Self::Forget(sighting) => registry.forget_sighting(sighting).await,
        }
    }
}

impl State {
    /// What stands in the registry.
    pub async fn read(registry: &Registry) -> Result<Self, registry::Error> {
        let approvals = registry.approvals().await?.into_iter();
        let sightings = registry.sightings().await?.into_iter();
        Ok(Self {
            approvals: approvals.map(|approval| (approval.name.clone(), approval)).collect(),
            quarantines: registry.quarantines().await?,
            sightings: sightings.map(|one| ((one.name.clone(), one.digest.clone()), one)).collect(),
            unwritten: VecDeque::new(),
        })
    }

    /// What stood at a moment: `past`, and the documents that had been seen by then.
    pub fn then(&self, past: Past, at: Timestamp) -> Self {
        let seen = self.sightings.iter().filter(|(_, sighting)| sighting.seen_at <= at);
        Self {
            approvals: past.approvals.into_iter().map(|one| (one.name.clone(), one)).collect(),
            quarantines: past.quarantines,
            sightings: seen.map(|(key, sighting)| (key.clone(), sighting.clone())).collect(),
            unwritten: VecDeque::new(),
        }
    }

    /// Whether it is remembered when a document was first seen.
    pub fn remembers(&self, name: &Arc<str>, document: &resources::Approval) -> bool {
        self.sightings.contains_key(&(name.clone(), document.digest.clone()))
    }

    /// Ends of approvals that are to be written down.
    pub fn unwritten_ends(&self) -> BTreeMap<Arc<str>, Ended> {
        let end = |change: &Change| match change {
            Change::EndApproval(name, ended) => Some((name.clone(), ended.clone())),
            _ => None,
        };
        self.unwritten.iter().filter_map(end).collect()
    }

    /// Approvals that were made by command and are in force at this moment.
    pub fn made(&self, at: Timestamp) -> impl Iterator<Item = &Approval> {
        self.approvals.values().filter(move |one| lasts((one.made_at, one.until), at))
    }

    /// Approvals in files. One whose name the registry has for another does not count.
    pub fn filed<'a>(
        &'a self,
        resources: &'a Resources,
        max_ttl: Duration,
    ) -> impl Iterator<Item = Filed<'a>> {
        let own = resources.approvals.iter().filter(|(name, _)| !self.approvals.contains_key(&**name));
        own.map(move |(name, document)| {
            let seen = self.sightings.get(&(name.clone(), document.digest.clone()));
            let until = seen.map(|seen| seen.seen_at.plus(document.ttl.min(max_ttl)));
            Filed { name, document, seen, until }
        })
    }

    /// What is in force at this moment.
    pub fn standing(&self, resources: &Resources, at: Timestamp, max_ttl: Duration) -> Standing {
        let mut standing = Standing::new();
        let made = self.made(at).map(|one| (&one.grant, &one.name, one.until));
        let filed = self.filed(resources, max_ttl).filter(|one| one.is_in_force(at));
        let filed = filed.filter_map(|one| Some((&one.document.grant, one.name, one.until?)));
        for (grant, name, until) in made.chain(filed) {
            // Their number is bounded where they are made, by command or by the loader.
            standing.approve(&grant.agent, name, &grant.hosts, until);
            standing.approve_tools(&grant.agent, &grant.tools, until);
        }
        for Quarantine { agent, until, cause, .. } in &self.quarantines {
            let quarantine = policy::Quarantine { until: *until, cause: cause.clone() };
            standing.quarantine(agent, quarantine);
        }
        standing
    }

    /// When something ends next by itself.
    pub fn next_end(&self, resources: &Resources, max_ttl: Duration) -> Option<Timestamp> {
        let made = self.approvals.values().map(|approval| approval.until);
        let running = |one: &Filed<'_>| !one.has_ended();
        let filed = self.filed(resources, max_ttl).filter(running).filter_map(|one| one.until);
        let quarantines = self.quarantines.iter().filter_map(|quarantine| quarantine.until);
        made.chain(filed).chain(quarantines).min()
    }

    /// Notes documents that were never seen before. They count once that is written down.
    pub fn see(&mut self, resources: &Resources, at: Timestamp) {
        for (name, document) in &resources.approvals {
            let key = (name.clone(), document.digest.clone());
            let waits = |change: &Change| matches!(change, Change::See(one) if (&one.name, &one.digest) == (&key.0, &key.1));
            if self.sightings.contains_key(&key) || self.unwritten.iter().any(waits) {
                continue;
            }
            let (name, digest) = key;
            self.unwritten.push_back(Change::See(Sighting { name, digest, seen_at: at, ended_at: None }));
        }
        self.forget(resources);
    }

    /// Forgets the oldest documents that no file has any more, where too many are remembered.
    fn forget(&mut self, resources: &Resources) {
        let surplus = self.sightings.len().saturating_sub(REGISTRY_HISTORY);
        if surplus == 0 {
            return;
        }
        let there = |one: &Sighting| {
            resources.approvals.get(&one.name).is_some_and(|document| document.digest == one.digest)
        };
        let mut gone: Vec<Sighting> = self.sightings.values().filter(|one| !there(one)).cloned().collect();
        gone.sort_by_key(|one| one.seen_at);
        for one in gone.into_iter().take(surplus) {
            self.sightings.remove(&(one.name.clone(), one.digest.clone()));
            self.unwritten.push_back(Change::Forget(one));
        }
    }

    /// Takes up what a rule has imposed.
    pub fn impose(&mut self, imposed: &Imposed, at: Timestamp) -> Event {
        let Imposed { agent, quarantine: policy::Quarantine { until, cause } } = imposed;
        let made_by = cause.policy.as_ref().map_or("a rule", |policy| &*policy.0).to_owned();
        self.shut_out(Quarantine {
            id: clock::request_id().to_string(),
            agent: agent.clone(),
            cause: cause.clone(),
            made_by,
            made_at: at,
            until: *until,
            ended: None,
        })
    }

    /// Shuts an agent out.
    pub fn shut_out(&mut self, quarantine: Quarantine) -> Event {
        let until = words_until(quarantine.until);
        let detail = format!("{until}, by {}: {}", quarantine.made_by, quarantine.cause.reason);
        let event = Event { what: "agent-quarantined", object: quarantine.agent.to_string(), detail };
        self.owe(&quarantine);
        self.quarantines.push(quarantine);
        event
    }

    /// Has a quarantine written down. While nothing can be written, rules may impose without end: of what is still to be
    /// written of an agent the longest is enough, for a restart to find it shut out. So there is no more than documents have
    /// agents, and none is lost.
    fn owe(&mut self, quarantine: &Quarantine) {
        let last = Timestamp(i64::MAX);
        let (agent, until) = (&quarantine.agent, quarantine.until.unwrap_or(last));
        let of_agent = |change: &Change| match change {
            Change::Quarantine(one) if one.agent == *agent => Some(one.until.unwrap_or(last)),
            _ => None,
        };
        if self.unwritten.iter().filter_map(of_agent).any(|other| until <= other) {
            return;
        }
        self.forget_unwritten(|change| of_agent(change).is_some());
        self.unwritten.push_back(Change::Quarantine(quarantine.clone()));
    }

    /// Takes back what is still to be written, but for the first: that may be written just now. Whether there was any.
    fn forget_unwritten(&mut self, is: impl Fn(&Change) -> bool) -> bool {
        let (before, mut first) = (self.unwritten.len(), true);
        self.unwritten.retain(|change| std::mem::take(&mut first) || !is(change));
        self.unwritten.len() < before
    }

    /// Ends what is over.
    pub fn expire(&mut self, resources: &Resources, at: Timestamp, max_ttl: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        let over: Vec<Approval> = self.approvals.values().filter(|one| one.until <= at).cloned().collect();
        for Approval { name, until, grant, .. } in over {
            self.approvals.remove(&name);
            let detail = format!("agent {}, made for \"{}\"", grant.agent, grant.reason);
            events.push(Event { what: "approval-expired", object: name.to_string(), detail });
            let ended = Ended { at: until, by: EXPIRY.to_owned() };
            self.unwritten.push_back(Change::EndApproval(name, ended));
        }
        let filed =
            self.filed(resources, max_ttl).filter_map(|one| Some((one.seen?, one.until?, one.document)));
        let over: Vec<_> = filed
            .filter(|(seen, until, _)| *until <= at && seen.ended_at.is_none())
            .map(|(seen, until, document)| {
                (seen.clone(), until, format!("agent {}, {}", document.grant.agent, place(document)))
            })
            .collect();
        for (seen, until, detail) in over {
            events.push(Event { what: "approval-expired", object: seen.name.to_string(), detail });
            let key = (seen.name.clone(), seen.digest.clone());
            self.sightings.insert(key, Sighting { ended_at: Some(until), ..seen.clone() });
            self.unwritten.push_back(Change::EndSighting(seen, until));
        }
        let ends = |one: &Quarantine| one.until.filter(|until| *until <= at);
        let over: Vec<_> =
            self.quarantines.iter().filter_map(|one| Some((one.clone(), ends(one)?))).collect();
        for (quarantine, until) in over {
            let ended = Ended { at: until, by: EXPIRY.to_owned() };
            events.push(self.let_go(&quarantine, &ended));
            let is = |change: &Change| matches!(change, Change::Quarantine(one) if one.id == quarantine.id);
            // What was never written needs no end.
            if !self.forget_unwritten(is) {
                self.unwritten.push_back(Change::EndQuarantine(quarantine.id, ended));
            }
        }
        events
    }

    /// Takes a quarantine out of what stands.
    pub fn let_go(&mut self, quarantine: &Quarantine, ended: &Ended) -> Event {
        self.quarantines.retain(|one| one.id != quarantine.id);
        let detail = format!("by {}; it was imposed by {}", ended.by, quarantine.made_by);
        Event { what: "quarantine-ended", object: quarantine.agent.to_string(), detail }
    }

    /// Something has been written down.
    pub fn written(&mut self, change: &Change) {
        if self.unwritten.front() == Some(change) {
            self.unwritten.pop_front();
        }
        if let Change::See(sighting) = change {
            let key = (sighting.name.clone(), sighting.digest.clone());
            self.sightings.insert(key, sighting.clone());
        }
    }

    /// How many approvals stand for an agent, those of files included.
    pub fn count(&self, agent: &str, resources: &Resources, at: Timestamp, max_ttl: Duration) -> usize {
        let made = self.made(at).filter(|one| &*one.grant.agent == agent);
        let filed = self.filed(resources, max_ttl);
        let filed = filed.filter(|one| &*one.document.grant.agent == agent && one.is_in_force(at));
        made.count() + filed.count()
    }

    /// What shuts an agent out at this moment: of several, what lasts longest.
    pub fn quarantine_of(&self, agent: &str, at: Timestamp) -> Option<&Quarantine> {
        let of_agent = self.quarantines.iter().filter(|one| &*one.agent == agent);
        let holding = of_agent.filter(|one| one.until.is_none_or(|until| at < until));
        holding.max_by_key(|one| one.until.unwrap_or(Timestamp(i64::MAX)))
    }
}

/// That a document's approval counts from now on.
pub fn seen(sighting: &Sighting, document: &resources::Approval) -> Event {
    let grant = &document.grant;
    let opened = grant.opened().join(", ");
    let detail = format!("agent {} to {opened}, by {}: {}", grant.agent, place(document), grant.reason);
    Event { what: "approval-granted", object: sighting.name.to_string(), detail }
}

/// `until 2026-01-02T03:04:05.000000Z`.
pub fn words_until(until: Option<Timestamp>) -> String {
    until.map_or_else(|| "until somebody releases it".to_owned(), |until| format!("until {until}"))
}

/// `policies.d/approvals.yaml:3`.
pub fn place(document: &resources::Approval) -> String {
    format!("{}:{}", document.origin.file, document.origin.line)
}
