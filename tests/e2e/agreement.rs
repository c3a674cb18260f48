//! Names agree: what DNS gave, what TLS says, where the gateway dials and what each request names, in every spelling
//! and over both families, with the tools that people use to go around it. Read next: `names`.

use std::io::{ErrorKind, Read, Write};

use serde_json::json;

use super::dialogue::{NAME, OPENED, ORIGIN, ORIGIN_OF_OTHER, OTHER, Talk, connect, over_tls, plain};
use super::http::{Way, get, ok, recorded};
use super::http2::Http2;
use super::origin::Origin;
use super::terminate::curl;
use crate::lab::backends::Wire;
use crate::lab::daemon::alice_and_gateway;
use crate::lab::{Daemon, Lab, Resolver, Zone};

/// Where `NAME` is over IPv6.
const ORIGIN_V6: &str = "2001:db8:1::11";
/// Where `OTHER` is over IPv6.
const OTHER_V6: &str = "2001:db8:1::12";

/// `NAME` and `OTHER` in both families, and a name beyond ASCII beside `NAME`.
fn zone() -> Zone {
    Zone::new()
        .host(NAME, &[ORIGIN, ORIGIN_V6])
        .host(OTHER, &[ORIGIN_OF_OTHER, OTHER_V6])
        .host("xn--bcher-kva.site.example", &[ORIGIN, ORIGIN_V6])
}

fn gateway(lab: &Lab) -> (Resolver, Daemon<'_>) {
    (lab.resolver(zone()), lab.daemon(&json!({}), &[("all.yaml", OPENED)]))
}

/// Upstreams of one name in both families and both ways.
fn origins(lab: &Lab, [v4, v6]: [&str; 2], names: &[&str]) -> Vec<Origin> {
    let leaf = lab.pki().leaf(names);
    let here = [v4.to_owned(), format!("[{v6}]")];
    let start = |address: &String| {
        let tls = Wire::Tls(&leaf, &["http/1.1"]);
        [
            Origin::start(lab, &format!("{address}:80"), Wire::Plain, ok),
            Origin::start(lab, &format!("{address}:443"), tls, ok),
        ]
    };
    here.iter().flat_map(start).collect()
}

/// A conversation for `NAME`, over one family.
fn talk(lab: &Lab, daemon: &Daemon<'_>, way: Way, v6: bool) -> Talk {
    let host = if v6 { format!("[{ORIGIN_V6}]") } else { ORIGIN.to_owned() };
    match way {
        Way::Plain => plain(lab.workload(), &format!("{host}:80")),
        Way::Tls => over_tls(lab.workload(), &format!("{host}:443"), NAME, daemon.authority()),
    }
}

const WAYS: [(Way, bool); 4] = [(Way::Plain, false), (Way::Plain, true), (Way::Tls, false), (Way::Tls, true)];

#[test]
fn every_spelling_of_a_host_is_held_against_the_connection_over_both_families() {
    let lab = Lab::new();
    let (_resolver, daemon) = gateway(&lab);
    let origins = origins(&lab, [ORIGIN, ORIGIN_V6], &[NAME]);
    // The same name, whoever writes it how.
    let same =
        ["site.example", "SITE.Example", "site.example.", "site\u{3002}example", "\u{ff53}ite.example"];
    // Well formed, and another host: homoglyphs (a Cyrillic letter) stay apart, and so do addresses.
    let others = [
        "other.example",
        "s\u{456}te.example",
        "xn--ste-lx5a.example",
        "site.example.other.example",
        "192.0.2.11",
        "[2001:db8:1::11]",
        "site.example:8443",
    ];
    // No one host at all.
    let none = [
        "site.example@other.example",
        "other.example#@site.example",
        "site.example%40other.example",
        "other.example\\@site.example",
        "other.example/@site.example",
        "site.example:",
        "site.example:0",
        "site.example:+443",
        "site.example, other.example",
        "site..example",
        "site.example..",
        "3221225995",
        "0xc0.0.2.11",
        "192.0.2.011",
        "[fe80::1%25eth0]",
        "[2001:db8:1::11",
        "xn--a.example\u{e4}\u{200b}",
        "",
    ];
    for (way, v6) in WAYS {
        let say = |host: &str| {
            talk(&lab, &daemon, way, v6)
                .ask(format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
        };
        for host in same {
            let heard = say(host);
            assert_eq!(heard.status, 200, "{way:?} {host}: {heard:?}");
        }
        let port = if way == Way::Plain { 80 } else { 443 };
        assert_eq!(say(&format!("site.example:{port}")).status, 200);
        // A first request of plain text is a claim like a server name; what follows it on its connection is held to it.
        for host in others {
            let mut talk = talk(&lab, &daemon, way, v6);
            assert_eq!(talk.ask(get("/first")).status, 200);
            talk.ask(format!("GET /other HTTP/1.1\r\nHost: {host}\r\n\r\n")).is_refusal(421, "name.mismatch");
        }
        for host in none {
            let mut talk = talk(&lab, &daemon, way, v6);
            assert_eq!(talk.ask(get("/first")).status, 200);
            let heard = talk.ask(format!("GET /none HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(
                (heard.status, heard.field("x-clawgress-reason")),
                (400, Some("protocol.malformed")),
                "{host}"
            );
        }
    }
    let forwarded: Vec<_> = origins.iter().flat_map(Origin::taken).collect();
    assert!(
        forwarded
            .iter()
            .all(|taken| taken.line() != "GET /other HTTP/1.1" && taken.line() != "GET /none HTTP/1.1")
    );
    let ascii = |taken: &&super::origin::Taken| taken.head.is_ascii();
    assert_eq!(
        forwarded.iter().filter(ascii).count(),
        forwarded.len(),
        "what is not ASCII leaves in its one form"
    );
    recorded(&daemon, 4 * others.len(), &json!({"reason": "name.mismatch", "path": "/other", "status": 421}));
}

#[test]
fn an_absolute_url_and_two_hosts_are_no_second_opinion() {
    let lab = Lab::new();
    let (_resolver, daemon) = gateway(&lab);
    let origins = origins(&lab, [ORIGIN, ORIGIN_V6], &[NAME]);
    for (way, v6) in WAYS {
        let scheme = if way == Way::Plain { "http" } else { "https" };
        let wrong = if way == Way::Plain { "https" } else { "http" };
        for (target, hosts, status) in [
            (format!("{scheme}://{NAME}/a"), &[NAME][..], 200),
            (format!("{scheme}://SITE.example./a"), &[NAME], 200),
            (format!("{scheme}://{OTHER}/a"), &[OTHER], 421),
            (format!("{wrong}://{NAME}/a"), &[NAME], 421),
            (format!("{scheme}://{OTHER}/a"), &[NAME], 400),
            (format!("{scheme}://{NAME}/a"), &[OTHER], 400),
            (format!("{scheme}://{NAME}@{OTHER}/a"), &[NAME], 400),
            (format!("//{OTHER}/a"), &[NAME], 200),
            ("/a".to_owned(), &[NAME, OTHER], 400),
            ("/a".to_owned(), &[NAME, NAME], 400),
            ("/a".to_owned(), &[], 400),
        ] {
            let mut talk = talk(&lab, &daemon, way, v6);
            assert_eq!(talk.ask(get("/first")).status, 200);
            let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
            let heard = talk.ask(format!("GET {target} HTTP/1.1\r\n{hosts}\r\n"));
            assert_eq!(heard.status, status, "{way:?} {target} {hosts:?}: {heard:?}");
        }
    }
    for taken in origins.iter().flat_map(Origin::taken) {
        assert!(
            taken.head.contains(&format!("\r\nHost: {NAME}\r\n")) || taken.head.contains("SITE.example."),
            "{taken:?}"
        );
    }
}

#[test]
fn fields_that_tell_a_server_of_another_host_or_path_are_neither_believed_nor_passed() {
    let lab = Lab::new();
    let (_resolver, daemon) = gateway(&lab);
    let origins = origins(&lab, [ORIGIN, ORIGIN_V6], &[NAME]);
    let overrides = ["X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "X-Original-Host", "X-Host"];
    for (way, v6) in WAYS {
        for name in overrides {
            let request = format!("GET /a HTTP/1.1\r\nHost: {NAME}\r\n{name}: {OTHER}\r\nX-Kept: 1\r\n\r\n");
            assert_eq!(talk(&lab, &daemon, way, v6).ask(request).status, 200, "{name}");
        }
        let request =
            format!("GET /a HTTP/1.1\r\nHost: {NAME}\r\nForwarded: host={OTHER}\r\nX-Kept: 1\r\n\r\n");
        assert_eq!(talk(&lab, &daemon, way, v6).ask(request).status, 200);
    }
    let taken: Vec<_> = origins.iter().flat_map(Origin::taken).collect();
    assert_eq!(taken.len(), 4 * (overrides.len() + 1));
    for head in taken.iter().map(|taken| taken.head.to_ascii_lowercase()) {
        assert!(overrides.iter().all(|name| !head.contains(&name.to_ascii_lowercase())), "{head}");
        assert!(
            head.contains("x-kept: 1") && (head.contains("forwarded: host=") || !head.contains(OTHER)),
            "{head}"
        );
    }
}

#[test]
fn domain_fronting_is_a_mismatch_and_the_record_shows_all_names() {
    let lab = Lab::new();
    let (_resolver, daemon) = gateway(&lab);
    let leaf = lab.pki().leaf(&[NAME, OTHER]);
    for address in ["192.0.2.11:443", "[2001:db8:1::11]:443"] {
        lab.backends().http(address, Wire::Tls(&leaf, &["h2", "http/1.1"]));
    }
    let url = format!("https://{NAME}/headers");
    for family in ["-4", "-6"] {
        for version in ["--http1.1", "--http2"] {
            for hidden in [OTHER, "paste.example"] {
                let host = format!("Host: {hidden}");
                let heard =
                    curl(&lab, daemon.authority(), &["-i", family, version, "-H", &host, &url]).succeeded();
                assert!(
                    heard.contains("421") && heard.contains("name.mismatch"),
                    "{family} {version} {hidden}: {heard}"
                );
            }
        }
    }
    recorded(&daemon, 8, &json!({"kind": "request", "reason": "name.mismatch", "destination_host": NAME}));
    for row in daemon.records(&[]).iter().filter(|row| row["reason"] == "name.mismatch") {
        let seen = row["evidence"].as_str().expect("evidence");
        let address = row["destination_address"].as_str().expect("an address");
        let hidden = seen.contains(OTHER) || seen.contains("paste.example");
        let given = format!("; server name {NAME}; {address} was given for {NAME}");
        assert!(hidden && seen.ends_with(&given), "{seen}");
    }
}

#[test]
fn the_name_of_one_host_at_the_address_of_another_leads_to_the_host_that_is_named() {
    let lab = Lab::new();
    let (_resolver, daemon) = gateway(&lab);
    let wrong = origins(&lab, [ORIGIN, ORIGIN_V6], &[NAME, OTHER]);
    let right = origins(&lab, [ORIGIN_OF_OTHER, OTHER_V6], &[OTHER]);
    // Both names are looked up, so both addresses are known.
    for name in [NAME, OTHER] {
        lab.workload().command("getent").args(["ahosts", name]).run().succeeded();
    }
    for address in [ORIGIN, ORIGIN_V6] {
        let literal = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        for (scheme, port) in [("https", 443), ("http", 80)] {
            let url = format!("{scheme}://{OTHER}/named");
            let resolve = format!("{OTHER}:{port}:{address}");
            let heard = curl(&lab, daemon.authority(), &["--resolve", &resolve, &url]).succeeded();
            assert_eq!(heard, "ok /named");
            let connect_to = format!("{OTHER}:{port}:{literal}:{port}");
            let heard = curl(&lab, daemon.authority(), &["--connect-to", &connect_to, &url]).succeeded();
            assert_eq!(heard, "ok /named");
        }
    }
    assert!(wrong.iter().all(Origin::untouched), "the address that the agent chose is never dialled");
    assert_eq!(right.iter().map(|origin| origin.taken().len()).sum::<usize>(), 8);
    daemon.record(&json!({
        "kind": "connection", "decision": "allow", "destination_host": OTHER, "destination_address": ORIGIN_OF_OTHER,
        "destination_port": 443,
    }));
    let rows = daemon.records(&["--kind", "connection"]);
    assert!(
        rows.iter().all(|row| row["destination_address"] == ORIGIN_OF_OTHER),
        "records tell where the bytes went"
    );
    // `openssl s_client` says one name and dials the other's address, too.
    let arguments =
        ["s_client", "-connect", "192.0.2.11:443", "-servername", OTHER, "-verify_hostname", OTHER];
    let authority = daemon.authority().display().to_string();
    let shown = lab.workload().command("openssl").args(arguments).args(["-CAfile", &authority]).run();
    assert!(shown.text().contains("Verify return code: 0 (ok)"), "{shown}");
}

#[test]
fn an_address_without_a_name_is_refused_in_every_protocol_and_says_so() {
    let lab = Lab::new();
    let (_resolver, daemon) = gateway(&lab);
    let touched: Vec<_> = ["192.0.2.14:80", "[2001:db8:1::14]:80", "192.0.2.14:443", "[2001:db8:1::14]:443"]
        .map(|address| lab.backends().raw(address, Wire::Plain, b"x"))
        .into();
    for host in ["192.0.2.14", "[2001:db8:1::14]"] {
        let heard = curl(&lab, daemon.authority(), &[&format!("http://{host}/")]).succeeded();
        assert!(heard.contains("policy.no-route") && heard.contains("an address without a name"), "{heard}");
        let refused = curl(&lab, daemon.authority(), &[&format!("https://{host}/")]);
        assert_eq!(refused.code(), 35, "an alert: {refused}");
        // RFC 8446, section 6.2: unrecognized_name is what tells why.
        assert!(refused.to_string().contains("unrecognized name"), "{refused}");
        let mut raw = connect(lab.workload(), &format!("{host}:7000"));
        raw.write_all(b"\x01hello").expect("sent");
        assert_eq!(raw.read(&mut [0; 1]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    }
    for address in ["192.0.2.14", "2001:db8:1::14"] {
        for (reason, port) in [("policy.no-route", 80), ("tls.no-name", 443), ("policy.no-route", 7000)] {
            daemon.record(&json!({
                "kind": "connection", "decision": "deny", "reason": reason, "destination_address": address,
                "destination_port": port,
            }));
        }
    }
    assert!(touched.iter().all(|raw| raw.untouched()));
}

#[test]
fn ports_that_are_not_the_usual_ones_are_judged_alike() {
    let lab = Lab::new();
    let (_resolver, daemon) = gateway(&lab);
    let leaf = lab.pki().leaf(&[NAME]);
    for address in ["192.0.2.11", "[2001:db8:1::11]"] {
        Origin::start(&lab, &format!("{address}:8080"), Wire::Plain, ok);
        Origin::start(&lab, &format!("{address}:8443"), Wire::Tls(&leaf, &["http/1.1"]), ok);
    }
    for family in ["-4", "-6"] {
        for place in ["http://site.example:8080", "https://site.example:8443"] {
            let ask = |arguments: &[&str]| {
                curl(&lab, daemon.authority(), &[&[family], arguments].concat()).succeeded()
            };
            assert_eq!(ask(&[&format!("{place}/a")]), "ok /a");
            let fronted = ask(&["-H", "Host: paste.example:8080", &format!("{place}/a")]);
            let reason = if place.starts_with("https") { "name.mismatch" } else { "policy.no-route" };
            assert!(fronted.contains(reason), "{place}: {fronted}");
            let usual = ask(&["-H", "Host: site.example:443", &format!("{place}/a")]);
            assert!(usual.contains("name.mismatch"), "{place}: {usual}");
        }
    }
}

/// Alice behind a gateway that reads nothing: bytes are relayed to hosts by name.
fn relaying<'lab>(lab: &'lab Lab, names: &str) -> Daemon<'lab> {
    let route = format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {{name: names}}\nspec:\n  \
         parentRefs: [{{kind: EgressGateway, name: default}}]\n  \
         rules: [{{matches: [{{destinationHostnames: [{names}]}}]}}]\n"
    );
    let base =
        alice_and_gateway("{name: tcp, protocol: TCP}, {name: tls, protocol: TLS, tls: {mode: Passthrough}}");
    lab.daemon(&json!({}), &[("base.yaml", &base), ("names.yaml", &route)])
}

/// A route that names a host for a port which no test asks for.
fn elsewhere(name: &str) -> String {
    format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {{name: elsewhere}}\nspec:\n  \
         parentRefs: [{{kind: EgressGateway, name: default}}]\n  \
         rules: [{{matches: [{{destinationHostnames: [{name}], ports: [{{port: 9}}]}}]}}]\n"
    )
}

fn look_up(lab: &Lab, name: &str) {
    lab.workload().command("getent").args(["ahosts", name]).run().succeeded();
}

/// Whether raw bytes to this address come back.
fn echoes(lab: &Lab, address: &str) -> bool {
    let mut stream = connect(lab.workload(), address);
    stream.write_all(b"\x01hi").expect("sent");
    let mut back = [0; 3];
    stream.read_exact(&mut back).is_ok() && &back == b"\x01hi"
}

#[test]
fn two_names_on_one_shared_address_do_not_open_each_other() {
    let lab = Lab::new();
    let shared = ["192.0.2.15", "2001:db8:1::15"];
    let _resolver = lab.resolver(Zone::new().host("good.example", &shared).host("evil.example", &shared));
    let daemon = relaying(&lab, "good.example");
    // So that the other may be looked up, and reached elsewhere.
    daemon.write_policy("evil.yaml", &elsewhere("evil.example"));
    daemon.reload();
    for address in ["192.0.2.15:7000", "[2001:db8:1::15]:7000"] {
        lab.backends().echo(address, Wire::Plain);
    }
    look_up(&lab, "evil.example");
    for address in ["192.0.2.15:7000", "[2001:db8:1::15]:7000"] {
        assert!(!echoes(&lab, address), "only the other name was asked for");
    }
    look_up(&lab, "good.example");
    for address in ["192.0.2.15:7000", "[2001:db8:1::15]:7000"] {
        assert!(echoes(&lab, address), "now it is this name's address too");
    }
    for address in shared {
        daemon.record(&json!({"reason": "policy.no-route", "destination_host": "evil.example", "destination_address": address}));
        daemon.record(
            &json!({"decision": "allow", "destination_host": "good.example", "destination_address": address}),
        );
    }
    // In TLS that nobody opens the name in the open counts, whatever else the address is.
    for address in ["192.0.2.15:443", "[2001:db8:1::15]:443"] {
        let arguments = ["s_client", "-connect", address, "-servername", "evil.example"];
        let refused = lab.workload().command("openssl").args(arguments).run();
        assert!(refused.to_string().contains("access denied"), "{refused}");
    }
}

#[test]
fn answers_that_rotate_and_expire_at_once_refuse_nobody_who_keeps_to_an_old_one() {
    let lab = Lab::new();
    let turns = [
        ["192.0.2.16", "2001:db8:1::16"],
        ["192.0.2.17", "2001:db8:1::17"],
        ["192.0.2.18", "2001:db8:1::18"],
    ];
    let turn = |number: usize| Zone::new().ttl(0).host("good.example", &turns[number % turns.len()]);
    let resolver = lab.resolver(turn(0));
    let daemon = relaying(&lab, "good.example");
    let places: Vec<String> =
        turns.iter().flat_map(|[v4, v6]| [format!("{v4}:7000"), format!("[{v6}]:7000")]).collect();
    for place in &places {
        lab.backends().echo(place, Wire::Plain);
    }
    // One connection is kept from the first answer on.
    look_up(&lab, "good.example");
    let mut kept = connect(lab.workload(), &places[0]);
    for number in 1..=3 {
        resolver.replace(turn(number));
        look_up(&lab, "good.example");
        for place in &places[..2 * number.min(2) + 2] {
            assert!(echoes(&lab, place), "turn {number}, {place}: an earlier answer is as good");
        }
        kept.write_all(b"\x01on").expect("sent");
        kept.read_exact(&mut [0; 3]).expect("the kept connection lives");
    }
    assert!(daemon.records(&[]).iter().all(|row| row["decision"] != "deny"));
    // Several addresses in one answer, of which a client tries any.
    resolver.replace(turns.iter().fold(Zone::new().ttl(1), |zone, one| zone.host("good.example", one)));
    look_up(&lab, "good.example");
    assert!(places.iter().rev().all(|place| echoes(&lab, place)));
}

#[test]
fn an_upgrade_must_name_the_host_of_its_connection_too() {
    let lab = Lab::new();
    let (_resolver, daemon) = gateway(&lab);
    let leaf = lab.pki().leaf(&[NAME, OTHER]);
    let server = lab.backends().http("192.0.2.11:443", Wire::Tls(&leaf, &["h2", "http/1.1"]));
    let mut talk = over_tls(lab.workload(), "192.0.2.11:443", NAME, daemon.authority());
    let upgrade = |host: &str, to: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {to}\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    for to in ["websocket", "h2c"] {
        talk.ask(upgrade(OTHER, to)).is_refusal(421, "name.mismatch");
    }
    talk.say(upgrade(NAME, "websocket"));
    assert!(talk.head().starts_with("HTTP/1.1 101"), "the connection is still good for its own name");
    let trust = (daemon.authority(), &["h2"][..]);
    let mut client = Http2::over_tls(lab.workload(), "192.0.2.11:443", NAME, trust);
    let (head, _) = client.get(&format!("https://{OTHER}/ws"));
    assert_eq!(head.status, 421);
    assert_eq!(server.seen().len(), 1);
}
