//! The record's bytes never change, and hostile text cannot break out of them.

use std::time::Duration;

use crate::decide::ledger::canonical::{Closing, write_end, write_opening, write_outcome};
use crate::decide::ledger::judged::Judged;
use crate::decide::ledger::record::{Asked, Decision, Kind, Opening, Outcome};
use crate::model::types::limits::{RECORD_BYTES, RECORD_PATH_BYTES};
use crate::model::types::{Denial, FindingAction, FindingClass, ModelCall, Reason, Sighting, Sightings};

use super::{AT, id, model_call, opening, policy};

fn decision(opening: &Opening) -> String {
    let mut out = Vec::new();
    let policy = policy();
    let judged = Judged { policy: Some(&policy), rule: Some("rules[0]"), ..Judged::of(opening) };
    write_opening(&mut out, opening, &judged, (None, None));
    String::from_utf8(out).unwrap()
}

fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_decision_has_these_bytes() {
    assert_eq!(
        decision(&opening(7)),
        concat!(
            r#"{"v":1,"timestamp":"2026-05-28T20:26:40.123456Z","request_id":"0199c0de-7a31-7c55-b0a4-000000000007","#,
            r#""connection_id":"0199c0de-7a31-7c55-b0a4-000000000000","phase":"decision","kind":"request","#,
            r#""agent_id":"alice","team_id":"red","environment":"test","source_address":"10.77.0.2","#,
            r#""destination_host":"api.model.example","destination_address":"2001:db8::10","destination_port":443,"#,
            r#""protocol":"tls-terminate","http_method":"POST","path":"/v1/chat","decision":"allow","#,
            r#""policy_id":"EgressHTTPRoute/model","rule":"rules[0]","policy_digest":"sha256:9f2c","#,
            r#""enforcement_mode":"enforce"}"#,
        )
    );
}

/// So many findings with names like this.
fn found(name: &str, count: usize) -> Sightings {
    let mut all = Sightings::default();
    for _ in 0..count {
        all.add(Sighting {
            class: FindingClass::Pii,
            detector: name.into(),
            confidence: 0.956,
            action: Some(FindingAction::HashLog),
            location: name.to_owned(),
            hash: name.to_owned(),
        });
    }
    all
}

#[test]
fn findings_have_these_bytes_and_what_there_is_no_room_for_is_counted() {
    let mut one = opening(1);
    one.asked.findings = found("iban", 1);
    let mut out = Vec::new();
    write_opening(&mut out, &one, &Judged::of(&one), (None, None));
    let expected = concat!(
        r#""dlp_matches":[{"class":"pii","detector":"iban","confidence":0.96,"action":"HashLog","#,
        r#""location":"iban","hash":"iban"}]}"#,
    );
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with(expected), "{text}");
    let mut many = opening(1);
    many.asked.findings = found(&"x".repeat(400), 100);
    let mut out = Vec::new();
    write_opening(&mut out, &many, &Judged::of(&many), (None, None));
    let value = parsed(str::from_utf8(&out).unwrap());
    let told = value["dlp_matches"].as_array().unwrap().len() as u64;
    assert!(told > 0 && told < 32, "{told}");
    assert_eq!(value["dlp_matches_more"].as_u64(), Some(100 - told));
}

#[test]
fn an_outcome_has_these_bytes() {
    let closing = Closing { at: AT, request_id: id(7), kind: Kind::Request };
    let outcome = Outcome {
        status: Some(200),
        bytes_out: 1,
        bytes_in: u64::MAX,
        datagrams: Some((3, 4)),
        latency: Duration::from_micros(12_045),
        added_latency: Some(Duration::from_micros(24)),
        dialled: Some("192.0.2.10:443".parse().unwrap()),
        denial: None,
        evidence: Some("2 of 3".into()),
        credential: Some("CredentialInjectionPolicy/a: secret a version 1".into()),
        end: Some("client-closed"),
        model_call: None,
        spent: None,
        findings: Sightings::default(),
        alert: None,
    };
    let mut out = Vec::new();
    write_outcome(&mut out, &closing, &outcome, None);
    let head = concat!(
        r#"{"v":1,"timestamp":"2026-05-28T20:26:40.123456Z","request_id":"0199c0de-7a31-7c55-b0a4-000000000007","#,
        r#""phase":"outcome","kind":"request","#,
    );
    assert_eq!(
        String::from_utf8(out).unwrap(),
        head.to_owned()
            + concat!(
                r#""destination_address":"192.0.2.10","destination_port":443,"status":200,"evidence":"2 of 3","#,
                r#""credential":"CredentialInjectionPolicy/a: secret a version 1","bytes_out":1,"#,
                r#""bytes_in":18446744073709551615,"datagrams_out":3,"datagrams_in":4,"latency_ms":12.045,"#,
                r#""added_latency_us":24,"end":"client-closed"}"#,
            )
    );
    let mut out = Vec::new();
    write_end(&mut out, &closing, None, "interrupted");
    assert_eq!(String::from_utf8(out).unwrap(), head.to_owned() + r#""end":"interrupted"}"#);
}

#[test]
fn a_call_of_a_model_has_these_bytes() {
    let closing = Closing { at: AT, request_id: id(7), kind: Kind::Request };
    let write = |call: ModelCall| {
        let mut out = Vec::new();
        let outcome = Outcome { model_call: Some(Box::new(call)), ..Outcome::default() };
        write_outcome(&mut out, &closing, &outcome, None);
        String::from_utf8(out).unwrap()
    };
    let text = write(model_call());
    let told = concat!(
        r#""provider":"anthropic","model":"claude-1","model_requested":"claude","token_estimate":9,"tokens_input":8,"#,
        r#""tokens_output":7,"tokens_cache_read":0,"tokens_cache_write":5,"tokens_reasoning":4,"usage_estimated":true,"#,
        r#""cost_usd":1000.0315,"stop_reason":"tool_use","tool_calls":["get_weather","say \"hi\""],"bytes_out":0,"#,
    );
    assert!(text.contains(told), "{text}");
    let text = write(ModelCall {
        model: None,
        requested: None,
        input: None,
        output: None,
        cache_read: None,
        cache_write: None,
        reasoning: None,
        cost: None,
        stop: None,
        is_estimated: false,
        tools: Vec::new(),
        ..model_call()
    });
    assert!(text.contains(r#""provider":"anthropic","token_estimate":9,"bytes_out":0,"#), "{text}");
}

#[test]
fn a_call_of_a_model_fits_into_a_record_whatever_it_names() {
    for name in ["a", "\"", "\u{1}", "é", "\u{10ffff}"] {
        for repeated in [1, 100, 3000] {
            let name: Box<str> = name.repeat(repeated).into();
            let (model, figure) = (Some(name.clone()), Some(u64::MAX));
            let call = ModelCall {
                requested: model.clone(),
                model,
                token_estimate: u64::MAX,
                input: figure,
                output: figure,
                cache_read: figure,
                cache_write: figure,
                reasoning: figure,
                cost: figure,
                stop: Some(name.clone()),
                tools: vec![name; 512],
                ..model_call()
            };
            let long = "\u{1}".repeat(RECORD_BYTES);
            let mut wordy = opening(1);
            wordy.asked = Asked {
                method: Some(long.clone()),
                path: Some(long.clone()),
                protocol: None,
                findings: found(&long, 100),
                ..Asked::default()
            };
            wordy.verdict.evidence = Some(long);
            let ended = Outcome { model_call: Some(Box::new(call)), ..Outcome::default() };
            let mut out = Vec::new();
            write_opening(&mut out, &wordy, &Judged::of(&wordy), (Some(&ended), None));
            let value = parsed(str::from_utf8(&out).unwrap());
            assert!(out.len() <= RECORD_BYTES, "{}", out.len());
            assert_eq!(value["truncated"], true);
            assert!(!value["tool_calls"].as_array().unwrap().is_empty(), "{value}");
        }
    }
}

#[test]
fn a_refused_dns_query_has_these_bytes() {
    let mut query = opening(8);
    (query.kind, query.connection_id, query.subject.agent) = (Kind::Dns, None, None);
    query.asked = Asked {
        method: Some("AAAA".into()),
        path: Some("paste.example".into()),
        protocol: Some("dns"),
        ..Asked::default()
    };
    let denial = Denial::built_in(Reason::PolicyNoRoute, "No.").seen("5 routes looked at");
    let mut out = Vec::new();
    let ended = Outcome { status: Some(3), ..Outcome::default() };
    write_opening(&mut out, &query, &Judged::denied(&denial, Some(&query)), (Some(&ended), None));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"v":1,"timestamp":"2026-05-28T20:26:40.123456Z","request_id":"0199c0de-7a31-7c55-b0a4-000000000008","#,
            r#""phase":"complete","kind":"dns","source_address":"10.77.0.2","destination_host":"api.model.example","#,
            r#""destination_address":"2001:db8::10","destination_port":443,"protocol":"dns","query_type":"AAAA","#,
            r#""query_name":"paste.example","status":3,"decision":"deny","reason":"policy.no-route","#,
            r#""policy_digest":"sha256:9f2c","enforcement_mode":"enforce","evidence":"5 routes looked at"}"#,
        )
    );
}

#[test]
fn hostile_text_comes_back_as_it_was() {
    let every_control: String = (0..=0x9f).filter_map(char::from_u32).collect();
    for text in [
        &every_control,
        "\",\"decision\":\"deny",
        "\\",
        "\\\"",
        "\u{2028}\u{fffd}\u{10ffff}",
        "\0",
        "é\n\"ü\\",
    ] {
        let mut hostile = opening(1);
        hostile.asked.path = Some(text.to_owned());
        hostile.verdict.evidence = Some(text.to_owned());
        let value = parsed(&decision(&hostile));
        assert_eq!(value["path"], text);
        assert_eq!(value["evidence"], text);
        assert_eq!(value["decision"], "allow");
        assert_eq!(value.get("truncated"), None);
    }
}

#[test]
fn long_text_is_cut_on_a_character_and_marked() {
    for unit in ["a", "\"", "\u{1}", "é", "\u{10ffff}", "a\u{1}é"] {
        for shift in 0..7 {
            let long = "x".repeat(shift) + &unit.repeat(RECORD_BYTES);
            let mut wordy = opening(1);
            wordy.asked = Asked {
                method: Some(long.clone()),
                path: Some(long.clone()),
                protocol: None,
                ..Asked::default()
            };
            (wordy.verdict.evidence, wordy.verdict.policy_digest) =
                (Some(long.clone()), long.as_str().into());
            let text = decision(&wordy);
            let value = parsed(&text);
            assert!(text.len() <= RECORD_BYTES, "{}", text.len());
            assert_eq!(value["truncated"], true);
            let path = value["path"].as_str().unwrap();
            assert!(long.starts_with(path) && path.len() <= RECORD_PATH_BYTES);
            assert_eq!(value["enforcement_mode"], "enforce");
        }
    }
    let mut exact = opening(1);
    exact.asked.path = Some("p".repeat(RECORD_PATH_BYTES));
    assert_eq!(parsed(&decision(&exact)).get("truncated"), None);
}

#[test]
fn a_system_event_claims_no_permission() {
    let mut event = opening(1);
    event.kind = Kind::System;
    let value = parsed(&decision(&event));
    assert_eq!((value.get("decision"), value.get("enforcement_mode")), (None, None));
    event.verdict.decision = Decision::Deny;
    assert_eq!(parsed(&decision(&event))["decision"], "deny");
}
