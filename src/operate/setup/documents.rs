//! The texts that `clawgress init` writes: settings, agents, policies to start from.
//!
//! Pure. The policies are those of `policies/starter`, as they are shipped.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;

use super::plan::{Agent, Folders};

/// The starter set, but for its agent: the name of each file and what stands in it.
pub const STARTER: [(&str, &str); 11] = [
    ("10-gateway.yaml", include_str!("../../../policies/starter/10-gateway.yaml")),
    ("10-gateway.test.yaml", include_str!("../../../policies/starter/10-gateway.test.yaml")),
    (AGENT_TESTS, include_str!("../../../policies/starter/20-agent.test.yaml")),
    ("30-git-hosts.yaml", include_str!("../../../policies/starter/30-git-hosts.yaml")),
    ("30-git-hosts.test.yaml", include_str!("../../../policies/starter/30-git-hosts.test.yaml")),
    ("40-model-providers.yaml", include_str!("../../../policies/starter/40-model-providers.yaml")),
    ("40-model-providers.test.yaml", include_str!("../../../policies/starter/40-model-providers.test.yaml")),
    ("50-internal.yaml", include_str!("../../../policies/starter/50-internal.yaml")),
    ("50-internal.test.yaml", include_str!("../../../policies/starter/50-internal.test.yaml")),
    ("60-package-registries.yaml", include_str!("../../../policies/starter/60-package-registries.yaml")),
    (
        "60-package-registries.test.yaml",
        include_str!("../../../policies/starter/60-package-registries.test.yaml"),
    ),
];
/// The file of the agents.
pub const AGENTS: &str = "20-agent.yaml";
const AGENT_TESTS: &str = "20-agent.test.yaml";
/// The agent of the starter set, of which ours take their shape.
const EXAMPLE: &str = include_str!("../../../policies/starter/20-agent.yaml");
/// The settings that the package brings: they name no workloads, and nothing starts with them.
const UNFILLED: &str = include_str!("../../../packaging/etc/clawgress.yaml");
/// What it is called in all of its files.
pub const EXAMPLE_NAME: &str = "example";

/// Whether this is what the package brings in a file of this name, word for word: nobody's work is in it.
pub fn is_shipped(name: &str, content: &[u8]) -> bool {
    let starter = STARTER.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let shipped = starter.or((name == AGENTS).then_some(EXAMPLE)).unwrap_or(UNFILLED);
    content == shipped.as_bytes()
}

/// `clawgress.yaml`.
pub fn settings(interfaces: &[String], subnets: &[IpNet], resolvers: &[String], folders: &Folders) -> String {
    let list = |items: Vec<String>| items.join(", ");
    let subnets = subnets.iter().map(|net| quoted(&net.to_string())).collect();
    let interfaces = interfaces.iter().map(|name| quoted(name)).collect();
    let mut text = format!(
        "# Written by `clawgress init`. Every setting, with its default: docs/settings.md.\n\
         # After a change: clawgress validate, then systemctl restart clawgressd.\n\
         apiVersion: clawgress.io/v1alpha1\n\
         kind: ClawgressConfig\n\
         metadata: {{name: host}}\n\
         spec:\n\
         \x20 # While the daemon is away, nothing of the workloads passes.\n\
         \x20 failMode: closed\n\
         \x20 intercept:\n\
         \x20   # Behind these sit the workloads, with addresses of these networks.\n\
         \x20   interfaces: [{}]\n\
         \x20   subnets: [{}]\n",
        list(interfaces),
        list(subnets)
    );
    if resolvers.is_empty() {
        text.push_str("  # Names are asked of this host's own resolvers, from /etc/resolv.conf.\n");
    } else {
        let _ = writeln!(
            text,
            "  dns: {{upstreams: [{}]}}",
            list(resolvers.iter().map(|one| quoted(one)).collect())
        );
    }
    for (key, path, usual) in folders.entries() {
        if path != usual {
            let _ = writeln!(text, "  {key}: {}", quoted(&path.display().to_string()));
        }
    }
    text
}

/// The documents of the agents, as the starter set has its one.
pub fn agents(agents: &[Agent]) -> String {
    let (comment, document) = EXAMPLE.split_once('\n').unwrap_or(("", EXAMPLE));
    let mut text = format!("{comment}\n");
    for (number, agent) in agents.iter().enumerate() {
        if number > 0 {
            text.push_str("---\n");
        }
        text.push_str(&of_agent(document, agent));
    }
    text
}

/// The example's document with another name and other addresses. The lines of its addresses stand below `addresses:`.
fn of_agent(document: &str, agent: &Agent) -> String {
    let mut out = String::new();
    let mut in_addresses = false;
    for line in document.lines() {
        let entry = in_addresses && line.trim_start().starts_with("- ");
        in_addresses = entry || line.trim() == "addresses:";
        if entry {
            continue;
        }
        if line == format!("  name: {EXAMPLE_NAME}") {
            let _ = writeln!(out, "  name: {}", quoted(&agent.name));
        } else {
            let _ = writeln!(out, "{line}");
        }
        if line.trim() == "addresses:" {
            for net in &agent.addresses {
                let _ = writeln!(out, "      - {}", quoted(&net.to_string()));
            }
        }
    }
    out
}

/// A file of the starter set, where it speaks of the agent by its own name.
pub fn starter(text: &str, agent: &str) -> String {
    text.replace(&format!("agent: {EXAMPLE_NAME}\n"), &format!("agent: {}\n", quoted(agent)))
}

/// Plain where YAML takes it for a text as it stands, else in quotation marks.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_alphabetic() || byte == b'/')
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/')
        && !["true", "false", "yes", "no", "on", "off", "null"].contains(&text.to_ascii_lowercase().as_str());
    let address =
        text.split('/').next().is_some_and(|front| front.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()));
    if plain || (address && text.contains('/')) {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
