//! Why a recorded request was decided as it was: asked again of the set that was in force then, with the approvals and
//! quarantines that stood then.
//!
//! A record has no header fields, no query and no names that were given: what hangs on those cannot be asked again. So
//! the record has the last word, and where the question comes out otherwise the explanation says so.

use serde_json::Value;

use super::own;
use crate::decide::policy::{Circumstances, Standing};
use crate::model::types::{Decision, HostName, Reason, Timestamp};
use crate::operate::api::{ExplainQuery, Explanation, Fault, Recorded, Step, StepVerdict};
use crate::operate::daemon::keeper::Then;
use crate::operate::inquiry::{Inquiry, SOME_PUBLIC_ADDRESS, Scene, approve_tool, release};
use crate::pipeline::Snapshot;
use crate::platform::sys::clock;

/// Ids that are told where several begin alike.
const IDS_TOLD: usize = 5;

/// The sets by which it is judged.
#[derive(Clone, Copy)]
pub struct Judges<'a> {
    /// The one that decided, or why it cannot be had.
    pub then: Result<&'a Snapshot, &'a str>,
    /// What stood for a time then, and what of that is not known.
    pub standing: &'a Then,
    /// The one in force.
    pub now: &'a Snapshot,
}

/// The one that is meant of the rows whose ids begin so. Tables print beginnings: of what began in the same millisecond
/// the request is meant, not the connection and the look-up before it.
///
/// # Errors
/// Where there is none, or several.
pub fn the_record(id: &str, mut rows: Vec<Value>) -> Result<Value, Fault> {
    let request = |row: &Value| Row(row).text("kind") == Some("request");
    if rows.iter().filter(|row| request(row)).count() == 1 {
        rows.retain(request);
    }
    if rows.len() > 1 {
        let ids: Vec<&str> = rows.iter().filter_map(|row| Row(row).text("request_id")).collect();
        let told = ids[..ids.len().min(IDS_TOLD)].join(", ");
        let more = ids.len().saturating_sub(IDS_TOLD);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("{} records begin with `{id}`: {told}{more}", ids.len());
        return Err(Fault::invalid(message).hint("give the whole id"));
    }
    rows.pop().ok_or_else(|| Fault::not_found(format!("nothing on record has the id `{id}`")))
}

/// Explains one merged row; `connection` is the row of the connection that a request came on.
///
/// # Errors
/// Where the row is no decision about traffic.
pub fn explain(row: &Value, connection: Option<&Value>, judges: Judges<'_>) -> Result<Explanation, Fault> {
    let row = Row(row);
    let kind = row.text("kind").unwrap_or_default();
    if !matches!(kind, "connection" | "request" | "dns") {
        return Err(Fault::invalid(format!("nothing was decided there: it is a record of kind {kind}")));
    }
    let query = row.query(connection.map(Row));
    let mut found = match (judges.then, row.text("agent_id")) {
        (Ok(snapshot), Some(_)) => asked_again(&row, &query, snapshot, &judges.standing.standing)?,
        _ => bare(&row, &query),
    };
    let same = found.decision == row.decision() && found.reason == row.reason();
    let asked = found.reason;
    found.allowed = row.allowed();
    found.decision = row.decision();
    found.reason = row.reason();
    found.policy = row.text("policy_id").map(str::to_owned);
    found.rule = row.text("rule").map(str::to_owned);
    if !same {
        found.opened_by = None;
        overruled(&mut found, &row, asked);
    }
    found.hints = hints(&row, &query, judges);
    found.recorded = Some(row.recorded(judges.now));
    Ok(found)
}

/// What a set says, with what stood for a time.
fn asked_again(
    row: &Row<'_>,
    query: &ExplainQuery,
    snapshot: &Snapshot,
    standing: &Standing,
) -> Result<Explanation, Fault> {
    let Some(known) = snapshot.directory.by_name(&query.agent) else { return Ok(bare(row, query)) };
    let inquiry = inquiry(row, query)?;
    let given: Vec<HostName> = inquiry.name.iter().filter(|name| !own::is_name(name)).cloned().collect();
    inquiry.explained(&Scene {
        policy: &snapshot.policy,
        resources: &snapshot.resources,
        known: &known,
        circumstances: Circumstances { at: row.at(), standing, usage: None },
        given: &given,
        stale: &[],
    })
}

/// The question that was asked.
fn inquiry<'q>(row: &Row<'_>, query: &'q ExplainQuery) -> Result<Inquiry<'q>, Fault> {
    let address = row.address();
    let mut inquiry = Inquiry::new(query, false, |_| address.unwrap_or(SOME_PUBLIC_ADDRESS))?;
    if row.text("kind") == Some("connection") {
        inquiry.speaks(row.text("protocol").unwrap_or_default());
    }
    Ok(inquiry)
}

/// The command that would open it now, or why none does.
fn approval(row: &Row<'_>, query: &ExplainQuery, now: &Snapshot) -> Option<String> {
    let known = now.directory.by_name(&query.agent)?;
    let id = row.text("request_id").unwrap_or_default();
    let command = format!("clawgress approve {}", id.get(..13).unwrap_or(id));
    let inquiry = inquiry(row, query).ok()?;
    let given: Vec<HostName> = inquiry.name.iter().cloned().collect();
    let scene = Scene {
        policy: &now.policy,
        resources: &now.resources,
        known: &known,
        circumstances: now.circumstances(row.at()),
        given: &given,
        stale: &[],
    };
    inquiry.approval(&command, &scene)
}

/// Nothing but the record.
fn bare(row: &Row<'_>, query: &ExplainQuery) -> Explanation {
    Explanation {
        agent: query.agent.clone(),
        request: format!("{} {}", query.method.as_deref().unwrap_or_default(), query.target)
            .trim()
            .to_owned(),
        allowed: row.allowed(),
        decision: row.decision(),
        reason: row.reason(),
        ..Explanation::default()
    }
}

/// The record has the last word: its own stage comes last, and says what was seen.
fn overruled(found: &mut Explanation, row: &Row<'_>, asked: Option<Reason>) {
    let stage = match row.reason() {
        Some(reason) => reason.code().split('.').next().unwrap_or("record"),
        None => "record",
    };
    found.steps.retain(|step| step.verdict == StepVerdict::Pass && step.stage != stage);
    (found.nearest, found.nearest_rule) = (None, None);
    let seen = row.text("evidence").map(str::to_owned).unwrap_or_else(|| match (row.allowed(), asked) {
        (true, Some(reason)) => {
            format!("let through; asked again it would be {reason}: what else decided is not on record")
        }
        (true, None) => "let through".to_owned(),
        (false, _) => "refused; what was seen is not on record".to_owned(),
    });
    let verdict = if row.allowed() { StepVerdict::Allow } else { StepVerdict::Deny };
    found.steps.push(Step {
        stage: stage.to_owned(),
        verdict,
        text: seen,
        source: Some("as recorded".to_owned()),
    });
}

fn hints(row: &Row<'_>, query: &ExplainQuery, judges: Judges<'_>) -> Vec<String> {
    let mut hints = Vec::new();
    let named = row.text("destination_host").or(row.text("query_name")).is_some();
    if matches!(row.reason(), Some(Reason::PolicyNoRoute | Reason::DnsDenied)) && named {
        hints.extend(approval(row, query, judges.now));
    }
    if let (Some(Reason::ApprovalRequired), Some(tool)) = (row.reason(), row.text("evidence")) {
        hints.push(approve_tool(&query.agent, tool));
    }
    if let Err(why) = judges.then {
        let digest = row.text("policy_digest").unwrap_or("none");
        hints.push(format!("the set that decided ({digest}) is not kept any more: {why}"));
    }
    if judges.then.is_ok() {
        hints.extend(judges.standing.gaps.iter().cloned());
    }
    if row.text("kind") == Some("request") {
        hints.push("asked without header fields and query, which are not on record".to_owned());
    }
    let shut_out = judges.now.standing.quarantined(&query.agent, clock::now()).is_some();
    if shut_out && row.reason() == Some(Reason::IdentityQuarantined) {
        hints.push(release(&query.agent));
    }
    let changed = row.text("policy_digest") != Some(&*judges.now.resources.digest);
    if changed && row.text("agent_id").is_some() {
        let today = match asked_again(row, query, judges.now, &judges.now.standing) {
            Ok(found) if found.allowed => "would let it through".to_owned(),
            Ok(found) => {
                let too = if row.allowed() { "" } else { " too" };
                format!("would refuse it{too} ({})", found.reason.map_or("built in", Reason::code))
            }
            Err(fault) => format!("cannot be asked: {}", fault.message),
        };
        hints.push(format!("the documents have changed since; the set in force {today}"));
    }
    hints
}

/// A merged row of the record.
#[derive(Clone, Copy)]
struct Row<'a>(&'a Value);

impl<'a> Row<'a> {
    fn text(&self, field: &str) -> Option<&'a str> {
        self.0.get(field).and_then(Value::as_str)
    }

    fn decision(&self) -> Decision {
        self.text("decision").and_then(Decision::parse).unwrap_or_default()
    }

    fn allowed(&self) -> bool {
        !self.decision().refuses()
    }

    fn reason(&self) -> Option<Reason> {
        self.text("reason").and_then(Reason::parse)
    }

    fn at(&self) -> Timestamp {
        self.text("timestamp").and_then(Timestamp::parse).unwrap_or_default()
    }

    fn address(&self) -> Option<std::net::IpAddr> {
        self.text("destination_address").and_then(|text| text.parse().ok())
    }

    /// What was asked, as an operator would ask it.
    fn query(&self, connection: Option<Self>) -> ExplainQuery {
        let host = self.text("destination_host").or(self.text("destination_address")).unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = self.0.get("destination_port").and_then(Value::as_u64).unwrap_or_default();
        let (protocol, method) = (self.text("protocol").unwrap_or_default(), self.text("http_method"));
        let target = match self.text("kind") {
            Some("dns") => format!("dns://{}", self.text("query_name").unwrap_or_default()),
            Some("request") => {
                let opened = connection.and_then(|row| row.text("protocol")).unwrap_or_default();
                let (scheme, usual) = if opened == "http" { ("http", 80) } else { ("https", 443) };
                let port = if port == usual { String::new() } else { format!(":{port}") };
                format!("{scheme}://{host}{port}{}", self.text("path").unwrap_or("/"))
            }
            _ if protocol == "udp" => format!("udp://{host}:{port}"),
            _ => format!("{host}:{port}"),
        };
        ExplainQuery {
            agent: self.text("agent_id").unwrap_or("an unknown source").to_owned(),
            target,
            method: method.map(str::to_owned),
            headers: self.length(method),
            at: None,
        }
    }

    /// The length of its body, as far as it went out: rules ask for it, and without one they take a body for a long one.
    fn length(&self, method: Option<&str>) -> Vec<(String, String)> {
        let has_body = matches!(method, Some("POST" | "PUT" | "PATCH"));
        let sent = self.0.get("bytes_out").and_then(Value::as_u64).unwrap_or_default();
        if has_body { vec![("content-length".to_owned(), sent.to_string())] } else { Vec::new() }
    }

    fn recorded(&self, now: &Snapshot) -> Recorded {
        let digest = self.text("policy_digest").unwrap_or_default();
        Recorded {
            request_id: self.text("request_id").unwrap_or_default().to_owned(),
            at: self.at(),
            decision: self.text("decision").unwrap_or_default().to_owned(),
            evidence: self.text("evidence").map(str::to_owned),
            policy_digest: digest.to_owned(),
            in_force: *now.resources.digest == *digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(id: &str, kind: &str) -> Value {
        json!({"request_id": id, "kind": kind})
    }

    #[test]
    fn of_what_began_in_one_millisecond_the_request_is_meant() {
        let rows = vec![row("a-1", "connection"), row("a-2", "request")];
        assert_eq!(the_record("a", rows).unwrap()["request_id"], "a-2");
        assert_eq!(the_record("a", vec![row("a-1", "dns")]).unwrap()["request_id"], "a-1");
        assert_eq!(the_record("a", Vec::new()).unwrap_err().message, "nothing on record has the id `a`");
    }

    #[test]
    fn of_many_that_begin_alike_a_few_are_told() {
        let rows = (0..9).map(|number| row(&format!("a-{number}"), "request")).collect();
        let told = the_record("a", rows).unwrap_err().message;
        assert_eq!(told, "9 records begin with `a`: a-0, a-1, a-2, a-3, a-4 and 4 more");
    }
}
