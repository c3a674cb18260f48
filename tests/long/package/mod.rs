//! The package on whole systems: Debian 12 and 13, each booted with its own systemd (252, 257) in a container whose network is
//! the laboratory's gateway, so that workloads and the world outside are those of every other test.
//!
//! `system` boots and is asked; each other file is a chapter of an administrator's life with the package.

mod boot;
mod first_day;
mod later;
mod machine;
mod outside;
mod system;
mod tools;
mod trouble;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::architecture::root;
use crate::lab::daemon::BINARY;

/// The releases that are booted, as debootstrap knows them.
const BOOKWORM: &str = "bookworm";
const TRIXIE: &str = "trixie";

/// A package of the program under test, of this version; the source's own where it is empty.
fn package(version: &str, into: &Path) -> PathBuf {
    // Another binary, such as that of `make build`, where somebody names one.
    let binary = std::env::var_os("CLAWGRESS_PACKAGED").unwrap_or_else(|| BINARY.into());
    let version = if version.is_empty() { env!("CARGO_PKG_VERSION") } else { version };
    let built = Command::new(root().join("packaging/build"))
        .arg(binary)
        .arg(into)
        .envs([("DEB_VERSION", version), ("DEB_EFFORT", "0")])
        .output()
        .expect("packaging/build");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    PathBuf::from(String::from_utf8_lossy(&built.stdout).trim())
}
