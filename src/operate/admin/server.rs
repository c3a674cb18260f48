//! The socket: bound under a lock, replaced where stale, refused where alive; then one task for each connection.
//!
//! The socket appears under its name only when its mode and group are right. The lock file beside it is held as
//! long as the server lives, so a socket that is found under the lock has no owner.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::access::{Access, Caller, group_id};
use super::backend::Backend;
use super::dispatch::{Shared, closed_router, router};
use crate::model::types::limits;

/// Owner and group; the kernel keeps everybody else out before a byte is read.
const SOCKET_MODE: u32 = 0o660;
/// Pause after a failed accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon answers there.
    #[error(
        "another daemon already answers at `{}`\nhint: stop it, or give this one a `runtimeDir` of its own",
        .0.display()
    )]
    Live(PathBuf),
    /// Something else stands there.
    #[error("`{}` is there and is not a socket\nhint: move it away, or choose another `runtimeDir`", .0.display())]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The local API, bound and not yet serving.
pub struct Server {
    listener: UnixListener,
    access: Access,
    path: PathBuf,
    /// Held, never read: its lock says that this server lives.
    _lock: File,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The lock is still held, so this is our own socket.
        let _ = fs::remove_file(&self.path);
    }
}

impl Server {
    /// Takes the socket: mode 0660, group `clawgress` where that group exists. Needs a tokio runtime.
    pub fn bind(path: &Path, access: Access) -> Result<Self, BindError> {
        let lock = take_lock(path)?;
        check_stale(path)?;
        let fresh = beside(path, "new");
        let listener = bind_fresh(&fresh)?;
        fs::rename(&fresh, path).map_err(failed("put in place the socket", path))?;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| UnixListener::from_std(listener))
            .map_err(failed("listen on", path))?;
        Ok(Self { listener, access, path: path.to_owned(), _lock: lock })
    }

    /// Serves until `stop` is done; then open calls get `ADMIN_DRAIN_TIME` to finish, followed tails end, and the
    /// socket is removed.
    pub async fn serve(self, backend: Arc<dyn Backend>, stop: impl Future<Output = ()>) {
        let slots = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS));
        let (stopping, stopped) = watch::channel(());
        let shared = Shared::new(backend, stopped);
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            while connections.try_join_next().is_some() {}
            let (stream, slot) = tokio::select! {
                () = &mut stop => break,
                next = accept(&self.listener, &slots) => next,
            };
            let Ok(caller) = Caller::of(&stream) else { continue };
            let open = self.access.permits(&caller.peer);
            let routes = if open { router(Arc::clone(&shared)) } else { closed_router(Arc::clone(&shared)) };
            let service = TowerToHyperService::new(routes.layer(Extension(caller)));
            let stopped = shared.stop();
            connections.spawn(async move {
                let _slot = slot;
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits::ADMIN_READ_TIME)
                    .max_buf_size(limits::ADMIN_HEAD_BYTES)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::pin!(connection);
                let ended = tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = stopped => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                };
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection to the local API broke");
                }
            });
        }
        drop(stopping);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(limits::ADMIN_DRAIN_TIME, drained).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// The next connection, once there is room for it.
async fn accept(listener: &UnixListener, slots: &Arc<Semaphore>) -> (UnixStream, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots).acquire_owned().await.expect("invariant: the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(error) => {
                tracing::warn!(%error, "the local API cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BindError {
    let path = path.to_owned();
    move |source| BindError::Io { what, path, source }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn take_lock(path: &Path) -> Result<File, BindError> {
    let lock_path = beside(path, "lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&lock_path)
        .map_err(failed("open", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(BindError::Live(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed("lock", &lock_path)(source)),
    }
}

/// Nothing there, or a socket that nobody listens on.
fn check_stale(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match StdStream::connect(path) {
        Ok(_) => Err(BindError::Live(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(failed("ask who listens on", path)(error)),
    }
}

/// Binds under a name that nobody knows, and gives it mode and group there.
fn bind_fresh(path: &Path) -> Result<StdListener, BindError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", path)(error)),
        _ => {}
    }
    let listener = StdListener::bind(path).map_err(failed("bind", path))?;
    // The service's sandbox refuses chown, and needs none: whose group it is already, it was made for.
    if let Some(group) = group_id()
        && !fs::metadata(path).is_ok_and(|made| made.gid() == group)
        && let Err(error) = chown(path, None, Some(group))
    {
        tracing::warn!(%error, "the local API's socket cannot be given to the group `clawgress`: only this user and root reach it");
    }
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
        .map_err(failed("set the mode of", path))?;
    Ok(listener)
}
