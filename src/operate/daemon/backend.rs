//! What the local API asks of the gateway, answered from snapshots and the ledger.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::runtime::Handle;

use super::backups::Backups;
use super::keeper::Keeper;
use super::policies::{Policies, Reloaded};
use super::searching::{ledger_filter, ledger_window, page};
use super::secrets::Secrets;
use super::settings::Settings;
use super::{actions, authorities, explain, keeper, parts, quotas, status, upkeep};
use crate::decide::ledger::{self, IdPrefix};
use crate::model::types::Timestamp;
use crate::model::types::limits::ADMIN_PAGE_ROWS;
use crate::operate::admin::{AdminAction, Backend, Caller, Closing};
use crate::operate::api::{
    Agent, Approval, ApproveQuery, AuditFilter, Authority, Backup, BackupQuery, Check, CheckState,
    Diagnostic, ExplainQuery, Explanation, Fault, Page, QuarantineQuery, Quota, QuotaQuery, ReloadResult,
    Resource, RotateQuery, SecretValue, SetSecrets, Setup, Severity, Status, Window,
};
use crate::operate::checkup::names;
use crate::perceive::intercept::apply::{Applied, NftError, Table};
use crate::perceive::intercept::{Interception, checks, routes};
use crate::pipeline::Shared;
use crate::platform::sys::clock;

/// What stands once the host has been prepared.
pub struct Prepared {
    /// Whether what the kernel drops is put on record, or why not.
    pub recorded: Result<(), String>,
    /// The rules of interception.
    pub rules: Table,
    /// The vault.
    pub secrets: Secrets,
}

/// The daemon as its operator sees it.
pub struct Operator {
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) policies: Policies,
    pub(super) keeper: Arc<Keeper>,
    pub(super) secrets: Secrets,
    backups: Backups,
    pub(super) started_at: Timestamp,
    pub(super) started: Instant,
    /// Whether what the kernel drops is put on record, or why not.
    recorded: Result<(), String>,
    runtime: Handle,
    /// Held while rules are written, so that they follow the documents in force.
    pub(super) rules: Mutex<Table>,
}

impl Operator {
    /// Must be made inside the operator's runtime.
    pub fn new(
        settings: Settings,
        shared: Arc<Shared>,
        policies: Policies,
        keeper: Arc<Keeper>,
        Prepared { recorded, rules, secrets }: Prepared,
    ) -> Self {
        let (started_at, started) = (clock::now(), Instant::now());
        let backups = Backups::below(&settings.config.folders.state);
        Self {
            settings,
            shared,
            policies,
            keeper,
            secrets,
            backups,
            started_at,
            started,
            recorded,
            runtime: Handle::current(),
            rules: Mutex::new(rules),
        }
    }

    /// Reloads on behalf of a signal or a changed file, and puts it on record where it did something. Blocks.
    pub fn reload_by(&self, cause: &str) -> Reloaded {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reloaded = self.policies.reload(&self.shared);
        if reloaded.changed {
            // An approval whose document is gone is over when this returns.
            self.keeper.follow();
            // Which UDP ports come here may have changed. What fails is tried again by `upkeep`.
            if let Err(error) = rules.apply(&self.interception()) {
                tracing::error!(%error, "the rules of interception could not be adjusted to policy");
            }
        }
        drop(rules);
        if let Some(message) = self.settings.need() {
            tracing::warn!("{message}");
            reloaded.diagnostics.push(Diagnostic {
                severity: Severity::Warning,
                message,
                ..Diagnostic::default()
            });
        }
        reloaded.diagnostics.extend(authorities::reload(&self.shared));
        if reloaded.applied {
            reloaded.diagnostics.extend(self.secrets.missing(&self.shared.snapshot.load().resources));
        }
        if reloaded.changed || !reloaded.applied {
            let digest = self.shared.snapshot.load().resources.digest.to_string();
            let event = if reloaded.applied { "policy-loaded" } else { "policy-refused" };
            self.shared.ledger.system(event, &digest, Some(cause.to_owned()));
        }
        reloaded
    }

    /// What the kernel is to be told by the settings and the documents in force.
    pub(super) fn interception(&self) -> Interception {
        parts::interception(&self.settings.config, parts::from_policy(&self.shared.snapshot.load()))
    }

    /// Puts the rules in place where they are not. Blocks.
    pub(super) fn mend_rules(&self) -> Result<Applied, NftError> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).apply(&self.interception())
    }

    /// Puts policy rules and routes in place where they are not. Blocks.
    pub(super) fn mend_routes(&self) -> Result<routes::Routes, routes::RouteError> {
        let ipv6 = self.settings.config.intercept.subnets.iter().any(|subnet| subnet.network().is_ipv6());
        self.runtime.block_on(routes::ensure(ipv6))
    }

    /// Whether policy rules and routes are in place. Blocks.
    pub(super) fn routes(&self, ipv6: bool) -> Setup {
        match self.runtime.block_on(routes::in_place(ipv6)) {
            Ok(true) => Setup::InPlace,
            Ok(false) | Err(_) => Setup::Absent,
        }
    }

    /// The policy folder.
    pub fn folder(&self) -> &Path {
        self.policies.folder()
    }

    /// Everything recorded before now, in a form that can be searched.
    fn reader(&self) -> Result<ledger::Reader, Fault> {
        self.runtime.block_on(self.shared.ledger.barrier()).map_err(failed)?;
        self.shared.ledger.reader().map_err(failed)
    }
}

/// A failure of the ledger.
pub fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::internal(error.to_string())
}

impl Backend for Operator {
    fn status(&self) -> Result<Status, Fault> {
        status::of(self)
    }

    fn reload(&self, _caller: &Caller) -> Result<ReloadResult, Fault> {
        let reloaded = self.reload_by("reload");
        upkeep::mend(self);
        let snapshot = self.shared.snapshot.load();
        Ok(ReloadResult {
            applied: reloaded.applied,
            changed: reloaded.changed,
            digest: snapshot.resources.digest.to_string(),
            since: snapshot.since,
            files: snapshot.resources.files as u64,
            documents: snapshot.resources.documents.len() as u64,
            diagnostics: reloaded.diagnostics,
        })
    }

    fn checks(&self) -> Result<Vec<Check>, Fault> {
        let mut found = self.runtime.block_on(checks::run(&self.interception()));
        found.push(checks::drops(self.recorded.as_ref().map(drop)));
        let (upstreams, tls) = (&self.shared.resolvers, self.shared.dialler.for_resolvers());
        let resolvers = names::upstreams(&self.runtime.block_on(upstreams.examine(tls)));
        Ok(found
            .into_iter()
            .map(check)
            .chain(resolvers)
            .chain([self.secrets.check(), Secrets::memory()])
            .collect())
    }

    fn resources(&self, kind: &str, name: Option<&str>) -> Result<Vec<Resource>, Fault> {
        let snapshot = self.shared.snapshot.load();
        let documents = snapshot.resources.documents.iter();
        let wanted = documents.filter(|one| one.kind == kind && name.is_none_or(|name| *one.name == *name));
        let mut found: Vec<_> = wanted
            .map(|one| Resource {
                kind: one.kind.to_owned(),
                name: one.name.to_string(),
                file: one.origin.file.to_string(),
                line: one.origin.line as u64,
                body: one.body.clone(),
            })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn explain(&self, query: &ExplainQuery) -> Result<Explanation, Fault> {
        explain::explain(&self.shared, &self.settings.config.intercept.allow_local, query)
    }

    fn explain_record(&self, id: &str) -> Result<Explanation, Fault> {
        let row = explain::the_record(id, self.audit_show(id)?)?;
        let text = |field: &str| row.get(field).and_then(Value::as_str);
        let connection = match text("connection_id") {
            Some(id) => self.audit_show(id)?.into_iter().next(),
            None => None,
        };
        let now = self.shared.snapshot.load_full();
        let digest = text("policy_digest").unwrap_or_default();
        let then = if *now.resources.digest == *digest {
            Ok(None)
        } else {
            self.policies.of_digest(digest).map(Some)
        };
        let at = text("timestamp").and_then(Timestamp::parse).unwrap_or_default();
        let standing = match &then {
            Ok(then) => {
                let resources = &then.as_ref().unwrap_or(&now).resources;
                self.keeper.then(resources, text("agent_id").unwrap_or_default(), at)
            }
            Err(_) => keeper::Then::default(),
        };
        let judges = explain::Judges {
            standing: &standing,
            then: then.as_ref().map(|then| then.as_ref().unwrap_or(&now)).map_err(String::as_str),
            now: &now,
        };
        explain::explain_recorded(&row, connection.as_ref(), judges)
    }

    fn audit_search(&self, filter: &AuditFilter, window: &Window) -> Result<Page, Fault> {
        let reader = self.reader()?;
        let found = reader.page(&ledger_filter(filter)?, &ledger_window(window)).map_err(failed)?;
        page(found)
    }

    fn audit_tail(&self, filter: &AuditFilter, window: &Window) -> Result<Page, Fault> {
        let reader = self.reader()?;
        let through = reader.last().map_err(failed)?;
        let Some(after) = window.after else {
            let newest = window.last.unwrap_or(0).min(window.limit.unwrap_or(ADMIN_PAGE_ROWS));
            if newest == 0 {
                return Ok(Page { rows: Vec::new(), next: through, through, more: false });
            }
            let begin = Window { last: Some(newest), through: Some(through), ..*window };
            let found = reader.page(&ledger_filter(filter)?, &ledger_window(&begin)).map_err(failed)?;
            return Ok(Page { next: through, through, more: false, ..page(found)? });
        };
        let (rows, next) = reader.tail(after, &ledger_filter(filter)?).map_err(failed)?;
        let rows = rows
            .into_iter()
            .map(|row| serde_json::to_value(row).map_err(failed))
            .collect::<Result<_, _>>()?;
        Ok(Page { rows, next, through, more: next < through })
    }

    fn audit_show(&self, id: &str) -> Result<Vec<Value>, Fault> {
        let prefix = IdPrefix::parse(id).ok_or_else(|| Fault::invalid(format!("`{id}` is no request id")))?;
        let filter = ledger::Filter { request_id: Some(prefix), ..ledger::Filter::default() };
        let rows = self.reader()?.search(&filter).map_err(failed)?;
        let rows = rows.into_iter().map(|row| serde_json::to_value(row).map_err(failed));
        Ok(quoted(rows.collect::<Result<_, _>>()?))
    }

    fn approve(&self, caller: &Caller, query: &ApproveQuery) -> Result<Approval, Fault> {
        let refused = match &query.request_id {
            Some(id) => Some(keeper::refusals::read(id, &self.audit_show(&id.to_ascii_lowercase())?)?),
            None => None,
        };
        self.keeper.approve(query, refused, &actions::name_of(caller))
    }

    fn approvals(&self, all: bool) -> Result<Vec<Approval>, Fault> {
        self.keeper.approvals(all)
    }

    fn revoke(&self, caller: &Caller, name: &str) -> Result<Approval, Fault> {
        self.keeper.revoke(name, &actions::name_of(caller))
    }

    fn agents(&self, name: Option<&str>) -> Result<Vec<Agent>, Fault> {
        match name {
            Some(name) => Ok(vec![self.keeper.agent(name)?]),
            None => Ok(self.keeper.agents()),
        }
    }

    fn quarantine(&self, caller: &Caller, agent: &str, query: &QuarantineQuery) -> Result<Agent, Fault> {
        self.keeper.quarantine(agent, query, &actions::name_of(caller))
    }

    fn release(&self, caller: &Caller, agent: &str) -> Result<Agent, Fault> {
        self.keeper.release(agent, &actions::name_of(caller))
    }

    fn quotas(&self, policy: Option<&str>, subject: Option<&str>) -> Result<Vec<Quota>, Fault> {
        quotas::list(&self.shared, policy, subject)
    }

    fn change_quota(&self, caller: &Caller, query: &QuotaQuery) -> Result<Vec<Quota>, Fault> {
        quotas::change(&self.shared, query, &actions::name_of(caller))
    }

    fn secrets(&self) -> Result<Vec<SecretValue>, Fault> {
        Ok(self.secrets.list(&self.shared.snapshot.load().resources))
    }

    fn set_secrets(&self, caller: &Caller, query: &SetSecrets) -> Result<Vec<SecretValue>, Fault> {
        self.secrets.set(query, &actions::name_of(caller))
    }

    fn remove_secret(&self, _: &Caller, name: &str, key: Option<&str>) -> Result<Vec<SecretValue>, Fault> {
        self.secrets.remove(name, key)
    }

    fn ca_pem(&self) -> Result<String, Fault> {
        Ok(self.shared.authorities.bundle().to_string())
    }

    fn authorities(&self) -> Result<Vec<Authority>, Fault> {
        Ok(authorities::list(&self.shared))
    }

    fn rotate_authority(&self, _: &Caller, query: &RotateQuery) -> Result<Vec<Authority>, Fault> {
        authorities::rotate(&self.shared, query)
    }

    fn begin_backup(&self, _: &Caller, query: &BackupQuery) -> Result<Backup, Fault> {
        self.backups.begin((&self.shared, &self.settings, &self.secrets), query)
    }

    fn backup(&self, id: &str) -> Result<Backup, Fault> {
        self.backups.get(id)
    }

    fn remove_backup(&self, id: &str) -> Result<Backup, Fault> {
        self.backups.remove(id)
    }

    fn open(&self, action: &AdminAction) -> Result<Closing, Fault> {
        self.runtime.block_on(actions::open(action, &self.shared))
    }

    fn turn_away(&self, action: &AdminAction) -> Result<(), Fault> {
        actions::turn_away(action, &self.shared)
    }
}

/// Of records whose ids begin alike, having been made in the same millisecond, the one that a denial quotes: only
/// refusals quote an id's beginning, and those of requests before those of their connections.
fn quoted(rows: Vec<Value>) -> Vec<Value> {
    let is = |row: &Value, field: &str, word: &str| row.get(field).is_some_and(|found| found == word);
    let refused = |row: &&Value| is(row, "decision", "deny") || is(row, "decision", "quarantine");
    let request = |row: &&Value| refused(row) && is(row, "kind", "request");
    let only = |mut found: Vec<&Value>| if found.len() == 1 { found.pop().cloned() } else { None };
    let one =
        only(rows.iter().filter(refused).collect()).or_else(|| only(rows.iter().filter(request).collect()));
    one.map_or(rows, |one| vec![one])
}

/// A finding of the checks as the wire carries it.
pub fn check(found: checks::Check) -> Check {
    Check {
        name: found.name,
        state: match found.outcome {
            checks::Outcome::Ok => CheckState::Ok,
            checks::Outcome::Warn => CheckState::Warn,
            checks::Outcome::Fail => CheckState::Fail,
        },
        found: found.found,
        repair: found.repair,
    }
}
