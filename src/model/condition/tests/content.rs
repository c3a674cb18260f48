//! What conditions say of what a request carries: a call, none, or nobody knows.

use super::*;
use crate::model::condition::{AiCall, Content, Finding, McpCall, Sought};
use crate::model::types::FindingClass;

/// A call of a model, that is no call of a tool, with two findings.
fn call() -> Content {
    let ai = AiCall {
        provider: Some("openai".into()),
        model: Some("small".into()),
        action: None,
        stream: true,
        max_output_tokens: None,
        estimated_tokens: u64::MAX,
        tools: vec!["search".into(), "shell".into()],
    };
    let finding =
        |class, detector: &str, confidence| Finding { class, detector: detector.into(), confidence };
    let findings =
        vec![finding(FindingClass::Keys, "pem", 0.95), finding(FindingClass::Placeholder, "vault", 0.5)];
    Content { ai: Sought::Found(ai), mcp: Sought::Absent, findings: Some(findings), ..Content::default() }
}

/// What is neither call, and carries nothing that was looked for.
fn plain() -> Content {
    Content { ai: Sought::Absent, mcp: Sought::Absent, findings: Some(Vec::new()), ..Content::default() }
}

fn judge(text: &str, content: &Content) -> Result<bool, Unevaluable> {
    let condition = Condition::check(text).unwrap_or_else(|faults| panic!("{text}: {faults:#?}"));
    let host = HostName::parse("api.example").unwrap();
    let destination = Destination { host: Some(&host), address: None, port: Some(443) };
    let usage = Usage { requests_today: 3, tokens_today: 2_000, bytes_today: 9, cost_usd_today: 1.5 };
    let (content, usage) = (Some(content), Some(&usage));
    condition.holds(&Facts {
        agent: &alice(),
        destination,
        request: Some(&Glance),
        content,
        usage,
        at: friday_night(),
    })
}

#[test]
fn what_a_request_carries_is_read_as_it_was_found() {
    let holding = [
        r#"ai.provider == "openai" && ai.model == "small" && ai.stream && ai.estimated_tokens == 9223372036854775807"#,
        r#"has(ai.model) && has(ai.stream) && has(ai.tools) && !has(ai.max_output_tokens)"#,
        r#""shell" in ai.tools && ai.tools.size() == 2 && ai.tools[0] == "search" && ai.tools.all(t, t.startsWith("s"))"#,
        r#"dlp.matches.exists(m, m.class == "keys" && m.confidence > 0.9) && size(dlp.matches) == 2"#,
        r#"dlp.matches.filter(m, m.class in ["keys", "secrets"]).map(m, m.detector) == ["pem"]"#,
        r#"dlp.matches[1].detector == "vault" && !dlp.matches.exists(m, m.class == "pii")"#,
        "usage.requests_today == 3 && usage.tokens_today > 1000 && usage.bytes_today < 10 && usage.cost_usd_today > 1",
        "!has(mcp.tool) && !has(mcp.method)",
    ];
    for text in holding {
        assert_eq!(judge(text, &call()), Ok(true), "{text}");
        assert_eq!(judge(&format!("!({text})"), &call()), Ok(false), "{text}");
    }
    let tool = McpCall { server: Some("files".into()), method: Some("tools/call".into()), tool: None };
    let tool = Content { mcp: Sought::Found(tool), ..plain() };
    let text = r#"mcp.server == "files" && mcp.method == "tools/call" && !has(mcp.tool) && !has(ai.model)"#;
    assert_eq!(judge(text, &tool), Ok(true));
}

#[test]
fn a_condition_about_a_call_neither_holds_nor_fails_where_there_is_no_such_call() {
    let without = Err(Unevaluable::Without(Part::Ai));
    for text in [
        r#"ai.model == "small""#,
        r#"ai.model != "small""#,
        r#"!(ai.model == "small")"#,
        r#"ai.estimated_tokens > 5 ? true : false"#,
        r#""shell" in ai.tools"#,
        r#"ai.tools.exists(t, t == "shell")"#,
        r#"["small"].exists(m, m == ai.model)"#,
        r#"ai.model == "small" && request.headers["x-team"] == "red""#,
        r#"request.headers["x-team"] == "red" && ai.model == "small""#,
        r#"["red"].all(team, request.headers["x-team"] == team && ai.model == "small")"#,
        r#"ai.model == "small" && destination.address == "192.0.2.10""#,
        r#"ai.model == "small" || request.method == "PUT""#,
    ] {
        assert_eq!(judge(text, &plain()), without, "{text}");
    }
    for (text, answer) in [
        ("has(ai.model)", false),
        ("has(ai.stream)", false),
        (r#"!has(ai.model) || ai.model != "small""#, true),
        (r#"has(ai.model) && ai.model == "small""#, false),
        (r#"ai.model == "small" || request.method == "GET""#, true),
        (r#"ai.model == "small" && request.method == "PUT""#, false),
        ("size(dlp.matches) == 0", true),
    ] {
        assert_eq!(judge(text, &plain()), Ok(answer), "{text}");
    }
    // What fails by itself, whatever the call is, fails.
    let text = r#"ai.model == "small" || request.headers["x-team"] == "red""#;
    assert!(matches!(judge(text, &plain()), Err(Unevaluable::Failed(_))), "{text}");
    let address = r#"ai.model == "small" || destination.address == "192.0.2.10""#;
    assert_eq!(judge(address, &plain()), Err(Unevaluable::NotYet(Part::DestinationAddress)));
}

#[test]
fn a_condition_about_a_tool_neither_holds_nor_fails_for_a_message_that_calls_none() {
    let ping = McpCall { method: Some("ping".into()), ..McpCall::default() };
    let ping = Content { mcp: Sought::Found(ping), ..plain() };
    for text in [r#"mcp.tool == "a""#, r#"mcp.tool != "a""#, r#"mcp.server == "a""#] {
        assert_eq!(judge(text, &ping), Err(Unevaluable::Without(Part::Mcp)), "{text}");
    }
    for (text, answer) in [("has(mcp.tool)", false), (r#"mcp.method == "ping""#, true)] {
        assert_eq!(judge(text, &ping), Ok(answer), "{text}");
    }
}

#[test]
fn what_nobody_has_looked_for_has_no_answer() {
    for (text, part) in [
        (r#"ai.model == "small""#, "ai"),
        ("has(ai.model)", "ai"),
        ("has(mcp.tool)", "mcp"),
        ("size(dlp.matches) == 0", "dlp"),
    ] {
        let why = format!("nobody has looked for `{part}` in what was sent");
        assert_eq!(judge(text, &Content::default()), Err(Unevaluable::Failed(why)), "{text}");
        let decided = format!(r#"{text} && request.method == "PUT""#);
        assert_eq!(judge(&decided, &Content::default()), Ok(false), "{decided}");
    }
    let absent = "`ai.max_output_tokens` has no value here; ask `has(ai.max_output_tokens)` first".to_owned();
    assert_eq!(judge("ai.max_output_tokens > 5", &call()), Err(Unevaluable::Failed(absent)));
}

#[test]
fn a_finding_is_never_of_a_class_that_there_is_not() {
    let told = faults(r#"dlp.matches.exists(m, m.class == "secret")"#);
    assert_eq!(told, ["[\"secret\"] `class` is never `secret` (did you mean `secrets`?)"]);
    let told = faults("dlp.matches.exists(m, m.text == \"a\")");
    assert_eq!(told[0], "[text] a finding has no field `text` (it has `class`, `detector` or `confidence`)");
    assert_eq!(
        faults("has(dlp.matches)"),
        ["[has(dlp.matches)] `dlp.matches` is always there (leave `has(...)` out)"]
    );
}
