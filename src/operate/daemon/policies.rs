//! The documents: read from disk, checked, compiled, put in force as a whole, or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::kept::{Kept, KeptSet};
use crate::decide::policy::EncryptedDns;
use crate::model::config::Config;
use crate::model::manifest::resources::Origin;
use crate::model::manifest::{self, Report, Resources, SourceFile};
use crate::model::types::Timestamp;
use crate::operate::api::{Diagnostic, Severity};
use crate::pipeline::{self, Shared, Snapshot};
use crate::platform::files::{self, FileProblem};
use crate::platform::sys::clock;

/// The policy folder, what was last found in it, and the sets that were in force.
#[derive(Debug)]
pub struct Policies {
    folder: PathBuf,
    kept: Kept,
    /// Whether the daemon started with the last good set, because the folder held none.
    fell_back: bool,
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

/// What stands in the folder, and is no valid set.
#[derive(Debug)]
pub struct Unusable {
    /// Digest of the files as they are; absent where they cannot be read.
    pub digest: Option<String>,
    /// What is wrong with them.
    pub diagnostics: Vec<Diagnostic>,
}

impl Policies {
    /// Reads the documents for the first time. Where they do not load, the set that was in force last is enforced; where
    /// there is none, an empty one: everything is refused until the folder is mended.
    pub fn load_first(config: &Config) -> (Self, Snapshot) {
        let (folder, kept) = (config.folders.policy.clone(), Kept::below(&config.folders.state));
        let (resources, since, diagnostics) = match read(&folder) {
            Ok((resources, files)) => {
                keep(&kept, &resources, &files);
                (resources, clock::now(), Vec::new())
            }
            Err(Unusable { diagnostics, .. }) => {
                log(&diagnostics);
                let (resources, since) = last_good(&kept, &folder);
                (resources, since, diagnostics)
            }
        };
        let fell_back = !diagnostics.is_empty();
        let resolvers = Arc::new(EncryptedDns::new(&config.dns.resolvers));
        let snapshot = Snapshot::compile(Arc::new(resources), resolvers.clone(), since);
        (Self { folder, kept, fell_back, resolvers, last: Mutex::new(diagnostics) }, snapshot)
    }

    /// Whether the daemon started without a valid set in the folder.
    pub fn fell_back(&self) -> bool {
        self.fell_back
    }

    /// A set that was in force, compiled as it would be now.
    ///
    /// # Errors
    /// Why it cannot be had, in words.
    pub fn of_digest(&self, digest: &str) -> Result<Snapshot, String> {
        let KeptSet { resources, since } = self.kept.get(digest)?;
        Ok(Snapshot::compile(Arc::new(resources), self.resolvers.clone(), since))
    }

    /// Reads the documents anew and puts them in force where they are valid.
    pub fn reload(&self, shared: &Shared) -> Reloaded {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read(&self.folder) {
            Err(Unusable { diagnostics, .. }) => {
                log(&diagnostics);
                last.clone_from(&diagnostics);
                Reloaded { applied: false, changed: false, diagnostics }
            }
            Ok((resources, files)) => {
                last.clear();
                let now = shared.snapshot.load_full();
                let changed = now.resources.digest != resources.digest;
                if !changed && places(&now.resources) != places(&resources) {
                    // What is decided stays as it is; what is said of a document is where it stands now.
                    let resources = Arc::new(resources);
                    shared.put_in_force(Snapshot { resources, ..Snapshot::clone(&now) });
                } else if changed {
                    keep(&self.kept, &resources, &files);
                    tracing::info!(digest = %resources.digest, documents = resources.documents.len(), "policy in force");
                    let snapshot =
                        Snapshot::compile(Arc::new(resources), self.resolvers.clone(), clock::now());
                    shared.memory.keep_agents(|agent| snapshot.directory.by_name(agent).is_some());
                    shared.guard.keep_agents(|agent| snapshot.directory.by_name(agent).is_some());
                    pipeline::prepare(&snapshot.policy);
                    shared.put_in_force(snapshot);
                }
                Reloaded { applied: true, changed, diagnostics: Vec::new() }
            }
        }
    }

    /// What stands on disk now.
    pub fn on_disk(&self) -> Result<Resources, Unusable> {
        read(&self.folder).map(|(resources, _)| resources)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Where each document stands.
fn places(resources: &Resources) -> BTreeMap<(&str, &str), &Origin> {
    let documents = resources.documents.iter();
    documents.map(|document| ((document.kind, &*document.name), &document.origin)).collect()
}

/// The set that was in force last, since when; the empty one where there is none.
fn last_good(kept: &Kept, folder: &Path) -> (Resources, Timestamp) {
    match kept.newest() {
        Ok(Some(KeptSet { resources, since })) => {
            tracing::error!(digest = %resources.digest, "`{}` does not load: the last good set is enforced", folder.display());
            return (resources, since);
        }
        Ok(None) => {}
        Err(error) => tracing::error!(error, "the last good set cannot be used"),
    }
    tracing::error!("no valid policy: everything is refused until `{}` loads", folder.display());
    (Resources::default(), clock::now())
}

/// What is in force is enforced even where it cannot be kept.
fn keep(kept: &Kept, resources: &Resources, files: &[SourceFile]) {
    if let Err(error) = kept.keep(&resources.digest, files, clock::now()) {
        tracing::warn!(%error, "the set in force could not be kept: the next start needs the policy folder");
    }
}

fn read(folder: &Path) -> Result<(Resources, Vec<SourceFile>), Unusable> {
    let shown = folder.display().to_string();
    let found = files::read_tree(folder, &shown).map_err(|problems| {
        let one = |problem: &FileProblem| Diagnostic {
            message: problem.why.clone(),
            file: Some(problem.shown.clone()),
            hint: problem.hint.map(str::to_owned),
            ..Diagnostic::default()
        };
        Unusable { digest: None, diagnostics: problems.iter().map(one).collect() }
    })?;
    let sources: Vec<_> = found.into_iter().map(|file| SourceFile::new(file.shown, file.bytes)).collect();
    match manifest::load(&sources) {
        Ok(resources) => Ok((resources, sources)),
        Err(report) => Err(Unusable {
            digest: Some(manifest::digest_of_files(&sources)),
            diagnostics: diagnostics(&report),
        }),
    }
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
