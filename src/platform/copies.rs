//! Copies of files, whole and on disk before they count, and digests by which a changed one is noticed.
//!
//! What is made is for its owner alone. Never follows a link, and never writes over a file. What the files mean is for others to
//! know.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Bytes read at once.
const PIECE: usize = 256 * 1024;

/// What a file holds, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Copies a regular file to where none is, with the folders above it.
///
/// # Errors
/// Where it cannot be read or written whole.
pub fn copy(from: &Path, to: &Path) -> io::Result<Digest> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let found = read(from, |piece| file.write_all(piece))?;
    file.sync_all()?;
    Ok(found)
}

/// What a regular file holds.
///
/// # Errors
/// Where it cannot be read.
pub fn digest(path: &Path) -> io::Result<Digest> {
    read(path, |_| Ok(()))
}

fn read(path: &Path, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Digest> {
    let mut file =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut piece = zeroize::Zeroizing::new(vec![0; PIECE]);
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(Digest { bytes, sha256 });
        }
        hash.update(&piece[..length]);
        each(&piece[..length])?;
        bytes += length as u64;
    }
}

/// A new file for its owner alone.
///
/// # Errors
/// Where it cannot be written, or is there already.
pub fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// A folder for its owner alone, with those above it; one that is there stays as it is.
///
/// # Errors
/// Where it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Every regular file below a folder by its path from there, in order; none where there is no folder.
///
/// # Errors
/// Where a folder cannot be read.
pub fn below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(root.join(&folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (folder.join(entry.file_name()), entry.file_type()?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Makes sure that what was made in a folder is on disk.
///
/// # Errors
/// Where the disk does not keep it.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_copy_is_whole_for_its_owner_alone_and_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("a/b/to"));
        fs::write(&from, vec![7; PIECE + 1]).unwrap();
        let copied = copy(&from, &to).unwrap();
        assert_eq!((copied.bytes, &copied), (PIECE as u64 + 1, &digest(&to).unwrap()));
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(copy(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let link = folder.path().join("link");
        symlink(&from, &link).unwrap();
        assert!(digest(&link).is_err() && digest(folder.path()).is_err());
        // The digest of no bytes, as FIPS 180-4 has it.
        fs::write(&from, "").unwrap();
        assert!(digest(&from).unwrap().sha256.starts_with("e3b0c44298fc1c14"));
    }

    #[test]
    fn the_files_of_a_tree_are_listed_without_what_leads_out_of_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/c")).unwrap();
        for name in ["z", "b/c/y", "b/x"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        symlink("/etc", folder.path().join("etc")).unwrap();
        let found = below(folder.path()).unwrap();
        assert_eq!(found, [Path::new("b/c/y"), Path::new("b/x"), Path::new("z")]);
        assert!(below(&folder.path().join("none")).unwrap().is_empty());
    }
}
