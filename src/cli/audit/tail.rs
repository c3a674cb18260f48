//! `clawgress audit tail`: the newest records; with `-f` every further one, until Ctrl-C.

use serde_json::Value;

use super::Filter;
use super::row::Table;
use crate::cli::context::{Context, Format, block_on, line, yaml};
use crate::cli::exit::{Exit, Failure};
use crate::operate::api::{Client, Window};

/// What a shell reports for a command that Ctrl-C ended (128 and SIGINT).
const INTERRUPTED: u8 = 130;

/// Arguments of `audit tail`.
#[derive(Debug, clap::Args)]
pub struct Tail {
    #[command(flatten)]
    filter: Filter,
    /// How many of the newest to begin with
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20)]
    lines: u64,
    /// Go on with every further one
    #[arg(short, long)]
    follow: bool,
}

impl Tail {
    /// Asks and prints.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let filter = self.filter.seen_from(context.now);
        let window = Window { last: Some(self.lines), ..Window::default() };
        let mut table = Table::default();
        if !self.follow {
            let page =
                context.with_daemon(|mut client| async move { client.audit_tail(&filter, &window).await })?;
            let now = context.now;
            context.list(&page.rows, |rows, paint| table.lines(rows, now, paint))?;
            return Ok(Exit::Done);
        }
        if context.format == Format::Json {
            return Err(Failure::new(
                Exit::Usage,
                "`-o json` is one document, and what is followed has no end",
            )
            .hint("`-o jsonl` prints one object a line"));
        }
        block_on(async {
            let client = Client::connect(&context.socket).await?;
            let mut rows = client.audit_follow(&filter, &window).await?;
            loop {
                let row = tokio::select! {
                    row = rows.next() => row?,
                    signal = tokio::signal::ctrl_c() => {
                        signal?;
                        return Ok(Exit::Code(INTERRUPTED));
                    }
                };
                let Some(row) = row else {
                    return Err(Failure::new(Exit::Code(3), "the daemon ended the stream"));
                };
                print(context, &mut table, row)?;
                if !rows.has_more() {
                    context.flush()?;
                }
            }
        })
    }
}

fn print(context: &mut Context, table: &mut Table, row: Value) -> Result<(), Failure> {
    let text = match context.format {
        Format::Table => table.lines(&[row], crate::platform::sys::clock::now(), context.paint),
        Format::Yaml => format!("---\n{}", yaml(&row)?),
        Format::Json | Format::Jsonl => line(&row)?,
    };
    Ok(context.print(&text)?)
}
