//! What this process may do and hold: open files, pages, capabilities.
//!
//! Reads and changes limits of this process alone; never changes anything of the host.

use std::io;

/// Raises the limit of open files to what the administrator allows at most, and returns it. Every intercepted
/// connection costs two descriptors, spliced ones four more while bytes move.
pub fn raise_file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live local of the right type.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above; the kernel only reads it.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// Asks for small pages alone, from now on. With huge ones each corner of the heap that is touched costs 2 MiB: twice
/// the memory of an idle gateway, a third more for each idle connection.
pub fn refuse_huge_pages() -> io::Result<()> {
    let (on, unused) = (1 as libc::c_ulong, 0 as libc::c_ulong);
    // SAFETY: this option takes numbers alone (prctl(2), PR_SET_THP_DISABLE; the unused ones must be zero).
    if unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Keeps what this process holds in memory out of core dumps, and out of the reach of other processes of the same user.
pub fn forbid_core_dumps() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live local of the right type; the kernel only reads it.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let (off, unused) = (0 as libc::c_ulong, 0 as libc::c_ulong);
    // SAFETY: this option takes numbers alone (prctl(2), PR_SET_DUMPABLE).
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, off, unused, unused, unused) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The user whose rights this process has.
pub fn user() -> u32 {
    // SAFETY: it takes nothing, changes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// A capability that the gateway needs (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Ports below 1024: answers to DNS leave from port 53.
    NetBindService = 10,
    /// Transparent sockets, nftables, policy routes.
    NetAdmin = 12,
    /// ICMP errors for UDP that is refused.
    NetRaw = 13,
}

impl Capability {
    /// The name in systemd units.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
        }
    }
}

/// The effective capabilities of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Whether it holds the capability.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }
}

/// The effective capabilities of this process, from `/proc/self/status`.
pub fn capabilities() -> io::Result<Capabilities> {
    parse_capabilities(&std::fs::read_to_string("/proc/self/status")?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no `CapEff` line in /proc/self/status"))
}

fn parse_capabilities(status: &str) -> Option<Capabilities> {
    let field = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(field.trim(), 16).ok().map(Capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_capabilities_are_read_not_inherited_ones() {
        let status =
            "Name:\tx\nCapInh:\tffffffffffffffff\nCapEff:\t0000000000001400\nCapBnd:\tffffffffffffffff\n";
        let found = parse_capabilities(status).unwrap();
        assert!(found.has(Capability::NetAdmin) && found.has(Capability::NetBindService));
        assert!(!parse_capabilities("CapEff:\t0000000000000400\n").unwrap().has(Capability::NetAdmin));
        assert_eq!(parse_capabilities("Name:\tx\n"), None);
        capabilities().unwrap();
    }

    #[test]
    fn no_core_is_dumped_and_nobody_of_the_same_user_reads_the_memory() {
        forbid_core_dumps().unwrap();
        // SAFETY: this option takes nothing and returns a number.
        assert_eq!(unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }, 0);
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let [soft, hard] = core.split_whitespace().skip(4).take(2).collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!((soft, hard), ("0", "0"));
    }

    #[test]
    fn the_file_limit_is_raised_to_the_hard_limit() {
        let first = raise_file_limit().unwrap();
        assert!(first >= 256);
        assert_eq!(raise_file_limit().unwrap(), first);
    }
}
