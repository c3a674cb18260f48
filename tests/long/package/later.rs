//! Upgraded, removed, purged.

use super::outside::{passed, watch, while_alice_calls, while_alice_sends};
use super::system::System;
use super::trouble::SOON;
use super::{BOOKWORM, TRIXIE};
use crate::e2e::fail_modes::{assert_governed, assert_shut};

/// Higher than the source's.
const NEWER: &str = concat!(env!("CARGO_PKG_VERSION"), "+1");

fn later(release: &str) {
    let system = System::governed(release);
    let lab = system.lab.clone();
    assert_governed(&lab);
    watch(&lab);
    let before = (system.property("MainPID"), system.succeeds("clawgress audit search -o jsonl | wc -l"));
    let calls = while_alice_sends(&lab, || while_alice_calls(&lab, || drop(system.install(NEWER))));
    assert!(calls > 10, "{calls} calls were answered during the upgrade");
    assert_eq!(passed(&lab), 0, "packets passed during the upgrade");
    system.runs_anew(&before.0, SOON);
    assert_eq!(system.succeeds("dpkg-query -W -f '${Version}' clawgress"), NEWER);
    assert_governed(&lab);
    let records: u64 =
        system.succeeds("clawgress audit search -o jsonl | wc -l").trim().parse().expect("a number");
    assert!(records > before.1.trim().parse().expect("a number"), "records go on");

    // One that does not run is not started by an upgrade.
    system.succeeds("systemctl stop clawgressd");
    assert_shut(&lab, "stopped");
    system.install(&format!("{NEWER}+2"));
    assert_eq!(system.property("ActiveState"), "inactive");
    assert_shut(&lab, "stopped, and upgraded");

    system.succeeds("systemctl start clawgressd; apt-get remove --yes clawgress");
    let left = "nft list ruleset; ip rule show; ip -6 rule show; ip route show table all; ip -6 route show table all";
    let left = system.succeeds(&format!("{left} | cat"));
    assert!(!left.contains("clawgress") && !left.contains("8385") && !left.contains("0x20c1"), "{left}");
    system.succeeds("! systemctl cat clawgressd 2>/dev/null; ! pgrep clawgressd");
    assert_eq!(system.succeeds("systemctl list-units --failed --plain --no-legend"), "");

    let said = system.succeeds("apt-get purge --yes clawgress 2>&1");
    assert!(said.contains("the evidence stays"), "{said}");
    system.succeeds("test -s /var/lib/clawgress/ledger.db && test -s /var/lib/clawgress/registry.db && test -d /var/lib/clawgress/ca");

    // Installed again it is the gateway that it was, with the same authority; and then nothing is to stay.
    system.install("");
    system.fill_in();
    system.succeeds("systemctl enable --now clawgressd");
    assert_governed(&lab);
    let said = system.succeeds("touch /etc/clawgress/purge-evidence; apt-get purge --yes clawgress 2>&1");
    assert!(said.contains("the evidence in /var/lib/clawgress is gone"), "{said}");
    system.succeeds("! test -e /var/lib/clawgress; ! nft list table inet clawgress 2>/dev/null");
}

#[test]
fn bookworm_upgrades_it_without_a_gap_and_removes_all_but_the_evidence() {
    later(BOOKWORM);
}

#[test]
fn trixie_upgrades_it_without_a_gap_and_removes_all_but_the_evidence() {
    later(TRIXIE);
}
