//! Who may ask: root, the daemon's own user, and the members of the group `clawgress`.
//!
//! The kernel says who is at the other end (SO_PEERCRED, unix(7)); the host's own passwd and group files say which
//! name and which groups belong to him. They are read for each connection, so that a change counts at once.
//! Directory services are not asked: their users are known by their primary group alone.

use std::io::{self, Read as _};
use std::path::Path;

use tokio::net::UnixStream;

/// The group whose members may ask.
pub const GROUP: &str = "clawgress";
/// Bytes read of an account file.
const ACCOUNT_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Effective user id when the connection was made.
    pub uid: u32,
    /// Effective group id when the connection was made.
    pub gid: u32,
    /// Process id, where the kernel knows it.
    pub pid: Option<i32>,
}

/// Who asks, as records name him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What the kernel says.
    pub peer: Peer,
    /// The user's name in `/etc/passwd`.
    pub user: Option<String>,
}

/// Decides who may ask.
pub struct Access {
    judge: Box<dyn Fn(&Peer) -> bool + Send + Sync>,
}

impl Access {
    /// Root, the user of this process, and the members of the group `clawgress` on this host.
    pub fn of_this_host() -> io::Result<Self> {
        let own = UnixStream::pair()?.0.peer_cred()?.uid();
        Ok(Self::by(move |peer| {
            peer.uid == 0
                || peer.uid == own
                || is_member(&account_file("passwd"), &account_file("group"), peer)
        }))
    }

    /// Whom `judge` says.
    pub fn by(judge: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Self {
        Self { judge: Box::new(judge) }
    }

    /// Whether this peer may ask.
    pub(super) fn permits(&self, peer: &Peer) -> bool {
        (self.judge)(peer)
    }
}

impl Caller {
    /// Finds out who is at the other end.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let peer = Peer { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() };
        let user = user_name(&account_file("passwd"), peer.uid).map(str::to_owned);
        Ok(Self { peer, user })
    }
}

/// The id of the group `clawgress` on this host.
pub(super) fn group_id() -> Option<u32> {
    entries(&account_file("group"))
        .find(|fields| fields[0] == GROUP)
        .and_then(|fields| fields[2].parse().ok())
}

/// An account file's text; empty where it cannot be read, so that nobody belongs to anything.
fn account_file(name: &str) -> String {
    let mut text = String::new();
    let read = std::fs::File::open(Path::new("/etc").join(name))
        .and_then(|file| file.take(ACCOUNT_FILE_BYTES).read_to_string(&mut text));
    if read.is_err() {
        text.clear();
    }
    text
}

/// Lines of at least four fields: `name:password:id:...` in both files (passwd(5), group(5)).
fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(|fields| fields.len() >= 4)
}

fn user_name(passwd: &str, uid: u32) -> Option<&str> {
    entries(passwd).find(|fields| fields[2].parse() == Ok(uid)).map(|fields| fields[0])
}

fn is_member(passwd: &str, group: &str, peer: &Peer) -> bool {
    let Some(fields) = entries(group).find(|fields| fields[0] == GROUP) else {
        return false;
    };
    if fields[2].parse() == Ok(peer.gid) {
        return true;
    }
    user_name(passwd, peer.uid).is_some_and(|user| fields[3].split(',').any(|member| member.trim() == user))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/:\n";
    const GROUPS: &str = "root:x:0:\nadm:x:4:bob\nclawgress:x:998:ann,carl\n";

    fn peer(uid: u32, gid: u32) -> Peer {
        Peer { uid, gid, pid: Some(1) }
    }

    #[test]
    fn members_by_list_and_by_primary_group_may_ask_and_others_may_not() {
        for (who, expected) in [
            (peer(1000, 1000), true),
            (peer(1001, 1001), false),
            (peer(1001, 998), true),
            (peer(4242, 4242), false),
        ] {
            assert_eq!(is_member(PASSWD, GROUPS, &who), expected, "{who:?}");
        }
    }

    #[test]
    fn without_the_group_nobody_is_a_member() {
        assert!(!is_member(PASSWD, "root:x:0:ann\nclawgress2:x:998:ann\n", &peer(1000, 998)));
        assert!(!is_member("", "", &peer(1000, 998)));
        assert!(!is_member("broken\n:::\n", "clawgress:x\n", &peer(0, 0)));
    }

    #[test]
    fn a_user_without_an_entry_has_no_name() {
        assert_eq!(user_name(PASSWD, 1000), Some("ann"));
        assert_eq!(user_name(PASSWD, 77), None);
    }
}
