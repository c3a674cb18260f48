//! Writes files whole or not at all, each by its own, and takes all of them back where one cannot be written.
//!
//! Never replaces a file without keeping a copy beside it. Modes are those of files that everybody may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::documents;
use super::plan::{Planned, Setting};

const FOLDER_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It was not there before.
    New(PathBuf),
    /// What was there is in the second now.
    Replaced(PathBuf, PathBuf),
    /// It was there, word for word.
    Same(PathBuf),
}

/// A file could not be written. All others are as they were.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}; nothing was changed", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Those of the files that are there already and say something else, and not just what the package has put there.
pub fn in_the_way(files: &[Planned]) -> Vec<&Planned> {
    let other = |file: &&Planned| {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        match fs::read(&file.path) {
            Ok(found) => found != file.content.as_bytes() && !documents::is_shipped(&name, &found),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    };
    files.iter().filter(other).collect()
}

fn says(path: &Path, content: &str) -> bool {
    fs::read(path).is_ok_and(|found| found == content.as_bytes())
}

/// Writes all of them. `stamp` ends the names of the copies.
///
/// # Errors
/// For the first that cannot be written; then none is.
pub fn all(files: &[Planned], stamp: &str) -> Result<Vec<Written>, WriteError> {
    let mut undo = Undo::default();
    let mut done = Vec::with_capacity(files.len());
    for file in files {
        match one(file, stamp, &mut undo) {
            Ok(written) => done.push(written),
            Err(source) => {
                undo.all();
                return Err(WriteError { path: file.path.clone(), source });
            }
        }
    }
    Ok(done)
}

fn one(file: &Planned, stamp: &str, undo: &mut Undo) -> io::Result<Written> {
    let path = &file.path;
    if says(path, &file.content) {
        return Ok(Written::Same(path.clone()));
    }
    let folder = path.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    undo.made(folder);
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.join(format!(".{name}.clawgress-new"));
    let copy = folder.join(format!("{name}.{stamp}"));
    fill(&fresh, &file.content).inspect_err(|_| drop(fs::remove_file(&fresh)))?;
    let replaced = path.exists();
    let put = || {
        if replaced {
            // A second name for what was there, so that the first is never without a file.
            fs::hard_link(path, &copy)?;
        }
        fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    };
    let put = put().inspect_err(|_| drop(fs::remove_file(&fresh)));
    undo.written(path.clone(), replaced.then(|| copy.clone()));
    put?;
    Ok(if replaced { Written::Replaced(path.clone(), copy) } else { Written::New(path.clone()) })
}

fn fill(path: &Path, content: &str) -> io::Result<()> {
    // One that a killed run has left behind.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(content.as_bytes())?;
    // Whatever the mask of this process says: the daemon's user reads them.
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
    file.sync_all()
}

/// How what was done is undone, last things first.
#[derive(Default)]
struct Undo {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, Option<PathBuf>)>,
}

impl Undo {
    /// Folders that are about to be made, the outermost first.
    fn made(&mut self, folder: &Path) {
        let missing: Vec<PathBuf> =
            folder.ancestors().take_while(|one| !one.exists()).map(Path::to_owned).collect();
        self.folders.extend(missing.into_iter().rev());
    }

    fn written(&mut self, path: PathBuf, copy: Option<PathBuf>) {
        self.files.push((path, copy));
    }

    /// What cannot be undone stays, and the error that is told is the first.
    fn all(self) {
        for (path, copy) in self.files.into_iter().rev() {
            match copy {
                Some(copy) => {
                    let _ = fs::rename(&copy, path);
                    // Two names of one file are not renamed over each other (rename(2)).
                    let _ = fs::remove_file(copy);
                }
                None => drop(fs::remove_file(path)),
            }
        }
        for folder in self.folders.into_iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Sets settings of the kernel at once; a restart takes them from their file.
///
/// # Errors
/// For the first that cannot be set, with its path.
pub fn settings(settings: &[Setting]) -> Result<(), WriteError> {
    for setting in settings {
        let path = Path::new("/proc/sys").join(&setting.path);
        fs::write(&path, &setting.value).map_err(|source| WriteError { path, source })?;
    }
    Ok(())
}
