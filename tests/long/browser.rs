//! Headless Chromium, which keeps the authorities it trusts in an NSS store of its own.

use std::path::Path;

use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::HTTPS;
use hickory_proto::rr::rdata::svcb::{Alpn, SVCB, SvcParamKey, SvcParamValue};
use serde_json::{Value, json};

use super::tools::{self, PATIENCE, client};
use crate::e2e::clients::shown;
use crate::e2e::world::{BASE, ROUTES, World};
use crate::lab::daemon::alice_and_gateway;
use crate::lab::nginx::server;
use crate::lab::{Daemon, Lab, UPSTREAM_V4, UPSTREAM_V6, Zone};

const PAGE: &str = "<!DOCTYPE html><title>page</title><link rel=stylesheet href=style.css>\
<script src=script.js></script><img src=image.svg><p>hello\n";

/// What the page does once it is there: a POST, a WebSocket, and a look at what it has loaded.
const ASK: &str = "(async () => {
    const posted = await (await fetch('/upload', {method: 'POST', body: 'x'.repeat(300000)})).text();
    const heard = await new Promise((hear, fail) => {
        const socket = new WebSocket('wss://site.example/ws');
        socket.onopen = () => socket.send('hello');
        socket.onmessage = event => hear(event.data);
        socket.onerror = () => fail(new Error('no WebSocket'));
    });
    return {
        posted, heard, script: window.loaded, colour: getComputedStyle(document.querySelector('p')).color,
        image: document.querySelector('img').naturalWidth,
    };
})()";

/// Opens a page as alice, who trusts the gateway's authority, and says what became of it.
fn visit(world: &World, daemon: &Daemon<'_>, url: &str, expression: &str) -> Value {
    look(&world.lab, daemon.authority(), url, expression)
}

fn look(lab: &Lab, authority: &Path, url: &str, expression: &str) -> Value {
    let store = "mkdir -p .pki/nssdb
        test -e .pki/nssdb/cert9.db || certutil -d sql:.pki/nssdb -N --empty-password
        certutil -d sql:.pki/nssdb -A -t C,, -n clawgress -i \"$1\"";
    let store = lab.workload().command("sh").args(["-ec", store, "sh"]).arg(authority);
    store.run().succeeded();
    let browser = lab.workload().command(&tools::python()).arg(client("browser.py")).env("QUIC", "1");
    let browser = browser.args([url, expression]).deadline(PATIENCE).run();
    browser.succeeded();
    browser.json()
}

#[test]
fn chromium_loads_a_page_posts_and_opens_a_websocket() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    world.lab.file("www/mirror/index.html", PAGE);
    world.lab.file("www/mirror/style.css", "p { color: rgb(1, 2, 3) }\n");
    world.lab.file("www/mirror/script.js", "window.loaded = 'yes'\n");
    world
        .lab
        .file("www/mirror/image.svg", "<svg xmlns='http://www.w3.org/2000/svg' width='7' height='7'/>\n");
    let said = visit(&world, &daemon, "https://site.example/mirror/", ASK);
    assert_eq!(
        said["value"],
        json!({"posted": "300000", "heard": "hello", "script": "yes", "colour": "rgb(1, 2, 3)", "image": 7})
    );
    assert_eq!((&said["status"], &said["protocol"]), (&json!(200), &json!("h2")), "{said}");
    for path in ["/mirror/", "/mirror/style.css", "/mirror/script.js", "/mirror/image.svg", "/upload"] {
        daemon.record(&json!({
            "kind": "request", "path": path, "protocol": "http/2", "status": 200, "decision": "allow",
        }));
    }
    // On the connection that it has (RFC 8441), where it would have to open one of its own otherwise.
    daemon.record(&json!({
        "kind": "request", "path": "/ws", "protocol": "http/2", "status": 101, "decision": "allow",
    }));
}

#[test]
fn chromium_shows_the_denial_as_its_page() {
    let world = World::new();
    let daemon = world.gateway(ROUTES);
    let said = visit(&world, &daemon, "https://paste.example/", "document.contentType");
    assert_eq!((&said["status"], &said["type"]), (&json!(403), &json!("application/problem+json")), "{said}");
    let text = said["text"].as_str().expect("text");
    shown(&daemon, &serde_json::from_str(text).expect("a problem"), "policy.no-route");
    assert!(world.paste.untouched());
}

/// `site.example`, which invites to QUIC in its answers and in DNS.
fn inviting(lab: &Lab) -> crate::lab::Nginx {
    lab.file("www/mirror/index.html", "<!DOCTYPE html><title>page</title><p>hello\n");
    let leaf = lab.pki().leaf(&["site.example"]);
    let invites = "add_header Alt-Svc 'h3=\":443\"; ma=86400' always;";
    lab.file("www/small", "hello from upstream\n");
    let map = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }";
    let site = server(lab, &leaf, &[UPSTREAM_V4, UPSTREAM_V6], invites);
    lab.nginx(&format!("{map}\n{site}"), &format!("{UPSTREAM_V4}:443"))
}

fn zone() -> Zone {
    let alpn = SvcParamValue::Alpn(Alpn(vec!["h3".to_owned(), "h2".to_owned()]));
    let https = HTTPS(SVCB::new(1, Name::root(), vec![(SvcParamKey::Alpn, alpn)]));
    Zone::new().host("site.example", &[UPSTREAM_V4, UPSTREAM_V6]).record("site.example", RData::HTTPS(https))
}

#[test]
fn chromium_is_not_invited_to_quic_and_stays_with_http2() {
    let lab = Lab::new();
    let (_site, _resolver) = (inviting(&lab), lab.resolver(zone()));
    let daemon = lab.daemon(&json!({}), &[("base.yaml", BASE), ("routes.yaml", ROUTES)]);
    let again = "(async () => { for (let n = 0; n < 5; n++) await (await fetch('/small?' + n)).text();
        return performance.getEntriesByType('resource').map(one => one.nextHopProtocol) })()";
    let said = look(&lab, daemon.authority(), "https://site.example/mirror/", again);
    assert_eq!((&said["status"], &said["protocol"]), (&json!(200), &json!("h2")), "{said}");
    let spoken = said["value"].as_array().expect("a list");
    assert!(spoken.iter().filter(|protocol| *protocol == "h2").count() >= 5, "{said}");
    let quic = daemon.records(&[]).into_iter().filter(|row| row["reason"] == "protocol.quic").count();
    assert_eq!(quic, 0, "nothing told it of QUIC");
}

/// Chromium puts a meaningless `encrypted_client_hello` into every ClientHello (GREASE).
#[test]
fn chromium_passes_through_only_where_the_listener_takes_what_looks_like_ech() {
    let lab = Lab::new();
    let (_site, _resolver) = (inviting(&lab), lab.resolver(zone()));
    let route = "
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: site}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationHostnames: [site.example], ports: [{port: 443}]}]}]
";
    for (ech, passes) in [("", false), (", ech: Allow", true)] {
        let listener = format!("{{name: tls, protocol: TLS, tls: {{mode: Passthrough{ech}}}}}");
        let base = alice_and_gateway(&listener);
        let daemon = lab.daemon(&json!({}), &[("base.yaml", &base), ("route.yaml", route)]);
        let said = look(&lab, &lab.pki().authority(), "https://site.example/mirror/", "1 + 1");
        if passes {
            assert_eq!((&said["status"], &said["value"]), (&json!(200), &json!(2)), "{said}");
        } else {
            assert!(said["error"].as_str().is_some_and(|text| text.starts_with("net::ERR_")), "{said}");
            daemon.record(&json!({"kind": "connection", "decision": "deny", "reason": "tls.ech"}));
        }
    }
}
