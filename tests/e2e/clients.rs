//! Real clients in the workload's namespace, with a clean environment and only the gateway's authority trusted: each
//! allowed, and each refused with what it can show its user.

use serde_json::{Value, json};

use super::world::{BASE, PASTE, RAW, ROUTES, THROUGH, World};
use crate::lab::Daemon;
use crate::lab::backends::{Wire, eventually};
use crate::lab::nginx;
use crate::lab::program::{Finished, Program};

/// A program as alice with nothing in its environment but where the authority is, in the one variable that is named.
fn program(world: &World, daemon: &Daemon<'_>, name: &str, variable: &str) -> Program {
    world.lab.workload().command(name).env(variable, daemon.authority())
}

/// Checks that a client was shown this denial and that it is on record.
pub fn shown(daemon: &Daemon<'_>, problem: &Value, reason: &str) {
    assert_eq!(problem["code"], reason, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("Agent alice")), "{problem}");
    daemon.record(&json!({"kind": "request", "request_id": problem["request_id"], "reason": reason}));
}

#[apply(over_both)]
fn curl_over_http1_and_http2(world: World) {
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

#[apply(over_both)]
fn curl_by_either_variable(world: World) {
    let daemon = world.gateway(ROUTES);
    let curl = |variable: &str| {
        let program = program(&world, &daemon, "curl", variable);
        program.args(["-sS", "--max-time", "10", "https://site.example/small"]).run()
    };
    for variable in ["CURL_CA_BUNDLE", "SSL_CERT_FILE"] {
        assert_eq!(curl(variable).succeeded(), "hello from upstream\n", "{variable}");
    }
    assert!(curl("NO_SUCH_VARIABLE").failed_with(60).contains("certificate"));
    daemon.record(
        &json!({"kind": "connection", "destination_host": "site.example", "reason": "tls.handshake"}),
    );
}

fn python(world: &World, daemon: &Daemon<'_>, script: &str) -> Finished {
    program(world, daemon, "python3", "SSL_CERT_FILE").args(["-c", script]).run()
}

#[apply(over_both)]
fn pythons_urllib_and_ssl(world: World) {
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

#[apply(over_both)]
fn nodes_fetch_and_https(world: World) {
    let daemon = world.gateway(ROUTES);
    let node = |script: &str| {
        program(&world, &daemon, "node", "NODE_EXTRA_CA_CERTS")
            .args(["--input-type=module", "-e", script])
            .run()
    };
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

#[apply(over_both)]
fn git_clones_over_https(world: World) {
    nginx::git(&world.lab, "notes");
    let daemon = world.gateway(ROUTES);
    let clone = |url: &str, folder: &str| {
        program(&world, &daemon, "git", "GIT_SSL_CAINFO")
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

#[apply(over_both)]
fn openssl_s_client_speaks_by_hand(world: World) {
    let daemon = world.gateway(ROUTES);
    let by_hand = |address: &str, name: &str| {
        let connect = format!("{address}:443");
        program(&world, &daemon, "openssl", "SSL_CERT_FILE")
            .args(["s_client", "-quiet", "-verify_return_error", "-connect", &connect, "-servername", name])
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

#[apply(over_both)]
fn a_raw_tcp_client(world: World) {
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

#[apply(over_both)]
fn wget_by_the_systems_store(world: World) {
    let daemon = world.gateway(ROUTES);
    // GnuTLS, which Debian's wget is built with, reads no variable.
    let wget = |arguments: &[&str]| world.lab.workload().command("wget").args(["-nv"]).args(arguments).run();
    let untrusted = wget(&["-O", "-", "https://site.example/small"]);
    assert!(untrusted.failed_with(5).contains("certificate"), "{untrusted}");
    assert!(daemon.records(&[]).iter().all(|row| row["kind"] != "request"));
    world.lab.workload().trust(daemon.authority());
    let allowed = wget(&["-O", "-", "https://site.example/small"]);
    assert_eq!(allowed.succeeded(), "hello from upstream\n");
    daemon.record(&json!({"kind": "request", "path": "/small", "status": 200, "decision": "allow"}));
    let refused = wget(&["-O", "-", "--content-on-error", "--post-data=x", "https://paste.example/upload"]);
    assert!(refused.failed_with(8).contains("ERROR 403: Forbidden"), "{refused}");
    shown(&daemon, &refused.json(), "policy.no-route");
    assert!(world.paste.untouched());
}

#[apply(over_both)]
fn git_pushes_where_it_may_and_only_fetches_where_it_may_not(world: World) {
    let _server = nginx::git_server(&world.lab, "notes");
    let route = |rules: &str| {
        format!(
            "{ROUTES}---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {{name: notes}}
spec:
  parentRefs: [{{kind: EgressGateway, name: default}}]
  hostnames: [site.example]
  rules: [{rules}]\n"
        )
    };
    let fetch = "{matches: [{method: POST, path: {value: /push/notes.git/git-upload-pack}}]}";
    let daemon = world.gateway(&route(fetch));
    let git = |script: &str| git(&world, &daemon, script);
    git("git clone -q https://site.example/push/notes.git copy && test -f copy/README").succeeded();
    // More than `http.postBuffer`, so that git sends it in chunks.
    git("cd copy && head -c 3000000 /dev/urandom > big && git add big && git commit -q -m big").succeeded();
    let refused = git("git -C copy push -q");
    assert!(refused.failed_with(1).contains("HTTP 403"), "{refused}");
    let packed = "/push/notes.git/git-receive-pack";
    daemon
        .record(&json!({"kind": "request", "path": packed, "reason": "policy.no-route", "decision": "deny"}));
    daemon.write_policy("routes.yaml", &route("{matches: [{path: {value: /push/notes.git}}]}"));
    daemon.reload();
    git("git -C copy push -q && git clone -q https://site.example/push/notes.git again").succeeded();
    let big =
        |copy: &str| std::fs::read(world.lab.folder().join(copy).join("big")).expect("a file in a clone");
    assert!(big("again") == big("copy"));
    // It knocks with four bytes first.
    eventually("the push on record", || {
        let rows = daemon.records(&[]).into_iter();
        let mut pushes = rows.filter(|row| row["path"] == packed && row["status"] == 200);
        pushes.find(|row| row["bytes_out"].as_u64().is_some_and(|bytes| bytes > 3_000_000))
    });
}

/// A script of git's commands, by somebody whom git does not ask for anything.
fn git(world: &World, daemon: &Daemon<'_>, script: &str) -> Finished {
    let script =
        format!("set -e; git() {{ command git -c user.name=a -c user.email=a@a.example \"$@\"; }}; {script}");
    program(world, daemon, "sh", "GIT_SSL_CAINFO").args(["-c", &script]).env("GIT_TERMINAL_PROMPT", "0").run()
}

/// A token that the server of a private repository takes as the password of `x-access-token`.
const TOKEN: &str = "ght-made-up/8Kd+Zs2Qw";

#[apply(over_both)]
fn git_fetches_and_pushes_where_a_password_is_wanted_that_it_never_has(world: World) {
    let _server = nginx::git_server(&world.lab, "notes");
    world.lab.file("htpasswd", format!("x-access-token:{{PLAIN}}{TOKEN}\n"));
    let route = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: private}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [site.example]
  rules: [{matches: [{path: {value: /private/notes.git}}]}]
";
    let policy = "---
apiVersion: clawgress.io/v1alpha1
kind: CredentialInjectionPolicy
metadata: {name: git}
spec:
  parentRefs: [{kind: EgressHTTPRoute, name: private}]
  secretRef: {name: git}
  target: Header
  headerName: Authorization
  basicUser: x-access-token
";
    let daemon = world.gateway(&format!("{ROUTES}{route}"));
    let git = |script: &str| git(&world, &daemon, script);
    let url = "https://site.example/private/notes.git";
    let refused = git(&format!("git clone -q {url} none"));
    assert!(refused.failed_with(128).contains("could not read Username"), "the server wants it: {refused}");
    daemon.write_policy("routes.yaml", &format!("{ROUTES}{route}{policy}"));
    daemon.program(&["secret", "set", "git"]).input(TOKEN).run().succeeded();
    daemon.reload();
    git(&format!("git clone -q {url} mine && test -f mine/README")).succeeded();
    git("cd mine && head -c 3000000 /dev/urandom > big && git add big && git commit -q -m big").succeeded();
    git("git -C mine push -q").succeeded();
    // What the agent says in its place is gone.
    let own = url.replace("://", "://me:my-own@");
    git(&format!("git clone -q {own} theirs")).succeeded();
    let big = |copy: &str| std::fs::read(world.lab.folder().join(copy).join("big")).expect("a file");
    assert!(big("theirs") == big("mine"));
    daemon.record(&json!({
        "kind": "request", "path": "/private/notes.git/git-receive-pack", "status": 200,
        "credential": "CredentialInjectionPolicy/git: secret git version 1",
    }));
    let found = git(&format!("grep -rlF '{TOKEN}' mine theirs || true"));
    assert_eq!(found.succeeded(), "", "no file of the agent holds it");
}

/// `raw.example` on these ports besides 7000.
pub fn raw_ports(ports: &str) -> String {
    ROUTES.replace("[{port: 7000}]", &format!("[{{port: 7000}}, {ports}]"))
}

#[apply(over_both)]
fn ssh_logs_in_where_a_route_names_its_port(world: World) {
    let daemon = world.gateway(&raw_ports("{port: 22}"));
    let keys = "for key in host user; do ssh-keygen -q -t ed25519 -N '' -f $key; done; mkdir -p /run/sshd; command -v sshd";
    let sshd = world.lab.upstream().command("sh").args(["-c", keys]).run().succeeded();
    let home = world.lab.folder().display();
    let settings = format!(
        "ListenAddress {RAW}\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\nPermitRootLogin yes\n\
         UsePAM no\nStrictModes no\nPidFile none\n"
    );
    let settings = world.lab.file("sshd_config", world.lab.twin(&settings));
    let server = world.lab.upstream().command(sshd.trim()).args(["-D", "-e", "-f"]).arg(settings);
    let _server = server.start_logged(&world.lab.folder().join("sshd.log"));
    world.lab.upstream().listening(&format!("{RAW}:22"));
    let ssh = |host: &str| {
        world
            .lab
            .workload()
            .command("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-i", "user"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-l", "root", host, "cat; echo from afar >&2"])
            .input("over ssh")
            .run()
    };
    let allowed = ssh("raw.example");
    assert_eq!(allowed.succeeded(), "over ssh");
    assert!(allowed.errors().contains("from afar"), "{allowed}");
    daemon.record(&json!({
        "kind": "connection", "destination_host": "raw.example", "destination_port": 22, "decision": "allow",
        "policy_id": "EgressL4Route/raw-echo",
    }));
    // A route names this host for its web pages, so it is looked up, and for nothing else.
    let refused = ssh("site.example");
    assert!(refused.failed_with(255).contains("Connection reset by peer"), "{refused}");
    daemon.record(&json!({
        "kind": "connection", "destination_host": "site.example", "destination_port": 22,
        "reason": "policy.no-route",
    }));
}

#[apply(over_both)]
fn redis_cli_speaks_where_a_route_names_its_port(world: World) {
    let daemon = world.gateway(&raw_ports("{port: 6379}"));
    let server = world.lab.upstream().command("redis-server");
    let server = server.args(["--bind", RAW, "--protected-mode", "no", "--save", "", "--port", "6379"]);
    let _server = server.start_logged(&world.lab.folder().join("redis.log"));
    world.lab.upstream().listening(&format!("{RAW}:6379"));
    let redis = |port: &str, arguments: &[&str]| {
        world
            .lab
            .workload()
            .command("redis-cli")
            .args(["-h", "raw.example", "-p", port])
            .args(arguments)
            .run()
    };
    assert_eq!(redis("6379", &["set", "key", "value"]).succeeded(), "OK\n");
    assert_eq!(redis("6379", &["get", "key"]).succeeded(), "value\n");
    daemon.record(&json!({
        "kind": "connection", "destination_host": "raw.example", "destination_port": 6379, "decision": "allow",
    }));
    let refused = redis("6380", &["get", "key"]);
    assert!(refused.failed_with(1).contains("Connection reset by peer"), "{refused}");
    daemon.record(&json!({
        "kind": "connection", "destination_host": "raw.example", "destination_port": 6380,
        "reason": "policy.no-route",
    }));
}

/// Opens `site.example` and passes `through.example` through. The system's store in alice's namespace vouches for the
/// outside world, as it does on real machines.
pub fn opening_and_passing(world: &World) -> Daemon<'_> {
    let leaf = world.lab.pki().leaf(&["through.example"]);
    world.lab.backends().http(&format!("{THROUGH}:443"), Wire::Tls(&leaf, &["h2", "http/1.1"]));
    world.lab.workload().trust(&world.lab.pki().authority());
    let base = format!("{BASE}    - {{name: closed, protocol: TLS, tls: {{mode: Passthrough}}}}\n");
    let through = "---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: through}
spec:
  parentRefs: [{kind: EgressGateway, name: default, sectionName: closed}]
  rules: [{matches: [{destinationHostnames: [through.example]}]}]
";
    let routes = format!("{ROUTES}{through}");
    world.lab.daemon(&json!({}), &[("base.yaml", &base), ("routes.yaml", &routes)])
}

/// A shell of alice's that has trusted the gateway by `env.sh`, twice as shells in shells do.
pub fn shell(world: &World, script: &str) -> Program {
    let trust = r#"eval "$(curl -fsS http://clawgress.internal/env.sh)""#;
    world.lab.workload().command("sh").args(["-euc", &format!("{trust}\n{trust}\n{script}")])
}

#[apply(over_both)]
fn env_sh_lets_clients_trust_what_is_opened_and_what_is_passed_through(world: World) {
    let daemon = opening_and_passing(&world);
    let python = "import sys, urllib.request as r; print(len(r.urlopen(sys.argv[1]).read()))";
    for host in ["site.example", "through.example"] {
        let ask = [
            format!("curl -sS -o 1 https://{host}/download/1000"),
            format!("python3 -c '{python}' https://{host}/download/1000 > 2"),
            format!("git ls-remote https://{host}/download/1000 2> 3 || true"),
            "wc -c < 1; cat 2 3; ls -A \"$HOME/.clawgress\"".to_owned(),
        ];
        let said = shell(&world, &ask.join("\n")).run().succeeded();
        assert!(said.starts_with("1000\n1000\n"), "{said}");
        // There is no repository; to have heard that, git has trusted the host.
        assert!(
            said.contains(&format!("fatal: repository 'https://{host}/download/1000/' not found")),
            "{said}"
        );
        assert!(said.contains("\nbundle.pem\nca.pem\n"), "{said}");
    }
    let node = "const answer = await fetch('https://site.example/small'); console.log(await answer.text())";
    let said = shell(&world, &format!("node --input-type=module -e \"{node}\"")).run().succeeded();
    assert_eq!(said.trim(), "hello from upstream");
    daemon.record(
        &json!({"destination_host": "through.example", "protocol": "tls-passthrough", "decision": "allow"}),
    );
    daemon.record(
        &json!({"destination_host": "site.example", "protocol": "tls-terminate", "decision": "allow"}),
    );
}
