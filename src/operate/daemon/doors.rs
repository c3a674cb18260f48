//! Keeps the doors open while no daemon is there: the sockets through which traffic comes in lie with systemd as well
//! (`FileDescriptorStoreMax=`, sd_pid_notify_with_fds(3)), from before the first connection is taken.
//!
//! Through a restart, an upgrade and a crash the kernel goes on completing connections and keeping datagrams in them, and
//! the next daemon takes them over. Where the service is stopped for good systemd closes them. With `failMode: open` they
//! are not kept: traffic is to pass by, and not to wait.

use std::io;
use std::os::fd::BorrowedFd;

use sd_notify::NotifyState;

use super::Error;
use crate::model::types::FailMode;
use crate::perceive::intercept::Doors;
use crate::perceive::intercept::doors::NAMES;
use crate::platform::sys::inherited;

/// How many descriptors go into one message; the kernel takes 253 (`SCM_MAX_FD`).
const MESSAGE: usize = 128;
/// systemd is not to watch them, and to drop what it takes for broken.
const UNWATCHED: NotifyState<'_> = NotifyState::Custom("FDPOLL=0");

/// Opens the doors, or takes over those that were kept, and has them kept.
///
/// # Errors
/// Where they cannot be opened. Where they cannot be kept the log says so, and they are open all the same.
pub fn open(count: usize, mode: FailMode) -> Result<Doors, Error> {
    let kept = inherited::take().unwrap_or_else(|error| {
        tracing::warn!(%error, "what the service manager passed cannot be taken over");
        Vec::new()
    });
    let found = kept.len();
    let (doors, useless) = Doors::open(count, kept).map_err(|error| {
        Error::Part(format!(
            "cannot listen on the ports of interception: {error}\nhint: does another clawgressd run in this network namespace?"
        ))
    })?;
    for (name, why) in &useless {
        tracing::warn!(%name, %why, "a socket that the service manager kept is of no use");
    }
    tracing::info!(taken_over = found - useless.len(), sockets = doors.all().len(), "the doors are open");
    if let Err(error) = keep(&doors, mode, found > 0) {
        tracing::warn!(%error, "the service manager does not keep the sockets: a restart refuses new connections");
    }
    Ok(doors)
}

/// Has systemd keep exactly these. What it has already it does not take twice.
fn keep(doors: &Doors, mode: FailMode, found_any: bool) -> io::Result<()> {
    let all = doors.all();
    if found_any && mode == FailMode::Open {
        for name in NAMES {
            sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)])?;
        }
    }
    if mode == FailMode::Open {
        return Ok(());
    }
    for name in NAMES {
        let of_name = all.iter().filter(|(kind, _)| *kind == name);
        let descriptors: Vec<BorrowedFd<'_>> = of_name.map(|(_, descriptor)| *descriptor).collect();
        for some in descriptors.chunks(MESSAGE) {
            let said = [NotifyState::FdStore, NotifyState::FdName(name), UNWATCHED];
            sd_notify::notify_with_fds(&said, some)?;
        }
    }
    Ok(())
}
