//! `clawgress reload`: the documents on disk, in force when it returns, or the reasons why not.

use std::fmt::Write as _;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::paint::{Paint, safe};
use super::words;
use crate::operate::api::{Diagnostic, Severity};

/// Takes no arguments.
#[derive(Debug, clap::Args)]
pub struct Reload {}

impl Reload {
    /// Asks and prints.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let result = context.with_daemon(|mut client| async move { client.reload().await })?;
        if context.format == Format::Table && !result.diagnostics.is_empty() {
            let text: String = result.diagnostics.iter().map(finding).collect();
            context.say(text.trim_end());
        }
        let now = context.now;
        context.one(&result, |result, _: Paint| {
            let digest = words::digest(&safe(&result.digest));
            if !result.applied {
                let since = words::clock_minutes(result.since, now);
                return format!("not loaded: the set in force ({digest}, since {since} UTC) is unchanged\n");
            }
            let (files, documents) =
                (words::several(result.files, "file"), words::several(result.documents, "document"));
            let what = if result.changed { "in force" } else { "in force already" };
            format!("{digest} {what}: {files}, {documents}\n")
        })?;
        Ok(if result.applied { Exit::Done } else { Exit::No })
    }
}

/// One finding with its place, as the loader shows it where it came along.
pub fn finding(diagnostic: &Diagnostic) -> String {
    if let Some(text) = &diagnostic.text {
        return text.lines().map(|line| format!("{}\n", safe(line))).collect::<String>() + "\n";
    }
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut out = format!("{severity}: {}\n", safe(&diagnostic.message));
    if let Some(file) = &diagnostic.file {
        let _ = write!(out, "  --> {}", safe(file));
        for number in [diagnostic.line, diagnostic.column].into_iter().flatten() {
            let _ = write!(out, ":{number}");
        }
        out.push('\n');
    }
    if let Some(hint) = &diagnostic.hint {
        let _ = writeln!(out, "hint: {}", safe(hint));
    }
    out.push('\n');
    out
}
