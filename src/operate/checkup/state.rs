//! The state folder: room, the ledger, and who may read and write what.
//!
//! Pure: sizes, modes and what SQLite said come in.

use std::path::{Path, PathBuf};

use super::facts::Seen;
use crate::model::types::Timestamp;
use crate::operate::api::Check;
use crate::platform::sys::disk::Space;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Days in which a file system that fills up is said.
const DAYS: u64 = 30;
/// Part of a file system, and of its files, that should stay free, in hundredths.
const FREE: u64 = 10;
/// Bits of a mode by which others than the owner may write.
const WRITABLE: u32 = 0o022;
/// Bits of a mode by which others than the owner may do anything.
const OPEN: u32 = 0o077;

/// What SQLite and the journal say of the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Bytes of the database.
    pub bytes: u64,
    /// Records in it.
    pub records: u64,
    /// When the first was made.
    pub oldest: Option<Timestamp>,
    /// What a quick check of the database found: nothing where it is sound; absent where it took too long.
    pub damage: Option<Option<String>>,
    /// Bytes of journal.
    pub journal: u64,
    /// Why the daemon cannot write, where it says so.
    pub failure: Option<String>,
}

/// A file or folder, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where.
    pub path: PathBuf,
    /// Whether nobody but its owner may even read it.
    pub private: bool,
    /// Its permission bits and its owner.
    pub seen: Seen<(u32, u32)>,
}

/// What was seen of the state folder, and of the files of `/etc`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The folder.
    pub folder: PathBuf,
    /// The room of its file system.
    pub space: Seen<Space>,
    /// The record; absent before the first start.
    pub ledger: Seen<Ledger>,
    /// Bytes that the journal may take.
    pub journal_bound: u64,
    /// Files and folders whose modes matter.
    pub kept: Vec<Kept>,
    /// The clock.
    pub now: Timestamp,
}

/// Judges the state folder.
pub fn judge(state: &State) -> Vec<Check> {
    let mut checks = vec![room(state), ledger(state), journal(state)];
    checks.push(files(&state.kept));
    checks
}

fn room(state: &State) -> Check {
    const NAME: &str = "disk";
    let folder = state.folder.display();
    let more =
        format!("make room on the file system of {folder}, or move it to a larger one (df -h {folder})");
    let space = match &state.space {
        Seen::Is(space) => space,
        Seen::Absent => return Check::ok(NAME, format!("`{folder}` is made at the first start")),
        Seen::Hidden(why) => return Check::skip(NAME, format!("`{folder}` cannot be looked at: {why}")),
    };
    if space.read_only {
        let found =
            format!("the file system of `{folder}` is read-only: nothing can be recorded, so nothing passes");
        return Check::fail(
            NAME,
            found,
            format!("mount -o remount,rw \"$(findmnt -n -o TARGET -T {folder})\""),
        );
    }
    let free = format!("{} of {} free", size(space.free), size(space.bytes));
    if space.free < state.journal_bound {
        return Check::fail(
            NAME,
            format!("{free}, less than the journal may take ({})", size(state.journal_bound)),
            more,
        );
    }
    if space.files > 0 && space.files_free.saturating_mul(100) < space.files.saturating_mul(FREE) {
        let found = format!("{} of {} files can still be made", space.files_free, space.files);
        return Check::warn(
            NAME,
            found,
            format!("remove files on the file system of {folder} (df -i {folder})"),
        );
    }
    let (days, growth) = match daily(state).filter(|daily| *daily > 0) {
        Some(daily) => (Some(space.free / daily), format!("; the record grows by {} a day", size(daily))),
        None => (None, String::new()),
    };
    match days {
        Some(days) if days < DAYS => Check::warn(NAME, format!("{free}{growth}: full in {days} days"), more),
        _ if space.free.saturating_mul(100) < space.bytes.saturating_mul(FREE) => {
            Check::warn(NAME, format!("{free}{growth}"), more)
        }
        _ => Check::ok(NAME, format!("{free}{growth}")),
    }
}

/// Bytes by which the record has grown a day; nothing where it is younger than that.
fn daily(state: &State) -> Option<u64> {
    let ledger = state.ledger.is()?;
    let days = u64::try_from(state.now.0.saturating_sub(ledger.oldest?.0) / DAY).ok()?;
    (days > 0).then(|| ledger.bytes / days)
}

fn ledger(state: &State) -> Check {
    const NAME: &str = "ledger";
    let path = state.folder.join("ledger.db");
    let aside = format!(
        "systemctl stop clawgressd && mv {0} {0}.damaged && systemctl start clawgressd; what was recorded stays in the file put aside",
        path.display()
    );
    match &state.ledger {
        Seen::Is(Ledger { failure: Some(why), .. }) => Check::fail(
            NAME,
            format!("records cannot be written ({why}): everything is refused"),
            "mend what it says, then systemctl restart clawgressd",
        ),
        Seen::Is(Ledger { damage: Some(Some(damage)), .. }) => {
            Check::fail(NAME, format!("the database is damaged: {damage}"), aside)
        }
        Seen::Is(Ledger { damage: None, records, .. }) => {
            Check::skip(NAME, format!("{records} records: too many to be checked here in time"))
        }
        Seen::Is(ledger) => Check::ok(NAME, format!("{} records, sound", ledger.records)),
        Seen::Absent => Check::ok(NAME, "made at the first start"),
        Seen::Hidden(why) => Check::skip(NAME, format!("the ledger cannot be read: {why}")),
    }
}

fn journal(state: &State) -> Check {
    const NAME: &str = "journal";
    match state.ledger.is() {
        Some(ledger) if ledger.journal.saturating_mul(2) > state.journal_bound => Check::warn(
            NAME,
            format!(
                "{} of at most {} wait for the database: when it is full, everything is refused",
                size(ledger.journal),
                size(state.journal_bound)
            ),
            "systemctl start clawgressd, which empties it; where it does not, raise spec.ledger.journal",
        ),
        Some(ledger) => {
            Check::ok(NAME, format!("{} of at most {}", size(ledger.journal), size(state.journal_bound)))
        }
        None => Check::skip(NAME, "not seen"),
    }
}

/// All of them in one line, the first that is wrong with its repair: they are mended one by one.
fn files(kept: &[Kept]) -> Check {
    const NAME: &str = "files";
    let wrong: Vec<(&Path, u32, bool)> = kept
        .iter()
        .filter_map(|one| {
            let (mode, _) = one.seen.is()?;
            let bits = if one.private { OPEN } else { WRITABLE };
            (mode & bits != 0).then_some((one.path.as_path(), *mode, one.private))
        })
        .collect();
    let hidden = kept.iter().filter(|one| matches!(one.seen, Seen::Hidden(_))).count();
    if let Some((first, mode, private)) = wrong.first() {
        let may = if *private { "read" } else { "written" };
        let change = |private: bool| if private { "go=" } else { "go-w" };
        let repair: Vec<String> = wrong
            .iter()
            .map(|(path, _, private)| format!("chmod {} {}", change(*private), path.display()))
            .collect();
        let others = match wrong.len() {
            1 => String::new(),
            several => format!(" and {} more", several - 1),
        };
        return Check::fail(
            NAME,
            format!("`{}`{others} may be {may} by others than its owner (mode {mode:04o})", first.display()),
            repair.join(" && "),
        );
    }
    let seen = kept.iter().filter(|one| one.seen.is().is_some()).count();
    match (seen, hidden) {
        (0, 1..) => Check::skip(NAME, "modes of files cannot be seen by this user: sudo clawgress doctor"),
        (_, 0) => {
            Check::ok(NAME, format!("{seen} files and folders are open to nobody who should not see them"))
        }
        _ => Check::ok(NAME, format!("{seen} are as they should be; {hidden} cannot be seen by this user")),
    }
}

/// `1.2 GiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (bytes.saturating_mul(10) / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::api::CheckState::{self, Fail, Ok, Skip, Warn};

    const GIB: u64 = 1 << 30;
    const NOW: Timestamp = Timestamp(1_795_000_000_000_000);

    fn space() -> Space {
        Space { bytes: 100 * GIB, free: 60 * GIB, files: 1000, files_free: 900, read_only: false }
    }

    fn good() -> State {
        let ledger = Ledger {
            bytes: GIB,
            records: 7,
            oldest: Some(Timestamp(NOW.0 - 10 * DAY)),
            damage: Some(None),
            journal: 0,
            failure: None,
        };
        State {
            folder: "/var/lib/clawgress".into(),
            space: Seen::Is(space()),
            ledger: Seen::Is(ledger),
            journal_bound: GIB,
            kept: vec![Kept { path: "/s".into(), private: true, seen: Seen::Is((0o700, 0)) }],
            now: NOW,
        }
    }

    fn found(state: &State, name: &str) -> Check {
        judge(state).into_iter().find(|check| check.name == name).unwrap()
    }

    fn disk(space: Space) -> CheckState {
        found(&State { space: Seen::Is(space), ..good() }, "disk").state
    }

    #[test]
    fn room_is_judged_by_what_is_free_and_how_fast_it_goes() {
        assert!(judge(&good()).iter().all(|check| check.state == Ok), "{:?}", judge(&good()));
        assert_eq!(disk(Space { free: GIB / 2, ..space() }), Fail, "less than the journal");
        assert_eq!(disk(Space { free: 9 * GIB, ..space() }), Warn);
        assert_eq!(disk(Space { files_free: 50, ..space() }), Warn);
        assert_eq!(disk(Space { files: 0, files_free: 0, ..space() }), Ok, "without such a bound");
        let mut fast = good();
        fast.ledger = Seen::Is(Ledger { bytes: 30 * GIB, ..good().ledger.is().unwrap().clone() });
        let check = found(&fast, "disk");
        assert_eq!(check.state, Warn);
        assert!(
            check.found.ends_with("the record grows by 3.0 GiB a day: full in 20 days"),
            "{}",
            check.found
        );
        assert_eq!(found(&State { space: Seen::Hidden("no".into()), ..good() }, "disk").state, Skip);
    }

    #[test]
    fn a_file_system_that_is_read_only_is_mounted_again() {
        let check = found(&State { space: Seen::Is(Space { read_only: true, ..space() }), ..good() }, "disk");
        assert_eq!(check.state, Fail);
        assert_eq!(
            check.repair.as_deref(),
            Some("mount -o remount,rw \"$(findmnt -n -o TARGET -T /var/lib/clawgress)\"")
        );
    }

    #[test]
    fn a_record_that_is_damaged_or_not_written_fails() {
        let of = |change: fn(&mut Ledger)| {
            let mut ledger = good().ledger.is().unwrap().clone();
            change(&mut ledger);
            State { ledger: Seen::Is(ledger), ..good() }
        };
        let damaged = of(|ledger| ledger.damage = Some(Some("page 3 is never used".into())));
        assert_eq!(found(&damaged, "ledger").state, Fail);
        assert_eq!(found(&of(|ledger| ledger.damage = None), "ledger").state, Skip);
        assert_eq!(found(&of(|ledger| ledger.failure = Some("disk full".into())), "ledger").state, Fail);
        assert_eq!(found(&of(|ledger| ledger.journal = GIB * 3 / 4), "journal").state, Warn);
        let first = State { ledger: Seen::Absent, ..good() };
        assert_eq!((found(&first, "ledger").state, found(&first, "journal").state), (Ok, Skip));
    }

    #[test]
    fn files_that_are_open_to_others_are_shut_by_one_command() {
        let kept = |path: &str, private, seen| Kept { path: path.into(), private, seen };
        let state = State {
            kept: vec![
                kept("/s/master.key", true, Seen::Is((0o640, 0))),
                kept("/etc/p", false, Seen::Is((0o777, 0))),
                kept("/etc/q", false, Seen::Is((0o755, 0))),
                kept("/gone", true, Seen::Absent),
            ],
            ..good()
        };
        let check = found(&state, "files");
        assert_eq!(
            (check.state, check.repair.as_deref()),
            (Fail, Some("chmod go= /s/master.key && chmod go-w /etc/p"))
        );
        let hidden = State { kept: vec![kept("/s", true, Seen::Hidden("no".into()))], ..good() };
        assert_eq!(found(&hidden, "files").state, Skip);
    }
}
