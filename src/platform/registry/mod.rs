//! What operators decide and what must outlive the daemon: approvals, quarantines, when a document was first seen, and the
//! vault's values, sealed.
//!
//! SQLite in `stateDir/registry.db`, through statements that PostgreSQL understands too. Never read on the packet's path:
//! the daemon reads it at the start and keeps a copy in memory. A registry that was there once and is gone is not made
//! anew: what it held must not be forgotten in silence. Read next: `approvals.rs`, then `history.rs`.

mod history;
mod approvals;
mod quarantines;
mod past;
mod sightings;
mod secrets;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlSafeStr as _, SqlitePool};

use crate::model::types::Timestamp;
use crate::model::types::limits::REGISTRY_BUSY_TIME;

pub use approvals::Approval;
pub use past::Past;
pub use quarantines::Quarantine;
pub use secrets::{SealedValue, StoredSecret};
pub use sightings::Sighting;

/// The database's name in the state folder.
const DATABASE: &str = "registry.db";
/// Says that there is a registry in this folder, so that a lost one is missed.
const MARK: &str = "registry.mark";
/// Every layout since the first.
const MIGRATIONS: [(i64, &str, &str); 3] = [
    (1, "what stands for a time", include_str!("migrations/1_standing.sql")),
    (2, "tools of approvals", include_str!("migrations/2_tools.sql")),
    (3, "sealed secrets", include_str!("migrations/3_secrets.sql")),
];

/// Why the registry cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the registry fails.
    #[error("cannot use the registry `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database fails.
    #[error("cannot use the registry `{}`: {}", path.display(), said(source))]
    Database {
        /// The database.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
    /// The layout is not one of ours.
    #[error(
        "cannot use the registry `{}`: {source}\nhint: a newer version may have written it; install that one", path.display()
    )]
    Layout {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        source: sqlx::migrate::MigrateError,
    },
    /// There was a registry, and it is gone.
    #[error(
        "the registry `{}` is gone, and with it every approval, quarantine and secret\nhint: put it back from a copy; or, to begin \
         with none, remove `{MARK}` beside it", path.display()
    )]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// The file was removed or replaced while it was open: what is written goes nowhere.
    #[error("the registry `{}` was removed or replaced while it was in use", path.display())]
    Replaced {
        /// Where it was.
        path: PathBuf,
    },
    /// A row that this program cannot have written.
    #[error("the registry `{}` has a damaged row: {what}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// Which, and what is wrong with it.
        what: String,
    },
}

/// What a database says, in words that end here.
fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "it is busy".to_owned(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    }
}

/// How something ended before or at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Who ended it; `expiry` where its time was over.
    pub by: String,
}

/// The registry, open.
#[derive(Debug, Clone)]
pub struct Registry {
    pool: SqlitePool,
    path: PathBuf,
    /// Device and inode of the file that is open.
    file: (u64, u64),
}

impl Registry {
    /// Opens the registry of a state folder; makes it where there never was one.
    ///
    /// # Errors
    /// [`Error`]. Nothing is forgotten: whoever cannot open it must not go on as if it were empty.
    pub async fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(DATABASE);
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        let mark = folder.join(MARK);
        // One that was emptied, as by a disk that was full, would be taken for a new one.
        let is_there = fs::metadata(&path).is_ok_and(|found| found.len() > 0);
        if mark.exists() && !is_there {
            return Err(Error::Gone { path });
        }
        // Only the daemon's own user may read why somebody was let through or shut out.
        let file = File::options().create(true).append(true).mode(0o600).open(&path).map_err(fail(&path))?;
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(fail(&path))?;
        let found = file.metadata().map_err(fail(&path))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // What is removed or replaced is overwritten in the file.
            .pragma("secure_delete", "ON")
            .busy_timeout(REGISTRY_BUSY_TIME);
        // One connection: commands are few, and take their turn.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(2 * REGISTRY_BUSY_TIME)
            .connect_with(options)
            .await
            .map_err(|source| Error::Database { path: path.clone(), source })?;
        migrator().run(&pool).await.map_err(|source| Error::Layout { path: path.clone(), source })?;
        File::options().create(true).append(true).mode(0o600).open(&mark).map_err(fail(&mark))?;
        Ok(Self { pool, path, file: (found.dev(), found.ino()) })
    }

    /// Whether the file that is open is still the one that stands there. Blocks for a moment.
    ///
    /// # Errors
    /// [`Error::Replaced`].
    pub fn check(&self) -> Result<(), Error> {
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.file => Ok(()),
            _ => Err(Error::Replaced { path: self.path.clone() }),
        }
    }

    /// Writes a copy of one moment into a folder, where it is the registry of another gateway; commands wait meanwhile.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    pub async fn copy_into(&self, folder: &Path) -> Result<(), Error> {
        let (path, mark) = (folder.join(DATABASE), folder.join(MARK));
        // SQLite would make it readable by all, and takes an empty file.
        for path in [&path, &mark] {
            let made = File::options().create_new(true).write(true).mode(0o600).open(path);
            made.map_err(|source| Error::File { path: path.clone(), source })?;
        }
        let statement = sqlx::query("VACUUM INTO $1").bind(path.to_string_lossy().into_owned());
        statement.execute(&self.pool).await.map(drop).map_err(|source| self.failed(source))
    }

    /// Whether something can be written now.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub async fn look(&self, at: Timestamp) -> Result<(), Error> {
        self.check()?;
        let statement = sqlx::query("UPDATE looks SET looked_at = $1 WHERE id = 1").bind(at.0);
        statement.execute(&self.pool).await.map(drop).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: sqlx::Error) -> Error {
        Error::Database { path: self.path.clone(), source }
    }

    fn damaged(&self, what: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), what: what.into() }
    }
}

fn migrator() -> Migrator {
    let one = |(version, description, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.into_iter().map(one).collect())
}
