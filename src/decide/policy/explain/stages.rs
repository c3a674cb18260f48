//! The stages by their names: which refuses for which reason, and what it says.

use super::Step;
use crate::model::types::{CredentialPlace, Injection, PolicyRef, Reason};

/// What an operator opened for a time, where nothing else did.
pub(super) fn approvals(approval: Option<&PolicyRef>) -> String {
    approval
        .map_or_else(|| "none in force opens it".to_owned(), |approval| format!("{} opens it", approval.0))
}

/// What goes into the request in the agent's place.
pub(super) fn credential(one: &Injection) -> Step {
    let place = match &one.place {
        CredentialPlace::Header { name, .. } => format!("as header {name}"),
        CredentialPlace::Basic { name, user } => format!("as header {name} with `Basic` for user `{user}`"),
        CredentialPlace::Query(name) => format!("as query parameter {name}"),
        CredentialPlace::Aws(_) => "as signature of AWS".to_owned(),
        CredentialPlace::Google(_) => "as token of Google".to_owned(),
    };
    let text = format!("{} puts secret {} in {place}", one.policy.0, one.secret);
    Step { stage: "credentials", refuses: false, text }
}

/// The stage that refuses for this reason.
pub(super) fn stage_of(reason: Reason) -> &'static str {
    match reason {
        Reason::IdentityUnknown | Reason::IdentityQuarantined => "identity",
        Reason::DestinationPrivate | Reason::DestinationMetadata => "destination",
        Reason::PolicyDenied => "deny",
        Reason::AiModel | Reason::McpServer | Reason::McpTool | Reason::QuotaTokens => "routes",
        Reason::PolicyNoRoute | Reason::ApprovalRequired => "approvals",
        Reason::DlpBlocked | Reason::DlpUnscannable => "dlp",
        reason if side_door(reason).is_some() => "protocol",
        _ => "name",
    }
}

/// What is refused before routes, and what would do instead.
pub(super) fn side_door(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::ProtocolQuic => "QUIC is refused whatever routes say: clients fall back to TCP",
        Reason::ProtocolEncryptedDns => {
            "encrypted DNS is refused whatever routes say, the gateway answers DNS itself"
        }
        Reason::ProtocolConnect => {
            "CONNECT is refused whatever routes say: it leads on to a host that is not judged"
        }
        Reason::ProtocolNotTls => {
            "port 443 takes nothing but TLS: a route attached to a TCP listener alone (`sectionName`) opens it to more"
        }
        Reason::TlsEch => {
            "ECH hides the name that decides: open TLS, name the network by CIDR, or set `ech: Allow` on the listener"
        }
        _ => return None,
    })
}
