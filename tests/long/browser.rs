//! Headless Chromium, which keeps the authorities it trusts in an NSS store of its own.

use serde_json::{Value, json};

use super::tools::{self, PATIENCE, client};
use crate::e2e::clients::shown;
use crate::e2e::world::{ROUTES, World};
use crate::lab::Daemon;

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

/// Opens a page as alice and says what became of it.
fn visit(world: &World, daemon: &Daemon<'_>, url: &str, expression: &str) -> Value {
    let store = "mkdir -p .pki/nssdb; certutil -d sql:.pki/nssdb -N --empty-password
        certutil -d sql:.pki/nssdb -A -t C,, -n clawgress -i \"$1\"";
    let store = world.lab.workload().command("sh").args(["-ec", store, "sh"]).arg(daemon.authority());
    store.run().succeeded();
    let browser = world.lab.workload().command(&tools::python()).arg(client("browser.py"));
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
