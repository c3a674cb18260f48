//! The daemon's process, its limits, its unit, and where memory may be written to.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::daemon::{Daemon, Swap};
use super::super::facts::Seen;
use super::files;

/// Where packages put units, and where administrators do.
const SHIPPED: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
const CHANGED: [&str; 2] = ["/etc/systemd/system", "/run/systemd/system"];
const UNIT: &str = "clawgressd.service";

pub fn daemon(pid: Option<u32>) -> Daemon {
    let processes = processes();
    let one = pid.or_else(|| match processes.is()?.as_slice() {
        [one] => Some(*one),
        _ => None,
    });
    let swaps = files::text("/proc/swaps").map(|text| swaps(&text));
    Daemon {
        serving: pid,
        limits: one.map_or(Seen::Absent, limits),
        swaps,
        never_swapped: never_swapped(),
        profile: one.map_or(Seen::Absent, profile),
        overrides: overrides(),
        processes,
    }
}

/// Daemons of this network namespace.
fn processes() -> Seen<Vec<u32>> {
    let own = match fs::metadata("/proc/self/ns/net") {
        Ok(own) => own.ino(),
        Err(error) => return Seen::Hidden(error.to_string()),
    };
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if !is_daemon(&fs::read(entry.path().join("cmdline")).unwrap_or_default()) {
            continue;
        }
        match fs::metadata(entry.path().join("ns/net")) {
            Ok(its) if its.ino() == own => found.push(pid),
            Ok(_) => {}
            // It may have ended meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Seen::Hidden(format!("process {pid}: {error}")),
        }
    }
    found.sort_unstable();
    Seen::Is(found)
}

/// `clawgressd ...`, `clawgress daemon ...`.
fn is_daemon(command_line: &[u8]) -> bool {
    let mut words = command_line.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    match program.rsplit(|byte| *byte == b'/').next().unwrap_or_default() {
        b"clawgressd" => true,
        b"clawgress" => command(words) == Some(b"daemon"),
        _ => false,
    }
}

/// The first word that is neither an option of all commands nor its value.
fn command<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    const WITH_VALUE: [&[u8]; 3] = [b"--socket", b"--output", b"-o"];
    while let Some(word) = words.next() {
        if !word.starts_with(b"-") {
            return Some(word);
        }
        if WITH_VALUE.contains(&word) {
            words.next();
        }
    }
    None
}

/// Where the kernel has AppArmor and a profile is installed.
fn profile(pid: u32) -> Seen<String> {
    let enforced =
        files::text("/sys/module/apparmor/parameters/enabled").is().is_some_and(|on| on.trim() == "Y");
    if !enforced || !Path::new("/etc/apparmor.d/clawgressd").exists() {
        return Seen::Absent;
    }
    files::text(format!("/proc/{pid}/attr/current")).map(|text| text.trim().to_owned())
}

fn limits(pid: u32) -> Seen<(u64, u64)> {
    match files::text(format!("/proc/{pid}/limits")) {
        Seen::Is(text) => match (limit(&text, "Max core file size"), limit(&text, "Max open files")) {
            (Some(core), Some(files)) => Seen::Is((core, files)),
            _ => Seen::Hidden("/proc does not say them in the usual words".to_owned()),
        },
        Seen::Absent => Seen::Absent,
        Seen::Hidden(why) => Seen::Hidden(why),
    }
}

/// The limit in force of a line of /proc/PID/limits.
fn limit(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?;
    if value == "unlimited" { Some(u64::MAX) } else { value.parse().ok() }
}

fn swaps(text: &str) -> Vec<Swap> {
    let names = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    names.map(|name| Swap { name: name.to_owned(), safe: is_safe(name) }).collect()
}

/// zram is memory; of a device of the device mapper its type is told.
fn is_safe(name: &str) -> bool {
    let Some(device) = name.strip_prefix("/dev/") else { return false };
    let encrypted = || {
        let told = files::text(format!("/sys/block/{device}/dm/uuid"));
        told.is().is_some_and(|uuid| uuid.starts_with("CRYPT-"))
    };
    device.starts_with("zram") || encrypted()
}

fn never_swapped() -> bool {
    let group = format!("/sys/fs/cgroup/system.slice/{UNIT}/memory.swap.max");
    files::text(group).is().is_some_and(|most| most.trim() == "0")
}

/// What an administrator has put over the unit that was installed; absent where there is no unit.
fn overrides() -> Seen<Vec<String>> {
    let there = |folder: &str| Path::new(folder).join(UNIT).exists();
    let shipped = SHIPPED.iter().any(|folder| there(folder));
    let changed = CHANGED.iter().filter(|folder| there(folder));
    let whole: Vec<String> = changed.map(|folder| format!("{folder}/{UNIT}")).collect();
    if !shipped && whole.is_empty() {
        return Seen::Absent;
    }
    let parts = CHANGED.iter().flat_map(|folder| files::entries(format!("{folder}/{UNIT}.d"), ".conf"));
    let parts: Vec<String> = parts.map(|path| path.display().to_string()).collect();
    // Installed by hand, the one in /etc is the unit itself.
    Seen::Is(if shipped { whole.into_iter().chain(parts).collect() } else { parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_told_by_its_command_line() {
        assert!(is_daemon(b"/usr/sbin/clawgressd\0--config\0/etc/x\0"));
        assert!(is_daemon(b"clawgress\0--socket\0/s\0daemon\0"));
        assert!(
            !is_daemon(b"clawgress\0status\0") && !is_daemon(b"vi\0clawgress\0daemon\0") && !is_daemon(b"")
        );
    }

    #[test]
    fn limits_and_swaps_are_read_from_the_kernels_tables() {
        let text = "Limit  Soft Limit  Hard Limit  Units\nMax core file size        0         unlimited   bytes\nMax open files            1024      524288      files\n";
        assert_eq!((limit(text, "Max core file size"), limit(text, "Max open files")), (Some(0), Some(1024)));
        assert_eq!(
            limit("Max core file size  unlimited  unlimited  bytes", "Max core file size"),
            Some(u64::MAX)
        );
        let found = swaps("Filename Type Size\n/dev/zram0 partition 1\n/swap.img file 2\n");
        assert_eq!(found.iter().map(|swap| swap.safe).collect::<Vec<_>>(), [true, false]);
    }
}
