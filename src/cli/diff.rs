//! `clawgress diff -f`: what a candidate set would add and remove, in words, compared with the set in force.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::json;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::validate::read_all;
use super::words;
use crate::model::manifest::{self, Report, Resources, SourceFile};
use crate::operate::api::{Resource, resource};
use crate::operate::changes::{self, Change, Turn};

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// A file, or a folder with everything below it: together the whole candidate set
    #[arg(short, long = "file", value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
}

impl Diff {
    /// Compares and prints; a candidate that does not load is a no.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let read = read_all(&self.files)?;
        let sources: Vec<_> = read.into_iter().map(|file| SourceFile::new(file.shown, file.bytes)).collect();
        let candidate = match manifest::load(&sources) {
            Ok(candidate) => candidate,
            Err(report) => return Ok(invalid(&report, context)),
        };
        let in_force = context.with_daemon(|mut client| async move {
            let mut all = Vec::new();
            for kind in resource::KINDS {
                all.extend(client.resources(kind, None).await?);
            }
            Ok(all)
        })?;
        let in_force = loaded(&in_force)?;
        let changes = changes::between(&in_force, &candidate);
        if context.format == Format::Table {
            let mut text = render(&changes, context.paint);
            text.push_str(&summary(&changes, &in_force, &candidate));
            context.print(&text)?;
            return Ok(Exit::Done);
        }
        let document = json!({
            "in_force": &*in_force.digest, "candidate": &*candidate.digest, "changes": changes,
        });
        context.one(&document, |_, _| String::new())?;
        Ok(Exit::Done)
    }
}

fn invalid(report: &Report, context: &mut Context) -> Exit {
    let rendered = report.render(context.paint.0);
    context.say(&format!("{rendered}{}", report.summary()));
    Exit::No
}

/// The documents in force, as this program reads them: each by its own file and line.
fn loaded(resources: &[Resource]) -> Result<Resources, Failure> {
    let file = |one: &Resource| {
        // JSON is YAML.
        SourceFile::new(one.file.as_str(), one.body.to_string().into_bytes())
    };
    let files: Vec<_> = resources.iter().map(file).collect();
    let mut loaded = manifest::load(&files).map_err(|report| {
        let message = format!("the set in force is not understood by this program: {}", report.summary());
        Failure::new(Exit::Code(65), message).hint("is the daemon of the same version? clawgress status")
    })?;
    for document in &mut loaded.documents {
        let found = resources.iter().find(|one| one.kind == document.kind && *one.name == *document.name);
        if let Some(line) = found.and_then(|one| usize::try_from(one.line).ok()) {
            document.origin.line = line;
        }
    }
    Ok(loaded)
}

/// A paragraph for each document: what it is, where, and its sentences that come and go.
pub fn render(changes: &[Change], paint: Paint) -> String {
    let mut out = String::new();
    for change in changes {
        let (sign, style) = match change.change {
            Turn::Added => ('+', Style::Good),
            Turn::Changed => ('~', Style::Bold),
            Turn::Removed => ('-', Style::Bad),
        };
        let title = paint.text(style, &format!("{sign} {}/{}", change.kind, safe(&change.name)));
        let place = paint.text(Style::Dim, &format!("{}:{}", safe(&change.file), change.line));
        let _ = writeln!(out, "{title}  {place}");
        for text in &change.removes {
            let _ = writeln!(out, "    {}", paint.text(Style::Bad, &format!("- {}", safe(text))));
        }
        for text in &change.adds {
            let _ = writeln!(out, "    {}", paint.text(Style::Good, &format!("+ {}", safe(text))));
        }
    }
    out
}

fn summary(changes: &[Change], in_force: &Resources, candidate: &Resources) -> String {
    if changes.is_empty() {
        return format!("nothing would change ({} is in force)\n", words::digest(&in_force.digest));
    }
    let count = |turn: Turn| changes.iter().filter(|change| change.change == turn).count();
    format!(
        "{} added, {} changed, {} removed; in force {}, the candidate {}\n",
        count(Turn::Added),
        count(Turn::Changed),
        count(Turn::Removed),
        words::digest(&in_force.digest),
        words::digest(&candidate.digest)
    )
}
