//! The checks that run at start, on a host that can intercept and on hosts that cannot.

use super::office::{Namespace, Office, example};
use crate::model::types::FailMode;
use crate::perceive::intercept::checks;

fn outcome(checks: &[checks::Check], name: &str) -> checks::Outcome {
    checks
        .iter()
        .find(|check| check.name == name)
        .unwrap_or_else(|| panic!("no check `{name}` in {checks:?}"))
        .outcome
}

fn examined(office: &Office) -> Vec<checks::Check> {
    office.gateway.run(|runtime| runtime.block_on(checks::run(&example(FailMode::Closed))))
}

fn set_in(space: &Namespace, setting: &str, value: &str) {
    space.run(|_| std::fs::write(format!("/proc/sys/net/{setting}"), value).unwrap());
}

#[test]
fn a_host_that_can_intercept_passes_every_check() {
    let office = Office::new(FailMode::Closed);
    set_in(&office.gateway, "ipv4/icmp_ratemask", "6160");
    set_in(&office.gateway, "ipv6/icmp/ratemask", "0,3-127");
    let checks = examined(&office);
    assert!(checks.iter().all(|check| check.outcome == checks::Outcome::Ok), "{checks:#?}");
    assert_eq!(checks::refusal(&checks), None);
}

#[test]
fn every_condition_that_breaks_interception_fails_its_check_and_names_the_repair() {
    for (setting, value, check) in [
        ("ipv4/ip_forward", "0", "forwarding.ipv4"),
        ("ipv6/conf/all/forwarding", "0", "forwarding.ipv6"),
        ("ipv4/tcp_fwmark_accept", "1", "marks.ipv4.tcp_fwmark_accept"),
        ("ipv4/ip_local_port_range", "10000 60999", "ports"),
        ("ipv4/conf/agents0/src_valid_mark", "1", "src-valid-mark.agents0"),
    ] {
        let office = Office::new(FailMode::Closed);
        set_in(&office.gateway, setting, value);
        let checks = examined(&office);
        assert_eq!(outcome(&checks, check), checks::Outcome::Fail, "{check}");
        assert!(checks::refusal(&checks).unwrap().contains("hint: sysctl -w net."), "{check}");
    }
    let office = Office::new(FailMode::Closed);
    office.gateway.ip("addr del 10.77.0.1/24 dev agents0");
    office.gateway.ip("link set agents0 down");
    let checks = examined(&office);
    assert_eq!(outcome(&checks, "interface.agents0"), checks::Outcome::Fail);
    assert_eq!(outcome(&checks, "subnet.10.77.0.0/24"), checks::Outcome::Warn);
    office.gateway.ip("link del agents0");
    assert!(checks::refusal(&examined(&office)).unwrap().contains("there is no interface `agents0`"));
}

#[test]
fn a_subnet_behind_a_router_is_found_by_its_route() {
    let office = Office::new(FailMode::Closed);
    let mut wanted = example(FailMode::Closed);
    let beyond = ["10.78.0.0/24", "fd78::/64"];
    wanted.subnets.extend(beyond.map(|net| net.parse::<ipnet::IpNet>().unwrap()));
    let outcomes = || {
        let checks = office.gateway.run(|runtime| runtime.block_on(checks::run(&wanted)));
        beyond.map(|subnet| outcome(&checks, &format!("subnet.{subnet}")))
    };
    assert_eq!(outcomes(), [checks::Outcome::Warn; 2]);
    // Out of another interface no way leads there.
    office.gateway.ip("route add 10.78.0.0/24 via 192.0.2.9");
    office.gateway.ip("-6 route add fd78::/64 via 2001:db8::9");
    assert_eq!(outcomes(), [checks::Outcome::Warn; 2]);
    office.gateway.ip("route replace 10.78.0.0/24 via 10.77.0.2");
    office.gateway.ip("-6 route replace fd78::/64 via fd77::2");
    let checks = office.gateway.run(|runtime| runtime.block_on(checks::run(&wanted)));
    assert!(!checks.iter().any(|check| check.name.starts_with("subnet.")), "{checks:?}");
}
