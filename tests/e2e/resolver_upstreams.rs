//! The resolvers that the gateway asks: over every transport, IPv4 and IPv6, one in place of another, and only those that
//! prove who they are.

use std::net::UdpSocket;

use serde_json::json;

use super::resolver::{dig, open_office};
use crate::lab::{Daemon, Lab, Leaf, Pki, RESOLVER_V4, RESOLVER_V6, Resolver, UPSTREAM_V4, Zone};

/// The name that the outside resolver proves.
const NAME: &str = "dns.example";

/// A resolver that answers for twenty names over every transport, with a certificate for its name and addresses.
fn resolver(lab: &Lab) -> Resolver {
    resolver_with(lab, &lab.pki().leaf(&[NAME, RESOLVER_V4, RESOLVER_V6]))
}

fn resolver_with(lab: &Lab, leaf: &Leaf) -> Resolver {
    let zone = (0..20)
        .fold(Zone::new(), |zone, number| zone.host(&format!("host-{number}.example"), &[UPSTREAM_V4]));
    let resolver = lab.resolver(zone.text("long.example", &"x".repeat(9000)));
    for address in [RESOLVER_V4.to_owned(), format!("[{RESOLVER_V6}]")] {
        resolver.over_tls(lab.backends(), &format!("{address}:853"), leaf);
        resolver.over_https(lab.backends(), &format!("{address}:443"), leaf);
    }
    resolver
}

fn start<'lab>(lab: &'lab Lab, upstreams: &[&str]) -> Daemon<'lab> {
    lab.daemon(&json!({"dns": {"upstreams": upstreams}}), &[("all.yaml", &open_office())])
}

#[test]
fn every_transport_carries_queries_and_long_answers_over_either_family() {
    let (v4, v6) = (RESOLVER_V4, RESOLVER_V6);
    for (upstream, transport) in [
        (v4.to_owned(), "udp"),
        (format!("[{v6}]:53"), "udp"),
        (format!("tcp://{v4}"), "tcp"),
        (format!("tcp://[{v6}]"), "tcp"),
        (format!("tls://{NAME}@{v4}"), "tls"),
        (format!("tls://[{v6}]:853"), "tls"),
        (format!("https://{NAME}@{v4}/dns-query"), "https"),
        (format!("https://[{v6}]/dns-query"), "https"),
    ] {
        let lab = Lab::new();
        let resolver = resolver(&lab);
        let daemon = start(&lab, &[&upstream]);
        assert_eq!(dig(lab.workload(), &["+short", "host-1.example", "A"]).trim(), UPSTREAM_V4, "{upstream}");
        let row = daemon.record(&json!({"kind": "dns", "query_name": "host-1.example", "status": 0}));
        assert!(
            row.get("reason").is_none_or(|reason| !reason.as_str().unwrap_or_default().contains("upstream")),
            "{row}"
        );
        let long = dig(lab.workload(), &["+tcp", "long.example", "TXT"]);
        assert!(long.contains("ANSWER: 1") && long.contains("MSG SIZE  rcvd: 9"), "{upstream}: {long}");
        assert!(dig(lab.workload(), &["nobody.example"]).contains("NXDOMAIN"), "{upstream}");
        let asked = resolver.asked();
        // What does not fit into a datagram is asked for again over TCP.
        let expected = |query: &&crate::lab::resolver::Asked| {
            query.transport == transport || (transport == "udp" && query.transport == "tcp")
        };
        assert_eq!(asked.iter().filter(expected).count(), asked.len(), "{upstream}: {asked:?}");
        let encrypted = ["tls", "https"].contains(&transport);
        for query in &asked {
            assert_eq!(
                query.bytes.len() % 128 == 0,
                encrypted,
                "padded where it is encrypted: {}",
                query.bytes.len()
            );
            assert!(transport != "https" || query.bytes[..2] == [0, 0], "the id over HTTPS is 0");
        }
    }
}

#[test]
fn connections_to_upstreams_are_kept_and_shared() {
    for scheme in ["tcp", "tls", "https"] {
        let lab = Lab::new();
        let resolver = resolver(&lab);
        let _daemon = start(&lab, &[&format!("{scheme}://{RESOLVER_V4}")]);
        for number in 0..20 {
            dig(lab.workload(), &[&format!("host-{number}.example")]);
        }
        assert_eq!(resolver.asked().len(), 20);
        // Each worker has its own.
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(resolver.connections() <= workers, "{scheme}: {} connections", resolver.connections());
    }
}

#[test]
fn an_upstream_that_does_not_prove_its_name_is_never_believed() {
    type Make = fn(&Pki) -> Leaf;
    let bad: [(&str, Make); 4] = [
        ("another name", |pki| pki.wrong_name()),
        ("expired", |pki| pki.expired(&[NAME, RESOLVER_V4])),
        ("self-signed", |pki| pki.self_signed(&[NAME, RESOLVER_V4])),
        ("of an authority that nobody trusts", |pki| pki.foreign(&[NAME, RESOLVER_V4])),
    ];
    for (why, make) in bad {
        let lab = Lab::new();
        let resolver = resolver_with(&lab, &make(lab.pki()));
        let upstreams = [
            format!("tls://{NAME}@{RESOLVER_V4}"),
            format!("tls://{RESOLVER_V4}"),
            format!("https://{NAME}@{RESOLVER_V4}/dns-query"),
            format!("https://{RESOLVER_V4}/dns-query"),
        ];
        let daemon = start(&lab, &upstreams.each_ref().map(String::as_str));
        let said = dig(lab.workload(), &["host-1.example"]);
        assert!(said.contains("status: SERVFAIL") && said.contains("EDE: 23"), "{why}: {said}");
        daemon.record(
            &json!({"kind": "dns", "query_name": "host-1.example", "status": 2, "end": "upstream-failed"}),
        );
        assert!(resolver.asked().is_empty(), "{why}: a question was told to whom it was not meant for");
    }
}

#[test]
fn where_one_upstream_fails_the_next_is_asked() {
    let lab = Lab::new();
    let resolver = resolver_with(&lab, &lab.pki().wrong_name());
    // Nobody listens at the first; the others do not prove themselves, or speak no such thing.
    let upstreams = [
        "192.0.2.19:53".to_owned(),
        format!("tls://{NAME}@{RESOLVER_V4}"),
        format!("https://{NAME}@[{RESOLVER_V6}]/dns-query"),
        format!("tls://{NAME}@{RESOLVER_V4}:53"),
        RESOLVER_V6.to_owned(),
    ];
    let daemon = start(&lab, &upstreams.each_ref().map(String::as_str));
    for number in 0..3 {
        let name = format!("host-{number}.example");
        assert_eq!(dig(lab.workload(), &["+short", &name]).trim(), UPSTREAM_V4);
        daemon.record(&json!({"kind": "dns", "query_name": name, "status": 0}));
    }
    assert!(resolver.asked().iter().all(|query| query.transport == "udp" && query.from.is_ipv6()));
}

#[test]
fn upstreams_that_are_all_away_are_told_to_the_agent_the_record_the_log_and_the_operator() {
    let lab = Lab::new();
    // One is bound and never read, at the other nobody listens.
    let silent = lab.upstream().enter(|| UdpSocket::bind((RESOLVER_V4, 53))).expect("a socket");
    let away = format!("tls://[{RESOLVER_V6}]:853");
    let daemon = start(&lab, &[RESOLVER_V4, &away]);
    assert!(daemon.cli(&["status"]).succeeded().ends_with("nothing needs you\n"), "nobody has asked yet");
    assert!(dig(lab.workload(), &["host-1.example"]).contains("status: SERVFAIL"));
    let row =
        daemon.record(&json!({"kind": "dns", "query_name": "host-1.example", "end": "upstream-failed"}));
    let seen = row["evidence"].as_str().expect("which upstreams, and why");
    assert!(
        seen.contains(&format!("{RESOLVER_V4}:53: no answer in time; {away}: Connection refused")),
        "{seen}"
    );
    daemon.logged("a DNS upstream gave no answer");

    let claimed = format!("host-2.example:80:{UPSTREAM_V4}");
    let arguments = ["-sS", "-i", "--resolve", &claimed, "http://host-2.example/"];
    let heard = lab.workload().command("curl").args(arguments).run().succeeded();
    assert!(
        heard.contains("its name could not be resolved: no upstream resolver answered in time"),
        "{heard}"
    );
    let row =
        daemon.record(&json!({"kind": "request", "destination_host": "host-2.example", "decision": "deny"}));
    assert!(row["evidence"].as_str().is_some_and(|seen| seen.contains("no answer in time")), "{row}");

    // They are held to be away once they have no answer about the root either.
    let needs = loop {
        let needs = daemon.status()["needs"].clone();
        if needs != json!([]) {
            break needs.to_string();
        }
    };
    assert!(needs.contains("no DNS upstream answers") && needs.contains("clawgress doctor"), "{needs}");
    let doctor = daemon.cli(&["doctor"]);
    assert_eq!(doctor.code(), 1, "{doctor}");
    for part in
        [format!("dns.{RESOLVER_V4}:53"), format!("dns.{away}"), format!("kdig -p 53 @{RESOLVER_V4} . NS")]
    {
        assert!(doctor.text().contains(&part), "no `{part}` in:\n{doctor}");
    }

    // Once they answer, they are as they should be.
    drop(silent);
    let _resolver = resolver(&lab);
    let checked = daemon.cli(&["doctor", "-o", "json"]);
    assert_eq!(checked.code(), 0, "{checked}");
}
