//! `clawgress restore`: a backup becomes the state of a gateway that does not run.
//!
//! Everything is compared with the backup's list, and the ledger is read through, before anything stands in its place. Never
//! writes over a state: what stands there is refused, or moved aside where that is asked for.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Component, Path, PathBuf};

use super::backup::{beside, copy_all, io_failure, is_free, put_in_place, read_list};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::safe;
use super::words;
use crate::decide::ledger;
use crate::operate::api::{BACKUP_VERSION, BackupFile, BackupList};
use crate::platform::copies;

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo systemctl stop clawgressd
  sudo clawgress restore /var/backups/gateway-monday --state /var/lib/clawgress
  sudo clawgress restore /var/backups/gateway-monday --state /var/lib/clawgress --force     the old state is moved aside
  sudo clawgress restore /var/backups/gateway-monday --state /srv/gateway --etc /srv/etc    settings and policies, too")]
pub struct Restore {
    /// The folder that `clawgress backup` made
    backup: PathBuf,
    /// The state folder to make (`stateDir` of the settings)
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Where settings and policies are to stand; without it they stay in the backup
    #[arg(long, value_name = "DIR")]
    etc: Option<PathBuf>,
    /// Move a state that stands there aside
    #[arg(long)]
    force: bool,
}

/// What came of it.
#[derive(serde::Serialize)]
struct Restored {
    state: String,
    records: u64,
    last_record: u64,
    with_master_key: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_aside: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etc: Option<String>,
}

impl Restore {
    /// Checks, copies, puts in place.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let list = read_list(&self.backup)?;
        check(&list)?;
        refuse_where_used(&self.state)?;
        let is_free = is_free(&self.state)?;
        if !is_free && !self.force {
            let message = format!("`{}` has a state already", self.state.display());
            return Err(Failure::new(Exit::No, message)
                .hint("`--force` moves it aside; or name another folder with `--state DIR`"));
        }
        let unfinished = beside(&self.state, "unfinished");
        let aside = (!is_free).then(|| beside(&self.state, &format!("before-{}", context.now)));
        let placed = self.place(&list, &unfinished, aside.as_deref());
        if placed.is_err() {
            // What is not whole is of no use to anybody.
            let _ = fs::remove_dir_all(&unfinished);
        }
        placed?;
        let restored = Restored {
            state: self.state.display().to_string(),
            records: list.records,
            last_record: list.last_record,
            with_master_key: list.with_master_key,
            moved_aside: aside.map(|aside| aside.display().to_string()),
            etc: self.etc.map(|etc| etc.display().to_string()),
        };
        context.one(&restored, |restored, _| render(restored))?;
        Ok(Exit::Done)
    }

    /// Prepares the state beside its place, puts settings and policies where they were asked for, and then the state into its place.
    fn place(&self, list: &BackupList, unfinished: &Path, aside: Option<&Path>) -> Result<(), Failure> {
        let of_etc = part(list, "etc");
        if let Some(etc) = &self.etc {
            let taken = of_etc.files.iter().map(|file| etc.join(&file.path)).find(|path| path.exists());
            if let Some(path) = taken {
                let message = format!("`{}` is there already", path.display());
                return Err(Failure::new(Exit::No, message).hint("name another folder with `--etc DIR`"));
            }
        }
        self.prepare(&part(list, "state"), unfinished)?;
        if let Some(etc) = &self.etc {
            copy_all(&of_etc, &self.backup.join("etc"), etc)?;
        }
        if let Some(aside) = aside {
            fs::rename(&self.state, aside).map_err(io_failure(&self.state))?;
        }
        put_in_place(unfinished, &self.state)
    }

    /// Copies the state beside its place, reads the ledger through, and gives all of it to whom the state belongs.
    fn prepare(&self, list: &BackupList, unfinished: &Path) -> Result<(), Failure> {
        if unfinished.exists() {
            fs::remove_dir_all(unfinished).map_err(io_failure(unfinished))?;
        }
        copy_all(list, &self.backup.join("state"), unfinished)?;
        let ledger = unfinished.join("ledger.db");
        let found = ledger::examine(&ledger).map_err(|error| Failure::new(Exit::No, error.to_string()))?;
        if (found.records, found.last) != (list.records, list.last_record) {
            let message = format!(
                "the ledger has {} records, and the backup's list says {}",
                found.records, list.records
            );
            return Err(Failure::new(Exit::No, message).hint("take another backup"));
        }
        let owner =
            fs::metadata(&self.state).or_else(|_| fs::metadata(self.state.parent().unwrap_or(&self.state)));
        match owner {
            Ok(owner) if self.state.exists() => give(unfinished, (owner.uid(), owner.gid())),
            _ => Ok(()),
        }
    }
}

/// Whether this program can make a state of it.
fn check(list: &BackupList) -> Result<(), Failure> {
    if list.version != BACKUP_VERSION {
        let message = format!("the backup has layout {}, this program knows {BACKUP_VERSION}", list.version);
        return Err(Failure::new(Exit::No, message).hint("install the version that made it, or a newer one"));
    }
    let plain = |file: &BackupFile| {
        Path::new(&file.path).components().all(|part| matches!(part, Component::Normal(_)))
    };
    let distinct: BTreeSet<&str> = list.files.iter().map(|file| file.path.as_str()).collect();
    let has = |path: &str| distinct.contains(path);
    if !list.files.iter().all(plain)
        || distinct.len() != list.files.len()
        || !has("state/ledger.db")
        || !has("state/registry.db")
    {
        return Err(Failure::new(Exit::No, "the backup's list is not one of a whole backup")
            .hint("take another backup"));
    }
    Ok(())
}

/// A daemon holds this lock as long as it lives.
fn refuse_where_used(state: &Path) -> Result<(), Failure> {
    let path = state.join("journal/lock");
    let lock = match File::open(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        opened => opened.map_err(io_failure(&path))?,
    };
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(Exit::No, format!("a daemon runs on `{}`", state.display()))
                .hint("stop it first"))
        }
        Err(TryLockError::Error(error)) => Err(io_failure(&path)(error)),
    }
}

/// The files of one part, by their paths from there.
fn part(list: &BackupList, name: &str) -> BackupList {
    let inside = |file: &BackupFile| {
        let path = file.path.strip_prefix(name)?.strip_prefix('/')?.to_owned();
        Some(BackupFile { path, ..file.clone() })
    };
    BackupList { files: list.files.iter().filter_map(inside).collect(), ..list.clone() }
}

/// Gives every file to a user, where that is another one.
fn give(root: &Path, (user, group): (u32, u32)) -> Result<(), Failure> {
    let own = fs::metadata(root).map_err(io_failure(root))?;
    if (own.uid(), own.gid()) == (user, group) {
        return Ok(());
    }
    let files = copies::below(root).map_err(io_failure(root))?;
    let folders: BTreeSet<&Path> = files.iter().flat_map(|file| file.ancestors().skip(1)).collect();
    for path in files.iter().map(PathBuf::as_path).chain(folders) {
        let path = root.join(path);
        chown(&path, Some(user), Some(group)).map_err(io_failure(&path))?;
    }
    Ok(())
}

fn render(restored: &Restored) -> String {
    let mut out = format!(
        "{}: {} up to number {}, each file as it was\n",
        safe(&restored.state),
        words::several(restored.records, "record"),
        restored.last_record
    );
    if let Some(aside) = &restored.moved_aside {
        out.push_str(&format!("the state before is in {}\n", safe(aside)));
    }
    if let Some(etc) = &restored.etc {
        out.push_str(&format!("settings and policies are in {}\n", safe(etc)));
    }
    if !restored.with_master_key {
        out.push_str("secrets open with the old master key alone: put `master.key` there (0600), or keep the credential\n");
    }
    out
}
