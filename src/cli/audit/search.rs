//! `clawgress audit search`: page by page, so that any number of records needs the memory of one page.

use super::Filter;
use super::row::Table;
use crate::cli::context::{Context, Format, block_on, line, pretty, yaml};
use crate::cli::exit::{Exit, Failure};
use crate::operate::api::{Client, Window};

/// Arguments of `audit search`.
#[derive(Debug, clap::Args)]
pub struct Search {
    #[command(flatten)]
    filter: Filter,
    /// Only the newest so many of them
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Search {
    /// Asks and prints. Nothing found is an answer.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let filter = self.filter.seen_from(context.now);
        let mut window = Window { last: self.limit, ..Window::default() };
        let mut table = Table::default();
        let mut printed = 0_u64;
        let wanted = self.limit.unwrap_or(u64::MAX);
        block_on(async {
            let mut client = Client::connect(&context.socket).await?;
            loop {
                let mut page = client.audit_search(&filter, &window).await?;
                page.rows.truncate(usize::try_from(wanted - printed).unwrap_or(usize::MAX));
                match context.format {
                    Format::Table => {
                        let lines = table.lines(&page.rows, context.now, context.paint);
                        context.print(&lines)?;
                    }
                    Format::Jsonl => {
                        for row in &page.rows {
                            context.print(&line(row)?)?;
                        }
                    }
                    Format::Json => {
                        for (row, index) in page.rows.iter().zip(printed..) {
                            let text = pretty(row)?;
                            context.print(if index == 0 { "[\n" } else { ",\n" })?;
                            context.print(text.trim_end())?;
                        }
                    }
                    Format::Yaml if page.rows.is_empty() => {}
                    Format::Yaml => context.print(&yaml(&page.rows)?)?,
                }
                printed += page.rows.len() as u64;
                if !page.more || printed >= wanted {
                    break;
                }
                window =
                    Window { last: None, after: Some(page.next), through: Some(page.through), limit: None };
            }
            Ok(())
        })?;
        let end = match (context.format, printed) {
            (Format::Json | Format::Yaml, 0) => "[]\n",
            (Format::Json, _) => "\n]\n",
            _ => "",
        };
        context.print(end)?;
        if printed == 0 && context.format == Format::Table {
            context.say("nothing on record matches");
        }
        Ok(Exit::Done)
    }
}
