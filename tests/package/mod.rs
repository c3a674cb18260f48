//! The Debian package: what is in it, that its scripts do what they say, that a machine is left as it was found.
//!
//! It is built of the program under test by `packaging/build`, with a stand-in for the large binary, and installed by the
//! machine's own dpkg into a copy of this machine that is thrown away (`fake.rs`). With systemd as process 1 it is
//! installed in `tests/long/package`.

mod contents;
mod fake;
mod life;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::architecture::root;
use crate::lab::daemon::BINARY;

/// The version of the source.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A package that was built, in a folder of its own.
struct Built {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Built {
    /// With the version of the source.
    fn new() -> Self {
        Self::of_version(VERSION)
    }

    fn of_version(version: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // It is the program in everything but its size, of which a debugging build has too much.
        let program = folder.path().join("clawgress");
        fs::write(&program, format!("#!/bin/bash\nexec -a \"$0\" {BINARY} \"$@\"\n")).expect("a stand-in");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
        let built = Command::new(root().join("packaging/build"))
            .arg(&program)
            .arg(folder.path())
            .envs([("DEB_VERSION", version), ("DEB_EFFORT", "0"), ("SOURCE_DATE_EPOCH", "1700000000")])
            .output()
            .expect("packaging/build");
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(built.status.success() && said.is_empty(), "{said}");
        let path = PathBuf::from(String::from_utf8_lossy(&built.stdout).trim());
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(name.starts_with(&format!("clawgress_{version}_")) && name.ends_with(".deb"), "{name}");
        Self { folder, path }
    }

    /// Unpacked, with what dpkg is told in `DEBIAN`.
    fn unpacked(&self) -> PathBuf {
        let tree = self.folder.path().join("tree");
        let done = Command::new("dpkg-deb").arg("--raw-extract").args([&self.path, &tree]).status();
        assert!(done.expect("dpkg-deb").success());
        tree
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}
