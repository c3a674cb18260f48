//! JavaScript beside Node's own `fetch`: `ws`, the WebSocket client that most programs use, and Deno.

use serde_json::json;

use super::tools;
use crate::e2e::clients::shown;
use crate::e2e::world::{ROUTES, World};
use crate::lab::program::Program;

/// Runs a client that opens `/ws` of the site, and prints the denial of `paste.example`.
fn allowed_and_refused(variable: &str, client: impl FnOnce(&World) -> Program) {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let said = tools::trusting(&daemon, client(&world), variable).run();
    said.succeeded();
    shown(&daemon, &said.json(), "policy.no-route");
    daemon.record(&json!({
        "kind": "request", "path": "/ws", "status": 101, "destination_host": "site.example", "decision": "allow",
    }));
    assert!(world.paste.untouched());
}

#[test]
fn nodes_ws() {
    allowed_and_refused("NODE_EXTRA_CA_CERTS", |world| {
        let node = world.lab.workload().command("node").arg(tools::client("ws.mjs"));
        node.arg(tools::installed("node/node_modules/ws"))
    });
}

#[test]
fn deno() {
    let platform = if cfg!(target_arch = "x86_64") { "x64" } else { "arm64" };
    let deno = tools::installed(&format!("node/node_modules/@deno/linux-{platform}-glibc/deno"));
    allowed_and_refused("DENO_CERT", |world| {
        let deno = world.lab.workload().command(&deno.to_string_lossy());
        deno.args(["run", "--no-config", "--allow-net"]).arg(tools::client("deno.mjs"))
    });
}
