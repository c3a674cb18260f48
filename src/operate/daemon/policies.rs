//! The documents: read from disk, checked, compiled, put in force as a whole, or not at all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::decide::policy::EncryptedDns;
use crate::model::config::Config;
use crate::model::manifest::{self, Report, Resources, SourceFile};
use crate::operate::api::{Diagnostic, Severity};
use crate::pipeline::{Shared, Snapshot};
use crate::platform::files;
use crate::platform::sys::clock;

/// The policy folder and what was last found in it.
#[derive(Debug)]
pub struct Policies {
    folder: PathBuf,
    resolvers: Arc<EncryptedDns>,
    /// Held while documents are read, so that two reloads follow one another.
    last: Mutex<Vec<Diagnostic>>,
}

/// What a reload came to.
#[derive(Debug)]
pub struct Reloaded {
    /// Whether the set on disk is in force now.
    pub applied: bool,
    /// Whether that is another set than before.
    pub changed: bool,
    /// What is wrong with the set on disk.
    pub diagnostics: Vec<Diagnostic>,
}

impl Policies {
    /// Reads the documents for the first time. A set that does not load leaves an empty one in force: everything is
    /// refused until it is mended.
    pub fn load_first(config: &Config) -> (Self, Snapshot) {
        let folder = config.folders.policy.clone();
        let (resources, diagnostics) = match read(&folder) {
            Ok(resources) => (resources, Vec::new()),
            Err(diagnostics) => {
                log(&diagnostics);
                tracing::error!("no valid policy: everything is refused until `{}` loads", folder.display());
                (Resources::default(), diagnostics)
            }
        };
        let resolvers = Arc::new(EncryptedDns::new(&config.dns.resolvers));
        let snapshot = Snapshot::compile(Arc::new(resources), resolvers.clone(), clock::now());
        (Self { folder, resolvers, last: Mutex::new(diagnostics) }, snapshot)
    }

    /// Reads the documents anew and puts them in force where they are valid.
    pub fn reload(&self, shared: &Shared) -> Reloaded {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read(&self.folder) {
            Err(diagnostics) => {
                log(&diagnostics);
                last.clone_from(&diagnostics);
                Reloaded { applied: false, changed: false, diagnostics }
            }
            Ok(resources) => {
                last.clear();
                let changed = shared.snapshot.load().resources.digest != resources.digest;
                if changed {
                    tracing::info!(digest = %resources.digest, documents = resources.documents.len(), "policy in force");
                    let snapshot =
                        Snapshot::compile(Arc::new(resources), self.resolvers.clone(), clock::now());
                    shared.memory.keep_agents(|agent| snapshot.directory.by_name(agent).is_some());
                    shared.guard.keep_agents(|agent| snapshot.directory.by_name(agent).is_some());
                    shared.put_in_force(snapshot);
                }
                Reloaded { applied: true, changed, diagnostics: Vec::new() }
            }
        }
    }

    /// What stands on disk now.
    pub fn on_disk(&self) -> Result<Resources, Vec<Diagnostic>> {
        read(&self.folder)
    }

    /// The folder.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }
}

fn read(folder: &std::path::Path) -> Result<Resources, Vec<Diagnostic>> {
    let shown = folder.display().to_string();
    let found = files::read_tree(folder, &shown).map_err(|problems| {
        problems
            .iter()
            .map(|problem| Diagnostic { message: problem.to_string(), ..Diagnostic::default() })
            .collect::<Vec<_>>()
    })?;
    let sources: Vec<_> = found.into_iter().map(|file| SourceFile::new(file.shown, file.bytes)).collect();
    manifest::load(&sources).map_err(|report| diagnostics(&report))
}

/// A loader's report as the wire carries it.
pub fn diagnostics(report: &Report) -> Vec<Diagnostic> {
    report
        .errors
        .iter()
        .map(|error| Diagnostic {
            severity: Severity::Error,
            message: error.message.clone(),
            file: Some(error.file.to_string()),
            line: Some(error.line as u64),
            column: Some(error.column as u64),
            hint: error.hint.clone(),
            text: Some(error.render(false)),
        })
        .collect()
}

fn log(diagnostics: &[Diagnostic]) {
    for one in diagnostics {
        let (file, line) = (one.file.as_deref().unwrap_or("-"), one.line.unwrap_or(0));
        tracing::error!(file, line, "{}", one.message);
    }
}
