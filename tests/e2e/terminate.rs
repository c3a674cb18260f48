//! TLS that is opened: what the client sees, what the upstream must prove, and where the gateway dials. Read next:
//! `alpn`.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::dialogue::{NAME, ORIGIN, client_hello, connect, opening_gateway, over_tls, plain, zone};
use super::origin::Origin;
use crate::lab::backends::Wire;
use crate::lab::program::Finished;
use crate::lab::services::HttpServer;
use crate::lab::{Daemon, Lab, topology};

/// A server on `ORIGIN` with a good certificate.
pub fn server(lab: &Lab, protocols: &[&str]) -> HttpServer {
    let leaf = lab.pki().leaf(&[NAME]);
    lab.backends().http("192.0.2.11:443", Wire::Tls(&leaf, protocols))
}

/// curl in the workload's namespace, trusting one authority.
pub fn curl(lab: &Lab, authority: &Path, arguments: &[&str]) -> Finished {
    lab.workload().command("curl").trusting(authority).args(["-sS"]).args(arguments).run()
}

fn openssl(lab: &Lab, arguments: &[&str]) -> Finished {
    lab.workload().command("openssl").args(arguments).run()
}

/// What `openssl x509` prints of the certificate in `pem`.
fn x509(lab: &Lab, pem: &str, option: &str) -> String {
    let program = lab.workload().command("openssl").args(["x509", "-noout"]).args(option.split(' '));
    program.input(pem).run().succeeded()
}

/// Waits until the records have a refused request and its connection with this reason, and returns the connection.
fn refused_twice(daemon: &Daemon<'_>, host: &str, reason: &str) -> Value {
    let common = json!({"decision": "deny", "reason": reason, "agent_id": "alice", "destination_host": host});
    let with_kind = |kind: &str| {
        let mut fields = common.clone();
        fields["kind"] = kind.into();
        fields
    };
    let request = daemon.record(&with_kind("request"));
    let connection = daemon.record(&with_kind("connection"));
    assert_eq!(request["connection_id"], connection["request_id"], "{request}");
    connection
}

#[apply(over_both)]
fn the_client_sees_a_leaf_for_the_name_signed_by_our_authority_over_tls_1_2_and_1_3(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    server(&lab, &["http/1.1"]);
    let authority = daemon.authority().display().to_string();
    let ask = |version: &str| {
        let connect = format!("{ORIGIN}:443");
        let arguments =
            ["s_client", "-connect", &connect, "-servername", NAME, "-verify_hostname", NAME, version];
        openssl(&lab, &[&arguments[..], &["-CAfile", &authority, "-showcerts"]].concat())
    };
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = ask(version).text();
        assert!(said.contains("Verify return code: 0 (ok)") && said.contains(name), "{said}");
    }
    let old = ask("-tls1_1");
    assert!(old.text().contains("no peer certificate available"), "{old}");

    let pem = ask("-tls1_3").text();
    let text = x509(&lab, &pem, "-text");
    let alternative = text.split("X509v3 Subject Alternative Name:").nth(1).expect("a SAN");
    assert_eq!(alternative.trim_start().lines().next(), Some("DNS:site.example"), "{text}");
    let usage = text.split("X509v3 Extended Key Usage:").nth(1).expect("an EKU").trim_start();
    assert!(usage.starts_with("TLS Web Server Authentication\n"), "{text}");
    assert!(text.contains("CA:FALSE") && text.contains("Public-Key: (256 bit)"), "{text}");
    // The leaf points to the very key that our authority is known by.
    let our_own = std::fs::read_to_string(&authority).expect("the authority");
    let key_id = |extension: &str, pem: &str| {
        let shown = x509(&lab, pem, &format!("-ext {extension}"));
        shown.lines().nth(1).map(|line| line.trim().trim_start_matches("keyid:").to_owned()).expect(&shown)
    };
    assert_eq!(key_id("authorityKeyIdentifier", &pem), key_id("subjectKeyIdentifier", &our_own));
    assert_ne!(key_id("subjectKeyIdentifier", &pem), key_id("subjectKeyIdentifier", &our_own));
    // Backdated by an hour: clocks of workloads differ.
    let begin = x509(&lab, &pem, "-startdate");
    let begin = begin.trim().trim_start_matches("notBefore=");
    let begin = lab.workload().command("date").args(["-d", begin, "+%s"]).run().succeeded();
    let begin: u64 = begin.trim().parse().expect("seconds");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    assert!((3590..=3720).contains(&(now - begin)), "it began {} s ago", now - begin);
    daemon.record(&json!({
        "kind": "connection", "decision": "allow", "protocol": "tls-terminate", "destination_host": NAME,
        "policy_id": "EgressHTTPRoute/sites",
    }));
}

#[apply(over_both)]
fn an_upstream_with_a_bad_certificate_is_502_over_our_tls_and_sees_no_request(lab: Lab) {
    let pki = lab.pki();
    let cases = [
        ("expired.site.example", "192.0.2.11", pki.expired(&["expired.site.example"]), "expired"),
        ("early.site.example", "192.0.2.12", pki.not_yet_valid(&["early.site.example"]), "not valid yet"),
        ("wrong.site.example", "192.0.2.13", pki.wrong_name(), "somebody-else.example"),
        ("self.site.example", "192.0.2.14", pki.self_signed(&["self.site.example"]), "issuer"),
        ("foreign.site.example", "192.0.2.15", pki.foreign(&["foreign.site.example"]), "issuer"),
    ];
    let zone = cases.iter().fold(zone(), |zone, (name, address, ..)| zone.host(name, &[address]));
    let (_resolver, daemon) = opening_gateway(&lab, zone);
    for (name, address, leaf, word) in &cases {
        let server = lab.backends().http(&format!("{address}:443"), Wire::Tls(leaf, &["h2", "http/1.1"]));
        for version in ["--http1.1", "--http2"] {
            let url = format!("https://{name}/headers");
            let heard = curl(&lab, daemon.authority(), &["-i", version, &url]).succeeded();
            let (head, body) = heard.split_once("\r\n\r\n").expect("a head");
            assert_eq!(head.split(' ').nth(1), Some("502"), "{heard}");
            assert!(head.contains("x-clawgress-reason: tls.untrusted-upstream"), "{heard}");
            assert!(head.contains("content-type: application/problem+json"), "{heard}");
            let problem: Value = serde_json::from_str(body).expect("a problem in JSON");
            assert_eq!(problem["code"], "tls.untrusted-upstream");
        }
        let row = refused_twice(&daemon, name, "tls.untrusted-upstream");
        let evidence = row["evidence"].as_str().unwrap_or_default();
        assert!(evidence.contains(&lab.twin(address)) && evidence.contains(word), "{name}: {row}");
        assert_eq!(row["status"], 502, "{row}");
        assert!(server.untouched(), "{name}: {:?}", server.seen());
    }
}

#[apply(over_both)]
fn the_upstream_is_dialled_and_verified_before_the_client_gets_our_certificate(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    // An upstream that takes the ClientHello and says nothing, until it resets.
    let (tell, told) = std::sync::mpsc::channel();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = std::sync::Mutex::new(Some(gone));
    lab.backends().serve("192.0.2.11:443", Wire::Plain, move |mut stream, _| {
        let (tell, gone) = (tell.clone(), gone.lock().expect("no panic").take());
        async move {
            let mut hello = vec![0; 4096];
            let length = tokio::io::AsyncReadExt::read(&mut stream, &mut hello).await?;
            hello.truncate(length);
            tell.send(hello).expect("the test waits");
            if let Some(gone) = gone {
                let _ = gone.await;
            }
            stream.reset_on_close();
            Ok(())
        }
    });
    let mut stream = connect(lab.workload(), "192.0.2.11:443");
    stream.write_all(&client_hello(daemon.authority(), NAME)).expect("sent");
    let hello = told.recv_timeout(Duration::from_secs(5)).expect("a ClientHello at the upstream");
    // The name is sent as SNI (RFC 6066, section 3).
    let name = [&[0, 0, u8::try_from(NAME.len()).expect("short")], NAME.as_bytes()].concat();
    assert!(hello.windows(name.len()).any(|window| window == name), "no SNI in {hello:?}");
    stream.set_nonblocking(true).expect("a socket option");
    let early = stream.read(&mut [0; 16]).expect_err("nothing may be said yet");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    go.send(()).expect("the upstream waits");
    stream.set_nonblocking(false).expect("a socket option");
    // Now our own TLS begins, to carry the refusal.
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("a ServerHello");
    assert_eq!(first, [22]);
    drop(stream);
    daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": "upstream.failed", "destination_host": NAME,
    }));
}

#[apply(over_both)]
fn the_upstream_always_gets_the_name_as_sni_confirmed_by_dns_or_not(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    // A fatal alert, handshake_failure: enough to see what the gateway says first.
    let upstream = lab.backends().raw("192.0.2.11:443", Wire::Plain, b"\x15\x03\x03\0\x02\x02\x28");
    let resolve = format!("{NAME}:443:{ORIGIN}");
    let url = format!("https://{NAME}/");
    for (number, arguments) in [&["--resolve", &resolve, &url][..], &[&url]].into_iter().enumerate() {
        let heard = curl(&lab, daemon.authority(), &[&["-i"], arguments].concat()).succeeded();
        assert!(heard.contains("x-clawgress-reason: upstream.failed"), "{heard}");
        let received = upstream.received();
        let hello = received.get(number).expect("a ClientHello");
        let name = [&[0, 0, u8::try_from(NAME.len()).expect("short")], NAME.as_bytes()].concat();
        assert!(hello.windows(name.len()).any(|window| window == name), "no SNI in {hello:?}");
    }
    refused_twice(&daemon, NAME, "upstream.failed");
}

#[apply(over_both)]
fn an_upstream_that_cannot_be_reached_is_502_or_504_with_its_reason(lab: Lab) {
    let zone = zone()
        .host("closed.site.example", &["192.0.2.14"])
        .host("silent.site.example", &["203.0.113.9"])
        .text("empty.site.example", "no address here");
    let (_resolver, daemon) = opening_gateway(&lab, zone);
    topology::ip(Some(lab.upstream()), &lab.twin("route add blackhole 203.0.113.9/32\n"));
    for (name, status, reason) in [
        ("closed.site.example", "502", "upstream.unreachable"),
        ("nowhere.site.example", "502", "upstream.unreachable"),
        ("empty.site.example", "502", "upstream.unreachable"),
        ("silent.site.example", "504", "upstream.timeout"),
    ] {
        for scheme in ["https", "http"] {
            // Names without an address cannot be asked for over plain HTTP by an address that is theirs either: the
            // gateway believes its own resolution alone.
            let port = if scheme == "https" { 443 } else { 80 };
            let resolve = format!("{name}:{port}:192.0.2.14");
            let begun = Instant::now();
            let url = format!("{scheme}://{name}/");
            if scheme == "http" && status == "504" {
                continue;
            }
            let heard =
                curl(&lab, daemon.authority(), &["-i", "--http1.1", "--resolve", &resolve, &url]).succeeded();
            assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {heard}");
            assert!(heard.contains(&format!("x-clawgress-reason: {reason}")), "{name}: {heard}");
            assert!(begun.elapsed() < Duration::from_secs(8), "{name}: {:?}", begun.elapsed());
        }
        refused_twice(&daemon, name, reason);
    }
}

#[apply(over_both)]
fn a_name_that_dns_did_not_give_for_the_address_is_dialled_at_the_gateways_own_answer(lab: Lab) {
    let (resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    let honest = lab.backends().http("192.0.2.11:443", Wire::Tls(&leaf, &["h2", "http/1.1"]));
    // Even with a good certificate for the name it is not where the name leads.
    let claimed = lab.backends().http("192.0.2.14:443", Wire::Tls(&leaf, &["h2", "http/1.1"]));
    let plain_honest = Origin::ok(&lab, "192.0.2.11:80", Wire::Plain);
    let plain_claimed = Origin::ok(&lab, "192.0.2.14:80", Wire::Plain);
    let resolve = format!("{NAME}:443:192.0.2.14");
    let url = format!("https://{NAME}/download/4");
    let heard = curl(&lab, daemon.authority(), &["--resolve", &resolve, &url]).succeeded();
    assert_eq!(heard, "xxxx");
    assert_eq!((honest.seen().len(), claimed.untouched()), (1, true));
    let heard =
        plain(lab.workload(), "192.0.2.14:80").ask(format!("GET /p HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
    assert_eq!((heard.status, heard.text().as_str()), (200, "ok /p"));
    assert_eq!((plain_honest.taken().len(), plain_claimed.untouched()), (1, true));
    assert!(resolver.was_asked_for(NAME));
    // The records tell where the bytes really went.
    for path in ["/download/4", "/p"] {
        daemon.record(&json!({
            "kind": "request", "decision": "allow", "destination_host": NAME, "path": path, "status": 200,
            "destination_address": lab.twin(ORIGIN),
        }));
    }
}

#[apply(over_both)]
fn tls_without_a_server_name_is_refused_by_an_alert(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let upstream = lab.backends().raw("192.0.2.11:443", Wire::Plain, b"");
    let said = openssl(&lab, &["s_client", "-connect", "192.0.2.11:443", "-noservername"]);
    // unrecognized_name (RFC 6066, section 3).
    assert!(said.errors().contains("SSL alert number 112"), "{said}");
    let row = daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": "tls.no-name", "agent_id": "alice",
        "destination_address": lab.twin(ORIGIN), "destination_port": 443,
    }));
    assert_eq!(row.get("destination_host"), None, "{row}");
    assert!(upstream.untouched());
}

#[apply(over_both)]
fn bytes_that_begin_like_tls_and_are_not_are_refused_as_malformed(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let upstream = lab.backends().raw("192.0.2.11:443", Wire::Plain, b"");
    let hello = client_hello(daemon.authority(), NAME);
    // A hello whose inner lengths lie; a record that is too long; an alert first; noise.
    let mut lying = hello.clone();
    lying[43] = 0xff;
    let noise = [&[22, 3, 1, 0, 32][..], &[0xff; 32]].concat();
    let wide = [&[22, 3, 1, 0xff, 0xff][..], &[1; 64]].concat();
    let cases = [lying, noise, wide, vec![21, 3, 3, 0, 2, 2, 40]];
    for (number, bytes) in cases.iter().enumerate() {
        let mut stream = connect(lab.workload(), "192.0.2.11:443");
        stream.write_all(bytes).expect("sent");
        let mut answer = Vec::new();
        let begun = Instant::now();
        let _ = stream.read_to_end(&mut answer);
        assert!(begun.elapsed() < Duration::from_secs(1), "case {number}: {:?}", begun.elapsed());
        if bytes[0] == 22 {
            assert_eq!((answer.first(), answer.get(5)), (Some(&21), Some(&2)), "case {number}: {answer:?}");
        }
    }
    let refused = || {
        let rows = daemon.records(&[]);
        let ours = |row: &&Value| row["kind"] == "connection" && row["reason"] == "protocol.malformed";
        rows.iter().filter(ours).count()
    };
    crate::lab::backends::eventually("a record for each", || (refused() == cases.len()).then_some(()));
    assert!(upstream.untouched());
}

#[apply(over_both)]
fn a_client_that_is_slow_to_say_its_first_word_on_a_web_port_is_waited_for(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    server(&lab, &["http/1.1"]);
    Origin::ok(&lab, "192.0.2.11:80", Wire::Plain);
    let mut secure = over_tls(lab.workload(), "192.0.2.11:443", NAME, daemon.authority());
    let mut open = plain(lab.workload(), "192.0.2.11:80");
    // Longer than a client may be silent elsewhere, where the server could be the one to speak first.
    open.tcp().set_read_timeout(Some(Duration::from_millis(600))).expect("a socket option");
    let nothing = open.some().expect_err("nobody speaks yet");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    open.tcp().set_read_timeout(Some(Duration::from_secs(5))).expect("a socket option");
    let request = format!("GET /download/3 HTTP/1.1\r\nHost: {NAME}\r\n\r\n");
    assert_eq!(open.ask(&request).text(), "ok /download/3");
    assert_eq!(secure.ask(&request).text(), "xxx");
    for port in [80, 443] {
        daemon.record(
            &json!({"kind": "request", "decision": "allow", "destination_port": port, "status": 200}),
        );
    }
}
