//! What a model says is passed on only where its provider's annotations let it: whole answers and streams of Azure's. Read
//! next: `fallback`, `providers`.

use serde_json::{Value, json};

use super::dialogue::Heard;
use super::fallback::{ask, deployment, posted, preferring};
use super::origin::Taken;
use super::providers::{self, AZURE, INPUT, OUTPUT, Providers};
use crate::lab::backends::eventually;
use crate::lab::{Daemon, Lab};

const SECRET: &str = "what nobody may read";
const SPEC: &str = "{appliesTo: {}, contentSafety: {violence: Medium, requirePromptShields: true}, tokenBudget: {dailyTokens: 100000}}";

/// Annotations of a question, in which the shield has found an attack or not.
fn shielded(is_attack: bool) -> Value {
    json!([{"prompt_index": 0, "content_filter_results": {
        "hate": {"filtered": false, "severity": "safe"}, "jailbreak": {"filtered": false, "detected": is_attack},
    }}])
}

fn rated(severity: &str) -> Value {
    json!({"violence": {"filtered": false, "severity": severity}})
}

fn usage() -> Value {
    json!({"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT})
}

/// A whole answer of this deployment: `safe`, `violent`, `attacked`, `bare` of annotations, `large`.
fn whole(deployment: &str) -> Vec<u8> {
    let severity = if deployment == "violent" { "high" } else { "low" };
    let content = if deployment == "large" { "x".repeat(8 << 20) } else { SECRET.to_owned() };
    let mut answer = json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{
            "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content},
            "content_filter_results": rated(severity),
        }],
        "usage": usage(), "prompt_filter_results": shielded(deployment == "attacked"),
    });
    if deployment == "bare" {
        answer.as_object_mut().expect("an object").remove("prompt_filter_results");
    }
    providers::reply("200 OK", "application/json", answer.to_string().as_bytes())
}

/// The same as a stream, of which `violent` says something good first.
fn stream(deployment: &str) -> Vec<u8> {
    let chunk = |content: &str, severity: &str| {
        json!({"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [{
            "index": 0, "delta": {"content": content}, "finish_reason": null,
            "content_filter_results": rated(severity),
        }]})
    };
    let first = json!({"choices": [], "prompt_filter_results": shielded(deployment == "attacked")});
    let last = json!({
        "id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o", "usage": usage(),
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "content_filter_results": {}}],
    });
    let second = if deployment == "violent" { chunk(SECRET, "medium") } else { chunk("there.", "low") };
    let events = [first, chunk("Once ", "safe"), second, last];
    let events = events.iter().skip(usize::from(deployment == "bare"));
    let text = events.map(|event| format!("data: {event}\n\n")).collect::<String>() + "data: [DONE]\n\n";
    providers::pieces("text/event-stream", text.as_bytes())
}

fn azure(taken: &Taken) -> Vec<u8> {
    let deployment = taken.line().split('/').nth(3).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&taken.body).unwrap_or_default();
    match deployment {
        "busy" => providers::reply("429 Too Many Requests", "application/json", b"{\"error\":{\"code\":\"429\"}}"),
        "coded" => b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
        _ if asked["stream"] == json!(true) => stream(deployment),
        _ => whole(deployment),
    }
}

fn asks(lab: &Lab, daemon: &Daemon<'_>, name: &str, stream: bool) -> Heard {
    let body = json!({"stream": stream, "max_tokens": 50, "messages": [{"role": "user", "content": "x"}]});
    ask(lab, daemon, AZURE, posted(AZURE, &deployment(name), &body))
}

fn is_withheld(heard: &Heard, why: &str) {
    heard.is_refusal(403, "ai.safety");
    let told: Value = serde_json::from_slice(&heard.body).expect("JSON");
    assert_eq!(
        (&told["error"]["code"], &told["policy"]),
        (&json!("ai.safety"), &json!("InferencePolicy/terms"))
    );
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(why)), "{told}");
    assert!(!heard.text().contains(SECRET));
}

#[apply(over_both)]
fn a_whole_answer_is_passed_on_or_not_and_is_paid_for_in_either_case(lab: Lab) {
    let world = Providers::answering(&lab, azure);
    let daemon = preferring(&lab, SPEC);
    let heard = asks(&lab, &daemon, "safe", false);
    assert!(heard.status == 200 && heard.text().contains(SECRET), "{heard:?}");
    let asked = world.tls.taken()[0].head.to_ascii_lowercase();
    assert!(asked.contains("accept-encoding: identity\r\n"), "{asked}");
    is_withheld(&asks(&lab, &daemon, "violent", false), "`violence`, high");
    let row = daemon.record(&json!({"kind": "request", "reason": "ai.safety"}));
    assert_eq!(
        (&row["decision"], &row["status"], &row["policy_id"]),
        (&json!("deny"), &json!(403), &json!("InferencePolicy/terms")),
        "{row}"
    );
    assert_eq!((&row["tokens_input"], &row["tokens_output"]), (&json!(INPUT), &json!(OUTPUT)), "{row}");
    let charge = format!("InferencePolicy/terms tokens Agent/alice {}", INPUT + OUTPUT);
    assert_eq!(row["charges"], json!([charge]), "what was withheld is charged as it was used: {row}");
}

#[apply(over_both)]
fn what_was_not_judged_by_its_provider_or_cannot_be_here_is_withheld_and_errors_are_not(lab: Lab) {
    let _world = Providers::answering(&lab, azure);
    let daemon = preferring(&lab, SPEC);
    for (name, why) in [
        ("attacked", "an attack in the question"),
        ("bare", "not looked for attacks"),
        ("coded", "cannot be read"),
        ("large", "more than 8 MiB"),
    ] {
        is_withheld(&asks(&lab, &daemon, name, false), why);
    }
    let heard = asks(&lab, &daemon, "busy", false);
    assert_eq!((heard.status, heard.field("x-clawgress-reason")), (429, None), "{heard:?}");
}

#[apply(over_both)]
fn a_stream_ends_before_what_may_not_be_said_in_its_own_grammar(lab: Lab) {
    let _world = Providers::answering(&lab, azure);
    let daemon = preferring(&lab, SPEC);
    let heard = asks(&lab, &daemon, "safe", true);
    assert!(heard.status == 200 && heard.text().ends_with("data: [DONE]\n\n"), "{heard:?}");
    assert!(heard.text().contains("there.") && !heard.text().contains("ai.safety"));
    for (name, is_said) in [("violent", true), ("attacked", false), ("bare", false)] {
        let heard = asks(&lab, &daemon, name, true);
        let text = heard.text();
        assert_eq!(
            (heard.status, text.contains("Once "), text.contains(SECRET)),
            (200, is_said, false),
            "{text}"
        );
        let events: Vec<&str> = text.trim_end().split("\n\n").collect();
        let [.., error, "data: [DONE]"] = events.as_slice() else { panic!("{text}") };
        let error: Value = serde_json::from_str(error.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(error["error"]["code"], "ai.safety", "{error}");
    }
    let rows = eventually("three refusals", || {
        let mut rows = daemon.records(&["--kind", "request"]);
        rows.retain(|row| row["reason"] == "ai.safety");
        (rows.len() == 3).then_some(rows)
    });
    assert!(
        rows.iter().any(|row| row["tokens_output"].as_u64().is_some_and(|output| output > 0)),
        "{rows:?}"
    );
    for row in rows {
        assert_eq!(
            (&row["status"], &row["policy_id"]),
            (&json!(200), &json!("InferencePolicy/terms")),
            "{row}"
        );
    }
}
