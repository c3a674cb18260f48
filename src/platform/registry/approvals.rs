//! Approvals that operators made by command.

use std::sync::Arc;

use super::{Ended, Error, Registry};
use crate::model::types::limits::REGISTRY_HISTORY;
use crate::model::types::{ApprovedHost, Grant, Timestamp};

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its name, of its own among all approvals.
    pub name: Arc<str>,
    /// Who may reach what, and why.
    pub grant: Grant,
    /// The denial that asked for it.
    pub request_id: Option<String>,
    /// Who approved it.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// How it ended.
    pub ended: Option<Ended>,
}

type Row = (
    String,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    String,
    i64,
    i64,
    Option<i64>,
    Option<String>,
);

impl Registry {
    /// Those that nobody has ended, by name; one whose time is over is among them until its end is written.
    pub async fn approvals(&self) -> Result<Vec<Approval>, Error> {
        let rows = sqlx::query_as::<_, Row>(
            "SELECT name, agent, hosts, reason, ticket, request_id, made_by, made_at, until_at, ended_at, ended_by \
             FROM approvals WHERE ended_at IS NULL ORDER BY name",
        );
        let rows = rows.fetch_all(&self.pool).await.map_err(|source| self.failed(source))?;
        rows.into_iter().map(|row| self.approval(row)).collect()
    }

    /// All that are remembered, the newest first.
    pub async fn approvals_of_all_times(&self) -> Result<Vec<Approval>, Error> {
        let rows = sqlx::query_as::<_, Row>(
            "SELECT name, agent, hosts, reason, ticket, request_id, made_by, made_at, until_at, ended_at, ended_by \
             FROM approvals ORDER BY made_at DESC, name",
        );
        let rows = rows.fetch_all(&self.pool).await.map_err(|source| self.failed(source))?;
        rows.into_iter().map(|row| self.approval(row)).collect()
    }

    /// Remembers a new approval, and forgets the oldest that have ended where too many have.
    pub async fn add_approval(&self, approval: &Approval) -> Result<(), Error> {
        self.check()?;
        let Approval { name, grant, request_id, made_by, made_at, until, ended: _ } = approval;
        let hosts: Vec<String> = grant.hosts.iter().map(ToString::to_string).collect();
        let insert = sqlx::query(
            "INSERT INTO approvals (name, agent, hosts, reason, ticket, request_id, made_by, made_at, until_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&**name)
        .bind(&*grant.agent)
        .bind(hosts.join(" "))
        .bind(&*grant.reason)
        .bind(grant.ticket.as_deref())
        .bind(request_id.as_deref())
        .bind(made_by)
        .bind(made_at.0)
        .bind(until.0);
        let forget = sqlx::query(
            "DELETE FROM approvals WHERE ended_at IS NOT NULL AND made_at <= \
             (SELECT made_at FROM approvals WHERE ended_at IS NOT NULL ORDER BY made_at DESC LIMIT 1 OFFSET $1)",
        )
        .bind(i64::try_from(REGISTRY_HISTORY).unwrap_or(i64::MAX));
        let both = async {
            let mut turn = self.pool.begin().await?;
            insert.execute(&mut *turn).await?;
            forget.execute(&mut *turn).await?;
            turn.commit().await
        };
        both.await.map_err(|source| self.failed(source))
    }

    /// Ends an approval; one that has ended stays as it ended.
    pub async fn end_approval(&self, name: &str, ended: &Ended) -> Result<(), Error> {
        self.check()?;
        let statement = sqlx::query(
            "UPDATE approvals SET ended_at = $1, ended_by = $2 WHERE name = $3 AND ended_at IS NULL",
        );
        let statement = statement.bind(ended.at.0).bind(&ended.by).bind(name);
        statement.execute(&self.pool).await.map(drop).map_err(|source| self.failed(source))
    }

    fn approval(&self, row: Row) -> Result<Approval, Error> {
        let (name, agent, hosts, reason, ticket, request_id, made_by, made_at, until, ended_at, ended_by) =
            row;
        let hosts = hosts.split(' ').map(|text| {
            let host = ApprovedHost::parse(text);
            host.map_err(|why| self.damaged(format!("approval `{name}`: `{text}` {why}")))
        });
        let hosts = hosts.collect::<Result<_, _>>()?;
        let (reason, ticket) = (reason.into(), ticket.map(Arc::from));
        Ok(Approval {
            grant: Grant { agent: agent.into(), hosts, reason, ticket },
            name: name.into(),
            request_id,
            made_by,
            made_at: Timestamp(made_at),
            until: Timestamp(until),
            ended: ended_at.map(|at| Ended { at: Timestamp(at), by: ended_by.unwrap_or_default() }),
        })
    }
}
