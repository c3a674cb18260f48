//! The key of the hashes by which records tell findings apart: `findings.key` in the state folder, made at the first start.
//!
//! Kept, so that equal findings have equal hashes as long as records are kept. Nobody but the daemon reads it, and it opens
//! nothing. Read next: `decide/dlp/hash.rs`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::kept;
use crate::decide::dlp::HashKey;

/// Bytes of the key.
const BYTES: usize = 32;

/// Reads the key, or makes one where there is none.
///
/// # Errors
/// Where it can be neither read nor written, or is no key.
pub fn load_or_create(state: &Path) -> io::Result<HashKey> {
    let path = state.join("findings.key");
    let mut key = [0; BYTES];
    match File::open(&path) {
        Ok(mut file) => {
            file.read_exact(&mut key)?;
            return Ok(HashKey(key));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no random bytes"))?;
    kept::replace(&path, &key)?;
    Ok(HashKey(key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_nobody_else_reads_it() {
        let state = tempfile::tempdir().unwrap();
        let first = load_or_create(state.path()).unwrap();
        assert_eq!(load_or_create(state.path()).unwrap().0, first.0);
        let mode = std::fs::metadata(state.path().join("findings.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(state.path().join("findings.key"), b"short").unwrap();
        assert!(load_or_create(state.path()).is_err(), "half a key is none");
    }
}
