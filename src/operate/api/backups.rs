//! Backups as the wire carries them, and the list of files that stands in each.

use http::Method;
use serde::{Deserialize, Serialize};

use super::client::{Client, Error};
use super::query::segment;
use crate::model::types::Timestamp;

/// The layout of a backup.
pub const BACKUP_VERSION: u32 = 1;
/// The file in a backup that lists the others.
pub const BACKUP_LIST: &str = "backup.json";

/// What is asked of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupQuery {
    /// Whether the master key goes with it.
    #[serde(default)]
    pub with_master_key: bool,
}

/// A backup that the daemon makes in its state folder, for whoever may read that to take away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Its name.
    pub id: String,
    /// The folder.
    pub folder: String,
    /// How far it is.
    pub state: BackupState,
}

/// How far a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupState {
    /// It is written.
    Running,
    /// It is whole.
    Done,
    /// It is not made: why.
    Failed(String),
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupList {
    /// The layout.
    pub version: u32,
    /// The program that made it.
    pub program: String,
    /// When.
    pub made_at: Timestamp,
    /// Records in the ledger.
    pub records: u64,
    /// The number of the last.
    pub last_record: u64,
    /// Whether the master key is in it.
    pub with_master_key: bool,
    /// Every other file, by its path from the backup's folder.
    pub files: Vec<BackupFile>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
}

impl Client {
    /// Begins a backup.
    pub async fn begin_backup(&mut self, query: &BackupQuery) -> Result<Backup, Error> {
        self.ask("/v1/backups", query).await
    }

    /// How far it is.
    pub async fn backup(&mut self, id: &str) -> Result<Backup, Error> {
        self.json(Method::GET, &format!("/v1/backups/{}", segment(id)), Default::default()).await
    }

    /// Removes it from the state folder.
    pub async fn remove_backup(&mut self, id: &str) -> Result<Backup, Error> {
        self.json(Method::POST, &format!("/v1/backups/{}/remove", segment(id)), Default::default()).await
    }
}
