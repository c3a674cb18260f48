//! The two files of the authority, `ca.pem` (0644) and `ca.key` (PKCS#8, 0600), in a folder of mode 0700.
//!
//! Both are first written whole and synced as `ca.key.new` and `ca.pem.new`, then the certificate is renamed, then
//! the key. So a key in force always has its certificate, and the one half-done state, a certificate beside
//! `ca.key.new`, is finished at the next start. It never replaces a file that is in force.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::authority::AuthorityError;

/// The certificate that workloads trust.
pub(super) const CERTIFICATE: &str = "ca.pem";
/// Its private key.
pub(super) const KEY: &str = "ca.key";
const CERTIFICATE_NEW: &str = "ca.pem.new";
const KEY_NEW: &str = "ca.key.new";

/// Bytes read of either file: a certificate or a key with room for comments.
const FILE_BYTES: u64 = 64 * 1024;

/// The files' texts, PEM both.
pub(super) struct Pair {
    /// `ca.pem`.
    pub(super) certificate: String,
    /// `ca.key`.
    pub(super) key: String,
}

/// Reads the pair; nothing where no authority was ever finished here.
pub(super) fn read(dir: &Path) -> Result<Option<Pair>, AuthorityError> {
    match fs::metadata(dir) {
        Ok(found) => refuse_open_folder(dir, found.permissions().mode())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("look at", dir)(error)),
    }
    let (certificate, key) = (dir.join(CERTIFICATE), dir.join(KEY));
    match (is_there(&certificate)?, is_there(&key)?) {
        (false, false) => return Ok(None),
        (false, true) => return Err(AuthorityError::CertificateMissing { certificate, key }),
        (true, false) => finish(dir, &certificate, &key)?,
        (true, true) => {}
    }
    let key = read_key(&key)?;
    Ok(Some(Pair { certificate: read_text(&certificate)?, key }))
}

/// Writes the first pair of this folder, which it makes where it is missing. Whatever an unfinished start has left
/// is discarded: nobody can have seen a certificate that was never renamed.
pub(super) fn write(dir: &Path, pair: &Pair) -> Result<(), AuthorityError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("make", dir))?;
    write_new(&dir.join(KEY_NEW), &pair.key, 0o600)?;
    write_new(&dir.join(CERTIFICATE_NEW), &pair.certificate, 0o644)?;
    sync_folder(dir)?;
    rename(dir, CERTIFICATE_NEW, CERTIFICATE)?;
    rename(dir, KEY_NEW, KEY)
}

/// The start that made this certificate was stopped between the two renames: its key waits under the other name.
fn finish(dir: &Path, certificate: &Path, key: &Path) -> Result<(), AuthorityError> {
    if !is_there(&dir.join(KEY_NEW))? {
        return Err(AuthorityError::KeyMissing { certificate: certificate.into(), key: key.into() });
    }
    rename(dir, KEY_NEW, KEY)
}

fn refuse_open_folder(dir: &Path, mode: u32) -> Result<(), AuthorityError> {
    match mode & 0o7777 {
        mode if mode & 0o022 != 0 => Err(AuthorityError::FolderWritable { path: dir.into(), mode }),
        _ => Ok(()),
    }
}

fn read_key(path: &Path) -> Result<String, AuthorityError> {
    let file = File::open(path).map_err(failed("open", path))?;
    // Asked of the open file, so that what is checked is what is read.
    let mode = file.metadata().map_err(failed("look at", path))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(AuthorityError::KeyExposed { path: path.into(), mode });
    }
    read_open(file, path)
}

fn read_text(path: &Path) -> Result<String, AuthorityError> {
    read_open(File::open(path).map_err(failed("open", path))?, path)
}

fn read_open(file: File, path: &Path) -> Result<String, AuthorityError> {
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text).map_err(failed("read", path))?;
    Ok(text)
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", path)(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed("make", path))?;
    // The umask may have taken bits away that readers of the certificate need.
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed("set the mode of", path))?;
    file.write_all(text.as_bytes()).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("sync", path))
}

fn rename(dir: &Path, from: &str, to: &str) -> Result<(), AuthorityError> {
    let target = dir.join(to);
    fs::rename(dir.join(from), &target).map_err(failed("put in place", &target))?;
    sync_folder(dir)
}

fn sync_folder(dir: &Path) -> Result<(), AuthorityError> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(failed("sync", dir))
}

fn is_there(path: &Path) -> Result<bool, AuthorityError> {
    path.try_exists().map_err(failed("look at", path))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = PathBuf::from(path);
    move |source| AuthorityError::Io { operation, path, source }
}
