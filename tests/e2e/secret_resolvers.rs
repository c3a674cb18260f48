//! Resolvers outside that can be spoken to in secret, asked by kdig: they answer whom no gateway stands before, and nobody
//! behind this one.

use serde_json::json;

use super::resolver::open_office;
use crate::lab::program::Finished;
use crate::lab::{Lab, Namespace, RESOLVER_V4, RESOLVER_V6, UPSTREAM_V4, Zone};

/// The name that the outside resolver proves.
const NAME: &str = "dns.example";

fn kdig(space: &Namespace, how: &[&str], server: &str) -> Finished {
    let asks = ["+retry=0", "+timeout=5", "+short", "site.example", "A"];
    space.command("kdig").arg(format!("@{server}")).args(how).args(asks).run()
}

#[test]
fn kdig_is_answered_over_tls_and_https_without_the_gateway_and_never_behind_it() {
    let lab = Lab::new();
    let resolver = lab.resolver(Zone::new().host("site.example", &[UPSTREAM_V4]));
    let leaf = lab.pki().leaf(&[NAME, RESOLVER_V4, RESOLVER_V6]);
    for address in [RESOLVER_V4.to_owned(), format!("[{RESOLVER_V6}]")] {
        resolver.over_tls(lab.backends(), &format!("{address}:853"), &leaf);
        resolver.over_https(lab.backends(), &format!("{address}:443"), &leaf);
    }
    // As if the shipped list had this one; everything else is allowed.
    let listed =
        json!({"dns": {"denyResolvers": [NAME, format!("{RESOLVER_V4}/32"), format!("{RESOLVER_V6}/128")]}});
    let daemon = lab.daemon(&listed, &[("all.yaml", &open_office())]);
    for server in [RESOLVER_V4, RESOLVER_V6] {
        for (how, port) in [("+tls", 853), ("+https", 443)] {
            let outside = kdig(lab.upstream(), &[how], server);
            assert_eq!(outside.succeeded().trim(), UPSTREAM_V4, "{how} {server}");
            let before = resolver.asked().len();
            let inside = kdig(lab.workload(), &[how], server);
            assert!(!inside.text().contains(UPSTREAM_V4), "{inside}");
            assert_eq!(resolver.asked().len(), before, "{how} {server}: nobody was asked");
            daemon.record(&json!({
                "kind": "connection", "agent_id": "alice", "destination_address": server, "destination_port": port,
                "decision": "deny", "reason": "protocol.encrypted-dns",
            }));
        }
        // In the open everything that is asked comes to this gateway, whomever it was for.
        assert_eq!(kdig(lab.workload(), &["+notcp"], server).succeeded().trim(), UPSTREAM_V4);
        assert_eq!(kdig(lab.workload(), &["+tcp"], server).succeeded().trim(), UPSTREAM_V4);
    }
}
