//! The rules and routes themselves: loaded, listed back, compared, removed.

use std::process::Command;

use super::office::{Namespace, example};
use crate::model::manifest::resources::PortRange;
use crate::model::types::{FailMode, MacAddress};
use crate::perceive::intercept::apply::{self, Applied, Table, TableStatus};
use crate::perceive::intercept::{routes, ruleset};

#[test]
fn the_documented_twin_and_the_typed_rules_are_one_ruleset() {
    let twin = include_str!("../../../../nftables/clawgress.nft");
    // The rules of `failMode: open` stand in the twin as comments of their own shape.
    let open = twin.replace("\t\t#   ", "\t\t");
    assert_eq!(
        open.matches("#   ").count() + 4,
        twin.matches("#   ").count(),
        "four rules are commented out"
    );
    for (text, fail_mode) in [(twin, FailMode::Closed), (&open, FailMode::Open)] {
        let status = Namespace::new().run(|_| {
            apply::nft(&["-f", "-"], text, "loading the twin").unwrap();
            Table::default().status(&example(fail_mode)).unwrap()
        });
        assert_eq!(status, TableStatus::InPlace, "{fail_mode:?}");
    }
}

#[test]
fn applying_twice_changes_nothing_and_touches_no_other_table() {
    Namespace::new().run(|_| {
        let other = "table inet neighbour { chain c { type filter hook forward priority 5; policy drop; }; }";
        apply::nft(&["-f", "-"], other, "loading another table").unwrap();
        let others = || apply::nft(&["list", "table", "inet", "neighbour"], "", "listing").unwrap();
        let before = others();
        for mode in [FailMode::Closed, FailMode::Open] {
            let mut wanted = example(mode);
            wanted.allow_local = vec![8080, 22];
            wanted.subnets.push("192.0.2.7/32".parse().unwrap());
            assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Written, "{mode:?}");
            assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Unchanged, "{mode:?}");
        }
        assert_eq!(apply::counters().unwrap().len(), ruleset::COUNTERS.len());
        apply::remove().unwrap();
        apply::remove().unwrap();
        assert_eq!(Table::default().status(&example(FailMode::Closed)).unwrap(), TableStatus::Absent);
        assert_eq!(others(), before);
    });
}

#[test]
fn udp_ports_change_alone_and_the_table_stays() {
    Namespace::new().run(|_| {
        // A table that was made anew has another handle.
        let handle = || {
            let listed = apply::nft(&["-a", "list", "table", "inet", "clawgress"], "", "listing").unwrap();
            listed.lines().next().unwrap().to_owned()
        };
        let mut wanted = example(FailMode::Closed);
        Table::default().apply(&wanted).unwrap();
        let before = handle();
        for ports in [&[(123, 123), (1000, 2000)][..], &[(1, 52), (54, 442), (444, 65_535)], &[]] {
            wanted.policy.udp_ports = ports.iter().map(|&(start, end)| PortRange { start, end }).collect();
            assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Written, "{ports:?}");
            assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Unchanged, "{ports:?}");
            assert_eq!(handle(), before);
        }
        // Where more than the ports is wrong, all is replaced.
        apply::nft(&["insert", "rule", "inet", "clawgress", "forward", "accept"], "", "slipping in").unwrap();
        wanted.policy.udp_ports = vec![PortRange { start: 9, end: 9 }];
        assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Written);
        assert_eq!(Table::default().status(&wanted).unwrap(), TableStatus::InPlace);
        assert_ne!(handle(), before);
    });
}

#[test]
fn agents_and_their_cards_change_alone_and_are_listed_back_as_written() {
    Namespace::new().run(|_| {
        let mut wanted = example(FailMode::Closed);
        Table::default().apply(&wanted).unwrap();
        apply::nft(&["add", "element", "inet", "clawgress", "told4", "{ 10.77.0.2 }"], "", "telling")
            .unwrap();
        assert_eq!(
            Table::default().status(&wanted).unwrap(),
            TableStatus::InPlace,
            "what rules write is theirs"
        );
        let handle = || {
            let listed = apply::nft(&["-a", "list", "table", "inet", "clawgress"], "", "listing").unwrap();
            listed.lines().next().unwrap().to_owned()
        };
        let before = handle();
        let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
        let card = |text: &str| MacAddress::parse(text).unwrap();
        // Networks beside each other that are no network together, single addresses, both families.
        let pool = [
            "10.77.0.0/31",
            "10.77.0.3/32",
            "10.77.0.4/30",
            "10.77.0.8/29",
            "fd77::/127",
            "fd77::3/128",
            "fd77::4/126",
        ];
        for networks in [&pool[..], &pool[..1], &[], &pool[3..]] {
            wanted.policy.agents = networks.iter().map(|text| net(text)).collect();
            wanted.policy.cards =
                wanted.policy.agents.iter().map(|net| (*net, card("02:00:00:00:00:02"))).collect();
            assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Written, "{networks:?}");
            assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Unchanged, "{networks:?}");
        }
        // The same networks and another card.
        wanted.policy.cards.iter_mut().for_each(|(_, mac)| *mac = card("02:00:00:00:00:03"));
        assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Written);
        assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Unchanged);
        assert_eq!(handle(), before);
    });
}

#[test]
fn a_rule_that_somebody_slipped_in_is_found_and_mended() {
    Namespace::new().run(|_| {
        let wanted = example(FailMode::Closed);
        Table::default().apply(&wanted).unwrap();
        apply::nft(&["insert", "rule", "inet", "clawgress", "forward", "accept"], "", "slipping in").unwrap();
        let TableStatus::Differs(differences) = Table::default().status(&wanted).unwrap() else {
            panic!("must differ")
        };
        assert!(differences.iter().any(|line| line == "`rule forward 3` is not ours"), "{differences:?}");
        assert_eq!(Table::default().apply(&wanted).unwrap(), Applied::Written);
        assert_eq!(Table::default().status(&wanted).unwrap(), TableStatus::InPlace);
    });
}

#[test]
fn policy_routes_are_added_once_and_removed_whole() {
    let space = Namespace::new();
    let rules = || {
        [["-4", "rule"], ["-6", "rule"]].map(|what| {
            let done = Command::new("ip").args(["-n", &space.0]).args(what).output().unwrap();
            String::from_utf8(done.stdout).unwrap()
        })
    };
    let before = rules();
    space.run(|runtime| {
        assert_eq!(runtime.block_on(routes::ensure(true)).unwrap(), routes::Routes::Added);
        assert_eq!(runtime.block_on(routes::ensure(true)).unwrap(), routes::Routes::Unchanged);
    });
    for listed in rules() {
        assert_eq!(listed.matches("100:\tfrom all fwmark 0x20c1 lookup 8385").count(), 1, "{listed}");
    }
    space.ip("route get 192.0.2.1 mark 0x20c1");
    let in_place = || space.run(|runtime| runtime.block_on(routes::in_place(true)).unwrap());
    assert!(in_place());
    for (gone, back) in [
        ("-6 rule del priority 100", "-6 rule add priority 100 fwmark 0x20c1 lookup 8385"),
        ("route del local default dev lo table 8385", "route add local default dev lo table 8385"),
    ] {
        space.ip(gone);
        assert!(!in_place(), "{gone}");
        space.ip(back);
        assert!(in_place(), "{back}");
    }
    space.run(|runtime| {
        runtime.block_on(routes::remove()).unwrap();
        runtime.block_on(routes::remove()).unwrap();
    });
    assert_eq!(rules(), before);
}
