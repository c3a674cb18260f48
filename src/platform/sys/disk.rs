//! How much room a file system has (statvfs(3)).
//!
//! Asks, and changes nothing.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The room of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes that an ordinary user may still write.
    pub free: u64,
    /// Files that there may be; 0 where the file system has no such bound.
    pub files: u64,
    /// Files that there may still be made.
    pub files_free: u64,
    /// Whether nothing may be written.
    pub read_only: bool,
}

/// The room of the file system that this path is on.
pub fn space(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let mut told = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends in a zero, and the other pointer is to room for the type that the call fills in.
    if unsafe { libc::statvfs(path.as_ptr(), told.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroes are a valid value of it, and the call has filled it in.
    let told = unsafe { told.assume_init() };
    // The types of these fields differ between C libraries.
    #[allow(clippy::useless_conversion, reason = "these are not 64 bits wide everywhere")]
    Ok(Space {
        bytes: u64::from(told.f_blocks).saturating_mul(u64::from(told.f_frsize)),
        free: u64::from(told.f_bavail).saturating_mul(u64::from(told.f_frsize)),
        files: u64::from(told.f_files),
        files_free: u64::from(told.f_favail),
        read_only: u64::from(told.f_flag) & u64::from(libc::ST_RDONLY) != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_written_has_room_and_one_that_is_not_there_has_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let found = space(folder.path()).unwrap();
        assert!(found.bytes >= found.free && !found.read_only, "{found:?}");
        assert!(space(Path::new("/nonexistent")).is_err());
    }
}
