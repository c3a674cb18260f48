//! What `scripts/long-tools` has installed, and the clients of `tests/long/clients` run with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab::Daemon;
use crate::lab::program::Program;

/// Slow to start: Chromium, Java, package managers.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What is in the folder where `scripts/long-tools` puts what it installs, `target/long`.
pub fn installed(path: &str) -> PathBuf {
    // What is built stands in `target/PLATFORM/`. Links stay: an interpreter is known by its own path.
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).ancestors().nth(2).expect("a folder for every target");
    let path = target.join("long").join(path);
    assert!(path.exists(), "`{}` is not installed\n  hint: sudo make test-long", path.display());
    path
}

/// The interpreter that has the packages of `tests/long/requirements.txt`.
pub fn python() -> String {
    installed("python/bin/python").to_str().expect("the repository's path is text").to_owned()
}

/// A file of `tests/long/clients`.
pub fn client(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/long/clients").join(file)
}

/// One of alice's programs, told of the gateway's authority by one variable and nothing else.
pub fn trusting(daemon: &Daemon<'_>, program: Program, variable: &str) -> Program {
    program.env(variable, daemon.authority()).deadline(PATIENCE)
}
