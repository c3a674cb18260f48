//! `clawgress get KIND [NAME]`: documents in force, and where they stand.

use super::columns::{Cell, Columns};
use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style};
use crate::model::manifest::report::quoted;
use crate::operate::api::Resource;
use crate::operate::api::resource::{KINDS, canonical_kind, nearest_kind};

/// Arguments of `get`.
#[derive(Debug, clap::Args)]
pub struct Get {
    /// Kind of document: Agent, EgressGateway, EgressL4Route, EgressHTTPRoute, EgressDenyPolicy, EgressPolicy,
    /// EgressApproval
    kind: String,
    /// Its name; all of the kind without one
    name: Option<String>,
}

impl Get {
    /// Asks and prints: for people a line each with its place, else the documents themselves.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let Self { kind: asked, name } = self;
        let Some(kind) = canonical_kind(&asked) else {
            let message = format!("{} is no kind that can be in force", quoted(&asked));
            let hint = nearest_kind(&asked).map_or_else(
                || format!("one of {}", KINDS.join(", ")),
                |kind| format!("did you mean `{kind}`?"),
            );
            return Err(Failure::new(Exit::Usage, message).hint(hint));
        };
        let single = name.is_some();
        let found =
            context.with_daemon(|mut client| async move { client.resources(kind, name.as_deref()).await })?;
        if context.format == Format::Table {
            if found.is_empty() {
                context.say(&format!("no {kind} is in force"));
            }
            let paint = context.paint;
            context.print(&render(&found, paint))?;
            return Ok(Exit::Done);
        }
        let bodies: Vec<_> = found.iter().map(|resource| &resource.body).collect();
        match bodies[..] {
            [body] if single => context.one(body, |_, _| String::new())?,
            _ => context.list(&bodies, |_, _| String::new())?,
        }
        Ok(Exit::Done)
    }
}

/// `Kind/name   file:line`.
pub fn render(resources: &[Resource], paint: Paint) -> String {
    let row = |resource: &Resource| {
        let place = format!("{}:{}", resource.file, resource.line);
        vec![
            Cell::from(format!("{}/{}", resource.kind, resource.name).as_str()),
            Cell::styled(&place, Style::Dim),
        ]
    };
    Columns::table(&resources.iter().map(row).collect::<Vec<_>>(), paint)
}
