//! Keeps the doors open while no daemon is there: the sockets through which traffic comes in lie with systemd as well
//! (`FileDescriptorStoreMax=`, sd_pid_notify_with_fds(3)), from before the first connection is taken.
//!
//! Through a restart, an upgrade and a crash the kernel goes on completing connections and keeping datagrams in them, and
//! the next daemon takes them over. Where the service is stopped for good systemd closes them, and where a daemon cannot
//! start it gives them up itself: whoever waits is refused, and does not hang. With `failMode: open` they are not kept:
//! traffic is to pass by.

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
    // Open and read by nobody they would swallow what the kernel gives them.
    let passed = inherited::take().map_err(|error| {
        Error::Part(format!("what the service manager passed cannot be taken over: {error}"))
    });
    let kept = passed?;
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
    let mut stale: Vec<&str> = useless.iter().map(|(name, _)| name.as_str()).collect();
    if found > 0 && mode == FailMode::Open {
        stale.extend(NAMES);
    }
    if let Err(error) = give_up(&stale).and_then(|()| keep(&doors, mode)) {
        tracing::warn!(%error, "the service manager does not keep the sockets: a restart refuses new connections");
    }
    Ok(doors)
}

/// Has systemd close whatever it keeps: nobody is going to read it.
pub fn abandon() {
    if let Err(error) = give_up(&NAMES) {
        tracing::debug!(%error, "systemd could not be told to close the sockets");
    }
}

/// Has systemd close all that it keeps under these names.
fn give_up(names: &[&str]) -> io::Result<()> {
    let told = |name: &&str| sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
    names.iter().try_for_each(told)
}

/// Has systemd keep these. What it has already it does not take twice.
fn keep(doors: &Doors, mode: FailMode) -> io::Result<()> {
    if mode == FailMode::Open {
        return Ok(());
    }
    let all = doors.all();
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
