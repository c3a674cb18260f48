//! The one place where commands reach past the daemon: running it, and what is judged without it.

use std::path::{Path, PathBuf};

use super::DEFAULT_CONFIG;
use super::context::block_on;
use super::exit::{Exit, Failure};
use crate::model::config::{self, Config};
use crate::model::manifest::{self, SourceFile};
use crate::operate::api::{Check, Diagnostic, Severity, Status};
use crate::operate::checkup;
use crate::operate::daemon;
use crate::operate::setup::plan::Planned;
use crate::platform::files::{FileProblem, PolicyFile, read_file, read_tree};

/// What the loader says of a set of files.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Files judged.
    pub files: u64,
    /// Documents in them, where the set is valid.
    pub documents: u64,
    /// The set's digest, where it is valid.
    pub digest: Option<String>,
    /// What is wrong; of a valid set, what may not be meant.
    pub diagnostics: Vec<Diagnostic>,
    /// The same for people, each with the line shown.
    pub rendered: String,
    /// `2 errors in 1 of 7 files`; empty where the set is valid.
    pub summary: String,
}

/// What cannot be read, told one after another.
pub fn joined(problems: &[FileProblem], between: &str) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

/// The end of a command that cannot read its files, with every one of them. EX_NOINPUT of sysexits.h.
pub fn unreadable(problems: &[FileProblem]) -> Failure {
    Failure::new(Exit::Code(66), joined(problems, "\nerror: "))
}

/// What the daemon's program is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// To be the gateway.
    Run,
    /// To put rules in place.
    PlaceRules,
    /// To make the host forward.
    Forward,
    /// To take rules and routes away.
    RemoveRules,
}

/// Runs the daemon until it is told to stop, or does one thing to the host instead.
pub fn daemon(work: Work, config: &Path) -> Result<(), Failure> {
    let done = match work {
        Work::Run => daemon::run(config),
        Work::PlaceRules => daemon::host::place_rules(config),
        Work::Forward => daemon::host::forward(config),
        Work::RemoveRules => daemon::host::remove_rules(),
    };
    done.map_err(|error| Failure::new(Exit::Code(error.exit_code()), error.to_string()))
}

/// The checks of `doctor` that this process can make. `path` are the settings where the command line or the daemon names
/// them.
pub fn own_checks(path: Option<PathBuf>, status: Option<Status>) -> Result<Vec<Check>, Failure> {
    let path = path.unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
    let said = |failure: Failure| failure.message.unwrap_or_default();
    let question = checkup::Question {
        usual: path == Path::new(DEFAULT_CONFIG),
        settings: settings(&path, "").map_err(said),
        status,
        path,
    };
    block_on(async { Ok(checkup::run(&question).await) })
}

/// The policies of a folder that stay as they are when these files are written. A folder that is not there has none.
pub fn staying(folder: &Path, written: &[Planned]) -> Result<Vec<SourceFile>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let shown = folder.display().to_string();
    let found = read_tree(folder, &shown).map_err(|problems| unreadable(&problems))?;
    let stays = |file: &&PolicyFile| !written.iter().any(|one| one.path == Path::new(&file.shown));
    Ok(found
        .iter()
        .filter(stays)
        .map(|file| SourceFile::new(file.shown.as_str(), file.bytes.as_slice()))
        .collect())
}

/// The policy folder that these settings name.
pub fn policy_dir(config: &Path) -> Result<PathBuf, Failure> {
    let hint = "name the policies with `-f PATH` (a file or a folder), or the daemon's settings with `--config PATH`";
    Ok(settings(config, hint)?.folders.policy)
}

/// The daemon's settings. EX_NOINPUT and EX_CONFIG of sysexits.h.
fn settings(path: &Path, hint: &str) -> Result<Config, Failure> {
    let file =
        read_file(path).map_err(|problem| Failure::new(Exit::Code(66), problem.to_string()).hint(hint))?;
    config::parse(&SourceFile::new(file.shown, file.bytes))
        .map_err(|report| Failure::new(Exit::Code(78), report.after_error()))
}

/// Judges files as the daemon would.
pub fn judge(files: &[PolicyFile], colour: bool) -> Result<Judgement, Failure> {
    let sources: Vec<SourceFile> =
        files.iter().map(|file| SourceFile::new(file.shown.as_str(), file.bytes.as_slice())).collect();
    Ok(match manifest::load(&sources) {
        Ok(resources) => Judgement {
            files: resources.files as u64,
            documents: resources.documents.len() as u64,
            digest: Some(resources.digest.to_string()),
            diagnostics: resources.warnings.iter().map(warning).collect(),
            rendered: resources.warnings.iter().map(|one| one.render(colour) + "\n\n").collect(),
            summary: String::new(),
        },
        Err(report) => Judgement {
            files: report.files as u64,
            diagnostics: report.errors.iter().map(diagnostic).collect(),
            rendered: report.render(colour),
            summary: report.summary(),
            ..Judgement::default()
        },
    })
}

fn warning(found: &manifest::Diagnostic) -> Diagnostic {
    Diagnostic { severity: Severity::Warning, ..diagnostic(found) }
}

fn diagnostic(found: &manifest::Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        message: found.message.clone(),
        file: Some(found.file.to_string()),
        line: Some(found.line as u64),
        column: Some(found.column as u64),
        hint: found.hint.clone(),
        text: None,
    }
}
