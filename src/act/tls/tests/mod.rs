//! The authority on disk, leaves as clients and OpenSSL read them, and handshakes with real clients in memory.

mod authority;
mod leaf;
mod rotation;
mod supplied;
mod terminate;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::model::types::HostName;
use crate::platform::sys::clock;

const DAY: Duration = Duration::from_secs(86_400);

fn name(text: &str) -> TlsName {
    match text.parse::<IpAddr>() {
        Ok(ip) => ip.into(),
        Err(_) => TlsName::Host(HostName::parse(text).unwrap()),
    }
}

/// A folder that does not exist yet, inside one that goes with the test.
fn folder() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("state/ca");
    (dir, ca)
}

fn authority() -> (TempDir, Arc<Authorities>) {
    let (dir, ca) = folder();
    (dir, Arc::new(Authorities::own(&ca, clock::now()).unwrap()))
}
