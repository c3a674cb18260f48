//! What systemd is to the daemon, as far as a test needs it: hears its notifications, keeps the sockets that it hands
//! over (`FDSTORE=1`, sd_pid_notify_with_fds(3)) and gives them to the next start (sd_listen_fds(3)).

use std::fs::{self, File};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// Descriptors in one message; the kernel passes no more (`SCM_MAX_FD`).
const MESSAGE: usize = 253;

/// A service manager with one service.
pub struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
    kept: Vec<(String, OwnedFd)>,
}

impl Manager {
    /// Listens in this folder.
    pub fn new(folder: &Path) -> Self {
        let path = folder.join("notify.sock");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a notification socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        Self { path, socket, kept: Vec::new() }
    }

    /// Where the daemon tells it, `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lines of the next message; none where nothing came for a moment.
    pub fn hear(&mut self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message =
            recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC);
        let Ok(message) = message else { return Vec::new() };
        let mut passed = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                passed.extend(rights);
            }
        }
        let text = String::from_utf8_lossy(&bytes[..message.bytes]).into_owned();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.store(&lines, passed);
        lines
    }

    fn store(&mut self, lines: &[String], passed: Vec<OwnedFd>) {
        let name = lines.iter().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored").to_owned();
        if lines.iter().any(|line| line == "FDSTOREREMOVE=1") {
            self.kept.retain(|(kept, _)| *kept != name);
        }
        if lines.iter().any(|line| line == "FDSTORE=1") {
            for descriptor in passed {
                // As systemd does: what it has already it does not keep twice.
                if !self.kept.iter().any(|(_, kept)| inode(kept) == inode(&descriptor)) {
                    self.kept.push((name.clone(), descriptor));
                }
            }
        }
    }

    /// Copies of what it keeps, each with its name.
    pub fn kept(&self) -> Vec<(String, OwnedFd)> {
        let copy = |(name, kept): &(String, OwnedFd)| (name.clone(), kept.try_clone().expect("a copy"));
        self.kept.iter().map(copy).collect()
    }

    /// The names of what it keeps, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.kept.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Keeps nothing any more, as when a service is stopped for good.
    pub fn forget(&mut self) {
        self.kept.clear();
    }
}

/// What tells one open socket from another.
fn inode(descriptor: &OwnedFd) -> u64 {
    let copy = descriptor.try_clone().expect("a copy");
    File::from(copy).metadata().expect("an open descriptor").ino()
}
