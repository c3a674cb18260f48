//! What is answered by this host itself, whatever documents say: port 53 of any address, the ports that the settings open,
//! and the gateway's own pages. Nothing else of this host is reached through the gateway.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::types::{Decision, HostName, Reason};
use crate::operate::api::{Explanation, Step, StepVerdict, Target};
use crate::operate::inquiry::Inquiry;
use crate::pipeline::{HOME_NAME, HOME_PORT, Home};
use crate::platform::sys::socket;

/// The port of DNS (RFC 1035, section 4.2).
const DNS_PORT: u16 = 53;

/// Said of a look-up of the gateway's own name.
pub const NAME_IS_ANSWERED: &str = "answered by the gateway: it is its own name";

/// Whether this is the name of the gateway itself.
pub fn is_name(name: &HostName) -> bool {
    name.as_str() == HOME_NAME
}

/// An address of the gateway, for its name.
pub fn address(home: &Home) -> IpAddr {
    let first = home.interfaces.iter().flatten().next();
    first.copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Whether this host has the address.
pub fn is_address(address: IpAddr) -> bool {
    socket::own_address(address).unwrap_or(false)
}

/// What this host answers without asking policy, and whether it serves what was asked for; `here` where the address is
/// its own.
pub fn answer(target: &Target, (here, port): (bool, u16), allow_local: &[u16]) -> Option<(bool, String)> {
    if port == DNS_PORT {
        let serves = !matches!(target, Target::Url { .. });
        return Some((
            serves,
            "port 53 of every address is the gateway's own resolver, which answers DNS".into(),
        ));
    }
    if !here {
        return None;
    }
    if allow_local.contains(&port) {
        return Some((true, format!("`spec.intercept.allowLocal` opens port {port} of this host")));
    }
    let page = matches!(target, Target::Url { tls: false, .. }) && port == HOME_PORT;
    page.then(|| (true, format!("a page of the gateway itself ({HOME_NAME}), which everybody may read")))
}

/// What this host answers itself, in words.
pub fn answered(inquiry: &Inquiry<'_>, serves: bool, text: String) -> Explanation {
    let verdict = if serves { StepVerdict::Allow } else { StepVerdict::Deny };
    Explanation {
        agent: inquiry.query.agent.clone(),
        request: inquiry.words(),
        allowed: serves,
        decision: if serves { Decision::Allow } else { Decision::Deny },
        steps: vec![Step { stage: "gateway".to_owned(), verdict, text, source: None }],
        ..Explanation::default()
    }
}

/// The gateway's own name is looked up here, whatever policy says of it.
pub fn name_is_answered(found: &mut Explanation) {
    for step in found.steps.iter_mut().filter(|step| step.stage == "dns") {
        NAME_IS_ANSWERED.clone_into(&mut step.text);
        step.verdict = StepVerdict::Pass;
    }
}

/// The refusal of whatever else leads to this host, as the dialler says it.
pub fn refuse(found: &mut Explanation, address: IpAddr) {
    if found.allowed {
        found.steps.retain(|step| ["identity", "dns", "name"].contains(&step.stage.as_str()));
        (found.allowed, found.reason) = (false, Some(Reason::DestinationPrivate));
        (found.decision, found.opened_by) = (Decision::Deny, None);
        (found.policy, found.rule) = (None, None);
        (found.nearest, found.nearest_rule) = (None, None);
        found.steps.push(Step {
            stage: "destination".to_owned(),
            verdict: StepVerdict::Deny,
            text: format!("{address} is this gateway's own, which it never dials, whatever routes say"),
            source: None,
        });
    }
    found.hints = vec![
        format!("no route can allow it: {address} is this gateway's own; its pages are http://{HOME_NAME}/"),
        "other ports of this host are opened by `spec.intercept.allowLocal` in clawgress.yaml".to_owned(),
    ];
}
