//! Rules that ask what time it is, for what lives when it changes.

use std::io::{Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::e2e::dialogue::{OPENED, connect, plain, zone};
use crate::e2e::streaming::{PLAIN, servers};
use crate::e2e::websocket::{frame, upgrade};
use crate::lab::Lab;
use crate::lab::backends::{Wire, within};

#[apply(over_both)]
fn what_lives_ends_in_the_minute_in_which_its_rule_says_so(lab: Lab) {
    let _resolver = lab.resolver(zone());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let policy = format!(
        "apiVersion: clawgress.io/v1alpha1
kind: EgressPolicy
metadata: {{name: hours}}
spec:
  targetRef: {{kind: EgressGateway, name: default}}
  rules: [{{name: over, when: 'time.unix >= {}', action: Deny, message: It is late.}}]
",
        now + 20
    );
    let daemon = lab.daemon(&json!({}), &[("all.yaml", OPENED), ("hours.yaml", &policy)]);
    servers(&lab, &["http/1.1"]);
    lab.backends().echo("192.0.2.13:7000", Wire::Plain);
    lab.workload().command("getent").args(["ahosts", "raw.example"]).run().succeeded();
    let mut relay = connect(lab.workload(), "192.0.2.13:7000");
    relay.write_all(b"\0word").expect("a living relay");
    relay.read_exact(&mut [0; 5]).expect("its echo");
    let mut tunnel = plain(lab.workload(), PLAIN);
    tunnel.say(upgrade("/ws"));
    assert!(tunnel.head().starts_with("HTTP/1.1 101 "));
    tunnel.say(frame(1, b"hello"));
    assert_eq!(tunnel.bytes(7), b"\x81\x05hello");
    for (kind, path) in [("connection", None), ("request", Some("/ws"))] {
        within(Duration::from_secs(100), "the next minute", || {
            let rows = daemon.records(&["--kind", kind, "--reason", "policy.denied"]);
            let ended =
                |row: &&serde_json::Value| row["rule"] == "over" && (path.is_none() || row["path"] == "/ws");
            rows.iter().find(ended).map(|_| ())
        });
    }
    assert!(matches!(relay.read(&mut [0; 1]), Ok(0) | Err(_)), "a relay that was open");
}
