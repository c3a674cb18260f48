//! Backups of a running gateway: everything that a new one needs to be the same, of one moment, in a folder of the state folder
//! from which whoever may read that takes it away.
//!
//! The registry and the ledger are copied beside their writers; traffic goes on. Values of the vault stay sealed, and the master
//! key is left out unless it is asked for. One at a time; what an earlier run has left is removed. Read next: `docs/backup.md`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::Handle;

use super::secrets::Secrets;
use super::settings::Settings;
use crate::act::credentials::KEY_FILE;
use crate::decide::ledger::Extent;
use crate::operate::api::{
    BACKUP_LIST, BACKUP_VERSION, Backup, BackupFile, BackupList, BackupQuery, BackupState, Fault, FaultCode,
};
use crate::pipeline::Shared;
use crate::platform::copies;
use crate::platform::registry::Registry;
use crate::platform::sys::clock;

/// The folder in the state folder.
const FOLDER: &str = "backups";

/// Makes backups.
pub struct Backups {
    folder: PathBuf,
    /// The last one that was begun.
    last: Arc<Mutex<Option<Backup>>>,
}

/// What one backup is made of.
struct Work {
    shared: Arc<Shared>,
    settings: Settings,
    registry: Registry,
    /// The file of the master key, where it goes with it.
    key: Option<PathBuf>,
    runtime: Handle,
}

impl Backups {
    /// Below this state folder.
    pub fn below(state: &Path) -> Self {
        let folder = state.join(FOLDER);
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "what an earlier backup has left in `{}` cannot be removed", folder.display());
        }
        Self { folder, last: Arc::default() }
    }

    /// Begins one.
    ///
    /// # Errors
    /// Where one is being made, or this one cannot be begun.
    pub fn begin(
        &self,
        (shared, settings, secrets): (&Arc<Shared>, &Settings, &Secrets),
        query: &BackupQuery,
    ) -> Result<Backup, Fault> {
        let mut last = lock(&self.last);
        if last.as_ref().is_some_and(|last| last.state == BackupState::Running) {
            return Err(Fault::new(FaultCode::Busy, "a backup is being made").hint("wait until it is done"));
        }
        let id = clock::request_id().0.to_string();
        let folder = self.folder.join(&id);
        let work = Work {
            shared: shared.clone(),
            settings: settings.clone(),
            registry: secrets.registry().clone(),
            key: query.with_master_key.then(|| secrets.key().to_owned()),
            runtime: Handle::current(),
        };
        let begun = Backup { id, folder: folder.display().to_string(), state: BackupState::Running };
        let done = self.last.clone();
        let run = move || {
            let made = work.make(&folder);
            if made.is_err() {
                // What is not whole is of no use to anybody.
                let _ = fs::remove_dir_all(&folder);
            }
            work.tell(&made);
            if let Some(last) = lock(&done).as_mut() {
                last.state = made.map_or_else(BackupState::Failed, |_| BackupState::Done);
            }
        };
        let started = thread::Builder::new().name("backup".into()).spawn(run);
        started.map_err(|error| Fault::internal(format!("a backup cannot be begun: {error}")))?;
        *last = Some(begun.clone());
        Ok(begun)
    }

    /// How far it is.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub fn get(&self, id: &str) -> Result<Backup, Fault> {
        let found = lock(&self.last).clone().filter(|last| last.id == id);
        found.ok_or_else(|| Fault::not_found(format!("there is no backup `{id}`")))
    }

    /// Removes it.
    ///
    /// # Errors
    /// Where there is none of this name, or it is being made.
    pub fn remove(&self, id: &str) -> Result<Backup, Fault> {
        let found = self.get(id)?;
        if found.state == BackupState::Running {
            return Err(Fault::new(FaultCode::Busy, "the backup is being made"));
        }
        match fs::remove_dir_all(self.folder.join(&found.id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Fault::internal(format!("`{}` cannot be removed: {error}", found.folder)));
            }
            _ => {}
        }
        *lock(&self.last) = None;
        Ok(found)
    }
}

fn lock(last: &Mutex<Option<Backup>>) -> MutexGuard<'_, Option<Backup>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work {
    /// Makes all of it. The ledger is copied last, so that it has the record of every change that the rest shows.
    fn make(&self, folder: &Path) -> Result<Extent, String> {
        let said = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("{what}: {error}")
        };
        let config = &self.settings.config;
        let (state, etc) = (folder.join("state"), folder.join("etc"));
        copies::make_folder(&state).map_err(said("the backup's folder cannot be made"))?;
        self.runtime.block_on(self.registry.copy_into(&state)).map_err(|error| error.to_string())?;
        self.shared.authorities.copy_into(&state.join("ca")).map_err(|error| error.to_string())?;
        let copy = |from: &Path, to: PathBuf| {
            copies::copy(from, &to).map(drop).map_err(said(&format!("`{}` cannot be copied", from.display())))
        };
        copy(&config.folders.state.join("findings.key"), state.join("findings.key"))?;
        copy(self.settings.path(), etc.join("clawgress.yaml"))?;
        if let Some(prices) = &config.quota.prices {
            copy(prices, etc.join("prices.yaml"))?;
        }
        for (root, to) in [
            (config.folders.state.join("policy"), state.join("policy")),
            (config.folders.policy.clone(), etc.join("policies.d")),
        ] {
            let files =
                copies::below(&root).map_err(said(&format!("`{}` cannot be read", root.display())))?;
            files.iter().try_for_each(|file| copy(&root.join(file), to.join(file)))?;
        }
        if let Some(key) = &self.key {
            copy(key, state.join(KEY_FILE))?;
        }
        let ledger = &self.shared.ledger;
        self.runtime.block_on(ledger.barrier()).map_err(|error| error.to_string())?;
        let extent = ledger.copy_into(&state.join("ledger.db")).map_err(|error| error.to_string())?;
        self.list(folder, extent).map_err(said("the backup's list cannot be written"))?;
        Ok(extent)
    }

    fn list(&self, folder: &Path, extent: Extent) -> io::Result<()> {
        let each = |path: PathBuf| {
            let found = copies::digest(&folder.join(&path))?;
            Ok(BackupFile {
                path: path.to_string_lossy().into_owned(),
                bytes: found.bytes,
                sha256: found.sha256,
            })
        };
        let files = copies::below(folder)?.into_iter().map(each).collect::<io::Result<_>>()?;
        let list = BackupList {
            version: BACKUP_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: clock::now(),
            records: extent.records,
            last_record: extent.last,
            with_master_key: self.key.is_some(),
            files,
        };
        copies::write(&folder.join(BACKUP_LIST), &serde_json::to_vec_pretty(&list)?)
    }

    fn tell(&self, made: &Result<Extent, String>) {
        let detail = match made {
            Ok(extent) => {
                let key = if self.key.is_some() { "with the master key" } else { "without the master key" };
                format!("{} records, the last is {}; {key}", extent.records, extent.last)
            }
            Err(why) => {
                tracing::error!(why, "the backup is not made");
                why.clone()
            }
        };
        self.shared.ledger.system(
            if made.is_ok() { "backup" } else { "backup-failed" },
            "state",
            Some(detail),
        );
    }
}
