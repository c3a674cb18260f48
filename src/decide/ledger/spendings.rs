//! What was charged, beside the records that say so and in the same transaction: so that a start need not read all of history.
//!
//! `reservations` has what decisions without an outcome have charged, `spendings` what is settled; together they are what counts.
//! An outcome settles what its decision reserved, and one that says nothing of it leaves it charged. `executions` tells which
//! execution a source address was in. What is too old for any window is removed; the records it came from never are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, Transaction, params};

use crate::decide::quota::{Change, Execution, Past, minute_of, moment_of, settle, split};
use crate::model::types::{RequestId, Timestamp};

use super::columns::Columns;

/// What layout 2 added.
pub const SCHEMA: &str = "
CREATE TABLE spendings (
    account TEXT NOT NULL,
    minute INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (account, minute)
) WITHOUT ROWID;
CREATE TABLE reservations (
    request_id BLOB NOT NULL,
    account TEXT NOT NULL,
    minute INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (request_id, account, minute)
) WITHOUT ROWID;
CREATE TABLE executions (
    agent TEXT NOT NULL,
    source TEXT NOT NULL,
    execution BLOB NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (agent, source)
) WITHOUT ROWID;
";

/// Minutes that are kept: the longest window has 31 days.
const MINUTES_KEPT: i64 = 32 * 24 * 60;
/// Minutes between two looks for older ones.
const FORGET_EVERY: i64 = 60;

/// What is charged to one account in one minute.
type Parts = Vec<(i64, i64)>;

/// What one request has reserved.
#[derive(Debug, Default, Clone)]
struct Open {
    accounts: BTreeMap<String, Parts>,
    /// Whether the database has it.
    stored: bool,
}

/// What is reserved, as the database has it.
#[derive(Debug, Default)]
pub struct Spendings {
    open: HashMap<RequestId, Open>,
    forgotten: i64,
    /// Whether a transaction failed, so that the database knows better.
    stale: bool,
}

impl Spendings {
    /// Reads what is reserved.
    pub fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut open: HashMap<RequestId, Open> = HashMap::new();
        let mut statement = db.prepare("SELECT request_id, account, minute, amount FROM reservations")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id: [u8; 16] = row.get(0)?;
            let one = open.entry(RequestId(uuid::Uuid::from_bytes(id))).or_default();
            one.stored = true;
            one.accounts.entry(row.get(1)?).or_default().push((row.get(2)?, row.get(3)?));
        }
        Ok(Self { open, forgotten: 0, stale: false })
    }

    /// Begins a batch.
    pub fn batch(&mut self, db: &Connection) -> rusqlite::Result<Batch<'_>> {
        if std::mem::replace(&mut self.stale, true) {
            *self = Self { stale: true, ..Self::load(db)? };
        }
        Ok(Batch {
            spendings: self,
            settled: BTreeMap::new(),
            resets: BTreeSet::new(),
            touched: BTreeSet::new(),
            executions: BTreeMap::new(),
        })
    }

    /// Says that the batch is in the database.
    pub fn committed(&mut self) {
        self.stale = false;
    }
}

/// What a batch of records changes.
pub struct Batch<'s> {
    spendings: &'s mut Spendings,
    /// Account and minute.
    settled: BTreeMap<(String, i64), i64>,
    resets: BTreeSet<String>,
    touched: BTreeSet<RequestId>,
    /// Agent and source address.
    executions: BTreeMap<(String, String), (RequestId, Timestamp)>,
}

impl Batch<'_> {
    /// Takes in one record.
    pub fn add(&mut self, record: &Columns<'_>) {
        let charges = record.charges.map(charges).unwrap_or_default();
        let at = record.charged_at.unwrap_or(record.at);
        match record.phase {
            "outcome" => self.close(record.request_id, charges, minute_of(at)),
            "decision" | "progress" => self.reserve(record.request_id, charges, minute_of(at)),
            _ => charges.into_iter().for_each(|charge| self.charge(charge, minute_of(at))),
        }
        if let (Some(id), Some(agent), Some(source)) =
            (record.execution_id, &record.agent_id, record.source_address)
        {
            self.executions.insert((agent.to_string(), source.to_owned()), (id, at));
        }
    }

    fn reserve(&mut self, id: RequestId, charges: Vec<(String, Change)>, minute: i64) {
        for (account, change) in charges {
            let Change::Amount(amount) = change else { continue };
            let open = self.spendings.open.entry(id).or_default();
            let parts = open.accounts.entry(account).or_default();
            match parts.iter_mut().find(|(at, _)| *at == minute) {
                Some((_, sum)) => *sum += amount,
                None => parts.push((minute, amount)),
            }
            self.touched.insert(id);
        }
    }

    fn close(&mut self, id: RequestId, charges: Vec<(String, Change)>, minute: i64) {
        let mut open = match self.spendings.open.remove(&id) {
            Some(open) => open,
            None if charges.is_empty() => return,
            None => Open::default(),
        };
        if open.stored {
            self.touched.insert(id);
        } else {
            self.touched.remove(&id);
        }
        for (account, change) in charges {
            let Change::Amount(total) = change else { continue };
            settle(open.accounts.entry(account).or_default(), total, minute);
        }
        for (account, parts) in open.accounts {
            for (minute, amount) in parts {
                *self.settled.entry((account.clone(), minute)).or_default() += amount;
            }
        }
    }

    fn charge(&mut self, (account, change): (String, Change), minute: i64) {
        match change {
            Change::Amount(amount) => *self.settled.entry((account, minute)).or_default() += amount,
            Change::Reset => {
                self.settled.retain(|(of, _), _| *of != account);
                self.resets.insert(account);
            }
        }
    }

    /// Puts it into the database.
    pub fn write(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut resets = transaction.prepare_cached("DELETE FROM spendings WHERE account = ?1")?;
        for account in &self.resets {
            resets.execute([account])?;
        }
        let mut spend = transaction.prepare_cached(
            "INSERT INTO spendings VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
        )?;
        for ((account, minute), amount) in self.settled.iter().filter(|(_, amount)| **amount != 0) {
            spend.execute(params![account, minute, amount])?;
        }
        self.spendings.write(transaction, &self.touched)?;
        let mut executions = transaction.prepare_cached(
            "INSERT INTO executions VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET \
             execution = excluded.execution, last = excluded.last WHERE excluded.last >= last",
        )?;
        for ((agent, source), (id, last)) in &self.executions {
            executions.execute(params![agent, source, id.0.as_bytes(), last.0])?;
        }
        let newest = self.settled.keys().map(|(_, minute)| *minute).max();
        self.spendings.forget(transaction, newest)
    }
}

impl Spendings {
    fn write(
        &mut self,
        transaction: &Transaction<'_>,
        touched: &BTreeSet<RequestId>,
    ) -> rusqlite::Result<()> {
        let mut remove = transaction.prepare_cached("DELETE FROM reservations WHERE request_id = ?1")?;
        let mut insert = transaction.prepare_cached("INSERT INTO reservations VALUES (?1, ?2, ?3, ?4)")?;
        for id in touched {
            remove.execute([id.0.as_bytes()])?;
            let Some(open) = self.open.get_mut(id) else { continue };
            open.stored = true;
            for (account, parts) in &open.accounts {
                for (minute, amount) in parts {
                    insert.execute(params![id.0.as_bytes(), account, minute, amount])?;
                }
            }
        }
        Ok(())
    }

    fn forget(&mut self, transaction: &Transaction<'_>, newest: Option<i64>) -> rusqlite::Result<()> {
        let Some(newest) = newest.filter(|newest| *newest >= self.forgotten + FORGET_EVERY) else {
            return Ok(());
        };
        self.forgotten = newest;
        let oldest = newest - MINUTES_KEPT;
        transaction.execute("DELETE FROM spendings WHERE minute < ?1", [oldest])?;
        transaction.execute("DELETE FROM executions WHERE last < ?1", [moment_of(oldest).0])?;
        Ok(())
    }
}

/// The charges of a record, its list as it stands there.
fn charges(list: &str) -> Vec<(String, Change)> {
    let Ok(texts) = serde_json::from_str::<Vec<String>>(list) else { return Vec::new() };
    let read = |text: &String| split(text).map(|(account, change)| (account.to_owned(), change));
    texts.iter().filter_map(read).collect()
}

/// What was charged up to now, settled or not.
pub fn past(db: &Connection) -> rusqlite::Result<Past> {
    let sql = "SELECT account, minute, sum(amount) FROM (SELECT account, minute, amount FROM spendings \
               UNION ALL SELECT account, minute, amount FROM reservations) GROUP BY account, minute";
    let mut statement = db.prepare(sql)?;
    let spendings = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let spendings = spendings.collect::<rusqlite::Result<Vec<(String, i64, i64)>>>()?;
    let mut statement = db.prepare("SELECT agent, source, execution, last FROM executions")?;
    let executions = statement.query_map([], |row| {
        let (agent, source, id): (String, String, [u8; 16]) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (id, last) = (RequestId(uuid::Uuid::from_bytes(id)), Timestamp(row.get(3)?));
        Ok(source.parse().ok().map(|source| Execution { agent: agent.into(), source, id, last }))
    })?;
    let executions = executions.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<_>>>()?;
    let charged = spendings.iter().map(|(_, minute, _)| moment_of(*minute));
    let last = charged.chain(executions.iter().map(|one| one.last)).max();
    Ok(Past { spendings, executions, last })
}
