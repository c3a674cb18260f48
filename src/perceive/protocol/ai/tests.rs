//! Questions and answers of each provider, in the shapes that their references document.

use http::{HeaderMap, HeaderValue, Method};

use super::*;
use crate::model::types::{Billed, Provider};

fn endpoint(provider: Provider, path: &str) -> Endpoint {
    Endpoint::read(provider, &Method::POST, path)
}

fn ask(provider: Provider, path: &str, body: &str) -> Result<Question, Malformed> {
    let endpoint = endpoint(provider, path);
    let read = |size: usize| {
        let mut reader = QuestionReader::new(&endpoint);
        body.as_bytes().chunks(size).try_for_each(|piece| reader.feed(piece))?;
        reader.finish()
    };
    let whole = read(body.len().max(1));
    for size in [1, 2, 7] {
        assert_eq!(read(size), whole, "in pieces of {size}");
    }
    whole
}

const CHAT: &str = "/v1/chat/completions";

#[test]
fn a_question_names_model_bound_and_tools_in_the_words_of_its_provider() {
    use Provider::*;
    type Case<'c> = (Provider, &'c str, &'c str, Option<&'c str>, bool, Option<u64>, u64, &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        (
            OpenAi,
            CHAT,
            r#"{"messages":[{"role":"user","content":"hi"}],"n":3,"max_tokens":5,"max_completion_tokens":7,"stream":true,
                "tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}],"model":"gpt-4o"}"#,
            Some("gpt-4o"),
            true,
            Some(7),
            3,
            &["look"],
        ),
        (
            OpenAi,
            "/v1/completions",
            r#"{"model":"m","prompt":"x","best_of":4,"n":2}"#,
            Some("m"),
            false,
            None,
            4,
            &[],
        ),
        (
            OpenAi,
            "/v1/responses",
            r#"{"model":"m","input":"x","max_output_tokens":9,"max_tokens":1,"tools":[{"type":"function","name":"f"}]}"#,
            Some("m"),
            false,
            Some(9),
            1,
            &["f"],
        ),
        (
            AzureOpenAi,
            "/openai/deployments/d/chat/completions",
            r#"{"model":"x","stream":null}"#,
            Some("d"),
            false,
            None,
            1,
            &[],
        ),
        (
            Anthropic,
            "/v1/messages",
            r#"{"model":"c","max_tokens":100,"stream":true,"tools":[{"name":"a"},{"name":"b"}],"messages":[]}"#,
            Some("c"),
            true,
            Some(100),
            1,
            &["a", "b"],
        ),
        (
            Google,
            "/v1beta/models/g:streamGenerateContent",
            r#"{"generation_config":{"max_output_tokens":3},"generationConfig":{"maxOutputTokens":8,"candidateCount":2},
                "tools":[{"functionDeclarations":[{"name":"f"}]}]}"#,
            Some("g"),
            true,
            Some(8),
            2,
            &["f"],
        ),
        (
            Bedrock,
            "/model/m.n/converse-stream",
            r#"{"inferenceConfig":{"maxTokens":4.0},"toolConfig":{"tools":[{"toolSpec":{"name":"t"}}]}}"#,
            Some("m.n"),
            true,
            Some(4),
            1,
            &["t"],
        ),
        (
            Bedrock,
            "/model/us.anthropic.c/invoke",
            r#"{"max_tokens":4,"max_gen_len":1}"#,
            Some("us.anthropic.c"),
            false,
            Some(4),
            1,
            &[],
        ),
        (
            Bedrock,
            "/model/meta.l/invoke",
            r#"{"max_tokens":4,"max_gen_len":6}"#,
            Some("meta.l"),
            false,
            Some(6),
            1,
            &[],
        ),
        (Bedrock, "/model/arn:x%2Fp/invoke", r#"{"max_tokens":4}"#, Some("arn:x/p"), false, None, 1, &[]),
        (
            Custom,
            "/api/chat",
            r#"{"model":"llama3","options":{"num_predict":-1}}"#,
            Some("llama3"),
            true,
            None,
            1,
            &[],
        ),
        (
            Custom,
            "/v1/rerank",
            r#"{"model":"r","max_tokens":"many","n":null}"#,
            Some("r"),
            false,
            None,
            1,
            &[],
        ),
    ];
    for (provider, path, body, model, stream, max_output, choices, tools) in cases {
        let question = ask(*provider, path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"));
        let tools_offered: Vec<&str> = question.tools.iter().map(|tool| &**tool).collect();
        assert_eq!(question.model.as_deref(), *model, "{path}");
        assert_eq!(
            (question.stream, question.max_output, question.choices),
            (*stream, *max_output, *choices),
            "{path}"
        );
        assert_eq!(tools_offered, *tools, "{path}");
    }
}

#[test]
fn a_question_that_two_readers_may_take_differently_is_malformed() {
    for (body, error) in [
        (r#"{"model":"a","model":"b"}"#, Malformed::Again("model")),
        (r#"{"model":"a","Model":"b"}"#, Malformed::Again("model")),
        (r#"{"max_tokens":1,"max_tokens":2}"#, Malformed::Again("max_tokens")),
        (r#"{"messages":[],"messages":[]}"#, Malformed::Again("messages")),
        (
            r#"{"stream_options":{"include_usage":true,"include_usage":false}}"#,
            Malformed::Again("include_usage"),
        ),
        (r#"{"model":7}"#, Malformed::Type("model")),
        (r#"{"model":["a"]}"#, Malformed::Type("model")),
        (r#"{"stream":"true"}"#, Malformed::Type("stream")),
        (r#"{"max_tokens":"5"}"#, Malformed::Type("max_tokens")),
        (r#"{"max_tokens":-5}"#, Malformed::Type("max_tokens")),
        (r#"{"max_tokens":1.5}"#, Malformed::Type("max_tokens")),
        (r#"{"n":1e30}"#, Malformed::Type("n")),
        ("[]", Malformed::NoObject),
        ("7", Malformed::NoObject),
        ("\"model\"", Malformed::NoObject),
    ] {
        assert_eq!(ask(Provider::OpenAi, CHAT, body), Err(error), "{body}");
    }
    for body in ["", "{", "{\"model\":\"a\"}{\"model\":\"b\"}", "model=a", "{\"model\":\"a\",}"] {
        assert!(matches!(ask(Provider::OpenAi, CHAT, body), Err(Malformed::Json { .. })), "{body}");
    }
    let deep = r#"{"model":"a","messages":[{"role":"user","role":"user","Content":"x"}],"metadata":{"model":1,"Model":2}}"#;
    assert!(ask(Provider::OpenAi, CHAT, deep).is_ok(), "what has no weight may come twice");
}

#[test]
fn the_estimate_of_a_question_is_near_what_is_billed() {
    let body = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Tell me a joke about opentelemetry"}]}"#;
    let question = ask(Provider::OpenAi, CHAT, body).unwrap();
    assert_eq!(question.input_estimate, 16, "what OpenAI bills for it");
    let plain = r#"{"model":"claude","messages":[{"role":"user","content":"Tell me a joke"}]}"#;
    let tools = plain.replace("}]}", r#"}],"tools":[{"name":"look"}]}"#);
    let estimate = |body: &str| ask(Provider::Anthropic, "/v1/messages", body).unwrap().input_estimate;
    assert_eq!(estimate(plain), 11);
    assert!((350..380).contains(&estimate(&tools)), "Anthropic bills what it puts in front of tools");
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// What an answer with this media type tells, the same in pieces of any size.
fn answer(provider: Provider, path: &str, media: &str, body: &[u8]) -> Answer {
    let read = |size: usize| {
        let headers = fields(&[("content-type", media)]);
        let mut reader = AnswerReader::new(&endpoint(provider, path), 200, &headers, 1000);
        body.chunks(size).for_each(|piece| reader.feed(piece));
        reader.finish()
    };
    let whole = read(body.len().max(1));
    for size in [1, 2, 7, 61] {
        assert_eq!(read(size), whole, "in pieces of {size}");
    }
    whole
}

type Figures = [Option<u64>; 5];

fn figures(usage: Usage) -> Figures {
    [usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning]
}

const SSE: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

#[test]
fn a_stream_of_openai_ends_with_its_figures() {
    let body = "data: {\"id\":\"c\",\"model\":\"\",\"choices\":[],\"usage\":null}\n\n\
        data: {\"model\":\"gpt-4o-2024\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}],\"usage\":null}\n\n\
        data: {\"model\":\"gpt-4o-2024\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"look\",\"arguments\":\"\"}}]}}]}\n\n\
        data: {\"model\":\"gpt-4o-2024\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"usage\\\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n\
        data: {\"model\":\"gpt-4o-2024\",\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":9,\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":8},\"completion_tokens_details\":{\"reasoning_tokens\":4}}}\n\n\
        data: [DONE]\n\n";
    let answer = answer(Provider::OpenAi, CHAT, SSE, body.as_bytes());
    let usage = answer.usage.unwrap();
    assert_eq!(figures(usage), [Some(20), Some(9), Some(8), None, Some(4)]);
    assert!(!usage.estimated);
    assert_eq!(
        usage.billed(),
        Billed { input: 12, cache_read: 8, cache_write: 0, output: 9, ..Billed::default() }
    );
    assert_eq!((answer.model.as_deref(), answer.stop.as_deref()), (Some("gpt-4o-2024"), Some("tool_calls")));
    assert_eq!((answer.tools, answer.tools_called), (vec!["look".into()], 1));
}

#[test]
fn a_stream_without_figures_is_estimated_and_says_so() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"twelve bytes\"}}]}\n\ndata: [DONE]\n\n";
    let usage = answer(Provider::OpenAi, CHAT, SSE, body.as_bytes()).usage.unwrap();
    assert_eq!((figures(usage), usage.estimated), ([Some(1000), Some(3), None, None, None], true));
    let failed = AnswerReader::new(&endpoint(Provider::OpenAi, CHAT), 429, &HeaderMap::new(), 1000);
    assert_eq!(failed.finish().usage, None, "what was refused costs nothing");
    let counted = answer(Provider::Anthropic, "/v1/messages/count_tokens", JSON, b"{\"input_tokens\":14}");
    assert_eq!(counted.usage, None, "counting costs nothing");
}

#[test]
fn an_anthropic_stream_begins_with_the_input_and_cumulates_the_output() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":100,\"cache_creation_input_tokens\":7,\"output_tokens\":1}}}\n\n\
        event: content_block_start\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":\"look\",\"input\":{}}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\": \\\"long enough\\\"}\"}}\n\n";
    let end = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":15}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let whole = answer(Provider::Anthropic, "/v1/messages", SSE, format!("{start}{end}").as_bytes());
    let usage = whole.usage.unwrap();
    assert_eq!((figures(usage), usage.estimated), ([Some(25), Some(15), Some(100), Some(7), None], false));
    assert_eq!(
        usage.billed(),
        Billed { input: 25, cache_read: 100, cache_write: 7, output: 15, ..Billed::default() }
    );
    assert_eq!((whole.model.as_deref(), whole.stop.as_deref()), (Some("claude-x"), Some("tool_use")));
    assert_eq!(whole.tools, ["look".into()]);
    let cut = answer(Provider::Anthropic, "/v1/messages", SSE, start.as_bytes()).usage.unwrap();
    assert_eq!((cut.output, cut.estimated), (Some(5), true), "what was said before the cut is estimated");
}

#[test]
fn what_a_cache_keeps_for_an_hour_is_billed_apart() {
    let usage = r#"{"input_tokens":25,"cache_creation_input_tokens":70,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":50},"output_tokens":3}"#;
    let body = format!(r#"{{"model":"c","usage":{usage}}}"#);
    let start = format!(
        "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"model\":\"c\",\"usage\":{usage}}}}}\n\n"
    );
    for (kind, body) in [(JSON, body), (SSE, start)] {
        let usage = answer(Provider::Anthropic, "/v1/messages", kind, body.as_bytes()).usage.unwrap();
        assert_eq!(usage.cache_write, Some(70), "the provider's own field");
        let Billed { input, cache_write, cache_write_hour, .. } = usage.billed();
        assert_eq!((input, cache_write, cache_write_hour), (25, 20, 50));
        assert_eq!(usage.billed().total(), 98);
    }
    let odd = br#"{"model":"c","usage":{"input_tokens":5,"cache_creation":{"ephemeral_1h_input_tokens":50},"output_tokens":3}}"#;
    let usage = answer(Provider::Anthropic, "/v1/messages", JSON, odd).usage.unwrap();
    assert_eq!(usage.billed().total(), 8, "no more than was written at all");
}

#[test]
fn a_question_says_for_how_long_caches_are_to_keep_it() {
    let caching = |text: &str| {
        let mut reader = QuestionReader::new(&endpoint(Provider::Anthropic, "/v1/messages"));
        reader.feed(text.as_bytes()).unwrap();
        reader.finish().unwrap().caching
    };
    let of = |control: &str| {
        format!(
            r#"{{"model":"c","max_tokens":5,"system":[{{"type":"text","text":"a"{control}}}],"messages":[{{"role":"user","content":"b"}}]}}"#
        )
    };
    assert_eq!(caching(&of("")), Caching::Unsaid);
    assert_eq!(caching(&of(r#","cache_control":{"type":"ephemeral"}"#)), Caching::Short);
    assert_eq!(caching(&of(r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#)), Caching::Named);
    assert_eq!(caching(&of(r#","cache_control":null"#)), Caching::Unsaid);
}

#[test]
fn compaction_is_billed_in_all_of_its_rounds() {
    let body = br#"{"model":"c","usage":{"input_tokens":229,"output_tokens":5,"iterations":[
        {"type":"compaction","input_tokens":100,"output_tokens":131,"cache_creation_input_tokens":50,"cache_read_input_tokens":0},
        {"type":"message","input_tokens":229,"output_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":9}]}}"#;
    let usage = answer(Provider::Anthropic, "/v1/messages", JSON, body).usage.unwrap();
    assert_eq!((usage.input, usage.output), (Some(229), Some(5)), "the provider's own fields");
    assert_eq!(
        usage.billed(),
        Billed { input: 329, cache_read: 9, cache_write: 50, output: 136, ..Billed::default() }
    );
}

#[test]
fn thoughts_of_gemini_are_billed_beside_its_candidates_whole_streamed_and_as_a_list() {
    let event = r#"{"candidates":[{"content":{"parts":[{"text":"hi"},{"functionCall":{"name":"look","args":{"usageMetadata":{"promptTokenCount":1}}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"thoughtsTokenCount":30,"toolUsePromptTokenCount":6,"cachedContentTokenCount":3,"totalTokenCount":50},"modelVersion":"gemini-x"}"#;
    let stream = "/v1beta/models/g:streamGenerateContent";
    for (path, media, body) in [
        ("/v1beta/models/g:generateContent", JSON, event.to_owned()),
        (stream, "text/event-stream", format!("data: {event}\r\n\r\n")),
        (stream, JSON, format!("[{event}\n,\r\n{event}]")),
    ] {
        let answer = answer(Provider::Google, path, media, body.as_bytes());
        let usage = answer.usage.unwrap();
        assert_eq!(figures(usage), [Some(10), Some(4), Some(3), None, Some(30)], "{body}");
        assert_eq!(
            usage.billed(),
            Billed { input: 13, cache_read: 3, cache_write: 0, output: 34, ..Billed::default() }
        );
        assert_eq!((answer.model.as_deref(), answer.stop.as_deref()), (Some("gemini-x"), Some("STOP")));
        assert_eq!(answer.tools[0], "look".into());
    }
}

#[test]
fn responses_of_openai_name_the_tools_that_are_complete() {
    let body = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt-5\",\"status\":\"in_progress\",\"usage\":null,\"output\":[]}}\n\n\
        data: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\",\"name\":\"look\"}}\n\n\
        data: {\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{}\"}\n\n\
        data: {\"item\":{\"type\":\"function_call\",\"name\":\"look\"},\"type\":\"response.output_item.done\"}\n\n\
        data: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-5\",\"status\":\"completed\",\"incomplete_details\":null,\"output\":[{\"type\":\"function_call\",\"name\":\"look\"}],\"usage\":{\"input_tokens\":18,\"input_tokens_details\":{\"cached_tokens\":2,\"cache_write_tokens\":5},\"output_tokens\":79,\"output_tokens_details\":{\"reasoning_tokens\":6}}}}\n\n";
    let answer = answer(Provider::OpenAi, "/v1/responses", SSE, body.as_bytes());
    let usage = answer.usage.unwrap();
    assert_eq!(figures(usage), [Some(18), Some(79), Some(2), Some(5), Some(6)]);
    assert_eq!(
        usage.billed(),
        Billed { input: 11, cache_read: 2, cache_write: 5, output: 79, ..Billed::default() }
    );
    assert_eq!((answer.model.as_deref(), answer.stop.as_deref()), (Some("gpt-5"), Some("completed")));
    assert_eq!(answer.tools, ["look".into()], "once, although it is told of three times");
}

#[test]
fn bedrock_says_its_figures_in_the_head_in_the_body_and_in_its_own_streams() {
    let headers =
        fields(&[("x-amzn-bedrock-input-token-count", "18"), ("x-amzn-bedrock-output-token-count", "87")]);
    let claude = endpoint(Provider::Bedrock, "/model/anthropic.claude-v2:1/invoke");
    let mut reader = AnswerReader::new(&claude, 200, &headers, 1000);
    reader.feed(br#"{"type":"completion","completion":" Hi","stop_reason":"stop_sequence"}"#);
    let answered = reader.finish();
    assert_eq!(figures(answered.usage.unwrap()), [Some(18), Some(87), None, None, None]);
    assert_eq!(answered.model.as_deref(), Some("anthropic.claude-v2:1"), "the one that was asked");

    let titan = br#"{"inputTextTokenCount":28.0,"results":[{"tokenCount":197.0,"outputText":"x","completionReason":"FINISH"}]}"#;
    for headers in [HeaderMap::new(), headers] {
        let text = endpoint(Provider::Bedrock, "/model/amazon.titan-text/invoke");
        let mut reader = AnswerReader::new(&text, 200, &headers, 1000);
        reader.feed(titan);
        let usage = reader.finish().usage.unwrap();
        assert_eq!(figures(usage), [Some(28), Some(197), None, None, None], "the body's own, once");
    }

    let converse = br#"{"output":{"message":{"content":[{"toolUse":{"name":"t","input":{"usage":{"inputTokens":1}}}}]}},"stopReason":"tool_use","usage":{"inputTokens":22,"outputTokens":13,"totalTokens":2527,"cacheReadInputTokens":0,"cacheWriteInputTokens":2492}}"#;
    let converse = answer(Provider::Bedrock, "/model/m/converse", JSON, converse);
    let usage = converse.usage.unwrap();
    assert_eq!(figures(usage), [Some(22), Some(13), Some(0), Some(2492), None]);
    assert_eq!(
        usage.billed(),
        Billed { input: 22, cache_read: 0, cache_write: 2492, output: 13, ..Billed::default() }
    );
    assert_eq!((converse.tools, converse.stop.as_deref()), (vec!["t".into()], Some("tool_use")));
}

/// A message of an event stream of AWS.
fn message(kind: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", kind), (":message-type", "event")] {
        headers.extend(
            [&[name.len() as u8], name.as_bytes(), &[7, 0, value.len() as u8], value.as_bytes()].concat(),
        );
    }
    let mut bytes = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
    bytes.extend((headers.len() as u32).to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload.as_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fn wrapped(document: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.encode(document);
    format!("{{\"bytes\":\"{bytes}\",\"p\":\"abcd\"}}")
}

#[test]
fn event_streams_of_bedrock_are_read_through_their_wrapping() {
    const STREAM: &str = "application/vnd.amazon.eventstream";
    let converse = [
        message("messageStart", "{\"role\":\"assistant\"}"),
        message("contentBlockStart", "{\"start\":{\"toolUse\":{\"name\":\"t\",\"toolUseId\":\"x\"}}}"),
        message("contentBlockDelta", "{\"delta\":{\"text\":\"hi\"}}"),
        message("messageStop", "{\"stopReason\":\"end_turn\"}"),
        message(
            "metadata",
            "{\"usage\":{\"inputTokens\":54,\"outputTokens\":18},\"metrics\":{\"latencyMs\":7}}",
        ),
    ];
    let answered = answer(Provider::Bedrock, "/model/m/converse-stream", STREAM, &converse.concat());
    assert_eq!(figures(answered.usage.unwrap()), [Some(54), Some(18), None, None, None]);
    assert_eq!((answered.tools, answered.stop.as_deref()), (vec!["t".into()], Some("end_turn")));

    let claude = [
        message(
            "chunk",
            &wrapped(
                "{\"type\":\"message_start\",\"message\":{\"model\":\"c\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}",
            ),
        ),
        message(
            "chunk",
            &wrapped(
                "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":33}}",
            ),
        ),
        message(
            "chunk",
            &wrapped(
                "{\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":9,\"outputTokenCount\":33}}",
            ),
        ),
    ];
    let path = "/model/anthropic.c/invoke-with-response-stream";
    let answered = answer(Provider::Bedrock, path, STREAM, &claude.concat());
    let usage = answered.usage.unwrap();
    assert_eq!((figures(usage), usage.estimated), ([Some(9), Some(33), None, None, None], false));
    assert_eq!((answered.model.as_deref(), answered.stop.as_deref()), (Some("c"), Some("end_turn")));

    let mut damaged = claude.concat();
    let at = claude[0].len() + 60;
    damaged[at] ^= 1;
    let usage = answer(Provider::Bedrock, path, STREAM, &damaged).usage.unwrap();
    assert!(usage.estimated, "what a damaged message says is not believed");
}

#[test]
fn what_cannot_be_read_is_estimated_and_what_a_model_says_is_no_figure() {
    for body in [
        &b"not json"[..],
        b"{\"usage\":{\"prompt_tokens\":",
        b"",
        b"\xff\xfe",
        b"{\"usage\":{\"prompt_tokens\":-4}}",
    ] {
        let usage = answer(Provider::OpenAi, CHAT, JSON, body).usage.unwrap();
        assert!(usage.estimated && usage.input == Some(1000), "{body:?}");
    }
    let spoof = br#"{"choices":[{"message":{"content":"x","usage":{"prompt_tokens":1}}}],"usage":{"prompt_tokens":90,"completion_tokens":9}}"#;
    let usage = answer(Provider::OpenAi, CHAT, JSON, spoof).usage.unwrap();
    assert_eq!(usage.input, Some(90));
    let spoof = br#"{"content":[{"type":"tool_use","name":"t","input":{"usage":{"input_tokens":0},"message":{"usage":{"output_tokens":0}}}}],"usage":{"input_tokens":90,"output_tokens":9}}"#;
    let usage = answer(Provider::Anthropic, "/v1/messages", JSON, spoof).usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.estimated), (Some(90), Some(9), false));
}

#[test]
fn others_have_their_own_words() {
    let ollama = b"{\"model\":\"llama3\",\"message\":{\"content\":\"Hi\"},\"done\":false}\n{\"model\":\"llama3\",\"done_reason\":\"stop\",\"prompt_eval_count\":17,\"eval_count\":50}\n";
    let answered = answer(Provider::Custom, "/api/chat", "application/x-ndjson", ollama);
    assert_eq!(figures(answered.usage.unwrap()), [Some(17), Some(50), None, None, None]);
    assert_eq!((answered.model.as_deref(), answered.stop.as_deref()), (Some("llama3"), Some("stop")));

    let cohere = br#"{"finish_reason":"COMPLETE","meta":{"tokens":{"input_tokens":69,"output_tokens":110},"billed_units":{"input_tokens":7,"output_tokens":109}}}"#;
    let usage = answer(Provider::Custom, "/v1/chat", JSON, cohere).usage.unwrap();
    assert_eq!(figures(usage)[..2], [Some(69), Some(110)]);
    let embed = br#"{"meta":{"billed_units":{"input_tokens":4,"image_tokens":0}}}"#;
    assert_eq!(answer(Provider::Custom, "/v2/embed", JSON, embed).usage.unwrap().input, Some(4));

    let grok = br#"{"model":"grok","usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}}"#;
    let usage = answer(Provider::Custom, CHAT, JSON, grok).usage.unwrap();
    assert_eq!((usage.output, usage.billed().output), (Some(5), 25), "xAI counts thoughts beside the output");

    let groq = b"data: {\"choices\":[],\"x_groq\":{\"id\":\"r\",\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":988,\"total_time\":3.4}}}\n\n";
    assert_eq!(figures(answer(Provider::Custom, CHAT, SSE, groq).usage.unwrap())[..2], [Some(21), Some(988)]);
}
