//! How a worker leaves without closing the door on anybody.
//!
//! First the daemon *drains*: what is live is asked to end, and gets `DRAIN_TIME` for it, while what comes anew is still
//! taken and served. Once nothing of before is left, or its time is up, it *closes*: what is left of before is cut, nothing
//! more is taken (it waits in the sockets, for whoever comes next), and what was taken meanwhile gets the same time.
//! Connections are told apart by the shift in which they were taken; each holds its own until it has ended.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long connections may take to end: those of before the daemon drained, and then those of after.
pub const DRAIN_TIME: Duration = Duration::from_secs(2);
/// How long what was cut may take to close its records.
const CUT_TIME: Duration = Duration::from_millis(250);

/// Where the daemon stands on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It serves.
    Serving,
    /// It asks what is live to end, and serves what comes.
    Draining,
    /// It takes nothing more.
    Closing,
}

/// Held by a connection or flow until it has ended; turns true once when it is to be cut.
pub type Cut = watch::Receiver<bool>;

/// The shift in which connections are taken now.
#[derive(Debug)]
pub struct Shifts {
    current: RefCell<Shift>,
}

/// The connections that were taken in one shift.
#[derive(Debug)]
pub struct Shift(watch::Sender<bool>);

impl Default for Shifts {
    fn default() -> Self {
        Self { current: RefCell::new(Shift::new()) }
    }
}

impl Shifts {
    /// What a connection holds that is taken now.
    pub fn held(&self) -> Cut {
        self.current.borrow().0.subscribe()
    }

    /// Begins another shift; what was taken until now is that of the one returned.
    pub fn change(&self) -> Shift {
        self.current.replace(Shift::new())
    }
}

impl Shift {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Waits until all of it has ended.
    pub async fn ended(&self) {
        self.0.closed().await;
    }

    /// Cuts what is left of it, so that its records are closed. Returns how many connections and queries that were.
    pub async fn cut(self) -> usize {
        let left = self.0.receiver_count();
        if left > 0 {
            self.0.send_replace(true);
            let _ = timeout(CUT_TIME, self.ended()).await;
        }
        left
    }
}

/// Waits until the daemon is at this stage, or past it. A daemon that is gone is past all of them.
pub async fn reached(stage: &mut watch::Receiver<Stage>, wanted: Stage) {
    let _ = stage.wait_for(|now| *now >= wanted).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shift_ends_with_the_last_connection_that_was_taken_in_it() {
        let shifts = Shifts::default();
        let (early, late) = (shifts.held(), shifts.held());
        let before = shifts.change();
        let after = shifts.held();
        drop(early);
        assert!(timeout(Duration::ZERO, before.ended()).await.is_err(), "one is left");
        drop(late);
        before.ended().await;
        assert_eq!(before.cut().await, 0);
        assert!(!*after.borrow(), "what came later goes on");
    }

    #[tokio::test]
    async fn what_is_cut_hears_of_it_and_gets_to_close_its_record() {
        let shifts = Shifts::default();
        let mut held = shifts.held();
        let connection = tokio::spawn(async move { *held.wait_for(|cut| *cut).await.unwrap() });
        assert_eq!(shifts.change().cut().await, 1);
        assert!(connection.await.unwrap());
    }

    #[tokio::test]
    async fn a_daemon_that_is_gone_is_past_every_stage() {
        let (sender, mut stage) = watch::channel(Stage::Serving);
        drop(sender);
        reached(&mut stage, Stage::Closing).await;
    }
}
