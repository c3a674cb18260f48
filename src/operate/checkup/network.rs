//! Settings of the kernel's network that the daemon does not ask for at its start, and the ways out of this host.
//!
//! Pure: values of sysctl and routes come in. What interception cannot do without is in `perceive::intercept::checks`.

use super::facts::Seen;
use crate::operate::api::Check;

/// `rp_filter` that drops what comes back another way (Linux, ip-sysctl).
const STRICT: u64 = 1;
/// Part of the table of connections that may be in use before it is said, in hundredths.
const TRACKED_FULL: u64 = 80;

/// A setting, what it should be, and what it is.
pub type Wanted = (&'static str, &'static str, Seen<String>);

/// What was seen of the network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Interfaces with a default route, over IPv4 or IPv6, without doubles.
    pub uplinks: Vec<String>,
    /// Whether workloads have addresses of a family, and whether this host has a default route of it: IPv4, then IPv6.
    pub families: [(bool, bool); 2],
    /// `rp_filter` of each uplink as it works: the larger one of its own and that of all.
    pub back: Vec<(String, Seen<u64>)>,
    /// `route_localnet` of each workload-facing interface as it works.
    pub localnet: Vec<(String, Seen<u64>)>,
    /// Connections that the kernel tracks, and how many it may; absent where it tracks none.
    pub tracked: Seen<(u64, u64)>,
    /// The profile of settings for hosts that route (CIS Benchmark for Ubuntu 24.04, section 3.3).
    pub profile: Vec<Wanted>,
}

/// Judges the network.
pub fn judge(network: &Network) -> Vec<Check> {
    let mut checks = vec![ways_out(network)];
    checks.extend(ways_back(network));
    checks.extend(network.localnet.iter().map(|(name, value)| localnet(name, value)));
    checks.extend(tracked(&network.tracked));
    checks.push(profile(&network.profile));
    checks
}

fn ways_out(network: &Network) -> Check {
    const NAME: &str = "route.default";
    let repair = |family: &str| format!("ip {family}route add default via ROUTER");
    match (network.families, network.uplinks.as_slice()) {
        ([(_, false), (_, false)], _) => Check::fail(
            NAME,
            "this host has no default route: nothing outside can be reached, by workloads or by the gateway",
            repair(""),
        ),
        ([(true, false), _], _) => Check::warn(
            NAME,
            "workloads have IPv4 addresses and this host has no default route for IPv4: over it they reach nothing outside",
            repair("-4 "),
        ),
        ([_, (true, false)], _) => Check::warn(
            NAME,
            "workloads have IPv6 addresses and this host has no default route for IPv6: over it they reach nothing outside",
            repair("-6 "),
        ),
        (_, uplinks) => Check::ok(NAME, format!("through {}", uplinks.join(", "))),
    }
}

/// Towards workloads a strict look at the way back does no harm: the rules look themselves. Towards several routers answers
/// may come back another way than the questions went.
fn ways_back(network: &Network) -> Option<Check> {
    const NAME: &str = "rp-filter";
    let strict: Vec<&str> = network
        .back
        .iter()
        .filter(|(_, value)| value.is() == Some(&STRICT))
        .map(|(name, _)| name.as_str())
        .collect();
    let hidden = network.back.iter().find_map(|(name, value)| match value {
        Seen::Hidden(why) => Some(Check::skip(NAME, format!("rp_filter of `{name}` cannot be read: {why}"))),
        _ => None,
    });
    if hidden.is_some() || network.back.is_empty() {
        return hidden;
    }
    Some(if network.back.len() > 1 && !strict.is_empty() {
        Check::warn(
            NAME,
            format!(
                "strict on {}, and there are {} ways out: answers that come back by another one are dropped in silence",
                strict.join(", "),
                network.back.len()
            ),
            "sysctl -w net.ipv4.conf.all.rp_filter=2",
        )
    } else {
        Check::ok(NAME, "no answer is dropped for the way it comes back")
    })
}

fn localnet(interface: &str, value: &Seen<u64>) -> Check {
    let name = format!("route-localnet.{interface}");
    match value {
        Seen::Is(0) => Check::ok(name, "workloads cannot address this host's loopback"),
        Seen::Is(_) => Check::warn(
            name,
            format!(
                "route_localnet is on at `{interface}`: packets of workloads to 127.0.0.0/8 are this host's business"
            ),
            format!(
                "sysctl -w net.ipv4.conf.all.route_localnet=0 net.ipv4.conf.{interface}.route_localnet=0"
            ),
        ),
        Seen::Absent => Check::skip(name, format!("there is no interface `{interface}`")),
        Seen::Hidden(why) => Check::skip(name, format!("route_localnet cannot be read: {why}")),
    }
}

/// No rule of ours asks the tracking of connections, but others' rules switch it on, and a full table drops everybody's
/// packets.
fn tracked(seen: &Seen<(u64, u64)>) -> Option<Check> {
    const NAME: &str = "conntrack";
    match seen {
        Seen::Is((count, most)) if count.saturating_mul(100) >= most.saturating_mul(TRACKED_FULL) => {
            Some(Check::warn(
                NAME,
                format!(
                    "{count} connections are tracked of at most {most}: when the table is full, packets are dropped"
                ),
                format!("sysctl -w net.netfilter.nf_conntrack_max={}", most.saturating_mul(4)),
            ))
        }
        Seen::Is((count, most)) => {
            Some(Check::ok(NAME, format!("{count} connections are tracked of at most {most}")))
        }
        Seen::Absent => None,
        Seen::Hidden(why) => {
            Some(Check::skip(NAME, format!("the table of connections cannot be read: {why}")))
        }
    }
}

fn profile(wanted: &[Wanted]) -> Check {
    const NAME: &str = "baseline.sysctl";
    let other: Vec<_> = wanted
        .iter()
        .filter(|(_, value, seen)| seen.is().is_some_and(|found| found.trim() != *value))
        .collect();
    if other.is_empty() {
        let seen = wanted.iter().filter(|(_, _, seen)| seen.is().is_some()).count();
        return Check::ok(NAME, format!("{seen} settings are as hosts that route should have them"));
    }
    let found: Vec<String> =
        other.iter().map(|(key, _, seen)| format!("{key}={}", seen.is().map_or("", |v| v.trim()))).collect();
    let set: Vec<String> = other.iter().map(|(key, value, _)| format!("{key}={value}")).collect();
    Check::warn(
        NAME,
        format!("laxer than the profile: {}", found.join(", ")),
        format!("sysctl -w {}", set.join(" ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::api::CheckState::{Fail, Ok, Skip, Warn};

    fn good() -> Network {
        Network {
            uplinks: vec!["eth0".into()],
            families: [(true, true), (true, true)],
            back: vec![("eth0".into(), Seen::Is(1))],
            localnet: vec![("agents0".into(), Seen::Is(0))],
            tracked: Seen::Is((10, 1000)),
            profile: vec![("net.ipv4.tcp_syncookies", "1", Seen::Is("1\n".into()))],
        }
    }

    fn found(network: &Network, name: &str) -> Check {
        judge(network).into_iter().find(|check| check.name == name).unwrap()
    }

    #[test]
    fn a_host_as_it_should_be_passes() {
        assert!(judge(&good()).iter().all(|check| check.state == Ok), "{:?}", judge(&good()));
    }

    #[test]
    fn a_host_without_a_way_out_fails_and_one_without_a_family_is_warned_of() {
        let network = Network { families: [(true, false), (true, false)], uplinks: vec![], ..good() };
        let check = found(&network, "route.default");
        assert_eq!((check.state, check.repair.as_deref()), (Fail, Some("ip route add default via ROUTER")));
        let network = Network { families: [(true, true), (true, false)], ..good() };
        let check = found(&network, "route.default");
        assert_eq!(
            (check.state, check.repair.as_deref()),
            (Warn, Some("ip -6 route add default via ROUTER"))
        );
        let network = Network { families: [(true, true), (false, false)], ..good() };
        assert_eq!(found(&network, "route.default").state, Ok, "who has no IPv6 needs none");
    }

    #[test]
    fn a_strict_way_back_matters_only_where_there_are_several() {
        let back = vec![("eth0".into(), Seen::Is(1)), ("eth1".into(), Seen::Is(0))];
        let check = found(&Network { back, ..good() }, "rp-filter");
        assert_eq!(
            (check.state, check.repair.as_deref()),
            (Warn, Some("sysctl -w net.ipv4.conf.all.rp_filter=2"))
        );
        let back = vec![("eth0".into(), Seen::Is(2)), ("eth1".into(), Seen::Is(2))];
        assert_eq!(found(&Network { back, ..good() }, "rp-filter").state, Ok);
        let back = vec![("eth0".into(), Seen::Hidden("no".into()))];
        assert_eq!(found(&Network { back, ..good() }, "rp-filter").state, Skip);
    }

    #[test]
    fn loopback_that_is_open_to_workloads_and_a_full_table_are_named_with_their_settings() {
        let localnet = vec![("agents0".into(), Seen::Is(1)), ("gone0".into(), Seen::Absent)];
        let network = Network { localnet, tracked: Seen::Is((900, 1000)), ..good() };
        let check = found(&network, "route-localnet.agents0");
        assert_eq!(check.state, Warn);
        assert!(check.repair.unwrap().contains("net.ipv4.conf.agents0.route_localnet=0"));
        assert_eq!(found(&network, "route-localnet.gone0").state, Skip);
        let check = found(&network, "conntrack");
        assert_eq!(
            (check.state, check.repair.as_deref()),
            (Warn, Some("sysctl -w net.netfilter.nf_conntrack_max=4000"))
        );
        let none = Network { tracked: Seen::Absent, ..good() };
        assert!(judge(&none).iter().all(|check| check.name != "conntrack"));
        let hidden = Network { tracked: Seen::Hidden("no".into()), ..good() };
        assert_eq!(found(&hidden, "conntrack").state, Skip);
    }

    #[test]
    fn settings_laxer_than_the_profile_are_mended_by_one_command() {
        let profile = vec![
            ("net.ipv4.conf.all.accept_redirects", "0", Seen::Is("1\n".into())),
            ("net.ipv4.tcp_syncookies", "1", Seen::Is("0".into())),
            ("net.ipv6.conf.all.accept_redirects", "0", Seen::Absent),
        ];
        let check = found(&Network { profile, ..good() }, "baseline.sysctl");
        assert_eq!(
            (check.state, check.repair.as_deref()),
            (Warn, Some("sysctl -w net.ipv4.conf.all.accept_redirects=0 net.ipv4.tcp_syncookies=1"))
        );
    }
}
