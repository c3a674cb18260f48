//! A prefix trie: which rules name a range around a point, for networks around an address and for ports.
//!
//! Prefixes lie inside each other or apart, so the trie is a sorted array in which each prefix knows the one around it:
//! a binary search, and then a way outwards that has no more steps than an address has bits. All of it is safe code in one
//! piece of memory, which is why it is not a crate: those that are fast manage their own.

use std::cmp::Reverse;
use std::net::IpAddr;

use ipnet::IpNet;

use super::ranks::Ranks;
use crate::model::manifest::resources::PortRange;

/// Ranges of points, none of which overlaps another without lying inside it.
#[derive(Debug)]
pub(super) struct PrefixTrie<P> {
    nodes: Vec<Node<P>>,
}

#[derive(Debug)]
struct Node<P> {
    first: P,
    last: P,
    /// The smallest range around this one.
    around: Option<usize>,
    ranks: Ranks,
}

/// First point, last point, and the rule that names them.
pub(super) type Span<P> = (P, P, usize);

impl<P: Copy + Ord> PrefixTrie<P> {
    pub(super) fn of(mut spans: Vec<Span<P>>) -> Self {
        spans.sort_unstable_by_key(|&(first, last, rank)| (first, Reverse(last), rank));
        let mut nodes: Vec<Node<P>> = Vec::new();
        let mut around: Vec<usize> = Vec::new();
        for (first, last, rank) in spans {
            match nodes.last_mut() {
                Some(node) if (node.first, node.last) == (first, last) => node.ranks.push(rank),
                _ => {
                    while around.pop_if(|outer| nodes[*outer].last < first).is_some() {}
                    let mut ranks = Ranks::default();
                    ranks.push(rank);
                    nodes.push(Node { first, last, around: around.last().copied(), ranks });
                    around.push(nodes.len() - 1);
                }
            }
        }
        Self { nodes }
    }

    /// The rules of every range around the point, the smallest range first.
    pub(super) fn around(&self, point: P) -> impl Iterator<Item = &Ranks> {
        let nearest = self.nodes.partition_point(|node| node.first <= point).checked_sub(1);
        let outwards = std::iter::successors(nearest, |node| self.nodes[*node].around);
        let nodes = outwards.map(|node| &self.nodes[node]);
        nodes.filter(move |node| node.last >= point).map(|node| &node.ranks)
    }
}

/// A network as a span.
pub(super) fn network(network: &IpNet, rank: usize) -> Span<IpAddr> {
    (network.network(), network.broadcast(), rank)
}

/// A range of ports as spans that are prefixes of 16 bits: at most 30.
pub(super) fn ports(range: PortRange, rank: usize) -> impl Iterator<Item = Span<u16>> {
    let mut rest = Some(range.start).filter(|start| *start <= range.end);
    std::iter::from_fn(move || {
        let first = rest?;
        let fits = |size: &u32| {
            u32::from(first).is_multiple_of(*size) && u32::from(first) + size - 1 <= u32::from(range.end)
        };
        let size = (0..=16).rev().map(|bits| 1_u32 << bits).find(fits)?;
        let last = u16::try_from(u32::from(first) + size - 1).ok()?;
        rest = last.checked_add(1).filter(|next| *next <= range.end);
        Some((first, last, rank))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks_around(trie: &PrefixTrie<u16>, port: u16) -> Vec<usize> {
        let words = trie.around(port).flat_map(|ranks| ranks.words().to_vec());
        let mut found: Vec<usize> = words
            .flat_map(|(number, bits)| {
                (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| number * 64 + bit)
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn every_port_finds_the_ranges_that_hold_it_and_no_others() {
        let ranges = [(1, 65_535), (0, 0), (22, 22), (8000, 8010), (8005, 9000), (65_535, 65_535), (1, 1)];
        let ranges = ranges.map(|(start, end)| PortRange { start, end });
        let spans = ranges.iter().enumerate().flat_map(|(rank, range)| ports(*range, rank));
        let trie = PrefixTrie::of(spans.collect());
        for port in 0..=u16::MAX {
            let held = ranges.iter().enumerate().filter(|(_, range)| range.contains(port));
            assert_eq!(ranks_around(&trie, port), held.map(|(rank, _)| rank).collect::<Vec<_>>(), "{port}");
        }
    }

    #[test]
    fn a_range_of_ports_is_no_more_than_thirty_prefixes() {
        assert_eq!(ports(PortRange { start: 1, end: 65_534 }, 0).count(), 30);
        assert_eq!(ports(PortRange { start: 0, end: 65_535 }, 0).count(), 1);
    }
}
