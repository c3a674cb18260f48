//! What broke other proxies, sent through this one: each row is the attack of a CVE of the field, by its number. The
//! table is docs/cves.md, which names the tests of other files too.

use serde_json::json;

use super::dialogue::{NAME, OPENED, Talk, opening_gateway, zone};
use super::http::{BOTH, get, ok, recorded};
use crate::lab::{Daemon, Lab, Resolver};

/// Under `/vault`, and for team red, `NAME` is denied.
const VAULT: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: vault}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [site.example]
  rules: [{matches: [{path: {type: PathPrefix, value: /vault}}, {headers: [{name: X-Team, value: red}]}]}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressDenyPolicy
metadata: {name: shut}
spec: {targetRef: {kind: EgressHTTPRoute, name: vault}}
";

fn vaulted_gateway(lab: &Lab) -> (Resolver, Daemon<'_>) {
    (lab.resolver(zone()), lab.daemon(&json!({}), &[("all.yaml", OPENED), ("vault.yaml", VAULT)]))
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /attack HTTP/1.1\r\nHost: {NAME}\r\n{fields}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

fn coding(value: &str) -> String {
    post(&format!("Transfer-Encoding:{value}"), "0\r\n\r\n")
}

fn length(value: &str) -> String {
    post(&format!("Content-Length:{value}"), "hello")
}

fn line(line: &str) -> String {
    format!("{line}\r\nHost: {NAME}\r\n\r\n")
}

fn host(value: &str) -> String {
    format!("GET /attack HTTP/1.1\r\nHost: {value}\r\n\r\n")
}

/// Attacks by `Transfer-Encoding`.
fn codings() -> Vec<(&'static str, String)> {
    vec![
        ("CVE-2019-16786", coding(" gzip, chunked")),
        ("CVE-2019-16789", coding("\x0bchunked")),
        ("CVE-2020-11076", coding("\x0cchunked")),
        ("CVE-2020-11077", coding(" chunked, identity")),
        ("CVE-2020-25613", coding(" xchunked")),
        ("CVE-2020-35884", coding(" chunked\x0b")),
        ("CVE-2021-21299", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "0\r\n\r\n")),
        ("CVE-2021-38512", post("Content-Length: 4\r\nTransfer-Encoding: chunked", "1\r\nZ\r\n0\r\n\r\n")),
        ("CVE-2021-39214", post("Transfer-Encoding : chunked", "0\r\n\r\n")),
        ("CVE-2022-1705", coding(" \"chunked\"")),
        ("CVE-2022-24766", post("Transfer-Encoding: chunked\r\n Content-Length: 4", "0\r\n\r\n")),
        ("CVE-2022-32213", coding(" chunkedchunked")),
        ("CVE-2022-32214", post("X: x\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        ("CVE-2022-32215", coding("\r\n chunked")),
        ("CVE-2024-1135", coding(" chunked,gzip")),
        (
            "CVE-2026-2835",
            format!("POST / HTTP/1.0\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
    ]
}

/// Attacks by `Content-Length` and by the form of fields.
fn fields() -> Vec<(&'static str, String)> {
    vec![
        ("CVE-2019-9900", post("X: a\0b", "")),
        ("CVE-2019-16276", post("Content-Length : 5", "hello")),
        ("CVE-2019-16785", post("X: x\nContent-Length: 5", "hello")),
        ("CVE-2019-16792", post("Content-Length: 0\r\nContent-Length: 5", "hello")),
        ("CVE-2020-10108", post("Content-Length: 5\r\nContent-Length: 0", "hello")),
        ("CVE-2020-10109", post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n")),
        ("CVE-2021-22959", post("Content-Length\t: 5", "hello")),
        ("CVE-2021-32715", length(" +5")),
        ("CVE-2021-41136", post("X: x\nX: y", "")),
        ("CVE-2022-24790", post("Content-Length: 5, 6", "hello")),
        ("CVE-2022-24801", length(" 0x5")),
        ("CVE-2023-25725", post(": x\r\nContent-Length: 5", "hello")),
        ("CVE-2023-30589", post("X: x\rContent-Length: 5", "hello")),
        ("CVE-2023-40175", length("")),
        ("CVE-2023-47627", length(" 1_0")),
        ("CVE-2024-23829", line("GET /attack HTTP/1.1_")),
        ("CVE-2024-27982", post(" Content-Length: 5", "hello")),
        ("CVE-2025-6442", length(" 5 5")),
        ("CVE-2025-23167", format!("GET /attack HTTP/1.1\r\nHost: {NAME}\r\n\rX: x\r\n\r\n")),
        ("CVE-2024-45614", post("Content_Length: 5", "hello")),
    ]
}

/// Attacks by chunks, targets and hosts.
fn chunks_and_targets() -> Vec<(&'static str, String)> {
    vec![
        ("CVE-2021-32714", chunked("1000000000000000d\r\nhello\r\n0\r\n\r\n")),
        ("CVE-2022-24761", chunked("+5\r\nhello\r\n0\r\n\r\n")),
        ("CVE-2024-21647", chunked("5;x=\n\r\nhello\r\n0\r\n\r\n")),
        ("CVE-2025-4366", post("Content-Length: 5\r\nContent-Length: 5", "hello")),
        ("CVE-2025-22871", chunked("5\nhello\r\n0\r\n\r\n")),
        ("CVE-2025-43859", chunked("5\r\nhelloXX0\r\n\r\n")),
        ("CVE-2025-55315", chunked("5;\rx\r\nhello\r\n0\r\n\r\n")),
        ("CVE-2025-58056", chunked("5;\nx\r\nhello\r\n0\r\n\r\n")),
        ("CVE-2020-26137", line("GET /attack HTTP/1.1\r\nX: y\n")),
        ("CVE-2023-25690", line("GET /attack HTTP/1.1\rHost:x HTTP/1.1")),
        ("CVE-2023-45539", line("GET /index.html#.png HTTP/1.1")),
        ("CVE-2023-47106", line("GET /attack#/../open HTTP/1.1")),
        ("CVE-2022-29188", host(&format!("[{NAME}]"))),
        ("CVE-2023-29406", host(&format!("{NAME}/attack"))),
        ("CVE-2025-22870", host(&format!("[::1%25.{NAME}]"))),
    ]
}

#[apply(over_both)]
fn attacks_by_framing_are_refused_and_reach_nobody(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let rows: Vec<_> = [codings(), fields(), chunks_and_targets()].concat();
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        for (cve, bytes) in &rows {
            let mut talk = way.talk(lab.workload(), NAME, &daemon);
            talk.say(format!("{bytes}{}", get("/smuggled")));
            let heard = talk.hear();
            assert_eq!(heard.status, 400, "{cve}: {heard:?}");
            heard.is_refusal(400, "protocol.malformed");
            assert!(talk.rest().is_ok_and(|rest| rest.is_empty()), "{cve}: something follows the refusal");
            assert!(origin.untouched(), "{way:?}, {cve}: {:?}", origin.taken());
        }
    }
    let refused = json!({"kind": "request", "decision": "deny", "reason": "protocol.malformed"});
    recorded(&daemon, 2 * rows.len(), &refused);
    recorded(&daemon, 0, &json!({"kind": "request", "decision": "allow"}));
}

#[apply(over_both)]
fn what_only_looks_like_framing_frames_nothing(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let inner = get("/smuggled");
    let long = format!("{}{inner}", "x".repeat(200_000));
    let rows = [
        // The name was taken for `Content-Length` once its length had overflowed.
        (
            "CVE-2021-40346",
            format!("Content-Length0{}:\r\nContent-Length: {}", "a".repeat(255), inner.len()),
            &inner,
        ),
        // The rest of a long body was taken for a request.
        ("CVE-2020-26281", format!("Content-Length: {}", long.len()), &long),
        ("CVE-2019-18802", format!("Content-Length: {} \t", inner.len()), &inner),
    ];
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        for (number, (cve, fields, body)) in rows.iter().enumerate() {
            let heard = way.talk(lab.workload(), NAME, &daemon).ask(post(fields, body));
            assert_eq!((heard.status, heard.text().as_str()), (200, "ok /attack"), "{cve}");
            let taken = origin.taken();
            assert_eq!(taken.len(), number + 1, "{way:?}, {cve}: one request and no other");
            assert_eq!(taken[number].body, body.as_bytes(), "{way:?}, {cve}");
        }
    }
    recorded(&daemon, 2 * rows.len(), &json!({"kind": "request", "decision": "allow", "path": "/attack"}));
    recorded(&daemon, 0, &json!({"kind": "request", "path": "/smuggled"}));
}

#[apply(over_both)]
fn the_body_of_a_refused_request_is_no_request(lab: Lab) {
    let (_resolver, daemon) = vaulted_gateway(&lab);
    let inner = get("/smuggled");
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        // CVE-2019-20372, CVE-2020-35863.
        for body in [
            format!("Content-Length: {}\r\n\r\n{inner}", inner.len()),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()),
        ] {
            let mut talk = way.talk(lab.workload(), NAME, &daemon);
            let heard = talk.ask(format!("POST /vault HTTP/1.1\r\nHost: {NAME}\r\n{body}"));
            heard.is_refusal(403, "policy.denied");
            talk.finish();
            assert!(talk.rest().is_ok_and(|rest| rest.is_empty()), "{way:?}: a second answer");
        }
        assert!(origin.untouched(), "{way:?}: {:?}", origin.taken());
    }
    recorded(
        &daemon,
        4,
        &json!({"kind": "request", "decision": "deny", "reason": "policy.denied", "path": "/vault"}),
    );
    recorded(&daemon, 0, &json!({"kind": "request", "path": "/smuggled"}));
}

/// Spellings of what is denied that others took for something else.
const SPELLINGS: [(&str, &str, &str, &str); 15] = [
    ("CVE-2021-41773", "/open/.%2e/vault", NAME, ""),
    ("CVE-2022-24825", "/vault", "site.example.", ""),
    ("CVE-2022-23632", "/vault", "SITE.example.", ""),
    ("CVE-2024-38473", "/vault%3Fx", NAME, ""),
    ("CVE-2025-32431", "/open/../vault", NAME, ""),
    ("CVE-2025-47952", "/open/%2e%2e/vault", NAME, ""),
    ("CVE-2025-66490", "/open%2f..%2fvault", NAME, ""),
    ("CVE-2025-66490", "/vault%5Cx", NAME, ""),
    ("CVE-2025-66490", "/vault%3Bx", NAME, ""),
    ("CVE-2026-26205", "//vault", NAME, ""),
    ("CVE-2026-27587", "/%76ault%2fx", NAME, ""),
    ("CVE-2026-27588", "/vault", "Site.Example", ""),
    ("CVE-2026-48020", "/open/..;/vault", NAME, ""),
    ("CVE-2019-18802", "/open", NAME, "X-Team: red \t\r\n"),
    ("CVE-2026-33433", "/open", NAME, "x-TEAM: red\r\n"),
];

#[apply(over_both)]
fn what_is_denied_is_denied_in_every_spelling_of_the_field(lab: Lab) {
    let (_resolver, daemon) = vaulted_gateway(&lab);
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        for (cve, path, host, fields) in SPELLINGS {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
            let heard = way.talk(lab.workload(), NAME, &daemon).ask(request);
            let reason = heard.field("x-clawgress-reason").unwrap_or_default().to_owned();
            assert!(["policy.denied", "protocol.malformed"].contains(&&*reason), "{way:?}, {cve}: {heard:?}");
        }
        assert!(origin.untouched(), "{way:?}: {:?}", origin.taken());
    }
    recorded(&daemon, 0, &json!({"kind": "request", "decision": "allow"}));
}

#[apply(over_both)]
fn no_refusal_repeats_what_the_client_said_in_confidence(lab: Lab) {
    let (_resolver, daemon) = vaulted_gateway(&lab);
    let secret = "hunter2-in-confidence";
    let confided = format!("Authorization: Bearer {secret}\r\nCookie: id={secret}\r\n");
    let refused = |path: &str, fields: &str, status: u16| {
        for way in BOTH {
            let request =
                format!("GET {path}?token={secret} HTTP/1.1\r\nHost: {NAME}\r\n{confided}{fields}\r\n");
            let heard = way.talk(lab.workload(), NAME, &daemon).ask(request);
            assert_eq!(heard.status, status, "{way:?}: {heard:?}");
            assert!(!heard.head.contains(secret) && !heard.text().contains(secret), "{way:?}: {heard:?}");
        }
    };
    // CVE-2025-62168: without an upstream, denied, and malformed.
    refused("/open", "", 502);
    let _origins = BOTH.map(|way| way.origin(&lab, ok));
    refused("/vault", "", 403);
    refused("/open", "X : y\r\n", 400);
}

#[apply(over_both)]
fn an_upgrade_to_http2_in_plain_text_opens_no_tunnel(lab: Lab) {
    let (_resolver, daemon) = vaulted_gateway(&lab);
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        let mut talk: Talk = way.talk(lab.workload(), NAME, &daemon);
        // CVE-2022-41721, and the research of 2020 on h2c.
        let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
        let heard = talk.ask(format!("GET /open HTTP/1.1\r\nHost: {NAME}\r\n{upgrade}\r\n"));
        assert_eq!(heard.status, 200, "{way:?}: {heard:?}");
        let head = origin.taken()[0].head.to_ascii_lowercase();
        assert!(!head.contains("h2c") && !head.contains("http2-settings"), "{way:?}: {head}");
        let heard = talk.ask(get("/vault"));
        heard.is_refusal(403, "policy.denied");
        assert_eq!(origin.taken().len(), 1, "{way:?}");
    }
}
