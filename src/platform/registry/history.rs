//! What has ended, and how much of it is remembered: the same for approvals and quarantines.
//!
//! The rows that ended last are kept. So all that stood at a moment is there, unless that moment lies before the first end
//! that is remembered and the bound has been reached. Read next: `past.rs`.

use sqlx::query::{Query, QueryAs};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, Sqlite};

use super::{Error, Registry};
use crate::model::types::Timestamp;
use crate::model::types::limits::REGISTRY_HISTORY;

/// The statements of one table's history.
pub(super) struct History {
    /// Forgets what ended first, but for so many rows.
    forget: &'static str,
    /// The first end that is remembered, where there are so many rows.
    first: &'static str,
}

macro_rules! history {
    ($table:literal, $key:literal) => {
        History {
            forget: concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $key,
                " IN (SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, ",
                $key,
                " LIMIT $2 OFFSET $1)"
            ),
            first: concat!(
                "SELECT CASE WHEN COUNT(*) >= $1 THEN MIN(ended_at) END FROM ",
                $table,
                " WHERE ended_at IS NOT NULL"
            ),
        }
    };
}

pub(super) const APPROVALS: History = history!("approvals", "name");
pub(super) const QUARANTINES: History = history!("quarantines", "id");

/// How many rows that have ended are remembered.
fn bound() -> i64 {
    i64::try_from(REGISTRY_HISTORY).unwrap_or(i64::MAX)
}

impl Registry {
    /// Remembers a new row, and forgets what ended first where too much has ended.
    pub(super) async fn add(
        &self,
        insert: Query<'_, Sqlite, SqliteArguments>,
        history: &History,
    ) -> Result<(), Error> {
        self.check()?;
        let forget = sqlx::query(history.forget).bind(bound()).bind(i64::MAX);
        let both = async {
            let mut turn = self.pool.begin().await?;
            insert.execute(&mut *turn).await?;
            forget.execute(&mut *turn).await?;
            turn.commit().await
        };
        both.await.map_err(|source| self.failed(source))
    }

    /// All rows that a statement finds.
    pub(super) async fn rows<T>(
        &self,
        statement: QueryAs<'_, Sqlite, T, SqliteArguments>,
    ) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        statement.fetch_all(&self.pool).await.map_err(|source| self.failed(source))
    }

    /// The first end that is remembered, where there may have been earlier ones.
    pub(super) async fn first(&self, history: &History) -> Result<Option<Timestamp>, Error> {
        let statement = sqlx::query_scalar::<_, Option<i64>>(history.first).bind(bound());
        let first = statement.fetch_one(&self.pool).await.map_err(|source| self.failed(source))?;
        Ok(first.map(Timestamp))
    }
}
