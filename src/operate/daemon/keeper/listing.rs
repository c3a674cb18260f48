//! What stands and what stood, as operators see it.

use super::state::{EXPIRY, Filed, place};
use super::{Keeper, clock};
use crate::model::manifest::resources;
use crate::model::types::Timestamp;
use crate::operate::api::{self, AgentState, ApprovalState, Fault};
use crate::platform::registry::{Approval, Quarantine};

impl Keeper {
    /// Approvals in force, or all that are remembered: those of files last. Blocks.
    pub fn approvals(&self, all: bool) -> Result<Vec<api::Approval>, Fault> {
        let at = clock::now();
        let found: Vec<Approval> = if all {
            // Before the look, so that an end which is written meanwhile is in one of both.
            let ends = self.state().unwritten_ends();
            let found = self.runtime.block_on(self.registry.approvals_of_all_times());
            let mut found = found.map_err(|error| Fault::internal(error.to_string()))?;
            for one in found.iter_mut().filter(|one| one.ended.is_none()) {
                one.ended = ends.get(&one.name).cloned();
            }
            found
        } else {
            self.state().approvals.values().cloned().collect()
        };
        let resources = self.shared.snapshot.load().resources.clone();
        let state = self.state();
        let made = found.iter().map(|one| made(one, at));
        let filed = state.filed(&resources, self.max_ttl).map(|one| in_file(&one, at));
        let ended =
            |one: &api::Approval| matches!(one.state, ApprovalState::Expired | ApprovalState::Revoked);
        Ok(made.chain(filed).filter(|one| all || !ended(one)).collect())
    }

    /// Every agent of the documents in force, by name.
    pub fn agents(&self) -> Vec<api::Agent> {
        let (at, resources) = (clock::now(), self.shared.snapshot.load().resources.clone());
        let state = self.state();
        let one = |agent: &resources::Agent| {
            let name = &agent.profile.name;
            let quarantine = state.quarantine_of(name, at).map(quarantine);
            let approvals = state.count(name, &resources, at, self.max_ttl) as u64;
            agent_with(agent, quarantine, approvals)
        };
        resources.agents.values().map(one).collect()
    }

    /// One agent.
    pub fn agent(&self, name: &str) -> Result<api::Agent, Fault> {
        let found = self.agents().into_iter().find(|agent| agent.name == name);
        found.ok_or_else(|| {
            Fault::not_found(format!("no agent is named `{name}`")).hint("clawgress agent list")
        })
    }

    /// An agent that is shut out, or was until now: its document may be gone meanwhile.
    pub(super) fn shown(&self, name: &str) -> api::Agent {
        self.agent(name).unwrap_or_else(|_| {
            let (state, at) = (self.state(), clock::now());
            let quarantine = state.quarantine_of(name, at).map(quarantine);
            api::Agent {
                name: name.to_owned(),
                state: state_of(quarantine.as_ref()),
                team: None,
                project: None,
                environment: None,
                sources: Vec::new(),
                gateway: String::new(),
                approvals: state.made(at).filter(|one| &*one.grant.agent == name).count() as u64,
                quarantine,
                place: String::new(),
            }
        })
    }

    /// What `status` says of the registry. Waits for the database.
    pub fn status(&self) -> api::RegistryState {
        let (at, resources) = (clock::now(), self.shared.snapshot.load().resources.clone());
        let failure = self.runtime.block_on(self.trouble());
        let state = self.state();
        let filed = state.filed(&resources, self.max_ttl).filter(|one| one.is_in_force(at));
        let agents = resources.agents.keys().filter_map(|name| state.quarantine_of(name, at));
        api::RegistryState {
            approvals: (state.made(at).count() + filed.count()) as u64,
            quarantined: agents.map(quarantine).collect(),
            failure,
        }
    }

    /// Documents whose approvals do not count, because the registry has another of that name.
    pub fn doubled(&self) -> Option<String> {
        let resources = self.shared.snapshot.load().resources.clone();
        let state = self.state();
        let name = resources.approvals.iter().find(|(name, _)| state.approvals.contains_key(&**name));
        name.map(|(name, document)| {
            format!(
                "EgressApproval `{name}` at {} does not count, the registry has one of that name: clawgress revoke {name}",
                place(document)
            )
        })
    }
}

/// One that was made by command.
pub fn made(approval: &Approval, at: Timestamp) -> api::Approval {
    let Approval { name, grant, request_id, made_by, made_at, until, ended } = approval;
    let state = match ended {
        Some(ended) if ended.by == EXPIRY => ApprovalState::Expired,
        Some(_) => ApprovalState::Revoked,
        None if *until <= at => ApprovalState::Expired,
        None if at < *made_at => ApprovalState::Pending,
        None => ApprovalState::Active,
    };
    api::Approval {
        name: name.to_string(),
        agent: grant.agent.to_string(),
        hosts: grant.hosts.iter().map(ToString::to_string).collect(),
        tools: grant.tools.iter().map(ToString::to_string).collect(),
        state,
        reason: grant.reason.to_string(),
        ticket: grant.ticket.as_deref().map(str::to_owned),
        request_id: request_id.clone(),
        made_by: made_by.clone(),
        made_at: Some(*made_at),
        until: Some(*until),
        ended_at: ended.as_ref().map(|ended| ended.at),
        ended_by: ended.as_ref().filter(|ended| ended.by != EXPIRY).map(|ended| ended.by.clone()),
    }
}

fn in_file(filed: &Filed<'_>, at: Timestamp) -> api::Approval {
    let Filed { name, document, seen, until } = filed;
    let state = match until {
        _ if filed.is_in_force(at) => ApprovalState::Active,
        Some(until) if *until <= at || filed.has_ended() => ApprovalState::Expired,
        _ => ApprovalState::Pending,
    };
    let grant = &document.grant;
    api::Approval {
        name: name.to_string(),
        agent: grant.agent.to_string(),
        hosts: grant.hosts.iter().map(ToString::to_string).collect(),
        tools: grant.tools.iter().map(ToString::to_string).collect(),
        state,
        reason: grant.reason.to_string(),
        ticket: grant.ticket.as_deref().map(str::to_owned),
        request_id: None,
        made_by: place(document),
        made_at: seen.map(|seen| seen.seen_at),
        until: *until,
        ended_at: seen.and_then(|seen| seen.ended_at).or(*until).filter(|_| state == ApprovalState::Expired),
        ended_by: None,
    }
}

fn quarantine(quarantine: &Quarantine) -> api::Quarantine {
    api::Quarantine {
        agent: quarantine.agent.to_string(),
        until: quarantine.until,
        reason: quarantine.cause.reason.to_string(),
        made_by: quarantine.made_by.clone(),
        rule: quarantine.cause.rule.as_deref().map(str::to_owned),
        made_at: quarantine.made_at,
    }
}

fn state_of(quarantine: Option<&api::Quarantine>) -> AgentState {
    if quarantine.is_some() { AgentState::Quarantined } else { AgentState::Active }
}

fn agent_with(agent: &resources::Agent, quarantine: Option<api::Quarantine>, approvals: u64) -> api::Agent {
    let text = |word: &Option<std::sync::Arc<str>>| word.as_deref().map(str::to_owned);
    api::Agent {
        name: agent.profile.name.to_string(),
        state: state_of(quarantine.as_ref()),
        team: text(&agent.profile.team),
        project: text(&agent.profile.project),
        environment: text(&agent.profile.environment),
        sources: agent.sources.iter().map(ToString::to_string).collect(),
        gateway: agent.gateway.to_string(),
        approvals,
        quarantine,
        place: format!("{}:{}", agent.origin.file, agent.origin.line),
    }
}
