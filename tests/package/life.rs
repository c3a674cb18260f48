//! Installed, upgraded, removed and purged by dpkg on a machine where systemd is not process 1.

use super::fake::Machine;
use super::{Built, VERSION};

/// Fills in the two lines.
const EDIT: &str = "sed -i 's/interfaces: \\[\\]/interfaces: [agents0]/; s/subnets: \\[\\]/subnets: [10.77.0.0\\/24]/' \
                    /etc/clawgress/clawgress.yaml";
/// Something to lose.
const EVIDENCE: &str =
    "echo kept > /var/lib/clawgress/ledger.db; echo mine > /etc/clawgress/policies.d/99-mine.yaml";
/// What holds workloads back: the table, and the policy rule with its route.
const STANDS: &str = "nft list table inet clawgress >/dev/null && ip rule show | grep -q 'fwmark 0x20c1'";

fn installed() -> Machine {
    let machine = Machine::new();
    machine.install(&Built::new().path);
    machine
}

#[test]
fn it_installs_starts_nothing_and_says_what_is_next() {
    let machine = Machine::new();
    let said = machine.install(&Built::new().path);
    for next in
        ["/etc/clawgress/clawgress.yaml", "policies.d/20-agent.yaml", "systemctl enable --now clawgressd"]
    {
        assert!(said.contains(next), "{next} is not in: {said}");
    }
    let state = machine.succeeds("stat -c '%U:%G %a' /var/lib/clawgress");
    assert_eq!(state, "clawgress:clawgress 700\n");
    assert!(machine.succeeds("getent passwd clawgress").contains("/var/lib/clawgress"));
    machine.succeeds("! nft list table inet clawgress 2>/dev/null");
    let early = machine.run("clawgressd", &[]).failed_with(78);
    assert!(
        early.contains("`interfaces` is an empty list") && early.contains("`subnets` is an empty list"),
        "{early}"
    );
    // Again, over itself: nothing is next any more.
    let again = machine.install(&Built::new().path);
    assert!(!again.contains("What is next"), "{again}");
}

#[test]
fn two_lines_are_edited_and_the_rules_stand_before_the_host_forwards() {
    let machine = installed();
    machine
        .succeeds("echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
    let early = machine.run("clawgressd --forward", &[]);
    assert!(early.failed_with(78).contains("forwarding stays as it is"), "{early}");
    machine.succeeds(EDIT);
    let without = machine.run("clawgressd --forward", &[]);
    assert!(without.failed_with(71).contains("no rules stand"), "{without}");
    assert_eq!(machine.succeeds("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    machine.succeeds("clawgressd --place-rules && clawgressd --forward");
    machine.succeeds("nft list table inet clawgress | grep -q agents0");
    let forwarding = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding";
    assert_eq!(machine.succeeds(forwarding), "1\n0\n", "for the family that workloads have");
}

#[test]
fn settings_that_broke_do_not_let_workloads_out_at_the_next_boot() {
    let machine = installed();
    machine.succeeds(EDIT);
    let place = "setpriv --reuid clawgress --regid clawgress --clear-groups --inh-caps +net_admin --ambient-caps +net_admin \
                 env STATE_DIRECTORY=/var/lib/clawgress clawgressd --place-rules";
    machine.succeeds(place);
    // A boot: no rules, and a slip in the settings.
    machine.succeeds("nft delete table inet clawgress; echo 'spec: [' >> /etc/clawgress/clawgress.yaml");
    let said = machine.run(place, &[]);
    said.succeeded();
    assert!(said.errors().contains("could be used last"), "{said}");
    machine.succeeds("nft list table inet clawgress | grep -q agents0");
    // With none to go by it says that nothing holds workloads back.
    machine.succeeds("nft delete table inet clawgress; rm /var/lib/clawgress/settings.yaml");
    assert!(machine.run(place, &[]).failed_with(78).contains("no rules are in place"));
}

#[test]
fn an_upgrade_keeps_settings_records_and_rules() {
    let machine = installed();
    machine.succeeds(&format!("{EDIT}; {EVIDENCE}; clawgressd --place-rules"));
    let before = machine.succeeds("cat /etc/clawgress/clawgress.yaml");
    machine.install(&Built::of_version(&format!("{VERSION}+1")).path);
    assert_eq!(
        machine.succeeds("dpkg-query -W -f '${Version} ${Status}' clawgress"),
        format!("{VERSION}+1 install ok installed")
    );
    assert_eq!(machine.succeeds("cat /etc/clawgress/clawgress.yaml"), before);
    // What root put there, as a restore does, is the daemon's from then on.
    assert_eq!(machine.succeeds("stat -c %U /var/lib/clawgress/ledger.db"), "clawgress\n");
    assert_eq!(
        machine.succeeds("cat /var/lib/clawgress/ledger.db /etc/clawgress/policies.d/99-mine.yaml"),
        "kept\nmine\n"
    );
    machine.succeeds("nft list table inet clawgress >/dev/null");
}

#[test]
fn removal_takes_rules_and_routes_away_and_keeps_the_rest() {
    let machine = installed();
    machine.succeeds(&format!("{EDIT}; {EVIDENCE}; clawgressd --place-rules"));
    machine.succeeds(
        "ip rule add priority 100 fwmark 0x20c1 lookup 8385; ip route add local default dev lo table 8385",
    );
    machine.succeeds(STANDS);
    machine.succeeds("dpkg --remove clawgress");
    let left = "nft list ruleset; ip rule show; ip route show table all | grep 8385 || true";
    let left = machine.succeeds(left);
    assert!(!left.contains("clawgress") && !left.contains("8385"), "{left}");
    machine.succeeds("test -s /etc/clawgress/clawgress.yaml && test -s /var/lib/clawgress/ledger.db");
    machine.succeeds("! test -e /usr/bin/clawgress && ! test -e /usr/sbin/clawgressd");
}

#[test]
fn purging_keeps_the_evidence_unless_the_switch_says_otherwise() {
    let machine = installed();
    machine.succeeds(EVIDENCE);
    let said = machine.succeeds("dpkg --purge clawgress 2>&1");
    assert!(said.contains("the evidence stays in /var/lib/clawgress"), "{said}");
    assert_eq!(machine.succeeds("cat /var/lib/clawgress/ledger.db"), "kept\n");
    assert_eq!(
        machine.succeeds("ls -A /etc/clawgress /etc/clawgress/policies.d | grep yaml"),
        "99-mine.yaml\n"
    );

    machine.install(&Built::new().path);
    machine.succeeds("touch /etc/clawgress/purge-evidence; rm /etc/clawgress/policies.d/99-mine.yaml");
    let said = machine.succeeds("dpkg --purge clawgress 2>&1");
    assert!(said.contains("the evidence in /var/lib/clawgress is gone"), "{said}");
    machine.succeeds("! test -e /var/lib/clawgress && ! test -e /etc/clawgress");
    // Who owned it is not forgotten: nobody else gets the number.
    machine.succeeds("getent passwd clawgress");
}
