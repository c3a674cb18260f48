//! Agents that are shut out, by an operator or by a rule.

use std::sync::Arc;

use super::{Ended, Error, Registry, history};
use crate::model::types::{Cause, PolicyRef, Timestamp};

/// One quarantine of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Its own id.
    pub id: String,
    /// The agent, by its name.
    pub agent: Arc<str>,
    /// Why.
    pub cause: Cause,
    /// Who imposed it: a user, or the document with the rule.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// When it ends by itself; absent until somebody ends it.
    pub until: Option<Timestamp>,
    /// How it ended.
    pub ended: Option<Ended>,
}

type Row = (
    String,
    String,
    Option<String>,
    Option<String>,
    String,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
);

/// A statement that reads quarantines: which of them. The oldest come first.
macro_rules! select {
    ($which:literal) => {
        sqlx::query_as::<_, Row>(concat!(
            "SELECT id, agent, policy, rule, reason, made_by, made_at, until_at, ended_at, ended_by \
             FROM quarantines WHERE ",
            $which,
            " ORDER BY made_at, id"
        ))
    };
}

impl Registry {
    /// Those that nobody has ended, oldest first; one whose time is over is among them until its end is written.
    pub async fn quarantines(&self) -> Result<Vec<Quarantine>, Error> {
        let rows = self.rows(select!("ended_at IS NULL")).await?;
        Ok(rows.into_iter().map(quarantine).collect())
    }

    /// Those that stood at a moment, oldest first.
    pub(super) async fn quarantines_at(&self, at: Timestamp) -> Result<Vec<Quarantine>, Error> {
        let statement = select!(
            "made_at <= $1 AND (until_at IS NULL OR until_at > $1) AND (ended_at IS NULL OR ended_at > $1)"
        );
        let rows = self.rows(statement.bind(at.0)).await?;
        Ok(rows.into_iter().map(quarantine).collect())
    }

    /// Remembers a quarantine, once, and forgets what ended first where too much has ended.
    pub async fn add_quarantine(&self, quarantine: &Quarantine) -> Result<(), Error> {
        let Quarantine { id, agent, cause, made_by, made_at, until, ended: _ } = quarantine;
        let insert = sqlx::query(
            "INSERT INTO quarantines (id, agent, policy, rule, reason, made_by, made_at, until_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(&**agent)
        .bind(cause.policy.as_ref().map(|policy| &*policy.0))
        .bind(cause.rule.as_deref())
        .bind(&*cause.reason)
        .bind(made_by)
        .bind(made_at.0)
        .bind(until.map(|until| until.0));
        self.add(insert, &history::QUARANTINES).await
    }

    /// Ends a quarantine; one that has ended stays as it ended.
    pub async fn end_quarantine(&self, id: &str, ended: &Ended) -> Result<(), Error> {
        self.check()?;
        let statement = sqlx::query(
            "UPDATE quarantines SET ended_at = $1, ended_by = $2 WHERE id = $3 AND ended_at IS NULL",
        );
        let statement = statement.bind(ended.at.0).bind(&ended.by).bind(id);
        statement.execute(&self.pool).await.map(drop).map_err(|source| self.failed(source))
    }
}

fn quarantine(row: Row) -> Quarantine {
    let (id, agent, policy, rule, reason, made_by, made_at, until, ended_at, ended_by) = row;
    let (policy, rule) = (policy.map(|policy| PolicyRef(policy.into())), rule.map(Arc::from));
    Quarantine {
        id,
        agent: agent.into(),
        cause: Cause { policy, rule, reason: reason.into() },
        made_by,
        made_at: Timestamp(made_at),
        until: until.map(Timestamp),
        ended: ended_at.map(|at| Ended { at: Timestamp(at), by: ended_by.unwrap_or_default() }),
    }
}
