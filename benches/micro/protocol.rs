//! What reading an exchange with a provider costs: the figures of a stream, of a whole answer, and a question.

use clawgress::model::types::Provider;
use clawgress::perceive::protocol::ai::{AnswerReader, Endpoint, QuestionReader};
use clawgress::perceive::protocol::decoding::Decoder;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use http::{HeaderMap, HeaderValue, Method};

/// Bytes that come in one piece: a record of TLS.
const PIECE: usize = 16 * 1024;

fn chat() -> Endpoint {
    Endpoint::read(Provider::OpenAi, &Method::POST, "/v1/chat/completions")
}

/// A stream as OpenAI sends it.
fn stream() -> Vec<u8> {
    let words = [" a", " stream", " of", " words", ",", " each", " an", " event", "\\n", " \\\"quoted\\\""];
    let chunk = |text: &str, number: usize| {
        format!(
            "data: {{\"id\":\"chatcmpl-DPTBkifvxyXVGWmtvutWX1PxNNs1R\",\"object\":\"chat.completion.chunk\",\"created\":1774962772,\
             \"model\":\"gpt-4.1-mini-2025-04-14\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_b6f445fc1c\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"logprobs\":null,\"finish_reason\":null}}],\
             \"usage\":null,\"obfuscation\":\"{number:x}Akvs4m\"}}\n\n"
        )
    };
    let chunks: String = (0..4000).map(|number| chunk(words[number % words.len()], number)).collect();
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":4000,\"total_tokens\":4020}}\n\n";
    format!("{chunks}{usage}data: [DONE]\n\n").into_bytes()
}

/// A whole answer of a long text.
fn whole() -> Vec<u8> {
    let text = "It is a long answer, in English, with a line now and then.\\n".repeat(8000);
    format!(
        "{{\"id\":\"chatcmpl-x\",\"model\":\"gpt-4o\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}}}}],\
         \"usage\":{{\"prompt_tokens\":20,\"completion_tokens\":9000}}}}"
    )
    .into_bytes()
}

/// An answer of numbers.
fn embeddings() -> Vec<u8> {
    let numbers: Vec<String> =
        (0..30_000_i32).map(|number| format!("{:.9}", f64::from(number - 15_000) / 314_159.0)).collect();
    format!("{{\"data\":[{{\"embedding\":[{}]}}],\"usage\":{{\"prompt_tokens\":20}}}}", numbers.join(","))
        .into_bytes()
}

fn read(bencher: Bencher<'_, '_>, media: &'static str, body: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(media));
    let endpoint = chat();
    bencher.counter(BytesCount::of_slice(body)).bench(|| {
        let mut reader = AnswerReader::new(&endpoint, 200, &headers, 7);
        black_box(body).chunks(PIECE).for_each(|piece| reader.feed(piece));
        reader.finish()
    });
}

#[divan::bench]
fn usage_of_an_sse_stream(bencher: Bencher<'_, '_>) {
    read(bencher, "text/event-stream", &stream());
}

#[divan::bench]
fn usage_of_a_whole_answer(bencher: Bencher<'_, '_>) {
    read(bencher, "application/json", &whole());
}

#[divan::bench]
fn usage_of_embeddings(bencher: Bencher<'_, '_>) {
    read(bencher, "application/json", &embeddings());
}

/// Of the bytes that it decodes to.
#[divan::bench]
fn usage_of_an_sse_stream_in_gzip(bencher: Bencher<'_, '_>) {
    use std::io::Write as _;
    let plain = stream();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&plain).expect("invariant: memory takes all");
    let body = encoder.finish().expect("invariant: memory takes all");
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    let endpoint = chat();
    bencher.counter(BytesCount::of_slice(&plain)).bench(|| {
        let mut reader = AnswerReader::new(&endpoint, 200, &headers, 7);
        let mut decoder = Decoder::new("gzip").expect("invariant: a known coding");
        for piece in black_box(&body).chunks(PIECE) {
            _ = decoder.feed(piece, |plain| reader.feed(plain));
        }
        reader.finish()
    });
}

/// A conversation of 64 KiB: half of it is counted in tokens, the rest estimated.
#[divan::bench(args = ["gpt-4o", "claude-sonnet-4-5"])]
fn question(bencher: Bencher<'_, '_>, model: &str) {
    let text = "What is asked, and what was said before, is told anew in each request.\\n".repeat(90);
    let message = format!("{{\"role\":\"user\",\"content\":\"{text}\"}}");
    let body =
        format!("{{\"model\":\"{model}\",\"messages\":[{}]}}", [message.as_str(); 10].join(",")).into_bytes();
    let endpoint = Endpoint::read(Provider::Custom, &Method::POST, "/v1/chat/completions");
    clawgress::perceive::protocol::ai::warm();
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let mut reader = QuestionReader::new(&endpoint);
        black_box(&body).chunks(PIECE).try_for_each(|piece| reader.feed(piece)).and_then(|()| reader.finish())
    });
}
