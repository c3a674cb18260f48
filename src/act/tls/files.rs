//! The two files of the authority, `ca.pem` (0644) and `ca.key` (PKCS#8, 0600), in a folder of mode 0700; in a rotation those of
//! the upcoming one, `next.pem`, `next.key` and `next.at`, and after it the certificate of the old one, `old.pem`.
//!
//! Both are first written whole and synced as `ca.key.new` and `ca.pem.new`, then the certificate is renamed, then
//! the key. So a key in force always has its certificate, and the one half-done state, a certificate beside
//! `ca.key.new`, is finished at the next start. It replaces a file that is in force by a rotation alone: `next.at` is written last
//! and removed last, so that whatever is interrupted is discarded before it counts, or finished.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::authority::AuthorityError;
use crate::model::types::Timestamp;

/// The certificate that workloads trust.
pub(super) const CERTIFICATE: &str = "ca.pem";
/// Its private key.
pub(super) const KEY: &str = "ca.key";
/// The certificate of an authority that has signed.
pub(super) const OLD: &str = "old.pem";
/// The upcoming authority, and the moment from which it signs.
const NEXT_CERTIFICATE: &str = "next.pem";
const NEXT_KEY: &str = "next.key";
const NEXT_AT: &str = "next.at";
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

/// Where the files of the signing authority lie.
pub(super) fn signing(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join(CERTIFICATE), dir.join(KEY))
}

/// Where those of the upcoming one lie.
pub(super) fn next(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join(NEXT_CERTIFICATE), dir.join(NEXT_KEY))
}

/// Writes an upcoming authority, which signs from this moment on. It counts once its moment is there.
pub(super) fn write_next(dir: &Path, pair: &Pair, at: Timestamp) -> Result<(), AuthorityError> {
    for (name, text, mode) in [
        (NEXT_KEY, pair.key.as_str(), 0o600),
        (NEXT_CERTIFICATE, pair.certificate.as_str(), 0o644),
        (NEXT_AT, at.to_string().as_str(), 0o600),
    ] {
        replace(dir, name, text, mode)?;
    }
    Ok(())
}

/// The upcoming authority; nothing where none was ever finished. What an unfinished rotation has left is removed.
pub(super) fn read_next(dir: &Path) -> Result<Option<(Pair, Timestamp)>, AuthorityError> {
    let (certificate, key) = next(dir);
    let at = dir.join(NEXT_AT);
    if !is_there(&at)? {
        remove(&certificate)?;
        remove(&key)?;
        return Ok(None);
    }
    let text = read_text(&at)?;
    let moment = Timestamp::parse(text.trim())
        .ok_or_else(|| AuthorityError::Unusable { path: at, problem: "holds no time in RFC 3339".into() })?;
    Ok(Some((Pair { certificate: read_text(&certificate)?, key: read_key(&key)? }, moment)))
}

/// The certificate of the authority that has signed, where it is trusted still.
pub(super) fn read_old(dir: &Path) -> Result<Option<String>, AuthorityError> {
    let path = dir.join(OLD);
    is_there(&path)?.then(|| read_text(&path)).transpose()
}

/// Removes it.
pub(super) fn remove_old(dir: &Path) -> Result<(), AuthorityError> {
    remove(&dir.join(OLD))?;
    sync_folder(dir)
}

/// Puts the upcoming authority in the place of the signing one, whose key is gone then. Done again it finishes what was
/// interrupted.
pub(super) fn switch(dir: &Path) -> Result<(), AuthorityError> {
    if is_there(&dir.join(NEXT_CERTIFICATE))? {
        let old = read_text(&dir.join(CERTIFICATE))?;
        replace(dir, OLD, &old, 0o644)?;
        rename(dir, NEXT_CERTIFICATE, CERTIFICATE)?;
    }
    if is_there(&dir.join(NEXT_KEY))? {
        rename(dir, NEXT_KEY, KEY)?;
    }
    remove(&dir.join(NEXT_AT))?;
    sync_folder(dir)
}

/// Finishes a switch that was stopped after it had begun.
pub(super) fn finish_switch(dir: &Path) -> Result<(), AuthorityError> {
    if is_there(&dir.join(NEXT_AT))? && !is_there(&dir.join(NEXT_CERTIFICATE))? {
        switch(dir)
    } else {
        Ok(())
    }
}

/// Copies what stands in the folder into another, which is made.
pub(super) fn copy(dir: &Path, to: &Path) -> Result<(), AuthorityError> {
    DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(failed("make", to))?;
    for (name, mode) in [
        (CERTIFICATE, 0o644),
        (KEY, 0o600),
        (NEXT_CERTIFICATE, 0o644),
        (NEXT_KEY, 0o600),
        (NEXT_AT, 0o600),
        (OLD, 0o644),
    ] {
        let path = dir.join(name);
        if is_there(&path)? {
            replace(to, name, &Zeroizing::new(read_text(&path)?), mode)?;
        }
    }
    Ok(())
}

/// Writes a file whole, in the place of what had its name.
fn replace(dir: &Path, name: &str, text: &str, mode: u32) -> Result<(), AuthorityError> {
    let unfinished = format!("{name}.new");
    write_new(&dir.join(&unfinished), text, mode)?;
    rename(dir, &unfinished, name)
}

fn remove(path: &Path) -> Result<(), AuthorityError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
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
