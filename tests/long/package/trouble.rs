//! Reloaded, restarted, killed, stuck: it comes back, and until it does nothing passes.

use std::time::Duration;

use super::outside::{passed, watch, while_alice_calls, while_alice_sends};
use super::system::System;
use super::{BOOKWORM, TRIXIE};
use crate::e2e::fail_modes::assert_governed;

/// A restart, on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);
/// The watchdog's bound is 15 s, and what is stuck is killed after it.
const WATCHDOG: Duration = Duration::from_secs(90);

fn trouble(release: &str) {
    let system = System::governed(release);
    let lab = system.lab.clone();
    watch(&lab);
    while_alice_sends(&lab, || {
        let first = system.property("MainPID");
        system.succeeds("systemctl reload clawgressd");
        assert_eq!(system.property("MainPID"), first, "a reload is no restart");
        assert_governed(&lab);

        let calls = while_alice_calls(&lab, || drop(system.succeeds("systemctl restart clawgressd")));
        assert!(calls > 0, "the door stood open through the restart");
        let second = system.property("MainPID");
        assert_ne!(first, second);
        assert_governed(&lab);

        system.succeeds(&format!("kill -KILL {second}"));
        system.runs_anew(&second, SOON);
        assert_governed(&lab);

        let third = system.property("MainPID");
        system.succeeds(&format!("kill -STOP {third}"));
        system.runs_anew(&third, WATCHDOG);
        let journal = system.succeeds("journalctl --no-pager --unit clawgressd");
        assert!(journal.to_lowercase().contains("watchdog timeout"), "{journal}");
        assert_governed(&lab);
    });
    assert_eq!(passed(&lab), 0, "packets passed while the daemon was away");
}

#[test]
fn bookworm_brings_it_back_from_a_crash_and_from_a_standstill_and_nothing_passes() {
    trouble(BOOKWORM);
}

#[test]
fn trixie_brings_it_back_from_a_crash_and_from_a_standstill_and_nothing_passes() {
    trouble(TRIXIE);
}
