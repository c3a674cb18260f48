//! Reads policy files: a whole folder tree, in one order, within bounds.
//!
//! It never follows a link out of the tree, never opens what is not a regular file, and reports every file that
//! cannot be read, not the first alone. What the files mean, whether they are too long included, is `model/manifest`'s
//! business: of a file no more is read than tells that.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::model::cases::ENDINGS;
use crate::model::types::limits::{POLICY_FILE_BYTES, POLICY_FILES, POLICY_FOLDER_DEPTH, POLICY_SET_BYTES};

/// One file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// The name people know it by: the folder as it was named, and the path below it.
    pub shown: String,
    /// Its content; of one that is too long the first [`POLICY_FILE_BYTES`] and a byte more.
    pub bytes: Vec<u8>,
}

/// One file or folder that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The name people know it by.
    pub shown: String,
    /// What is wrong.
    pub why: String,
    /// How to mend it, where that is not plain.
    pub hint: Option<&'static str>,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.shown, self.why)?;
        self.hint.map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for FileProblem {}

/// Reads every `*.yaml` and `*.yml` below `root`, sorted by path. `shown` stands for `root` in names.
///
/// Policy tests (`*.test.yaml`) are left out; see [`read_tests`]. Names that begin with a dot are left out (editors' leftovers, and the data folders of mounted config maps, whose
/// files are reached through links inside the tree). At most [`POLICY_FILES`] files, [`POLICY_FOLDER_DEPTH`] folders deep; once there
/// are more than [`POLICY_SET_BYTES`] no further file is read.
pub fn read_tree(root: &Path, shown: &str) -> Result<Vec<PolicyFile>, Vec<FileProblem>> {
    walk(root, shown, |name| !is_test(name))
}

/// The policy tests below `root`, as [`read_tree`] reads policies.
pub fn read_tests(root: &Path, shown: &str) -> Result<Vec<PolicyFile>, Vec<FileProblem>> {
    walk(root, shown, is_test)
}

fn is_test(name: &str) -> bool {
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn walk(root: &Path, shown: &str, wanted: fn(&str) -> bool) -> Result<Vec<PolicyFile>, Vec<FileProblem>> {
    let canonical = fs::canonicalize(root).map_err(|error| vec![problem(shown, error.to_string())])?;
    let mut walk = Walk { root: canonical.clone(), wanted, found: Vec::new(), problems: Vec::new() };
    walk.folder(&canonical, shown, 0);
    let mut files = Vec::with_capacity(walk.found.len());
    let mut bytes = 0;
    for (path, shown) in walk.found {
        if bytes > POLICY_SET_BYTES {
            break;
        }
        match read_regular(&path, &shown) {
            Ok(file) => {
                bytes += file.bytes.len();
                files.push(file);
            }
            Err(problem) => walk.problems.push(problem),
        }
    }
    if walk.problems.is_empty() { Ok(files) } else { Err(walk.problems) }
}

/// Reads one file that a person named, whatever its ending; a link is followed.
pub fn read_file(path: &Path) -> Result<PolicyFile, FileProblem> {
    let shown = path.display().to_string();
    let canonical = fs::canonicalize(path).map_err(|error| problem(&shown, error.to_string()))?;
    read_regular(&canonical, &shown)
}

fn problem(shown: &str, why: impl Into<String>) -> FileProblem {
    FileProblem { shown: shown.to_owned(), why: why.into(), hint: None }
}

/// A folder tree on its way to a list of files.
struct Walk {
    root: PathBuf,
    /// Which of the YAML files, by their names.
    wanted: fn(&str) -> bool,
    found: Vec<(PathBuf, String)>,
    problems: Vec<FileProblem>,
}

impl Walk {
    fn folder(&mut self, path: &Path, shown: &str, depth: usize) {
        if depth > POLICY_FOLDER_DEPTH {
            self.problems.push(problem(shown, format!("is more than {POLICY_FOLDER_DEPTH} folders deep")));
            return;
        }
        let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.problems.push(problem(shown, error.to_string())),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && !self.full(shown) {
                self.entry(&entry, format!("{}/{name}", shown.trim_end_matches('/')), depth);
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, shown: String, depth: usize) {
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return self.problems.push(problem(&shown, error.to_string())),
        };
        let path = entry.path();
        let yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
            && (self.wanted)(&shown);
        if kind.is_dir() {
            self.folder(&path, &shown, depth + 1);
        } else if kind.is_symlink() {
            self.link(&path, shown, yaml);
        } else if yaml {
            self.found.push((path, shown));
        }
    }

    /// A link may point at another place of the same tree, and nowhere else.
    fn link(&mut self, path: &Path, shown: String, yaml: bool) {
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(_) if !yaml => return,
            Err(error) => {
                return self.problems.push(problem(&shown, format!("is a link that leads nowhere: {error}")));
            }
        };
        if target.is_dir() {
            let hint = Some("put the folder itself here");
            let why = "is a link to a folder, which is not followed";
            self.problems.push(FileProblem { hint, ..problem(&shown, why) });
        } else if yaml && !target.starts_with(&self.root) {
            let why = format!("is a link to `{}`, outside this folder", target.display());
            self.problems.push(FileProblem { hint: Some("copy the file here"), ..problem(&shown, why) });
        } else if yaml {
            self.found.push((target, shown));
        }
    }

    fn full(&mut self, shown: &str) -> bool {
        let full = self.found.len() >= POLICY_FILES;
        let why = format!("more than {POLICY_FILES} files stand in this folder and below it");
        if full && !self.problems.iter().any(|known| known.why == why) {
            self.problems.push(problem(shown, why));
        }
        full
    }
}

fn read_regular(path: &Path, shown: &str) -> Result<PolicyFile, FileProblem> {
    let said = |error: std::io::Error| problem(shown, error.to_string());
    // Neither a link put in place meanwhile nor a FIFO may lead astray or block.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(said)?;
    if !file.metadata().map_err(said)?.is_file() {
        return Err(problem(shown, "is not a regular file"));
    }
    read_bounded(file, shown)
}

/// Reads what is piped into a command.
pub fn read_input(input: impl Read) -> Result<PolicyFile, FileProblem> {
    read_bounded(input, "standard input")
}

fn read_bounded(input: impl Read, shown: &str) -> Result<PolicyFile, FileProblem> {
    let mut bytes = Vec::new();
    input
        .take(POLICY_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| problem(shown, error.to_string()))?;
    Ok(PolicyFile { shown: shown.to_owned(), bytes })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(result: Result<Vec<PolicyFile>, Vec<FileProblem>>) -> Vec<String> {
        result.unwrap().into_iter().map(|file| file.shown).collect()
    }

    fn whys(result: Result<Vec<PolicyFile>, Vec<FileProblem>>) -> Vec<String> {
        result.unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_tree_is_read_in_one_order_and_only_its_yaml() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("b/deep")).unwrap();
        for name in ["z.yaml", "a.yml", "b/deep/x.yaml", "notes.txt", ".hidden.yaml", "b/c.yaml~"] {
            fs::write(root.path().join(name), "x").unwrap();
        }
        let read = read_tree(root.path(), "policies.d/");
        assert_eq!(names(read), ["policies.d/a.yml", "policies.d/b/deep/x.yaml", "policies.d/z.yaml"]);
    }

    #[test]
    fn a_link_inside_the_tree_is_read_and_one_that_leads_out_is_refused() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("..data")).unwrap();
        fs::write(root.path().join("..data/a.yaml"), "inside").unwrap();
        symlink("..data/a.yaml", root.path().join("a.yaml")).unwrap();
        assert_eq!(names(read_tree(root.path(), "p")), ["p/a.yaml"]);

        symlink(outside.path(), root.path().join("b.yaml")).unwrap();
        symlink("/", root.path().join("c")).unwrap();
        symlink("nowhere", root.path().join("d.yaml")).unwrap();
        let whys = whys(read_tree(root.path(), "p"));
        assert!(whys[0].starts_with("p/b.yaml: is a link to `") && whys[0].contains("outside"), "{whys:?}");
        assert!(whys[1].starts_with("p/c: is a link to a folder"), "{whys:?}");
        assert!(whys[2].starts_with("p/d.yaml: is a link that leads nowhere"), "{whys:?}");
    }

    #[test]
    fn every_unreadable_file_is_reported() {
        let root = tempfile::tempdir().unwrap();
        symlink("nowhere", root.path().join("b.yaml")).unwrap();
        fs::write(root.path().join("c.yaml"), "fine").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("d.yaml")).unwrap();
        let whys = whys(read_tree(root.path(), "p"));
        assert!(whys[0].starts_with("p/b.yaml: is a link that leads nowhere"), "{whys:?}");
        assert!(whys[1].starts_with("p/d.yaml: "), "{whys:?}");
        assert_eq!(whys.len(), 2);
    }

    #[test]
    fn of_what_is_too_long_no_more_is_read_than_tells_that() {
        let root = tempfile::tempdir().unwrap();
        let huge = |name: &str| fs::File::create(root.path().join(name)).unwrap().set_len(1 << 30).unwrap();
        huge("a.yaml");
        let file = read_file(&root.path().join("a.yaml")).unwrap();
        assert_eq!(file.bytes.len() as u64, POLICY_FILE_BYTES + 1);
        (0..12).for_each(|number| huge(&format!("b{number}.yaml")));
        let bytes: usize = read_tree(root.path(), "p").unwrap().iter().map(|file| file.bytes.len()).sum();
        let whole = usize::try_from(POLICY_FILE_BYTES).unwrap() + 1;
        assert!((POLICY_SET_BYTES + 1..=POLICY_SET_BYTES + whole).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_folder_that_is_not_there_says_so_and_a_named_file_needs_no_ending() {
        assert!(whys(read_tree(Path::new("/nonexistent/p"), "p"))[0].starts_with("p: No such file"));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "text").unwrap();
        assert_eq!(read_file(file.path()).unwrap().bytes, b"text");
    }
}
