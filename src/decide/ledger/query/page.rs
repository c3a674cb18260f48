//! Long answers in pages: what matched when the search began, oldest first, whatever is recorded meanwhile.

use rusqlite::types::Value as Sql;

use super::{FIRST, Filter, Reader, Row, Wanted};
use crate::decide::ledger::Error;

/// Which part of the matching rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// Only the newest so many of all that match.
    pub last: Option<u64>,
    /// Only rows behind this number: [`Page::next`] of the page before.
    pub after: Option<u64>,
    /// Only rows up to this number: [`Page::through`] of the first page.
    pub through: Option<u64>,
    /// Rows of one page.
    pub limit: u64,
}

/// One page of rows.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The rows, oldest decision first.
    pub rows: Vec<Row>,
    /// Number behind which the next page begins.
    pub next: u64,
    /// The newest number when the search began.
    pub through: u64,
    /// Whether another page may follow.
    pub more: bool,
}

impl Reader {
    /// A page of merged rows.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn page(&self, filter: &Filter, window: &Window) -> Result<Page, Error> {
        let through = match window.through {
            Some(through) => through,
            None => self.last()?,
        };
        let after = match (window.after, window.last) {
            (Some(after), _) => after,
            (None, Some(last)) => self.before_newest(filter, last, through)?,
            (None, None) => 0,
        };
        let mut wanted = self.bounded(filter, after, through)?;
        wanted.value(sql(window.limit));
        let text = format!(
            "SELECT d.seq, d.record, o.record FROM records d {JOIN} \
             WHERE {FIRST}{} ORDER BY d.seq LIMIT ?",
            wanted.sql
        );
        let found = self.rows(&text, wanted.values).map_err(self.fail())?;
        let rows: Vec<_> = found
            .iter()
            .map(|(_, seq, decision, outcome)| Row::merged(*seq, decision, outcome.as_deref()))
            .collect();
        let next = rows.last().map_or(through, |row| row.seq);
        let more = rows.len() as u64 >= window.limit && next < through;
        Ok(Page { rows, next, through, more })
    }

    /// The number just before the oldest of the newest `count` rows.
    fn before_newest(&self, filter: &Filter, count: u64, through: u64) -> Result<u64, Error> {
        let mut wanted = self.bounded(filter, 0, through)?;
        wanted.value(sql(count));
        let text = format!(
            "SELECT min(seq) FROM (SELECT d.seq AS seq FROM records d {JOIN} \
             WHERE {FIRST}{} ORDER BY d.seq DESC LIMIT ?)",
            wanted.sql
        );
        let first: Option<i64> = (self.db)
            .query_row(&text, rusqlite::params_from_iter(wanted.values), |row| row.get(0))
            .map_err(self.fail())?;
        Ok(first.map_or(through, |first| u64::try_from(first - 1).unwrap_or(0)))
    }

    fn bounded(&self, filter: &Filter, after: u64, through: u64) -> Result<Wanted, Error> {
        let mut wanted = Wanted::of(filter);
        self.narrow(filter, &mut wanted).map_err(self.fail())?;
        wanted.and("d.seq > ?", sql(after));
        wanted.and("d.seq <= ?", sql(through));
        Ok(wanted)
    }
}

const JOIN: &str =
    "LEFT JOIN records o ON d.phase = 'decision' AND o.request_id = d.request_id AND o.phase = 'outcome'";

fn sql(number: u64) -> Sql {
    Sql::from(i64::try_from(number).unwrap_or(i64::MAX))
}
