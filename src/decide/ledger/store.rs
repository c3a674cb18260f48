//! `ledger.db` from the writer's side: schema, one transaction for each batch, what is still open.
//!
//! Besides the records it keeps, in the same transaction, three small tables: `open` (decisions without an outcome,
//! so that a start need not look at all of history), `spans` (which numbers were recorded in which minute, so that a
//! search by time needs no index of its own) and `minutes` (what was decided in the last two days, for `status`).
//! What was charged is in three tables of its own (`spendings.rs`). Never changes or removes a record.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::types::Null;
use rusqlite::{Connection, OpenFlags, Statement, ToSql, Transaction, params};

use crate::decide::quota::Past;
use crate::model::types::RequestId;

use super::columns::Columns;
use super::spendings::{self, Spendings};
use super::{Durability, Error};

/// The layout of the database, in `user_version`.
pub const SCHEMA_VERSION: i64 = 2;
/// Microseconds of one minute.
pub const MINUTE: i64 = 60_000_000;
/// Minutes that `minutes` keeps.
const MINUTES_KEPT: i64 = 2 * 24 * 60;
/// Bytes of a page: each costs four system calls until it is where it stays.
const PAGE_BYTES: u32 = 16 * 1024;
/// Bytes of the write-ahead log that are worth a checkpoint.
const CHECKPOINT_BYTES: u32 = 32 * 1024 * 1024;
/// How long a statement waits for another process that holds the database.
const BUSY_TIME: Duration = Duration::from_secs(1);

const SCHEMA: &str = "
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    timestamp INTEGER,
    request_id BLOB,
    phase TEXT,
    kind TEXT,
    agent_id TEXT,
    decision TEXT,
    reason TEXT,
    destination_host TEXT,
    record TEXT NOT NULL
);
CREATE INDEX records_request ON records (request_id);
CREATE TABLE open (request_id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE spans (
    minute INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    records INTEGER NOT NULL
);
CREATE TABLE minutes (
    minute INTEGER NOT NULL,
    kind TEXT NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (minute, kind, decision, reason)
) WITHOUT ROWID;
";

/// Columns of a record.
const COLUMNS: usize = 10;
/// Rows of one statement: its set-up is a third of what a single row costs.
const ROWS_AT_ONCE: usize = 8;
/// Batches below this take milliseconds in which a worker on the same core must not wait.
const GIVE_WAY_ROWS: usize = 2048;

/// A row that is refused rolls all of the batch back; otherwise SQLite would keep a journal of its own for each
/// statement of several rows.
const INSERT: &str = "INSERT OR ROLLBACK INTO records \
    (seq, timestamp, request_id, phase, kind, agent_id, decision, reason, destination_host, record) VALUES";

fn insert_rows(rows: usize) -> String {
    let row = ["?"; COLUMNS].join(", ");
    format!("{INSERT} {}", vec![format!("({row})"); rows].join(", "))
}

/// A decision that has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub request_id: RequestId,
    pub kind: String,
}

/// The one writer of the database.
pub struct Store {
    db: Connection,
    spendings: Spendings,
    wal: PathBuf,
}

impl Store {
    /// Opens the database, or makes it, readable by its owner alone.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, Error> {
        let fail = |source| Error::Database { path: path.to_owned(), source };
        // SQLite would create it readable by all.
        File::options().create(true).append(true).mode(0o600).open(path).map_err(|source| Error::File {
            what: "open the ledger",
            path: path.to_owned(),
            source,
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags).map_err(fail)?;
        db.busy_timeout(BUSY_TIME).map_err(fail)?;
        set_up(&db, durability).map_err(fail)?;
        let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
        match version {
            SCHEMA_VERSION => {}
            0 => change(&mut db, &[SCHEMA, spendings::SCHEMA]).map_err(fail)?,
            1 => change(&mut db, &[spendings::SCHEMA]).map_err(fail)?,
            found => return Err(Error::Newer { path: path.to_owned(), found }),
        }
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let spendings = Spendings::load(&db).map_err(fail)?;
        Ok(Self { db, spendings, wal: wal.into() })
    }

    /// The highest number in the database; 0 if it is empty.
    pub fn last(&self) -> rusqlite::Result<u64> {
        let last: i64 =
            self.db.query_row("SELECT coalesce(max(seq), 0) FROM records", [], |row| row.get(0))?;
        Ok(u64::try_from(last).unwrap_or(0))
    }

    /// Inserts records in order, all or none. Numbers already there must have been left out. A few give way to the
    /// workers on the same core; many say that a backlog grows, and those who give way on a busy core get little of it.
    pub fn insert(&mut self, rows: &[(u64, &[u8])]) -> rusqlite::Result<()> {
        let gives_way = rows.len() < GIVE_WAY_ROWS;
        let mut charged = self.spendings.batch(&self.db)?;
        let transaction = self.db.transaction()?;
        let mut tally = Tally::default();
        let (groups, rest) = rows.as_chunks::<ROWS_AT_ONCE>();
        for (groups, size) in [(groups.as_flattened(), ROWS_AT_ONCE), (rest, 1)] {
            let mut insert = transaction.prepare_cached(&insert_rows(size))?;
            for group in groups.chunks(size) {
                for (place, (seq, bytes)) in group.iter().enumerate() {
                    let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
                    // The checksum has held and the encoder writes UTF-8 alone, so the slow way is never taken.
                    let Ok(record) = str::from_utf8(bytes) else {
                        bind(&mut insert, place, (seq, &String::from_utf8_lossy(bytes)), None)?;
                        continue;
                    };
                    let columns = Columns::read(record);
                    bind(&mut insert, place, (seq, record), columns.as_ref())?;
                    if let Some(columns) = columns {
                        tally.add(seq, &columns);
                        charged.add(&columns);
                    }
                }
                insert.raw_execute()?;
                if gives_way {
                    thread::yield_now();
                }
            }
        }
        tally.write(&transaction)?;
        charged.write(&transaction)?;
        transaction.commit()?;
        self.spendings.committed();
        Ok(())
    }

    /// What was charged up to the last record.
    pub fn past(&self) -> rusqlite::Result<Past> {
        spendings::past(&self.db)
    }

    /// Decisions without an outcome, oldest first.
    pub fn open_decisions(&self) -> rusqlite::Result<Vec<Open>> {
        let sql = "SELECT open.request_id, coalesce(records.kind, '') FROM open \
                   LEFT JOIN records USING (seq) ORDER BY open.seq";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let id: [u8; 16] = row.get(0)?;
            Ok(Open { request_id: RequestId(uuid::Uuid::from_bytes(id)), kind: row.get(1)? })
        })?;
        rows.collect()
    }

    /// Makes everything committed so far survive a power cut. SQLite syncs the log before it copies pages from it, and
    /// the database before it begins the log anew; so with the log synced, nothing committed is in memory alone.
    pub fn sync(&self) -> std::io::Result<()> {
        File::open(&self.wal)?.sync_data()?;
        match self.wal.parent() {
            Some(dir) => fs::File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Binds the row at `place` in its statement. What has no columns is whole by its checksum, so it was recorded: it is
/// kept as it is.
fn bind(
    insert: &mut Statement<'_>,
    place: usize,
    (seq, record): (i64, &str),
    columns: Option<&Columns<'_>>,
) -> rusqlite::Result<()> {
    let values: [&dyn ToSql; COLUMNS] = match columns {
        Some(columns) => [
            &seq,
            &columns.at.0,
            columns.request_id.0.as_bytes(),
            &columns.phase,
            &columns.kind,
            &columns.agent_id,
            &columns.decision,
            &columns.reason,
            &columns.destination_host,
            &record,
        ],
        None => [&seq, &Null, &Null, &Null, &Null, &Null, &Null, &Null, &Null, &record],
    };
    let first = place * COLUMNS + 1;
    values.iter().enumerate().try_for_each(|(at, value)| insert.raw_bind_parameter(first + at, value))
}

fn set_up(db: &Connection, durability: Durability) -> rusqlite::Result<()> {
    // Takes effect in a new database alone.
    db.pragma_update(None, "page_size", PAGE_BYTES)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    let synchronous = match durability {
        Durability::Process => "normal",
        Durability::Power => "full",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_BYTES / PAGE_BYTES)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)
}

/// Makes these tables, and says that the layout is today's.
fn change(db: &mut Connection, tables: &[&str]) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    tables.iter().try_for_each(|tables| transaction.execute_batch(tables))?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// One minute's numbers: the first, the last, how many.
type Span = (i64, i64, i64);

/// What a batch changes in the small tables.
#[derive(Default)]
struct Tally<'a> {
    /// `Some` opens a request, `None` closes one that an earlier batch opened.
    open: HashMap<RequestId, Option<i64>>,
    spans: BTreeMap<i64, Span>,
    minutes: BTreeMap<(i64, &'a str, &'a str, &'a str), i64>,
}

impl<'a> Tally<'a> {
    fn add(&mut self, seq: i64, columns: &Columns<'a>) {
        let minute = columns.at.0.div_euclid(MINUTE);
        let span = self.spans.entry(minute).or_insert((seq, seq, 0));
        *span = (span.0, seq, span.2 + 1);
        let outcome = columns.phase == "outcome";
        match columns.phase {
            "decision" => drop(self.open.insert(columns.request_id, Some(seq))),
            "outcome" => {
                // Within one batch they cancel out, and the table is not touched.
                let opened_here = self.open.remove(&columns.request_id).is_some();
                self.open.extend((!opened_here).then_some((columns.request_id, None)));
            }
            _ => {}
        }
        if let Some(decision) = columns.decision {
            // What is let through counts as that, under whatever word.
            let decision = if columns.reason.is_some() { decision } else { "allow" };
            let reason = columns.reason.unwrap_or_default();
            *self.minutes.entry((minute, columns.kind, decision, reason)).or_default() += 1;
            if outcome {
                // It overrides the decision that was counted when it was made.
                *self.minutes.entry((minute, columns.kind, "allow", "")).or_default() -= 1;
            }
        }
    }

    fn write(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut opens = transaction.prepare_cached("INSERT OR REPLACE INTO open VALUES (?1, ?2)")?;
        let mut closes = transaction.prepare_cached("DELETE FROM open WHERE request_id = ?1")?;
        for (id, seq) in self.open {
            match seq {
                Some(seq) => opens.execute(params![id.0.as_bytes(), seq])?,
                None => closes.execute([id.0.as_bytes()])?,
            };
        }
        let mut spans = transaction.prepare_cached(
            "INSERT INTO spans VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET \
             first_seq = min(first_seq, excluded.first_seq), last_seq = max(last_seq, excluded.last_seq), \
             records = records + excluded.records",
        )?;
        let newest = self.spans.keys().next_back().copied();
        for (minute, (first, last, records)) in self.spans {
            spans.execute([minute, first, last, records])?;
        }
        let mut minutes = transaction.prepare_cached(
            "INSERT INTO minutes VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for ((minute, kind, decision, reason), count) in self.minutes {
            minutes.execute(params![minute, kind, decision, reason, count])?;
        }
        if let Some(newest) = newest {
            let mut forget = transaction.prepare_cached("DELETE FROM minutes WHERE minute < ?1")?;
            forget.execute([newest - MINUTES_KEPT])?;
        }
        Ok(())
    }
}
