//! The local API as both ends see it: wire types, how a filter is written in a query, and the one client.
//!
//! Every face of the operator (command line, screens, dashboard) speaks through [`Client`]. Nothing here decides,
//! reads a clock or touches a file but the socket. The other end is `operate::admin`.

pub mod fault;
pub mod approvals;
pub mod agents;
pub mod quota;
pub mod secrets;
pub mod status;
pub mod resource;
pub mod explain;
pub mod audit;
mod query;
pub mod client;
pub mod authorities;
pub mod backups;

pub use agents::{Agent, AgentState, Quarantine, QuarantineQuery};
pub use approvals::{Approval, ApprovalState, ApproveQuery};
pub use audit::{AuditFilter, Page, Window};
pub use authorities::{Authority, AuthorityState, RotateQuery};
pub use backups::{BACKUP_LIST, BACKUP_VERSION, Backup, BackupFile, BackupList, BackupQuery, BackupState};
pub use client::{Client, Error, Rows};
pub use explain::{ExplainQuery, Explanation, NearestRule, Opener, Recorded, Step, StepVerdict, Target};
pub use fault::{Diagnostic, Fault, FaultCode, Severity};
pub use quota::{Quota, QuotaQuery};
pub use resource::{Resource, canonical_kind};
pub use secrets::{Hidden, NewSecret, SecretValue, SetSecrets};
pub use status::{
    Check, CheckState, Daemon, Interception, LastHour, LedgerState, OnDisk, PolicyState, RegistryState,
    ReloadResult, Setup, Status,
};

/// Where the daemon's socket is unless said otherwise.
pub const DEFAULT_SOCKET: &str = "/run/clawgress/admin.sock";
