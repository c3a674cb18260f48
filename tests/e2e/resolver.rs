//! The resolver of workloads as a resolver: every type of record, EDNS, truncation, the cache, and what a query tells the
//! world outside.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use serde_json::json;

use super::hostile::query;
use super::probes::{BOB, LISTENERS, lab};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{Daemon, Family, GATEWAY_V4, GATEWAY_V6, Lab, Namespace, UPSTREAM_V4, UPSTREAM_V6, Zone};

/// Alice and bob, who may reach everything: what is asked here is no question of policy.
pub fn open_office() -> String {
    let gateway = alice_and_gateway(LISTENERS)
        .replace("spec: {listeners", "spec: {defaultPolicy: allow-all, listeners");
    [gateway, BOB.to_owned()].join("---\n")
}

fn start(lab: &Lab) -> Daemon<'_> {
    lab.daemon(&json!({}), &[("all.yaml", &open_office())])
}

/// What dig prints, in full.
pub fn dig(space: &Namespace, arguments: &[&str]) -> String {
    space.command("dig").args(["+tries=1", "+time=5"]).args(arguments).run().succeeded()
}

/// The records that dig prints, each in one line with single spaces.
pub fn records(space: &Namespace, arguments: &[&str]) -> Vec<String> {
    let said = dig(space, &[&["+noall", "+answer"], arguments].concat());
    said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Data on the wire of the types that there are, and what dig makes of it.
const TYPES: &[(&str, u16, &[u8], &str)] = &[
    ("NS", 2, b"\x02ns\x07example\0", "ns.example."),
    ("SOA", 6, b"\x02ns\0\x01a\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05", "ns. a. 1 2 3 4 5"),
    ("PTR", 12, b"\x04host\x07example\0", "host.example."),
    ("MX", 15, b"\0\x0a\x04mail\x07example\0", "10 mail.example."),
    ("TXT", 16, b"\x05v=one\x03two", "\"v=one\" \"two\""),
    ("RP", 17, b"\x01m\0\x01t\0", "m. t."),
    ("LOC", 29, b"\0\x12\x16\x13\x80\0\0\0\x80\0\0\0\0\x98\x96\x80", "0 0 0.000 N 0 0 0.000 E 0.00m 1m 10000m 10m"),
    ("SRV", 33, b"\0\x01\0\x02\x01\xbb\x04host\x07example\0", "1 2 443 host.example."),
    ("NAPTR", 35, b"\0\x01\0\x02\x01u\x03sip\0\x04host\x07example\0", "1 2 \"u\" \"sip\" \"\" host.example."),
    ("DNAME", 39, b"\x05other\x07example\0", "other.example."),
    ("DS", 43, b"\x12\x34\x0d\x02\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08", "4660 13 2 0102030405060708010203040506070801020304050607080102030405060708"),
    ("SSHFP", 44, b"\x04\x01\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14", "4 1 0102030405060708090A0B0C0D0E0F1011121314"),
    ("RRSIG", 46, b"\0\x01\x0d\x02\0\0\0\x3c\x65\x53\xf1\0\x65\x53\xf1\0\0\x09\x07example\0\x01\x02\x03", "A 13 2 60 20231114221320 20231114221320 9 example. AQID"),
    ("NSEC", 47, b"\x01b\x07example\0\0\x01\x40", "b.example. A"),
    ("DNSKEY", 48, b"\x01\x01\x03\x0d\x01\x02\x03\x04", "257 3 13 AQIDBA=="),
    ("TLSA", 52, b"\x03\x01\x01\xab\xcd", "3 1 1 ABCD"),
    ("SVCB", 64, b"\0\x01\0\0\x01\0\x03\x02h2", "1 . alpn=\"h2\""),
    ("HTTPS", 65, b"\0\x01\0\0\x01\0\x03\x02h2\0\x03\0\x02\x20\xfb", "1 . alpn=\"h2\" port=8443"),
    ("URI", 256, b"\0\x01\0\x02https://host.example/", "1 2 \"https://host.example/\""),
    ("CAA", 257, b"\0\x05issueca.example", "0 issue \"ca.example\""),
    ("TYPE65280", 65_280, b"\xc0\x0c\x01\x02", "\\# 4 C00C0102"),
];

#[test]
fn records_of_every_type_come_as_they_are_over_either_transport_and_from_the_cache() {
    let lab = lab();
    let zone = TYPES.iter().fold(Zone::new(), |zone, (kind, number, data, _)| {
        zone.raw(&format!("{}.example", kind.to_lowercase()), *number, data)
    });
    let resolver = lab.resolver(zone);
    let daemon = start(&lab);
    for (kind, _, _, expected) in TYPES {
        let name = format!("{}.example", kind.to_lowercase());
        for (server, transport) in [(GATEWAY_V4, "+notcp"), (GATEWAY_V6, "+tcp")] {
            let told = records(
                lab.workload(),
                &[&format!("@{server}"), transport, "+dnssec", "+nosplit", &name, kind],
            );
            assert!(told.len() == 1 && told[0].ends_with(expected), "{kind} {transport}: {told:?}");
            assert!(told[0].contains(&format!(" IN {kind} ")), "{told:?}");
        }
        daemon.record(&json!({"kind": "dns", "query_name": name, "status": 0, "protocol": "dns-tcp"}));
    }
    assert_eq!(resolver.asked().len(), TYPES.len(), "the second time from the cache");
}

#[test]
fn a_query_tells_the_world_its_question_and_nothing_else() {
    let lab = lab();
    let resolver = lab.resolver(Zone::new().ttl(0).host("a.example", &[UPSTREAM_V4]));
    let _daemon = start(&lab);
    let plain = ["+qr", "a.example", "A"];
    for spoken in [
        &["+cookie=0102030405060708"][..],
        &["+subnet=10.1.2.0/24"],
        &["+ednsopt=65001:5345435245545f"],
        &["+nsid", "+expire", "+padding=64"],
        &["+norecurse", "+aaflag", "+zflag", "+noadflag"],
        &["+bufsize=4000", "+tcp", "+keepalive"],
        &["+noedns"],
    ] {
        dig(lab.workload(), &[spoken, &plain].concat());
    }
    let said = dig(lab.workload(), &["A.eXaMpLe", "A"]);
    assert!(said.contains(";A.eXaMpLe."), "the client sees its own spelling: {said}");
    let asked: Vec<Vec<u8>> = resolver.asked().into_iter().map(|query| query.bytes).collect();
    assert_eq!(asked.len(), 8, "a TTL of 0 is not kept");
    // All but the id.
    assert!(asked.iter().all(|query| query[2..] == asked[0][2..]), "{asked:?}");
}

#[test]
fn dnssec_ok_and_checking_disabled_reach_the_upstream_and_are_kept_apart() {
    let lab = lab();
    let resolver = lab.resolver(Zone::new().host("a.example", &[UPSTREAM_V4]));
    let _daemon = start(&lab);
    for _ in 0..2 {
        for flags in [&["+nodnssec", "+nocd"][..], &["+dnssec"], &["+cd"], &["+dnssec", "+cd"]] {
            let said = dig(lab.workload(), &[flags, &["a.example"]].concat());
            assert_eq!(said.contains("flags: do"), flags.contains(&"+dnssec"), "{said}");
            let header = said.lines().find(|line| line.contains(";; flags:")).unwrap_or_default();
            assert_eq!(header.contains(" cd"), flags.contains(&"+cd"), "{header}");
        }
    }
    let asked: Vec<(bool, bool)> = resolver
        .asked()
        .iter()
        .map(|query| {
            // CD in the header, DO in the OPT record that ends the query.
            let bytes = &query.bytes;
            (bytes[3] & 0x10 != 0, bytes[bytes.len() - 4] & 0x80 != 0)
        })
        .collect();
    assert_eq!(asked, [(false, false), (false, true), (true, false), (true, true)]);
}

#[test]
fn a_client_without_edns_hears_none_and_one_with_it_hears_the_gateways() {
    let lab = lab();
    let _resolver = lab.resolver(Zone::new().host("a.example", &[UPSTREAM_V4]));
    let _daemon = start(&lab);
    let plain = dig(lab.workload(), &["+noedns", "a.example"]);
    assert!(plain.contains("ANSWER: 1") && !plain.contains("EDNS"), "{plain}");
    let said = dig(lab.workload(), &["+bufsize=4000", "+cookie", "a.example"]);
    assert!(said.contains("EDNS: version: 0, flags:; udp: 1232") && !said.contains("COOKIE: ("), "{said}");
}

#[test]
fn a_client_of_a_later_edns_hears_which_version_is_spoken_and_is_answered_in_that() {
    let lab = lab();
    let resolver = lab.resolver(Zone::new().host("a.example", &[UPSTREAM_V4, UPSTREAM_V6]));
    let daemon = start(&lab);
    for (server, kind) in [(GATEWAY_V4, "A"), (GATEWAY_V6, "AAAA")] {
        let at = format!("@{server}");
        for transport in ["+notcp", "+tcp"] {
            let said = dig(lab.workload(), &[&at, transport, "+edns=1", "+noednsneg", "a.example", kind]);
            assert!(said.contains("status: BADVERS") && said.contains("EDNS: version: 0"), "{said}");
            assert!(said.contains("QUERY: 1, ANSWER: 0"), "{said}");
        }
        assert!(resolver.asked().iter().all(|query| query.kind != kind), "nobody else hears of it");
        let said = dig(lab.workload(), &[&at, "+edns=1", "a.example", kind]);
        assert!(said.contains("status: NOERROR") && said.contains("ANSWER: 1"), "{said}");
    }
    daemon.record(
        &json!({"kind": "dns", "agent_id": "alice", "decision": "deny", "reason": "protocol.malformed"}),
    );
}

#[test]
fn a_burst_of_three_hundred_lookups_of_one_agent_is_answered_whole() {
    const BURST: u16 = 300;
    let lab = lab();
    let _resolver = lab.resolver(Zone::new().ttl(600).host("a.example", &[UPSTREAM_V4, UPSTREAM_V6]));
    let daemon = start(&lab);
    // What is waited for upstream has a bound of its own.
    assert_eq!(records(lab.workload(), &["a.example", "A"]).len(), 1);
    for (server, family) in [(GATEWAY_V4, Family::V4), (GATEWAY_V6, Family::V6)] {
        let answered = lab.workload().enter(|| {
            let any = if family == Family::V6 { "[::]:0" } else { "0.0.0.0:0" };
            let socket = UdpSocket::bind(any).expect("a socket");
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 20);
            socket.connect((server, 53)).expect("a route");
            socket.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
            (0..BURST).for_each(|id| {
                socket.send(&query(family, "a.example", id)).expect("a query");
            });
            let mut ids = BTreeSet::new();
            let mut answer = [0; 512];
            while ids.len() < usize::from(BURST) && socket.recv(&mut answer).is_ok() {
                ids.insert([answer[0], answer[1]]);
            }
            ids.len()
        });
        assert_eq!(answered, usize::from(BURST), "{server}");
    }
    assert!(daemon.records(&["--kind", "dns", "--deny"]).is_empty());
}

#[test]
fn an_answer_too_long_for_a_datagram_is_truncated_and_whole_over_tcp() {
    let lab = lab();
    let text = "x".repeat(3000);
    let resolver = lab.resolver(Zone::new().text("long.example", &text));
    let daemon = start(&lab);
    for server in [GATEWAY_V4, GATEWAY_V6] {
        let at = format!("@{server}");
        let cut = dig(lab.workload(), &[&at, "+ignore", "long.example", "TXT"]);
        assert!(cut.contains("flags: qr tc rd ra;") && cut.contains("ANSWER: 0"), "{cut}");
        let cut = dig(lab.workload(), &[&at, "+ignore", "+noedns", "long.example", "TXT"]);
        assert!(cut.contains(" tc "), "{cut}");
        // dig asks again over TCP by itself.
        let whole = dig(lab.workload(), &[&at, "long.example", "TXT"]);
        assert!(whole.contains("ANSWER: 1") && whole.contains("(TCP)"), "{whole}");
        let roomy = dig(lab.workload(), &[&at, "+bufsize=4096", "+ignore", "long.example", "TXT"]);
        assert!(roomy.contains("ANSWER: 1") && roomy.contains("(UDP)"), "{roomy}");
    }
    daemon.record(&json!({"kind": "dns", "query_name": "long.example", "protocol": "dns-tcp", "status": 0}));
    let transports: Vec<&str> = resolver.asked().iter().map(|query| query.transport).collect();
    assert_eq!(transports, ["udp", "tcp"], "asked once, and over TCP because it did not fit");
}

#[test]
fn a_chain_of_aliases_comes_whole_and_its_ttls_count_down() {
    let lab = lab();
    let zone = Zone::new()
        .ttl(600)
        .alias("www.shop.example", "shop.example")
        .alias("shop.example", "edge.cdn.example")
        .host("edge.cdn.example", &[UPSTREAM_V4, UPSTREAM_V6]);
    let resolver = lab.resolver(zone);
    let _daemon = start(&lab);
    for (kind, address) in [("A", UPSTREAM_V4), ("AAAA", UPSTREAM_V6)] {
        let told = records(lab.workload(), &["+nottlid", "www.shop.example", kind]);
        assert_eq!(
            told,
            [
                "www.shop.example. IN CNAME shop.example.".to_owned(),
                "shop.example. IN CNAME edge.cdn.example.".to_owned(),
                format!("edge.cdn.example. IN {kind} {address}"),
            ]
        );
    }
    let ttl = || -> u32 {
        let told = records(lab.workload(), &["www.shop.example", "A"]);
        told[0].split(' ').nth(1).and_then(|ttl| ttl.parse().ok()).expect("a TTL")
    };
    let first = ttl();
    crate::lab::backends::eventually("the TTL counts down", || (ttl() < first).then_some(()));
    assert_eq!(resolver.asked().len(), 2);
}

#[test]
fn that_a_name_does_not_exist_is_kept_for_as_long_as_its_soa_record_says() {
    let lab = lab();
    let resolver = lab.resolver(Zone::new().denial(600, 120).host("v4.example", &[UPSTREAM_V4]));
    let _daemon = start(&lab);
    for _ in 0..3 {
        let none = dig(lab.workload(), &["nobody.example", "A"]);
        assert!(none.contains("status: NXDOMAIN") && none.contains("SOA"), "{none}");
        let no_data = dig(lab.workload(), &["v4.example", "AAAA"]);
        assert!(
            no_data.contains("status: NOERROR") && no_data.contains("ANSWER: 0, AUTHORITY: 1"),
            "{no_data}"
        );
        let ttl =
            no_data.lines().find(|line| line.contains("SOA")).and_then(|line| line.split_whitespace().nth(1));
        assert!(
            ttl.and_then(|ttl| ttl.parse::<u32>().ok()).is_some_and(|ttl| (110..=120).contains(&ttl)),
            "{no_data}"
        );
    }
    assert_eq!(resolver.asked().len(), 2);
    // Without an SOA record nobody says how long.
    resolver.replace(Zone::new());
    for _ in 0..2 {
        assert!(dig(lab.workload(), &["missing.example"]).contains("status: NXDOMAIN"));
    }
    assert_eq!(resolver.asked().len(), 4);
}

#[test]
fn what_one_agent_asked_is_answered_to_another_from_the_cache_and_recorded_for_each() {
    let lab = lab();
    let resolver = lab.resolver(Zone::new().host("a.example", &[UPSTREAM_V4]));
    let daemon = start(&lab);
    for space in [lab.workload(), lab.bob()] {
        assert_eq!(dig(space, &["+short", "a.example"]).trim(), UPSTREAM_V4);
    }
    for agent in ["alice", "bob"] {
        daemon.record(&json!({"kind": "dns", "agent_id": agent, "query_name": "a.example", "status": 0}));
    }
    assert_eq!(resolver.asked().len(), 1);
}

#[test]
fn names_that_no_host_has_are_refused_and_nobody_is_asked() {
    let lab = lab();
    let zone = Zone::new().text("_dmarc.example", "v=DMARC1").text("*.example", "wild");
    let resolver = lab.resolver(zone);
    let daemon = start(&lab);
    assert_eq!(dig(lab.workload(), &["+short", "_dmarc.example", "TXT"]).trim(), "\"v=DMARC1\"");
    for name in ["*.example", "\\000\\255.example"] {
        assert!(dig(lab.workload(), &[name, "TXT"]).contains("status: NXDOMAIN"), "{name}");
        daemon.record(&json!({"kind": "dns", "query_name": name, "reason": "dns.denied"}));
    }
    assert_eq!(
        resolver.asked().len(),
        1,
        "nothing could be remembered for them, so no bytes of theirs leave"
    );
    // But for the root, which validating stubs begin with.
    assert!(dig(lab.workload(), &[".", "NS"]).contains("status: NXDOMAIN"));
    assert_eq!(resolver.asked().len(), 2);
}

#[test]
fn a_class_other_than_the_internet_is_refused_with_its_reason_and_nobody_is_asked() {
    let lab = lab();
    let resolver = lab.resolver(Zone::new());
    let daemon = start(&lab);
    for class in ["CH", "HS", "ANY"] {
        let own = dig(lab.workload(), &["-c", class, "clawgress.internal", "A"]);
        assert!(own.contains("status: NXDOMAIN"), "{class}: {own}");
        let said = dig(lab.workload(), &["-c", class, "version.bind", "TXT"]);
        assert!(said.contains("status: NXDOMAIN") && said.contains("EDE: 15"), "{class}: {said}");
    }
    daemon.record(&json!({"kind": "dns", "query_name": "version.bind", "reason": "dns.denied"}));
    assert!(resolver.asked().is_empty());
}

#[test]
fn queries_on_one_connection_are_answered_as_their_answers_come_also_behind_its_end() {
    let lab = lab();
    let zone =
        (0..40).fold(Zone::new(), |zone, number| zone.host(&format!("n{number}.example"), &[UPSTREAM_V4]));
    let _resolver = lab.resolver(zone.silent("slow4.example").silent("slow6.example"));
    let _daemon = start(&lab);
    // One name for each: a failure is kept for a moment.
    for (server, slow) in [(GATEWAY_V4, "slow4.example"), (GATEWAY_V6, "slow6.example")] {
        let ids = lab.workload().enter(|| -> io::Result<Vec<u16>> {
            let mut stream = TcpStream::connect((server, 53))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            // More than are answered at once, and the first is the last to be.
            let mut bytes = framed(&query(Family::V4, slow, 1000));
            (0..40).for_each(|id| bytes.extend(framed(&query(Family::V4, &format!("n{id}.example"), id))));
            stream.write_all(&bytes)?;
            stream.shutdown(Shutdown::Write)?;
            let mut said = Vec::new();
            stream.read_to_end(&mut said)?;
            Ok(ids(&said))
        });
        let mut ids = ids.expect("all answers");
        assert_eq!(ids.pop(), Some(1000), "what is slow holds back nothing");
        ids.sort_unstable();
        assert_eq!(ids, (0..40).collect::<Vec<u16>>());
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).expect("a short query").to_be_bytes(), message].concat()
}

/// The ids of messages behind their lengths.
fn ids(mut bytes: &[u8]) -> Vec<u16> {
    let mut ids = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let (message, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        ids.push(u16::from_be_bytes([message[0], message[1]]));
        bytes = after;
    }
    ids
}
