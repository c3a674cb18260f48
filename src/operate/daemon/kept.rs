//! Sets of documents that were in force, kept below the state folder as they were written: the last good one is
//! enforced at a start that finds none, and a record is explained by the set that decided it.
//!
//! One file for each set, named by its digest, whole or not there; `enforced` names the newest. A set is believed only
//! where it still loads and still has its digest. Bounded in number and bytes: the oldest go first.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::model::manifest::{self, Resources, SourceFile};
use crate::model::types::Timestamp;
use crate::model::types::limits::{SETS_KEPT, SETS_KEPT_BYTES};

/// The file that names the newest set.
const NEWEST: &str = "enforced";
/// Longest file that can hold a set: its text, escaped at worst as `\uXXXX` would be, is still shorter.
const FILE_BYTES: u64 = SETS_KEPT_BYTES;

/// Where sets are kept.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
}

/// A set as it was kept.
#[derive(Debug)]
pub struct KeptSet {
    /// Its documents.
    pub resources: Resources,
    /// When it was put in force last.
    pub since: Timestamp,
}

/// What a file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    digest: String,
    since: Timestamp,
    files: Vec<WrittenFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenFile {
    path: String,
    text: String,
}

impl Kept {
    /// Below this state folder.
    pub fn below(state: &Path) -> Self {
        Self { folder: state.join("policy") }
    }

    /// Keeps a valid set as the newest.
    ///
    /// # Errors
    /// Where it cannot be written: what was kept before is still there.
    pub fn keep(&self, digest: &str, files: &[SourceFile], since: Timestamp) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let files = files.iter().map(|file| WrittenFile {
            path: file.path.to_string(),
            text: String::from_utf8_lossy(&file.bytes).into_owned(),
        });
        let written = Written { digest: digest.to_owned(), since, files: files.collect() };
        let Some(path) = self.path(digest) else { return Err(io::Error::other("the digest is none")) };
        replace(&path, &serde_json::to_vec(&written)?)?;
        replace(&self.folder.join(NEWEST), digest.as_bytes())?;
        self.forget_the_oldest(&path)
    }

    /// The set that was put in force last, if there is one.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub fn newest(&self) -> Result<Option<KeptSet>, String> {
        match fs::read_to_string(self.folder.join(NEWEST)) {
            Ok(digest) => self.get(digest.trim()).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The set of this digest.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub fn get(&self, digest: &str) -> Result<KeptSet, String> {
        let path = self.path(digest).ok_or_else(|| format!("`{digest}` is no digest"))?;
        let length = fs::metadata(&path).map_err(|error| error.to_string())?.len();
        if length > FILE_BYTES {
            return Err(format!("`{}` has {length} bytes, more than {FILE_BYTES}", path.display()));
        }
        let bytes = fs::read(&path).map_err(|error| error.to_string())?;
        let written: Written = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let files: Vec<_> = (written.files.into_iter())
            .map(|file| SourceFile::new(file.path, file.text.into_bytes()))
            .collect();
        let resources = manifest::load(&files).map_err(|report| report.summary())?;
        if *resources.digest != *digest {
            return Err(format!("its documents have the digest {} now", resources.digest));
        }
        Ok(KeptSet { resources, since: written.since })
    }

    /// `sha256:` and 64 hex digits make a file name.
    fn path(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:")?;
        let shaped = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        shaped.then(|| self.folder.join(format!("{hex}.json")))
    }

    fn forget_the_oldest(&self, newest: &Path) -> io::Result<()> {
        let mut found: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let (path, metadata) = (entry.path(), entry.metadata()?);
            if path != newest && path.extension().is_some_and(|ending| ending == "json") {
                found.push((metadata.modified()?, metadata.len(), path));
            }
        }
        found.sort();
        let mut bytes = fs::metadata(newest)?.len();
        for (number, (_, length, path)) in found.into_iter().rev().enumerate() {
            bytes = bytes.saturating_add(length);
            if number + 1 >= SETS_KEPT || bytes > SETS_KEPT_BYTES {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Writes a file whole, or leaves the old one: a crash at any moment leaves one of the two.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, address: &str) -> SourceFile {
        let text = format!(
            "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\n\
             spec: {{sources: {{addresses: [{address}]}}}}\n---\n\
             apiVersion: clawgress.io/v1alpha1\nkind: EgressGateway\nmetadata: {{name: default}}\n\
             spec: {{listeners: [{{name: tls, protocol: TLS, tls: {{mode: Terminate}}}}]}}\n"
        );
        SourceFile::new("policies.d/a.yaml", text.into_bytes())
    }

    fn digest(file: &SourceFile) -> String {
        manifest::load(std::slice::from_ref(file)).unwrap().digest.to_string()
    }

    #[test]
    fn the_set_put_in_force_last_is_the_newest_whatever_came_before() {
        let state = tempfile::tempdir().unwrap();
        let kept = Kept::below(state.path());
        assert!(kept.newest().unwrap().is_none());
        let (first, second) = (agent("alice", "10.77.0.2/32"), agent("bob", "10.77.0.3/32"));
        for (at, file) in [(1, &first), (2, &second), (3, &first)] {
            kept.keep(&digest(file), std::slice::from_ref(file), Timestamp(at)).unwrap();
        }
        let newest = kept.newest().unwrap().unwrap();
        assert_eq!(
            (newest.resources.agents.keys().next().map(|name| &**name), newest.since),
            (Some("alice"), Timestamp(3))
        );
        assert_eq!(kept.get(&digest(&second)).unwrap().since, Timestamp(2));
    }

    #[test]
    fn a_set_that_is_not_what_its_name_says_is_not_believed() {
        let state = tempfile::tempdir().unwrap();
        let kept = Kept::below(state.path());
        let (one, other) = (agent("alice", "10.77.0.2/32"), agent("mallory", "10.77.0.0/24"));
        let digest = digest(&one);
        kept.keep(&digest, &[one], Timestamp(1)).unwrap();
        let path = kept.path(&digest).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("alice", "mallory").replace("10.77.0.2/32", "10.77.0.0/24")).unwrap();
        assert!(kept.get(&digest).unwrap_err().starts_with("its documents have the digest sha256:"));
        fs::write(&path, b"{").unwrap();
        assert!(kept.newest().is_err());
        kept.keep(&self::digest(&other), &[other], Timestamp(2)).unwrap();
        assert!(kept.newest().unwrap().is_some());
        for name in ["../../etc/passwd", "sha256:..", ""] {
            assert!(kept.get(name).unwrap_err().ends_with("is no digest"), "{name}");
        }
    }

    #[test]
    fn no_more_sets_are_kept_than_the_bound_and_the_newest_always_is() {
        let state = tempfile::tempdir().unwrap();
        let kept = Kept::below(state.path());
        let file = agent("alice", "10.77.0.2/32");
        let digest = digest(&file);
        fs::create_dir_all(&kept.folder).unwrap();
        for number in 0..SETS_KEPT + 20 {
            fs::write(kept.folder.join(format!("{number:064x}.json")), b"{}").unwrap();
        }
        kept.keep(&digest, &[file], Timestamp(1)).unwrap();
        let sets = fs::read_dir(&kept.folder).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "json")
        });
        assert_eq!(sets.count(), SETS_KEPT);
        assert!(kept.newest().unwrap().is_some());
    }
}
