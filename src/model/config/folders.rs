//! Where documents, state and sockets are.

use std::path::{Component, Path, PathBuf};

use crate::model::manifest::fields::{Fields, Item};
use crate::model::manifest::report::quoted;
use crate::model::manifest::schema::Form;

/// Longest path of a Unix socket in bytes (Linux `sockaddr_un`, less its end mark).
const SOCKET_PATH_BYTES: usize = 107;
/// The admin socket's name in the runtime folder.
pub const ADMIN_SOCKET: &str = "admin.sock";

/// The folder of state where the settings name none.
pub const STATE_DIR: &str = "/var/lib/clawgress";
/// The other two.
pub(super) const POLICY_DIR: &str = "/etc/clawgress/policies.d";
pub(super) const RUNTIME_DIR: &str = "/run/clawgress";

/// A path from `/` on.
pub(super) static PATH: Form = Form { words: "path from `/` on", pattern: "^/", longest: 4096 };

/// `spec.policyDir`, `spec.stateDir`, `spec.runtimeDir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Policy documents, in files below it.
    pub policy: PathBuf,
    /// Registry, ledger, journal, CA.
    pub state: PathBuf,
    /// The admin socket.
    pub runtime: PathBuf,
}

pub(super) fn read(spec: &Fields<'_>) -> Option<Folders> {
    let folder = |name: &str, default: &str| match spec.get(name) {
        Some(item) => absolute(&item),
        None => Some(PathBuf::from(default)),
    };
    let policy = folder("policyDir", POLICY_DIR);
    let state = folder("stateDir", STATE_DIR);
    let runtime = folder("runtimeDir", RUNTIME_DIR);
    if let (Some(item), Some(path)) = (spec.get("runtimeDir"), &runtime)
        && path.join(ADMIN_SOCKET).as_os_str().len() > SOCKET_PATH_BYTES
    {
        let room = SOCKET_PATH_BYTES - ADMIN_SOCKET.len() - 1;
        item.mistake(format!(
            "`runtimeDir` is longer than {room} bytes: the path of a socket in it would not fit"
        ));
    }
    Some(Folders { policy: policy?, state: state?, runtime: runtime? })
}

/// A path that means the same wherever the daemon is started.
pub(super) fn absolute(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.text_of(&PATH)?;
    let path = Path::new(text);
    if !path.is_absolute() {
        item.mistake_hint(format!("path {} is relative", quoted(text)), "write it from `/` on");
        return None;
    }
    if path.components().any(|part| part == Component::ParentDir) {
        item.mistake_hint(format!("path {} has `..` in it", quoted(text)), "write it without");
        return None;
    }
    Some(path.to_owned())
}
