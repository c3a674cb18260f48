//! Ruby's own HTTP client, by the variable of OpenSSL.

use serde_json::json;

use super::tools;
use crate::e2e::clients::shown;
use crate::e2e::world::{ROUTES, World};

#[test]
fn rubys_net_http() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let ruby = world.lab.workload().command("ruby").arg(tools::client("net_http.rb"));
    let said = tools::trusting(&daemon, ruby, "SSL_CERT_FILE").run();
    said.succeeded();
    shown(&daemon, &said.json(), "policy.no-route");
    daemon.record(&json!({"kind": "request", "path": "/upload", "status": 200, "bytes_out": 300_000}));
    assert!(world.paste.untouched());
}
