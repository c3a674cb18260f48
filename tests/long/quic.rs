//! QUIC by a real implementation: refused at once in both families, where it works without the gateway.

use serde_json::{Value, json};

use super::tools;
use crate::e2e::world::{ROUTES, World};
use crate::lab::backends::eventually;
use crate::lab::{Namespace, UPSTREAM_V4, UPSTREAM_V6};

fn handshake(space: &Namespace, address: &str) -> Value {
    let client = space.command(&tools::python()).arg(tools::client("quic.py")).args(["ask", address]);
    let said = client.deadline(tools::PATIENCE).run();
    said.succeeded();
    said.json()
}

#[test]
fn aioquic_hears_at_once_that_quic_is_not_allowed() {
    let world = World::new();
    let leaf = world.lab.pki().leaf(&["site.example"]);
    let log = world.lab.folder().join("quic-server.log");
    let server = world.lab.upstream().command(&tools::python()).arg(tools::client("quic.py")).arg("serve");
    let server = server.arg(&leaf.certificate).arg(&leaf.key).args([UPSTREAM_V4, UPSTREAM_V6]);
    let _server = server.start_logged(&log);
    eventually("the QUIC server listens", || {
        std::fs::read_to_string(&log).ok().filter(|text| text.contains("listening"))
    });
    let daemon = world.gateway(ROUTES);
    for address in [UPSTREAM_V4, UPSTREAM_V6] {
        let outside = handshake(world.lab.upstream(), address);
        assert_eq!(outside, json!({"connected": true, "error": null}), "where no gateway stands between");
        let said = handshake(world.lab.workload(), address);
        assert_eq!(said["connected"], false);
        assert!(["EACCES", "EHOSTUNREACH"].contains(&said["error"].as_str().unwrap_or("")), "{said}");
        daemon.record(&json!({
            "kind": "connection", "agent_id": "alice", "destination_address": address, "destination_port": 443,
            "decision": "deny", "reason": "protocol.quic",
        }));
    }
}
