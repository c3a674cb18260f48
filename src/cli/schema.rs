//! `clawgress schema [KIND]`: what documents may say, as JSON Schema, without a daemon.

use super::columns::{Cell, Columns};
use super::context::{Context, Format, pretty};
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style};
use crate::model::config;
use crate::model::manifest::catalogue::{self, Listed};
use crate::model::manifest::kinds::{KINDS, Standing};
use crate::model::manifest::policy_test;
use crate::model::manifest::report::{did_you_mean, quoted};

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub struct Schema {
    /// Kind of document, in any case; its JSON Schema is printed. Without one the kinds are listed
    kind: Option<String>,
    /// Print `docs/reference.md`
    #[arg(long, hide = true, conflicts_with = "kind")]
    markdown: bool,
}

impl Schema {
    /// Prints the schema of a kind, or the list of kinds.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if self.markdown {
            context.print(&catalogue::reference())?;
            return Ok(Exit::Done);
        }
        let Some(asked) = self.kind else {
            context.list(&catalogue::kinds().collect::<Vec<_>>(), list)?;
            return Ok(Exit::Done);
        };
        let Some((kind, standing)) = KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&asked)) else {
            let near = did_you_mean(&asked, KINDS.iter().map(|(name, _)| *name));
            let hint = near.unwrap_or_else(|| "`clawgress schema` lists the kinds".to_owned());
            return Err(Failure::new(Exit::Usage, format!("unknown kind {}", quoted(&asked))).hint(hint));
        };
        match (*kind, standing) {
            (_, Standing::Enforced(known)) => print(&catalogue::schema(*known), context),
            ("ClawgressConfig", _) => print(&config::schema(), context),
            (policy_test::KIND, _) => print(&catalogue::test_schema(), context),
            (_, Standing::NotYet) => Err(Failure::new(Exit::No, format!("{} is not yet enforced", quoted(kind)))
                .hint("a document of this kind is refused whole; `clawgress schema` lists the kinds that are enforced")),
            (_, Standing::Elsewhere(hint)) => {
                let message = format!("{} is no kind of policy document", quoted(kind));
                Err(Failure::new(Exit::No, message).hint(*hint))
            }
        }
    }
}

/// A schema is for programs, whoever asks.
fn print(schema: &serde_json::Value, context: &mut Context) -> Result<Exit, Failure> {
    if context.format == Format::Table {
        context.print(&pretty(schema)?)?;
    } else {
        context.one(schema, |_, _| String::new())?;
    }
    Ok(Exit::Done)
}

/// `KIND  state  meaning`.
fn list(kinds: &[Listed], paint: Paint) -> String {
    let row = |listed: &Listed| {
        let style = if listed.state == "enforced" { Style::Good } else { Style::Dim };
        vec![
            Cell::from(listed.kind),
            Cell::styled(listed.state, style),
            Cell::whole(listed.meaning, Style::Plain),
        ]
    };
    Columns::table(&kinds.iter().map(row).collect::<Vec<_>>(), paint)
}
