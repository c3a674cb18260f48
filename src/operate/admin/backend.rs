//! What the local API needs of the rest of the gateway.
//!
//! Methods may block (files, SQL): each call runs on a thread of its own, never on the packet's path. They see
//! snapshots; none of them changes a decision, but for [`Backend::reload`] and what stands for a time.

use serde_json::Value;

use super::access::Caller;
use crate::operate::api::{
    Agent, Approval, ApproveQuery, AuditFilter, Authority, Backup, BackupQuery, Check, ExplainQuery,
    Explanation, Fault, Page, QuarantineQuery, Quota, QuotaQuery, ReloadResult, Resource, RotateQuery,
    SecretValue, SetSecrets, Status, Window,
};

/// An administrative action: about to be done, or asked for by somebody who may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAction {
    /// Who asks, as the kernel says.
    pub caller: Caller,
    /// The command: `reload`. For a caller who may not ask at all: method and path.
    pub command: String,
    /// What it is about: an agent, an approval, a host.
    pub object: Option<String>,
    /// What was given with it, in words: for how long, a ticket, why.
    pub given: Option<String>,
}

/// What came of an action.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// What was done, in words; or the fault that the caller is told.
    pub came_to: Result<&'a str, &'a Fault>,
    /// Whether the caller still waited for it.
    pub awaited: bool,
}

/// Closes the record of an action. Dropped instead, the record says that nobody knows how it ended.
pub type Closing = Box<dyn FnOnce(&Ending<'_>) + Send>;

/// The gateway, as its operator sees it.
pub trait Backend: Send + Sync + 'static {
    /// How things are.
    fn status(&self) -> Result<Status, Fault>;

    /// Reads the documents anew and, where valid, puts them in force before it returns. An invalid set is no
    /// fault: it is a result that is not applied.
    fn reload(&self, caller: &Caller) -> Result<ReloadResult, Fault>;

    /// Looks at what interception and records need of the host.
    fn checks(&self) -> Result<Vec<Check>, Fault>;

    /// The documents in force of `kind`, one of `api::resource::KINDS`; with a name, that one or nothing.
    fn resources(&self, kind: &str, name: Option<&str>) -> Result<Vec<Resource>, Fault>;

    /// What would become of a request. The target is known to parse.
    fn explain(&self, query: &ExplainQuery) -> Result<Explanation, Fault>;

    /// Why a recorded request was decided as it was. `id` as for [`Backend::audit_show`].
    fn explain_record(&self, id: &str) -> Result<Explanation, Fault>;

    /// One merged row for each decision, oldest first, of everything recorded before the call. `window.limit` is
    /// always given and within its bound.
    fn audit_search(&self, filter: &AuditFilter, window: &Window) -> Result<Page, Fault>;

    /// Rows in the order in which they became final, for people who watch; `next` is where to look again. Returns
    /// at once. `window.limit` is always given and within its bound.
    fn audit_tail(&self, filter: &AuditFilter, window: &Window) -> Result<Page, Fault>;

    /// The merged rows whose `request_id` begins with `id` (8 to 36 characters of a UUID, lower case).
    fn audit_show(&self, id: &str) -> Result<Vec<Value>, Fault>;

    /// Lets an agent reach hosts for a time; in force when it returns.
    fn approve(&self, caller: &Caller, query: &ApproveQuery) -> Result<Approval, Fault>;

    /// Approvals in force, or all that are remembered.
    fn approvals(&self, all: bool) -> Result<Vec<Approval>, Fault>;

    /// Ends an approval; what lives by it ends within a second.
    fn revoke(&self, caller: &Caller, name: &str) -> Result<Approval, Fault>;

    /// Agents of the documents in force; with a name, that one or a fault.
    fn agents(&self, name: Option<&str>) -> Result<Vec<Agent>, Fault>;

    /// Shuts an agent out; what it has open ends within a second.
    fn quarantine(&self, caller: &Caller, agent: &str, query: &QuarantineQuery) -> Result<Agent, Fault>;

    /// Lets an agent in again.
    fn release(&self, caller: &Caller, agent: &str) -> Result<Agent, Fault>;

    /// How limits of amounts stand: all, those of one document, those of one subject.
    fn quotas(&self, policy: Option<&str>, subject: Option<&str>) -> Result<Vec<Quota>, Fault>;

    /// Gives a budget more, or begins it anew, and says how it stands then; in force when it returns.
    fn change_quota(&self, caller: &Caller, query: &QuotaQuery) -> Result<Vec<Quota>, Fault>;

    /// Every value of the vault, without itself.
    fn secrets(&self) -> Result<Vec<SecretValue>, Fault>;

    /// Sets values, all of them or none; in force when it returns.
    fn set_secrets(&self, caller: &Caller, query: &SetSecrets) -> Result<Vec<SecretValue>, Fault>;

    /// Removes a secret, or one value of it, and says which values are gone.
    fn remove_secret(
        &self,
        caller: &Caller,
        name: &str,
        key: Option<&str>,
    ) -> Result<Vec<SecretValue>, Fault>;

    /// The certificates of all authorities that workloads trust, in PEM.
    fn ca_pem(&self) -> Result<String, Fault>;

    /// All of them, the signing one first.
    fn authorities(&self) -> Result<Vec<Authority>, Fault>;

    /// Makes a new authority, and says which there are then; trusted when it returns.
    fn rotate_authority(&self, caller: &Caller, query: &RotateQuery) -> Result<Vec<Authority>, Fault>;

    /// Begins to make a backup in the state folder; one at a time.
    fn begin_backup(&self, caller: &Caller, query: &BackupQuery) -> Result<Backup, Fault>;

    /// How far it is.
    fn backup(&self, id: &str) -> Result<Backup, Fault>;

    /// Removes it from the state folder.
    fn remove_backup(&self, id: &str) -> Result<Backup, Fault>;

    /// Puts an action on the record before it has effect. An action that cannot be recorded is not done.
    fn open(&self, action: &AdminAction) -> Result<Closing, Fault>;

    /// Puts on the record that somebody asked who may not.
    fn turn_away(&self, action: &AdminAction) -> Result<(), Fault>;
}
