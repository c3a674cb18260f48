//! HTTP/1.1 as the agent sends it and as the upstream gets it: connections, bodies, targets and fields. Read next:
//! `names`, `guard`.

use serde_json::{Value, json};

use super::dialogue::{NAME, OTHER, Talk, fields, opening_gateway, over_tls, plain, zone};
use super::origin::{Origin, Taken};
use crate::lab::backends::{Wire, eventually};
use crate::lab::{Daemon, Lab, Namespace};

/// Both ways to speak HTTP to the same upstream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    Plain,
    Tls,
}

pub const BOTH: [Way; 2] = [Way::Plain, Way::Tls];

impl Way {
    pub fn address(self) -> &'static str {
        match self {
            Self::Plain => "192.0.2.11:80",
            Self::Tls => "192.0.2.11:443",
        }
    }

    pub fn talk(self, space: &Namespace, name: &str, daemon: &Daemon<'_>) -> Talk {
        match self {
            Self::Plain => plain(space, self.address()),
            Self::Tls => over_tls(space, self.address(), name, daemon.authority()),
        }
    }

    /// An upstream that answers this way.
    pub fn origin(self, lab: &Lab, answer: impl Fn(&Taken) -> Vec<u8> + Send + Sync + 'static) -> Origin {
        match self {
            Self::Plain => Origin::start(lab, self.address(), Wire::Plain, answer),
            Self::Tls => {
                let leaf = lab.pki().leaf(&[NAME, OTHER, "alt.site.example"]);
                Origin::start(lab, self.address(), Wire::Tls(&leaf, &["http/1.1"]), answer)
            }
        }
    }
}

/// `ok` and the target.
pub fn ok(taken: &Taken) -> Vec<u8> {
    let target = taken.line().split(' ').nth(1).unwrap_or_default();
    let body = format!("ok {target}");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n")
}

pub fn count(daemon: &Daemon<'_>, wanted: &Value) -> usize {
    let wanted = wanted.as_object().expect("fields");
    let rows = daemon.records(&[]);
    rows.iter().filter(|row| wanted.iter().all(|(name, value)| row.get(name) == Some(value))).count()
}

/// Waits until exactly this many records have these fields.
pub fn recorded(daemon: &Daemon<'_>, number: usize, wanted: &Value) {
    eventually(&format!("{number} records with {wanted}"), || {
        (count(daemon, wanted) == number).then_some(())
    });
}

#[apply(over_both)]
fn several_requests_on_one_connection_use_one_upstream_connection(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        for number in 0..5 {
            let heard = talk.ask(get(&format!("/{number}")));
            assert_eq!((heard.status, heard.text()), (200, format!("ok /{number}")), "{way:?}");
        }
        assert_eq!(origin.received().len(), 1, "{way:?}");
        let row = daemon.record(&json!({"kind": "request", "path": "/0", "status": 200}));
        assert_eq!(count(&daemon, &json!({"kind": "request", "connection_id": row["connection_id"]})), 5);
    }
    recorded(
        &daemon,
        10,
        &json!({
            "kind": "request", "decision": "allow", "agent_id": "alice", "destination_host": NAME, "status": 200,
            "bytes_in": 5, "http_method": "GET", "policy_id": "EgressHTTPRoute/sites",
        }),
    );
}

#[apply(over_both)]
fn kept_upstream_connections_serve_one_agent_and_one_name_alone(lab: Lab) {
    let alternative = "alt.site.example";
    let (_resolver, daemon) = opening_gateway(&lab, zone().host(alternative, &["192.0.2.11"]));
    // Each worker keeps connections of its own.
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        for _ in 0..6 {
            for (space, agent) in [(lab.workload(), "alice"), (lab.bob(), "bob")] {
                for name in [NAME, alternative] {
                    let request = format!("GET /{agent} HTTP/1.1\r\nHost: {name}\r\n\r\n");
                    let heard = way.talk(space, name, &daemon).ask(request);
                    assert_eq!(heard.status, 200, "{heard:?}");
                }
            }
        }
        let taken = origin.taken();
        let connections = origin.received().iter().filter(|received| !received.is_empty()).count();
        assert_eq!(taken.len(), 24);
        assert!(connections <= 4 * workers, "{way:?}: {connections} connections, {workers} workers");
        for first in &taken {
            for second in taken.iter().filter(|second| second.connection == first.connection) {
                assert_eq!(first.head, second.head, "{way:?}: one connection for two agents or names");
            }
        }
    }
    recorded(&daemon, 24, &json!({"kind": "request", "agent_id": "bob", "status": 200, "path": "/bob"}));
}

#[apply(over_both)]
fn answers_without_a_body_leave_the_connection_in_step(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, |taken| match taken.line().split(' ').nth(1) {
            Some("/head") => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_vec(),
            Some("/204") => b"HTTP/1.1 204 No Content\r\nETag: \"x\"\r\n\r\n".to_vec(),
            Some("/304") => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n".to_vec(),
            Some("/empty") => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
            Some("/head-chunked") => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            Some("/205") => b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n".to_vec(),
            _ => ok(taken),
        });
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        talk.say(format!("HEAD /head HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
        let heard = talk.hear_head();
        assert_eq!((heard.status, heard.field("content-length")), (200, Some("1234")));
        talk.say(format!("HEAD /head-chunked HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
        let heard = talk.hear_head();
        assert_eq!((heard.status, heard.field("content-length")), (200, None), "{}", heard.head);
        assert_eq!(talk.ask(get("/205")).status, 205);
        let heard = talk.ask(get("/204"));
        assert_eq!((heard.status, heard.field("content-length")), (204, None));
        assert_eq!(heard.field("etag"), Some("\"x\""));
        assert_eq!(talk.ask(get("/304")).status, 304);
        assert_eq!(talk.ask(get("/empty")).body, b"");
        assert_eq!(talk.ask(get("/after")).text(), "ok /after");
        assert_eq!(origin.taken().len(), 7);
        assert_eq!(origin.received().len(), 1, "{way:?}: the upstream connection is kept too");
    }
    for (path, status) in [("/head", 200), ("/204", 204), ("/304", 304), ("/empty", 200)] {
        let wanted = json!({"kind": "request", "path": path, "status": status, "bytes_in": 0});
        recorded(&daemon, 2, &wanted);
    }
    recorded(&daemon, 0, &json!({"kind": "request", "end": "client-closed"}));
}

#[apply(over_both)]
fn bodies_pass_with_their_length_or_in_chunks_both_ways(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, |taken| match taken.line().split(' ').nth(1) {
            Some("/chunks") => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                 3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n"
                .to_vec(),
            _ => ok(taken),
        });
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        let heard = talk.ask(format!(
            "POST /length HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 11\r\n\r\nhello\0\r\n\r\n!"
        ));
        assert_eq!(heard.text(), "ok /length");
        let heard = talk.ask(format!(
            "PUT /chunks HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check\r\n\
             TE: trailers\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Check: 9\r\n\r\n"
        ));
        assert_eq!((heard.text().as_str(), heard.field("content-length")), ("abcdefg", None));
        assert_eq!(heard.field("transfer-encoding"), Some("chunked"));
        assert_eq!(heard.trailers.to_ascii_lowercase(), "x-sum: 7\r\n");
        let taken = origin.taken();
        assert_eq!(taken[0].body, b"hello\0\r\n\r\n!");
        assert_eq!(fields(&taken[0].head, "content-length").collect::<Vec<_>>(), ["11"]);
        let body = String::from_utf8_lossy(&taken[1].body).to_ascii_lowercase();
        assert!(body.ends_with("0\r\nx-check: 9\r\n\r\n"), "{body}");
        assert!(fields(&taken[1].head, "content-length").next().is_none());
        let data: String = body.split("\r\n").skip(1).step_by(2).take(2).collect();
        assert_eq!(data, "hello world");
    }
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/chunks", "bytes_out": 11, "bytes_in": 7}));
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/length", "bytes_out": 11}));
}

#[apply(over_both)]
fn a_client_that_expects_100_continue_gets_it_before_it_sends_and_a_refusal_instead(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        let head = |host: &str| {
            format!(
                "POST /late HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nExpect: 100-Continue\r\n\r\n"
            )
        };
        assert_eq!(talk.ask(head(NAME)).status, 100, "{way:?}");
        let heard = talk.ask("body");
        assert_eq!((heard.status, heard.text().as_str()), (200, "ok /late"));
        let taken = &origin.taken()[0];
        assert_eq!(taken.body, b"body");
        assert_eq!(fields(&taken.head, "expect").next(), None, "the gateway has answered it: {}", taken.head);
        talk.ask(head(OTHER)).is_refusal(421, "name.mismatch");
        assert_eq!(talk.rest().expect("an orderly end"), b"", "it may send the body or not, so that was all");
        assert_eq!(origin.taken().len(), 1);
    }
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/late", "status": 200, "bytes_out": 4}));
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/late", "reason": "name.mismatch"}));
}

#[apply(over_both)]
fn any_other_expectation_is_417(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let origin = Way::Plain.origin(&lab, ok);
    for expect in
        ["200-ok", "100-continue, 200-ok", "100-continue\r\nExpect: 100-continue", "", "\"100-continue\""]
    {
        let mut talk = Way::Plain.talk(lab.workload(), NAME, &daemon);
        let heard = talk.ask(format!(
            "POST / HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1\r\nExpect: {expect}\r\n\r\nx"
        ));
        heard.is_refusal(417, "protocol.expectation");
    }
    assert!(origin.untouched());
    recorded(&daemon, 5, &json!({"kind": "request", "reason": "protocol.expectation", "status": 417}));
}

#[apply(over_both)]
fn an_answer_that_comes_before_the_body_is_handed_on(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    for (way, wire) in [(Way::Plain, Wire::Plain), (Way::Tls, Wire::Tls(&leaf, &["http/1.1"]))] {
        lab.backends().cut(
            way.address(),
            wire,
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
        );
        for expect in ["", "Expect: 100-continue\r\n"] {
            let mut talk = way.talk(lab.workload(), NAME, &daemon);
            talk.say(format!("POST / HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 9000000\r\n{expect}\r\n"));
            if !expect.is_empty() {
                assert_eq!(talk.hear().status, 100);
            }
            let heard = talk.hear();
            assert_eq!((heard.status, heard.text().as_str()), (413, "big"), "{way:?}, {expect:?}");
            // It goes on sending, as many clients do: that must not cost it the answer.
            for _ in 0..9 {
                let _ = talk.try_say(vec![b'b'; 1_000_000]);
            }
        }
    }
    recorded(&daemon, 4, &json!({"kind": "request", "decision": "allow", "status": 413, "bytes_in": 3}));
}

#[apply(over_both)]
fn interim_answers_of_the_upstream_stay_here(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let _origin = way.origin(&lab, |_| {
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: 1\r\n\r\n\
              HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
                .to_vec()
        });
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        for _ in 0..2 {
            let heard = talk.ask(get("/slow"));
            assert_eq!((heard.status, heard.text().as_str()), (200, "done"), "{way:?}");
            assert_eq!(heard.field("link"), None);
        }
    }
    recorded(&daemon, 4, &json!({"kind": "request", "path": "/slow", "status": 200, "bytes_in": 4}));
}

#[apply(over_both)]
fn an_old_client_gets_an_answer_of_its_version_that_ends_with_the_connection(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, |_| {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nold\r\n0\r\n\r\n".to_vec()
        });
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        let heard = talk.ask(format!("GET /old HTTP/1.0\r\nHost: {NAME}\r\n\r\n"));
        assert!(heard.head.starts_with("HTTP/1.0 200 "), "{}", heard.head);
        assert_eq!((heard.text().as_str(), heard.field("transfer-encoding")), ("old", None));
        assert_eq!(origin.taken()[0].line(), "GET /old HTTP/1.1");
    }
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/old", "status": 200, "bytes_in": 3}));
}

#[apply(over_both)]
fn fields_arrive_in_the_order_in_which_they_were_sent(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, |_| {
            b"HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nX-One: 1\r\n\
              Content-Length: 2\r\nX-two: 2\r\nDATE: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nok"
                .to_vec()
        });
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        let heard = talk.ask(format!(
            "POST /order HTTP/1.1\r\nX-First: 1\r\nConnection: keep-alive\r\nHost: {NAME}\r\nTE: trailers\r\n\
             user-agent: me\r\nContent-Length: 2\r\nX-Again: 1\r\nAccept: */*\r\nx-again: 2\r\nZ: 1\r\n\r\nhi"
        ));
        assert_eq!(
            origin.taken()[0].head,
            format!(
                "POST /order HTTP/1.1\r\nX-First: 1\r\nHost: {NAME}\r\nTE: trailers\r\nuser-agent: me\r\n\
                 Content-Length: 2\r\nX-Again: 1\r\nx-again: 2\r\nAccept: */*\r\nZ: 1\r\n\r\n"
            ),
            "{way:?}: values of one name stand together, everything else where it stood"
        );
        assert_eq!(
            heard.head,
            "HTTP/1.1 200 OK\r\nServer: x\r\nX-One: 1\r\nContent-Length: 2\r\nX-two: 2\r\n\
             DATE: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
        );
    }
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/order", "status": 200, "bytes_out": 2}));
}

#[apply(over_both)]
fn targets_reach_the_upstream_byte_by_byte(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let targets = [
        "/",
        "/?",
        "/?a=b&a=c&=&&x",
        "/a%2Fb/%7Euser/%e2%82%ac",
        "//double//slash/",
        "/semi;colon=1/at@sign:80/!$&'()*+,;=~",
        "/q?x=%20+%2B&y=1:2@3,4;5$6!7*8'9(10)/?",
        "/CaSe?Q=UpPer",
        "/...",
        "/~/.well-known/x",
        "/q?a=http://elsewhere.example/../..",
    ];
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        for target in targets {
            assert_eq!(talk.ask(get(target)).status, 200, "{target}");
        }
        let seen: Vec<String> = origin.taken().iter().map(|taken| taken.line().to_owned()).collect();
        let expected: Vec<String> = targets.iter().map(|target| format!("GET {target} HTTP/1.1")).collect();
        assert_eq!(seen, expected, "{way:?}");
    }
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/CaSe", "status": 200}));
}

#[apply(over_both)]
fn the_host_that_was_judged_is_the_one_that_is_sent(lab: Lab) {
    let (_resolver, _daemon) = opening_gateway(&lab, zone());
    let origin = Way::Plain.origin(&lab, ok);
    let mut talk = plain(lab.workload(), Way::Plain.address());
    for (target, host, sent) in [
        ("/", "SITE.Example", "SITE.Example"),
        // U+017F is an `s` to IDNA, and some other name to a server that knows bytes alone.
        ("/", "\u{17f}ite.example", NAME),
        ("http://site.EXAMPLE/", "SITE.Example", "site.EXAMPLE"),
    ] {
        let answer = talk.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status, 200, "{host}");
        let head = origin.taken().pop().expect("a request").head;
        assert_eq!(fields(&head, "host").collect::<Vec<_>>(), [sent]);
    }
}

#[apply(over_both)]
fn absolute_form_becomes_a_path_and_options_asterisk_stays_one(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for (way, scheme) in [(Way::Plain, "http"), (Way::Tls, "https")] {
        let origin = way.origin(&lab, ok);
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        for line in [
            format!("GET {scheme}://{NAME}/absolute?x=%2F HTTP/1.1"),
            format!("GET {scheme}://{NAME}?only=query HTTP/1.1"),
            "OPTIONS * HTTP/1.1".to_owned(),
        ] {
            let heard = talk.ask(format!("{line}\r\nHost: {NAME}\r\n\r\n"));
            assert_eq!(heard.status, 200, "{line}: {heard:?}");
        }
        let taken = origin.taken();
        let lines: Vec<&str> = taken.iter().map(Taken::line).collect();
        assert_eq!(
            lines,
            ["GET /absolute?x=%2F HTTP/1.1", "GET /?only=query HTTP/1.1", "OPTIONS * HTTP/1.1"],
            "{way:?}"
        );
        assert!(taken.iter().all(|taken| fields(&taken.head, "host").eq([NAME])), "{taken:?}");
    }
    recorded(&daemon, 2, &json!({"kind": "request", "http_method": "OPTIONS", "path": "*", "status": 200}));
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/absolute", "status": 200}));
}

#[apply(over_both)]
fn fields_keep_their_spelling_order_and_number_and_hop_by_hop_fields_stay_here(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, |_| {
            b"HTTP/1.1 200 OK\r\nX-UpStream-Case: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
              Connection: X-Private\r\nX-Private: here\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
              Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
                .to_vec()
        });
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        let heard = talk.ask(format!(
            "GET / HTTP/1.1\r\nHOST: {NAME}\r\nX-CamelCase: 1\r\nx-lower: 2\r\nACCEPT: a/b\r\nX-Twice: one\r\n\
             X-Twice: two\r\nCookie: c=3\r\nConnection: keep-alive, X-Private, Keep-Alive\r\nX-Private: here\r\n\
             Keep-Alive: timeout=5\r\nProxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\n\
             TE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        ));
        for line in [
            "X-UpStream-Case: 1",
            "Set-Cookie: a=1\r\nSet-Cookie: b=2",
            "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert!(heard.head.contains(&format!("\r\n{line}\r\n")), "{line} in {}", heard.head);
        }
        for name in ["x-private", "keep-alive", "proxy-authenticate"] {
            assert_eq!(heard.field(name), None, "{}", heard.head);
        }
        let sent = &origin.taken()[0].head;
        for line in [
            format!("HOST: {NAME}").as_str(),
            "X-CamelCase: 1",
            "x-lower: 2",
            "ACCEPT: a/b",
            "X-Twice: one\r\nX-Twice: two",
            "Cookie: c=3",
        ] {
            assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line} in {sent}");
        }
        for name in [
            "x-private",
            "keep-alive",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "upgrade",
            "http2-settings",
        ] {
            assert_eq!(fields(sent, name).next(), None, "{name} in {sent}");
        }
    }
    recorded(&daemon, 2, &json!({"kind": "request", "decision": "allow", "status": 200}));
    let all = daemon.cli(&["audit", "search", "-o", "json"]).succeeded();
    assert!(!all.contains("eDp5"), "a credential on record");
}

#[apply(over_both)]
fn heads_of_thirty_kibibytes_pass_both_ways(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let long = "v".repeat(15 * 1024);
    let answer = format!("HTTP/1.1 200 OK\r\nX-A: {long}\r\nX-B: {long}\r\nContent-Length: 0\r\n\r\n");
    for way in BOTH {
        let answer = answer.clone();
        let origin = way.origin(&lab, move |_| answer.clone().into_bytes());
        let heard = way
            .talk(lab.workload(), NAME, &daemon)
            .ask(format!("GET /big HTTP/1.1\r\nHost: {NAME}\r\nX-A: {long}\r\nX-B: {long}\r\n\r\n"));
        assert_eq!((heard.field("x-a"), heard.field("x-b")), (Some(&*long), Some(&*long)), "{way:?}");
        let sent = &origin.taken()[0].head;
        assert!(fields(sent, "x-a").chain(fields(sent, "x-b")).eq([&*long, &*long]));
    }
    recorded(&daemon, 2, &json!({"kind": "request", "path": "/big", "status": 200}));
}

#[apply(over_both)]
fn pipelined_requests_are_answered_in_order(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        let all: String = (0..5)
            .map(|number| {
                format!("POST /{number} HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 2\r\n\r\n{number}!")
            })
            .collect();
        talk.say(all);
        for number in 0..5 {
            assert_eq!(talk.hear().text(), format!("ok /{number}"), "{way:?}");
        }
        let bodies: Vec<Vec<u8>> = origin.taken().into_iter().map(|taken| taken.body).collect();
        assert_eq!(bodies, [b"0!", b"1!", b"2!", b"3!", b"4!"]);
    }
    recorded(&daemon, 10, &json!({"kind": "request", "decision": "allow", "bytes_out": 2, "status": 200}));
}
