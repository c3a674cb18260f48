//! A refusal on record as a question: who was refused what, and could an approval open it?

use serde_json::Value;

use crate::model::types::{ApprovedHost, ApprovedTool, HostName, HostPattern, Reason};
use crate::operate::api::Fault;

/// What an approval can open of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The whole id.
    pub id: String,
    /// Who was refused.
    pub agent: String,
    /// What would have let it through.
    pub opens: Opens,
}

/// What an approval is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opens {
    /// A host, on the port; a look-up names none.
    Host(ApprovedHost),
    /// A tool that a policy wants approved.
    Tool(ApprovedTool),
}

/// Codes that say that nothing named the host.
const UNNAMED: [Reason; 2] = [Reason::PolicyNoRoute, Reason::DnsDenied];

/// Reads the rows that were found for an id.
///
/// # Errors
/// Why no approval opens this.
pub fn read(asked: &str, rows: &[Value]) -> Result<Refused, Fault> {
    let row = match rows {
        [] => return Err(Fault::not_found(format!("nothing on record has the id `{asked}`"))),
        [row] => row,
        _ => {
            return Err(Fault::invalid(format!("`{asked}` is the beginning of {} ids", rows.len()))
                .hint("give the whole id, as the denial quotes it in `request_id`"));
        }
    };
    let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default();
    let no = |why: String| Fault::invalid(format!("no approval opens request `{asked}`: {why}"));
    let code = text("reason");
    if text("decision") != "deny" {
        return Err(no("it was not refused".to_owned()));
    }
    let agent = text("agent_id");
    let refused = |opens| Refused { id: text("request_id").to_owned(), agent: agent.to_owned(), opens };
    if code == Reason::ApprovalRequired.code() && !agent.is_empty() {
        let tool = ApprovedTool::parse(text("evidence"));
        return tool
            .map(|tool| refused(Opens::Tool(tool)))
            .map_err(|_| no("no approval names such a tool".to_owned()));
    }
    if !UNNAMED.iter().any(|reason| reason.code() == code) {
        return Err(no(format!("it was refused as `{code}`"))
            .hint(format!("`clawgress audit show {asked}` says more")));
    }
    if text("protocol") == "udp" {
        return Err(no("it was UDP, and approvals open TCP".to_owned())
            .hint("an EgressL4Route with `protocol: UDP` opens it"));
    }
    if agent.is_empty() {
        return Err(no("no agent was known".to_owned()));
    }
    let looked_up = code == Reason::DnsDenied.code();
    let name = if looked_up { text("query_name") } else { text("destination_host") };
    let Ok(host) = HostName::parse(name) else {
        let hint = "the agent has to look the name up; networks are opened by `destinationCIDRs` of an EgressL4Route";
        return Err(no("it named no host".to_owned()).hint(hint));
    };
    let port = row.get("destination_port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    // A look-up went to the resolver's port.
    let port = port.filter(|_| !looked_up);
    Ok(refused(Opens::Host(ApprovedHost { host: HostPattern::Exact(host), port })))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(more: &Value) -> Value {
        let mut row = json!({
            "request_id": "0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10", "kind": "request", "decision": "deny",
            "reason": "policy.no-route", "agent_id": "alice", "destination_host": "paste.example",
            "destination_port": 443, "protocol": "http/1.1",
        });
        for (name, value) in more.as_object().unwrap() {
            row[name] = value.clone();
        }
        row
    }

    #[test]
    fn a_refused_request_says_who_and_what_and_a_refused_look_up_no_port() {
        let refused = read("0199", &[row(&json!({}))]).unwrap();
        let host = |text: &str| Opens::Host(ApprovedHost::parse(text).unwrap());
        assert_eq!((&*refused.agent, refused.opens), ("alice", host("paste.example:443")));
        let looked_up = json!({
            "kind": "dns", "reason": "dns.denied", "query_name": "Other.Example", "destination_port": 53, "protocol": "dns-udp",
        });
        let refused = read("0199", &[row(&looked_up)]).unwrap();
        assert_eq!(refused.opens, host("other.example"));
    }

    #[test]
    fn a_call_that_lacked_an_approval_says_of_which_tool() {
        let call = json!({"reason": "approval.required", "evidence": "docs/send_mail"});
        let refused = read("0199", &[row(&call)]).unwrap();
        let tool = ApprovedTool::parse("docs/send_mail").unwrap();
        assert_eq!((&*refused.agent, refused.opens), ("alice", Opens::Tool(tool)));
    }

    #[test]
    fn what_no_approval_can_open_says_why() {
        for (more, why) in [
            (json!({"decision": "allow"}), "it was not refused"),
            (json!({"reason": "name.mismatch"}), "it was refused as `name.mismatch`"),
            (json!({"reason": "policy.denied"}), "it was refused as `policy.denied`"),
            (json!({"protocol": "udp"}), "it was UDP"),
            (json!({"destination_host": ""}), "it named no host"),
            (json!({"agent_id": ""}), "no agent was known"),
            (
                json!({"reason": "approval.required", "evidence": "docs/send mail"}),
                "no approval names such a tool",
            ),
        ] {
            let fault = read("0199", &[row(&more)]).unwrap_err();
            assert!(fault.message.contains(why), "{fault:?}");
        }
        assert!(read("0199", &[]).unwrap_err().message.contains("nothing on record"));
        let two = [row(&json!({})), row(&json!({}))];
        assert!(read("0199", &two).unwrap_err().message.contains("the beginning of 2 ids"));
    }
}
