//! Where the master key comes from: a credential of systemd; without one a file in the state folder, made at first start.
//!
//! A key file that others may read, or that belongs to somebody else, is refused: what it sealed may be known. Beside a
//! credential the file is an older key, which opens what it sealed and seals nothing more.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::sealing::{KEY_BYTES, KeyBytes, MasterKey, random_key};
use crate::platform::sys::process;

/// The name of the credential (systemd.exec(5), CREDENTIALS).
pub const CREDENTIAL: &str = "clawgress-master-key";
/// The name of the file in the state folder.
pub const FILE: &str = "master.key";

/// Where a key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// systemd gave it to this service.
    Credential,
    /// It lies here.
    File(PathBuf),
}

/// The keys of this daemon.
#[derive(Debug)]
pub struct Found {
    /// Seals and opens.
    pub key: MasterKey,
    /// Where it was found.
    pub source: KeySource,
    /// The key that was in force before the credential, and its file.
    pub older: Option<(MasterKey, PathBuf)>,
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// A file could not be used.
    #[error("cannot {operation} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner may use the file.
    #[error(
        "the master key `{0}` has mode {mode:04o}: others may have read it\nhint: chmod 0600 {0}, and set every secret anew: it \
         may be known", path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else has the file.
    #[error(
        "the master key `{0}` belongs to uid {owner}, and the daemon runs as uid {own}\nhint: chown {own} {0}, where it is the \
         daemon's own", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Whom it has to belong to.
        own: u32,
    },
    /// It is no key.
    #[error(
        "the master key `{}` has {bytes} bytes, a key has {KEY_BYTES}\nhint: put the key back from a copy; a new one is made by \
         `head -c {KEY_BYTES} /dev/urandom`, and opens nothing that the old one sealed", path.display()
    )]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Bytes of it, as far as they were read.
        bytes: usize,
    },
}

/// Finds the master key, or makes one in the state folder. `credentials` is the folder that systemd names.
///
/// # Errors
/// Where there is a key and it cannot or must not be used: another one is never made in its place.
pub fn find_or_make(state: &Path, credentials: Option<&Path>) -> Result<Found, MasterKeyError> {
    let path = state.join(FILE);
    let of_file = read(&path, true)?.map(|key| MasterKey::new(&key));
    let credential = credentials.map(|folder| read(&folder.join(CREDENTIAL), false)).transpose()?.flatten();
    if let Some(key) = credential {
        let key = MasterKey::new(&key);
        let older = of_file.filter(|older| older.id() != key.id()).map(|older| (older, path));
        return Ok(Found { key, source: KeySource::Credential, older });
    }
    let key = match of_file {
        Some(key) => key,
        None => MasterKey::new(&make(&path)?),
    };
    Ok(Found { key, source: KeySource::File(path), older: None })
}

/// The key in a file; nothing where there is no file. `ours` is asked of its owner and mode; of a credential systemd says
/// both.
fn read(path: &Path, ours: bool) -> Result<Option<KeyBytes>, MasterKeyError> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    // Asked of the open file, so that what is checked is what is read.
    let found = file.metadata().map_err(failed("look at", path))?;
    if ours {
        let (mode, owner, own) = (found.mode() & 0o7777, found.uid(), process::user());
        if owner != own {
            return Err(MasterKeyError::Foreign { path: path.into(), owner, own });
        }
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: path.into(), mode });
        }
    }
    let mut bytes = zeroize::Zeroizing::new([0; KEY_BYTES + 1]);
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]).map_err(failed("read", path))? {
            0 => break,
            more => filled += more,
        }
    }
    if filled != KEY_BYTES {
        return Err(MasterKeyError::WrongLength { path: path.into(), bytes: filled });
    }
    let mut key = KeyBytes::default();
    key.copy_from_slice(&bytes[..KEY_BYTES]);
    Ok(Some(key))
}

/// A new key, whole in its file and on disk before it is used.
fn make(path: &Path) -> Result<KeyBytes, MasterKeyError> {
    let key = random_key();
    let unfinished = path.with_extension("key.new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &unfinished)(error));
        }
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
    let mut file = file.map_err(failed("make", &unfinished))?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed("set the mode of", &unfinished))?;
    file.write_all(key.as_slice()).map_err(failed("write", &unfinished))?;
    file.sync_all().map_err(failed("sync", &unfinished))?;
    fs::rename(&unfinished, path).map_err(failed("put in place", path))?;
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))?;
    Ok(key)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> MasterKeyError {
    let path = PathBuf::from(path);
    move |source| MasterKeyError::Io { operation, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, bytes: &[u8], mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn without_a_credential_a_key_of_its_own_is_made_once_for_this_user_alone() {
        let state = tempfile::tempdir().unwrap();
        let first = find_or_make(state.path(), None).unwrap();
        let path = state.path().join(FILE);
        assert_eq!(first.source, KeySource::File(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read(&path).unwrap().len(), KEY_BYTES);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1, "nothing else is left");
        // Somewhere else there is no folder of credentials with ours in it.
        let again = find_or_make(state.path(), Some(Path::new("/nonexistent"))).unwrap();
        assert_eq!(again.key.id(), first.key.id());
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(find_or_make(elsewhere.path(), None).unwrap().key.id(), first.key.id());
    }

    #[test]
    fn a_credential_comes_first_and_the_file_is_the_older_key() {
        let (state, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // As systemd leaves it: readable, and of another user.
        write(&credentials.path().join(CREDENTIAL), &[7; KEY_BYTES], 0o444);
        let alone = find_or_make(state.path(), Some(credentials.path())).unwrap();
        assert_eq!((alone.source, alone.older.is_none()), (KeySource::Credential, true));
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0, "no key is made");
        let made = find_or_make(state.path(), None).unwrap();
        let both = find_or_make(state.path(), Some(credentials.path())).unwrap();
        assert_eq!(both.key.id(), alone.key.id());
        assert_eq!(both.older.unwrap().0.id(), made.key.id());
        write(&state.path().join(FILE), &[7; KEY_BYTES], 0o600);
        assert!(
            find_or_make(state.path(), Some(credentials.path())).unwrap().older.is_none(),
            "the same key"
        );
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_none_is_refused_with_what_to_do() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(FILE);
        for (bytes, mode, why, hint) in [
            (KEY_BYTES, 0o640, "has mode 0640: others may have read it", "hint: chmod 0600 "),
            (KEY_BYTES, 0o604, "has mode 0604", "set every secret anew"),
            (KEY_BYTES - 1, 0o600, "has 31 bytes, a key has 32", "hint: put the key back"),
            (KEY_BYTES + 1, 0o600, "has 33 bytes, a key has 32", "head -c 32"),
            (0, 0o600, "has 0 bytes", "hint: "),
        ] {
            write(&path, &vec![1; bytes], mode);
            let said = find_or_make(state.path(), None).unwrap_err().to_string();
            assert!(said.contains(why) && said.contains(hint), "{said}");
            assert_eq!(fs::read(&path).unwrap().len(), bytes, "it is left as it was");
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(find_or_make(state.path(), None).unwrap_err().to_string().starts_with("cannot open `"));
    }
}
