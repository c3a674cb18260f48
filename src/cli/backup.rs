//! `clawgress backup`: a copy of a running gateway, in a folder.
//!
//! The daemon makes it in its state folder, which nobody but its user and root may read; whoever may takes it from there. Never
//! leaves a folder that is not whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::safe;
use super::words;
use crate::operate::api::{BACKUP_LIST, Backup, BackupList, BackupQuery, BackupState};
use crate::platform::copies;

/// Time between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo clawgress backup /var/backups/gateway-monday
  sudo clawgress backup /mnt/safe/gateway --with-master-key    the secrets of the vault open with it: keep it as they are kept
  sudo clawgress restore /var/backups/gateway-monday --state /var/lib/clawgress")]
pub struct BackupCommand {
    /// The folder to make; it must not be there, or be empty
    folder: PathBuf,
    /// Put the key to the vault beside it
    #[arg(long)]
    with_master_key: bool,
}

impl BackupCommand {
    /// Asks, waits, and takes it away.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if !is_free(&self.folder)? {
            let message = format!("`{}` is there already", self.folder.display());
            return Err(
                Failure::new(Exit::Usage, message).hint("name a folder that is not there, or is empty")
            );
        }
        let query = BackupQuery { with_master_key: self.with_master_key };
        let made = context.with_daemon(|mut client| async move {
            let mut backup = client.begin_backup(&query).await?;
            while backup.state == BackupState::Running {
                tokio::time::sleep(LOOK).await;
                backup = client.backup(&backup.id).await?;
            }
            Ok(backup)
        })?;
        if let BackupState::Failed(why) = &made.state {
            return Err(Failure::new(Exit::Code(70), format!("the backup is not made: {why}"))
                .hint("`clawgress status` and `clawgress doctor` say how the gateway is"));
        }
        let taken = take(&made, &self.folder);
        // It has no place there any more, whether it was taken or not.
        context.with_daemon(|mut client| async move { client.remove_backup(&made.id).await })?;
        let list = taken?;
        let folder = self.folder.display().to_string();
        context.one(&list, |list, _| {
            let key = match list.with_master_key {
                true => "the master key is in it: whoever has it reads the vault",
                false => "the master key is not in it: the vault stays sealed",
            };
            let files = words::several(list.files.len() as u64, "file");
            let records = words::several(list.records, "record");
            format!("{}: {files}, {records} up to number {}\n{key}\n", safe(&folder), list.last_record)
        })?;
        Ok(Exit::Done)
    }
}

/// Whether a folder can be made there.
pub fn is_free(folder: &Path) -> Result<bool, Failure> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(io_failure(folder)(error)),
    }
}

/// Copies what the daemon has made, and compares it with its list.
fn take(made: &Backup, folder: &Path) -> Result<BackupList, Failure> {
    let from = Path::new(&made.folder);
    let list = read_list(from)?;
    let unfinished = beside(folder, "unfinished");
    let copied = copy_all(&list, from, &unfinished).and_then(|()| {
        copies::copy(&from.join(BACKUP_LIST), &unfinished.join(BACKUP_LIST))
            .map_err(io_failure(&unfinished))?;
        put_in_place(&unfinished, folder)
    });
    if copied.is_err() {
        // What is not whole is of no use to anybody.
        let _ = fs::remove_dir_all(&unfinished);
    }
    copied.map(|()| list)
}

/// The list in a backup.
pub fn read_list(folder: &Path) -> Result<BackupList, Failure> {
    let path = folder.join(BACKUP_LIST);
    let text = fs::read(&path).map_err(|error| {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        let failure = io_failure(&path)(error);
        if is_missing {
            failure.hint("that is no backup: name the folder that `clawgress backup` has made")
        } else if failure.code == Exit::Code(4) {
            failure.hint("`sudo clawgress backup`: only root and the daemon's user may")
        } else {
            failure
        }
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        Failure::new(Exit::Code(65), format!("`{}` is no list of a backup: {error}", path.display()))
    })
}

/// Copies every file of the list, and notices one that is not as the list says.
pub fn copy_all(list: &BackupList, from: &Path, to: &Path) -> Result<(), Failure> {
    copies::make_folder(to).map_err(io_failure(to))?;
    for file in &list.files {
        let (source, path) = (from.join(&file.path), to.join(&file.path));
        let copied = copies::copy(&source, &path).map_err(io_failure(&source))?;
        if (copied.bytes, &copied.sha256) != (file.bytes, &file.sha256) {
            let message = format!("`{}` is not as it was when the backup was made", source.display());
            return Err(Failure::new(Exit::No, message).hint("take another backup"));
        }
    }
    Ok(())
}

/// Renames a whole folder into its place.
pub fn put_in_place(unfinished: &Path, folder: &Path) -> Result<(), Failure> {
    // One that is there is empty.
    let _ = fs::remove_dir(folder);
    fs::rename(unfinished, folder).map_err(io_failure(folder))?;
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    copies::sync_folder(above).map_err(io_failure(above))
}

/// `FOLDER.WORD`, beside it.
pub fn beside(folder: &Path, word: &str) -> PathBuf {
    // Without a slash at its end, behind which it would stand inside.
    let mut name = folder.components().as_path().as_os_str().to_owned();
    name.push(".");
    name.push(word);
    name.into()
}

/// What the system said of a file: that this user may not is a code of its own.
pub fn io_failure(path: &Path) -> impl FnOnce(io::Error) -> Failure + use<> {
    let path = path.to_owned();
    move |error| {
        let code =
            if error.kind() == io::ErrorKind::PermissionDenied { Exit::Code(4) } else { Exit::Code(74) };
        Failure::new(code, format!("`{}`: {error}", path.display()))
    }
}
