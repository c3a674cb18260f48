//! One decision looks the same on every layer: code, sentence, request id, policy.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{BASE, Heard, Line, PASTE, ROUTES, World, curl};
use crate::lab::backends::{Wire, eventually};
use crate::lab::{BOB_V4, Daemon, Family, UPSTREAM_V4};

/// The sentence that ends a detail quotes the id as `audit show` takes it.
fn short(id: &str) -> &str {
    &id[..13]
}

/// Checks every member of a problem against its record, and returns the record.
fn on_record(daemon: &Daemon<'_>, heard: &Heard) -> Value {
    let body = heard.json();
    let members: BTreeSet<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    let always = ["code", "detail", "request_id", "retry", "status", "title", "type"];
    assert!(always.iter().all(|name| members.contains(name)), "{body}");
    assert_eq!(heard.field("content-type"), "application/problem+json");
    let code = body["code"].as_str().expect("a code");
    assert_eq!(heard.reason(), code);
    assert_eq!(body["type"], format!("urn:clawgress:denial:{code}"));
    assert_eq!(body["status"], heard.status);
    assert!(["never", "later", "after-approval"].contains(&body["retry"].as_str().expect("a word")));
    let id = body["request_id"].as_str().expect("an id");
    let detail = body["detail"].as_str().expect("a sentence");
    assert!(detail.contains(short(id)), "{detail}");
    let shown = |id: &str| {
        let shown = daemon.cli(&["audit", "show", id, "-o", "json"]);
        shown.succeeded();
        shown.json()
    };
    let record = shown(id);
    assert_eq!(record, shown(short(id)));
    assert_eq!(record["request_id"], id);
    assert_eq!(
        (&record["kind"], &record["decision"], &record["reason"]),
        (&json!("request"), &json!("deny"), &json!(code))
    );
    assert_eq!(record["status"], heard.status);
    assert_eq!(record.get("policy_id"), body.get("policy"));
    record
}

#[apply(over_both)]
fn a_refused_request_hears_a_problem_with_every_member_that_its_record_confirms(world: World) {
    let daemon = world.gateway(ROUTES);
    for (arguments, protocol) in [
        (&["--http1.1", "-X", "DELETE", "https://site.example/x"][..], "http/1.1"),
        (&["--http2", "-X", "DELETE", "https://site.example/x"], "http/2"),
        (&["-X", "DELETE", "http://site.example/x"], "http/1.1"),
        (&["--http2-prior-knowledge", "-X", "DELETE", "http://site.example/x"], "http/2"),
    ] {
        let heard = world.ask(&daemon, arguments);
        let record = on_record(&daemon, &heard);
        let body = heard.json();
        assert_eq!((heard.status, heard.reason()), (403, "policy.no-route"), "{arguments:?}");
        assert_eq!(body["policy"], "EgressGateway/default");
        assert_eq!(body["retry"], "after-approval");
        assert_eq!(body["title"], "Not allowed by policy");
        assert!(
            body["detail"].as_str().is_some_and(|text| text.starts_with("Agent alice may not")),
            "{body}"
        );
        assert_eq!(
            (&record["agent_id"], &record["http_method"], &record["path"], &record["protocol"]),
            (&json!("alice"), &json!("DELETE"), &json!("/x"), &json!(protocol))
        );
    }
    assert!(world.site.behind().untouched());
}

#[apply(over_both)]
fn every_status_is_that_of_the_table(world: World) {
    let expired = world.lab.pki().expired(&["expired.example"]);
    world.lab.backends().echo("192.0.2.14:443", Wire::Tls(&expired, &[]));
    world.lab.backends().cut("192.0.2.16:80", Wire::Plain, b"");
    let more = "
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: more}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules:
    - matches:
        - {destinationHostnames: [expired.example, down.example, private.example, cut.example]}
        - {destinationHostnames: [paste.example], destinationCIDRs: [192.0.2.12/32, '2001:db8:1::12/128']}
";
    let daemon = world.gateway(&format!("{ROUTES}{more}"));
    let direct = format!("paste.example:443:{PASTE}");
    let inside = format!("private.example:80:{PASTE}");
    for (arguments, status, reason) in [
        (&["https://api.openai.com:8443/"][..], 403, "policy.no-route"),
        (&["https://site.example/vault/x"], 451, "policy.denied"),
        (&["-H", "Host: paste.example", "https://site.example/"], 421, "name.mismatch"),
        (&["--resolve", &direct, "https://paste.example/"], 421, "name.unverified"),
        (&["--resolve", &inside, "http://private.example/"], 403, "destination.private"),
        (&["http://169.254.169.254/latest/meta-data/"], 403, "destination.metadata"),
        (&["https://expired.example/"], 502, "tls.untrusted-upstream"),
        (&["http://down.example/"], 502, "upstream.unreachable"),
        (&["--resolve", "cut.example:80:192.0.2.16", "http://cut.example/"], 502, "upstream"),
        (
            &[
                "-H",
                "Content-Length: 1",
                "-H",
                "Transfer-Encoding: chunked",
                "-d",
                "x",
                "http://site.example/upload",
            ],
            400,
            "protocol.malformed",
        ),
    ] {
        let heard = world.ask(&daemon, arguments);
        assert_eq!(heard.status, status, "{arguments:?}: {heard:?}");
        assert!(heard.reason().starts_with(reason), "{arguments:?}: {heard:?}");
        on_record(&daemon, &heard);
    }
}

#[apply(over_both)]
fn an_unknown_source_is_answered_in_http_over_our_own_leaf(world: World) {
    let daemon = world.gateway(ROUTES);
    let bob = |arguments: &[&str]| {
        // bob's queries are refused too, so he has to bring the address.
        let resolve = format!("site.example:443:{UPSTREAM_V4}");
        let program = curl(world.lab.bob(), &daemon).args(["-i", "--resolve", &resolve]);
        Heard::of(&program.args(arguments).run())
    };
    let source = world.lab.twin(BOB_V4);
    for arguments in [
        &["--http1.1", "https://site.example/"][..],
        &["--http2", "https://site.example/"],
        &["--resolve", "site.example:80:192.0.2.10", "http://site.example/"],
    ] {
        let heard = bob(arguments);
        assert_eq!((heard.status, heard.reason()), (403, "identity.unknown"), "{arguments:?}");
        let record = on_record(&daemon, &heard);
        assert_eq!((&record["source_address"], record.get("agent_id")), (&json!(source), None));
    }
    daemon.record(&json!({"kind": "connection", "source_address": source, "reason": "identity.unknown"}));
    assert!(world.site.access_log().is_empty() && world.site.behind().untouched());
}

#[apply(over_both)]
fn a_refused_name_completes_tls_with_our_leaf_contacts_no_upstream_and_is_answered_in_http(world: World) {
    let daemon = world.gateway(ROUTES);
    for version in ["--http1.1", "--http2"] {
        let heard = world.ask(&daemon, &[version, "https://paste.example/upload?token=1"]);
        assert_eq!((heard.status, heard.reason()), (403, "policy.no-route"));
        let record = on_record(&daemon, &heard);
        assert_eq!(
            (&record["destination_host"], &record["path"]),
            (&json!("paste.example"), &json!("/upload"))
        );
    }
    assert!(world.paste.untouched(), "a refused name contacts no upstream");
    let session = world
        .lab
        .workload()
        .command("openssl")
        .args(["s_client", "-connect", &format!("{PASTE}:443"), "-servername", "paste.example"])
        .args(["-verify_hostname", "paste.example", "-alpn", "h2,http/1.1", "-CAfile"])
        .arg(daemon.authority())
        .run();
    let said = session.text();
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("Clawgress"), "{session}");
    assert!(said.contains("ALPN protocol: h2"), "{session}");
    assert!(world.paste.untouched());
    daemon.record(
        &json!({"kind": "connection", "destination_host": "paste.example", "reason": "policy.no-route"}),
    );
}

#[apply(over_both)]
fn under_a_passthrough_listener_a_refused_name_gets_a_tls_alert(world: World) {
    let base = BASE.replace("Terminate", "Passthrough");
    let routes = "
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: site}
spec: {parentRefs: [{name: default}], rules: [{matches: [{destinationHostnames: [site.example]}]}]}
";
    let daemon = world.lab.daemon(&json!({}), &[("base.yaml", &base), ("routes.yaml", routes)]);
    let session = |name: &[&str]| {
        let program = world.lab.workload().command("openssl");
        program.args(["s_client", "-connect", &format!("{PASTE}:443")]).args(name).run()
    };
    let refused = session(&["-servername", "paste.example"]);
    assert!(refused.errors().contains("alert access denied"), "{refused}");
    daemon.record(&json!({"kind": "connection", "destination_host": "paste.example", "decision": "deny", "reason": "policy.no-route"}));
    let nameless = session(&["-noservername"]);
    assert!(nameless.errors().contains("alert number 112"), "{nameless}");
    daemon.record(&json!({"kind": "connection", "decision": "deny", "reason": "tls.no-name"}));
    assert!(world.paste.untouched());
}

#[apply(over_both)]
fn a_missing_name_or_a_malformed_hello_gets_a_tls_alert_even_where_tls_is_opened(world: World) {
    let daemon = world.gateway(ROUTES);
    let script = |hello: &str| {
        format!(
            "import socket\ns = socket.create_connection(('{PASTE}', 443), 5)\ns.sendall(bytes.fromhex('{hello}'))\n\
             print(s.recv(64).hex())"
        )
    };
    // A record that announces a ClientHello and holds something else (RFC 8446, sections 4 and 5.1).
    let malformed = world.python(&daemon, &script("160301000501000001ff"));
    assert_eq!(malformed.succeeded().trim(), "15030300020232", "fatal decode_error");
    daemon.record(&json!({"kind": "connection", "decision": "deny", "reason": "protocol.malformed"}));
    let program = world.lab.workload().command("openssl");
    let nameless = program.args(["s_client", "-noservername", "-connect", &format!("{PASTE}:443")]).run();
    assert!(nameless.errors().contains("alert number 112"), "{nameless}");
    daemon.record(&json!({"kind": "connection", "decision": "deny", "reason": "tls.no-name"}));
    assert!(world.paste.untouched());
}

#[apply(over_both)]
fn raw_tcp_is_refused_by_a_reset_at_once(world: World) {
    let daemon = world.gateway(ROUTES);
    let script = format!(
        "import socket, time
s = socket.create_connection(('{PASTE}', 7001), 5)
s.sendall(b'\\0\\1\\2\\3 not http')
t = time.monotonic()
try:
    print('read', s.recv(1))
except ConnectionResetError:
    print('reset', time.monotonic() - t < 1)
"
    );
    assert_eq!(world.python(&daemon, &script).succeeded(), "reset True\n");
    daemon.record(&json!({
        "kind": "connection", "decision": "deny", "reason": "policy.no-route", "agent_id": "alice",
        "destination_address": world.lab.twin(PASTE), "destination_port": 7001, "protocol": "tcp", "policy_id": "EgressGateway/default",
    }));
}

#[apply(over_both)]
fn udp_is_refused_by_icmp_at_once(world: World) {
    let daemon = world.gateway(ROUTES);
    let family = if world.lab.family() == Family::V6 { "AF_INET6" } else { "AF_INET" };
    for port in [9999, 443] {
        let script = format!(
            "import socket
s = socket.socket(socket.{family}, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect(('{PASTE}', {port}))
s.send(b'x')
try:
    s.recv(1)
except OSError as e:
    print(e.errno is not None and not isinstance(e, TimeoutError))
"
        );
        assert_eq!(world.python(&daemon, &script).succeeded(), "True\n", "{port}");
    }
}

#[apply(over_both)]
fn grpc_hears_its_own_status(world: World) {
    let daemon = world.gateway(ROUTES);
    for url in ["https://paste.example/lab.Echo/Say", "https://site.example/other.Service/Say"] {
        let arguments =
            ["--http2", "-H", "content-type: application/grpc", "-H", "te: trailers", "-d", "x", url];
        let heard = world.ask(&daemon, &arguments);
        assert_eq!(heard.status, 200, "{heard:?}");
        assert_eq!(heard.field("content-type"), "application/grpc");
        assert_eq!((heard.field("grpc-status"), heard.reason()), ("7", "policy.no-route"));
        assert!(heard.field("grpc-message").contains("Agent alice may not"), "{heard:?}");
        let record = daemon.cli(&["audit", "show", heard.field("x-request-id"), "-o", "json"]).json();
        assert_eq!((&record["reason"], &record["kind"]), (&json!("policy.no-route"), &json!("request")));
    }
}

#[apply(over_both)]
fn the_sdks_of_model_providers_find_the_error_in_their_own_shape(world: World) {
    let daemon = world.gateway(ROUTES);
    let openai = world.ask(&daemon, &["-d", "{}", "https://api.openai.com/v1/chat/completions"]);
    let body = openai.json();
    assert_eq!((openai.status, &body["error"]["code"]), (403, &json!("policy.no-route")));
    assert_eq!(body["error"]["message"], body["detail"]);
    assert!(body["error"]["type"].is_string());
    on_record(&daemon, &openai);
    let anthropic = world.ask(&daemon, &["-d", "{}", "https://api.anthropic.com/v1/messages"]);
    let body = anthropic.json();
    assert_eq!(
        (&body["error"]["type"], &body["error"]["message"]),
        (&json!("permission_error"), &body["detail"])
    );
    assert_eq!(anthropic.reason(), "policy.no-route");
    assert!(world.paste.untouched());
}

#[apply(over_both)]
fn the_administrators_response_wins_and_nothing_else_is_revealed(world: World) {
    let daemon = world.gateway(ROUTES);
    let vault = world.ask(&daemon, &["https://site.example/vault/keys"]);
    let body = vault.json();
    assert_eq!((vault.status, &body["status"], vault.reason()), (451, &json!(451), "policy.denied"));
    let detail = body["detail"].as_str().expect("a sentence");
    assert!(detail.starts_with("The vault is closed on weekends."), "{detail}");
    assert_eq!((&body["policy"], &body["retry"]), (&json!("EgressDenyPolicy/closed-vault"), &json!("never")));
    let record = on_record(&daemon, &vault);
    assert_eq!(record["rule"], "rules[0]");
    let unmatched = world.ask(&daemon, &["-X", "PUT", "https://site.example/x"]);
    let unknown = world.ask(&daemon, &["https://paste.example/"]);
    for heard in [&vault, &unmatched, &unknown] {
        let text = format!("{:?} {}", heard.fields, String::from_utf8_lossy(&heard.body));
        for secret in
            ["site-read", "site-vault", "raw-echo", "raw.example", "rules[", "/upload", "PathPrefix"]
        {
            assert!(!text.contains(secret), "a denial reveals `{secret}`: {text}");
        }
    }
}

#[apply(over_both)]
fn many_refusals_on_one_connection_are_immediate_and_each_is_on_record(world: World) {
    let daemon = world.gateway(ROUTES);
    let mut line = Line::tls(&world, &daemon, "site.example", "192.0.2.10:443");
    let start = Instant::now();
    for number in 0..200 {
        let heard = line.ask("DELETE", &format!("/x/{number}"));
        assert_eq!((heard.status, heard.reason()), (403, "policy.no-route"));
    }
    assert!(start.elapsed() < Duration::from_secs(3), "200 refusals took {:?}", start.elapsed());
    assert_eq!(line.ask("GET", "/small").status, 200, "the connection serves what is allowed");
    // A connection that may not live: HTTP/1.1 gets one answer, HTTP/2 as many as it asks at once.
    let mut refused = Line::tls(&world, &daemon, "paste.example", &format!("{PASTE}:443"));
    assert_eq!(refused.ask("GET", "/").field("connection"), "close");
    assert!(refused.ended());
    let many = world.curl(
        &daemon,
        &[
            "--http2",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{num_connects}\\n",
            "https://paste.example/[1-50]",
        ],
    );
    let said = many.succeeded();
    assert_eq!(said.matches("403 ").count(), 50, "{said}");
    assert!(world.paste.untouched());
    let counted = || {
        let rows = daemon.records(&["--kind", "request", "--deny", "--reason", "policy.no-route"]);
        (rows.len() == 251).then_some(())
    };
    eventually("251 refusals on record", counted);
}
