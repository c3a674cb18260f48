//! `clawgress validate`: the loader's own judgement of files, without a daemon.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::wiring::Judgement;
use super::{DEFAULT_CONFIG, wiring, words};
use crate::model::manifest::report::quoted;
use crate::platform::files::{FileProblem, PolicyFile, read_file, read_input, read_tree};

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
pub struct Validate {
    /// A file, a folder with everything below it, or `-` for standard input; those alone are judged [default: the policy folder]
    #[arg(short, long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// The daemon's settings, which name the policy folder
    #[arg(long, value_name = "PATH", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

impl Validate {
    /// Judges and prints; an invalid set is a no.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let named = !self.files.is_empty();
        let paths = if named { self.files } else { vec![wiring::policy_dir(&self.config)?] };
        let judgement = wiring::judge(&read_all(&paths)?, context.paint.0)?;
        if judgement.files == 0 {
            context.say(&nothing_to_judge(&paths));
        }
        let valid = judgement.digest.is_some();
        if context.format == Format::Table {
            context.print(&text(&judgement))?;
            if !valid && !named {
                say_what_is_in_force(context);
            }
        } else {
            let Judgement { files, documents, digest, diagnostics, summary, .. } = &judgement;
            let document = json!({
                "valid": valid, "files": files, "documents": documents, "digest": digest,
                "diagnostics": diagnostics, "summary": summary,
            });
            context.one(&document, |_, _| String::new())?;
        }
        Ok(if valid { Exit::Done } else { Exit::No })
    }
}

/// A folder of the wrong name is valid, and not what was meant.
fn nothing_to_judge(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths.iter().map(|path| quoted(&path.display().to_string())).collect();
    format!("nothing was judged: no file below {} ends in `.yaml` or `.yml`", shown.join(" or "))
}

fn text(judgement: &Judgement) -> String {
    match &judgement.digest {
        Some(digest) => format!(
            "{}{}, {}: valid ({})\n",
            judgement.rendered,
            words::several(judgement.files, "file"),
            words::several(judgement.documents, "document"),
            words::digest(digest)
        ),
        None => format!("{}{}\n", judgement.rendered, judgement.summary),
    }
}

/// Comfort for whom just broke a file: the daemon has not taken it. Silent where no daemon answers.
fn say_what_is_in_force(context: &mut Context) {
    if let Ok(status) = context.with_daemon(|mut client| async move { client.status().await }) {
        let (digest, since) = (words::digest(&status.policy.digest), status.policy.since);
        let since = words::clock_minutes(since, context.now);
        context.say(&format!("the set in force ({digest}, since {since} UTC) is unchanged"));
    }
}

/// Every file below the paths; every one that cannot be read is named.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<PolicyFile>, Failure> {
    let mut files = Vec::new();
    let mut problems: Vec<FileProblem> = Vec::new();
    for path in paths {
        match read_one(path) {
            Ok(found) => files.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        return Ok(files);
    }
    Err(wiring::unreadable(&problems))
}

fn read_one(path: &Path) -> Result<Vec<PolicyFile>, Vec<FileProblem>> {
    if path == Path::new("-") {
        return read_input(io::stdin().lock()).map(|file| vec![file]).map_err(|problem| vec![problem]);
    }
    if path.is_dir() {
        return read_tree(path, &path.display().to_string());
    }
    read_file(path).map(|file| vec![file]).map_err(|problem| vec![problem])
}
