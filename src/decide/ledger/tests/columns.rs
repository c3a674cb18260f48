//! The columns of every record that can be written are those that a JSON reader finds in it.

use proptest::prelude::*;
use serde_json::Value;

use crate::decide::ledger::canonical::{Closing, write_end, write_opening, write_outcome};
use crate::decide::ledger::columns::Columns;
use crate::decide::ledger::judged::Judged;
use crate::decide::ledger::record::{Kind, Outcome};
use crate::model::types::{AgentProfile, Denial, Reason, Timestamp};

use super::{AT, id, model_call, opening};

/// What JSON says of a record, beside what its columns say.
fn compare(record: &str) {
    let value: Value = serde_json::from_str(record).unwrap();
    let columns = Columns::read(record).unwrap_or_else(|| panic!("no columns in {record}"));
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    assert_eq!(columns.at, Timestamp::parse(text("timestamp").unwrap()).unwrap());
    assert_eq!(columns.request_id.to_string(), text("request_id").unwrap());
    assert_eq!((Some(columns.phase), Some(columns.kind)), (text("phase"), text("kind")));
    assert_eq!(columns.agent_id.as_deref(), text("agent_id"));
    assert_eq!((columns.decision, columns.reason), (text("decision"), text("reason")));
    assert_eq!(columns.destination_host.as_deref(), text("destination_host"));
    assert_eq!(columns.source_address, text("source_address"));
    assert_eq!(columns.execution_id.map(|id| id.to_string()).as_deref(), text("execution_id"));
    assert_eq!(columns.charged_at, text("charged_at").and_then(Timestamp::parse));
    let charges = columns.charges.map(|list| serde_json::from_str::<Value>(list).unwrap());
    assert_eq!(charges.as_ref(), value.get("charges"));
}

#[test]
fn outcomes_have_their_columns() {
    let closing = Closing { at: AT, request_id: id(7), kind: Kind::Request };
    let denial = Denial::built_in(Reason::TlsUntrustedUpstream, "No.").seen("\"decision\":\"allow\",\\");
    for denial in [None, Some(denial)] {
        let model_call = Some(Box::new(model_call()));
        let outcome =
            Outcome { status: Some(200), denial, end: Some("idle"), model_call, ..Outcome::default() };
        let mut out = Vec::new();
        write_outcome(&mut out, &closing, &outcome, None);
        compare(str::from_utf8(&out).unwrap());
    }
    let mut out = Vec::new();
    write_end(&mut out, &closing, None, "interrupted");
    compare(str::from_utf8(&out).unwrap());
}

#[test]
fn what_is_no_flat_object_has_no_columns() {
    let mut out = Vec::new();
    write_opening(&mut out, &opening(1), &Judged::of(&opening(1)), (None, None));
    let whole = String::from_utf8(out).unwrap();
    for length in 0..whole.len() {
        assert_eq!(Columns::read(&whole[..length]), None, "cut to {length}");
    }
    for text in ["{}", "[]", "x", "{\"v\":1}", "{\"v\":{\"phase\":\"decision\"}}"] {
        assert_eq!(Columns::read(text), None, "{text}");
    }
    for list in ["[1]", "[[\"a\"]]", "[\"a\"", "[{\"a\":[]}]", "[{{}}]"] {
        assert_eq!(Columns::read(&whole.replacen("\"v\":1", &format!("\"v\":{list}"), 1)), None, "{list}");
    }
    assert_eq!(Columns::read(&(whole + "}")), None);
}

proptest! {
    #[test]
    fn decisions_have_their_columns_whatever_text_they_hold(
        agent in any::<String>(), path in any::<String>(), seen in "([\\\\\",:{}]|decision|reason|.){0,40}",
    ) {
        let mut hostile = opening(1);
        let profile = AgentProfile { name: agent.as_str().into(), team: Some(seen.as_str().into()), ..AgentProfile::clone(hostile.subject.agent.as_ref().unwrap()) };
        hostile.subject.agent = Some(profile.into());
        hostile.asked.path = Some(path);
        let denial = Denial::built_in(Reason::PolicyNoRoute, "No.").seen(seen);
        for judged in [Judged::of(&hostile), Judged::denied(&denial, None)] {
            let mut out = Vec::new();
            write_opening(&mut out, &hostile, &judged, (None, None));
            compare(str::from_utf8(&out).unwrap());
        }
    }
}
