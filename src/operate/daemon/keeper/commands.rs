//! What operators do: approve, revoke, quarantine, release. Each is in force when it returns, or has changed nothing and
//! says why; what shuts out is in force even where it cannot be written down, and that is said too. They block.

use std::sync::Arc;
use std::time::Duration;

use super::listing;
use super::refusals::{Opens, Refused};
use super::state::{Change, Event, place, words_until};
use super::{Keeper, clock};
use crate::model::manifest::values::write_duration;
use crate::model::types::limits::{
    APPROVAL_HOSTS, APPROVALS_PER_AGENT, REASON_CHARS, STANDING_ROWS, TICKET_CHARS,
};
use crate::model::types::quota_limits::APPROVAL_TOOLS;
use crate::model::types::{ApprovedHost, ApprovedHostError, ApprovedTool, Cause, Grant, HostPattern, host};
use crate::operate::api::{self, ApproveQuery, Fault, FaultCode, QuarantineQuery};
use crate::platform::registry::{self, Approval, Ended, Quarantine};

/// Bytes of an agent's name that stand in the names of its approvals, so that these are names too.
const AGENT_IN_NAME: usize = 200;

impl Keeper {
    /// Lets an agent reach hosts and call tools for a time. `refused` is the refusal that the query names.
    ///
    /// # Errors
    /// What is wrong with the question, or why it cannot be written down; nothing is opened then.
    pub fn approve(
        &self,
        query: &ApproveQuery,
        refused: Option<Refused>,
        by: &str,
    ) -> Result<api::Approval, Fault> {
        let at = clock::now();
        let ttl = self.ttl(query.ttl_s)?;
        let grant = self.grant(query, refused.as_ref())?;
        self.check_room(&grant)?;
        let mut agent = grant.agent.to_string();
        agent.truncate(AGENT_IN_NAME);
        let tail = clock::request_id().to_string().split_off(28);
        let approval = Approval {
            name: format!("{}-{tail}", agent.trim_end_matches(['-', '.'])).into(),
            grant,
            request_id: refused.map(|refused| refused.id),
            made_by: by.to_owned(),
            made_at: at,
            until: at.plus(ttl),
            ended: None,
        };
        let written = self.runtime.block_on(async {
            let _turn = self.writing.lock().await;
            self.registry.add_approval(&approval).await
        });
        written.map_err(|error| unwritten(&error, "nothing was approved"))?;
        let event =
            Event { what: "approval-granted", object: approval.name.to_string(), detail: granted(&approval) };
        {
            let mut state = self.state();
            state.approvals.insert(approval.name.clone(), approval.clone());
            self.put_in_force(&state, clock::now());
        }
        self.record(vec![event]);
        self.wake.notify_one();
        Ok(listing::made(&approval, at))
    }

    /// Ends an approval.
    ///
    /// # Errors
    /// Where there is none of this name, or it stands in a file. Where it cannot be written down that it has ended, it has
    /// ended all the same.
    pub fn revoke(&self, name: &str, by: &str) -> Result<api::Approval, Fault> {
        let at = clock::now();
        let ended = Ended { at, by: by.to_owned() };
        let approval = {
            let mut state = self.state();
            let Some(mut approval) = state.approvals.remove(name) else { return Err(self.no_approval(name)) };
            self.put_in_force(&state, at);
            state.unwritten.push_back(Change::EndApproval(approval.name.clone(), ended.clone()));
            approval.ended = Some(ended);
            approval
        };
        let detail = format!("agent {}, by {by}", approval.grant.agent);
        self.record(vec![Event { what: "approval-revoked", object: name.to_owned(), detail }]);
        self.settle(&format!("{name} is revoked from now on"))?;
        Ok(listing::made(&approval, at))
    }

    /// Shuts an agent out.
    ///
    /// # Errors
    /// What is wrong with the question. Where it cannot be written down, the agent is shut out all the same.
    pub fn quarantine(&self, agent: &str, query: &QuarantineQuery, by: &str) -> Result<api::Agent, Fault> {
        let at = clock::now();
        let agent = self.known(agent)?;
        let reason = sentence("reason", &query.reason, REASON_CHARS)?;
        if query.for_s == Some(0) {
            return Err(Fault::invalid("a quarantine of no time is none"));
        }
        let quarantine = Quarantine {
            id: clock::request_id().to_string(),
            agent: agent.clone(),
            cause: Cause { policy: None, rule: None, reason },
            made_by: by.to_owned(),
            made_at: at,
            until: query.for_s.map(|seconds| at.plus(Duration::from_secs(seconds))),
            ended: None,
        };
        let until = words_until(quarantine.until);
        let event = {
            let mut state = self.state();
            if state.quarantines.len() >= STANDING_ROWS {
                return Err(Fault::new(
                    FaultCode::Busy,
                    format!("{STANDING_ROWS} quarantines stand, which is the most"),
                ));
            }
            let event = state.shut_out(quarantine);
            self.put_in_force(&state, at);
            event
        };
        self.record(vec![event]);
        self.settle(&format!("{agent} is quarantined from now on, {until}"))?;
        Ok(self.shown(&agent))
    }

    /// Lets an agent in again.
    ///
    /// # Errors
    /// Where it is not shut out, or its release cannot be written down: it stays shut out then.
    pub fn release(&self, agent: &str, by: &str) -> Result<api::Agent, Fault> {
        let at = clock::now();
        self.take_up(at);
        let standing: Vec<Quarantine> = {
            let state = self.state();
            state.quarantines.iter().filter(|one| &*one.agent == agent).cloned().collect()
        };
        if standing.is_empty() {
            self.known(agent)?;
            return Err(Fault::not_found(format!("agent `{agent}` is not quarantined")));
        }
        let ended = Ended { at, by: by.to_owned() };
        self.runtime.block_on(self.write());
        let written = self.runtime.block_on(async {
            let _turn = self.writing.lock().await;
            for one in &standing {
                // One that was never written would come back with the next write.
                self.registry.add_quarantine(one).await?;
                self.registry.end_quarantine(&one.id, &ended).await?;
            }
            Ok(())
        });
        written.map_err(|error| unwritten(&error, &format!("{agent} stays quarantined")))?;
        let events = {
            let mut state = self.state();
            let events: Vec<Event> = standing.iter().map(|one| state.let_go(one, &ended)).collect();
            self.put_in_force(&state, clock::now());
            events
        };
        self.record(events);
        Ok(self.shown(agent))
    }

    fn ttl(&self, seconds: u64) -> Result<Duration, Fault> {
        let (ttl, most) = (Duration::from_secs(seconds), self.max_ttl);
        match ttl {
            _ if ttl.is_zero() => Err(Fault::invalid("an approval for no time is none")),
            _ if ttl > most => {
                let (asked, most) = (write_duration(ttl), write_duration(most));
                let message = format!("{asked} is longer than an approval may last, which is {most}");
                let hint =
                    "`spec.approvals.maxTtl` in clawgress.yaml; what shall last is a route in policies.d";
                Err(Fault::invalid(message).hint(hint))
            }
            ttl => Ok(ttl),
        }
    }

    /// What is asked for, checked.
    fn grant(&self, query: &ApproveQuery, refused: Option<&Refused>) -> Result<Grant, Fault> {
        let agent = match (query.agent.as_deref(), refused) {
            (Some(agent), Some(refused)) if agent != refused.agent => {
                let message = format!("request `{}` was {}'s, not `{agent}`'s", refused.id, refused.agent);
                return Err(Fault::invalid(message));
            }
            (Some(agent), _) => self.known(agent)?,
            (None, Some(refused)) => self.known(&refused.agent)?,
            (None, None) => return Err(Fault::invalid("neither an agent nor a request is named")),
        };
        let mut hosts = query.hosts.iter().map(|text| approved_host(text)).collect::<Result<Vec<_>, _>>()?;
        let mut tools = query.tools.iter().map(|text| approved_tool(text)).collect::<Result<Vec<_>, _>>()?;
        if let Some(refused) = refused.filter(|_| hosts.is_empty() && tools.is_empty()) {
            match &refused.opens {
                Opens::Host(host) => hosts.push(host.clone()),
                Opens::Tool(tool) => tools.push(tool.clone()),
            }
        }
        if hosts.is_empty() && tools.is_empty()
            || hosts.len() > APPROVAL_HOSTS
            || tools.len() > APPROVAL_TOOLS
        {
            let message =
                format!("an approval names 1 to {APPROVAL_HOSTS} hosts, or 1 to {APPROVAL_TOOLS} tools");
            return Err(Fault::invalid(message));
        }
        let snapshot = self.shared.snapshot.load();
        let listed = |one: &ApprovedHost| match &one.host {
            HostPattern::Exact(name) => snapshot.policy.resolvers().listed(name).map(|_| name.clone()),
            HostPattern::Wildcard(_) => None,
        };
        if let Some(name) = hosts.iter().find_map(listed) {
            let message = format!("`{name}` is an encrypted DNS resolver, which no approval opens");
            return Err(Fault::invalid(message).hint("`spec.dns.allowResolvers` takes it off the list"));
        }
        let reason = sentence("reason", &query.reason, REASON_CHARS)?;
        let ticket =
            query.ticket.as_deref().map(|text| sentence("ticket", text, TICKET_CHARS)).transpose()?;
        Ok(Grant { agent, hosts, tools, reason, ticket })
    }

    fn check_room(&self, grant: &Grant) -> Result<(), Fault> {
        let resources = self.shared.snapshot.load().resources.clone();
        let state = self.state();
        let own = state.count(&grant.agent, &resources, clock::now(), self.max_ttl);
        if own < APPROVALS_PER_AGENT && state.approvals.len() < STANDING_ROWS {
            return Ok(());
        }
        let message = format!("agent `{}` has {own} approvals in force, or all agents too many", grant.agent);
        Err(Fault::invalid(message).hint("`clawgress approvals` lists them; what shall last is a route"))
    }

    /// An agent of the documents in force.
    fn known(&self, agent: &str) -> Result<Arc<str>, Fault> {
        let known = self.shared.snapshot.load().directory.by_name(agent);
        known.map(|known| known.agent().name.clone()).ok_or_else(|| {
            Fault::not_found(format!("no agent is named `{agent}`")).hint("clawgress agent list")
        })
    }

    fn no_approval(&self, name: &str) -> Fault {
        let snapshot = self.shared.snapshot.load();
        match snapshot.resources.approvals.get(name) {
            Some(document) => {
                Fault::invalid(format!("approval `{name}` stands in a file, {}", place(document)))
                    .hint("remove it there: that counts as soon as the file is saved")
            }
            None => Fault::not_found(format!("no approval `{name}` is in force"))
                .hint("`clawgress approvals` lists those that are, with `--all` those that were"),
        }
    }

    /// Writes down what is in force already; says where that cannot be done.
    fn settle(&self, done: &str) -> Result<(), Fault> {
        self.runtime.block_on(self.write());
        self.wake.notify_one();
        let failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        match failure {
            None => Ok(()),
            Some(why) => {
                let message = format!("{done}, but that cannot be written down: {}", first_line(&why));
                let hint = "it is tried again until it succeeds; a restart before that would forget it";
                Err(Fault::new(FaultCode::Busy, message).hint(hint))
            }
        }
    }
}

fn unwritten(error: &registry::Error, so: &str) -> Fault {
    let text = error.to_string();
    let hint = match error {
        registry::Error::Replaced { .. } => "put the file back, or restart clawgressd",
        _ => "`clawgress status` says how the registry is",
    };
    Fault::new(FaultCode::Busy, format!("{so}: {}", first_line(&text))).hint(hint)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What was opened, for the record.
fn granted(approval: &Approval) -> String {
    let Approval { grant, made_by, until, request_id, .. } = approval;
    let opened = grant.opened().join(", ");
    let mut detail =
        format!("agent {} to {opened} until {until}, by {made_by}: {}", grant.agent, grant.reason);
    for (word, value) in [("ticket", grant.ticket.as_deref()), ("request", request_id.as_deref())] {
        detail.extend(value.map(|value| format!("; {word} {value}")));
    }
    detail
}

fn approved_host(text: &str) -> Result<ApprovedHost, Fault> {
    ApprovedHost::parse(text).map_err(|error| {
        let fault = Fault::invalid(format!("host `{text}` {error}"));
        match error {
            ApprovedHostError::Host(host::HostNameError::Address) => fault.hint(
                "an approval opens names; networks are opened by `destinationCIDRs` of an EgressL4Route",
            ),
            _ => fault.hint("write it like `paste.example` or `paste.example:443`"),
        }
    })
}

fn approved_tool(text: &str) -> Result<ApprovedTool, Fault> {
    let hint =
        "write it like `github/search_issues`: an McpServer or the host of a server, and one tool of it";
    ApprovedTool::parse(text).map_err(|error| Fault::invalid(format!("tool `{text}` {error}")).hint(hint))
}

/// A text of so many characters, none of which controls anything.
fn sentence(field: &str, text: &str, most: usize) -> Result<Arc<str>, Fault> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > most || text.chars().any(char::is_control) {
        return Err(Fault::invalid(format!(
            "the {field} has {length} characters; it is a text of 1 to {most} without control characters"
        )));
    }
    Ok(text.into())
}
