//! What an answer loses on its way to a workload: addresses that would lead inside, and the parameters of services that
//! would lead past the gateway.

use std::net::Ipv4Addr;

use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::A;
use serde_json::json;

use super::probes::lab;
use super::resolver::{dig, open_office, records};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{UPSTREAM_V4, UPSTREAM_V6, Zone};

#[test]
fn addresses_of_the_inside_are_removed_from_answers_for_names_of_the_outside() {
    let lab = lab();
    let inside = [
        "10.9.9.9",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "169.254.1.1",
        "0.0.0.0",
        "224.0.0.1",
        "100.100.100.200",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "2002:0a00:0001::1",
        "64:ff9b::10.0.0.1",
    ];
    let zone = inside.iter().fold(Zone::new(), |zone, address| zone.host("mixed.example", &[address]));
    let zone = inside.iter().fold(zone, |zone, address| zone.host("inside.example", &[address]));
    let _resolver = lab.resolver(
        zone.host("mixed.example", &[UPSTREAM_V4, UPSTREAM_V6]).alias("alias.example", "inside.example"),
    );
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &open_office())]);
    for transport in ["+notcp", "+tcp"] {
        for (kind, address) in [("A", UPSTREAM_V4), ("AAAA", UPSTREAM_V6)] {
            assert_eq!(dig(lab.workload(), &[transport, "+short", "mixed.example", kind]).trim(), address);
            assert_eq!(dig(lab.workload(), &[transport, "+short", "inside.example", kind]).trim(), "");
            let chain = records(lab.workload(), &[transport, "+nottlid", "alias.example", kind]);
            assert!(chain.iter().all(|record| record.contains("CNAME")), "{chain:?}");
        }
        let any = records(lab.workload(), &[transport, "mixed.example", "ANY"]);
        assert_eq!(any.len(), 2, "{any:?}");
    }
    for name in ["inside.example", "alias.example"] {
        daemon.record(&json!({
            "kind": "dns", "query_name": name, "query_type": "A", "decision": "deny", "reason": "destination.metadata",
        }));
    }
    let row = daemon.record(&json!({
        "kind": "dns", "query_name": "mixed.example", "query_type": "A", "decision": "allow", "end": "addresses-removed",
    }));
    let seen = row["evidence"].as_str().expect("which addresses were removed");
    assert!(seen.contains("169.254.169.254 is metadata") && seen.ends_with(" more"), "{seen}");
}

#[test]
fn a_name_that_leads_nowhere_but_inside_is_told_with_its_reason() {
    let lab = lab();
    let zone = Zone::new()
        .host("inside.example", &["10.9.9.9", "fd00::9"])
        .host("cloud.example", &["169.254.169.254"]);
    let _resolver = lab.resolver(zone);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &open_office())]);
    for (name, kind, reason, seen) in [
        ("inside.example", "A", "destination.private", "10.9.9.9 is private"),
        ("inside.example", "AAAA", "destination.private", "fd00::9 is private"),
        ("cloud.example", "A", "destination.metadata", "169.254.169.254 is metadata"),
    ] {
        let said = dig(lab.workload(), &[name, kind]);
        assert!(said.contains("status: NOERROR") && said.contains("ANSWER: 0, AUTHORITY: 0"), "{said}");
        let row = daemon.record(&json!({
            "kind": "dns", "query_name": name, "query_type": kind, "decision": "deny", "reason": reason, "status": 0,
        }));
        assert_eq!(row["evidence"], seen);
        let id = row["request_id"].as_str().expect("an id");
        assert!(said.contains(&format!("EDE: 15 (Blocked): ({reason} {id})")), "{said}");
    }
}

#[test]
fn addresses_of_the_inside_are_given_to_the_agent_whose_route_names_them() {
    let lab = lab();
    let inside = ["10.9.9.9", "10.9.8.8", "fd09::9", "fd08::8"];
    let _resolver = lab.resolver(Zone::new().host("db.example", &inside));
    let route = "
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: inside}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  sourceAgents: {matchLabels: {tier: dev}}
  rules: [{matches: [{destinationHostnames: [db.example], destinationCIDRs: [10.9.9.0/24, 'fd09::/64'], ports: [{port: 5432}]}]}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: for-others}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationHostnames: [db.example], ports: [{port: 9}]}]}]
";
    let base = alice_and_gateway("{name: tcp, protocol: TCP}");
    let bob = "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {name: bob}\n\
               spec: {sources: {addresses: [10.77.0.3/32, 'fd77::3/128']}}\n";
    let policies = [("base.yaml", base.as_str()), ("bob.yaml", bob), ("routes.yaml", route)];
    let _daemon = lab.daemon(&json!({}), &policies);
    for (kind, address) in [("A", "10.9.9.9"), ("AAAA", "fd09::9")] {
        assert_eq!(dig(lab.workload(), &["+short", "db.example", kind]).trim(), address);
        assert_eq!(
            dig(lab.bob(), &["+short", "db.example", kind]).trim(),
            "",
            "no route of his names a network"
        );
    }
}

#[test]
fn addresses_of_the_inside_go_from_the_additional_section_too() {
    let lab = lab();
    let zone = Zone::new()
        .raw("a.example", 15, b"\0\x0a\x04mail\x07example\0")
        .additional("mail.example", RData::A(A(Ipv4Addr::new(10, 0, 0, 1))))
        .additional("mail.example", RData::A(A(Ipv4Addr::new(192, 0, 2, 10))));
    let _resolver = lab.resolver(zone);
    let _daemon = lab.daemon(&json!({}), &[("all.yaml", &open_office())]);
    let said = dig(lab.workload(), &["+noall", "+answer", "+additional", "a.example", "MX"]);
    assert!(
        said.contains("10 mail.example.") && said.contains("192.0.2.10") && !said.contains("10.0.0.1"),
        "{said}"
    );
}

/// An HTTPS record: `1 .` with every parameter there is.
const FULL: &[u8] = b"\0\x01\0\
    \0\0\0\x04\0\x01\0\x05\
    \0\x01\0\x0c\x02h3\x05h3-29\x02h2\
    \0\x03\0\x02\x20\xfb\
    \0\x04\0\x04\xc0\0\x02\x0a\
    \0\x05\0\x04\0\x02ab\
    \0\x06\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\
    \0\x07\0\x0a/q{?dns}ab";

#[test]
fn services_keep_their_port_and_lose_ech_hints_quic_and_what_is_mandatory_of_them() {
    let lab = lab();
    let zone = Zone::new()
        .raw("a.example", 65, FULL)
        .raw("_8443._https.a.example", 65, FULL)
        .raw("a.example", 64, FULL)
        .raw("quic.example", 65, b"\0\x01\0\0\x01\0\x03\x02h3\0\x02\0\0")
        .raw("other.example", 65, b"\0\x01\x01b\x07example\0\0\x01\0\x03\x02h2")
        .raw("alias.example", 65, b"\0\0\x03cdn\x07example\0");
    let _resolver = lab.resolver(zone);
    let _daemon = lab.daemon(&json!({}), &[("all.yaml", &open_office())]);
    for transport in ["+notcp", "+tcp"] {
        let told = |name: &str, kind: &str| records(lab.workload(), &[transport, "+nottlid", name, kind]);
        for (name, kind) in
            [("a.example", "HTTPS"), ("_8443._https.a.example", "HTTPS"), ("a.example", "SVCB")]
        {
            let expected = format!("{name}. IN {kind} 1 . mandatory=alpn alpn=\"h2\" port=8443");
            assert_eq!(told(name, kind), [expected]);
        }
        assert_eq!(told("quic.example", "HTTPS"), ["quic.example. IN HTTPS 1 ."]);
        for name in ["other.example", "alias.example"] {
            assert_eq!(told(name, "HTTPS"), [""; 0], "{name} leads to another name");
        }
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_servfail() {
    let lab = lab();
    let zone =
        Zone::new().raw("a.example", 65, b"\0\x01\0\0\x05\0\x09ech").raw("b.example", 65, b"\0\x01\xc0\x0c");
    let _resolver = lab.resolver(zone);
    let daemon = lab.daemon(&json!({}), &[("all.yaml", &open_office())]);
    for name in ["a.example", "b.example"] {
        let said = dig(lab.workload(), &[name, "HTTPS"]);
        assert!(said.contains("status: SERVFAIL") && said.contains("EDE: 23"), "{said}");
        daemon.record(&json!({"kind": "dns", "query_name": name, "status": 2, "end": "upstream-failed"}));
    }
}
