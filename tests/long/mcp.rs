//! MCP as its SDKs speak it: servers and clients of both versions for Python, and both clients for JavaScript, on both
//! sides of the gateway.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::tools;
use crate::e2e::world::BASE;
use crate::lab::program::{Program, Running};
use crate::lab::{Daemon, Lab, Zone};

/// Where the servers are, one of each version.
const SERVERS: [(&str, &str); 2] = [("one.example", "192.0.2.11"), ("two.example", "192.0.2.12")];

/// Every tool of theirs, in order.
const TOOLS: [&str; 3] = ["read_file", "send_mail", "grüße_senden"];

const ROUTES: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: tools}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [one.example, two.example]
  rules: [{matches: [{path: {value: /mcp}}]}]
";

/// The servers with two of their tools.
const TWO_TOOLS: &str = "
apiVersion: clawgress.io/v1alpha1
kind: MCPRoute
metadata: {name: two}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{servers: ['https://one.example/mcp', 'https://two.example/mcp'], tools: [read_file, 'gr*']}]}]
";

/// A client: whose it is, and the revision it speaks to a server of version 1 and of version 2.
#[derive(Clone, Copy)]
struct Client {
    sdk: Sdk,
    revisions: [&'static str; 2],
}

#[derive(Clone, Copy)]
enum Sdk {
    Python(&'static str),
    JavaScript(&'static str),
}

const CLIENTS: [Client; 4] = [
    Client { sdk: Sdk::Python("mcp1"), revisions: ["2025-11-25", "2025-11-25"] },
    Client { sdk: Sdk::Python("mcp2"), revisions: ["2025-11-25", "2026-07-28"] },
    Client { sdk: Sdk::JavaScript("sdk"), revisions: ["2025-11-25", "2025-11-25"] },
    Client { sdk: Sdk::JavaScript("client"), revisions: ["2025-11-25", "2026-07-28"] },
];

fn python(version: &str) -> String {
    tools::installed(&format!("{version}/bin/python")).to_string_lossy().into_owned()
}

impl Client {
    /// As alice, trusting the gateway's authority alone.
    fn asks(&self, lab: &Lab, daemon: &Daemon<'_>, url: &str) -> Value {
        let program = |command: &str| lab.workload().command(command);
        let (program, variable): (Program, &str) = match self.sdk {
            Sdk::Python(version) => {
                (program(&python(version)).arg(tools::client("mcp_client.py")), "SSL_CERT_FILE")
            }
            Sdk::JavaScript(package) => {
                let folder: PathBuf =
                    tools::installed(&format!("node/node_modules/@modelcontextprotocol/{package}"));
                (program("node").arg(tools::client("mcp.mjs")).arg(folder), "NODE_EXTRA_CA_CERTS")
            }
        };
        let said = tools::trusting(daemon, program.arg(url), variable).run();
        said.succeeded();
        said.json()
    }
}

/// The servers: version 1 answers in JSON, version 2 in events.
fn servers(lab: &Lab) -> Vec<Running> {
    let versions = [("mcp1", "json"), ("mcp2", "events")];
    let start = |((name, address), (version, form)): (&(&str, &str), (&str, &str))| {
        let leaf = lab.pki().leaf(&[name]);
        let program = lab.upstream().command(&python(version)).arg(tools::client("mcp_server.py"));
        let program = program.args([*address, "443"]).args([&leaf.certificate, &leaf.key]).arg(form);
        let running = program.start_logged(&lab.folder().join(format!("{version}.log")));
        lab.upstream().listening(&format!("{address}:443"));
        running
    };
    SERVERS.iter().zip(versions).map(start).collect()
}

/// Servers and gateway, and what each client says of each server.
fn said(lab: &Lab, routes: &str) -> (Vec<(Value, Client, &'static str)>, Vec<Value>) {
    let zone = SERVERS.iter().fold(Zone::new(), |zone, (name, address)| zone.host(name, &[address]));
    let _resolver = lab.resolver(zone);
    let _servers = servers(lab);
    let daemon = lab.daemon(&json!({}), &[("base.yaml", BASE), ("routes.yaml", routes)]);
    let mut all = Vec::new();
    for client in CLIENTS {
        for ((name, _), revision) in SERVERS.iter().zip(client.revisions) {
            let said = client.asks(lab, &daemon, &format!("https://{name}/mcp"));
            all.push((said, client, revision));
        }
    }
    (all, daemon.records(&["--kind", "request"]))
}

#[test]
fn every_sdk_lists_and_calls_the_tools_of_both_servers() {
    let (all, records) = said(&Lab::new(), ROUTES);
    for (said, client, revision) in all {
        assert_eq!(said["tools"], json!(TOOLS), "{said}");
        let calls = said["calls"].as_array().expect("calls");
        assert!(calls.len() == 4 && calls.iter().all(|call| call["said"].is_string()), "{said}");
        if let Sdk::Python(_) = client.sdk {
            assert_eq!(said["revision"], revision);
        }
    }
    let is_allowed = |row: &Value| {
        row["destination_host"] == "two.example" && row["status"] == 200 && row["decision"] == "allow"
    };
    assert!(records.iter().any(is_allowed));
}

#[test]
fn every_sdk_sees_a_shorter_list_raises_its_exception_for_a_refused_tool_and_goes_on() {
    let (all, records) = said(&Lab::new(), TWO_TOOLS);
    for (said, _, _) in all {
        assert_eq!(said["tools"], json!(["read_file", "grüße_senden"]), "{said}");
        let calls = said["calls"].as_array().expect("calls");
        let came: Vec<bool> = calls.iter().map(|call| call["said"].is_string()).collect();
        assert_eq!(came, [true, false, true, true], "{said}");
        let refused = &calls[1];
        assert_eq!(
            (&refused["error"], &refused["data"]["code"], &refused["data"]["retry"]),
            (&json!(-32003), &json!("mcp.tool"), &json!("never")),
            "{said}"
        );
        assert!(refused["message"].as_str().expect("a sentence").contains("`send_mail`"), "{said}");
    }
    let refused = records.iter().filter(|row| row["reason"] == "mcp.tool");
    let refused: Vec<&Value> = refused.map(|row| &row["tool_calls"]).collect();
    assert_eq!(refused, [&json!(["send_mail"]); 8]);
}
