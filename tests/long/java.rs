//! Java's own HTTP client and WebSocket, and the store that `env.sh` makes for it.

use serde_json::json;

use super::tools::{self, PATIENCE};
use crate::e2e::clients::{shell, shown};
use crate::e2e::world::{ROUTES, World};

#[test]
fn javas_http_client_by_the_store_that_env_sh_makes() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let script = format!("java {} > said", tools::client("Client.java").display());
    let java = shell(&world, &script).deadline(PATIENCE).run();
    java.succeeded();
    let said = std::fs::read(world.lab.folder().join("said")).expect("what it said");
    shown(&daemon, &serde_json::from_slice(&said).expect("a problem"), "policy.no-route");
    for protocol in ["http/1.1", "http/2"] {
        daemon.record(&json!({
            "kind": "request", "path": "/upload", "status": 200, "protocol": protocol, "bytes_out": 300_000,
        }));
    }
    daemon.record(&json!({"kind": "request", "path": "/ws", "status": 101, "decision": "allow"}));
    assert!(world.paste.untouched());
}

#[test]
fn the_store_for_java_holds_the_runtimes_own_authorities_too() {
    let world = World::new();
    let _daemon = world.gateway(ROUTES);
    let count = r#"count() { keytool -list -storepass changeit "$@" 2>/dev/null | grep -c trustedCertEntry; }
        count -cacerts; count -keystore "$HOME/.clawgress/java.store""#;
    let said = shell(&world, count).deadline(PATIENCE).run().succeeded();
    let counted: Vec<usize> = said.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(counted.len() == 2 && counted[0] > 0 && counted[1] == counted[0] + 1, "{said}");
}
