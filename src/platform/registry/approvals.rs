//! Approvals that operators made by command.

use std::sync::Arc;

use sqlx::Sqlite;
use sqlx::query::QueryAs;
use sqlx::sqlite::SqliteArguments;

use super::{Ended, Error, Registry, history};
use crate::model::types::{ApprovedHost, ApprovedTool, Grant, Timestamp};

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
    String,
);

/// A statement that reads approvals: which, and in which order.
macro_rules! select {
    ($which:literal) => {
        sqlx::query_as::<_, Row>(concat!(
            "SELECT name, agent, hosts, reason, ticket, request_id, made_by, made_at, until_at, ended_at, ended_by, \
             tools FROM approvals ",
            $which
        ))
    };
}

impl Registry {
    /// Those that nobody has ended, by name; one whose time is over is among them until its end is written.
    pub async fn approvals(&self) -> Result<Vec<Approval>, Error> {
        self.read_approvals(select!("WHERE ended_at IS NULL ORDER BY name")).await
    }

    /// All that are remembered, the newest first.
    pub async fn approvals_of_all_times(&self) -> Result<Vec<Approval>, Error> {
        self.read_approvals(select!("ORDER BY made_at DESC, name")).await
    }

    /// Those that stood at a moment, by name.
    pub(super) async fn approvals_at(&self, at: Timestamp) -> Result<Vec<Approval>, Error> {
        let statement = select!(
            "WHERE made_at <= $1 AND until_at > $1 AND (ended_at IS NULL OR ended_at > $1) ORDER BY name"
        );
        self.read_approvals(statement.bind(at.0)).await
    }

    async fn read_approvals(
        &self,
        statement: QueryAs<'_, Sqlite, Row, SqliteArguments>,
    ) -> Result<Vec<Approval>, Error> {
        self.rows(statement).await?.into_iter().map(|row| self.approval(row)).collect()
    }

    /// Remembers a new approval, and forgets what ended first where too much has ended.
    pub async fn add_approval(&self, approval: &Approval) -> Result<(), Error> {
        let Approval { name, grant, request_id, made_by, made_at, until, ended: _ } = approval;
        let hosts: Vec<String> = grant.hosts.iter().map(ToString::to_string).collect();
        let tools: Vec<String> = grant.tools.iter().map(ToString::to_string).collect();
        let insert = sqlx::query(
            "INSERT INTO approvals \
             (name, agent, hosts, reason, ticket, request_id, made_by, made_at, until_at, tools) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&**name)
        .bind(&*grant.agent)
        .bind(hosts.join(" "))
        .bind(&*grant.reason)
        .bind(grant.ticket.as_deref())
        .bind(request_id.as_deref())
        .bind(made_by)
        .bind(made_at.0)
        .bind(until.0)
        .bind(tools.join("\n"));
        self.add(insert, &history::APPROVALS).await
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
        let (
            name,
            agent,
            hosts,
            reason,
            ticket,
            request_id,
            made_by,
            made_at,
            until,
            ended_at,
            ended_by,
            tools,
        ) = row;
        let tools = tools.lines().map(|text| {
            let tool = ApprovedTool::parse(text);
            tool.map_err(|why| self.damaged(format!("approval `{name}`: `{text}` {why}")))
        });
        let tools = tools.collect::<Result<_, _>>()?;
        let hosts = hosts.split(' ').filter(|text| !text.is_empty()).map(|text| {
            let host = ApprovedHost::parse(text);
            host.map_err(|why| self.damaged(format!("approval `{name}`: `{text}` {why}")))
        });
        let hosts = hosts.collect::<Result<_, _>>()?;
        let (reason, ticket) = (reason.into(), ticket.map(Arc::from));
        Ok(Approval {
            grant: Grant { agent: agent.into(), hosts, tools, reason, ticket },
            name: name.into(),
            request_id,
            made_by,
            made_at: Timestamp(made_at),
            until: Timestamp(until),
            ended: ended_at.map(|at| Ended { at: Timestamp(at), by: ended_by.unwrap_or_default() }),
        })
    }
}
