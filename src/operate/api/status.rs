//! How things are: `status`, `reload` and `doctor` as the wire carries them.
//!
//! Plain values with public fields; the daemon fills them, the faces print them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::agents::Quarantine;
use super::fault::Diagnostic;
use crate::model::types::{FailMode, Timestamp};

/// The whole of `clawgress status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process; its fields stand at the top level.
    #[serde(flatten)]
    pub daemon: Daemon,
    /// What is intercepted, and whether the kernel still does it.
    pub interception: Interception,
    /// The set in force and the set on disk.
    pub policy: PolicyState,
    /// Agents in the set in force.
    pub agents: u64,
    /// What stands for a time.
    #[serde(default)]
    pub registry: RegistryState,
    /// What was decided in the last hour.
    pub last_hour: LastHour,
    /// The record's own health.
    pub ledger: LedgerState,
    /// What needs an operator: one sentence each, with the command that mends it. Empty when all is well.
    pub needs: Vec<String>,
}

/// The daemon's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Seconds since then, on the daemon's clock.
    pub uptime_s: u64,
    /// What the kernel does with workloads' traffic while the daemon is not there.
    pub fail_mode: FailMode,
    /// The file that its settings were read from; absent where an older daemon answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<PathBuf>,
}

/// What is intercepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interception {
    /// Interfaces that face workloads.
    pub interfaces: Vec<String>,
    /// Workloads' networks.
    pub subnets: Vec<String>,
    /// The nftables table, listed back and compared.
    pub rules: Setup,
    /// Policy rules and local routes.
    pub routes: Setup,
    /// Packets that the kernel refused since the table was written: `tcp`, `udp`, `quic`, `icmp`, `other`; `fragment`,
    /// `extension` and `forged` whatever their protocol, `unanswered` of sources that no agent has; and `gateway` for the
    /// part of them that was aimed at this host.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// What it saw before it judged: `fragments`, those of allowed datagrams among them.
    #[serde(default)]
    pub seen: BTreeMap<String, u64>,
    /// What it let pass by itself: `echo` requests.
    #[serde(default)]
    pub passed: BTreeMap<String, u64>,
}

/// Whether the kernel holds what was written into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setup {
    /// As written.
    InPlace,
    /// There, but changed by somebody else.
    Differs,
    /// Not there.
    Absent,
}

/// The set of documents in force, and that on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyState {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Since when it is in force.
    pub since: Timestamp,
    /// Files it was read from.
    pub files: u64,
    /// Documents in it.
    pub documents: u64,
    /// What stands on disk now.
    pub on_disk: OnDisk,
    /// Digest of what stands on disk, `sha256:` and 64 hex digits: that of the set, or where it does not load that of its
    /// files as they are; absent where they cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_on_disk: Option<String>,
}

/// The documents on disk, compared with those in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDisk {
    /// The same set.
    Same,
    /// Another valid set, not loaded yet: its digest.
    Digest(String),
    /// A set that does not load.
    Errors(Vec<Diagnostic>),
}

/// What operators granted and imposed for a time, and how the registry is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RegistryState {
    /// Approvals in force.
    pub approvals: u64,
    /// Agents that are shut out.
    pub quarantined: Vec<Quarantine>,
    /// Why the registry cannot be written, where it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Decisions of the last sixty minutes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LastHour {
    /// Let through.
    pub allowed: u64,
    /// Refused.
    pub refused: u64,
    /// Refusals by reason code.
    pub by_reason: BTreeMap<String, u64>,
    /// Median of the time this gateway added to an allowed request, in microseconds; absent without requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_latency_us_p50: Option<u64>,
}

/// The ledger's health.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerState {
    /// Records in `ledger.db`.
    pub records: u64,
    /// Bytes of journal that still exist.
    pub journal_bytes: u64,
    /// Bytes of the journal that are not in `ledger.db` yet.
    pub backlog_bytes: u64,
    /// Whether records can be written.
    pub healthy: bool,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadResult {
    /// Whether the set on disk is in force now.
    pub applied: bool,
    /// Whether that is another set than before.
    pub changed: bool,
    /// Digest of the set in force now.
    pub digest: String,
    /// Since when that set is in force.
    pub since: Timestamp,
    /// Files of the set in force.
    pub files: u64,
    /// Documents of the set in force.
    pub documents: u64,
    /// Errors and warnings of the set on disk.
    pub diagnostics: Vec<Diagnostic>,
}

/// One check of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at, in a word or two.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was found.
    pub found: String,
    /// The command or change that mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), state: CheckState::Ok, found: found.into(), repair: None }
    }

    /// Works, with a consequence, and what mends it.
    pub fn warn(name: impl Into<String>, found: impl Into<String>, repair: impl Into<String>) -> Self {
        Self { name: name.into(), state: CheckState::Warn, found: found.into(), repair: Some(repair.into()) }
    }

    /// Does not work, and what mends it.
    pub fn fail(name: impl Into<String>, found: impl Into<String>, repair: impl Into<String>) -> Self {
        Self { name: name.into(), state: CheckState::Fail, found: found.into(), repair: Some(repair.into()) }
    }

    /// Could not be looked at, and why.
    pub fn skip(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), state: CheckState::Skip, found: why.into(), repair: None }
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Could not be looked at: it says nothing about how things are.
    Skip,
    /// Works, but not as it should be.
    Warn,
    /// Does not work.
    Fail,
}

impl CheckState {
    /// The word on the wire and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}
