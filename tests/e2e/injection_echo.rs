//! Answers that repeat a credential: what repeats it is covered, wherever it stands and however the answer comes.

use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::dialogue::{NAME, fields, over_tls, plain};
use super::injection::{KEY, ask, injecting, policy, set};
use super::origin::{Origin, Taken};
use super::providers::pieces;
use super::streaming::{PLAIN, TLS};
use super::websocket::upgrade;
use crate::lab::backends::Wire;
use crate::lab::{Lab, websocket};

const BEARER: &str = "target: Header, headerName: Authorization, headerPrefix: 'Bearer '";

/// A site over TLS that answers with what it makes of the key that it got.
fn repeating(lab: &Lab, answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Origin {
    let leaf = lab.pki().leaf(&[NAME]);
    Origin::start(lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), move |taken: &Taken| {
        let value = fields(&taken.head, "authorization").next().unwrap_or_default();
        answer(value.strip_prefix("Bearer ").unwrap_or("no key"))
    })
}

fn cover() -> String {
    "*".repeat(KEY.len())
}

#[apply(over_both)]
fn head_body_and_trailers_repeat_nothing_and_are_as_long_as_before(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", BEARER));
    let _origin = repeating(&lab, |key| {
        let body = json!({"headers": {"authorization": format!("Bearer {key}")}, "twice": key}).to_string();
        let coded = BASE64_STANDARD.encode(format!("Bearer {key}"));
        let size = body.len();
        format!(
            "HTTP/1.1 200 {key}\r\nX-Got: {key}\r\nX-Coded: {coded}\r\nTransfer-Encoding: chunked\r\n\
             Trailer: X-Last\r\n\r\n{size:x}\r\n{body}\r\n0\r\nX-Last: {key}\r\n\r\n"
        )
        .into_bytes()
    });
    set(&daemon, &["site"], KEY);
    let heard = ask(lab.workload(), &daemon, "/x", "TE: trailers\r\n");
    let body: Value = serde_json::from_slice(&heard.body).expect("JSON stays JSON");
    assert_eq!(body, json!({"headers": {"authorization": format!("Bearer {}", cover())}, "twice": cover()}));
    assert_eq!(heard.field("x-got"), Some(&*cover()));
    let coded = heard.field("x-coded").expect("a field");
    assert!(coded.contains("****************"), "{coded}");
    let all = format!("{}{}{}", heard.head, heard.text(), heard.trailers);
    assert!(!all.contains(KEY), "{all}");
    assert!(
        heard.trailers.to_ascii_lowercase().contains(&format!("x-last: {}", cover())),
        "{}",
        heard.trailers
    );
}

#[apply(over_both)]
fn a_key_that_is_cut_by_chunks_is_covered_and_an_event_waits_for_nothing(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", BEARER));
    let _origin = repeating(&lab, |key| {
        pieces("text/event-stream", format!("data: one {key}\n\ndata: {{\"two\": \"{key}\"}}\n\n").as_bytes())
    });
    set(&daemon, &["site"], KEY);
    let heard = ask(lab.workload(), &daemon, "/x", "");
    assert_eq!(heard.text(), format!("data: one {0}\n\ndata: {{\"two\": \"{0}\"}}\n\n", cover()));
}

#[apply(over_both)]
fn an_answer_that_is_coded_all_the_same_is_decoded_or_goes_no_further(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", BEARER));
    let origin = repeating(&lab, |key| {
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        coder.write_all(format!("it is {key}.").as_bytes()).expect("memory");
        let body = coder.finish().expect("memory");
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    });
    set(&daemon, &["site"], KEY);
    let heard = ask(lab.workload(), &daemon, "/x", "Accept-Encoding: gzip, br\r\n");
    assert_eq!((heard.text(), heard.field("content-encoding")), (format!("it is {}.", cover()), None));
    let taken = origin.taken().pop().expect("a request");
    assert_eq!(fields(&taken.head, "accept-encoding").collect::<Vec<_>>(), ["identity"]);
}

#[apply(over_both)]
fn a_websocket_repeats_nothing_either(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, &policy("site", "site", BEARER));
    let leaf = lab.pki().leaf(&[NAME]);
    let _origin = Origin::start(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), |taken| {
        let key = fields(&taken.head, "authorization").next().unwrap_or_default().to_owned();
        let asked = fields(&taken.head, "sec-websocket-extensions").next().map(str::to_owned);
        let proof =
            websocket::proof(fields(&taken.head, "sec-websocket-key").next().expect("a key").as_bytes());
        let text = format!("{key} {asked:?}");
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {proof}\r\n\r\n"
        );
        [head.as_bytes(), &[0x81, u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat()
    });
    set(&daemon, &["site"], KEY);
    let mut talk = over_tls(lab.workload(), TLS, NAME, daemon.authority());
    let asked =
        upgrade("/ws").replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    talk.say(asked);
    assert!(talk.head().starts_with("HTTP/1.1 101 "));
    let expected = format!("Bearer {} None", cover());
    let frame = talk.bytes(2 + expected.len());
    assert_eq!(String::from_utf8_lossy(&frame[2..]), expected);
}

/// A value that no policy binds to anything.
const MOTTO: &str = "plain-words/of+nobody";

/// A site in the open that answers with the motto, coded where that is asked for.
fn indiscreet(lab: &Lab) -> Origin {
    Origin::start(lab, PLAIN, Wire::Plain, |taken: &Taken| {
        let says = if taken.line().contains("/quiet") { "nothing" } else { MOTTO };
        let body = format!("{}it is {says}, {}", "x".repeat(20_000), json!({ "twice": says }));
        if fields(&taken.head, "accept-encoding").next() == Some("gzip") {
            let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
            coder.write_all(body.as_bytes()).expect("memory");
            let body = coder.finish().expect("memory");
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            return [head.as_bytes(), &body].concat();
        }
        format!(
            "HTTP/1.1 200 OK\r\nX-Got: {says}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Last\r\n\r\n\
             {:x}\r\n{body}\r\n0\r\nX-Last: {says}\r\n\r\n",
            body.len()
        )
        .into_bytes()
    })
}

#[apply(over_both)]
fn no_answer_tells_a_value_of_the_vault_though_no_policy_speaks_of_it(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, "");
    let origin = indiscreet(&lab);
    let ask = |path: &str, more: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\nTE: trailers\r\n{more}\r\n");
        plain(lab.workload(), PLAIN).ask(request)
    };
    assert!(ask("/x", "").text().contains(MOTTO), "an empty vault hides nothing");
    set(&daemon, &["motto"], MOTTO);
    let heard = ask("/x", "");
    let cover = "*".repeat(MOTTO.len());
    assert!(heard.text().ends_with(&format!("it is {cover}, {{\"twice\":\"{cover}\"}}")), "{}", heard.text());
    assert_eq!(heard.field("x-got"), Some(&*cover));
    assert!(heard.trailers.to_ascii_lowercase().contains(&format!("x-last: {cover}")), "{}", heard.trailers);

    // What is coded goes on as it came, or not to its end.
    let quiet = ask("/quiet", "Accept-Encoding: gzip\r\n");
    assert_eq!((quiet.status, quiet.field("content-encoding")), (200, Some("gzip")));
    assert!(quiet.body.starts_with(&[0x1f, 0x8b]), "as it came");
    let mut talk = plain(lab.workload(), PLAIN);
    talk.say(format!("GET /x HTTP/1.1\r\nHost: {NAME}\r\nAccept-Encoding: gzip\r\n\r\n"));
    let rest = talk.rest().unwrap_or_default();
    assert!(!rest.windows(MOTTO.len()).any(|part| part == MOTTO.as_bytes()));
    daemon.record(&json!({"kind": "request", "path": "/x", "reason": "dlp.blocked"}));
    let taken = origin.taken().pop().expect("a request");
    assert_eq!(fields(&taken.head, "accept-encoding").collect::<Vec<_>>(), ["gzip"]);
    daemon.cli(&["secret", "remove", "motto"]).succeeded();
    assert!(ask("/x", "").text().contains(MOTTO), "it is nobody's secret any more");
}

#[apply(over_both)]
fn a_websocket_tells_no_value_of_the_vault_either(lab: Lab) {
    let (_resolver, daemon) = injecting(&lab, "");
    let _origin = Origin::start(&lab, PLAIN, Wire::Plain, |taken| {
        let key = fields(&taken.head, "sec-websocket-key").next().expect("a key");
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            websocket::proof(key.as_bytes())
        );
        let length = u8::try_from(MOTTO.len()).expect("a short text");
        [head.as_bytes(), &[0x81, length], MOTTO.as_bytes(), &[0x81, 4], b"more"].concat()
    });
    set(&daemon, &["motto"], MOTTO);
    let mut talk = plain(lab.workload(), PLAIN);
    talk.say(upgrade("/ws"));
    assert!(talk.head().starts_with("HTTP/1.1 101 "));
    let frames = talk.bytes(2 + MOTTO.len() + 6);
    assert_eq!(String::from_utf8_lossy(&frames[2..2 + MOTTO.len()]), "*".repeat(MOTTO.len()));
    assert!(frames.ends_with(b"more"));
}
