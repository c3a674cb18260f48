//! `ledger.db` from the operator's side: search, follow, count. Reads through a connection of its own that cannot write.
//!
//! A decision and its outcome are one row here: the outcome's fields stand over the decision's, and where it carries a
//! decision of its own, the earlier reason, policy and rule are gone. Rows come oldest first. Never formats for people.

mod page;
mod sound;

pub use page::{Page, Window};

use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use crate::model::types::{RequestId, Timestamp};

use super::Error;
use super::canonical::FIELDS;
use super::record::{Decision, Kind};
use super::store::MINUTE;

/// Of the records of one thing, the one that makes its row.
const FIRST: &str = "coalesce(d.phase, '') NOT IN ('progress', 'outcome')";

/// How long a query waits for the writer.
const BUSY_TIME: Duration = Duration::from_secs(2);

/// What to look for; an absent field takes everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `agent_id`.
    pub agent: Option<String>,
    /// The decision, as a late denial may have overridden it.
    pub decision: Option<Decision>,
    /// A reason's code.
    pub reason: Option<String>,
    /// What the row is about.
    pub kind: Option<Kind>,
    /// `destination_host`, whole and in lower case.
    pub host: Option<String>,
    /// Decided at this moment or later.
    pub since: Option<Timestamp>,
    /// Decided before this moment.
    pub until: Option<Timestamp>,
    /// Whole or from its beginning.
    pub request_id: Option<IdPrefix>,
    /// The newest so many.
    pub limit: Option<u32>,
}

/// The ids that begin with some hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdPrefix {
    first: RequestId,
    last: RequestId,
}

impl IdPrefix {
    /// Parses a whole id or its beginning, with or without hyphens, at least one digit.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let filled = |with: &str| RequestId::parse(&(digits.clone() + &with.repeat(32 - digits.len())));
        Some(Self { first: filled("0")?, last: filled("f")? })
    }
}

/// One merged row, its fields in the order of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Number of the decision, or of the complete record.
    pub seq: u64,
    fields: Vec<(String, Value)>,
}

impl Row {
    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// A field's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// All fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn merged(seq: i64, decision: &str, outcome: Option<&str>) -> Self {
        let mut fields = object(decision);
        if let Some(outcome) = outcome {
            let mut outcome = object(outcome);
            outcome.remove("timestamp");
            outcome.insert("phase".into(), "complete".into());
            if outcome.contains_key("decision") {
                for replaced in ["reason", "policy_id", "rule"] {
                    fields.remove(replaced);
                }
            }
            fields.extend(outcome);
        }
        let mut ordered: Vec<(String, Value)> = FIELDS
            .iter()
            .filter_map(|name| fields.remove(*name).map(|value| ((*name).to_owned(), value)))
            .collect();
        // Fields of a later version come last.
        ordered.extend(fields);
        Self { seq: u64::try_from(seq).unwrap_or(0), fields: ordered }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn object(text: &str) -> Map<String, Value> {
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        // Not ours, but recorded: shown as it is.
        _ => Map::from_iter([("record".to_owned(), Value::from(text))]),
    }
}

/// How often something was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// `connection`, `request`, `dns`, `admin` or `system`.
    pub kind: String,
    /// `allow`, `deny`.
    pub decision: String,
    /// A reason's code, for refusals.
    pub reason: Option<String>,
    /// How often.
    pub count: u64,
}

/// Figures for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records in the database.
    pub records: u64,
    /// The moment of the first one.
    pub oldest: Option<Timestamp>,
    /// What was decided in the last hour, in whole minutes; the most frequent first.
    pub last_hour: Vec<Count>,
}

/// A reader of `ledger.db`. It blocks: not for the road.
pub struct Reader {
    db: Connection,
}

impl Reader {
    /// Opens the database for reading alone.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let db = Connection::open_with_flags(path, flags)?;
            db.busy_timeout(BUSY_TIME)?;
            Ok(Self { db })
        };
        open().map_err(|source| Error::Database { path: path.to_owned(), source })
    }

    fn fail(&self) -> impl Fn(rusqlite::Error) -> Error {
        let path = self.db.path().unwrap_or_default().to_owned();
        move |source| Error::Database { path: path.clone().into(), source }
    }

    /// Merged rows, oldest first. A decision that has no outcome yet appears as it is.
    pub fn search(&self, filter: &Filter) -> Result<Vec<Row>, Error> {
        let mut wanted = Wanted::of(filter);
        self.narrow(filter, &mut wanted).map_err(self.fail())?;
        wanted.value(Sql::from(filter.limit.map_or(-1, i64::from)));
        let sql = format!(
            "SELECT d.seq, d.record, o.record FROM records d \
             LEFT JOIN records o ON d.phase = 'decision' AND o.request_id = d.request_id AND o.phase = 'outcome' \
             WHERE {FIRST}{} ORDER BY d.seq DESC LIMIT ?",
            wanted.sql
        );
        let rows = self.rows(&sql, wanted.values).map_err(self.fail())?;
        let rows = rows.iter().rev();
        Ok(rows.map(|(_, seq, decision, outcome)| Row::merged(*seq, decision, outcome.as_deref())).collect())
    }

    /// What was completed after the record numbered `after`, in the order of completion, and where to go on from. With
    /// a limit, the oldest so many.
    pub fn tail(&self, after: u64, filter: &Filter) -> Result<(Vec<Row>, u64), Error> {
        let end = self.last()?;
        let mut wanted = Wanted::of(filter);
        wanted.and("t.seq > ?", Sql::from(i64::try_from(after).unwrap_or(i64::MAX)));
        wanted.and("t.seq <= ?", Sql::from(i64::try_from(end).unwrap_or(i64::MAX)));
        wanted.value(Sql::from(filter.limit.map_or(-1, i64::from)));
        let sql = format!(
            "SELECT d.seq, d.record, o.record, t.seq FROM records t \
             CROSS JOIN records d ON d.request_id = t.request_id AND {FIRST} \
             LEFT JOIN records o ON o.seq = t.seq AND t.phase = 'outcome' \
             WHERE t.phase IN ('outcome', 'complete'){} ORDER BY t.seq LIMIT ?",
            wanted.sql
        );
        let rows = self.rows(&sql, wanted.values).map_err(self.fail())?;
        let full = filter.limit.is_some_and(|limit| rows.len() >= limit as usize);
        let cursor = match rows.last() {
            Some((Some(last), ..)) if full => u64::try_from(*last).unwrap_or(end),
            _ => end.max(after),
        };
        let rows = rows.iter();
        Ok((
            rows.map(|(_, seq, decision, outcome)| Row::merged(*seq, decision, outcome.as_deref())).collect(),
            cursor,
        ))
    }

    /// The last number in the database, where following begins; 0 if it is empty.
    pub fn last(&self) -> Result<u64, Error> {
        let last =
            self.db.query_row("SELECT coalesce(max(seq), 0) FROM records", [], |row| row.get::<_, i64>(0));
        last.map(|last| u64::try_from(last).unwrap_or(0)).map_err(self.fail())
    }

    /// Figures for `status`, the last hour being the one before `now`.
    pub fn stats(&self, now: Timestamp) -> Result<Stats, Error> {
        let read = || {
            let records: i64 =
                self.db.query_row("SELECT coalesce(sum(records), 0) FROM spans", [], |row| row.get(0))?;
            let oldest: Option<i64> = self.db.query_row(
                "SELECT (SELECT timestamp FROM records ORDER BY seq LIMIT 1)",
                [],
                |row| row.get(0),
            )?;
            let sql = "SELECT kind, decision, reason, sum(count) AS n FROM minutes WHERE minute BETWEEN ?1 AND ?2 \
                       GROUP BY kind, decision, reason HAVING n > 0 ORDER BY n DESC, kind, decision, reason";
            let mut statement = self.db.prepare_cached(sql)?;
            let minute = now.0.div_euclid(MINUTE);
            let counts = statement.query_map([minute - 59, minute], |row| {
                let reason: String = row.get(2)?;
                Ok(Count {
                    kind: row.get(0)?,
                    decision: row.get(1)?,
                    reason: Some(reason).filter(|reason| !reason.is_empty()),
                    count: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
                })
            })?;
            let last_hour = counts.collect::<rusqlite::Result<_>>()?;
            Ok(Stats {
                records: u64::try_from(records).unwrap_or(0),
                oldest: oldest.map(Timestamp),
                last_hour,
            })
        };
        read().map_err(self.fail())
    }

    /// Turns a window of time into a window of numbers, so that the rest of history is not read. The numbers of every
    /// minute are kept, so it holds whatever the clock did.
    fn narrow(&self, filter: &Filter, wanted: &mut Wanted) -> rusqlite::Result<()> {
        if let Some(since) = filter.since {
            let sql = "SELECT min(first_seq) FROM spans WHERE minute >= ?1";
            let first: Option<i64> =
                self.db.query_row(sql, [since.0.div_euclid(MINUTE)], |row| row.get(0))?;
            wanted.and("d.seq >= ?", Sql::from(first.unwrap_or(i64::MAX)));
        }
        if let Some(until) = filter.until {
            let sql = "SELECT max(last_seq) FROM spans WHERE minute <= ?1";
            let last: Option<i64> = self.db.query_row(sql, [until.0.div_euclid(MINUTE)], |row| row.get(0))?;
            wanted.and("d.seq <= ?", Sql::from(last.unwrap_or(0)));
        }
        Ok(())
    }

    fn rows(&self, sql: &str, values: Vec<Sql>) -> rusqlite::Result<Vec<Found>> {
        let mut statement = self.db.prepare_cached(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(values), |row| {
            let at = if columns > 3 { Some(row.get(3)?) } else { None };
            Ok((at, row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        rows.collect()
    }
}

/// The completing record's number where it was asked for, the decision's number, both records.
type Found = (Option<i64>, i64, String, Option<String>);

/// Conditions and their values.
#[derive(Default)]
struct Wanted {
    sql: String,
    values: Vec<Sql>,
}

impl Wanted {
    fn of(filter: &Filter) -> Self {
        let mut wanted = Self::default();
        let text = |text: &str| Sql::from(text.to_owned());
        if let Some(agent) = &filter.agent {
            wanted.and("d.agent_id = ?", text(agent));
        }
        if let Some(kind) = filter.kind {
            wanted.and("d.kind = ?", text(kind.as_str()));
        }
        if let Some(host) = &filter.host {
            wanted.and("d.destination_host = ?", text(host));
        }
        if let Some(decision) = filter.decision {
            wanted.and("coalesce(o.decision, d.decision) = ?", text(decision.as_str()));
        }
        if let Some(reason) = &filter.reason {
            wanted.and("coalesce(o.reason, d.reason) = ?", text(reason));
        }
        if let Some(since) = filter.since {
            wanted.and("d.timestamp >= ?", Sql::from(since.0));
        }
        if let Some(until) = filter.until {
            wanted.and("d.timestamp < ?", Sql::from(until.0));
        }
        if let Some(ids) = filter.request_id {
            let blob = |id: RequestId| Sql::from(id.0.as_bytes().to_vec());
            wanted.and("d.request_id >= ?", blob(ids.first));
            wanted.and("d.request_id <= ?", blob(ids.last));
        }
        wanted
    }

    fn and(&mut self, condition: &'static str, value: Sql) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.value(value);
    }

    fn value(&mut self, value: Sql) {
        self.values.push(value);
    }
}
