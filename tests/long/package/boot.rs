//! Closed from boot on: a workload that sends all the time, while the machine boots, never reaches the world unjudged.

use super::outside::{passed, watch, while_alice_sends};
use super::system::System;
use super::{BOOKWORM, TRIXIE};
use crate::e2e::fail_modes::assert_governed;
use crate::e2e::probes::{OPEN, SHUT, UPSTREAM, ask, at, call};

fn closed_from_boot(release: &str) {
    let mut system = System::governed(release);
    assert_governed(&system.lab);
    watch(&system.lab);
    // Without the service the same boot lets packets out, for this host forwards: the test can see what it looks for.
    system.succeeds("systemctl disable --quiet clawgressd");
    let open = reboot_under_fire(&mut system);
    assert!(open > 0, "a host that forwards, without rules, must let packets out");
    system.succeeds("systemctl enable --quiet clawgressd");
    let closed = reboot_under_fire(&mut system);
    assert_eq!(closed, 0, "packets passed while the machine booted");
    system.runs_anew("0", super::trouble::SOON);
    assert_governed(&system.lab);

    // A slip in the settings before a reboot: the daemon does not start, and nothing passes.
    system.succeeds(
        "cp /etc/clawgress/clawgress.yaml /root/good.yaml; echo 'spec: [' >> /etc/clawgress/clawgress.yaml",
    );
    let before = passed(&system.lab);
    let slipped = reboot_under_fire(&mut system);
    assert_eq!(slipped, 0, "packets passed while the settings could not be used");
    assert_eq!(
        (system.property("ActiveState"), system.property("ExecMainStatus")),
        ("failed".into(), "78".into())
    );
    // Nobody is an agent while no document is in force, and refusals to strangers are rationed: silence is an answer here.
    for to in UPSTREAM {
        for port in [OPEN, SHUT] {
            assert!(call(system.lab.workload(), &at(to, port)).is_err(), "{to} {port}");
            assert!(ask(system.lab.workload(), &at(to, port)).is_err(), "{to} {port}");
        }
    }
    assert_eq!(passed(&system.lab) - before, 0, "packets passed while the settings could not be used");
    system.succeeds("cp /root/good.yaml /etc/clawgress/clawgress.yaml; systemctl start clawgressd");
    assert_governed(&system.lab);
}

/// Packets that passed during a boot, by a workload that sent before it began and after it ended.
fn reboot_under_fire(system: &mut System) -> u64 {
    system.shut_down();
    let (lab, before) = (system.lab.clone(), passed(&system.lab));
    while_alice_sends(&lab, || system.start());
    passed(&lab) - before
}

#[test]
fn bookworm_lets_nothing_out_while_it_boots() {
    closed_from_boot(BOOKWORM);
}

#[test]
fn trixie_lets_nothing_out_while_it_boots() {
    closed_from_boot(TRIXIE);
}
