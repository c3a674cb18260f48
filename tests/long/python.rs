//! Python's clients, each told of the authority in its own way: allowed, and refused with what it shows its user.

use serde_json::{Value, json};

use super::tools;
use crate::e2e::clients::shown;
use crate::e2e::world::{PASTE, ROUTES, World};
use crate::lab::Daemon;
use crate::lab::program::Finished;

/// Runs a client, which must succeed.
fn run(world: &World, daemon: &Daemon<'_>, variable: &str, file: &str, arguments: &[&str]) -> Finished {
    let program = world.lab.workload().command(&tools::python()).arg(tools::client(file)).args(arguments);
    let finished = tools::trusting(daemon, program, variable).run();
    finished.succeeded();
    finished
}

/// Runs a client that is allowed what the site offers, and prints the denial of `paste.example`.
fn allowed_and_refused(variable: &str, file: &str, arguments: &[&str], seen: &[Value]) {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let said = run(&world, &daemon, variable, file, arguments);
    shown(&daemon, &said.json(), "policy.no-route");
    for fields in seen {
        let mut wanted = json!({"kind": "request", "destination_host": "site.example", "decision": "allow"});
        let more = fields.as_object().expect("fields").clone();
        wanted.as_object_mut().expect("fields").extend(more);
        daemon.record(&wanted);
    }
    assert!(world.paste.untouched());
}

#[test]
fn pythons_requests() {
    let upload = json!({"path": "/upload", "status": 200, "protocol": "http/1.1", "bytes_out": 300_000});
    allowed_and_refused("REQUESTS_CA_BUNDLE", "requests_client.py", &[], &[upload]);
}

#[test]
fn pythons_httpx_over_http1() {
    let upload = json!({"path": "/upload", "status": 200, "protocol": "http/1.1", "bytes_out": 300_000});
    allowed_and_refused("SSL_CERT_FILE", "httpx_client.py", &["1"], &[upload]);
}

#[test]
fn pythons_httpx_over_http2() {
    let upload = json!({"path": "/upload", "status": 200, "protocol": "http/2", "bytes_out": 300_000});
    let one_of_many = json!({"path": "/download/19", "status": 200, "protocol": "http/2", "bytes_in": 19});
    allowed_and_refused("SSL_CERT_FILE", "httpx_client.py", &["2"], &[upload, one_of_many]);
}

#[test]
fn pythons_aiohttp_and_its_websocket() {
    let upload = json!({"path": "/upload", "status": 200, "bytes_out": 300_000});
    allowed_and_refused(
        "SSL_CERT_FILE",
        "aiohttp_client.py",
        &[],
        &[upload, json!({"path": "/ws", "status": 101})],
    );
}

#[test]
fn pythons_websockets() {
    allowed_and_refused(
        "SSL_CERT_FILE",
        "websockets_client.py",
        &[],
        &[json!({"path": "/ws", "status": 101})],
    );
}

#[test]
fn grpcio_calls_once_and_streams_both_ways() {
    allowed_and_refused(
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "grpc_client.py",
        &[],
        &[
            json!({"path": "/lab.Echo/Say", "protocol": "http/2", "status": 200}),
            json!({"path": "/lab.Echo/Chat", "protocol": "http/2", "status": 200}),
        ],
    );
}

#[test]
fn grpcio_streams_from_the_server_and_keeps_its_deadline() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    run(&world, &daemon, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "grpc_streaming.py", &[]);
    let row = daemon.record(&json!({"kind": "request", "path": "/lab.Echo/Count", "status": 200}));
    assert_eq!(row.get("end"), None, "{row}");
    daemon.record(&json!({
        "kind": "request", "path": "/lab.Echo/Silence", "decision": "allow", "status": 200, "end": "client-closed",
    }));
    // The server is told of the deadline too.
    let seen = world.site.behind_grpc().seen();
    let call = seen.iter().find(|seen| seen.path == "/lab.Echo/Silence").expect("the call");
    assert!(call.headers.contains_key("grpc-timeout"), "{:?}", call.headers);
}

#[test]
fn an_http2_library_of_its_own_finds_no_fault_and_its_faults_are_found() {
    let upload = json!({"path": "/upload", "status": 200, "protocol": "http/2", "bytes_out": 300_000});
    let socket = json!({"path": "/ws", "status": 101, "protocol": "http/2", "bytes_in": 100_021});
    allowed_and_refused("SSL_CERT_FILE", "h2_client.py", &[], &[upload, socket]);
}

#[test]
fn botocore_by_its_own_variable() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let said = run(&world, &daemon, "AWS_CA_BUNDLE", "botocore_client.py", &[]);
    let refused = said.json();
    // Storage speaks XML, and its client shows the status alone; the code is in the fields of the response.
    let sentences = [
        ("An error occurred (403) when calling the PutObject operation", "PUT"),
        ("Agent alice may not reach bedrock-runtime.us-east-1.amazonaws.com:443", "POST"),
    ];
    for (refused, (sentence, method)) in refused.as_array().expect("two refusals").iter().zip(sentences) {
        assert!(refused["shown"].as_str().is_some_and(|shown| shown.contains(sentence)), "{refused}");
        assert_eq!(refused["reason"], "policy.no-route");
        daemon.record(&json!({
            "kind": "request", "request_id": refused["request_id"], "reason": "policy.no-route", "http_method": method,
            "destination_address": PASTE,
        }));
    }
    daemon.record(&json!({"kind": "request", "path": "/download/1000", "status": 200, "bytes_in": 1000}));
    assert!(world.paste.untouched());
}
