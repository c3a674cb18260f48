//! Go, by a program written in it: GitHub's own command line.

use serde_json::json;

use super::tools;
use crate::e2e::world::{ROUTES, World};

#[test]
fn gh_and_the_sentence_it_shows() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let gh = |arguments: &[&str]| {
        let gh = world.lab.workload().command("gh").env("GH_TOKEN", "placeholder").arg("api").args(arguments);
        tools::trusting(&daemon, gh, "SSL_CERT_FILE").run()
    };
    let allowed = gh(&["https://site.example/headers"]);
    allowed.succeeded();
    assert_eq!(allowed.json()["path"], "/headers");
    daemon.record(&json!({"kind": "request", "path": "/headers", "status": 200, "decision": "allow"}));
    let refused = gh(&["user/repos", "-f", "name=notes"]);
    assert!(
        refused.failed_with(1).contains("gh: Agent alice may not reach api.github.com:443."),
        "{refused}"
    );
    assert_eq!(refused.json()["code"], "policy.no-route");
    daemon.record(&json!({
        "kind": "request", "request_id": refused.json()["request_id"], "reason": "policy.no-route",
        "http_method": "POST",
    }));
    assert!(world.paste.untouched());
}
