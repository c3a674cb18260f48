//! Tools over MCP: which calls go to their server, which lists come back, and how a refusal sounds. Read next: `holding`.

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::dialogue::{Heard, Talk, over_tls, plain};
use super::http2::{Http2, data};
use super::origin::Origin;
use super::providers::{pieces, reply};
use super::streaming::{PLAIN, TLS};
use crate::lab::backends::{Wire, eventually};
use crate::lab::daemon::alice_is_read;
use crate::lab::mcp::{Form, McpServer};
use crate::lab::services::Feed;
use crate::lab::{Daemon, Lab, Resolver, Zone};

/// The same two tools, of a server that is declared and by a route.
const TOOLS: &str = "
apiVersion: clawgress.io/v1alpha1
kind: McpServer
metadata: {name: mail}
spec: {url: 'https://mcp.example/mcp', allowedTools: [read_file, send_mail]}
---
apiVersion: clawgress.io/v1alpha1
kind: MCPRoute
metadata: {name: open}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{servers: ['http://mcp.example/mcp'], tools: [read_file, 'send_*']}]}]
---
";

const LEAVE: &str = "
apiVersion: clawgress.io/v1alpha1
kind: ToolPolicy
metadata: {name: leave}
spec: {appliesTo: {tool: send_mail, mcpServer: mail}, approval: {mode: always}}
---
";

/// Any request to the host, but for what a rule refuses.
const RULE: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: site}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [mcp.example]
  rules: [{}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {name: tools}
spec:
  targetRef: {kind: EgressGateway, name: default}
  rules: [{name: none-deleted, when: \"mcp.tool == 'delete_all'\", action: Deny, message: Nothing is deleted.}]
---
";

const HOST: &str = "mcp.example";

struct Servers {
    _resolver: Resolver,
    /// Answers in events.
    plain: McpServer,
    /// Answers in JSON.
    tls: McpServer,
}

impl Servers {
    fn both(&self) -> [&McpServer; 2] {
        [&self.plain, &self.tls]
    }

    fn calls(&self) -> usize {
        self.both().map(|server| server.calls().len()).iter().sum()
    }
}

fn zone(lab: &Lab) -> Resolver {
    lab.resolver(Zone::new().host(HOST, &["192.0.2.11"]))
}

fn start<'a>(lab: &'a Lab, documents: &[&str]) -> (Servers, Daemon<'a>) {
    let leaf = lab.pki().leaf(&[HOST]);
    let servers = Servers {
        _resolver: zone(lab),
        plain: lab.backends().mcp(PLAIN, Wire::Plain, Form::Events),
        tls: lab.backends().mcp(TLS, Wire::Tls(&leaf, &["h2", "http/1.1"]), Form::Json),
    };
    (servers, gateway(lab, documents))
}

fn gateway<'a>(lab: &'a Lab, documents: &[&str]) -> Daemon<'a> {
    let all = alice_is_read(&documents.concat());
    lab.daemon(&json!({}), &[("all.yaml", &all)])
}

/// In the open, and over TLS.
fn talks(lab: &Lab, daemon: &Daemon<'_>) -> [Talk; 2] {
    [plain(lab.workload(), PLAIN), over_tls(lab.workload(), TLS, HOST, daemon.authority())]
}

fn posted(path: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAccept-Encoding: gzip\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

fn ask(talk: &mut Talk, body: &str) -> Heard {
    talk.ask(posted("/mcp", "", body))
}

fn request(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

fn call(id: u64, tool: &str) -> String {
    request(id, "tools/call", &format!(r#"{{"name":"{tool}","arguments":{{"a":1}}}}"#))
}

fn list() -> String {
    request(3, "tools/list", "{}")
}

/// The error of one request, whose code of refusal it has to be.
fn is_error(told: &Value, id: u64, code: &str) {
    assert_eq!(
        (&told["id"], &told["error"]["code"], &told["error"]["data"]["code"]),
        (&json!(id), &json!(-32003), &json!(code)),
        "{told}"
    );
}

/// An error of JSON-RPC in the place of an answer.
fn is_refused(heard: &Heard, id: u64, code: &str) -> Value {
    assert_eq!(
        (heard.status, heard.field("content-type"), heard.field("x-clawgress-reason")),
        (200, Some("application/json"), Some(code)),
        "{heard:?}"
    );
    let told: Value = serde_json::from_slice(&heard.body).expect("JSON");
    is_error(&told, id, code);
    told
}

fn shows_two_tools(list: &str) {
    let shows = |tool: &str| list.contains(&format!("\"{tool}\""));
    assert!(shows("read_file") && shows("send_mail") && !shows("delete_all"), "{list}");
    assert!(list.contains("\"nextCursor\":\"more\""), "the rest stays: {list}");
}

fn last(daemon: &Daemon<'_>) -> Value {
    daemon.records(&["--kind", "request"]).pop().expect("a record")
}

#[apply(over_both)]
fn a_list_shows_the_tools_that_may_be_called_whole_and_as_events_over_http1_and_http2(lab: Lab) {
    let (servers, daemon) = start(&lab, &[TOOLS]);
    for (mut talk, server) in talks(&lab, &daemon).into_iter().zip(servers.both()) {
        let heard = ask(&mut talk, &list());
        assert_eq!(heard.status, 200, "{heard:?}");
        shows_two_tools(&heard.text());
        let asked = &server.seen()[0];
        assert!(!asked.headers.contains_key("accept-encoding"), "{:?}", asked.headers);
        // The same connection goes on, and what is no list is left alone.
        let heard = ask(&mut talk, &call(4, "read_file"));
        assert!(heard.status == 200 && heard.text().contains("{\\\"a\\\":1}"), "{heard:?}");
        assert!(server.seen()[1].headers.contains_key("accept-encoding"));
        let row = eventually("the outcome", || Some(last(&daemon)).filter(|row| row["status"] == json!(200)));
        assert_eq!((&row["decision"], &row["tool_calls"]), (&json!("allow"), &json!(["read_file"])), "{row}");
    }
    let heard = ask(&mut plain(lab.workload(), PLAIN), &list()).text();
    assert!(heard.contains("notifications/progress"), "every other event stays: {heard}");
    let mut http2 = Http2::over_tls(lab.workload(), TLS, HOST, (daemon.authority(), &["h2"]));
    let (hand, body) = Feed::by_hand();
    hand.try_send(data(list())).expect("room");
    drop(hand);
    let asked = Request::post(format!("https://{HOST}/mcp")).body(body).expect("a request");
    let (head, body) = http2.send(asked).into_parts();
    let body = http2.run(body.collect()).expect("a whole body").to_bytes();
    assert_eq!(head.headers["content-length"], body.len().to_string().as_str());
    shows_two_tools(&String::from_utf8_lossy(&body));
}

#[apply(over_both)]
fn a_list_that_comes_later_on_a_stream_is_shortened_too(lab: Lab) {
    let (servers, daemon) = start(&lab, &[TOOLS]);
    for (mut talk, server) in talks(&lab, &daemon).into_iter().zip(servers.both()) {
        talk.say(format!("GET /mcp HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/event-stream\r\n\r\n"));
        assert!(talk.head().starts_with("HTTP/1.1 200"));
        let tools = ["send_mail", "delete_all", "read_file"].map(|name| json!({"name": name}));
        server.push(&json!({"jsonrpc": "2.0", "id": 3, "result": {"tools": tools, "nextCursor": "more"}}));
        shows_two_tools(&String::from_utf8_lossy(&talk.chunk()));
    }
}

#[apply(over_both)]
fn a_call_that_is_not_allowed_reaches_nobody_and_is_answered_as_the_protocol_has_it(lab: Lab) {
    let (servers, daemon) = start(&lab, &[TOOLS]);
    for (mut talk, server) in talks(&lab, &daemon).into_iter().zip(servers.both()) {
        let told = is_refused(&ask(&mut talk, &call(7, "delete_all")), 7, "mcp.tool");
        assert!(told["error"]["message"].as_str().expect("a sentence").contains("`delete_all`"), "{told}");
        let row = last(&daemon);
        assert_eq!(
            (&row["decision"], &row["reason"], &row["tool_calls"]),
            (&json!("deny"), &json!("mcp.tool"), &json!(["delete_all"])),
            "{row}"
        );
        is_refused(&ask(&mut talk, &call(8, "delete\\u005fall")), 8, "mcp.tool");
        is_refused(&ask(&mut talk, &call(9, "Read_File")), 9, "mcp.tool");
        let heard = ask(&mut talk, &format!("[{},{}]", call(1, "read_file"), call(2, "delete_all")));
        let told: Vec<Value> = serde_json::from_slice(&heard.body).expect("a list");
        assert_eq!(told.len(), 2, "one forbidden call refuses all of them: {told:?}");
        is_error(&told[0], 1, "mcp.tool");
        is_error(&told[1], 2, "mcp.tool");
        // A call that nobody waits for is refused by its status.
        let told = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_all"}}"#;
        ask(&mut talk, told).is_refusal(403, "mcp.tool");
        assert!(server.seen().is_empty());
        assert_eq!(ask(&mut talk, &format!("[{},{}]", call(1, "read_file"), list())).status, 200);
        assert_eq!(server.calls().len(), 1);
    }
}

#[apply(over_both)]
fn a_message_that_two_readers_could_take_differently_is_malformed(lab: Lab) {
    let (servers, daemon) = start(&lab, &[TOOLS]);
    let fine = call(1, "read_file");
    for mut talk in talks(&lab, &daemon) {
        for (fields, body) in [
            ("Mcp-Method: tools/list\r\n", &*fine),
            ("Mcp-Name: delete_all\r\n", &fine),
            ("MCP-Protocol-Version: 2999-01-01\r\n", &fine),
            ("Mcp-Param-To: somebody\r\n", &fine),
            ("Mcp-Session-Id: 1\r\n", "a=b"),
            ("", &fine[1..]),
            ("", &fine[..fine.len() - 1]),
            ("", &fine.replace("\"read_file\"", "\"read_file\",\"name\":\"delete_all\"")),
            ("", &fine.replace("\"id\":1", "\"id\":null")),
        ] {
            let heard = talk.ask(posted("/mcp", fields, body));
            match (fields, body.starts_with('{')) {
                // What no reader takes for a message is none: no route of tools lets it through.
                ("", false) => heard.is_refusal(403, "policy.no-route"),
                _ => heard.is_refusal(400, "protocol.malformed"),
            }
        }
        let elsewhere = talk.ask(posted("/elsewhere", "", &fine));
        elsewhere.is_refusal(403, "mcp.server");
        let told: Value = serde_json::from_slice(&elsewhere.body).expect("JSON");
        assert_eq!(told["retry"], "never", "an approval opens hosts, and no servers");
    }
    assert!(servers.both().iter().all(|server| server.seen().is_empty()));
}

#[apply(over_both)]
fn an_approval_opens_one_tool_for_a_time_and_its_revocation_closes_it(lab: Lab) {
    let (servers, daemon) = start(&lab, &[TOOLS, LEAVE]);
    let mut talk = over_tls(lab.workload(), TLS, HOST, daemon.authority());
    let told = is_refused(&ask(&mut talk, &call(1, "send_mail")), 1, "approval.required");
    assert_eq!(told["error"]["data"]["retry"], "after-approval");
    assert_eq!(servers.calls(), 0);
    let id = told["error"]["data"]["request_id"].as_str().expect("an id").to_owned();
    let explained = daemon.cli(&["explain", &id]).text();
    assert!(explained.contains("clawgress approve alice --tool mail/send_mail --ttl 2h"), "{explained}");
    let approved =
        ["approve", "-o", "json", "alice", "--tool", "mail/send_mail", "--ttl", "1h", "--reason", "x"];
    let approved = daemon.cli(&approved);
    approved.succeeded();
    let heard = ask(&mut talk, &call(2, "send_mail"));
    assert!(heard.status == 200 && heard.field("x-clawgress-reason").is_none(), "{heard:?}");
    assert_eq!(servers.calls(), 1);
    let name = approved.json()["name"].as_str().expect("a name").to_owned();
    daemon.cli(&["revoke", &name]).succeeded();
    is_refused(&ask(&mut talk, &call(3, "send_mail")), 3, "approval.required");
    // Where nobody declared the server, the policy is not about it.
    assert_eq!(ask(&mut plain(lab.workload(), PLAIN), &call(4, "send_mail")).status, 200);
}

#[apply(over_both)]
fn a_rule_on_tools_holds_for_every_request_and_lets_what_is_no_message_pass(lab: Lab) {
    let (servers, daemon) = start(&lab, &[RULE]);
    for (mut talk, server) in talks(&lab, &daemon).into_iter().zip(servers.both()) {
        let told = is_refused(&ask(&mut talk, &call(5, "delete_all")), 5, "policy.denied");
        assert!(told["error"]["message"].as_str().expect("a sentence").starts_with("Nothing is deleted."));
        assert_eq!(last(&daemon)["rule"], "none-deleted");
        assert!(server.seen().is_empty());
        assert_eq!(ask(&mut talk, &call(6, "read_file")).status, 200);
        let other = r#"{"jsonrpc":"2.0","id":8,"method":"eth_call","params":[{"to":"0x0"},"latest"]}"#;
        assert!(ask(&mut talk, other).field("x-clawgress-reason").is_none(), "another protocol's");
        let form = "POST /token HTTP/1.1\r\nHost: mcp.example\r\nContent-Length: 9\r\n\r\ngrant=abc";
        assert_eq!(talk.ask(form).status, 400, "the server's own word: it reads JSON alone");
        assert_eq!(server.seen().last().expect("the form").path, "/token");
        // No route of tools is about this server, so no list of its is touched.
        let heard = ask(&mut talk, &list());
        assert!(heard.status == 200 && heard.text().contains("delete_all"), "{heard:?} {}", heard.text());
    }
}

#[apply(over_both)]
fn an_answer_that_may_hide_a_list_is_refused_whole_and_breaks_off_as_a_stream(lab: Lab) {
    let bad =
        br#"{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"a"}],"tools":[{"name":"delete_all"}]}}"#;
    let event = |json: &[u8]| [b"data: ", json, b"\n\n"].concat();
    let fine = br#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
    let stream = pieces("text/event-stream", &[event(fine), event(bad), event(fine)].concat());
    let whole = reply("200 OK", "application/json", bad);
    let leaf = lab.pki().leaf(&[HOST]);
    let _origins = [
        Origin::start(&lab, PLAIN, Wire::Plain, move |_| stream.clone()),
        Origin::start(&lab, TLS, Wire::Tls(&leaf, &["http/1.1"]), move |_| whole.clone()),
    ];
    let (_resolver, daemon) = (zone(&lab), gateway(&lab, &[TOOLS]));
    let [mut in_events, mut in_whole] = talks(&lab, &daemon);
    let told = is_refused(&ask(&mut in_whole, &list()), 3, "upstream.malformed");
    assert!(told["error"]["message"].as_str().expect("a sentence").contains("`tools` twice"), "{told}");
    in_events.say(posted("/mcp", "", &list()));
    assert!(in_events.head().starts_with("HTTP/1.1 200"));
    let rest = in_events.rest().unwrap_or_default();
    let rest = String::from_utf8_lossy(&rest).into_owned();
    assert!(rest.matches("notifications/progress").count() <= 1, "{rest}");
    assert!(!rest.contains("delete_all") && !rest.ends_with("0\r\n\r\n"), "it must not look whole: {rest}");
    for _ in 0..2 {
        daemon.record(&json!({"kind": "request", "destination_host": HOST, "reason": "upstream.malformed"}));
    }
}

#[apply(over_both)]
fn an_execution_calls_tools_as_often_as_its_route_allows_and_every_call_of_a_batch_counts(lab: Lab) {
    let bounded = TOOLS.replace(
        "tools: [read_file, 'send_*']}]}]",
        "tools: [read_file, 'send_*']}], filters: [{type: ToolPolicy, toolPolicy: {maxCallsPerExecution: 3}}]}]",
    );
    let (servers, daemon) = start(&lab, &[&bounded]);
    let mut talk = plain(lab.workload(), PLAIN);
    assert_eq!(ask(&mut talk, &call(1, "read_file")).status, 200);
    let two = format!("[{},{}]", call(2, "read_file"), call(3, "send_mail"));
    assert!(ask(&mut talk, &two).field("x-clawgress-reason").is_none());
    is_refused(&ask(&mut talk, &call(4, "read_file")), 4, "quota.requests");
    // A list is no call.
    shows_two_tools(&ask(&mut talk, &list()).text());
    assert_eq!(servers.calls(), 3);
    assert_eq!(last(&daemon)["decision"], "allow");
}
