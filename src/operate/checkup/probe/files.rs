//! Small files of the host, read within bounds.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::super::facts::Seen;

/// Bytes that are read of a file: settings of other programs are far smaller.
const BYTES: u64 = 1 << 20;
/// Files of a folder that are looked at.
const FILES: usize = 256;

/// A text.
pub fn text(path: impl AsRef<Path>) -> Seen<String> {
    let read = || {
        let mut text = Vec::new();
        File::open(path)?.take(BYTES).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    Seen::of(read())
}

/// A setting of the kernel: names of interfaces may hold dots, so it is given in parts.
pub fn sysctl(parts: &[&str]) -> Seen<String> {
    text(format!("/proc/sys/{}", parts.join("/"))).map(|text| text.trim().to_owned())
}

/// The same as a number.
pub fn sysctl_number(parts: &[&str]) -> Seen<u64> {
    match sysctl(parts) {
        Seen::Is(text) => match text.parse() {
            Ok(number) => Seen::Is(number),
            Err(_) => Seen::Hidden(format!("`{text}` is no number")),
        },
        Seen::Absent => Seen::Absent,
        Seen::Hidden(why) => Seen::Hidden(why),
    }
}

/// The entries of a folder with this ending, in order.
pub fn entries(folder: impl AsRef<Path>, ending: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        listed.filter(|path| path.to_string_lossy().ends_with(ending)).take(FILES).collect();
    found.sort();
    found
}

/// Permission bits and owner of a file or folder.
pub fn mode(path: &Path) -> Seen<(u32, u32)> {
    Seen::of(fs::metadata(path)).map(|told| (told.permissions().mode() & 0o7777, told.uid()))
}
