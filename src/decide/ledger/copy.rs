//! A copy of the ledger at one moment, and what a copy holds.
//!
//! Made beside the writer, which goes on: SQLite shows the copier one state of the database. Never touches the ledger itself.
//! Read next: `mod.rs`.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Error, Ledger};

/// How much a ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Records in it.
    pub records: u64,
    /// The number of the last.
    pub last: u64,
}

impl Ledger {
    /// Writes all that was recorded before now into a new database, for its owner alone. Blocks while it is written; the caller has
    /// waited for [`Ledger::barrier`].
    ///
    /// # Errors
    /// Where it cannot be read or written.
    pub fn copy_into(&self, path: &Path) -> Result<Extent, Error> {
        let made = File::options().create_new(true).write(true).mode(0o600).open(path);
        made.map_err(|source| Error::File { what: "make", path: path.to_owned(), source })?;
        let database = &self.0.database;
        let fail = |source| Error::Database { path: database.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let copier = Connection::open_with_flags(database, flags).map_err(fail)?;
        copier.execute("VACUUM INTO ?1", [path.to_string_lossy()]).map_err(fail)?;
        extent(path)
    }
}

/// What a copy holds, once it is known to be whole.
///
/// # Errors
/// Where it cannot be read, or is damaged.
pub fn examine(path: &Path) -> Result<Extent, Error> {
    let fail = |source| Error::Database { path: path.to_owned(), source };
    let found: String = open(path)?.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fail)?;
    if found != "ok" {
        return Err(Error::Replay(format!("`{}` is damaged: {found}", path.display())));
    }
    extent(path)
}

fn open(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .map_err(|source| Error::Database { path: path.to_owned(), source })
}

fn extent(path: &Path) -> Result<Extent, Error> {
    let sql = "SELECT count(*), coalesce(max(seq), 0) FROM records";
    let both = open(path)?.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let (records, last) = both.map_err(|source| Error::Database { path: path.to_owned(), source })?;
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Extent { records: whole(records), last: whole(last) })
}
