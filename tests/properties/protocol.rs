//! What AI providers send: JSON, streams of events, questions and answers that are nearly right, in any pieces and codings.

use std::io::Write;

use clawgress::model::types::Provider;
use clawgress::perceive::protocol::ai::{AnswerReader, Endpoint};
use clawgress::perceive::protocol::decoding::Decoder;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{damaged, holds};

/// Names that mean something, and others.
const NAMES: &str = "model|usage|messages|tools|input_tokens|Model|x|\\\\u006dodel|ü|a\\\\n";

/// A JSON text, mostly.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3}){0,1}([eE][+-]?[0-9]{1,2}){0,1}",
        "\"([ -!#-\\[\\]-~]|ü|😀|\\\\\\\\|\\\\\"|\\\\n|\\\\u00fc|\\\\ud83d\\\\ude00|\\\\ud83d){0,12}\"",
        "\"[A-Za-z0-9+/]{20,80}\"",
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let member = (NAMES, inner.clone()).prop_map(|(name, value)| format!("\"{name}\" : {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(", "))),
        ]
    })
}

/// Server-sent events, with every end of a line.
fn events() -> impl Strategy<Value = String> {
    let line = "(data|event|id|retry|datas|Data|)(:[ ]{0,2}[a-z:{}\"ü]{0,6}){0,1}";
    let lines = prop::collection::vec((line, "\n|\r\n|\r|\n\n|\r\n\r\n|\r\r"), 0..12);
    (prop::bool::weighted(0.2), lines).prop_map(|(mark, lines)| {
        let lines: String = lines.into_iter().map(|(line, end)| line + &end).collect();
        format!("{}{lines}", if mark { "\u{feff}" } else { "" })
    })
}

fn request() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        "\"model\":\"[a-z0-9-]{1,9}\"",
        "\"(max_tokens|max_completion_tokens|max_output_tokens|n)\":(null|-?[0-9]{1,4}|[0-9]\\.0|\"5\")",
        "\"(stream|Stream)\":(true|false|null|1)",
        "\"messages\":\\[(\\{\"role\":\"user\",\"content\":\"[a-z ü]{0,30}\"\\}){0,1}\\]",
        "\"tools\":\\[\\{\"name\":\"[a-z_]{1,9}\"\\},\\{\"function\":\\{\"name\":\"f\"\\}\\}\\]",
        "\"generationConfig\":\\{\"maxOutputTokens\":[0-9]{1,3}\\}",
        json().prop_map(|value| format!("\"x\":{value}")),
    ];
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// A message of MCP, as clients and servers send them, or a list of some.
fn mcp_message() -> impl Strategy<Value = String> {
    let name = "\"(send|read|read_it|a|b|\\\\u0061|ü)\"|7|null";
    let tool = (name, json()).prop_map(|(name, value)| format!("{{\"x\":{value} , \"name\": {name}}}"));
    let tools = prop::collection::vec((tool, "[ \n]{0,2},[ ]{0,1}"), 0..6).prop_map(|tools| {
        let tools: Vec<String> = tools.into_iter().flat_map(|(tool, comma)| [tool, comma]).collect();
        tools[..tools.len().saturating_sub(1)].concat()
    });
    let params = (name, json())
        .prop_map(|(name, value)| format!("{{\"name\":{name},\"arguments\":{{\"x\":{value}}}}}"))
        .boxed();
    let member = prop_oneof![
        4 => "\"jsonrpc\":\"2\\.0\"",
        3 => "\"id\":([0-9]{1,3}|\"[a-z]{0,3}\"|null|1\\.5)",
        3 => "\"method\":\"(tools/call|tools/list|ping|resources/read)\"",
        3 => params.clone().prop_map(|params| format!("\"params\":{params}")),
        4 => tools.prop_map(|tools| format!("\"result\" : {{\"tools\":[ {tools} ],\"nextCursor\":\"x\"}}")),
        1 => json().prop_map(|value| format!("\"error\":{value}")),
    ];
    let any = prop::collection::vec(member, 1..6);
    let call =
        ("[0-9]{1,3}|\"[a-z]{1,3}\"", "tools/call|prompts/get", params).prop_map(|(id, method, params)| {
            vec![
                "\"jsonrpc\":\"2.0\"".to_owned(),
                format!("\"id\":{id}"),
                format!("\"method\":\"{method}\""),
                format!("\"params\":{params}"),
            ]
        });
    let message =
        prop_oneof![any, call.prop_shuffle()].prop_map(|members| format!("{{{}}}", members.join(",")));
    prop_oneof![
        3 => message.clone(),
        1 => prop::collection::vec(message, 0..4).prop_map(|messages| format!("[{}]", messages.join(", "))),
    ]
}

/// The same as events of a stream, some of them on several lines.
fn mcp_events() -> impl Strategy<Value = String> {
    let event = (mcp_message(), "\n|\r\n|\r", "(event: message|: x|id: 7|retry)", any::<Index>()).prop_map(
        |(message, end, line, at)| {
            let places: Vec<usize> = message.match_indices(',').map(|(at, _)| at + 1).collect();
            let at = if places.is_empty() { 0 } else { places[at.index(places.len())] };
            let (first, second) = message.split_at(at);
            let (first, second) = (first.replace('\n', " "), second.replace('\n', " "));
            format!("data: {first}{end}{line}{end}data:{second}{end}{end}")
        },
    );
    prop::collection::vec(event, 0..4).prop_map(|events| events.concat())
}

/// A stream of OpenAI with these texts and these figures.
fn stream(texts: &[String], input: u64, output: u64) -> String {
    let chunks = texts.iter().map(|text| {
        let text = serde_json::Value::from(text.as_str());
        format!(
            "data: {{\"model\":\"m\",\"choices\":[{{\"delta\":{{\"content\":{text}}}}}],\"usage\":null}}\n\n"
        )
    });
    let chunks: String = chunks.collect();
    let usage = format!("{{\"prompt_tokens\":{input},\"completion_tokens\":{output}}}");
    format!("{chunks}data: {{\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n")
}

fn coded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let fast = flate2::Compression::fast();
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), fast);
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), fast);
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        }
        "zstd" => zstd::encode_all(bytes, 1).expect("memory"),
        _ => bytes.to_vec(),
    }
}

proptest! {
    #[test]
    fn json_is_read_as_another_reader_reads_it_however_it_is_cut(
        bytes in damaged(json().prop_map(String::into_bytes)), step in any::<u8>(),
    ) {
        holds("json", &[&[step], &bytes[..]].concat());
    }

    #[test]
    fn events_are_read_as_another_reader_reads_them_however_they_are_cut(
        bytes in damaged(events().prop_map(String::into_bytes)), step in any::<u8>(),
    ) {
        holds("events", &[&[step], &bytes[..]].concat());
    }

    #[test]
    fn questions_and_answers_are_read_alike_however_they_are_cut(
        bytes in damaged(request().prop_map(String::into_bytes)), how in any::<[u8; 3]>(),
    ) {
        holds("exchange", &[&how[..], &bytes].concat());
    }

    #[test]
    fn messages_of_mcp_are_read_as_another_reader_reads_them(
        bytes in damaged(mcp_message().prop_map(String::into_bytes)), step in any::<u8>(),
    ) {
        holds("mcp", &[&[step, 0], &bytes[..]].concat());
    }

    #[test]
    fn lists_of_tools_are_sieved_alike_however_a_stream_is_cut(
        bytes in damaged(mcp_events().prop_map(String::into_bytes)), step in any::<u8>(),
    ) {
        holds("mcp", &[&[step, 1], &bytes[..]].concat());
    }

    #[test]
    fn figures_are_exact_however_a_stream_is_coded_and_cut(
        texts in prop::collection::vec("[ -~üé😀\n]{0,20}", 0..12),
        figures in (0..1_u64 << 53, 0..1_u64 << 53),
        coding in prop::sample::select(&["", "gzip", "deflate", "zstd"][..]),
        size in 1..50_usize,
    ) {
        let body = coded(coding, stream(&texts, figures.0, figures.1).as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
        let endpoint = Endpoint::read(Provider::OpenAi, &Method::POST, "/v1/chat/completions");
        let mut reader = AnswerReader::new(&endpoint, 200, &headers, 7);
        let mut decoder = Decoder::new(coding).expect("a known coding");
        for piece in body.chunks(size) {
            decoder.feed(piece, |plain| reader.feed(plain)).expect("whole");
        }
        let usage = reader.finish().usage.expect("figures");
        prop_assert_eq!((usage.input, usage.output), (Some(figures.0), Some(figures.1)));
        prop_assert!(!usage.estimated);
    }
}
