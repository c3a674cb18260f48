//! The UDP ports about which policy has something to decide, so that the kernel refuses all others by itself.
//!
//! A port counts where a rule names it, allowing or denying: what is denied by name is put on record. Never DNS, which
//! the gateway answers itself, nor QUIC, which nothing allows.

use super::plan::GatewayPlan;
use crate::model::manifest::resources::{
    DOMAIN_PORT, DefaultPolicy, L4Protocol, ListenerProtocol, PortRange, QUIC_PORT,
};

const ALL: PortRange = PortRange { start: 1, end: u16::MAX };

/// The ports of all gateways that take UDP: apart, ascending, without [`DOMAIN_PORT`] and [`QUIC_PORT`]. Where `rules` may let
/// through what no route names, that is every port.
pub(super) fn decided<'a>(plans: impl Iterator<Item = &'a GatewayPlan>, rules: bool) -> Vec<PortRange> {
    let mut ranges = Vec::new();
    for plan in plans.filter(|plan| plan.listeners.has(ListenerProtocol::Udp)) {
        if plan.default == DefaultPolicy::AllowAll || rules {
            ranges.push(ALL);
        }
        for entry in plan.l4.iter().filter(|entry| entry.protocol == L4Protocol::Udp) {
            ranges.extend(if entry.ports.is_empty() { &[ALL][..] } else { &entry.ports });
        }
    }
    without([DOMAIN_PORT, QUIC_PORT], merged(ranges))
}

/// Ranges that overlap or touch become one.
fn merged(mut ranges: Vec<PortRange>) -> Vec<PortRange> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut apart: Vec<PortRange> = Vec::new();
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(1) => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

fn without<const N: usize>(ports: [u16; N], mut ranges: Vec<PortRange>) -> Vec<PortRange> {
    for port in ports {
        let around = |range: PortRange| {
            let below = PortRange { start: range.start, end: range.end.min(port.saturating_sub(1)) };
            let above = PortRange { start: range.start.max(port.saturating_add(1)), end: range.end };
            [below, above].into_iter().filter(|part| part.start <= part.end)
        };
        ranges = ranges.into_iter().flat_map(around).collect();
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
        let ranges = ranges.iter().map(|&(start, end)| PortRange { start, end }).collect();
        let left = without([DOMAIN_PORT, QUIC_PORT], merged(ranges));
        left.iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn ranges_come_apart_and_ascending() {
        assert_eq!(told(&[]), []);
        assert_eq!(told(&[(123, 123), (100, 122), (7, 9), (8, 8)]), [(7, 9), (100, 123)]);
        assert_eq!(told(&[(65_535, 65_535), (65_534, 65_535)]), [(65_534, 65_535)]);
    }

    #[test]
    fn dns_and_quic_are_never_among_them() {
        assert_eq!(told(&[(1, 65_535)]), [(1, 52), (54, 442), (444, 65_535)]);
        assert_eq!(told(&[(53, 53), (443, 443)]), []);
        assert_eq!(told(&[(53, 54), (442, 443)]), [(54, 54), (442, 442)]);
    }
}
