//! Puts changed documents in force without being asked: the policy folder is watched, changes are taken together.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::backend::Operator;

/// Editors and copies write several files, and one file in several steps: this long nothing must have happened.
const SETTLED: Duration = Duration::from_millis(250);
/// A folder that never comes to rest is read this often all the same.
const AT_LATEST: Duration = Duration::from_secs(5);

/// Watches until the returned value is dropped. A folder that cannot be watched is no failure: `reload` still works.
pub fn files(operator: &Arc<Operator>) -> Option<RecommendedWatcher> {
    let (changed, changes) = mpsc::sync_channel(1);
    let notice = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // A full channel already says that something changed.
            let _ = changed.try_send(());
        }
    };
    let watching = notify::recommended_watcher(notice).and_then(|mut watcher| {
        watcher.watch(operator.folder(), RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    let watcher = match watching {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "`{}` cannot be watched: `clawgress reload` after changes", operator.folder().display());
            return None;
        }
    };
    let operator = operator.clone();
    let follow = move || {
        while changes.recv().is_ok() {
            settle(&changes);
            operator.reload_by("file change");
        }
    };
    match std::thread::Builder::new().name("policy-files".into()).spawn(follow) {
        Ok(_) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the policy folder is not watched");
            None
        }
    }
}

fn settle(changes: &mpsc::Receiver<()>) {
    let begun = std::time::Instant::now();
    while begun.elapsed() < AT_LATEST && changes.recv_timeout(SETTLED).is_ok() {}
}
