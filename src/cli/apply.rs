//! `clawgress apply`: takes documents of `kind: Secret` into the vault, all of them or none. Other kinds stand in files, which
//! `reload` puts in force.

use std::path::PathBuf;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::secret::keep_to_ourselves;
use super::validate::read_all;
use crate::model::manifest::secret::{self, SecretDocument};
use crate::model::manifest::{Report, SourceFile};
use crate::operate::api::{Hidden, NewSecret, SetSecrets};

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub struct Apply {
    /// A file, a folder with everything below it, or `-` for standard input
    #[arg(short, long = "file", value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
}

impl Apply {
    /// Reads, sends and prints; documents with a mistake are a no, and nothing is set.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        keep_to_ourselves()?;
        let read = read_all(&self.files)?;
        let sources: Vec<_> = read.into_iter().map(|file| SourceFile::new(file.shown, file.bytes)).collect();
        let documents = match secret::read(&sources) {
            Ok(documents) => documents,
            Err(report) => return refused(&report, context),
        };
        if documents.is_empty() {
            context.say("nothing was applied: no document stands there");
            return Ok(Exit::Done);
        }
        let query = SetSecrets { secrets: documents.iter().flat_map(values).collect() };
        let set = context.with_daemon(|mut client| async move { client.set_secrets(&query).await })?;
        context.list(&set, |set, _| super::secret::applied(set))?;
        Ok(Exit::Done)
    }
}

fn values(document: &SecretDocument) -> impl Iterator<Item = NewSecret> {
    document.values.iter().map(|(key, value)| NewSecret {
        name: document.name.as_str().to_owned(),
        key: key.as_str().to_owned(),
        value: Hidden::of(value),
    })
}

fn refused(report: &Report, context: &mut Context) -> Result<Exit, Failure> {
    if context.format == Format::Table {
        let rendered = report.render(context.paint.0);
        context.say(&format!("{rendered}{}. Nothing was applied.", report.summary()));
    } else {
        context.one(report, |_, _| String::new())?;
    }
    Ok(Exit::No)
}
