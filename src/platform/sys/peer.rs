//! Who is at the other end of a Unix socket, and which groups this host knows.
//!
//! The kernel answers for the peer (`SO_PEERCRED`, `SO_PEERGROUPS`): nothing here believes a word the peer says.
//! Group names are read from `/etc/group` directly: a static binary must not call into NSS.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use tokio::net::UnixStream;

/// Groups a peer may have; more are an error. Linux allows 65536, real users have a handful.
const PEER_GROUPS: usize = 65_536;

/// What the kernel says of a peer, as of the moment it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCredentials {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
    /// Process id; absent where the peer is in a process namespace that is not visible from here.
    pub pid: Option<u32>,
}

impl PeerCredentials {
    /// Whether the peer belongs to the group, primarily or not.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}

/// Asks the kernel who connected.
pub fn peer_credentials(stream: &UnixStream) -> io::Result<PeerCredentials> {
    let cred = stream.peer_cred()?;
    Ok(PeerCredentials {
        uid: cred.uid(),
        gid: cred.gid(),
        groups: peer_groups(stream)?,
        pid: cred.pid().and_then(|pid| u32::try_from(pid).ok()),
    })
}

/// Supplementary groups of the peer (`SO_PEERGROUPS`, Linux 4.13).
fn peer_groups(stream: &UnixStream) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let bytes = groups.len() * size_of::<libc::gid_t>();
        let mut length = libc::socklen_t::try_from(bytes).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open; the pointer and `length` describe the vector's initialised elements.
        let result = unsafe {
            libc::getsockopt(
                stream.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let count = length as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // Too short: the kernel has written the length it needs.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > PEER_GROUPS {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// The id of a group by its name in `/etc/group`; absent where there is none.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    group_id_in(Path::new("/etc/group"), name)
}

fn group_id_in(path: &Path, name: &str) -> io::Result<Option<u32>> {
    Ok(find_group(&std::fs::read_to_string(path)?, name))
}

/// `name:password:gid:members` a line (group(5)).
fn find_group(table: &str, name: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let table = "root:x:0:\nclawgress-ops:x:990:ann\nclawgress:x:991:ann,bob\nbroken\n";
        assert_eq!(find_group(table, "clawgress"), Some(991));
        assert_eq!(find_group(table, "claw"), None);
        assert_eq!(find_group(table, "broken"), None);
        assert_eq!(group_id("root").unwrap(), Some(0));
    }

    #[tokio::test]
    async fn the_kernel_names_the_peer() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = peer_credentials(&one).unwrap();
        assert_eq!(peer.pid, Some(std::process::id()));
        assert!(peer.in_group(peer.gid));
        assert!(!peer.in_group(u32::MAX));
    }
}
