//! `clawgress audit show ID`: one record whole, by its id or the beginning of it that people quote.

use super::row::{Table, details};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};

/// Arguments of `audit show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The request id, or its beginning
    #[arg(value_name = "REQUEST_ID")]
    id: String,
}

impl Show {
    /// Asks and prints. A beginning that several ids share is a no, with the whole ids to choose from.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let id = self.id.clone();
        let rows = context.with_daemon(|mut client| async move { client.audit_show(&id).await })?;
        if let [row] = &rows[..] {
            context.one(row, details)?;
            return Ok(Exit::Done);
        }
        let candidates: Vec<&str> =
            rows.iter().filter_map(|row| row.get("request_id").and_then(|id| id.as_str())).collect();
        let lines = Table::default().lines(&rows, context.now, context.paint);
        let both: Vec<String> =
            candidates.iter().zip(lines.lines()).map(|(id, line)| format!("{id}  {line}")).collect();
        let message = format!("{} records begin with `{}`:\n{}", rows.len(), self.id, both.join("\n"));
        Err(Failure::new(Exit::No, message).hint("give the whole id"))
    }
}
