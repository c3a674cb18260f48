//! Real clients in the workload's namespace, with a clean environment and only the gateway's authority trusted: each
//! allowed, and each refused with what it can show its user.

use serde_json::{Value, json};

use super::world::{PASTE, ROUTES, World};
use crate::lab::Daemon;
use crate::lab::nginx;
use crate::lab::program::{Finished, Program};

/// A program as alice with nothing in its environment but where the authority is.
fn program(world: &World, daemon: &Daemon<'_>, name: &str) -> Program {
    world.lab.workload().command(name).trusting(daemon.authority())
}

/// Checks that a client was shown this denial and that it is on record.
fn shown(daemon: &Daemon<'_>, problem: &Value, reason: &str) {
    assert_eq!(problem["code"], reason, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("Agent alice")), "{problem}");
    daemon.record(&json!({"kind": "request", "request_id": problem["request_id"], "reason": reason}));
}

#[test]
fn curl_over_http1_and_http2() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    for (version, number) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let allowed = world.curl(&daemon, &[version, "-w", "%{http_version}", "https://site.example/small"]);
        assert_eq!(allowed.succeeded(), format!("hello from upstream\n{number}"));
        let big = world.curl(&daemon, &[version, "https://site.example/1MiB"]);
        assert_eq!(big.succeeded().len(), 1 << 20);
        let refused = world.ask(&daemon, &[version, "https://paste.example/upload"]);
        assert_eq!((refused.status, refused.reason()), (403, "policy.no-route"));
        shown(&daemon, &refused.json(), "policy.no-route");
        let failed = world.curl(&daemon, &[version, "--fail", "https://site.example/vault"]);
        failed.failed_with(22);
    }
    daemon.record(&json!({"kind": "request", "path": "/small", "protocol": "http/2", "status": 200}));
    assert!(world.paste.untouched());
}

fn python(world: &World, daemon: &Daemon<'_>, script: &str) -> Finished {
    program(world, daemon, "python3").args(["-c", script]).run()
}

#[test]
fn pythons_urllib_and_ssl() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let allowed = python(
        &world,
        &daemon,
        "import urllib.request; print(urllib.request.urlopen('https://site.example/small').read().decode())",
    );
    assert_eq!(allowed.succeeded().trim(), "hello from upstream");
    daemon.record(&json!({"kind": "request", "path": "/small", "status": 200, "decision": "allow"}));
    let refused = python(
        &world,
        &daemon,
        "import urllib.request, urllib.error
try:
    urllib.request.urlopen('https://paste.example/upload', b'data')
except urllib.error.HTTPError as e:
    assert e.code == 403 and e.headers['X-Clawgress-Reason'] == 'policy.no-route'
    print(e.read().decode())",
    );
    refused.succeeded();
    shown(&daemon, &refused.json(), "policy.no-route");
    let ssl = python(
        &world,
        &daemon,
        "import ssl, socket
s = ssl.create_default_context().wrap_socket(socket.create_connection(('site.example', 443)), server_hostname='site.example')
print(s.version(), dict(x[0] for x in s.getpeercert()['issuer'])['commonName'].split()[0])",
    );
    assert_eq!(ssl.succeeded(), "TLSv1.3 Clawgress\n");
    assert!(world.paste.untouched());
}

#[test]
fn pythons_requests_where_it_is_installed() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let script = "
try:
    import requests
except ImportError:
    print('not installed')
    raise SystemExit
session = requests.Session()
assert session.get('https://site.example/small').text == 'hello from upstream\\n'
refused = session.post('https://paste.example/upload', data=b'x' * 200000)
assert refused.status_code == 403, refused
print(refused.text)";
    let said = python(&world, &daemon, script);
    if said.succeeded().trim() != "not installed" {
        shown(&daemon, &said.json(), "policy.no-route");
    }
}

#[test]
fn nodes_fetch_and_https() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let node =
        |script: &str| program(&world, &daemon, "node").args(["--input-type=module", "-e", script]).run();
    let allowed = node("console.log(await (await fetch('https://site.example/small')).text())");
    assert_eq!(allowed.succeeded().trim(), "hello from upstream");
    daemon.record(&json!({"kind": "request", "path": "/small", "status": 200, "decision": "allow"}));
    let refused = node(
        "const r = await fetch('https://paste.example/upload', {method: 'POST', body: 'data'});
         if (r.status !== 403) throw r.status;
         console.log(await r.text())",
    );
    refused.succeeded();
    shown(&daemon, &refused.json(), "policy.no-route");
    let https = node(
        "import https from 'node:https';
         https.get('https://site.example/vault', r => {
             if (r.statusCode !== 451) throw r.statusCode;
             r.pipe(process.stdout);
         });",
    );
    https.succeeded();
    assert_eq!(https.json()["code"], "policy.denied");
    daemon.record(
        &json!({"kind": "request", "request_id": https.json()["request_id"], "reason": "policy.denied"}),
    );
    assert!(world.paste.untouched());
}

#[test]
fn git_clones_over_https() {
    let world = World::new();
    nginx::git(&world.lab, "notes");
    let daemon = world.gateway(ROUTES);
    let clone = |url: &str, folder: &str| {
        program(&world, &daemon, "git")
            .args(["clone", "-q", url, folder])
            .env("GIT_TERMINAL_PROMPT", "0")
            .run()
    };
    clone("https://site.example/git/notes.git", "cloned").succeeded();
    assert!(world.lab.folder().join("cloned/README").exists());
    daemon.record(
        &json!({"kind": "request", "path": "/git/notes.git/info/refs", "decision": "allow", "status": 200}),
    );
    let refused = clone("https://paste.example/git/notes.git", "refused");
    assert!(refused.failed_with(128).contains("403"), "{refused}");
    daemon.record(
        &json!({"kind": "request", "destination_host": "paste.example", "reason": "policy.no-route"}),
    );
    assert!(world.paste.untouched());
}

#[test]
fn openssl_s_client_speaks_by_hand() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let by_hand = |address: &str, name: &str| {
        let connect = format!("{address}:443");
        program(&world, &daemon, "openssl")
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-connect",
                &connect,
                "-servername",
                name,
                "-CAfile",
            ])
            .arg(daemon.authority())
            .input(format!("GET /small HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"))
            .run()
    };
    let allowed = by_hand("192.0.2.10", "site.example");
    assert!(allowed.text().ends_with("hello from upstream\n"), "{allowed}");
    daemon.record(&json!({"kind": "request", "path": "/small", "status": 200, "decision": "allow"}));
    let refused = by_hand(PASTE, "paste.example");
    let said = refused.text();
    let (head, body) = said.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 403"), "{refused}");
    shown(&daemon, &serde_json::from_str(body).expect("a problem"), "policy.no-route");
    assert!(world.paste.untouched());
}

#[test]
fn a_raw_tcp_client() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let script = |port: u16| {
        format!(
            "import socket
s = socket.create_connection(('raw.example', {port}), 5)
s.sendall(b'hello')
s.shutdown(socket.SHUT_WR)
try:
    print(s.makefile().read())
except ConnectionResetError:
    print('reset')"
        )
    };
    assert_eq!(python(&world, &daemon, &script(7000)).succeeded(), "hellobye\n");
    daemon.record(&json!({"kind": "connection", "destination_host": "raw.example", "destination_port": 7000, "decision": "allow"}));
    assert_eq!(python(&world, &daemon, &script(7001)).succeeded(), "reset\n");
    daemon.record(&json!({"kind": "connection", "destination_port": 7001, "reason": "policy.no-route"}));
}
